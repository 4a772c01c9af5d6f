//! `matmul`: matrix products, plain and for every index of leading dimensions, either operand transposed.

use super::draw::{Draw, Drawn};
use super::facts::Usage;
use super::{Lowering, OpRules};
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
    /// `y[m,n] = sum over k of a[m,k] * b[k,n]`, or the same for every index of leading dimensions
    /// that both operands share.
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

impl MatMul {
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
    const SUMMARY: &'static str = "matrix product; operands may be transposed and share leading dimensions";
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
        if a.rank() != b.rank() {
            return Err(self.mismatch(a, b, "they have different numbers of dimensions"));
        }
        let lead = a.rank() - 2;
        if a.shape.0[..lead] != b.shape.0[..lead] {
            return Err(self.mismatch(a, b, "the leading dimensions differ"));
        }
        let ([m, a_k], [b_k, n]) = (matrix_dims(&a.shape, self.transpose_a), matrix_dims(&b.shape, self.transpose_b));
        if a_k != b_k {
            return Err(self.mismatch(a, b, &format!("the summed dimension is {a_k} in one and {b_k} in the other")));
        }
        let mut dims = a.shape.0[..lead].to_vec();
        dims.extend([m, n]);
        Ok(TensorType::f32(Shape(dims).check_one_batch()?))
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        let (a, b) = (as_rows(operands[0], self.transpose_a), as_rows(operands[1], self.transpose_b));
        let (n_rows, n_terms) = (out[out.len() - 2], b.shape[out.len() - 2]);
        let mut y = Tensor::full(out, 0.0);
        with_vectors(#[inline(always)] || {
            for (m, row) in y.data.chunks_mut(out[out.len() - 1].max(1)).enumerate() {
                let first = m / n_rows * n_terms;
                for k in 0..n_terms {
                    add_scaled(row, a.data[m * n_terms + k], &b.data[(first + k) * row.len()..][..row.len()]);
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
        let mut dims = a.shape().0[..a.ty.rank() - 2].to_vec();
        dims.extend(oriented(inner, draw.size().into(), transpose_b));
        let b = draw.numbers(Shape(dims));
        // (A B)^T = B^T A^T
        Some(match draw.flag() {
            false => Drawn::of(MatMul { transpose_a, transpose_b }, [a, b]),
            true => Drawn::of(MatMul { transpose_a: !transpose_b, transpose_b: !transpose_a }, [b, a]),
        })
    }
}
