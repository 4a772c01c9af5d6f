//! Terms in blocks, whose sums wait in their results.

use super::nest::Nest;
use crate::decide::terms::TermBlocks;
use crate::write::builder::Builder;
use graphc_ir::index::Affine;
use graphc_ir::loops::{Access, Bound, LoopKind, Range, TileInit, ValueId};

/// The block of terms at hand.
#[derive(Clone, Debug)]
pub(super) struct TermsAt {
    /// Its first term.
    pub(super) first: Affine,
    pub(super) n_terms: usize,
    is_first: bool,
    is_last: bool,
}

impl Nest<'_> {
    /// All outputs for every block of terms: sums start in the first one, and the last one ends with the epilogue.
    pub(super) fn each_block_of_terms(&mut self, b: &mut Builder, blocks: TermBlocks) {
        let last = blocks.n_blocks() - 1;
        let at = |first: Affine, n_terms: usize| TermsAt { first, n_terms, is_first: false, is_last: false };
        self.with_terms(b, TermsAt { is_first: true, ..at(Affine::default(), blocks.n_terms) });
        let var = b.var();
        self.em.ranges.insert(var, (1, last as i64 - 1));
        if last > 1 {
            let first = Affine::var(var).times(blocks.n_terms as i64);
            let range = Range { low: Bound::constant(1), ..Range::new(var, last) };
            b.for_range(range, LoopKind::Serial, |b| self.with_terms(b, at(first, blocks.n_terms)));
        }
        let first = Affine::constant((last * blocks.n_terms) as i64);
        self.with_terms(b, TermsAt { is_last: true, ..at(first, blocks.n_last()) });
    }

    fn with_terms(&mut self, b: &mut Builder, at: TermsAt) {
        self.terms = Some(at);
        self.em.open_scope();
        self.walk_all(b);
        self.em.close_scope();
        self.terms = None;
    }

    /// Where the sums of a tile start.
    pub(super) fn start(&mut self, b: &mut Builder) -> TileInit {
        match &self.terms {
            Some(at) if !at.is_first => TileInit::Load(self.result_place(b)),
            _ => TileInit::Zero,
        }
    }

    /// What becomes of the sums of a tile: the epilogue, or they wait for the next terms.
    pub(super) fn leave_sum(&mut self, b: &mut Builder, sum: ValueId) {
        if self.terms.as_ref().is_some_and(|at| !at.is_last) {
            let place = self.result_place(b);
            return b.store(place, sum);
        }
        self.epilogue(b, sum);
    }

    /// Where the result of the output at hand will stand.
    fn result_place(&mut self, b: &mut Builder) -> Access {
        let end = self.plan.root.node();
        let index = self.em.dag.own_index(end, &self.plan.split.result);
        self.em.access(b, end, &index)
    }
}
