//! Updates in machine code: gradients of several steps, and weights that are not trained.

use graphc_driver::{SavedState, Session, SessionOptions};
use graphc_ir::graph::Mode;
use graphc_ir::{Graph, Tensor};
use std::path::Path;

/// Two dense layers, with a batch normalisation behind the first one if there is `norm`.
fn network(norm: &str, rest: &str) -> Graph {
    let text = format!(
        r#"{{ "graphc": 1,
        "inputs": {{ "x": {{ "shape": ["N", 4] }}, "y": {{ "shape": ["N", 3] }} }},
        "nodes": [
            {{ "name": "hidden", "op": "dense", "inputs": "x", "units": 9 }},
            {norm}
            {{ "name": "bent", "op": "tanh" }},
            {{ "name": "out", "op": "dense", "units": 3 }}
        ],
        "loss": {{ "op": "mean_squared_error", "prediction": "out", "target": "y" }} {rest} }}"#
    );
    graphc_frontend::parse(&text, Path::new("updates")).unwrap_or_else(|error| panic!("{error}")).graph
}

fn session(graph: &Graph, threads: usize) -> Session {
    Session::new(graph.clone(), SessionOptions { seed: 1, threads, ..SessionOptions::default() }).unwrap()
}

/// Steps with samples that are numbered on, `batch` in each.
fn train(session: &mut Session, steps: std::ops::Range<usize>, batch: usize) {
    for step in steps {
        for (name, width) in [("x", 4), ("y", 3)] {
            let first = step * batch * width;
            let number = |at: usize| (at * 29 % 101) as f32 / 50.0 - 1.0;
            let values: Vec<f32> = (first..first + batch * width).map(number).collect();
            session.set_input_f32(Mode::Train, batch, name, &values).unwrap();
        }
        session.step(Mode::Train, batch).unwrap();
    }
}

fn bits(session: &mut Session) -> Vec<(String, Vec<u32>)> {
    let mut tensors: Vec<(String, Tensor<f32>)> = session.parameters().unwrap();
    tensors.extend(session.optimizer_state().unwrap());
    tensors.into_iter().map(|(name, tensor)| (name, tensor.data.iter().map(|x| x.to_bits()).collect())).collect()
}

const ACCUMULATED: &str = r#", "optimizer": { "op": "adamw", "global_clipnorm": 0.5, "learning_rate": 0.01 },
    "parameters": [{ "match": "*.bias", "weight_decay": 0 }, { "match": "out.*", "l2": 0.01 }],
    "train": { "ema": { "decay": 0.9 }, "accumulate": 3 }"#;

#[test]
fn several_steps_are_as_one_of_all_samples() {
    let mut accumulated = session(&network("", ACCUMULATED), 1);
    let mut whole = session(&network("", &ACCUMULATED.replace(r#", "accumulate": 3"#, "")), 1);
    train(&mut accumulated, 0..12, 8);
    train(&mut whole, 0..4, 24);
    for ((name, found), (_, expected)) in accumulated.parameters().unwrap().iter().zip(whole.parameters().unwrap()) {
        for (found, expected) in found.data.iter().zip(&expected.data) {
            assert!((found - expected).abs() < 2e-5, "{name}: {found}, not {expected}");
        }
    }
}

/// A training that is interrupted between the steps of an update goes on to the same bits, on other threads too.
#[test]
fn sums_of_gradients_are_part_of_the_state() {
    let graph = network("", ACCUMULATED);
    let mut whole = session(&graph, 1);
    train(&mut whole, 0..4, 8);
    let mut saved = SavedState::default();
    whole.save_state(&mut saved).unwrap();
    train(&mut whole, 4..11, 8);
    let mut resumed = session(&graph, 2);
    resumed.restore_state(&saved).unwrap();
    train(&mut resumed, 4..11, 8);
    assert!(
        saved.names().any(|name| name == "out.kernel.grad_sum")
            && saved.names().any(|name| name == "accumulation.count")
    );
    assert_eq!(bits(&mut resumed), bits(&mut whole));
}

/// Before the first update there are no averages to infer with.
#[test]
fn averages_begin_with_the_first_update() {
    let mut session = session(&network("", ACCUMULATED), 1);
    session.infer_averages(true);
    train(&mut session, 0..2, 8);
    assert_eq!(session.inference_parameters().unwrap(), session.parameters().unwrap());
    train(&mut session, 2..6, 8);
    assert_ne!(session.inference_parameters().unwrap(), session.parameters().unwrap());
}

#[test]
fn frozen_layers_stay_as_they_are() {
    let norm = r#"{ "name": "norm", "op": "batch_norm", "trainable": false },"#;
    let rest = r#", "parameters": [{ "match": "hidden.*", "trainable": false }]"#;
    let mut session = session(&network(norm, rest), 1);
    let before = session.parameters().unwrap();
    train(&mut session, 0..3, 8);
    let changed: Vec<String> =
        session.parameters().unwrap().into_iter().zip(before).filter(|(a, b)| a != b).map(|(a, _)| a.0).collect();
    assert_eq!(changed, ["out.kernel", "out.bias"]);
    let kept: Vec<String> = session.optimizer_state().unwrap().into_iter().map(|(name, _)| name).collect();
    assert!(kept.iter().all(|name| name.starts_with("out.") || name.starts_with("adam.")), "{kept:?}");
}
