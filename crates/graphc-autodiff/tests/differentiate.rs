//! What `differentiate` adds, by graph text.

use graphc_autodiff::{AutodiffError, AutodiffOptions, differentiate};
use graphc_interp::graph::run;
use graphc_ir::graph::verify::verify;
use graphc_ir::{Averaging, Graph, Op, Optimizer, Tensor};
use std::collections::BTreeMap;

const GRADIENTS: AutodiffOptions = AutodiffOptions { gradient_outputs: true, update: false };
const UPDATE: AutodiffOptions = AutodiffOptions { gradient_outputs: false, update: true };

/// `loss = sum(p * p) / 2`, so the gradient is `p` itself, and `unused` has none.
const SQUARES: &str = r#"graph g(batch=1, mode=train) {
  %0: f32[3] = parameter() {shape=[3], initializer=1.0, trainable=true} "p" @ layer, line 3
  %1: f32[2] = parameter() {shape=[2], initializer=1.0, trainable=true} "unused"
  %2: f32[] = constant() {value=0.5, shape=[]}
  %3: f32[3] = mul(%0, %0)
  %4: f32[] = reduce_sum(%3) {axes=[0], keep_dims=false}
  %5: f32[] = mul(%4, %2) "loss"
  loss %5
}"#;

fn differentiated(text: &str, optimizer: Option<Optimizer>, options: &AutodiffOptions) -> Graph {
    let mut graph: Graph = text.parse().unwrap();
    graph.optimizer = optimizer;
    differentiate(&mut graph, options).unwrap();
    let findings: Vec<String> = verify(&graph).iter().map(ToString::to_string).collect();
    assert!(findings.is_empty(), "{}\n{graph}", findings.join("\n"));
    graph
}

fn assert_close(found: &[Vec<f64>], expected: &[Vec<f64>]) {
    assert_eq!(found.len(), expected.len());
    for (x, y) in found.iter().flatten().zip(expected.iter().flatten()) {
        assert!((x - y).abs() < 1e-14 * y.abs().max(1.0), "{found:?} instead of {expected:?}");
    }
}

#[test]
fn gradient_is_that_of_the_formula() {
    let graph = differentiated(SQUARES, None, &GRADIENTS);
    let p = Tensor::new(vec![3], vec![1.0, -2.0, 0.5]);
    let bindings = BTreeMap::from([("p".to_string(), p.clone()), ("unused".to_string(), Tensor::full(&[2], 7.0))]);
    let result = run(&graph, &bindings).unwrap();
    assert_eq!(result.output("grad.p"), Some(&p));
    // The loss does not depend on it: a constant zero, not an error.
    assert_eq!(result.output("grad.unused"), Some(&Tensor::full(&[2], 0.0)));
    let gradient = graph.output("grad.p").unwrap();
    assert_eq!(graph.node(gradient).name, "p.grad");
    assert_eq!(graph.node(gradient).origin.to_string(), "gradient of layer, line 3");
}

#[test]
fn only_paths_from_parameters_are_differentiated() {
    let text = r#"graph g(batch=2, mode=train) {
      %0: f32[N,5,5,1] = input() {dtype=f32, shape=[N,5,5,1]} "image"
      %1: f32[3,3,1,2] = parameter() {shape=[3,3,1,2], initializer=1.0, trainable=true} "w1"
      %2: f32[3,3,2,1] = parameter() {shape=[3,3,2,1], initializer=1.0, trainable=true} "w2"
      %3: f32[] = parameter() {shape=[], initializer=1.0, trainable=false} "frozen"
      %4: f32[N,3,3,2] = conv2d(%0, %1) {strides=[1,1], padding=[0,0,0,0]}
      %5: f32[N,1,1,1] = conv2d(%4, %2) {strides=[1,1], padding=[0,0,0,0]}
      %6: f32[N,1,1,1] = mul(%5, %3)
      %7: f32[] = reduce_sum(%6) {axes=[0,1,2,3], keep_dims=false}
      loss %7
    }"#;
    let graph = differentiated(text, None, &GRADIENTS);
    let count = |name: &str| graph.ids().iter().filter(|&&id| graph.op(id).name() == name).count();
    // The image needs no gradient, the first convolution's result does.
    assert_eq!((count("conv2d_kernel_grad"), count("conv2d_input_grad")), (2, 1));
    let unread = |id| graph.users(id).is_empty() && !graph.is_root(id);
    let unread: Vec<_> = graph.ids().into_iter().filter(|&id| unread(id)).collect();
    assert!(unread.is_empty(), "{unread:?} are left over\n{graph}");
    assert!(graph.output("grad.frozen").is_none());
}

#[test]
fn errors() {
    let message = |text: &str, optimizer: Option<Optimizer>| {
        let mut graph: Graph = text.parse().unwrap();
        graph.optimizer = optimizer;
        differentiate(&mut graph, &UPDATE).unwrap_err()
    };
    assert_eq!(message("graph g(mode=train) {\n}", None), AutodiffError::NoLoss);
    assert_eq!(message(&SQUARES.replace(", mode=train", ""), None), AutodiffError::NoMode);
    assert_eq!(message(SQUARES, None), AutodiffError::NoOptimizer);
    assert_eq!(message(SQUARES, None).to_string(), "the graph has no optimizer, so its parameters cannot be updated");
    let taken = SQUARES.replace("\"unused\"", "\"learning_rate\"");
    assert!(matches!(message(&taken, Some(Optimizer::adam(0.1))), AutodiffError::LearningRate(_)));
}

/// Of values that are 1, then 2, then 4: the later, the more they count.
#[test]
fn averages_forget_what_is_long_ago() {
    let mut graph: Graph = SQUARES.parse().unwrap();
    // The gradient is `p`: a step with the rate -1 doubles it.
    graph.optimizer = Some(Optimizer::sgd(-1.0));
    graph.averaging = Some(Averaging { decay: 0.5 });
    let printed = graph.to_string();
    assert!(printed.contains("\n  averaging {decay=0.5}\n"), "{printed}");
    assert_eq!(printed.parse::<Graph>().unwrap().averaging, graph.averaging);
    differentiate(&mut graph, &UPDATE).unwrap();
    assert!(verify(&graph).is_empty());
    let mut values: BTreeMap<String, Tensor<f64>> = BTreeMap::new();
    for id in graph.ids() {
        if matches!(graph.op(id), Op::Parameter(_)) {
            values.insert(graph.node(id).name.clone(), Tensor::full(&graph.sizes(id), 0.0));
        }
    }
    values.insert("p".to_string(), Tensor::new(vec![3], vec![0.5, -1.0, 0.25]));
    values.insert("learning_rate".to_string(), Tensor::scalar(-1.0));
    let mut averages = Vec::new();
    for _ in 0..3 {
        values.extend(run(&graph, &values).unwrap().updates);
        averages.push(values[&Averaging::name_of("p")].data.clone());
    }
    // (2 + 1 / 2) / (1 + 1 / 2), (4 + 2 / 2 + 1 / 4) / (1 + 1 / 2 + 1 / 4)
    let expected = [1.0, 5.0 / 3.0, 3.0].map(|mean| vec![mean, -2.0 * mean, mean / 2.0]);
    assert_close(&averages, &expected);
    assert_eq!(values["unused.average"].data, [0.0, 0.0], "what does not change is its own average");
}

fn scalar(value: f64) -> Tensor<f64> {
    Tensor::new(Vec::new(), vec![value])
}

/// Of `mean((p - stop_gradient(q))^2)` by both, and of `p * stop_gradient(p)`.
#[test]
fn gradients_end_where_they_are_stopped() {
    let text = r#"graph g(batch=1, mode=train) {
      %0: f32[] = parameter() {shape=[], initializer=1.0, trainable=true} "p"
      %1: f32[] = parameter() {shape=[], initializer=1.0, trainable=true} "q"
      %2: f32[] = stop_gradient(%1)
      %3: f32[] = sub(%0, %2)
      %4: f32[] = mul(%3, %3)
      %5: f32[] = stop_gradient(%0)
      %6: f32[] = mul(%0, %5)
      %7: f32[] = add(%4, %6)
      loss %7
    }"#;
    let graph = differentiated(text, None, &GRADIENTS);
    let bindings = BTreeMap::from([("p".to_string(), scalar(3.0)), ("q".to_string(), scalar(5.0))]);
    let result = run(&graph, &bindings).unwrap();
    // 2 * (3 - 5), and 3 in place of 2 * 3.
    assert_eq!(result.output("grad.p"), Some(&scalar(-1.0)));
    assert_eq!(result.output("grad.q"), Some(&scalar(0.0)));
}
