//! Loops that copy vectors of samples to rows of features as calls of assembled functions.
//!
//! `for i { v = load x[.. + lane + s*i]; store y[.. + r*lane + i] = v }` would store every lane by itself; eight
//! iterations together are a transposed square. The last square ends with the last iteration: some words are copied
//! twice.

use super::function::{Emit, FunctionEmitter, Functions, Scalar};
use super::index::Linear;
use crate::transpose::{SIDE, TransposeShape};
use cranelift_codegen::ir::InstBuilder;
use cranelift_codegen::ir::types::I64;
use graphc_ir::index::{Affine, Var};
use graphc_ir::loops::{Access, Expr, Range, Stmt};

/// A copy as it was recognised.
struct Copy<'s> {
    from: &'s Access,
    to: &'s Access,
    shape: TransposeShape,
}

impl<'p> FunctionEmitter<'p, '_> {
    /// Emits a loop as calls. False if it is no such copy, has fewer iterations than a square has vectors, or there is
    /// no assembler.
    pub(super) fn transposed_copy(
        &mut self,
        range: &Range,
        (low, high): (&Linear, &Linear),
        body: &'p [Stmt],
        functions: &mut dyn Functions<'p>,
    ) -> Emit<bool> {
        let bounds = low.as_constant().zip(high.as_constant());
        let (Some(lane), Some((low, high))) = (self.lane, bounds) else { return Ok(false) };
        let n_squares = (high - low).max(0) / SIDE as i64;
        if self.checks.is_some() || !functions.assembles_loops() || n_squares == 0 {
            return Ok(false);
        }
        let Some(copy) = recognise(body, lane, range.var) else { return Ok(false) };
        if [copy.from, copy.to].into_iter().any(|access| self.scalar_of(access) != Ok(Scalar::F32)) {
            return Ok(false);
        }
        let Some(callee) = functions.transpose(copy.shape)? else { return Ok(false) };
        let callee = self.import(callee);
        let rest = (high - low) % SIDE as i64;
        let last = (rest > 0).then_some((high - SIDE as i64, 1));
        for (first, count) in [(low, n_squares)].into_iter().chain(last) {
            let at = |access: &Access| {
                let start = |var: Var| match var {
                    var if var == lane => Affine::default(),
                    var if var == range.var => Affine::constant(first),
                    var => Affine::var(var),
                };
                Access { buffer: access.buffer, index: access.index.substitute(&start) }
            };
            let from = self.pointer(&at(copy.from))?;
            let to = self.pointer(&at(copy.to))?;
            let count = self.builder.ins().iconst(I64, count);
            self.builder.ins().call(callee, &[from, to, count]);
        }
        Ok(true)
    }
}

fn recognise(body: &[Stmt], lane: Var, var: Var) -> Option<Copy<'_>> {
    let [Stmt::Let { value, expr: Expr::Load(from) }, Stmt::Store { to, value: stored }] = body else { return None };
    let coefficients = |access: &Access| [lane, var].map(|var| access.index.coefficient(var));
    let ([1, vector_stride], [row_stride, 1]) = (coefficients(from), coefficients(to)) else { return None };
    let bytes = |words: i64| i32::try_from(words.checked_mul(4)?).ok();
    let shape = TransposeShape { vector_stride: bytes(vector_stride)?, row_stride: bytes(row_stride)? };
    let are_plain = from.index.is_affine() && to.index.is_affine() && from.buffer != to.buffer;
    (value == stored && row_stride != 1 && are_plain).then_some(Copy { from, to, shape })
}
