//! LeNet-5 against the float64 reference run in `tests/fixtures/`: the graph interpreter in `f64`
//! must follow its 20 losses, gradients and weights. This pins the meaning of every op of the net,
//! of autodiff, of Adam, and of every pass, to an independent implementation.

use graphc_autodiff::{AutodiffOptions, differentiate};
use graphc_interp::graph::{Evaluation, Keep, run_keeping};
use graphc_ir::graph::Mode;
use graphc_ir::graph::builder::{Activation, BuildError, Convolution, Dense, GraphBuilder, Loss, Padding, Pool};
use graphc_ir::{DType, Graph, Op, Optimizer, Shape, Tensor};
use graphc_passes::{PassManager, Report};
use std::collections::BTreeMap;
use std::io::Read;
use std::path::PathBuf;

const BATCH: usize = 64;
const FIRST_SAMPLE: usize = 56;

/// What makes a graph ready for autodiff, and nothing more.
const EXPAND: &[&str] = &["expand_before_autodiff"];

/// All passes that run before autodiff, in the driver's order.
const BEFORE_AUTODIFF: &[&str] = &[
    "simplify",
    "expand_before_autodiff",
    "canonicalise",
    "fold_constants",
    "simplify",
    "eliminate_common_subexpressions",
    "eliminate_dead_code",
];

/// All passes that run after it.
const AFTER_AUTODIFF: &[&str] = &[
    "fold_batch_norm",
    "expand_after_autodiff",
    "canonicalise",
    "fold_constants",
    "simplify",
    "eliminate_common_subexpressions",
    "eliminate_dead_code",
];

type Tensors = BTreeMap<String, Tensor<f64>>;

#[test]
fn optimised_graph_follows_the_reference() {
    let fixture = Fixture::read();
    let mut passes = PassManager { verify: true, ..PassManager::default() };
    let graph = training_graph(BEFORE_AUTODIFF, AFTER_AUTODIFF, &mut passes);
    let parameters = follow(&fixture, &graph, 20);
    check_weights(&fixture, &parameters, "after20", 1e-6);
    check_inference(&fixture, &parameters);
    // What is mathematically zero is found to be: no noise, in any precision.
    for parameter in ["conv1.bias", "conv2.bias", "bn2.beta"] {
        let gradient = graph.output(&format!("grad.{parameter}")).expect("a gradient output");
        assert!(matches!(graph.op(gradient), Op::Constant(constant) if constant.value == 0.0), "{parameter}");
    }
}

#[test]
fn plain_graph_follows_the_reference() {
    let fixture = Fixture::read();
    let graph = training_graph(EXPAND, &[], &mut PassManager::default());
    let parameters = follow(&fixture, &graph, 1);
    check_weights(&fixture, &parameters, "after1", 1e-9);
}

/// The joint graph of a step at batch 64.
fn training_graph(before: &[&str], after: &[&str], passes: &mut PassManager) -> Graph {
    let mut graph = lenet5();
    graph.batch = Some(BATCH);
    graph.mode = Some(Mode::Train);
    passes.run(before, &mut graph).unwrap();
    let options = AutodiffOptions { gradient_outputs: true, update: true };
    let autodiff = |graph: &mut Graph| {
        differentiate(graph, &options).unwrap();
        Report::unchanged()
    };
    passes.step("autodiff", &mut graph, autodiff).unwrap();
    passes.run(after, &mut graph).unwrap();
    graph.compacted()
}

/// Trains for `n_steps` and compares losses, and gradients of the first step; gives the weights.
fn follow(fixture: &Fixture, graph: &Graph, n_steps: usize) -> Tensors {
    let (images, labels) = (idx("train-images-idx3-ubyte.gz"), idx("train-labels-idx1-ubyte.gz"));
    let mut parameters = initial_parameters(fixture, graph);
    for step in 0..n_steps {
        let samples = FIRST_SAMPLE + BATCH * step..FIRST_SAMPLE + BATCH * (step + 1);
        let mut bindings = parameters.clone();
        bindings.insert("image".to_string(), image_batch(&images, samples.clone()));
        bindings.insert("label".to_string(), label_batch(&labels, samples));
        bindings.insert("learning_rate".to_string(), Tensor::scalar(0.001));
        round_corrections_as_keras(&mut bindings, step);
        let result = run_keeping(graph, &bindings, Keep::Roots).unwrap();
        check_loss(fixture, &result, step);
        if step == 0 {
            check_first_step(fixture, graph, &result);
        }
        parameters.extend(result.updates);
        if step == 0 {
            check_weights(fixture, &parameters, "after1", 1e-9);
        }
    }
    parameters
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
    let mut graph = lenet5();
    graph.batch = Some(256);
    graph.mode = Some(Mode::Infer);
    let mut passes = PassManager { verify: true, ..PassManager::default() };
    passes.run(BEFORE_AUTODIFF, &mut graph).unwrap();
    passes.run(AFTER_AUTODIFF, &mut graph).unwrap();
    let folded = passes.records.iter().find(|record| record.name == "fold_batch_norm").unwrap();
    assert_eq!(folded.report.count(), 2, "bn1 and bn3 follow a convolution: {}", folded.report);

    let mut bindings = parameters.clone();
    bindings.insert("image".to_string(), image_batch(&idx("t10k-images-idx3-ubyte.gz"), 0..256));
    bindings.insert("label".to_string(), label_batch(&idx("t10k-labels-idx1-ubyte.gz"), 0..256));
    let result = run_keeping(&graph, &bindings, Keep::Roots).unwrap();
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

/// The reference run.
struct Fixture {
    losses: Vec<f64>,
    tensors: Tensors,
}

impl Fixture {
    fn read() -> Fixture {
        let json = std::fs::read_to_string(root("tests/fixtures/lenet5_reference.json")).unwrap();
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        let losses = json["loss"].as_array().unwrap().iter().map(|loss| loss.as_f64().unwrap()).collect();
        let bytes = std::fs::read(root("tests/fixtures/lenet5_reference.safetensors")).unwrap();
        let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        let tensors = file.tensors().into_iter().map(|(name, view)| (name, tensor(&view))).collect();
        Fixture { losses, tensors }
    }

    /// Compares with the tensor `name`, relative to its largest entry.
    fn check(&self, found: &Tensor<f64>, name: &str, relative: f64, absolute: f64) {
        let expected = &self.tensors[name];
        assert_eq!(found.shape, expected.shape, "{name}");
        let largest = expected.data.iter().fold(0.0f64, |largest, x| largest.max(x.abs()));
        let error = found.data.iter().zip(&expected.data).map(|(x, y)| (x - y).abs()).fold(0.0, f64::max);
        let is_number = found.data.iter().all(|x| x.is_finite());
        let allowed = relative * largest + absolute;
        assert!(is_number && error <= allowed, "{name}: off by {error:e}, allowed {allowed:e}, largest {largest:e}");
    }
}

fn tensor(view: &safetensors::tensor::TensorView<'_>) -> Tensor<f64> {
    let bytes = view.data();
    let data = match view.dtype() {
        safetensors::Dtype::F32 => {
            bytes.chunks_exact(4).map(|x| f64::from(f32::from_le_bytes(x.try_into().unwrap()))).collect()
        }
        safetensors::Dtype::F64 => bytes.chunks_exact(8).map(|x| f64::from_le_bytes(x.try_into().unwrap())).collect(),
        dtype => panic!("unexpected type {dtype:?}"),
    };
    Tensor::new(view.shape().to_vec(), data)
}

fn image_batch(images: &[u8], samples: std::ops::Range<usize>) -> Tensor<f64> {
    let pixels = &images[16 + samples.start * 784..16 + samples.end * 784];
    Tensor::new(vec![samples.len(), 28, 28, 1], pixels.iter().map(|&pixel| f64::from(pixel) / 255.0).collect())
}

fn label_batch(labels: &[u8], samples: std::ops::Range<usize>) -> Tensor<f64> {
    let labels = &labels[8 + samples.start..8 + samples.end];
    Tensor::new(vec![labels.len()], labels.iter().map(|&label| f64::from(label)).collect())
}

/// An IDX file of MNIST, unpacked, header included.
fn idx(name: &str) -> Vec<u8> {
    let file = std::fs::File::open(root(&format!("data/mnist/{name}"))).unwrap();
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(file).read_to_end(&mut bytes).unwrap();
    bytes
}

fn root(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// The net of `examples/lenet5.graph.json`.
fn lenet5() -> Graph {
    build_lenet5().unwrap_or_else(|error| panic!("{error:?}"))
}

fn build_lenet5() -> Result<Graph, BuildError> {
    let mut net = GraphBuilder::new("lenet5");
    let pool = || Pool { pool: [2, 2], strides: [2, 2], padding: Padding::Valid };
    let image = net.input("image", DType::F32, Shape::batched(&[28, 28, 1]))?;
    let label = net.input("label", DType::I32, Shape::batched(&[]))?;
    let mut x = image;
    for (block, filters) in [(1, 6), (2, 16)] {
        x = net.conv2d(&format!("conv{block}"), x, &Convolution::new(filters, [5, 5]))?;
        x = net.batch_norm(&format!("bn{}", 2 * block - 1), x, 0.99, 1e-3)?;
        x = net.activation(&format!("relu{block}"), x, Activation::Relu)?;
        x = net.avg_pool2d(&format!("pool{block}"), x, &pool())?;
        x = net.batch_norm(&format!("bn{}", 2 * block), x, 0.99, 1e-3)?;
    }
    x = net.flatten("flatten", x)?;
    for (layer, units) in [(1, 120), (2, 84)] {
        let name = format!("dense{layer}");
        x = net.dense(&name, x, &Dense { activation: Some(Activation::Relu), ..Dense::new(units) })?;
        x = net.batch_norm(&format!("bn{}", layer + 4), x, 0.99, 1e-3)?;
    }
    x = net.dense("dense3", x, &Dense::new(10))?;
    let probabilities = net.activation("probabilities", x, Activation::Softmax)?;
    net.loss(Loss::CategoricalCrossentropy, probabilities, label)?;
    net.accuracy(probabilities, label)?;
    net.optimizer(Optimizer::adam(0.001));
    Ok(net.finish())
}
