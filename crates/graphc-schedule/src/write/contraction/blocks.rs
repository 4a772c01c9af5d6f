//! What is walked outside of all loops of a nest: blocks of terms, whose sums wait in their results, and panels of
//! outputs. Each is a nest by itself, behind the copy of the weights that it alone reads, if there is one.

use crate::decide::contraction::ContractionPlan;
use crate::decide::copies::When;
use crate::decide::loops::Panels;
use crate::write::builder::Builder;
use crate::write::copies::weights::{self, Region};
use crate::write::expr::Cx;
use crate::write::task::Share;
use graphc_ir::index::{Affine, Var};
use graphc_ir::loops::{Bound, LoopKind, Range};

/// The block of terms at hand.
#[derive(Clone, Debug)]
pub(super) struct TermsAt {
    /// Its first term.
    pub(super) first: Affine,
    pub(super) n_terms: usize,
    pub(super) is_first: bool,
    pub(super) is_last: bool,
}

/// What of a contraction one nest computes.
#[derive(Clone, Debug, Default)]
pub(super) struct Block {
    /// All terms if there is none.
    pub(super) terms: Option<TermsAt>,
    /// Which blocks of the loop at a position are walked.
    pub(super) panel: Option<(usize, Part)>,
}

/// Which blocks of a loop that is shared, cut, or walked in panels, a nest walks.
#[derive(Clone, Copy, Debug)]
pub(super) enum Part {
    /// Share `share` of the full blocks, `n_blocks` of them at most.
    Share { share: Var, n_blocks: usize },
    /// What is left beside the full blocks.
    Rest,
    /// Blocks of any kind of the loop that a task is cut along.
    Task(Share),
}

/// Writes a nest for every block of terms, and in each for every panel: sums start in the first block, and the last one
/// ends with the epilogue.
pub(super) fn each(cx: &Cx<'_>, b: &mut Builder, plan: &ContractionPlan, nest: &mut dyn FnMut(&mut Builder, &Block)) {
    let Some(blocks) = plan.terms else { return each_panel(cx, b, plan, None, nest) };
    let last = blocks.n_blocks() - 1;
    let at = |first: Affine, n_terms: usize| TermsAt { first, n_terms, is_first: false, is_last: false };
    let first = TermsAt { is_first: true, ..at(Affine::default(), blocks.n_terms) };
    each_panel(cx, b, plan, Some(first), nest);
    if last > 1 {
        let var = b.var();
        let first = Affine::var(var).times(blocks.n_terms as i64);
        let range = Range { low: Bound::constant(1), ..Range::new(var, last) };
        b.for_range(range, LoopKind::Serial, |b| each_panel(cx, b, plan, Some(at(first, blocks.n_terms)), nest));
    }
    let first = Affine::constant((last * blocks.n_terms) as i64);
    each_panel(cx, b, plan, Some(TermsAt { is_last: true, ..at(first, blocks.n_last()) }), nest);
}

/// Writes a nest for every panel, and one for what fills no block.
fn each_panel(
    cx: &Cx<'_>,
    b: &mut Builder,
    plan: &ContractionPlan,
    terms: Option<TermsAt>,
    nest: &mut dyn FnMut(&mut Builder, &Block),
) {
    let mut write = |b: &mut Builder, panel: Option<(usize, Part)>| {
        let block = Block { terms: terms.clone(), panel };
        copy(cx, b, plan, &block);
        nest(b, &block);
    };
    let Some(Panels { of, n_blocks }) = plan.panels else { return write(b, None) };
    let position = plan.loops.iter().position(|walk| walk.coordinate == of).expect("a loop");
    let walk = &plan.loops[position];
    b.for_extent(walk.n_full_blocks().div_ceil(n_blocks), LoopKind::Serial, |b, share| {
        write(b, Some((position, Part::Share { share, n_blocks })));
    });
    if walk.has_rest() {
        write(b, Some((position, Part::Rest)));
    }
}

/// Writes the copy of the weights that a block reads, if there is one for it alone.
fn copy(cx: &Cx<'_>, b: &mut Builder, plan: &ContractionPlan, block: &Block) {
    let Some((_, id)) = plan.copy().filter(|&(_, id)| matches!(cx.copies.get(id).when, When::Block { .. })) else {
        return;
    };
    let (Some(terms), Some((position, part))) = (&block.terms, block.panel) else {
        unreachable!("weights are copied by blocks of terms and panels")
    };
    let n_full = plan.loops[position].n_full_blocks();
    let (low, high) = match part {
        Part::Share { share, n_blocks } => share_of(share, n_blocks, n_full),
        Part::Rest | Part::Task(_) => (Bound::constant(n_full), Bound::constant(n_full)),
    };
    let region = Region {
        low,
        high,
        is_rest: matches!(part, Part::Rest),
        first_output: block.first_output(plan),
        first_term: terms.first.clone(),
        n_terms: terms.n_terms,
    };
    weights::write_region(cx, b, (&plan.name, id), &region);
}

impl Block {
    /// The first output of a panel.
    pub(super) fn first_output(&self, plan: &ContractionPlan) -> Affine {
        match self.panel {
            Some((position, Part::Share { share, n_blocks })) => {
                Affine::var(share).times((n_blocks * plan.loops[position].block) as i64)
            }
            Some((position, Part::Rest)) => {
                let walk = &plan.loops[position];
                Affine::constant((walk.n_full_blocks() * walk.block) as i64)
            }
            Some((_, Part::Task(_))) | None => Affine::default(),
        }
    }
}

/// Bounds of a loop over so many blocks.
pub(super) fn all(n_blocks: usize) -> (Bound, Bound) {
    (Bound::constant(0), Bound::constant(n_blocks))
}

/// Bounds of a share of `per_share` blocks out of `n_blocks`.
pub(super) fn share_of(share: Var, per_share: usize, n_blocks: usize) -> (Bound, Bound) {
    let low = Affine::var(share).times(per_share as i64);
    let mut high = vec![low.plus_constant(per_share as i64)];
    if !n_blocks.is_multiple_of(per_share) {
        high.push(Affine::constant(n_blocks as i64));
    }
    (Bound(vec![low]), Bound(high))
}
