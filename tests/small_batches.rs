//! Inference on a few samples, where the lanes are features: every engine and instruction set has the same bits, within
//! rounding of the meaning. And the prologue, which runs again exactly when parameters change.

use crate::common::engines::{OTHER_ISAS, compare_isas, run_both};
use crate::common::meaning::compare_with_meaning;
use graphc_driver::{CompileOptions, Session, SessionOptions, compile};
use graphc_interp::graph::{Evaluation, Keep, run_keeping};
use graphc_ir::graph::builder::GraphBuilder;
use graphc_ir::graph::{Graph, Mode, NodeId, Origin};
use graphc_ir::layers::{Activation, AvgPool2d, BatchNorm, Conv2d, Dense, DepthwiseConv2d, MaxPool2d, Padding};
use graphc_ir::loops::{BufferKind, verify};
use graphc_ir::ops::{Add, Op, ReduceMean, Softmax};
use graphc_ir::{DType, Shape, Tensor};
use graphc_testing::{Specials, bindings, cases, layer_graphs, special_bindings};
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use std::collections::{BTreeMap, BTreeSet};

/// Batch sizes for which lanes are features.
fn batches() -> impl Strategy<Value = usize> {
    prop_oneof![1..8_usize, 9..13_usize]
}

/// Compiles `graph` for inference on `batch` samples, runs it in every engine, and compares.
fn check(graph: &Graph, options: &CompileOptions, seed: u64) -> Result<(), String> {
    let compiled = compile(graph, options).map_err(|error| error.to_string())?;
    let findings: Vec<String> = verify(&compiled.lowered.program).iter().map(ToString::to_string).collect();
    if !findings.is_empty() {
        return Err(format!("{findings:?}\n{}", compiled.lowered.program));
    }
    // Of special values only the engines' bits are compared here; `special_values.rs` compares their meaning.
    let is_special = seed.is_multiple_of(3);
    let tensors = match is_special {
        true => special_bindings(&compiled.lowered.backward, seed, Specials::All),
        false => bindings(&compiled.lowered.backward, seed),
    };
    let (lowered, memory) = run_both(compiled, &tensors)?;
    compare_isas(graph, options, &OTHER_ISAS, &tensors, &memory)?;
    // Rounding decides comparisons, and statistics of few samples make a small difference a large one.
    if options.mode == Mode::Train || is_special {
        return Ok(());
    }
    let exact: BTreeMap<String, Tensor<f64>> = tensors.iter().map(|(name, t)| (name.clone(), t.cast())).collect();
    let meaning: Evaluation<f64> =
        run_keeping(&lowered.backward, &exact, Keep::Roots).map_err(|error| error.to_string())?;
    compare_with_meaning(&lowered.program, &memory, &meaning, |_| 1e-3)
}

fn options(batch: usize, checked: bool) -> CompileOptions {
    CompileOptions { checked, ..CompileOptions::infer(batch) }
}

/// Whether every batch tensor of the compiled program is rows.
fn lanes_are_features(graph: &Graph, batch: usize) -> bool {
    let program = compile(graph, &options(batch, false)).unwrap().lowered.program;
    program.buffers.iter().all(|buffer| buffer.layout.batch_axis.is_none())
}

/// Replaces the outputs by the latest values that do not come from a sum over the batch; false if there are none.
fn keep_per_sample(graph: &mut Graph) -> bool {
    let mut mixed: BTreeSet<NodeId> = BTreeSet::new();
    let has_batch = |graph: &Graph, id: NodeId| graph.ty(id).shape.batch_axis().is_some();
    for id in graph.topo_order() {
        let operands = graph.operands(id);
        let sums = !has_batch(graph, id) && operands.iter().any(|&operand| has_batch(graph, operand));
        let statistics = matches!(graph.op(id), Op::BatchNorm(_)) && graph.mode == Some(Mode::Train);
        if sums || statistics || operands.iter().any(|operand| mixed.contains(operand)) {
            mixed.insert(id);
        }
    }
    let is_leaf = |id: NodeId| matches!(graph.op(id), Op::Input(_) | Op::Parameter(_));
    let fit = |&id: &NodeId| has_batch(graph, id) && !mixed.contains(&id) && !is_leaf(id);
    let outputs: Vec<NodeId> = graph.topo_order().into_iter().rev().filter(fit).take(3).collect();
    graph.outputs.clear();
    graph.loss = None;
    for (number, &node) in outputs.iter().enumerate() {
        graph.add_output(&format!("y{number}"), node);
    }
    !outputs.is_empty()
}

fn config(cases: u32) -> ProptestConfig {
    let seeds = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/small_batches.proptest-regressions");
    ProptestConfig {
        cases,
        max_shrink_iters: 400,
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(seeds))),
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config(cases(60, 300)))]

    #[test]
    fn random_graphs_agree(test in layer_graphs(), batch in batches(), seed in any::<u64>(), checked in any::<bool>()) {
        let mut graph = test.graph;
        graph.batch = Some(batch);
        graph.mode = Some(Mode::Infer);
        prop_assume!(keep_per_sample(&mut graph));
        check(&graph, &options(batch, checked), seed).map_err(TestCaseError::fail)?;
    }

    #[test]
    fn random_losses_agree(test in layer_graphs(), batch in batches(), seed in any::<u64>(), checked in any::<bool>()) {
        check(&test.graph, &options(batch, checked), seed).map_err(TestCaseError::fail)?;
    }

    /// The loss of a training step that leaves the parameters as they are: statistics are those of the batch.
    #[test]
    fn random_statistics_agree(
        test in layer_graphs(),
        batch in batches(),
        seed in any::<u64>(),
        checked in any::<bool>(),
    ) {
        let options = CompileOptions { checked, update: false, ..CompileOptions::train(batch) };
        check(&test.graph, &options, seed).map_err(TestCaseError::fail)?;
    }
}

/// A convolutional network: two branches of convolutions, added, pooled, normalised, two dense layers, a softmax.
#[derive(Clone, Debug)]
struct Network {
    image: [usize; 3],
    channels: usize,
    kernel: usize,
    stride: usize,
    is_padded: bool,
    is_max_pool: bool,
    /// Filters for each channel of a depthwise convolution, if there is one.
    multiplier: usize,
    units: [usize; 2],
}

const CHANNELS: [usize; 6] = [1, 7, 8, 9, 16, 17];

fn networks() -> impl Strategy<Value = Network> {
    let size = || prop::sample::select(vec![6_usize, 7, 9, 12]);
    let channels = || prop::sample::select(CHANNELS.to_vec());
    let image = (size(), size(), channels()).prop_map(|(height, width, channels)| [height, width, channels]);
    let flags = (any::<bool>(), any::<bool>());
    (image, channels(), 1..=3_usize, 1..=2_usize, flags, 0..=2_usize, [channels(), channels()]).prop_map(
        |(image, channels, kernel, stride, (is_padded, is_max_pool), multiplier, units)| Network {
            image,
            channels,
            kernel,
            stride,
            is_padded,
            is_max_pool,
            multiplier,
            units,
        },
    )
}

impl Network {
    fn graph(&self) -> Graph {
        let mut net = GraphBuilder::new("net");
        let image = net.input("image", DType::F32, Shape::batched(&self.image)).unwrap();
        let convolution = Conv2d {
            strides: [self.stride; 2],
            padding: if self.is_padded { Padding::Same } else { Padding::Valid },
            ..Conv2d::new(self.channels, [self.kernel; 2])
        };
        let left = net.conv2d("left", image, &Conv2d { activation: Some(Activation::Relu), ..convolution.clone() });
        let right = net.conv2d("right", image, &convolution).unwrap();
        let sum = net.op("sum", Add {}, &[left.unwrap(), right]).unwrap();
        let mixed = match self.multiplier {
            0 => sum,
            multiplier => {
                // Depthwise, then in two groups, the filters of each a vector or two.
                let padding = Padding::Same;
                let layer =
                    DepthwiseConv2d { depth_multiplier: multiplier, padding, ..DepthwiseConv2d::new([self.kernel; 2]) };
                let depth = net.depthwise_conv2d("depth", sum, &layer).unwrap();
                let groups = if (self.channels * multiplier).is_multiple_of(2) { 2 } else { 1 };
                let layer = Conv2d { groups, ..Conv2d::new(8 * groups * multiplier, [1, 1]) };
                net.conv2d("point", depth, &layer).unwrap()
            }
        };
        let normal = net.batch_norm("normal", mixed, &BatchNorm::default()).unwrap();
        let padding = convolution.padding;
        let pooled = match self.is_max_pool {
            true => net.max_pool2d("pool", normal, &MaxPool2d { padding, ..MaxPool2d::new([2, 2]) }),
            false => net.avg_pool2d("pool", normal, &AvgPool2d { padding, ..AvgPool2d::new([2, 2]) }),
        };
        let x = net.flatten("flatten", pooled.unwrap()).unwrap();
        let layer = Dense { activation: Some(Activation::Tanh), ..Dense::new(self.units[0]) };
        let x = net.dense("dense1", x, &layer).unwrap();
        let x = net.batch_norm("normal2", x, &BatchNorm::default()).unwrap();
        let x = net.dense("dense2", x, &Dense::new(self.units[1])).unwrap();
        let y = net.op("probabilities", Softmax { axis: -1 }, &[x]).unwrap();
        net.output(y);
        net.finish()
    }
}

proptest! {
    #![proptest_config(config(100))]

    #[test]
    fn networks_agree(net in networks(), batch in batches(), seed in any::<u64>(), checked in any::<bool>()) {
        let graph = net.graph();
        prop_assert!(lanes_are_features(&graph, batch));
        check(&graph, &options(batch, checked), seed).map_err(TestCaseError::fail)?;
    }
}

fn small_net() -> Graph {
    let image = [9, 9, 3];
    let (is_padded, is_max_pool, multiplier) = (false, true, 0);
    Network { image, channels: 9, kernel: 3, stride: 1, is_padded, is_max_pool, multiplier, units: [17, 7] }.graph()
}

/// What a fresh session with the parameters of `session` gives.
fn fresh(session: &mut Session, batch: usize, image: &[f32]) -> Vec<f32> {
    let mut other = Session::new(small_net(), SessionOptions::default()).unwrap();
    for (name, value) in session.parameters().unwrap() {
        other.set_parameter(&name, &value).unwrap();
    }
    predict(&mut other, batch, image)
}

fn predict(session: &mut Session, batch: usize, image: &[f32]) -> Vec<f32> {
    session.set_input_f32(Mode::Infer, batch, "image", image).unwrap();
    session.step(Mode::Infer, batch).unwrap();
    session.output(Mode::Infer, batch, "probabilities").unwrap().data
}

#[test]
fn the_prologue_runs_again_when_parameters_change() {
    let image: Vec<f32> = (0..20 * 243).map(|i| (i % 17) as f32 / 17.0).collect();
    let mut session = Session::new(small_net(), SessionOptions::default()).unwrap();
    for batch in [1, 20] {
        let image = &image[..batch * 243];
        let first = predict(&mut session, batch, image);
        assert_eq!(predict(&mut session, batch, image), first, "nothing changed");
        for name in ["left.kernel", "normal2.gamma", "dense2.kernel"] {
            let before = predict(&mut session, batch, image);
            let (_, mut value) = session.parameters().unwrap().into_iter().find(|(found, _)| found == name).unwrap();
            value.data.iter_mut().for_each(|word| *word = 0.5 - *word);
            session.set_parameter(name, &value).unwrap();
            let after = predict(&mut session, batch, image);
            assert_ne!(after, before, "{name} was set");
            assert_eq!(after, fresh(&mut session, batch, image), "{name} was set");
        }
    }
}

#[test]
fn the_prologue_runs_again_when_state_is_copied() {
    let graph = small_net();
    let [one, two] = [(); 2].map(|()| compile(&graph, &CompileOptions::infer(1)).unwrap());
    let (lowered, mut one, mut two) = (one.lowered, one.executable, two.executable);
    assert_eq!(lowered.program.prologue().len(), 1);
    for (seed, executable) in [(1, &mut one), (2, &mut two)] {
        for (name, tensor) in bindings(&lowered.backward, seed) {
            let is_state = lowered.program.find(BufferKind::State, &name).is_some();
            let kind = if is_state { BufferKind::State } else { BufferKind::Input };
            let tensor = if is_state { tensor } else { bindings(&lowered.backward, 1)[&name].clone() };
            executable.set(kind, &name, &tensor.data).unwrap();
        }
        executable.step().unwrap();
    }
    let probabilities =
        |executable: &graphc_runtime::Executable| executable.get(BufferKind::Output, "probabilities").unwrap().data;
    assert_ne!(probabilities(&one), probabilities(&two));
    two.copy_state_from(&one).unwrap();
    two.step().unwrap();
    assert_eq!(probabilities(&one), probabilities(&two));
    // A word of the arena, by hand: the state is what it was, so the prologue must put its results back.
    two.arena_mut().iter_mut().zip(one.arena()).for_each(|(word, good)| *word = *good);
    let packed = lowered.program.buffers.iter().find(|buffer| buffer.name.starts_with("packed")).unwrap();
    two.arena_mut()[packed.offset] = 0x7fc0_0000;
    two.step().unwrap();
    assert_eq!(probabilities(&one), probabilities(&two));
}

#[test]
fn lanes_are_samples_where_most_of_them_are_in_use() {
    let graph = small_net();
    let of_features: Vec<usize> = (1..40).filter(|&batch| lanes_are_features(&graph, batch)).collect();
    assert_eq!(of_features, [1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12]);
}

#[test]
fn training_steps_have_no_prologue() {
    let mut graph = small_net();
    let node = graph.outputs[0].node;
    let mean = ReduceMean { axes: vec![0, 1], keep_dims: false };
    graph.loss = Some(graph.add(mean, &[node], "loss", Origin::layer("loss", 1)).unwrap());
    graph.optimizer = Some(graphc_ir::Optimizer::adam(0.01));
    let program = compile(&graph, &CompileOptions::train(4)).unwrap().lowered.program;
    assert_eq!(program.prologue().len(), 0);
}

/// Two padded convolutions, whose borders are walked tap by tap, forwards and backwards, with something behind them.
#[test]
fn borders_tap_by_tap_compute_the_same() {
    let text = r#"graph borders() {
  %0: f32[N,8,7,16] = input() {dtype=f32, shape=[N,8,7,16]} "x"
  %1: f32[3,3,16,16] = parameter() {shape=[3,3,16,16], initializer="glorot_uniform", trainable=true} "w1"
  %2: f32[3,3,16,11] = parameter() {shape=[3,3,16,11], initializer="glorot_uniform", trainable=true} "w2"
  %3: f32[N,8,7,16] = conv2d(%0, %1) {strides=[1,1], padding=[1,1,1,1]} "c1"
  %4: f32[N,8,7,16] = relu(%3) "r1"
  %5: f32[N,4,7,11] = conv2d(%4, %2) {strides=[2,1], padding=[1,1,1,1]} "c2"
  %6: f32[N,4,7,11] = mul(%5, %5)
  %7: f32[] = reduce_mean(%6) {axes=[0,1,2,3], keep_dims=false}
  optimizer sgd {learning_rate=0.1, momentum=0.0, nesterov=false}
  loss %7
  output loss = %7
}"#;
    let graph = graphc_ir::graph::parse::parse_bytes(text.as_bytes()).unwrap();
    let mut n_taps = 0;
    for batch in [1, 3, 8, 12, 16] {
        for (seed, options) in [CompileOptions::train(batch), CompileOptions::infer(batch)].iter().enumerate() {
            check(&graph, options, seed as u64 + 1).unwrap();
            let lowered = compile(&graph, options).unwrap().lowered;
            n_taps += lowered.schedule.to_string().matches("accumulators wait for the next tap").count();
        }
    }
    assert!(n_taps >= 4, "{n_taps} nests");
}

/// A convolution with strides and its transposed one, forwards and backwards, with something behind them: several taps
/// of a remainder, or none, and remainders of different numbers of rows.
#[test]
fn strides_compute_the_same() {
    let mut n_split = 0;
    for (stride, kernel, [height, width], [top, bottom, left, right], channels) in [
        (2, 3, [9, 8], [1, 1, 0, 1], 16),
        (2, 4, [8, 7], [0, 0, 0, 1], 9),
        (2, 4, [9, 9], [1, 2, 1, 1], 1),
        (3, 5, [11, 13], [2, 1, 2, 2], 8),
        (3, 2, [10, 7], [0, 0, 0, 0], 17),
    ] {
        let rows = (height + top + bottom - kernel) / stride + 1;
        let columns = (width + left + right - kernel) / stride + 1;
        let attributes = format!("strides=[{stride},{stride}], padding=[{top},{bottom},{left},{right}]");
        let [image, small] = [format!("[N,{height},{width},{channels}]"), format!("[N,{rows},{columns},8]")];
        let parameter = |shape: &str| format!("parameter() {{shape={shape}, initializer=0.5, trainable=true}}");
        let [first, window] = [format!("[1,1,3,{channels}]"), format!("[{kernel},{kernel},{channels},8]")];
        let text = format!(
            "graph strides() {{
  %0: f32[N,{height},{width},3] = input() {{dtype=f32, shape=[N,{height},{width},3]}} \"x\"
  %1: f32{first} = {} \"w1\"
  %2: f32{window} = {} \"w2\"
  %3: f32{image} = conv2d(%0, %1) {{strides=[1,1], padding=[0,0,0,0]}} \"c1\"
  %4: f32{small} = conv2d(%3, %2) {{{attributes}}} \"c2\"
  %5: f32{small} = relu(%4)
  %6: f32{image} = conv2d_input_grad(%5, %2) {{{attributes}, shape={image}}} \"c3\"
  %7: f32{image} = relu(%6)
  %8: f32{image} = mul(%7, %7)
  %9: f32[] = reduce_mean(%8) {{axes=[0,1,2,3], keep_dims=false}}
  optimizer sgd {{learning_rate=0.1, momentum=0.0, nesterov=false}}
  loss %9
  output loss = %9
}}",
            parameter(&first),
            parameter(&window)
        );
        let graph = graphc_ir::graph::parse::parse_bytes(text.as_bytes()).unwrap();
        for batch in [1, 3, 16, 17] {
            for (seed, options) in [CompileOptions::train(batch), CompileOptions::infer(batch)].iter().enumerate() {
                check(&graph, options, seed as u64 + 1).unwrap();
                let plan = compile(&graph, options).unwrap().lowered.schedule.to_string();
                // Rows, columns, and their remainders are axes before it.
                n_split += plan.matches(&format!("i5:{channels} out")).count();
            }
        }
    }
    assert!(n_split >= 15, "{n_split} nests");
}
