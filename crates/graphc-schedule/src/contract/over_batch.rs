//! Contractions over the batch: gradients of weights.

use crate::builder::Builder;
use crate::contract::waiting::Accumulators;
use crate::contract::walk::{Axis, Part, Walk};
use crate::contract::{Kind, Nest};
use crate::emit::Cx;
use crate::fetch::NextChunk;
use crate::groups::{Groups, MOST_SHARES};
use crate::lanes::FeatureLanes;
use crate::registers::RegisterFile;
use crate::task::Task;
use graphc_ir::graph::plan::{Group, Root};
use graphc_ir::index::{Affine, Var};
use graphc_ir::loops::LoopKind;

/// Writes a contraction over the batch: partial results of each group of chunks.
pub(crate) fn write(cx: &Cx<'_>, b: &mut Builder, registers: RegisterFile, group: &Group) {
    let root = group.roots[0];
    let groups = Groups::of(cx.graph, cx.forms, root);
    if groups.are_enough() {
        return b.for_extent(groups.n_groups, LoopKind::Parallel, |b, number| {
            let next = NextChunk::default();
            let gradient = Gradient { cx, group, registers, groups, number, next: &next };
            gradient.before(b);
            if groups.accumulators_wait {
                let task = Task { number, n_chunks: groups.chunks_per_group };
                task.each_chunk(cx, b, |b, chunk| gradient.add(b, chunk));
            }
            gradient.after(b);
        });
    }
    if let Some(lanes) = FeatureLanes::of(cx.graph, &cx.forms[&root.node()], root.node()) {
        return over_features(cx, b, registers, group, lanes);
    }
    let nest = |group: Var, lane: Var| over_groups(cx, root, groups, group, lane);
    let walks = nest(b.var(), b.var()).walks(registers);
    shared(b, group, walks, 0, |b, lane, walks| {
        let share = walks.iter().find_map(|walk| match walk.part {
            Part::Share { share, .. } => Some(Affine::var(share)),
            Part::All | Part::Rest => None,
        });
        let share = share.unwrap_or_default();
        b.for_extent(groups.n_groups, LoopKind::Serial, |b, number| {
            nest(number, lane).walk_in_strips(b, walks.to_vec(), share.clone());
        });
    });
}

fn over_groups<'a>(cx: &'a Cx<'a>, root: Root, groups: Groups, group: Var, lane: Var) -> Nest<'a> {
    let kind = match FeatureLanes::of(cx.graph, &cx.forms[&root.node()], root.node()) {
        Some(lanes) => Kind::OverFeatures { lanes, group: Some((group, groups)), lane },
        None => Kind::OverBatch { group, groups, lane },
    };
    let mut nest = Nest::new(cx, root, root.node(), kind);
    nest.em.ranges.insert(group, (0, groups.n_groups as i64 - 1));
    nest
}

/// The contraction over one group of chunks, in three parts: before the first chunk, for every chunk, and after the
/// last one.
pub(crate) struct Gradient<'a> {
    pub(crate) cx: &'a Cx<'a>,
    pub(crate) group: &'a Group,
    pub(crate) registers: RegisterFile,
    pub(crate) groups: Groups,
    /// Number of the group of chunks.
    pub(crate) number: Var,
    /// What the kernel reads of the next chunk.
    pub(crate) next: &'a NextChunk<'a>,
}

impl<'a> Gradient<'a> {
    /// Lets the sums start at zero.
    pub(crate) fn before(&self, b: &mut Builder) {
        if self.groups.accumulators_wait {
            self.nest(b, |b, nest, accumulators| nest.clear(b, accumulators));
        }
    }

    /// Adds what a chunk contributes, if the accumulators wait for the next one.
    pub(crate) fn add(&self, b: &mut Builder, chunk: Var) {
        if self.groups.accumulators_wait {
            self.nest(b, |b, nest, accumulators| {
                let walks = nest.walks(self.registers);
                nest.fetch = self.next.carried_by(self.group).to_vec();
                nest.walk_chunk(b, walks, chunk, accumulators.clone());
            });
        }
    }

    /// Leaves the sums as a partial result; without waiting accumulators they are computed here, chunk after chunk.
    pub(crate) fn after(&self, b: &mut Builder) {
        if self.groups.accumulators_wait {
            return self.nest(b, |b, nest, accumulators| nest.finish(b, accumulators));
        }
        b.nest_of(self.group, |b| {
            b.lanes(|b, lane| {
                let mut nest = self.over_groups(lane);
                let walks = nest.walks(self.registers);
                if self.groups.chunks_per_group == 1 {
                    nest.fetch = self.next.carried_by(self.group).to_vec();
                }
                nest.walk_in_strips(b, walks, Affine::var(self.number));
            });
        });
    }

    fn nest(&self, b: &mut Builder, write: impl FnOnce(&mut Builder, &mut Nest<'a>, &Accumulators)) {
        let root = self.group.roots[0];
        let waiting = self.cx.buffers.waiting(root).expect("a place for the accumulators");
        let extents = &self.cx.forms[&root.node()].as_point().expect("a contraction is a point form").extents;
        let accumulators =
            waiting.accumulators(extents.iter().copied().enumerate().collect(), &Affine::var(self.number));
        b.nest_of(self.group, |b| b.lanes(|b, lane| write(b, &mut self.over_groups(lane), &accumulators)));
    }

    fn over_groups(&self, lane: Var) -> Nest<'a> {
        over_groups(self.cx, self.group.roots[0], self.groups, self.number, lane)
    }
}

/// Writes a contraction over the batch alone; rows of the result are shared.
fn over_features(cx: &Cx<'_>, b: &mut Builder, registers: RegisterFile, group: &Group, lanes: FeatureLanes) {
    let root = group.roots[0];
    let nest = |lane: Var| Nest::new(cx, root, root.node(), Kind::OverFeatures { lanes, group: None, lane });
    let walks = nest(b.var()).walks(registers);
    let rows = walks.iter().position(|walk| walk.axis != Axis::Features).expect("rows are walked");
    shared(b, group, walks, rows, |b, lane, walks| nest(lane).walk(b, walks));
}

/// Writes nests that share the blocks of a walk; what does not fill a block is a phase of its own.
fn shared(
    b: &mut Builder,
    group: &Group,
    mut walks: Vec<Walk>,
    position: usize,
    mut write: impl FnMut(&mut Builder, Var, &[Walk]),
) {
    let Walk { extent, block, .. } = walks[position];
    let blocks = (extent / block).div_ceil(MOST_SHARES).max(1);
    let mut nest = |b: &mut Builder, part: Part| {
        walks[position].part = part;
        b.nest_of(group, |b| b.lanes(|b, lane| write(b, lane, &walks)));
    };
    let n_shares = (extent / block).div_ceil(blocks);
    if n_shares > 0 {
        b.for_extent(n_shares, LoopKind::Parallel, |b, share| nest(b, Part::Share { share, blocks }));
    }
    if !extent.is_multiple_of(block) {
        nest(b, Part::Rest);
    }
}
