//! graphc as a library, with data of one's own: a source that computes its samples, callbacks, weights in a file.
//! `cargo run --example embed_data`
//!
//! The problem is a toy: which arm of two spirals a point lies on.
#![expect(clippy::print_stdout, reason = "an example shows what it found")]

use graphc::prelude::*;
use std::error::Error;
use std::path::Path;

fn main() -> graphc::Result<()> {
    let path = std::env::temp_dir().join("graphc-spirals.safetensors");
    let mut session = Session::new(network()?, SessionOptions::default())?;
    let history = train(&mut session, &path)?;
    println!("{} epochs, loss {:.4}", history.records.len(), history.records[history.records.len() - 1].loss);

    // Another program would begin here.
    let mut session = Session::new(network()?, SessionOptions::default())?;
    session.load(&path)?;
    let test = session.evaluate(Spirals { first: 100_000, n: 1000 })?;
    println!("accuracy on new points: {:.3}", test.accuracy.unwrap_or_default());
    Ok(())
}

/// Two inputs, two hidden layers, two classes.
fn network() -> graphc::Result<Graph> {
    let mut net = GraphBuilder::new("spirals");
    let point = net.input("point", DType::F32, Shape::batched(&[2]))?;
    let arm = net.input("arm", DType::I32, Shape::batched(&[]))?;
    let layer = Dense { activation: Some(Activation::Relu), ..Dense::new(32) };
    let hidden = net.dense("hidden1", point, &layer)?;
    let hidden = net.dense("hidden2", hidden, &layer)?;
    let arms = net.dense("arms", hidden, &Dense { activation: Some(Activation::Softmax), ..Dense::new(2) })?;
    net.loss(Loss::CategoricalCrossentropy, arms, arm)?;
    net.accuracy(arms, arm)?;
    net.optimizer(Optimizer::adam(0.005));
    Ok(net.finish())
}

/// Trains until 98% of the validation samples are right, and writes the weights.
fn train(session: &mut Session, path: &Path) -> graphc::Result<History> {
    let options = FitOptions { epochs: 200, validation_split: 0.2, ..FitOptions::default() };
    let mut n_steps = 0;
    let count = on_step(|_| n_steps += 1);
    let enough = on_epoch(|epoch| if epoch.val_accuracy >= Some(0.98) { Flow::Stop } else { Flow::Continue });
    let report = session.fit(Spirals { first: 0, n: 2000 }, &options, (count, enough))?;
    println!("{n_steps} steps");
    session.save(path)?;
    Ok(report.history)
}

/// Points of two arms, computed when a batch has them.
struct Spirals {
    /// Number of the first point.
    first: usize,
    n: usize,
}

impl DataSource for Spirals {
    fn len(&self) -> usize {
        self.n
    }

    fn read(&self, sample: usize, input: &str, row: Row<'_>) -> Result<(), Box<dyn Error>> {
        let number = self.first + sample;
        // Multiples of an irrational number, which are spread evenly.
        let radius = (number as f64 * 0.618_033_988_749_894_9).fract() as f32;
        match (input, row) {
            ("point", Row::F32(point)) => {
                let angle = 6.0 * radius + if number.is_multiple_of(2) { 0.0 } else { std::f32::consts::PI };
                point.copy_from_slice(&[radius * angle.cos(), radius * angle.sin()]);
            }
            ("arm", Row::I32(arm)) => arm[0] = number as i32 % 2,
            _ => return Err(format!("spirals have no `{input}`").into()),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_network_learns_the_spirals() {
        let path = std::env::temp_dir().join(format!("graphc-spirals-{}.safetensors", std::process::id()));
        let mut session = Session::new(network().unwrap(), SessionOptions::default()).unwrap();
        let history = train(&mut session, &path).unwrap();
        assert!(history.records.len() < 200, "it stops early");
        let mut session = Session::new(network().unwrap(), SessionOptions::default()).unwrap();
        session.load(&path).unwrap();
        std::fs::remove_file(path).unwrap();
        let test = session.evaluate(Spirals { first: 100_000, n: 1000 }).unwrap();
        assert!(test.accuracy.unwrap() > 0.95, "{test:?}");
    }

    #[test]
    fn a_source_that_does_not_know_an_input_says_so() {
        let mut net = GraphBuilder::new("net");
        let x = net.input("x", DType::F32, Shape::batched(&[2])).unwrap();
        let y = net.dense("y", x, &Dense::new(2)).unwrap();
        let target = net.input("target", DType::F32, Shape::batched(&[2])).unwrap();
        net.loss(Loss::MeanSquaredError, y, target).unwrap();
        net.optimizer(Optimizer::sgd(0.1));
        let mut session = Session::new(net.finish(), SessionOptions::default()).unwrap();
        let error = session.fit(Spirals { first: 0, n: 10 }, &FitOptions::default(), ()).unwrap_err();
        assert!(error.to_string().ends_with("of the input `x`: spirals have no `x`"), "{error}");
    }
}
