//! Contractions over the batch: gradients of weights, as partial results of each group of chunks.

use super::accumulators::Accumulators;
use super::blocks::{self, Part};
use super::nest::{Nest, Place, in_lanes};
use crate::decide::contraction::ContractionPlan;
use crate::decide::kernel::GradientPlan;
use crate::write::builder::Builder;
use crate::write::expr::Cx;
use crate::write::task::{Share, Task};
use graphc_ir::index::{Affine, Var};
use graphc_ir::loops::{LoopKind, Stmt};

/// Writes a contraction over the batch that is a phase of its own: its groups are shared, or blocks of its result.
pub(crate) fn write(cx: &Cx<'_>, b: &mut Builder, gradient: &GradientPlan) {
    match gradient.nest.loops.iter().position(|walk| walk.is_shared) {
        _ if !gradient.cuts.is_empty() => share_parts(cx, b, gradient),
        Some(position) => share_blocks(cx, b, &gradient.nest, position),
        None => share_groups(cx, b, gradient),
    }
}

/// Writes shares of every group, or of the result as a whole. Those of a group follow each other: they read the same
/// chunks.
fn share_parts(cx: &Cx<'_>, b: &mut Builder, gradient: &GradientPlan) {
    let plan = &gradient.nest;
    b.for_extent(gradient.n_tasks(), LoopKind::Parallel, |b, task| {
        let mut left = Affine::var(task);
        let mut parts = Vec::new();
        for &cut in gradient.cuts.iter().rev() {
            let number = defined(b, left.modulo(cut.n_shares as i64));
            left = Affine::var(defined(b, left.div(cut.n_shares as i64)));
            parts.push((cut.position, Part::Task(Share { number, cut })));
        }
        let number = plan.shares_groups().then(|| left.as_var().expect("a variable"));
        blocks::each(cx, b, plan, &mut |b, block| {
            b.nest_of(&plan.name, &plan.nodes, |b| {
                in_lanes(b, plan, |b, lane| {
                    let mut nest = Nest::new(cx, plan, Place::Group { number }, lane);
                    nest.share = Affine::var(task);
                    nest.walk_block(b, block, &parts);
                });
            });
        });
    });
}

/// A variable of that value.
fn defined(b: &mut Builder, value: Affine) -> Var {
    let var = b.var();
    b.push(Stmt::LetIndex { var, value });
    var
}

fn share_groups(cx: &Cx<'_>, b: &mut Builder, gradient: &GradientPlan) {
    let groups = gradient.nest.groups();
    b.for_extent(groups.n_groups, LoopKind::Parallel, |b, number| {
        let gradient = Gradient { cx, plan: gradient, number };
        gradient.before(b);
        if gradient.plan.nest.accumulators_wait {
            let task = Task { number, n_chunks: groups.chunks_per_group };
            task.each_chunk(cx, b, |b, chunk| gradient.add(b, chunk));
        }
        gradient.after(b);
    });
}

/// Writes shares of the blocks of a loop. What does not fill a block is a phase of its own, or shared along another
/// loop.
pub(super) fn share_blocks(cx: &Cx<'_>, b: &mut Builder, plan: &ContractionPlan, position: usize) {
    share_loop(cx, b, plan, &[position]);
    let walk = &plan.loops[position];
    if walk.n_full_blocks() == walk.n_blocks() {
        return;
    }
    let rest = (position, Part::Rest);
    let Some(other) = plan.shared_beside(cx.machine) else { return part_of(cx, b, plan, vec![rest]) };
    share_loop(cx, b, plan, &[position, other]);
    if plan.loops[other].n_full_blocks() < plan.loops[other].n_blocks() {
        part_of(cx, b, plan, vec![rest, (other, Part::Rest)]);
    }
}

/// Writes shares of the full blocks of the last of some loops, for what is left of those before it.
fn share_loop(cx: &Cx<'_>, b: &mut Builder, plan: &ContractionPlan, positions: &[usize]) {
    let (&position, before) = positions.split_last().expect("a loop");
    let walk = &plan.loops[position];
    let n_blocks = plan.blocks_per_share(cx.machine, walk);
    let n_shares = walk.n_full_blocks().div_ceil(n_blocks);
    if n_shares == 0 {
        return;
    }
    b.for_extent(n_shares, LoopKind::Parallel, |b, share| {
        let rests = before.iter().map(|&position| (position, Part::Rest));
        part_of(cx, b, plan, rests.chain([(position, Part::Share { share, n_blocks })]).collect());
    });
}

/// Some blocks of the result, for all groups.
fn part_of(cx: &Cx<'_>, b: &mut Builder, plan: &ContractionPlan, parts: Vec<(usize, Part)>) {
    let share = match parts.last() {
        Some((_, Part::Share { share, .. })) => Affine::var(*share),
        _ => Affine::default(),
    };
    blocks::each(cx, b, plan, &mut |b, block| {
        b.nest_of(&plan.name, &plan.nodes, |b| {
            in_lanes(b, plan, |b, lane| {
                let mut nest = Nest::new(cx, plan, Place::Group { number: None }, lane);
                nest.share = share.clone();
                nest.walk_block(b, block, &parts);
            });
        });
    });
}

/// The contraction over one group of chunks, in three parts: before the first chunk, for every chunk, and after the
/// last one.
pub(crate) struct Gradient<'a> {
    pub(crate) cx: &'a Cx<'a>,
    pub(crate) plan: &'a GradientPlan,
    /// Number of the group of chunks.
    pub(crate) number: Var,
}

impl<'a> Gradient<'a> {
    /// Lets the sums start at zero.
    pub(crate) fn before(&self, b: &mut Builder) {
        if self.plan.nest.accumulators_wait {
            self.nest(b, |b, nest, accumulators| nest.clear(b, &accumulators));
        }
    }

    /// Adds what a chunk contributes, if the accumulators wait for the next one.
    pub(crate) fn add(&self, b: &mut Builder, chunk: Var) {
        if self.plan.nest.accumulators_wait {
            self.nest(b, |b, nest, accumulators| {
                nest.fetches = &self.plan.fetches;
                nest.chunk = Some((chunk, accumulators));
                nest.walk(b, &self.plan.nest.loops);
            });
        }
    }

    /// Leaves the sums as a partial result; without waiting accumulators they are computed here, chunk after chunk.
    pub(crate) fn after(&self, b: &mut Builder) {
        let plan = &self.plan.nest;
        if plan.accumulators_wait {
            return self.nest(b, |b, nest, accumulators| nest.finish(b, &accumulators));
        }
        b.nest_of(&plan.name, &plan.nodes, |b| {
            in_lanes(b, plan, |b, lane| {
                let mut nest = self.over_group(lane);
                if plan.groups().chunks_per_group == 1 {
                    nest.fetches = &self.plan.fetches;
                }
                nest.share = Affine::var(self.number);
                nest.walk(b, &plan.loops);
            });
        });
    }

    fn nest(&self, b: &mut Builder, write: impl FnOnce(&mut Builder, &mut Nest<'a>, Accumulators)) {
        let plan = &self.plan.nest;
        let axes = plan.axes.outputs().map(|axis| (axis.var, axis.extent)).collect();
        b.nest_of(&plan.name, &plan.nodes, |b| {
            in_lanes(b, plan, |b, lane| {
                let mut nest = self.over_group(lane);
                let accumulators = Accumulators::new(nest.place_to_wait(), axes, &Affine::var(self.number));
                write(b, &mut nest, accumulators);
            });
        });
    }

    fn over_group(&self, lane: Option<Var>) -> Nest<'a> {
        Nest::new(self.cx, &self.plan.nest, Place::Group { number: Some(self.number) }, lane)
    }
}
