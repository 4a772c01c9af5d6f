//! LeNet-5 against the float64 reference run in `tests/fixtures/`: the graph interpreter in `f64`
//! must follow its 20 losses, gradients and weights. This pins the meaning of every op of the net,
//! of autodiff, of Adam, and of every pass, to an independent implementation.

use crate::reference::{BATCH, Fixture, Samples, Tensors, lenet5, samples_of};
use graphc_autodiff::{AutodiffOptions, differentiate};
use graphc_driver::{CompileOptions, lower};
use graphc_interp::graph::{Evaluation, Keep, run_keeping};
use graphc_ir::graph::Mode;
use graphc_ir::{Graph, Op, Tensor};
use graphc_passes::{PassManager, Report};

#[test]
fn compiled_graph_follows_the_reference() {
    let fixture = Fixture::read();
    let options = CompileOptions { gradients: true, verify: true, ..CompileOptions::train(BATCH) };
    let graph = lower(&lenet5(), &options).unwrap().fused;
    let (parameters, first) = follow(&fixture, &graph, 20);
    check_weights(&fixture, &parameters, "after20", 1e-6);
    check_inference(&fixture, &parameters);
    // What is mathematically zero is found to be: no noise, in any precision.
    for parameter in ["conv1.bias", "conv2.bias", "bn2.beta"] {
        let gradient = first.output(&format!("grad.{parameter}")).expect("a gradient output");
        assert!(gradient.data.iter().all(|&x| x == 0.0), "{parameter}: {:?}", gradient.data);
    }
}

#[test]
fn plain_graph_follows_the_reference() {
    let fixture = Fixture::read();
    let (parameters, _) = follow(&fixture, &plain_training_graph(), 1);
    check_weights(&fixture, &parameters, "after1", 1e-9);
}

/// The joint graph of a step, with the one pass that autodiff cannot do without.
fn plain_training_graph() -> Graph {
    let mut graph = lenet5();
    graph.batch = Some(BATCH);
    graph.mode = Some(Mode::Train);
    let mut passes = PassManager::default();
    passes.run(&["expand_before_autodiff"], &mut graph).unwrap();
    let options = AutodiffOptions { gradient_outputs: true, update: true };
    let autodiff = |graph: &mut Graph| {
        differentiate(graph, &options).unwrap();
        Report::unchanged()
    };
    passes.step("autodiff", &mut graph, autodiff).unwrap();
    graph.compacted()
}

/// Trains for `n_steps` and compares losses, and gradients of the first step; gives the weights after the last step and
/// the outputs of the first.
fn follow(fixture: &Fixture, graph: &Graph, n_steps: usize) -> (Tensors, Evaluation<f64>) {
    let data = Samples::read("train");
    let mut parameters = initial_parameters(fixture, graph);
    let mut first = None;
    for step in 0..n_steps {
        let mut bindings = parameters.clone();
        bindings.insert("image".to_string(), data.images(samples_of(step)));
        bindings.insert("label".to_string(), data.labels(samples_of(step)));
        bindings.insert("learning_rate".to_string(), Tensor::scalar(0.001));
        round_corrections_as_keras(&mut bindings, step);
        let result = run_keeping(graph, &bindings, Keep::Roots).unwrap();
        check_loss(fixture, &result, step);
        if step == 0 {
            check_first_step(fixture, graph, &result);
        }
        parameters.extend(result.updates.clone());
        if step == 0 {
            check_weights(fixture, &parameters, "after1", 1e-9);
            first = Some(result);
        }
    }
    (parameters, first.expect("at least one step"))
}

/// Keras rounds the decay rates to `f32` in Adam's bias corrections, and only there, even when everything
/// else is `f64`: `1 - f32(0.999)^t` instead of `1 - 0.999^t`, 6.7e-6 of a step. Ours are exact, so the
/// state before step `t` is set to what the recurrence `c' = 1 - (1 - c) * b` takes to Keras's value.
fn round_corrections_as_keras(bindings: &mut Tensors, step: usize) {
    for (name, exact, rounded) in [("adam.correction1", 0.9, 0.9f32), ("adam.correction2", 0.999, 0.999f32)] {
        let own = bindings[name].data[0];
        let expected = 1.0 - f64::powi(exact, step as i32);
        // What the compiled recurrence left there is right by itself, up to Keras's rounding.
        assert!((own - expected).abs() < 1e-6, "{name} before step {step}: {own} instead of {expected}");
        let power = f64::from(rounded).powi(step as i32 + 1);
        bindings.insert(name.to_string(), Tensor::scalar(1.0 - power / exact));
    }
}

fn check_loss(fixture: &Fixture, result: &Evaluation<f64>, step: usize) {
    let (found, expected) = (result.output("loss").unwrap().data[0], fixture.losses[step]);
    let relative = (found - expected).abs() / expected;
    assert!(relative < 1e-8, "loss of step {step}: {found} instead of {expected}, off by {relative:e}");
}

fn check_first_step(fixture: &Fixture, graph: &Graph, result: &Evaluation<f64>) {
    let trainable = |graph: &Graph| {
        let is_trainable = |op: &Op| matches!(op, Op::Parameter(parameter) if parameter.trainable);
        let ids = graph.ids().into_iter().filter(|&id| is_trainable(graph.op(id)));
        ids.map(|id| graph.node(id).name.clone()).collect::<Vec<_>>()
    };
    let names = trainable(graph);
    assert_eq!(names.len(), 22);
    for name in names {
        let found = result.output(&format!("grad.{name}")).unwrap();
        fixture.check(found, &format!("step0.grad.{name}"), 1e-9, 1e-11);
    }
    fixture.check(result.output("probabilities").unwrap(), "step0.probabilities", 1e-12, 0.0);
}

fn check_weights(fixture: &Fixture, parameters: &Tensors, prefix: &str, relative: f64) {
    let names: Vec<&String> = fixture.tensors.keys().filter(|name| name.starts_with(prefix)).collect();
    assert_eq!(names.len(), 34);
    for name in names {
        let parameter = name.strip_prefix(prefix).and_then(|name| name.strip_prefix('.')).unwrap();
        fixture.check(&parameters[parameter], name, relative, 1e-9);
    }
}

/// Inference with moving statistics on the first 256 test images, batch normalisations folded.
fn check_inference(fixture: &Fixture, parameters: &Tensors) {
    let options = CompileOptions { verify: true, ..CompileOptions::infer(256) };
    let lowered = lower(&lenet5(), &options).unwrap();
    let folded = lowered.records.iter().find(|record| record.name == "fold_batch_norm").unwrap();
    assert_eq!(folded.report.count(), 2, "bn1 and bn3 follow a convolution: {}", folded.report);

    let data = Samples::read("t10k");
    let mut bindings = parameters.clone();
    bindings.insert("image".to_string(), data.images(0..256));
    bindings.insert("label".to_string(), data.labels(0..256));
    let result = run_keeping(&lowered.fused, &bindings, Keep::Roots).unwrap();
    fixture.check(result.output("probabilities").unwrap(), "eval.probabilities", 1e-6, 0.0);
}

/// The reference's initial weights; the optimizer's state starts at zero.
fn initial_parameters(fixture: &Fixture, graph: &Graph) -> Tensors {
    let mut parameters = Tensors::new();
    for id in graph.ids() {
        if let Op::Parameter(_) = graph.op(id) {
            let name = graph.node(id).name.clone();
            let zero = || Tensor::full(&graph.sizes(id), 0.0);
            let tensor = match fixture.tensors.get(&format!("init.{name}")) {
                Some(tensor) => tensor.clone(),
                None => {
                    assert!(name.contains("adam"), "{name} is not in the reference");
                    zero()
                }
            };
            parameters.insert(name, tensor);
        }
    }
    parameters
}
