//! Loops that copy vectors of samples to rows of features.
//!
//! `for i { v = load x[.. + lane + s*i]; store y[.. + r*lane + i] = v }` would store every lane by itself; eight
//! iterations together are a transposed square. The last square ends with the last iteration: some words are copied
//! twice.

use super::context::Site;
use super::reason::Reason;
use super::selection::{LoopChoice, TransposeCall};
use crate::asm::transpose::{SIDE, TransposeShape};
use crate::asm::unit::ShapeKind;
use graphc_ir::index::{Affine, Var};
use graphc_ir::loops::{Access, Expr, Range, Stmt};

/// A copy as it was recognised.
struct Copy<'s> {
    from: &'s Access,
    to: &'s Access,
    shape: TransposeShape,
}

/// The calls that a loop becomes. None if it is no such copy, or has fewer iterations than a square has vectors.
pub(super) fn transpose(site: &mut Site<'_, '_>, range: &Range, body: &[Stmt]) -> Result<LoopChoice, Reason> {
    let (cx, state) = (site.cx, site.state);
    let lane = cx.unit_for(ShapeKind::Transpose, state)?.lane;
    let (Some(low), Some(high)) = state.known.bounds(range) else { return Err(Reason::Scattered) };
    let n_squares = (high - low).max(0) / SIDE as i64;
    if n_squares == 0 {
        return Err(Reason::FewIterations);
    }
    let copy = recognise(body, lane, range.var).ok_or(Reason::Scattered)?;
    if site.state.lane_vars.loaded_in(&copy.from.index).is_some() {
        return Err(Reason::Scattered);
    }
    if !cx.is_f32(copy.from) || !cx.is_f32(copy.to) {
        return Err(Reason::Integers);
    }
    let rest = (high - low) % SIDE as i64;
    let last = (rest > 0).then_some((high - SIDE as i64, 1));
    let calls = [(low, n_squares)].into_iter().chain(last).map(|(first, count)| {
        let at = |access: &Access| {
            let start = |var: Var| match var {
                var if var == lane => Affine::default(),
                var if var == range.var => Affine::constant(first),
                var => Affine::var(var),
            };
            Access { buffer: access.buffer, index: access.index.substitute(&start) }
        };
        TransposeCall { from: at(copy.from), to: at(copy.to), count }
    });
    let calls = calls.collect();
    Ok(LoopChoice::Transpose { function: site.shapes.transpose(copy.shape), calls })
}

fn recognise(body: &[Stmt], lane: Var, var: Var) -> Option<Copy<'_>> {
    let [Stmt::Let { value, expr: Expr::Load(from) }, Stmt::Store { to, value: stored }] = body else { return None };
    let coefficients = |access: &Access| [lane, var].map(|var| access.index.coefficient(var));
    let ([1, vector_stride], [row_stride, 1]) = (coefficients(from), coefficients(to)) else { return None };
    let shape = TransposeShape::of_words(vector_stride, row_stride)?;
    let are_plain = from.index.is_affine() && to.index.is_affine() && from.buffer != to.buffer;
    (value == stored && row_stride != 1 && are_plain).then_some(Copy { from, to, shape })
}
