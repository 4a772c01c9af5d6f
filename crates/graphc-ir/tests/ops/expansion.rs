//! Composites equal their expansions.

use crate::cases::{b, case, evaluated, f, i};
use crate::graph_eval::{OneOp, evaluate};
use crate::lowering::assert_close;
use graphc_ir::graph::{Mode, NodeId, Origin, Role};
use graphc_ir::ops::{BatchNorm, Dropout, Initializer, Lowering, Parameter};
use graphc_ir::types::Shape;
use graphc_ir::{Graph, Op, Tensor};
use graphc_testing::Numbers;

#[test]
fn expansions_compute_the_evaluation() {
    let mut expanded = 0;
    for case in evaluated() {
        let operands = case.operand_types();
        if !matches!(case.op.lower(&operands, &case.result()), Lowering::Composite(_)) {
            continue;
        }
        expanded += 1;
        let mut net = OneOp::new(&case);
        let value = case.op.expand(&mut net.cx(Mode::Train));
        assert_eq!(net.graph.ty(value), net.graph.ty(net.node), "{case}");
        for batch in [1, 4] {
            let inputs = case.numbers(batch, 11, Numbers::Outside);
            let feeds: Vec<(NodeId, &Tensor<f64>)> = net.inputs.iter().copied().zip(&inputs).collect();
            let values = evaluate(&net.graph, &feeds, batch);
            assert_close(&case.to_string(), &values[&value], &values[&net.node], 1e-12);
        }
    }
    assert!(expanded >= 10, "only {expanded} composites");
}

/// `batch_norm` of `[N,2,3]` with its parameters.
fn batch_norm() -> (Graph, NodeId) {
    let mut graph = Graph::new("bn");
    let x = crate::graph_eval::input(&mut graph, &b(&[2, 3]));
    let mut operands = vec![x];
    for name in ["gamma", "beta", "moving_mean", "moving_variance"] {
        let op = Parameter { shape: Shape::fixed(&[3]), initializer: Initializer::Constant(1.0), trainable: true };
        operands.push(graph.add(op, &[], &format!("bn1.{name}"), Origin::layer("bn1", 1)).unwrap());
    }
    let node = graph.add(BatchNorm { momentum: 0.9, epsilon: 0.5 }, &operands, "bn1", Origin::layer("bn1", 1)).unwrap();
    (graph, node)
}

/// Adds the expansion of `node` and returns its value.
fn expand(graph: &mut Graph, node: NodeId, mode: Mode) -> NodeId {
    let op = graph.op(node).clone();
    op.expand(&mut graphc_ir::graph::OpCx::new(graph, node, mode, None))
}

#[test]
fn batch_norm_takes_the_batch_statistics_in_training() {
    let (mut graph, node) = batch_norm();
    let y = expand(&mut graph, node, Mode::Train);
    let operands = graph.operands(node);
    let normalized = graph.operands(y);
    assert_eq!(graph.op(y).name(), "normalize");
    assert_eq!([normalized[0], normalized[3], normalized[4]], [operands[0], operands[1], operands[2]]);
    assert_eq!(graph.node(normalized[1]).name, "bn1.mean");
    assert_eq!(graph.node(normalized[2]).name, "bn1.variance");
    let updated: Vec<NodeId> = graph.updates.iter().map(|update| update.parameter).collect();
    assert_eq!(updated, operands[3..]);
    assert!(graph.updates.iter().all(|update| graph.node(update.value).origin.role == Role::Statistics));

    // Evaluates the updates: x is 1 or 3 in equal numbers, so mean 2 and variance 1.
    let parameters: Vec<Tensor<f64>> = [1.0, 1.0, 10.0, 20.0].iter().map(|&v| Tensor::full(&[3], v)).collect();
    let x = Tensor::from_fn(&[4, 2, 3], |index| if index[0] % 2 == 0 { 1.0 } else { 3.0 });
    let mut feeds = vec![(operands[0], &x)];
    feeds.extend(operands[1..].iter().copied().zip(&parameters));
    // The composite itself has no value.
    graph.remove(node);
    let values = evaluate(&graph, &feeds, 4);
    assert_close("moving mean", &values[&graph.updates[0].value], &Tensor::full(&[3], 9.2), 1e-12);
    assert_close("moving variance", &values[&graph.updates[1].value], &Tensor::full(&[3], 18.1), 1e-12);
    let deviation = 1.0 / 1.5f64.sqrt();
    let expected =
        Tensor::from_fn(&[4, 2, 3], |index| if index[0] % 2 == 0 { 1.0 - deviation } else { 1.0 + deviation });
    assert_close("result", &values[&y], &expected, 1e-12);
}

#[test]
fn batch_norm_takes_the_moving_statistics_in_inference() {
    let (mut graph, node) = batch_norm();
    let y = expand(&mut graph, node, Mode::Infer);
    let operands = graph.operands(node);
    assert_eq!(*graph.operands(y), [0, 3, 4, 1, 2].map(|i| operands[i]));
    assert!(graph.updates.is_empty());
}

#[test]
fn dropout_masks_in_training_only() {
    let op = |rate| Op::from(Dropout { rate, seed: 3 });
    let dropout = |rate| case(op(rate), &[b(&[50]), i(f(&[]))]);
    for (rate, mode) in [(0.5, Mode::Infer), (0.0, Mode::Train)] {
        let mut net = OneOp::new(&dropout(rate));
        assert_eq!(op(rate).expand(&mut net.cx(mode)), net.inputs[0]);
    }
    let mut net = OneOp::new(&dropout(0.2));
    let y = op(0.2).expand(&mut net.cx(Mode::Train));
    net.graph.remove(net.node);
    let x = Tensor::full(&[40, 50], 2.0);
    let run = |step: f64| {
        evaluate(&net.graph, &[(net.inputs[0], &x), (net.inputs[1], &Tensor::scalar(step))], 40)[&y].clone()
    };
    let (first, second) = (run(1.0), run(2.0));
    assert!(first.data.iter().all(|&v| v == 0.0 || v == 2.5));
    let dropped = first.data.iter().filter(|&&v| v == 0.0).count();
    // 400 expected; the standard deviation is 18.
    assert!((320..480).contains(&dropped), "{dropped} of 2000");
    assert_ne!(first, second, "every step has its own mask");
    assert_eq!(first, run(1.0), "a mask depends on its step alone");
}
