//! Evaluates a graph node by node for somebody who looks at every value and may stop.

use crate::graph::{InterpError, evaluate, evaluation_order};
use graphc_ir::{Graph, NodeId, Real, Tensor};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

/// Evaluates what `targets` depend on, in topological order, until `visit` breaks; gives what it broke with. `visit`
/// gets every node when its value is known, and all values that later nodes read: those of its own operands among
/// them. `bindings` are those of [`crate::graph::run`].
///
/// # Errors
/// See [`crate::graph::run`].
pub fn visit<R: Real, B>(
    graph: &Graph,
    bindings: &BTreeMap<String, Tensor<R>>,
    targets: &[NodeId],
    mut visit: impl FnMut(NodeId, &BTreeMap<NodeId, Tensor<R>>) -> ControlFlow<B>,
) -> Result<Option<B>, InterpError> {
    let order = evaluation_order(graph)?;
    let needed = ancestors(graph, targets);
    let readers = |id: NodeId| graph.users(id).into_iter().filter(|user| needed.contains(user)).count();
    let mut readers_left: BTreeMap<NodeId, usize> = needed.iter().map(|&id| (id, readers(id))).collect();
    let mut values = BTreeMap::new();
    for id in order.into_iter().filter(|id| needed.contains(id)) {
        let value = evaluate(graph, id, &values, bindings)?;
        values.insert(id, value);
        if let ControlFlow::Break(found) = visit(id, &values) {
            return Ok(Some(found));
        }
        let operands: BTreeSet<NodeId> = graph.operands(id).into_iter().collect();
        for operand in operands {
            let left = readers_left.get_mut(&operand).expect("operands of what is needed are needed");
            *left -= 1;
            if *left == 0 {
                values.remove(&operand);
            }
        }
        if readers_left[&id] == 0 {
            values.remove(&id);
        }
    }
    Ok(None)
}

/// Everything that `targets` depend on, themselves included.
pub fn ancestors(graph: &Graph, targets: &[NodeId]) -> BTreeSet<NodeId> {
    let mut found = BTreeSet::new();
    let mut waiting = targets.to_vec();
    while let Some(id) = waiting.pop() {
        if found.insert(id) {
            waiting.extend(graph.operands(id));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_what_the_targets_need_and_stops_when_told() {
        let graph: Graph = "graph g() {
            %0: f32[2] = input() {dtype=f32, shape=[2]} \"x\"
            %1: f32[2] = neg(%0)
            %2: f32[2] = exp(%0)
            %3: f32[2] = mul(%1, %1)
            %4: f32[2] = add(%3, %1)
            output a = %4
            output b = %2
        }"
        .parse()
        .unwrap();
        let bindings = BTreeMap::from([("x".to_string(), Tensor::<f64>::new(vec![2], vec![1.0, 3.0]))]);
        let mut seen = Vec::new();
        let all = visit(&graph, &bindings, &[NodeId(4)], |id, values| {
            seen.push((id.0, values[&id].data[1], values.len()));
            ControlFlow::<()>::Continue(())
        });
        assert_eq!(all.unwrap(), None);
        // %2 is not needed; %0 is freed behind %1, and %3 behind %4.
        assert_eq!(seen, [(0, 3.0, 1), (1, -3.0, 2), (3, 9.0, 2), (4, 6.0, 3)]);
        let stopped = visit(&graph, &bindings, &[NodeId(4), NodeId(2)], |id, _| match id.0 {
            2 => ControlFlow::Break("exp"),
            _ => ControlFlow::Continue(()),
        });
        assert_eq!(stopped.unwrap(), Some("exp"));
        assert!(
            visit(&graph, &BTreeMap::<_, Tensor<f64>>::new(), &[NodeId(0)], |_, _| ControlFlow::Break(())).is_err()
        );
    }
}
