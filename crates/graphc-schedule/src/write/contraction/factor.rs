//! The two factors of a contraction: which of them an output coordinate moves, and how each is loaded.

use crate::decide::grid::Width;
use crate::decide::task::NEAR_WORDS;
use crate::write::contraction::walk::{Axis, Walk};
use crate::write::contraction::{Kind, Nest};
use graphc_ir::compute::LoadIndex;
use graphc_ir::index::Var;
use graphc_ir::loops::{Access, Range};

/// Rows that a sum over rows looks ahead: what one line of each takes to come from beyond a core's own cache.
const ROWS_AHEAD: i64 = 24;

/// Chunks of splats that it looks ahead.
const SPLATS_AHEAD: i64 = 8;

/// One of the two factors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Factor {
    A,
    B,
}

impl Factor {
    pub(crate) fn other(self) -> Factor {
        match self {
            Factor::A => Factor::B,
            Factor::B => Factor::A,
        }
    }
}

impl Nest<'_> {
    /// Operand slot and index of a factor.
    fn operand(&self, factor: Factor) -> (usize, &[LoadIndex]) {
        let contraction = self.form.as_contraction().expect("a contraction");
        match factor {
            Factor::A => contraction.a,
            Factor::B => contraction.b,
        }
    }

    /// Whether an output coordinate moves this factor.
    pub(crate) fn moves(&self, walk: &Walk, factor: Factor) -> bool {
        let Some(axis) = walk.output_axis() else { return false };
        self.operand(factor).1.iter().any(|i| i.value.uses(Var(axis as u32)))
    }

    /// Whether an output coordinate moves this factor alone, and the bounds of no reduction.
    pub(crate) fn belongs_to(&self, axis: Axis, factor: Factor) -> bool {
        let Axis::Output(axis) = axis else {
            return self.width(factor) == Width::Vector && self.width(factor.other()) == Width::Splat;
        };
        let var = Var(axis as u32);
        let index = |factor| self.operand(factor).1;
        let moves = |factor| index(factor).iter().any(|i| i.value.uses(var));
        let plainly = index(factor).iter().all(|i| !i.value.uses(var) || i.value.coefficient(var) != 0);
        let bounds = self.form.reds.iter().flat_map(|red| red.low.iter().chain(&red.high));
        moves(factor) && !moves(factor.other()) && plainly && bounds.clone().all(|bound| !bound.uses(var))
    }

    /// Whether a factor is loaded as vectors of samples, splats, or (without a batch) words.
    pub(crate) fn width(&self, factor: Factor) -> Width {
        if let Kind::OverFeatures { lanes, .. } = self.kind {
            return if lanes.is_first == (factor == Factor::A) { Width::Vector } else { Width::Splat };
        }
        let node = self.em.cx.graph.operands(self.node)[self.operand(factor).0];
        match (self.kind, self.em.cx.graph.ty(node).shape.batch_axis()) {
            (Kind::NoBatch, _) => Width::Word,
            (_, Some(_)) => Width::Vector,
            (_, None) => Width::Splat,
        }
    }

    /// Whether the rows of a batch, the vectors of a contraction over it, are too many to stay near.
    pub(crate) fn rows_are_far(&self) -> bool {
        let Kind::OverFeatures { lanes, .. } = self.kind else { return false };
        let rows = self.em.cx.buffers.rows(lanes.vectors).expect("a copy of the vectors");
        self.em.cx.buffers.layout(rows.buffer).len() > NEAR_WORDS
    }

    /// Whether the next block of a coordinate is worth asking for ahead of time: weights of which too many are read to
    /// stay near.
    pub(crate) fn reads_far(&self, axis: Axis) -> bool {
        let cx = self.em.cx;
        let (Axis::Output(_), Kind::PerSample { .. }) = (axis, self.kind) else { return false };
        let Some(factor) = [Factor::A, Factor::B].into_iter().find(|&factor| self.width(factor) == Width::Splat) else {
            return false;
        };
        let splats = cx.buffers.node(cx.graph.operands(self.node)[self.operand(factor).0]);
        cx.buffers.layout(splats).len() > NEAR_WORDS && self.belongs_to(axis, factor)
    }

    /// How many words ahead of the factors' operands to fetch others: the next block of what is far away, or, where
    /// rows of a whole batch are read, what the sum itself reads later.
    pub(super) fn ahead(&self, reds: &[Range], factors: [&Access; 2]) -> [i64; 2] {
        let Kind::OverFeatures { .. } = self.kind else {
            return factors.map(|access| self.far_blocks.map_or(0, |blocks| access.index.coefficient(blocks)));
        };
        let [chunks, samples] = reds else { unreachable!("it sums over chunks and samples") };
        factors.map(|access| match access.index.coefficient(samples.var) {
            _ if !self.rows_are_far() => 0,
            1 => SPLATS_AHEAD * access.index.coefficient(chunks.var),
            row => ROWS_AHEAD * row,
        })
    }
}
