//! graphc as a library: build a network, train it step by step, ask it. `cargo run --example embed`
//!
//! The problem is a toy: points of the plane, inside or outside a circle, told apart by two dense layers.
#![expect(clippy::print_stdout, reason = "an example shows what it found")]

use graphc::prelude::*;

fn main() -> graphc::Result<()> {
    let mut session = Session::new(network()?, SessionOptions::default())?;
    let losses = train(&mut session, 400)?;
    for (step, loss) in losses.iter().enumerate().step_by(80) {
        println!("step {step:3}: loss {loss:.4}");
    }
    let points = [[0.0, 0.0], [0.9, 0.9]];
    let inside = session.predict(&[("point", &points)])?;
    for ([x, y], classes) in points.iter().zip(inside.data.chunks(2)) {
        println!("({x}, {y}) is inside with probability {:.3}", classes[1]);
    }
    for (name, tensor) in session.parameters()? {
        println!("{name}: {:?}", tensor.shape);
    }
    Ok(())
}

/// Two inputs, sixteen hidden units, two classes.
fn network() -> graphc::Result<Graph> {
    let mut net = GraphBuilder::new("circle");
    let point = net.input("point", DType::F32, Shape::batched(&[2]))?;
    let label = net.input("label", DType::I32, Shape::batched(&[]))?;
    let hidden = net.dense("hidden", point, &Dense { activation: Some(Activation::Tanh), ..Dense::new(16) })?;
    let classes = net.dense("classes", hidden, &Dense { activation: Some(Activation::Softmax), ..Dense::new(2) })?;
    net.loss(Loss::CategoricalCrossentropy, classes, label)?;
    net.optimizer(Optimizer::adam(0.02));
    Ok(net.finish())
}

/// The loss of every step. Forward, backward and Adam are one call of compiled code.
fn train(session: &mut Session, n_steps: usize) -> graphc::Result<Vec<f32>> {
    let step = |step| {
        let (points, labels) = points_of(step);
        Ok(session.train_step(&[("point", &points), ("label", &labels)])?.loss)
    };
    (0..n_steps).map(step).collect()
}

/// A batch of 64 points in the square from -1 to 1, spread evenly by two irrational strides, with class 1
/// inside the circle of radius 0.7.
fn points_of(step: usize) -> (Vec<[f32; 2]>, Vec<i32>) {
    let coordinate = |number: usize, stride: f64| ((number as f64 * stride).fract() * 2.0 - 1.0) as f32;
    let numbers = step * 64..(step + 1) * 64;
    let points: Vec<[f32; 2]> =
        numbers.map(|number| [coordinate(number, 0.754_877_666_2), coordinate(number, 0.569_840_290_9)]).collect();
    let labels = points.iter().map(|[x, y]| i32::from(x.hypot(*y) < 0.7)).collect();
    (points, labels)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(seed: u64) -> Session {
        Session::new(network().unwrap(), SessionOptions { seed: Some(seed), ..SessionOptions::default() }).unwrap()
    }

    #[test]
    fn the_network_learns_the_circle() {
        let mut session = session(1);
        let losses = train(&mut session, 400).unwrap();
        let mean = |losses: &[f32]| losses.iter().sum::<f32>() / losses.len() as f32;
        let (first, last) = (mean(&losses[..10]), mean(&losses[390..]));
        assert!(last < 0.3 * first, "loss fell from {first} to {last} only");
        let inside = session.predict(&[("point", &[[0.0, 0.0], [0.9, 0.9]])]).unwrap();
        assert!(inside.data[1] > 0.9 && inside.data[3] < 0.1, "{inside:?}");
    }

    #[test]
    fn training_is_reproducible_to_the_bit() {
        let run = |seed| train(&mut session(seed), 20).unwrap();
        assert_eq!(run(3), run(3));
        assert_ne!(run(3), run(4));
    }
}
