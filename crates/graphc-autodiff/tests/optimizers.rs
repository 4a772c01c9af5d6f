//! Every optimizer, with settings of every kind, against the formulas of Keras 3 in plain numbers.
//!
//! A new optimizer is a new arm of [`keras`]; the names, the settings and the combinations of them are those there are.

mod linear;

use graphc_ir::optimizers::{Adadelta, Adagrad, Adam, Adamax, Lamb, Lion, Nadam, RmsProp, Sgd};
use graphc_ir::{Graph, NodeId, Op, Optimizer};
use graphc_testing::all_optimizers;
use linear::{START, trained};
use std::collections::BTreeSet;

/// One step of one element, from step `t = 1` on.
#[derive(Clone, Copy)]
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
        Optimizer::Adam(_) | Optimizer::Nadam(_) | Optimizer::Adamax(_) | Optimizer::Lamb(_) => {
            keras_moments(optimizer, state, Element { p, g, lr, t })
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
        Optimizer::Adadelta(Adadelta { rho, epsilon, .. }) => {
            let (accumulated_grad, accumulated_delta) = (first, second);
            *accumulated_grad = rho * *accumulated_grad + (1.0 - rho) * g * g;
            let delta = -(*accumulated_delta + epsilon).sqrt() * g / (*accumulated_grad + epsilon).sqrt();
            *accumulated_delta = rho * *accumulated_delta + (1.0 - rho) * delta * delta;
            p + lr * delta
        }
    }
}

/// The same of an optimizer with moments.
fn keras_moments(optimizer: &Optimizer, state: &mut [f64; 3], Element { p, g, lr, t }: Element) -> f64 {
    let [first, second, third] = state;
    match *optimizer {
        Optimizer::Adam(Adam { beta1, beta2, epsilon, weight_decay, .. }) => {
            let (m, v) = (first, second);
            *m = beta1 * *m + (1.0 - beta1) * g;
            *v = beta2 * *v + (1.0 - beta2) * g * g;
            let step_size = lr * (1.0 - beta2.powi(t)).sqrt() / (1.0 - beta1.powi(t));
            p * (1.0 - lr * weight_decay) - step_size * *m / (v.sqrt() + epsilon)
        }
        Optimizer::Nadam(Nadam { beta1, beta2, epsilon, .. }) => {
            let (m, v, u_product) = (first, second, third);
            let u = |t: i32| beta1 * (1.0 - 0.5 * 0.96f64.powi(t));
            *u_product = if t == 1 { 1.0 } else { *u_product } * u(t);
            *m = beta1 * *m + (1.0 - beta1) * g;
            *v = beta2 * *v + (1.0 - beta2) * g * g;
            let m_hat = u(t + 1) * *m / (1.0 - *u_product * u(t + 1)) + (1.0 - u(t)) * g / (1.0 - *u_product);
            p - m_hat * lr / ((*v / (1.0 - beta2.powi(t))).sqrt() + epsilon)
        }
        Optimizer::Adamax(Adamax { beta1, beta2, epsilon, .. }) => {
            let (m, u) = (first, second);
            *m = beta1 * *m + (1.0 - beta1) * g;
            *u = (beta2 * *u).max(g.abs());
            p - lr * *m / ((1.0 - beta1.powi(t)) * (*u + epsilon))
        }
        // The step, which is scaled to the size of the tensor, from a parameter of 0.
        Optimizer::Lamb(Lamb { beta1, beta2, epsilon, .. }) => {
            let (m, v) = (first, second);
            *m = beta1 * *m + (1.0 - beta1) * g;
            *v = beta2 * *v + (1.0 - beta2) * g * g;
            -(*m / (1.0 - beta1.powi(t))) / ((*v / (1.0 - beta2.powi(t))).sqrt() + epsilon)
        }
        _ => unreachable!("the caller has only these"),
    }
}

/// The next values of a tensor's elements.
fn keras_tensor(optimizer: &Optimizer, states: &mut [[f64; 3]], elements: &[Element]) -> Vec<f64> {
    let next = elements.iter().zip(states).map(|(element, state)| keras(optimizer, state, *element));
    let next: Vec<f64> = next.collect();
    let Optimizer::Lamb(Lamb { weight_decay, .. }) = optimizer else { return next };
    let lr = elements[0].lr;
    let p: Vec<f64> = elements.iter().map(|element| element.p - element.p * weight_decay * lr).collect();
    let [w_norm, g_norm] = [&p, &next].map(|x| x.iter().map(|x| x * x).sum::<f64>().sqrt());
    let ratio = if w_norm > 0.0 && g_norm > 0.0 { w_norm / g_norm } else { 1.0 };
    p.iter().zip(&next).map(|(p, step)| p + ratio * lr * step).collect()
}

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
    linear::updated(|graph| graph.optimizer = Some(optimizer.clone()))
}

#[test]
fn every_optimizer_does_what_it_does_in_keras() {
    let optimizers = all_optimizers();
    assert!(Optimizer::NAMES.iter().all(|name| optimizers.iter().any(|optimizer| optimizer.name() == *name)));
    for optimizer in optimizers {
        let graph = updated(&optimizer);
        let (mut elements, mut states) = (START, [[0.0; 3]; 6]);
        for (t, found) in trained(&graph, &GRADIENTS, &RATES).into_iter().enumerate() {
            let mut next = Vec::new();
            let element = |i: usize| Element { p: elements[i], g: GRADIENTS[t][i], lr: RATES[t], t: t as i32 + 1 };
            let all: [Element; 6] = std::array::from_fn(element);
            for tensor in [0..5, 5..6] {
                next.extend(keras_tensor(&optimizer, &mut states[tensor.clone()], &all[tensor]));
            }
            elements.copy_from_slice(&next);
            for (found, expected) in found.into_iter().zip(next) {
                // Keras's formulas cancel: 1 - 0.999^t is good to 1e-13.
                let is_close = (found - expected).abs() <= 1e-11 * expected.abs().max(1.0);
                assert!(is_close, "{optimizer:?}, step {t}: {found} instead of {expected}\n{graph}");
            }
        }
    }
}

/// A scalar in the update of a tensor that does not follow from the tensor would be computed once more for every other
/// parameter.
#[test]
fn what_is_the_same_for_all_parameters_is_computed_once() {
    for optimizer in all_optimizers() {
        let graph = updated(&optimizer);
        let of_tensor = |&id: &NodeId| graph.node(id).origin.to_string() == "update of layer, line 3";
        for id in graph.ids().into_iter().filter(of_tensor) {
            let is_good = matches!(graph.op(id), Op::Constant(_)) || follows_from_tensor(&graph, id);
            assert!(is_good, "{}: {id} should be made by `once`\n{graph}", optimizer.name());
        }
    }
}

fn follows_from_tensor(graph: &Graph, id: NodeId) -> bool {
    graph.sizes(id) == [5] || graph.operands(id).into_iter().any(|operand| follows_from_tensor(graph, operand))
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
