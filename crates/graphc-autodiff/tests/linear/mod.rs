//! A network of six numbers, in two parameters, whose gradients are given.

use graphc_autodiff::{AutodiffOptions, differentiate};
use graphc_interp::graph::run;
use graphc_ir::graph::verify::verify;
use graphc_ir::{Graph, Op, Tensor};
use std::collections::BTreeMap;

/// The gradients are the inputs `dw` and `ds`.
const LINEAR: &str = r#"graph g(batch=1, mode=train) {
  %0: f32[5] = parameter() {shape=[5], initializer=0.0, trainable=true} "w" @ layer, line 3
  %1: f32[] = parameter() {shape=[], initializer=0.0, trainable=true} "s"
  %2: f32[5] = input() {dtype=f32, shape=[5]} "dw"
  %3: f32[] = input() {dtype=f32, shape=[]} "ds"
  %4: f32[5] = mul(%0, %2)
  %5: f32[] = reduce_sum(%4) {axes=[0], keep_dims=false}
  %6: f32[] = mul(%1, %3)
  %7: f32[] = add(%5, %6)
  loss %7
}"#;

pub(crate) const START: [f64; 6] = [1.0, -2.0, 0.5, 3.0, 0.0, -0.75];

/// With the updates of an optimizer that `prepare` gives to it.
pub(crate) fn updated(prepare: impl FnOnce(&mut Graph)) -> Graph {
    let mut graph: Graph = LINEAR.parse().unwrap();
    prepare(&mut graph);
    differentiate(&mut graph, &AutodiffOptions { gradient_outputs: false, update: true }).unwrap();
    let findings: Vec<String> = verify(&graph).iter().map(ToString::to_string).collect();
    assert!(findings.is_empty(), "{}\n{graph}", findings.join("\n"));
    graph
}

/// The six elements after every step, by the graph.
pub(crate) fn trained(graph: &Graph, gradients: &[[f64; 6]], rates: &[f64]) -> Vec<Vec<f64>> {
    let mut values: BTreeMap<String, Tensor<f64>> = BTreeMap::new();
    for id in graph.ids().into_iter().filter(|&id| matches!(graph.op(id), Op::Parameter(_))) {
        values.insert(graph.node(id).name.clone(), Tensor::full(&graph.sizes(id), 0.0));
    }
    let [w, s] = ["w", "s"].map(str::to_string);
    values.insert(w.clone(), Tensor::new(vec![5], START[..5].to_vec()));
    values.insert(s.clone(), Tensor::scalar(START[5]));
    let step = |(g, &rate): (&[f64; 6], &f64)| {
        values.insert("dw".to_string(), Tensor::new(vec![5], g[..5].to_vec()));
        values.insert("ds".to_string(), Tensor::scalar(g[5]));
        values.insert("learning_rate".to_string(), Tensor::scalar(rate));
        values.extend(run(graph, &values).unwrap().updates);
        [&values[&w].data[..], &values[&s].data].concat()
    };
    gradients.iter().zip(rates).map(step).collect()
}
