//! Evaluates a graph: every node in topological order by [`Op::eval`].
//!
//! In `f64` the result is the meaning of the graph; in `f32` it shows how much of a difference is
//! rounding. Ops that depend on the mode (`batch_norm`, `dropout`) have no value of their own and
//! must have been expanded; other composites evaluate as they are.

use graphc_ir::types::Dim;
use graphc_ir::{Graph, NodeId, Op, Real, Tensor};
use std::collections::BTreeMap;
use std::fmt;

/// What a graph gives for one binding of its inputs and parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation<R> {
    /// Value of every node; only of outputs, updates and the loss after [`Keep::Roots`].
    pub values: BTreeMap<NodeId, Tensor<R>>,
    /// The outputs, in order.
    pub outputs: Vec<(String, Tensor<R>)>,
    /// Parameter name and next value, in order.
    pub updates: Vec<(String, Tensor<R>)>,
}

impl<R> Evaluation<R> {
    /// The output called `name`.
    pub fn output(&self, name: &str) -> Option<&Tensor<R>> {
        self.outputs.iter().find(|(output, _)| output == name).map(|(_, value)| value)
    }
}

/// Which values stay in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// All of them.
    All,
    /// Those of outputs, updates and the loss; others are freed after their last reader.
    Roots,
}

/// Why a graph cannot be evaluated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InterpError {
    /// The graph has a batch dimension, but no size for it.
    NoBatch,
    /// The graph has a cycle.
    Cycle,
    /// No tensor for an input or a parameter.
    Unbound {
        /// `input` or `parameter`.
        kind: &'static str,
        /// Its name.
        name: String,
        /// The shape that was expected.
        expected: Vec<usize>,
    },
    /// A tensor of another shape.
    Shape {
        /// `input` or `parameter`.
        kind: &'static str,
        /// Its name.
        name: String,
        /// Shape of the node.
        expected: Vec<usize>,
        /// Shape of the tensor.
        found: Vec<usize>,
    },
    /// A composite that has no value until it is expanded for a mode.
    Unexpanded {
        /// The node, with its name.
        node: String,
        /// Its operation.
        op: &'static str,
    },
}

impl fmt::Display for InterpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InterpError::NoBatch => f.write_str("the graph must be specialised to a batch size first"),
            InterpError::Cycle => f.write_str("the graph has a cycle"),
            InterpError::Unbound { kind, name, expected } => {
                write!(f, "no tensor for {kind} {name:?} of shape {expected:?}")
            }
            InterpError::Shape { kind, name, expected, found } => {
                write!(f, "{kind} {name:?}: expected a tensor of shape {expected:?}, got {found:?}")
            }
            InterpError::Unexpanded { node, op } => {
                write!(f, "{node}: {op} depends on the mode and must be expanded before the graph is evaluated")
            }
        }
    }
}

impl std::error::Error for InterpError {}

/// Evaluates `graph` and keeps every value. `bindings` gives inputs and parameters by node name;
/// names that the graph does not have are ignored.
///
/// # Errors
/// If the graph is not specialised or expanded, or a binding is missing or of another shape.
pub fn run<R: Real>(graph: &Graph, bindings: &BTreeMap<String, Tensor<R>>) -> Result<Evaluation<R>, InterpError> {
    run_keeping(graph, bindings, Keep::All)
}

/// [`run`] with the choice which values to keep.
///
/// # Errors
/// See [`run`].
pub fn run_keeping<R: Real>(
    graph: &Graph,
    bindings: &BTreeMap<String, Tensor<R>>,
    keep: Keep,
) -> Result<Evaluation<R>, InterpError> {
    let order = evaluation_order(graph)?;
    let mut readers_left: BTreeMap<NodeId, usize> = order.iter().map(|&id| (id, graph.users(id).len())).collect();
    let mut values = BTreeMap::new();
    for id in order {
        let value = evaluate(graph, id, &values, bindings)?;
        values.insert(id, value);
        if keep == Keep::Roots {
            free_after(graph, id, &mut values, &mut readers_left);
        }
    }
    let outputs = graph.outputs.iter().map(|output| (output.name.clone(), values[&output.node].clone())).collect();
    let name = |id| graph.node(id).name.clone();
    let updates = graph.updates.iter().map(|u| (name(u.parameter), values[&u.value].clone())).collect();
    Ok(Evaluation { values, outputs, updates })
}

/// Most elements that [`run_keeping`] with [`Keep::Roots`] holds at once, for comparing with the memory there is.
///
/// # Errors
/// If the graph is not specialised, or has a cycle.
pub fn peak_elements(graph: &Graph) -> Result<u64, InterpError> {
    let order = evaluation_order(graph)?;
    let mut readers_left: BTreeMap<NodeId, usize> = order.iter().map(|&id| (id, graph.users(id).len())).collect();
    let mut values = BTreeMap::new();
    let (mut held, mut peak) = (0_u64, 0_u64);
    for id in order {
        let len = graph.sizes(id).iter().fold(1, |len: u64, &size| len.saturating_mul(size as u64));
        values.insert(id, len);
        held = held.saturating_add(len);
        peak = peak.max(held);
        free_after(graph, id, &mut values, &mut readers_left);
        held = values.values().fold(0, |sum, &len| sum.saturating_add(len));
    }
    Ok(peak)
}

/// Topological order, once it is known that every size is.
pub(crate) fn evaluation_order(graph: &Graph) -> Result<Vec<NodeId>, InterpError> {
    let order = graph.try_topo_order().ok_or(InterpError::Cycle)?;
    let needs_batch =
        |&id: &NodeId| graph.ty(id).shape.0.contains(&Dim::Batch) || matches!(graph.op(id), Op::BatchSize(_));
    if graph.batch.is_none() && order.iter().any(needs_batch) {
        return Err(InterpError::NoBatch);
    }
    Ok(order)
}

/// Value of one node whose operands are known.
pub(crate) fn evaluate<R: Real>(
    graph: &Graph,
    id: NodeId,
    values: &BTreeMap<NodeId, Tensor<R>>,
    bindings: &BTreeMap<String, Tensor<R>>,
) -> Result<Tensor<R>, InterpError> {
    let node = graph.node(id);
    let sizes = graph.sizes(id);
    match &node.op {
        Op::Input(_) => bound("input", &node.name, sizes, bindings),
        Op::Parameter(_) => bound("parameter", &node.name, sizes, bindings),
        Op::BatchSize(_) => {
            let batch = graph.batch.ok_or(InterpError::NoBatch)?;
            Ok(Tensor::full(&sizes, batch as f64))
        }
        Op::BatchNorm(_) | Op::Dropout(_) => {
            Err(InterpError::Unexpanded { node: format!("{id} {:?}", node.name), op: node.op.name() })
        }
        op => {
            let operands: Vec<&Tensor<R>> = graph.operands(id).iter().map(|operand| &values[operand]).collect();
            Ok(op.eval(&operands, &sizes))
        }
    }
}

fn bound<R: Real>(
    kind: &'static str,
    name: &str,
    expected: Vec<usize>,
    bindings: &BTreeMap<String, Tensor<R>>,
) -> Result<Tensor<R>, InterpError> {
    let name = name.to_string();
    match bindings.get(&name) {
        None => Err(InterpError::Unbound { kind, name, expected }),
        Some(tensor) if tensor.shape != expected => {
            Err(InterpError::Shape { kind, name, expected, found: tensor.shape.clone() })
        }
        Some(tensor) => Ok(tensor.clone()),
    }
}

/// Frees the operands that `id` was the last to read, and `id` itself if nothing reads it.
fn free_after<V>(
    graph: &Graph,
    id: NodeId,
    values: &mut BTreeMap<NodeId, V>,
    readers_left: &mut BTreeMap<NodeId, usize>,
) {
    let mut operands = graph.operands(id);
    operands.sort_unstable();
    operands.dedup();
    for operand in operands {
        let left = readers_left.get_mut(&operand).expect("every node is counted");
        *left -= 1;
        if *left == 0 && !graph.is_root(operand) {
            values.remove(&operand);
        }
    }
    if readers_left[&id] == 0 && !graph.is_root(id) {
        values.remove(&id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph() -> Graph {
        "graph g(batch=2) {
            %0: f32[N,2] = input() {dtype=f32, shape=[N,2]} \"x\"
            %1: f32[2] = parameter() {shape=[2], initializer=1.0, trainable=true} \"w\"
            %2: f32[N,2] = mul(%0, %1)
            %3: f32[2] = reduce_sum(%2) {axes=[0], keep_dims=false}
            %4: f32[2] = sub(%1, %3)
            output sums = %3
            update %1 = %4
        }"
        .parse()
        .unwrap()
    }

    fn bindings() -> BTreeMap<String, Tensor<f64>> {
        let x = Tensor::new(vec![2, 2], vec![1.0, 2.0, 3.0, 4.0]);
        let w = Tensor::new(vec![2], vec![0.5, -1.0]);
        BTreeMap::from([("x".to_string(), x), ("w".to_string(), w)])
    }

    #[test]
    fn evaluates_outputs_and_updates() {
        let all = run(&graph(), &bindings()).unwrap();
        let sums = Tensor::new(vec![2], vec![2.0, -6.0]);
        assert_eq!((all.values.len(), all.output("sums")), (5, Some(&sums)));
        assert_eq!(all.updates, [("w".to_string(), Tensor::new(vec![2], vec![-1.5, 5.0]))]);
        let roots = run_keeping(&graph(), &bindings(), Keep::Roots).unwrap();
        assert_eq!((roots.outputs, roots.updates), (all.outputs, all.updates));
        assert_eq!(roots.values.keys().copied().collect::<Vec<_>>(), [NodeId(1), NodeId(3), NodeId(4)]);
    }

    #[test]
    fn the_batch_size_is_a_value_and_layers_must_be_expanded() {
        let text =
            |op: &str| format!("graph g(batch=5) {{ %0: i32[] = input() {{dtype=i32, shape=[]}} \"step\"\n{op} }}");
        let run = |op: &str| {
            run(&text(op).parse().unwrap(), &BTreeMap::from([("step".to_string(), Tensor::<f64>::scalar(1.0))]))
        };
        assert_eq!(run("%1: f32[] = batch_size()").unwrap().values[&NodeId(1)], Tensor::scalar(5.0));
        let dropout = "%1: f32[] = batch_size()\n%2: f32[] = dropout(%1, %0) {rate=0.5, seed=1} \"drop\"";
        assert_eq!(
            run(dropout).unwrap_err().to_string(),
            "%2 \"drop\": dropout depends on the mode and must be expanded before the graph is evaluated"
        );
    }

    #[test]
    fn f32_is_the_same_on_exact_values() {
        let bindings = bindings().into_iter().map(|(name, tensor)| (name, tensor.cast::<f32>())).collect();
        assert_eq!(run(&graph(), &bindings).unwrap().output("sums").unwrap().data, [2.0f32, -6.0]);
    }

    #[test]
    fn errors_name_the_binding() {
        let mut bindings = bindings();
        bindings.insert("x".to_string(), Tensor::scalar(1.0));
        let message =
            |graph: &Graph, bindings: &BTreeMap<_, Tensor<f64>>| run(graph, bindings).unwrap_err().to_string();
        assert_eq!(message(&graph(), &bindings), "input \"x\": expected a tensor of shape [2, 2], got []");
        bindings.remove("w");
        let mut order = graph();
        order.batch = None;
        assert_eq!(message(&order, &bindings), "the graph must be specialised to a batch size first");
        bindings.remove("x");
        assert_eq!(message(&graph(), &bindings), "no tensor for input \"x\" of shape [2, 2]");
    }
}
