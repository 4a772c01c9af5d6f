//! `matmul`: matrix products, plain and for every index of leading dimensions, either operand transposed.
//!
//! Leading dimensions that differ broadcast, as NumPy's: then it is a composite of [`Einsum`].

use super::draw::{Draw, Drawn};
use super::facts::Usage;
use super::{Einsum, Expand, Lowering, OpRules};
use crate::attrs::{AttrValue, OpAttrs};
use crate::compute::{Combine, Compute, build};
use crate::graph::{NodeId, OpCx};
use crate::index::{Affine, Var};
use crate::op_struct;
use crate::scalar::BinaryOp;
use crate::tensor::{Real, Tensor, add_scaled};
use std::borrow::Cow;
use crate::types::{DType, Dim, Shape, TensorType, TypeError};
use crate::vectors::with_vectors;

op_struct! {
    /// `y[m,n] = sum over k of a[m,k] * b[k,n]`, or the same for every index of leading dimensions, which broadcast as
    /// NumPy's: `[N,H,T,D]` by `[D,E]` gives `[N,H,T,E]`.
    pub struct MatMul {
        /// Whether the first is transposed.
        pub transpose_a: bool,
        /// Whether the second is transposed.
        pub transpose_b: bool,
    }
}

/// The last two dimensions, or indices, exchanged if `transpose`.
fn oriented<T>(rows: T, columns: T, transpose: bool) -> [T; 2] {
    if transpose { [columns, rows] } else { [rows, columns] }
}

/// The last two dimensions after transposition.
fn matrix_dims(shape: &Shape, transpose: bool) -> [Dim; 2] {
    let rank = shape.rank();
    oriented(shape.0[rank - 2], shape.0[rank - 1], transpose)
}

/// Matrices `[m,k]` and `[k,n]`, whatever they are given as.
fn as_rows<R: Real>(operand: &Tensor<R>, transpose: bool) -> Cow<'_, Tensor<R>> {
    if transpose { Cow::Owned(operand.transposed()) } else { Cow::Borrowed(operand) }
}

/// Which matrix of an operand of such sizes goes with a matrix of the result.
fn matrix_at(matrix: usize, operand: &[usize], out: &[usize]) -> usize {
    let (n_lead, skipped) = (out.len() - 2, out.len() - operand.len());
    let (mut left, mut at, mut stride) = (matrix, 0, 1);
    for axis in (skipped..n_lead).rev() {
        let size = operand[axis - skipped];
        at += if size == 1 { 0 } else { left % out[axis] * stride };
        (left, stride) = (left / out[axis], stride * size);
    }
    at
}

impl MatMul {
    /// Whether both operands have the same leading dimensions.
    fn is_plain(a: &TensorType, b: &TensorType) -> bool {
        a.rank() == b.rank() && a.shape.0[..a.rank() - 2] == b.shape.0[..a.rank() - 2]
    }

    fn mismatch(&self, a: &TensorType, b: &TensorType, what: &str) -> TypeError {
        let note = |transpose| if transpose { " (transposed)" } else { "" };
        TypeError::new(format!(
            "cannot multiply {a}{} by {b}{}: {what}",
            note(self.transpose_a),
            note(self.transpose_b)
        ))
    }
}

impl OpRules for MatMul {
    const NAME: &'static str = "matmul";
    const ARITY: usize = 2;
    const SUMMARY: &'static str = "matrix product; operands may be transposed, leading dimensions broadcast";
    const USAGE: Option<Usage> = Some(Usage {
        purpose: "Products of two computed matrices, such as the scores of attention. A layer with weights \
                  is `dense`.",
        node: "scores",
        reads: &[("query", DType::F32, &[10, 8]), ("key", DType::F32, &[10, 8])],
        attributes: || MatMul { transpose_a: false, transpose_b: true }.attrs(),
        optional: &[("transpose_a", AttrValue::Bool(false)), ("transpose_b", AttrValue::Bool(false))],
    });

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        for (i, operand) in operands.iter().enumerate() {
            if operand.dtype != DType::F32 || operand.rank() < 2 {
                return Err(TypeError::operand(
                    i,
                    format!("matmul expects f32 matrices of at least two dimensions, got {operand}"),
                ));
            }
        }
        let [a, b] = [operands[0], operands[1]];
        let lead = |ty: &TensorType| Shape(ty.shape.0[..ty.rank() - 2].to_vec());
        let lead = lead(a).broadcast(&lead(b)).map_err(|_| self.mismatch(a, b, "the leading dimensions differ"))?;
        let ([m, a_k], [b_k, n]) = (matrix_dims(&a.shape, self.transpose_a), matrix_dims(&b.shape, self.transpose_b));
        if a_k != b_k {
            return Err(self.mismatch(a, b, &format!("the summed dimension is {a_k} in one and {b_k} in the other")));
        }
        let mut dims = lead.0;
        dims.extend([m, n]);
        Ok(TensorType::f32(Shape(dims).check_one_batch()?))
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        let (a, b) = (as_rows(operands[0], self.transpose_a), as_rows(operands[1], self.transpose_b));
        let (n_rows, n_terms) = (out[out.len() - 2], b.shape[b.shape.len() - 2]);
        let mut y = Tensor::full(out, 0.0);
        with_vectors(#[inline(always)] || {
            for (m, row) in y.data.chunks_mut(out[out.len() - 1].max(1)).enumerate() {
                let [of_a, of_b] = [&a, &b].map(|x| matrix_at(m / n_rows, &x.shape, out));
                let (terms, first) = (of_a * n_rows + m % n_rows, of_b * n_terms);
                for k in 0..n_terms {
                    add_scaled(row, a.data[terms * n_terms + k], &b.data[(first + k) * row.len()..][..row.len()]);
                }
            }
        });
        y
    }

    fn vjp(&self, cx: &mut OpCx<'_>, dy: NodeId) -> Vec<Option<NodeId>> {
        // With A, B the operands after transposition: dA = dy B^T, dB = A^T dy, transposed back.
        let [a, b] = [cx.operands[0], cx.operands[1]];
        let matmul = |transpose_a, transpose_b| MatMul { transpose_a, transpose_b };
        let da = match self.transpose_a {
            false => cx.add(matmul(false, !self.transpose_b), &[dy, b]),
            true => cx.add(matmul(self.transpose_b, true), &[b, dy]),
        };
        let db = match self.transpose_b {
            false => cx.add(matmul(!self.transpose_a, false), &[a, dy]),
            true => cx.add(matmul(true, self.transpose_a), &[dy, a]),
        };
        vec![Some(da), Some(db)]
    }

    fn composite(&self, operands: &[&TensorType]) -> Option<Expand> {
        (!MatMul::is_plain(operands[0], operands[1])).then_some(Expand::BeforeAutodiff)
    }

    fn expand(&self, cx: &mut OpCx<'_>) -> NodeId {
        // A letter for every leading dimension of the result, which an operand has not where it is repeated.
        let out = cx.ty(cx.node).shape;
        let n_lead = out.rank() - 2;
        let lead: Vec<char> = ('A'..).take(n_lead).collect();
        let operand = |cx: &mut OpCx<'_>, slot: usize, matrix: [char; 2]| {
            let x = cx.operands[slot];
            let shape = cx.ty(x).shape;
            let skipped = out.rank() - shape.rank();
            let is_repeated = |axis: usize| axis + skipped < n_lead && shape.0[axis] != out.0[axis + skipped];
            let kept = (0..shape.rank()).filter(|&axis| !is_repeated(axis));
            let letters = lead.iter().copied().chain(matrix).skip(skipped).collect::<Vec<_>>();
            let (dims, letters): (Vec<Dim>, Vec<char>) = kept.map(|axis| (shape.0[axis], letters[axis])).unzip();
            (cx.reshaped(x, &Shape(dims)), letters)
        };
        let (a, of_a) = operand(cx, 0, oriented('m', 'k', self.transpose_a));
        let (b, of_b) = operand(cx, 1, oriented('k', 'n', self.transpose_b));
        cx.add(Einsum::of(&[&of_a, &of_b], &[lead.as_slice(), &['m', 'n']].concat()), &[a, b])
    }

    fn lower(&self, operands: &[&TensorType], out: &TensorType) -> Lowering {
        // Axes [lead] m n; reduction k.
        let lead = out.rank() - 2;
        let [m, n] = [lead, lead + 1].map(Compute::axis);
        let k = Affine::var(Var(out.rank() as u32));
        let load =
            |operand, matrix: [Affine; 2]| build::load(operand, (0..lead).map(Compute::axis).chain(matrix).collect());
        let a = load(0, oriented(m, k.clone(), self.transpose_a));
        let b = load(1, oriented(k, n, self.transpose_b));
        let [_, k_dim] = matrix_dims(&operands[0].shape, self.transpose_a);
        Lowering::Compute(Compute::reduce(&out.shape.0, &[k_dim], Combine::Sum, build::binary(BinaryOp::Mul, a, b)))
    }

    fn draw(draw: &mut dyn Draw) -> Option<Drawn<Self>> {
        let a = draw.tensor(&|shape| matches!(shape.rank(), 2..=4))?;
        let [transpose_a, transpose_b] = [draw.flag(), draw.flag()];
        let [_, inner] = matrix_dims(a.shape(), transpose_a);
        let lead = &a.shape().0[..a.ty.rank() - 2];
        // Behind some that the second has not, such as are 1 if they are not the same.
        let n_dropped = draw.pick(2) * draw.pick(lead.len() + 1);
        let mut repeated = |dim: Dim| if draw.pick(4) == 3 { Dim::Fixed(1) } else { dim };
        let mut dims: Vec<Dim> = lead[n_dropped..].iter().map(|&dim| repeated(dim)).collect();
        dims.extend(oriented(inner, draw.size().into(), transpose_b));
        let b = draw.numbers(Shape(dims));
        // (A B)^T = B^T A^T
        Some(match draw.flag() {
            false => Drawn::of(MatMul { transpose_a, transpose_b }, [a, b]),
            true => Drawn::of(MatMul { transpose_a: !transpose_b, transpose_b: !transpose_a }, [b, a]),
        })
    }
}
