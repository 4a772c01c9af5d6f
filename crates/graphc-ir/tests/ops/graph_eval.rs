//! Runs a graph node by node with `Op::eval`.

use graphc_ir::graph::{Mode, NodeId, OpCx, Origin};
use graphc_ir::ops::Input;
use graphc_ir::types::TensorType;
use graphc_ir::{Graph, Op, Tensor};
use graphc_testing::OpCase;
use std::collections::BTreeMap;

/// A graph of one op on inputs.
pub(crate) struct OneOp {
    pub(crate) graph: Graph,
    pub(crate) inputs: Vec<NodeId>,
    pub(crate) node: NodeId,
}

impl OneOp {
    pub(crate) fn new(case: &OpCase) -> OneOp {
        let mut graph = Graph::new("one_op");
        let inputs: Vec<NodeId> = case.operands.iter().map(|ty| input(&mut graph, ty)).collect();
        let node = graph.add(case.op.clone(), &inputs, "layer", Origin::layer("layer", 1)).unwrap();
        OneOp { graph, inputs, node }
    }

    pub(crate) fn cx(&mut self, mode: Mode) -> OpCx<'_> {
        OpCx::new(&mut self.graph, self.node, mode, None)
    }
}

/// Adds an input of type `ty`.
pub(crate) fn input(graph: &mut Graph, ty: &TensorType) -> NodeId {
    let op = Input { dtype: ty.dtype, shape: ty.shape.clone() };
    graph.add(op, &[], "", Origin::layer("input", 1)).unwrap()
}

/// The value of an op; the size of the batch is given.
pub(crate) fn evaluate_op(op: &Op, operands: &[&Tensor<f64>], out: &[usize], batch: usize) -> Tensor<f64> {
    match op {
        Op::BatchSize(_) => Tensor::scalar(batch as f64),
        op => op.eval(operands, out),
    }
}

/// The values of all nodes, given those of the inputs.
pub(crate) fn evaluate(graph: &Graph, feeds: &[(NodeId, &Tensor<f64>)], batch: usize) -> BTreeMap<NodeId, Tensor<f64>> {
    let mut values: BTreeMap<NodeId, Tensor<f64>> = feeds.iter().map(|&(id, value)| (id, value.clone())).collect();
    for id in graph.topo_order() {
        if values.contains_key(&id) {
            continue;
        }
        let operands = graph.operands(id);
        let operands: Vec<&Tensor<f64>> = operands.iter().map(|operand| &values[operand]).collect();
        let value = evaluate_op(graph.op(id), &operands, &graph.ty(id).shape.sizes(Some(batch)), batch);
        values.insert(id, value);
    }
    values
}
