//! Compares gradient nodes with central differences in `f64`.
//!
//! The difference quotient `(loss(x + h) - loss(x - h)) / 2h` is taken at two step sizes. Where they
//! disagree the loss has a kink between (a `relu` or a maximum changes sides), and the entry is
//! tried with smaller steps, then counted as skipped: that decision never looks at the gradient under test.

use crate::graph::{InterpError, evaluate, evaluation_order, run};
use graphc_ir::{Graph, NodeId, Tensor};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// How to take the differences.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GradcheckOptions {
    /// First step size, relative to entries larger than 1.
    pub step: f64,
    /// At most so many entries per tensor, spread evenly and always the same.
    pub max_entries: usize,
}

impl Default for GradcheckOptions {
    fn default() -> GradcheckOptions {
        GradcheckOptions { step: 1e-4, max_entries: 64 }
    }
}

/// The worst disagreement in one tensor.
#[derive(Clone, Debug, PartialEq)]
pub struct GradientError {
    /// Input or parameter.
    pub name: String,
    /// Entries compared.
    pub n_checked: usize,
    /// Entries passed over because the loss has a kink there.
    pub n_skipped: usize,
    /// Entries of the tensor.
    pub n_entries: usize,
    /// Largest magnitude among the gradient's entries and the differences.
    pub largest: f64,
    /// Largest `|gradient - difference|`.
    pub worst: f64,
    /// Row-major position of that entry.
    pub worst_entry: usize,
    /// The gradient node's value there.
    pub gradient: f64,
    /// The difference quotient there.
    pub difference: f64,
}

impl GradientError {
    /// The worst error in units of the largest entry; 0 if all entries are 0 and agree.
    pub fn relative(&self) -> f64 {
        if self.worst == 0.0 { 0.0 } else { self.worst / self.largest.max(f64::MIN_POSITIVE) }
    }

    /// Whether the worst error is at most `relative` of the largest entry plus `absolute`. Fails for NaN.
    pub fn within(&self, relative: f64, absolute: f64) -> bool {
        self.worst <= relative * self.largest + absolute
    }
}

impl fmt::Display for GradientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {:.1e} of the largest entry {:.3e} at {} (gradient {:e}, difference {:e}; {} of {} entries checked, {} at kinks)",
            self.name,
            self.relative(),
            self.largest,
            self.worst_entry,
            self.gradient,
            self.difference,
            self.n_checked,
            self.n_entries,
            self.n_skipped
        )
    }
}

/// Why gradients cannot be checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GradcheckError {
    /// The graph cannot be evaluated.
    Interp(InterpError),
    /// The loss is not a scalar.
    Loss {
        /// Its shape.
        shape: Vec<usize>,
    },
    /// No input or parameter of that name, or its gradient has another shape.
    Gradient {
        /// The name.
        name: String,
        /// What is wrong.
        message: String,
    },
}

impl fmt::Display for GradcheckError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            GradcheckError::Interp(error) => error.fmt(f),
            GradcheckError::Loss { shape } => write!(f, "the loss must be a scalar, its shape is {shape:?}"),
            GradcheckError::Gradient { name, message } => write!(f, "gradient of {name:?}: {message}"),
        }
    }
}

impl std::error::Error for GradcheckError {}

impl From<InterpError> for GradcheckError {
    fn from(error: InterpError) -> GradcheckError {
        GradcheckError::Interp(error)
    }
}

/// For each pair of an input's or parameter's name and a gradient node: how far the node's value is from the central
/// differences of the scalar node `loss`.
///
/// # Errors
/// If the graph cannot be evaluated, or a pair does not fit the graph.
pub fn check_gradients(
    graph: &Graph,
    bindings: &BTreeMap<String, Tensor<f64>>,
    loss: NodeId,
    gradients: &[(String, NodeId)],
    options: GradcheckOptions,
) -> Result<Vec<GradientError>, GradcheckError> {
    let values = run(graph, bindings)?.values;
    if values[&loss].data.len() != 1 {
        return Err(GradcheckError::Loss { shape: values[&loss].shape.clone() });
    }
    let order = evaluation_order(graph)?;
    let mut probe = Probe { graph, loss, values, bindings: bindings.clone(), affected: Vec::new() };
    let mut table = Vec::new();
    for (name, gradient) in gradients {
        let leaf = leaf(graph, name, *gradient)?;
        let gradient = probe.values[gradient].clone();
        probe.affected = affected(graph, &order, leaf, loss);
        table.push(check_tensor(&mut probe, name, &gradient, options)?);
    }
    Ok(table)
}

/// The input or parameter called `name`, of the shape of `gradient`.
fn leaf(graph: &Graph, name: &str, gradient: NodeId) -> Result<NodeId, GradcheckError> {
    let error = |message: String| GradcheckError::Gradient { name: name.to_string(), message };
    let is_leaf = |&id: &NodeId| graph.node(id).name == name && matches!(graph.op(id).name(), "input" | "parameter");
    let leaf = graph.ids().into_iter().find(is_leaf);
    let leaf = leaf.ok_or_else(|| error("the graph has no such input or parameter".to_string()))?;
    if graph.ty(leaf) != graph.ty(gradient) {
        return Err(error(format!("the tensor is {}, its gradient {}", graph.ty(leaf), graph.ty(gradient))));
    }
    Ok(leaf)
}

/// Nodes between `leaf` and `loss`, both included, in order.
fn affected(graph: &Graph, order: &[NodeId], leaf: NodeId, loss: NodeId) -> Vec<NodeId> {
    let mut above = BTreeSet::from([leaf]);
    for &id in order {
        if graph.operands(id).iter().any(|operand| above.contains(operand)) {
            above.insert(id);
        }
    }
    let mut below = BTreeSet::from([loss]);
    for &id in order.iter().rev() {
        if below.contains(&id) {
            below.extend(graph.operands(id));
        }
    }
    order.iter().copied().filter(|id| *id == leaf || (above.contains(id) && below.contains(id))).collect()
}

/// The graph with one tensor that moves.
struct Probe<'a> {
    graph: &'a Graph,
    loss: NodeId,
    values: BTreeMap<NodeId, Tensor<f64>>,
    bindings: BTreeMap<String, Tensor<f64>>,
    affected: Vec<NodeId>,
}

impl Probe<'_> {
    /// The loss with entry `entry` of `name` set to `value`; the entry keeps its old value afterwards.
    fn loss_at(&mut self, name: &str, entry: usize, value: f64) -> Result<f64, InterpError> {
        let before = self.set(name, entry, value);
        for &id in &self.affected {
            let value = evaluate(self.graph, id, &self.values, &self.bindings)?;
            self.values.insert(id, value);
        }
        self.set(name, entry, before);
        Ok(self.values[&self.loss].data[0])
    }

    fn set(&mut self, name: &str, entry: usize, value: f64) -> f64 {
        let tensor = self.bindings.get_mut(name).expect("the first run found every binding");
        std::mem::replace(&mut tensor.data[entry], value)
    }

    /// Difference quotients with step `step`: the central one, and how far those of the two sides are apart.
    fn differences(&mut self, name: &str, entry: usize, step: f64) -> Result<(f64, f64), InterpError> {
        let x = self.bindings[name].data[entry];
        let here = self.loss_at(name, entry, x)?;
        let above = self.loss_at(name, entry, x + step)?;
        let below = self.loss_at(name, entry, x - step)?;
        Ok(((above - below) / ((x + step) - (x - step)), (above - 2.0 * here + below) / step))
    }

    /// The difference at two agreeing step sizes, or `None` at a kink.
    fn smooth_difference(&mut self, name: &str, entry: usize, step: f64) -> Result<Option<f64>, InterpError> {
        let mut step = step * self.bindings[name].data[entry].abs().max(1.0);
        let (mut wide, mut wide_gap) = self.differences(name, entry, step)?;
        for _ in 0..3 {
            step /= 4.0;
            let (narrow, narrow_gap) = self.differences(name, entry, step)?;
            let tolerance = 1e-6 * narrow.abs() + 1e-7;
            // The gap between the two sides falls with the step, unless the kink is at the point itself.
            if (wide - narrow).abs() <= tolerance && narrow_gap.abs() <= 0.5 * wide_gap.abs() + tolerance {
                // Richardson: the error of a central difference falls with the square of the step.
                return Ok(Some(narrow + (narrow - wide) / 15.0));
            }
            (wide, wide_gap) = (narrow, narrow_gap);
        }
        Ok(None)
    }
}

fn check_tensor(
    probe: &mut Probe<'_>,
    name: &str,
    gradient: &Tensor<f64>,
    options: GradcheckOptions,
) -> Result<GradientError, InterpError> {
    let largest = gradient.data.iter().fold(0.0, |largest: f64, x| largest.max(x.abs()));
    let mut result = GradientError {
        name: name.to_string(),
        n_checked: 0,
        n_skipped: 0,
        n_entries: gradient.data.len(),
        largest,
        worst: 0.0,
        worst_entry: 0,
        gradient: 0.0,
        difference: 0.0,
    };
    for entry in sample(gradient.data.len(), options.max_entries) {
        let Some(difference) = probe.smooth_difference(name, entry, options.step)? else {
            result.n_skipped += 1;
            continue;
        };
        result.n_checked += 1;
        result.largest = result.largest.max(difference.abs());
        let error = (gradient.data[entry] - difference).abs();
        // A NaN is worse than any number, and stays.
        if error.is_nan() || error > result.worst {
            result = GradientError {
                worst: error,
                worst_entry: entry,
                gradient: gradient.data[entry],
                difference,
                ..result
            };
        }
        if error.is_nan() {
            break;
        }
    }
    // The last probe left moved values behind; the next tensor starts from the true ones.
    for &id in &probe.affected {
        let value = evaluate(probe.graph, id, &probe.values, &probe.bindings)?;
        probe.values.insert(id, value);
    }
    Ok(result)
}

/// All entries, or about `max` of them, spread by the golden ratio.
fn sample(n_entries: usize, max: usize) -> BTreeSet<usize> {
    if n_entries <= max {
        return (0..n_entries).collect();
    }
    (1..=max).map(|k| ((k as f64 * 0.618_033_988_749_895).fract() * n_entries as f64) as usize).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `loss = sum(w * w * x)`, gradient of `w` computed as `factor * w * x`.
    fn graph(factor: f64) -> Graph {
        format!(
            "graph g(batch=3) {{
                %0: f32[N,4] = input() {{dtype=f32, shape=[N,4]}} \"x\"
                %1: f32[N,4] = input() {{dtype=f32, shape=[N,4]}} \"w\"
                %2: f32[N,4] = mul(%1, %1)
                %3: f32[N,4] = mul(%2, %0)
                %4: f32[] = reduce_sum(%3) {{axes=[0,1], keep_dims=false}}
                %5: f32[] = constant() {{value={factor:?}, shape=[]}}
                %6: f32[N,4] = mul(%0, %1)
                %7: f32[N,4] = mul(%6, %5)
                %8: f32[N,4] = relu(%1)
                %9: f32[] = reduce_sum(%8) {{axes=[0,1], keep_dims=false}}
            }}"
        )
        .parse()
        .unwrap()
    }

    fn check(factor: f64, loss: u32, gradients: &[(&str, u32)]) -> Result<Vec<GradientError>, GradcheckError> {
        let tensor = |scale: f64| Tensor::from_fn(&[3, 4], |i| scale * (1.0 + i[0] as f64) - i[1] as f64);
        let bindings = BTreeMap::from([("x".to_string(), tensor(0.7)), ("w".to_string(), tensor(1.0))]);
        let gradients: Vec<_> = gradients.iter().map(|&(name, id)| (name.to_string(), NodeId(id))).collect();
        check_gradients(&graph(factor), &bindings, NodeId(loss), &gradients, GradcheckOptions::default())
    }

    #[test]
    fn right_gradients_pass_and_wrong_ones_fail() {
        let table = check(2.0, 4, &[("w", 7), ("x", 2), ("w", 7)]).unwrap();
        assert!(table.iter().all(|row| row.n_checked == 12 && row.within(1e-9, 1e-9)), "{table:?}");
        let wrong = &check(2.001, 4, &[("w", 7)]).unwrap()[0];
        assert!(!wrong.within(1e-4, 1e-9) && wrong.within(1e-3, 1e-9), "{wrong}");
        let nan = &check(f64::NAN, 4, &[("w", 7)]).unwrap()[0];
        assert!(!nan.within(1.0, 1.0), "{nan}");
    }

    #[test]
    fn kinks_are_skipped() {
        // w has three entries that are exactly 0, where relu has no derivative.
        let row = &check(2.0, 9, &[("w", 7)]).unwrap()[0];
        assert_eq!((row.n_checked, row.n_skipped), (9, 3));
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        let message = |loss, gradients: &[_]| check(2.0, loss, gradients).unwrap_err().to_string();
        assert_eq!(message(3, &[]), "the loss must be a scalar, its shape is [3, 4]");
        assert_eq!(message(4, &[("y", 7)]), "gradient of \"y\": the graph has no such input or parameter");
        assert_eq!(message(4, &[("w", 4)]), "gradient of \"w\": the tensor is f32[N,4], its gradient f32[]");
    }

    #[test]
    fn samples_are_spread_and_bounded() {
        assert_eq!(sample(3, 5).len(), 3);
        let entries = sample(1000, 64);
        assert!(entries.len() > 60 && entries.iter().max() > Some(&950) && entries.iter().min() < Some(&50));
    }
}
