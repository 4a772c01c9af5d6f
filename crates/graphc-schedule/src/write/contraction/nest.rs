//! The loops of a contraction's nest, as its plan has them.

use super::accumulators::Accumulators;
use super::blocks::{Block, Part, all, share_of};
use crate::decide::contraction::epilogue::declare_axes;
use crate::decide::contraction::{Batch, ContractionPlan, Lanes};
use crate::decide::loops::{Coordinate, Loop, Segment};
use crate::memory::buffers::Waiting;
use crate::write::builder::Builder;
use crate::write::expr::{BatchAt, Cx, Emitter};
use crate::write::fetch;
use crate::write::task::Task;
use graphc_ir::NodeId;
use graphc_ir::form::PointForm;
use graphc_ir::index::{Affine, Var};
use graphc_ir::loops::{Bound, LoopKind, Range};
use graphc_ir::scalar::LANES;

/// Where along the batch a nest is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place {
    /// Nowhere, or its loops tell.
    Once,
    /// At the samples of a task; its chunks are numbered by the variable.
    Task { task: Task, chunk: Var },
    /// At a group of chunks, of so many in each; all groups one after the other if it has no number.
    Group { number: Option<Var> },
}

/// A nest being written.
pub(crate) struct Nest<'a> {
    pub(crate) em: Emitter<'a>,
    pub(super) plan: &'a ContractionPlan,
    pub(super) form: &'a PointForm,
    pub(super) place: Place,
    pub(super) lane: Option<Var>,
    /// Grid variables of the tile under construction.
    pub(super) grid: Vec<(Var, usize)>,
    /// Axes whose coordinates at hand leave all reductions whole.
    pub(super) inner: Vec<Var>,
    /// The block of outputs that a copy is read for.
    pub(super) block: Option<BlockAt>,
    /// Lanes of which results are kept; the others leave memory as it is.
    pub(super) n_kept: usize,
    /// The loop over blocks of what is far away; words of the next block are asked for ahead of time.
    pub(super) far_blocks: Option<Var>,
    /// Loops of which not all blocks are walked, by position, and which blocks are.
    pub(super) parts: Vec<(usize, Part)>,
    /// Which of the nests that may run at once this is, where that matters.
    pub(super) share: Affine,
    /// The one chunk that a contraction over the batch takes, and where the accumulators wait for the next.
    pub(super) chunk: Option<(Var, Accumulators)>,
    /// Where the accumulators of the tap at hand wait for the next one.
    pub(super) tap: Option<Accumulators>,
    /// What of the contraction it computes.
    pub(super) block_at: Block,
    /// The loop over blocks that is open innermost.
    pub(super) blocks: Option<Var>,
    /// Tensors of whose next chunk every tile fetches a share.
    pub(super) fetches: &'a [NodeId],
    /// Number of the tile, and how many there are, as far as the coordinates of the loops at hand tell.
    pub(super) tile_number: (Affine, usize),
}

/// A block of outputs: the first, how many, and the one at hand, in elements.
#[derive(Clone)]
pub(super) struct BlockAt {
    pub(super) first: Affine,
    pub(super) width: usize,
    pub(super) cell: Affine,
}

/// Opens a region of lanes if the plan has any.
pub(super) fn in_lanes(b: &mut Builder, plan: &ContractionPlan, write: impl FnOnce(&mut Builder, Option<Var>)) {
    match plan.lanes {
        Lanes::None => write(b, None),
        Lanes::Samples | Lanes::SummedSamples | Lanes::Axis(_) => b.lanes(|b, lane| write(b, Some(lane))),
    }
}

impl<'a> Nest<'a> {
    pub(super) fn new(cx: &'a Cx<'a>, plan: &'a ContractionPlan, place: Place, lane: Option<Var>) -> Nest<'a> {
        let form = &plan.split.form;
        let mut em = Emitter::new(cx);
        // Dag variables 0.. are the output axes, digits if they are split, and then the reductions, as in the form.
        declare_axes(&mut em.dag, form);
        if let Some(lane) = lane {
            em.ranges.insert(lane, (0, LANES as i64 - 1));
        }
        let groups = if let Batch::Summed(groups) = plan.batch { groups.n_groups } else { 1 };
        match place {
            Place::Task { chunk, .. } => _ = em.ranges.insert(chunk, (0, cx.n_chunks() as i64 - 1)),
            Place::Group { number: Some(number) } => _ = em.ranges.insert(number, (0, groups as i64 - 1)),
            Place::Once | Place::Group { number: None } => {}
        }
        Nest {
            em,
            plan,
            form,
            place,
            lane,
            grid: Vec::new(),
            inner: Vec::new(),
            block: None,
            n_kept: LANES,
            far_blocks: None,
            parts: Vec::new(),
            share: Affine::default(),
            chunk: None,
            tap: None,
            block_at: Block::default(),
            blocks: None,
            fetches: &[],
            tile_number: (Affine::default(), 1),
        }
    }

    /// All loops, as far as they are in a block, and in the parts of some loops.
    pub(super) fn walk_block(&mut self, b: &mut Builder, block: &Block, parts: &[(usize, Part)]) {
        self.parts = parts.iter().copied().chain(block.panel).collect();
        for (_, part) in parts {
            if let Part::Task(share) = part {
                self.em.ranges.insert(share.number, (0, share.cut.n_shares as i64 - 1));
            }
        }
        self.block_at = block.clone();
        self.walk(b, &self.plan.loops);
    }

    /// Loops over the remaining output coordinates, then the tile.
    pub(super) fn walk(&mut self, b: &mut Builder, loops: &[Loop]) {
        let Some((walk, rest)) = loops.split_first() else { return self.innermost(b) };
        if let (Coordinate::Chunk, Place::Task { task, chunk }) = (walk.coordinate, self.place) {
            let chunks = task.chunks(self.em.cx, chunk);
            return b.for_range(chunks, LoopKind::Serial, |b| {
                self.em.open_scope();
                self.walk(b, rest);
                self.em.close_scope();
            });
        }
        let outer = self.tile_number.clone();
        let n_blocks = walk.n_blocks();
        let position = self.plan.loops.len() - loops.len();
        let part = self.part(position);
        self.tile_number = (outer.0.times(n_blocks as i64), outer.1 * n_blocks);
        for segment in walk.segments() {
            let is_full = segment.block == walk.block && segment.n_blocks == walk.n_full_blocks();
            let (is_walked, bounds) = match part {
                None => (true, all(segment.n_blocks)),
                Some(Part::Share { share, n_blocks }) => (is_full, share_of(share, n_blocks, segment.n_blocks)),
                Some(Part::Rest) => (!is_full, all(segment.n_blocks)),
                Some(Part::Task(share)) => (true, share.bounds(segment.n_before, segment.n_blocks)),
            };
            if is_walked {
                let bounds = self.up_to_end(b, walk, segment, bounds);
                self.segment(b, walk, segment, bounds, rest);
            }
        }
        self.tile_number = outer;
    }

    /// The part of the loop at a position that is walked, if not all of it.
    pub(super) fn part(&self, position: usize) -> Option<Part> {
        self.parts.iter().find(|(of, _)| *of == position).map(|&(_, part)| part)
    }

    /// The bounds of a segment's loop, those of the loop's own end included if it may come before the last coordinate.
    fn up_to_end(
        &mut self,
        b: &mut Builder,
        walk: &Loop,
        segment: Segment,
        (low, high): (Bound, Bound),
    ) -> (Bound, Bound) {
        let Segment { first, n_blocks, block, .. } = segment;
        let Some(end) = walk.end.as_ref().filter(|_| first + n_blocks * block == walk.extent) else {
            return (low, high);
        };
        let end = self.em.index(b, end).plus_constant(-(first as i64));
        (low, Bound(high.0.into_iter().chain([end]).collect()))
    }

    /// Blocks of one size.
    pub(super) fn segment(
        &mut self,
        b: &mut Builder,
        walk: &Loop,
        segment: Segment,
        (low, high): (Bound, Bound),
        rest: &[Loop],
    ) {
        let Segment { block, n_blocks, .. } = segment;
        let unit = walk.coordinate.unit() as i64;
        let cell = (block > 1).then(|| b.var());
        if let Some(var) = cell {
            self.grid.push((var, block));
            self.em.ranges.insert(var, (0, block as i64 - 1));
        }
        if segment.is_inner {
            self.inner.extend(walk.axis());
        }
        let cell_index = cell.map_or(Affine::default(), Affine::var).times(unit);
        let outer = self.tile_number.0.clone();
        self.tile_number.0 = outer.plus_constant(segment.n_before as i64);
        let kept = self.n_kept;
        self.n_kept = kept.min(segment.n_kept);
        let first = Affine::constant(segment.first as i64);
        let slot = segment.slot as i64 - segment.first as i64;
        // A block by itself is no loop, unless it is in one share alone.
        if n_blocks == 1 && low.as_constant().is_some() && high.as_constant().is_some() {
            self.at(b, walk.coordinate, (first, slot, block, cell_index), rest);
        } else {
            let var = b.var();
            self.em.ranges.insert(var, (0, n_blocks as i64 - 1));
            if walk.is_far {
                self.far_blocks = Some(var);
            }
            let outer_blocks = self.blocks.replace(var);
            self.tile_number.0 = self.tile_number.0.plus(&Affine::var(var));
            let first = first.add_scaled(&Affine::var(var), block as i64 * unit);
            let at = (first, slot, block, cell_index);
            b.for_range(Range { var, low, high }, LoopKind::Serial, |b| self.at(b, walk.coordinate, at, rest));
            self.blocks = outer_blocks;
        }
        self.n_kept = kept;
        self.tile_number.0 = outer;
        if segment.is_inner && walk.axis().is_some() {
            self.inner.pop();
        }
        if cell.is_some() {
            self.grid.pop();
        }
    }

    /// The rest of the nest with a coordinate set: the first element of a block, how much farther it is in a copy,
    /// its coordinates, and the cell within it.
    fn at(
        &mut self,
        b: &mut Builder,
        coordinate: Coordinate,
        (first, slot, block, cell): (Affine, i64, usize, Affine),
        rest: &[Loop],
    ) {
        let index = first.plus(&cell);
        let lane = self.lane.map_or(Affine::default(), Affine::var);
        let (axis, cell) = match (coordinate, self.place) {
            (Coordinate::Axis(axis), _) => {
                if self.form.batch_axis == Some(axis.0 as usize) {
                    self.em.batch = Some(BatchAt { chunk: Affine::default(), sample: index.clone() });
                }
                self.em.bind(axis, index);
                (Some(axis), cell)
            }
            (Coordinate::Vector, _) => {
                let Lanes::Axis(axis) = self.plan.lanes else { unreachable!("vectors are neighbours along an axis") };
                self.em.bind(axis, index.plus(&lane));
                (Some(axis), cell.plus(&lane))
            }
            (Coordinate::Half, Place::Task { chunk, .. }) => {
                self.em.batch = Some(BatchAt { chunk: Affine::var(chunk), sample: index.plus(&lane) });
                (None, cell)
            }
            (Coordinate::Half | Coordinate::Chunk, place) => unreachable!("{coordinate:?} at {place:?}"),
        };
        if axis.is_some() && axis == self.copied_axis() {
            let first = first.plus_constant(slot);
            self.block = Some(BlockAt { first, width: block * coordinate.unit(), cell });
        }
        self.em.open_scope();
        self.walk(b, rest);
        self.em.close_scope();
    }

    /// What stands inside the loops.
    fn innermost(&mut self, b: &mut Builder) {
        let plan = self.plan;
        if let Some(taps) = &plan.taps {
            return match self.tap.clone() {
                None => self.taps(b, taps),
                Some(accumulators) => self.continued_tile(b, None, None, &accumulators),
            };
        }
        match (self.chunk.clone(), &plan.strips) {
            (None, None) => {
                // A group that asks for the next chunk is a single one.
                if let Place::Task { chunk, .. } | Place::Group { number: Some(chunk) } = self.place {
                    self.fetch_next(b, chunk, self.tile_number.clone());
                }
                self.fetch_results(b);
                self.tile(b);
            }
            (None, Some(strips)) => self.chunks_in_strips(b, strips),
            (Some((chunk, accumulators)), None) => {
                self.fetch_next(b, chunk, self.tile_number.clone());
                self.continued_tile(b, Some(chunk), None, &accumulators);
            }
            (Some((chunk, accumulators)), Some(strips)) => self.strips(b, strips, chunk, &accumulators),
        }
    }

    /// Fetches what belongs to the tile of that number, of so many, of the chunk after `chunk`.
    pub(super) fn fetch_next(&self, b: &mut Builder, chunk: Var, (number, n_tiles): (Affine, usize)) {
        let buffers = fetch::buffers(self.em.cx, self.fetches);
        fetch::write(self.em.cx, b, &buffers, chunk, (&number, n_tiles));
    }

    /// Where its accumulators wait.
    pub(super) fn place_to_wait(&self) -> Waiting {
        self.em.cx.buffers.waiting(self.plan.root).expect("a place for the accumulators")
    }
}
