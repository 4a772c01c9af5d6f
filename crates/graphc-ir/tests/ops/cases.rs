//! Cases of every op: drawn by what the ops say of themselves, and by hand where that is rarely drawn.

use graphc_ir::Op;
use graphc_ir::ops::*;
use graphc_ir::types::{Dim, Shape, TensorType};
use graphc_testing::{OpCase, all_op_cases};

/// `[N,3,4]` is `b(&[3, 4])`.
pub(crate) fn b(sizes: &[usize]) -> TensorType {
    TensorType::f32(Shape::batched(sizes))
}

/// `[3,4]` is `f(&[3, 4])`.
pub(crate) fn f(sizes: &[usize]) -> TensorType {
    TensorType::f32(Shape::fixed(sizes))
}

/// `[3,N]`, `[3,N,4]`: the batch at `axis`.
pub(crate) fn batch_at(axis: usize, sizes: &[usize]) -> TensorType {
    let mut shape = Shape::fixed(sizes);
    shape.0.insert(axis, Dim::Batch);
    TensorType::f32(shape)
}

/// The same type with integers.
pub(crate) fn i(ty: TensorType) -> TensorType {
    TensorType::i32(ty.shape)
}

/// An op on operands of these types.
pub(crate) fn case(op: impl Into<Op>, operands: &[TensorType]) -> OpCase {
    OpCase { op: op.into(), operands: operands.to_vec() }
}

/// Every op but leaves.
pub(crate) fn cases() -> Vec<OpCase> {
    let mut cases = all_op_cases(24);
    let comparisons: [Op; 6] = [
        Equal {}.into(),
        NotEqual {}.into(),
        Less {}.into(),
        LessEqual {}.into(),
        Greater {}.into(),
        GreaterEqual {}.into(),
    ];
    cases.extend(comparisons.map(|op| case(op, &[i(b(&[])), i(b(&[]))])));
    cases.extend([0.0, 1.0, 2.0, 3.0, 7.0, -1.0, -4.0, 0.5, -0.5].map(|exponent| case(Power { exponent }, &[b(&[3])])));
    cases.extend(convolutions_with_gaps());
    cases
}

/// Every op that means something by itself: what depends on the mode is expanded before anything evaluates it.
pub(crate) fn evaluated() -> Vec<OpCase> {
    cases().into_iter().filter(|case| !case.op.info().depends_on_mode).collect()
}

/// Strides and gaps between taps, with and without a common divisor, and their gradients.
fn convolutions_with_gaps() -> Vec<OpCase> {
    let mut cases = Vec::new();
    let mut add = |windows: Windows, image: [usize; 3], kernel: [usize; 4]| {
        let (x, w) = (b(&image), f(&kernel));
        let forward = Conv2d::of(windows);
        let dy = forward.infer(&[&x, &w]).unwrap();
        cases.push(case(forward, &[x.clone(), w.clone()]));
        cases.push(case(Conv2dInputGrad::of(windows, x.shape.clone()), &[dy.clone(), w.clone()]));
        cases.push(case(Conv2dKernelGrad::of(windows, w.shape), &[x, dy]));
    };
    let windows = |strides, padding, dilation, groups| Windows { dilation, groups, ..Windows::new(strides, padding) };
    add(windows([2, 3], [2, 1, 3, 2], [3, 2], 1), [7, 8, 1], [3, 3, 1, 2]);
    add(windows([2, 4], [1, 2, 3, 0], [2, 6], 2), [7, 9, 2], [2, 2, 1, 2]);
    add(windows([3, 3], [3, 3, 4, 4], [2, 5], 1), [8, 9, 1], [4, 3, 1, 1]);
    for (strides, padding, output_padding, dilation) in [
        ([1, 1], [0; 4], [0, 0], [1, 1]),
        ([2, 3], [1, 0, 2, 1], [1, 2], [1, 1]),
        ([2, 1], [0, 3, 1, 1], [1, 0], [2, 3]),
    ] {
        let op = Conv2dTranspose { strides, padding, output_padding, dilation };
        cases.push(case(op, &[b(&[3, 4, 3]), f(&[3, 2, 2, 3])]));
    }
    cases
}
