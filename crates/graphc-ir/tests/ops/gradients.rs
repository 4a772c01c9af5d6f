//! Gradient rules against central differences. Here each op by itself; whole networks are checked
//! with the interpreters.

use crate::cases::{case, evaluated};
use crate::graph_eval::{OneOp, evaluate, input};
use graphc_ir::graph::{Mode, NodeId};
use graphc_ir::ops::{Expand, Lowering};
use graphc_ir::types::DType;
use graphc_ir::{Op, Tensor};
use graphc_testing::Numbers;
use graphc_testing::op_cases::Random;

#[test]
fn rules_equal_finite_differences() {
    let batch = 3;
    for case in evaluated() {
        let operands = case.operand_types();
        let out = case.result();
        let before = matches!(case.op.lower(&operands, &out), Lowering::Composite(Expand::BeforeAutodiff));
        if before || out.dtype != DType::F32 || operands.is_empty() {
            continue;
        }
        let mut net = OneOp::new(&case);
        let dy = input(&mut net.graph, &out);
        let gradients = case.op.vjp(&mut net.cx(Mode::Train), dy);
        assert_eq!(gradients.len(), operands.len(), "{case}: one gradient per operand");
        // No ties, and nothing that is as near as a step to a kink.
        let inputs = case.numbers(batch, 5, Numbers::Smooth);
        let mut random = Random::new(17);
        let weights = Tensor::from_fn(&out.shape.sizes(Some(batch)), |_| random.below(17) as f64 / 4.0 - 2.0);
        let feeds: Vec<(NodeId, &Tensor<f64>)> =
            net.inputs.iter().copied().zip(&inputs).chain([(dy, &weights)]).collect();
        let values = evaluate(&net.graph, &feeds, batch);
        for (slot, gradient) in gradients.iter().enumerate() {
            if case.operands[slot].dtype == DType::I32 {
                assert_eq!(*gradient, None, "{case}: operand {slot} has integers");
                continue;
            }
            if let Some(gradient) = gradient {
                assert_eq!(*net.graph.ty(*gradient), case.operands[slot], "{case}: type of gradient {slot}");
            }
            // No gradient says that it is zero.
            let found = gradient.map_or(Tensor::full(&inputs[slot].shape, 0.0), |gradient| values[&gradient].clone());
            let expected = differences(&case.op, &inputs, slot, &weights);
            crate::lowering::assert_close(&format!("{case}: gradient {slot}"), &found, &expected, 2e-7);
        }
    }
}

/// Central differences of `sum(weights * op(inputs))` by the elements of operand `slot`.
fn differences(op: &Op, inputs: &[Tensor<f64>], slot: usize, weights: &Tensor<f64>) -> Tensor<f64> {
    let step = 1e-6;
    let value = |position: usize, step: f64| {
        let mut inputs = inputs.to_vec();
        inputs[slot].data[position] += step;
        let inputs: Vec<&Tensor<f64>> = inputs.iter().collect();
        let y = op.eval(&inputs, &weights.shape);
        y.data.iter().zip(&weights.data).map(|(y, w)| y * w).sum::<f64>()
    };
    let data = (0..inputs[slot].data.len()).map(|i| (value(i, step) - value(i, -step)) / (2.0 * step)).collect();
    Tensor::new(inputs[slot].shape.clone(), data)
}

#[test]
fn ties_of_a_maximum_share_the_gradient() {
    let op = graphc_ir::ops::ReduceMax { axes: vec![1], keep_dims: false };
    let case = case(op, &[crate::cases::b(&[3])]);
    let mut net = OneOp::new(&case);
    let dy = input(&mut net.graph, &case.result());
    let dx = case.op.vjp(&mut net.cx(Mode::Train), dy)[0].unwrap();
    let x = Tensor::new(vec![1, 3], vec![4.0, 1.0, 4.0]);
    let values = evaluate(&net.graph, &[(net.inputs[0], &x), (dy, &Tensor::full(&[1], 3.0))], 1);
    assert_eq!(values[&dx].data, [1.5, 0.0, 1.5]);
}

#[test]
fn the_first_of_equal_maxima_of_a_window_gets_the_gradient() {
    let op = graphc_ir::ops::MaxPool2d { pool: [2, 2], strides: [1, 2], padding: [0; 4] };
    let case = case(op, &[crate::cases::b(&[3, 2, 1])]);
    let mut net = OneOp::new(&case);
    let dy = input(&mut net.graph, &case.result());
    let dx = case.op.vjp(&mut net.cx(Mode::Train), dy)[0].unwrap();
    let x = Tensor::new(vec![1, 3, 2, 1], vec![0.0, 7.0, 7.0, 7.0, 7.0, 0.0]);
    let gradient = Tensor::new(vec![1, 2, 1, 1], vec![1.0, 10.0]);
    let values = evaluate(&net.graph, &[(net.inputs[0], &x), (dy, &gradient)], 1);
    assert_eq!(values[&dx].data, [0.0, 1.0, 10.0, 0.0, 0.0, 0.0]);
}
