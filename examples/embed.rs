//! graphc as a library: build a graph, compile it, train it, read tensors. `cargo run --example embed`
//!
//! The problem is a toy: points of the plane, inside or outside a circle, told apart by two dense layers.
#![expect(clippy::print_stdout, reason = "an example shows what it found")]

use graphc_driver::{DriverError, Session, SessionOptions};
use graphc_ir::graph::Mode;
use graphc_ir::graph::builder::{Activation, BuildError, Dense, GraphBuilder, Loss};
use graphc_ir::{DType, Graph, Optimizer, Shape};

const BATCH: usize = 64;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut session = Session::new(network()?, SessionOptions { seed: 1, ..SessionOptions::default() })?;
    let times = session.compile(Mode::Train, BATCH)?;
    println!("compiled for {} in {:.1} ms", times.target, times.total.as_secs_f64() * 1e3);

    let losses = train(&mut session, 400)?;
    for (step, loss) in losses.iter().enumerate().step_by(80) {
        println!("step {step:3}: loss {loss:.4}");
    }
    println!("step {:3}: loss {:.4}", losses.len() - 1, losses[losses.len() - 1]);

    for [x, y] in [[0.0, 0.0], [0.9, 0.9]] {
        println!("({x}, {y}) is inside with probability {:.3}", inside(&mut session, [x, y])?);
    }
    for (name, tensor) in session.parameters()? {
        println!("{name}: {:?}", tensor.shape);
    }
    Ok(())
}

/// Two inputs, sixteen hidden units, two classes.
fn network() -> Result<Graph, BuildError> {
    let mut builder = GraphBuilder::new("circle");
    let point = builder.input("point", DType::F32, Shape::batched(&[2]))?;
    let label = builder.input("label", DType::I32, Shape::batched(&[]))?;
    let hidden = Dense { activation: Some(Activation::Tanh), ..Dense::new(16) };
    let hidden = builder.dense("hidden", point, &hidden)?;
    let classes = Dense { activation: Some(Activation::Softmax), ..Dense::new(2) };
    let classes = builder.dense("classes", hidden, &classes)?;
    builder.loss(Loss::CategoricalCrossentropy, classes, label)?;
    builder.optimizer(Optimizer::adam(0.02));
    Ok(builder.finish())
}

/// The loss of every step. Forward, backward and Adam are one call of compiled code.
fn train(session: &mut Session, n_steps: usize) -> Result<Vec<f32>, DriverError> {
    (0..n_steps)
        .map(|step| {
            let (points, labels) = points_of(step);
            session.set_input_f32(Mode::Train, BATCH, "point", &points)?;
            session.set_input_i32(Mode::Train, BATCH, "label", &labels)?;
            session.step(Mode::Train, BATCH)?;
            Ok(session.output(Mode::Train, BATCH, "loss")?.data[0])
        })
        .collect()
}

/// The probability that a point lies inside: the same parameters, another mode and batch size.
fn inside(session: &mut Session, point: [f32; 2]) -> Result<f32, DriverError> {
    session.set_input_f32(Mode::Infer, 1, "point", &point)?;
    session.step(Mode::Infer, 1)?;
    Ok(session.output(Mode::Infer, 1, "classes")?.data[1])
}

/// A batch of points in the square from -1 to 1, spread evenly by two irrational strides, with class 1
/// inside the circle of radius 0.7.
fn points_of(step: usize) -> (Vec<f32>, Vec<i32>) {
    let coordinate = |number: usize, stride: f64| ((number as f64 * stride).fract() * 2.0 - 1.0) as f32;
    let numbers = step * BATCH..(step + 1) * BATCH;
    let points: Vec<[f32; 2]> =
        numbers.map(|number| [coordinate(number, 0.754_877_666_2), coordinate(number, 0.569_840_290_9)]).collect();
    let labels = points.iter().map(|[x, y]| i32::from(x.hypot(*y) < 0.7)).collect();
    (points.into_flattened(), labels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_network_learns_the_circle() {
        let mut session = Session::new(network().unwrap(), SessionOptions { seed: 1, ..Default::default() }).unwrap();
        let losses = train(&mut session, 400).unwrap();
        let mean = |losses: &[f32]| losses.iter().sum::<f32>() / losses.len() as f32;
        let (first, last) = (mean(&losses[..10]), mean(&losses[390..]));
        assert!(last < 0.3 * first, "loss fell from {first} to {last} only");
        assert!(inside(&mut session, [0.0, 0.0]).unwrap() > 0.9);
        assert!(inside(&mut session, [0.9, 0.9]).unwrap() < 0.1);
    }

    #[test]
    fn training_is_reproducible_to_the_bit() {
        let run = |seed| {
            let mut session = Session::new(network().unwrap(), SessionOptions { seed, ..Default::default() }).unwrap();
            train(&mut session, 20).unwrap()
        };
        assert_eq!(run(3), run(3));
        assert_ne!(run(3), run(4));
    }
}
