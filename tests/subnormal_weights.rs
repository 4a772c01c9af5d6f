//! A network whose weights are all subnormal gives what zeros give. That it is as fast as any other, `cargo bench -p
//! graphc-measure --bench train_step -- 256-512-10` shows.

use graphc_driver::{Session, SessionOptions};
use graphc_ir::graph::builder::{GraphBuilder, Loss};
use graphc_ir::graph::{Graph, Mode};
use graphc_ir::layers::{Activation, Dense};
use graphc_ir::{DType, Optimizer, Shape, Tensor};

const BATCH: usize = 64;

/// 256 features, 512 units, 10 classes.
fn dense() -> Graph {
    let mut builder = GraphBuilder::new("dense");
    let features = builder.input("features", DType::F32, Shape::batched(&[256])).unwrap();
    let relu = Dense { activation: Some(Activation::Relu), ..Dense::new(512) };
    let hidden = builder.dense("hidden", features, &relu).unwrap();
    let softmax = Dense { activation: Some(Activation::Softmax), ..Dense::new(10) };
    let classes = builder.dense("classes", hidden, &softmax).unwrap();
    let label = builder.input("label", DType::I32, Shape::batched(&[])).unwrap();
    builder.loss(Loss::CategoricalCrossentropy, classes, label).unwrap();
    builder.optimizer(Optimizer::adam(0.01));
    builder.finish()
}

/// A session with all weights at 1e-40 or as initialised, which training steps leave as they are.
fn session(is_subnormal: bool) -> Session {
    let options = SessionOptions { frozen: true, gradients: true, ..SessionOptions::default() };
    let mut session = Session::new(dense(), options).unwrap();
    if is_subnormal {
        for (name, tensor) in session.parameters().unwrap() {
            session.set_parameter(&name, &Tensor::full(&tensor.shape, 1e-40)).unwrap();
        }
    }
    let features: Vec<f32> = (0..BATCH * 256).map(|at| (at as f32 * 0.37).sin()).collect();
    let labels: Vec<i32> = (0..BATCH as i32).map(|at| at % 10).collect();
    for mode in [Mode::Train, Mode::Infer] {
        session.set_input_f32(mode, BATCH, "features", &features).unwrap();
        if session.has_input(mode, BATCH, "label").unwrap() {
            session.set_input_i32(mode, BATCH, "label", &labels).unwrap();
        }
    }
    session
}

#[test]
fn subnormal_weights_are_zeros() {
    let mut of_tiny = session(true);
    of_tiny.step(Mode::Train, BATCH).unwrap();
    let mut of_zeros = session(false);
    for (name, tensor) in of_zeros.parameters().unwrap() {
        of_zeros.set_parameter(&name, &Tensor::full(&tensor.shape, 0.0)).unwrap();
    }
    of_zeros.step(Mode::Train, BATCH).unwrap();
    for name in of_tiny.output_names(Mode::Train, BATCH).unwrap() {
        let [tiny, zeros] = [&of_tiny, &of_zeros].map(|session| session.output(Mode::Train, BATCH, &name).unwrap());
        let differs = tiny.data.iter().zip(&zeros.data).find(|(tiny, zero)| tiny != zero);
        assert_eq!(differs, None, "{name}");
    }
    let loss = of_tiny.scalar(Mode::Train, BATCH, "loss").unwrap();
    assert!((loss - 10_f32.ln()).abs() < 1e-6, "{loss}");
    // They are kept, not flushed where they lie.
    assert!(of_tiny.parameters().unwrap().iter().all(|(_, tensor)| tensor.data.iter().all(|&x| x == 1e-40)));
}
