//! Every optimizer, with settings of every kind, against the formulas of Keras 3 in plain numbers.
//!
//! A new optimizer is a new arm of [`keras`]; the names, the settings and the combinations of them are those there are.

use graphc_autodiff::{AutodiffOptions, differentiate};
use graphc_interp::graph::run;
use graphc_ir::graph::verify::verify;
use graphc_ir::optimizers::{Adagrad, Adam, Lion, RmsProp, Sgd};
use graphc_ir::{Graph, NodeId, Op, Optimizer, Tensor};
use graphc_testing::all_optimizers;
use std::collections::{BTreeMap, BTreeSet};

/// One step of one element, from step `t = 1` on.
struct Element {
    p: f64,
    g: f64,
    lr: f64,
    t: i32,
}

/// The element's next value. `state` is what is remembered of it, zeros at first.
fn keras(optimizer: &Optimizer, state: &mut [f64; 3], Element { p, g, lr, t }: Element) -> f64 {
    let [first, second, third] = state;
    match *optimizer {
        Optimizer::Sgd(Sgd { momentum, nesterov, .. }) => {
            let velocity = first;
            *velocity = momentum * *velocity - lr * g;
            if nesterov { p + momentum * *velocity - lr * g } else { p + *velocity }
        }
        Optimizer::Adam(Adam { beta1, beta2, epsilon, weight_decay, .. }) => {
            let (m, v) = (first, second);
            *m = beta1 * *m + (1.0 - beta1) * g;
            *v = beta2 * *v + (1.0 - beta2) * g * g;
            let step_size = lr * (1.0 - beta2.powi(t)).sqrt() / (1.0 - beta1.powi(t));
            p * (1.0 - lr * weight_decay) - step_size * *m / (v.sqrt() + epsilon)
        }
        Optimizer::RmsProp(RmsProp { rho, momentum, epsilon, centered, .. }) => {
            let (velocity, average_grad, momentums) = (first, second, third);
            *velocity = rho * *velocity + (1.0 - rho) * g * g;
            *average_grad = rho * *average_grad + (1.0 - rho) * g;
            let denominator = if centered { *velocity - average_grad.powi(2) } else { *velocity } + epsilon;
            *momentums = momentum * *momentums + lr * g / denominator.sqrt();
            p - *momentums
        }
        Optimizer::Adagrad(Adagrad { initial_accumulator_value, epsilon, .. }) => {
            let accumulator = if t == 1 { initial_accumulator_value } else { *first } + g * g;
            *first = accumulator;
            p - lr * g / (accumulator + epsilon).sqrt()
        }
        Optimizer::Lion(Lion { beta1, beta2, weight_decay, .. }) => {
            let direction = beta1 * *first + (1.0 - beta1) * g;
            *first = beta2 * *first + (1.0 - beta2) * g;
            let sign = if direction == 0.0 { 0.0 } else { direction.signum() };
            p - lr * weight_decay * p - lr * sign
        }
    }
}

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

const START: [f64; 6] = [1.0, -2.0, 0.5, 3.0, 0.0, -0.75];

/// Gradients of the six elements in six steps: none ever, none now and then, large, small, always the same.
const GRADIENTS: [[f64; 6]; 6] = [
    [0.0, 1.0, -40.0, 1e-4, 0.5, 0.25],
    [0.0, 0.0, 25.0, -1e-4, 0.5, -2.0],
    [0.0, -2.0, -3e3, 2e-5, 0.5, 0.0],
    [0.0, 3.0, 0.0, 0.0, 0.5, 1.0],
    [0.0, 0.0, 7.0, 1e-6, 0.5, 1.5],
    [0.0, 0.5, 1e-3, -1e-4, 0.5, -8.0],
];

/// Schedules change it.
const RATES: [f64; 6] = [0.01, 0.02, 0.1, 0.1, 0.05, 0.0];

fn updated(optimizer: &Optimizer) -> Graph {
    let mut graph: Graph = LINEAR.parse().unwrap();
    graph.optimizer = Some(optimizer.clone());
    differentiate(&mut graph, &AutodiffOptions { gradient_outputs: false, update: true }).unwrap();
    let findings: Vec<String> = verify(&graph).iter().map(ToString::to_string).collect();
    assert!(findings.is_empty(), "{}\n{graph}", findings.join("\n"));
    graph
}

/// The six elements after every step, by the graph.
fn trained(graph: &Graph) -> Vec<Vec<f64>> {
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
    GRADIENTS.iter().zip(&RATES).map(step).collect()
}

#[test]
fn every_optimizer_does_what_it_does_in_keras() {
    let optimizers = all_optimizers();
    assert!(Optimizer::NAMES.iter().all(|name| optimizers.iter().any(|optimizer| optimizer.name() == *name)));
    for optimizer in optimizers {
        let graph = updated(&optimizer);
        let (mut elements, mut states) = (START, [[0.0; 3]; 6]);
        for (t, found) in trained(&graph).into_iter().enumerate() {
            for (i, state) in states.iter_mut().enumerate() {
                let element = Element { p: elements[i], g: GRADIENTS[t][i], lr: RATES[t], t: t as i32 + 1 };
                elements[i] = keras(&optimizer, state, element);
                let (found, expected) = (found[i], elements[i]);
                // Keras's formulas cancel: 1 - 0.999^t is good to 1e-13.
                let is_close = (found - expected).abs() <= 1e-11 * expected.abs().max(1.0);
                assert!(is_close, "{optimizer:?}, step {t}: {found} instead of {expected}\n{graph}");
            }
        }
    }
}

/// A scalar in the update of a tensor would be computed once more for every other parameter.
#[test]
fn what_is_the_same_for_all_parameters_is_computed_once() {
    for optimizer in all_optimizers() {
        let graph = updated(&optimizer);
        let of_tensor = |&id: &NodeId| graph.node(id).origin.to_string() == "update of layer, line 3";
        for id in graph.ids().into_iter().filter(of_tensor) {
            let is_good = matches!(graph.op(id), Op::Constant(_)) || graph.sizes(id) == [5];
            assert!(is_good, "{}: {id} should be made by `once`\n{graph}", optimizer.name());
        }
    }
}

#[test]
fn states_are_those_of_every_parameter() {
    for optimizer in all_optimizers() {
        let graph = updated(&optimizer);
        let updated: BTreeSet<&str> =
            graph.updates.iter().map(|update| graph.node(update.parameter).name.as_str()).collect();
        let name_of = |parameter: &str, state: &String| format!("{parameter}.{state}");
        let states = optimizer.states();
        let expected: BTreeSet<String> =
            ["w", "s"].iter().flat_map(|parameter| states.iter().map(|state| name_of(parameter, state))).collect();
        let found = updated.iter().filter(|name| name.starts_with("w.") || name.starts_with("s."));
        assert_eq!(found.map(ToString::to_string).collect::<BTreeSet<_>>(), expected);
    }
}
