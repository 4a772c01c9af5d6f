//! How a contraction is computed: its lanes, the order of its loops, what stays in registers, where its factors are
//! read.
//!
//! One plan serves them all. What differs is where the batch is ([`Batch`]) and what the lanes are ([`Lanes`]):
//! forward passes and input gradients have samples as lanes; weight gradients sum over samples, which are lanes that
//! are joined in the end, or have neighbours along an output axis as lanes ([`over_batch`]). With few samples, or
//! without a batch, lanes are neighbours along the last axis of the result ([`neighbours`]).
//!
//! The register grid is chosen among output axes that no loop bound depends on, so that every cell has the same
//! reduction range; where borders are walked by themselves, inside them; where strides let it change from pixel to
//! pixel, among pixels of the same remainders ([`remainders`]).

pub(crate) mod epilogue;
mod neighbours;
mod over_batch;
mod passing;
mod remainders;

use crate::decide::axes::{Axes, Move};
use crate::decide::choices::Aspect;
use crate::decide::contraction::epilogue::Update;
use crate::decide::copies::{Copies, CopyId, CopyPlan};
use crate::decide::grid::{Candidate, Shared, Sides, Width};
use crate::decide::loops::{Coordinate, Loop, Panels};
use crate::decide::problem::Problem;
use crate::decide::strips::Strips;
use crate::decide::summation::{Groups, part_len};
use crate::decide::taps::Taps;
use crate::decide::terms::TermBlocks;
use crate::machine::{Hardware, PORTS};
use graphc_ir::NodeId;
use graphc_ir::digits;
use graphc_ir::form::{PointForm, Red};
use graphc_ir::graph::plan::{Group, Root};
use graphc_ir::index::{Affine, Var};
use graphc_ir::loops::Layout;
use graphc_ir::scalar::{CHUNK, LANES};
use graphc_ir::split::Split;
use graphc_ir::types::DType;
use std::collections::BTreeSet;

/// Most shares that the blocks of a result are cut into.
const MOST_SHARES: usize = 32;

/// Shares that a product without a batch is cut into at least, and two a thread, if it has as many blocks.
const FEWEST_SHARES: usize = 8;

/// Barriers that a task must take to be worth a grid that leaves even shares of it.
const LONG_TASK: usize = 4;

/// Refused options that are kept to be shown.
const MOST_REFUSED: usize = 2;

/// Blocks of outputs in a panel of copied weights at least: rows of the weights should be some lines long.
const FEWEST_COPIED: usize = 8;

/// Coordinates of other axes at which bounds are compared, at most.
const MOST_PLACES: usize = 256;

/// What the eight lanes of a contraction are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lanes {
    /// There are none: scalars.
    None,
    /// Samples of a chunk, each an output.
    Samples,
    /// Samples of a chunk, which are summed and joined.
    SummedSamples,
    /// Neighbours along this axis of the result.
    Axis(Var),
}

/// Where the batch is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Batch {
    /// There is none.
    None,
    /// Chunks of samples are outputs, so many a task.
    Chunks { per_task: usize },
    /// An axis of the result like any other.
    Rows,
    /// It is summed, group by group.
    Summed(Groups),
    /// It is summed in the order of its samples, an axis like any other.
    SummedRows,
}

/// Where a factor is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Read {
    /// Where the operand stands.
    Tensor(NodeId),
    /// From a copy.
    Copy(CopyId),
}

/// Everything about the nest of a contraction.
#[derive(Clone, Debug)]
pub(crate) struct ContractionPlan {
    pub(crate) name: String,
    /// What the nest computes, ascending.
    pub(crate) nodes: Vec<NodeId>,
    /// The contraction.
    pub(crate) node: NodeId,
    /// What the nest leaves: the contraction, the end of its epilogue, or partial results.
    pub(crate) root: Root,
    /// Its form, axes split into digits where divisions vanish by that.
    pub(crate) split: Box<Split>,
    pub(crate) axes: Axes,
    pub(crate) lanes: Lanes,
    pub(crate) batch: Batch,
    /// Outermost first. Taps that share strips have no loop here, nor has the axis of `taps`.
    pub(crate) loops: Vec<Loop>,
    pub(crate) reads: [Read; 2],
    /// How rows are cut, if they are.
    pub(crate) strips: Option<Box<Strips>>,
    /// The taps that are walked outside of the coordinates that have them, if they are.
    pub(crate) taps: Option<Taps>,
    /// Panels that one of the loops is walked in, outside of all others.
    pub(crate) panels: Option<Panels>,
    /// The blocks that terms are walked in, outside of all loops.
    pub(crate) terms: Option<TermBlocks>,
    /// Whether a group takes all that one chunk adds before the next chunk, while the accumulators of all outputs
    /// wait in memory: they are fewer than what the chunks bring along.
    pub(crate) accumulators_wait: bool,
    /// Whether what the sum itself reads later is asked for ahead of time.
    pub(crate) rows_are_far: bool,
    /// Blocks of the innermost loop ahead of which the places of results are asked for; none if they are near.
    pub(crate) results_ahead: i64,
    /// Whether the way of its results to memory and back takes a good part of its time.
    pub(crate) waits_for_results: bool,
    /// What becomes of whole sums over the batch, if they are not just stored.
    pub(crate) update: Option<Update>,
    /// Thousands of cycles of a step's multiply-adds, by the cost model.
    pub(crate) kilocycles: f64,
    /// Register grids that would cost more.
    pub(crate) refused: Vec<(String, f64)>,
}

impl ContractionPlan {
    /// Nests that may run at the same time: one for each group, or shares of the result.
    pub(crate) fn n_shares(&self) -> usize {
        match self.batch {
            Batch::Summed(groups) if self.shares_groups() => groups.n_groups,
            _ if self.taps.is_some() && !self.loops.iter().any(|walk| walk.is_shared) => 1,
            _ => MOST_SHARES,
        }
    }

    /// The groups of a sum over the batch.
    ///
    /// # Panics
    /// If it is none.
    pub(crate) fn groups(&self) -> Groups {
        let Batch::Summed(groups) = self.batch else { unreachable!("a gradient is summed over the batch") };
        groups
    }

    /// Whether tasks share the groups of a sum over the batch. Each leaves a partial result; otherwise tasks share
    /// blocks of the result, and groups are joined where they are summed.
    pub(crate) fn shares_groups(&self) -> bool {
        matches!(self.batch, Batch::Summed(_)) && self.loops.iter().all(|walk| !walk.is_shared)
    }

    /// The groups of a sum over the batch that are joined where they are summed, if there are several.
    pub(crate) fn joined_groups(&self) -> Option<Groups> {
        match self.batch {
            Batch::Summed(groups) if !self.shares_groups() && groups.n_groups > 1 => Some(groups),
            _ => None,
        }
    }

    /// Partial results that a sum over the batch leaves.
    pub(crate) fn n_parts(&self) -> usize {
        match self.batch {
            Batch::Summed(groups) if self.shares_groups() => groups.n_groups,
            _ => 1,
        }
    }

    /// Blocks of its shared loop that make a share, of so many altogether. What a share of a product without a batch
    /// goes through for every vector stays near, and is as much as leaves some shares.
    pub(crate) fn blocks_per_share(&self, machine: Hardware, walk: &Loop) -> usize {
        let n_full = walk.n_full_blocks();
        let least = n_full.div_ceil(MOST_SHARES).max(1);
        if self.batch != Batch::None {
            return least;
        }
        let n_terms: usize = self.axes.reductions().map(|axis| axis.extent).product();
        let near = machine.near_words() / 2 / (walk.block * n_terms).max(1);
        near.min(n_full.div_ceil(FEWEST_SHARES.max(2 * machine.threads.n))).max(least)
    }

    /// The axis whose coordinates are lanes.
    pub(crate) fn lane_axis(&self) -> Option<Var> {
        match self.lanes {
            Lanes::Axis(axis) => Some(axis),
            Lanes::None | Lanes::Samples | Lanes::SummedSamples => None,
        }
    }

    /// Words of the accumulators that wait for one share, and of the sums of its groups; none if nothing waits.
    pub(crate) fn waiting_words(&self, problem: &Problem<'_>) -> usize {
        let cells = problem.machine.vectors.most_cells();
        let of_sums = self.joined_groups().map_or(0, |groups| groups.n_groups);
        let of_strips = self.strips.as_ref().map_or(0, |strips| strips.n_taps() * cells * (LANES + of_sums));
        let of_taps = self.taps.as_ref().map_or(0, |taps| taps.extent * cells * LANES);
        let of_all = if self.accumulators_wait { part_len(problem, self.root) * LANES } else { 0 };
        of_strips.max(of_taps).max(of_all)
    }

    /// The copy among its reads, with the factor that reads it.
    pub(crate) fn copy(&self) -> Option<(usize, CopyId)> {
        self.reads.iter().enumerate().find_map(|(factor, read)| match read {
            Read::Copy(copy) => Some((factor, *copy)),
            Read::Tensor(_) => None,
        })
    }

    /// Whether borders are walked by themselves.
    fn splits_borders(&self) -> bool {
        !matches!(self.batch, Batch::Summed(_))
    }

    /// Coordinates of the last loop over a block that a copy is made for.
    fn block_of(&self, coordinate: Coordinate) -> usize {
        self.loops.iter().find(|walk| walk.coordinate == coordinate).map_or(1, |walk| walk.block)
    }
}

/// What makes a plan of a contraction.
pub(crate) type Planner<'p> = dyn for<'c> Fn(Contraction<'c>, &mut Copies) -> ContractionPlan + 'p;

/// A contraction that a plan is made for.
pub(crate) struct Contraction<'a> {
    problem: &'a Problem<'a>,
    group: &'a Group,
    pub(crate) node: NodeId,
    root: Root,
    split: Box<Split>,
    axes: Axes,
    operands: [NodeId; 2],
}

impl<'a> Contraction<'a> {
    /// The contraction of a group.
    pub(crate) fn of(problem: &'a Problem<'a>, group: &'a Group) -> Contraction<'a> {
        let node = group.contraction(problem.forms);
        Contraction::of_split(problem, group, digits::split(problem.contraction(node)))
    }

    fn of_split(problem: &'a Problem<'a>, group: &'a Group, split: Split) -> Contraction<'a> {
        let node = group.contraction(problem.forms);
        let axes = Axes::of(problem, &split.form);
        let contraction = split.form.as_contraction().expect("a contraction");
        let operands = [contraction.a.0, contraction.b.0];
        Contraction { problem, group, node, root: group.roots[0], split: Box::new(split), axes, operands }
    }

    /// Its form, axes split into digits.
    fn form(&self) -> &PointForm {
        &self.split.form
    }

    /// For the samples of tasks of so many chunks.
    pub(crate) fn per_sample(self, per_task: usize, copies: &mut Copies) -> ContractionPlan {
        let whole = self.problem.contraction(self.node);
        let order = Layout::order(whole.extents.len(), whole.batch_axis);
        let axes = order.iter().flat_map(|&axis| self.split.digits(axis));
        let mut loops: Vec<Loop> = axes.map(|axis| self.inner_loop(axis)).collect();
        loops.push(Loop::new(Coordinate::Half, self.problem.n_halves()));
        let mut plan = self.plan(Lanes::Samples, Batch::Chunks { per_task }, loops);
        let widths = [0, 1].map(|factor| match self.width(factor) {
            Width::Vector if self.passes(&plan, factor) => Width::PassingVector,
            width => width,
        });
        self.choose_grid(&mut plan, [0, 1], widths);
        let splat = (0..2).find(|&factor| self.width(factor) == Width::Splat);
        let splats_are_far = splat.is_some_and(|factor| self.layout(factor).len() > self.problem.machine.near_words());
        for walk in &mut plan.loops {
            walk.is_far = splats_are_far && walk.axis().is_some() && splat.is_some_and(|f| self.belongs_to(walk, f));
        }
        self.order_pixels(&mut plan);
        self.remainders_first(&mut plan);
        if per_task > 1 {
            // The weights of a block of features stay near for all chunks; images are larger than their
            // weights.
            let position = if plan.loops.len() == 2 { 1 } else { 0 };
            plan.loops.insert(position, Loop::new(Coordinate::Chunk, per_task));
        }
        self.block_terms(&mut plan, per_task);
        self.pack(&mut plan, copies);
        plan
    }

    fn plan(&self, lanes: Lanes, batch: Batch, loops: Vec<Loop>) -> ContractionPlan {
        ContractionPlan {
            name: self.group.name.clone(),
            nodes: self.group.nodes(),
            node: self.node,
            root: self.root,
            split: self.split.clone(),
            axes: self.axes.clone(),
            lanes,
            batch,
            loops,
            reads: self.operands.map(Read::Tensor),
            strips: None,
            taps: None,
            panels: None,
            terms: None,
            accumulators_wait: false,
            rows_are_far: false,
            results_ahead: 0,
            waits_for_results: false,
            update: None,
            kilocycles: 0.0,
            refused: Vec::new(),
        }
    }

    fn loop_of(&self, axis: usize) -> Loop {
        Loop::new(Coordinate::Axis(Var(axis as u32)), self.form().extents[axis])
    }

    /// A loop over an axis with its borders told apart.
    fn inner_loop(&self, axis: usize) -> Loop {
        let walk = self.loop_of(axis);
        let end = self.split.end(Var(axis as u32)).cloned();
        let [first, behind] = inner_coordinates(self.form(), axis);
        let most = if end.is_some() { walk.extent - 1 } else { walk.extent };
        Loop { inner: [first.min(most), behind.min(most)], end, ..walk }
    }

    fn layout(&self, factor: usize) -> Layout {
        self.problem.layout(self.operands[factor])
    }

    /// Whether a factor is loaded as vectors of samples, or splats.
    fn width(&self, factor: usize) -> Width {
        let has_batch = self.problem.graph.ty(self.operands[factor]).shape.batch_axis().is_some();
        if has_batch { Width::Vector } else { Width::Splat }
    }

    fn widths(&self) -> [Width; 2] {
        [0, 1].map(|factor| self.width(factor))
    }

    /// Whether a loop over an axis moves this factor alone, and the bounds of no reduction.
    fn belongs_to(&self, walk: &Loop, factor: usize) -> bool {
        let axis = walk.axis().map(|axis| self.axes.get(axis));
        axis.is_some_and(|axis| axis.moves_only(factor) && !axis.bounds)
    }

    /// Which factors a loop moves, if it may be blocked.
    fn moves(&self, plan: &ContractionPlan, walk: &Loop, widths: [Width; 2]) -> Option<[bool; 2]> {
        let moves = match walk.coordinate {
            Coordinate::Axis(axis) => {
                let axis = plan.axes.get(axis);
                let is_whole = plan.splits_borders() || !axis.bounds;
                let is_fixed = plan.loops.iter().flat_map(|walk| &walk.end).all(|end| !end.uses(axis.var));
                axis.moved().filter(|_| is_whole && is_fixed)?
            }
            Coordinate::Half | Coordinate::Vector => widths.map(Width::is_vector),
            Coordinate::Chunk => return None,
        };
        (moves != [false, false]).then_some(moves)
    }

    /// Coordinates that may be blocked. Innermost first: among equals the one that touches neighbouring words wins.
    fn sides(&self, plan: &ContractionPlan, factors: [usize; 2], widths: [Width; 2]) -> Sides<Coordinate> {
        let apart = self.loop_of_taps(plan);
        let candidate = |walk: &Loop| {
            let extent = walk.inner[1] - walk.inner[0];
            let is_of_rows = walk.coordinate == Coordinate::Vector && matches!(plan.batch, Batch::Summed(_));
            let n_single = walk.extent - extent;
            if let Some((axis, taps)) = apart.as_ref().filter(|(axis, _)| *axis == walk.coordinate) {
                let extent = taps.most_coordinates();
                let (axis, chain) = (*axis, Some(taps.n_steps));
                return Candidate { axis, extent, n_single: 0, most: extent, are_neighbours: false, chain };
            }
            let most = if is_of_rows { self.most_vectors_of_rows() } else { extent };
            let are_neighbours = matches!(walk.coordinate, Coordinate::Half | Coordinate::Vector);
            Candidate { axis: walk.coordinate, extent, n_single, most, are_neighbours, chain: None }
        };
        let that_move = |wanted: [bool; 2]| -> Vec<Candidate<Coordinate>> {
            let moved = |walk: &&Loop| walk.extent > 1 && self.moves(plan, walk, widths) == Some(wanted);
            plan.loops.iter().rev().filter(moved).map(candidate).collect()
        };
        let alone = factors.map(|factor| that_move([factor == 0, factor == 1]));
        let shared = self.shares_of_chunk(plan).map(|(walk, n_shares, is_alone)| Shared {
            candidate: candidate(walk),
            n_shares,
            is_alone,
        });
        Sides { alone, both: that_move([true, true]), shared }
    }

    /// The loop that tasks may have to share because chunks do not go up in the threads, how many shares give threads
    /// as much to do, and whether there is no other loop that they could share: then a share must be long enough.
    fn shares_of_chunk<'l>(&self, plan: &'l ContractionPlan) -> Option<(&'l Loop, usize, bool)> {
        let (Batch::Chunks { per_task }, machine) = (plan.batch, self.problem.machine) else { return None };
        let n_tasks = self.problem.n_chunks().div_ceil(per_task);
        let are_even = |n: &usize| (n_tasks * n).is_multiple_of(machine.threads.n);
        let n_shares = (1..=machine.threads.n).find(are_even).filter(|&n| n > 1)?;
        let walk = plan.loops.first()?;
        let is_alone = plan.loops.iter().filter(|walk| walk.axis().is_some() && walk.extent > 1).count() == 1;
        let cycles = self.n_steps(plan) / PORTS * machine.vectors.registers_per_value() / n_tasks as f64;
        let is_long = walk.extent >= n_shares * LANES && cycles > (LONG_TASK * machine.threads.barrier_cycles) as f64;
        (!is_alone || is_long).then_some((walk, n_shares, is_alone))
    }

    /// Vectors of features that stay near while all rows are walked: two of them take 16 KiB in 256 samples, more pay
    /// if registers hold two.
    fn most_vectors_of_rows(&self) -> usize {
        let machine = self.problem.machine;
        let most = machine.nearest_words() / 5 * 4 / (self.problem.n_chunks() * CHUNK * LANES);
        if machine.vectors.holds_two() { most.clamp(2, 4) } else { 2 }
    }

    /// Chooses what stays in registers; `factors` is the order in which their coordinates are tried.
    fn choose_grid(&self, plan: &mut ContractionPlan, factors: [usize; 2], widths: [Width; 2]) {
        let sides = self.sides(plan, factors, widths);
        let widths = factors.map(|factor| widths[factor]);
        let unit = self.problem.machine.vectors;
        let apart = self.loop_of_taps(plan);
        let (grid, others) = self.problem.chooser.grid(self.node, unit, sides, widths);
        for &(coordinate, block) in &grid.blocks {
            let position = plan.loops.iter().position(|walk| walk.coordinate == coordinate).expect("a loop");
            match apart.as_ref().filter(|(axis, _)| *axis == coordinate) {
                Some((_, taps)) => {
                    plan.taps = Some(Taps { block, ..taps.clone() });
                    plan.loops.remove(position);
                }
                None => plan.loops[position].block = block,
            }
        }
        let n_steps = self.n_steps(plan);
        let kilocycles = |cycles: f64| cycles * n_steps / 1000.0;
        plan.kilocycles = kilocycles(grid.cycles);
        let refused = others.iter().take(MOST_REFUSED);
        plan.refused = refused.map(|grid| (format!("grid {}", grid.words()), kilocycles(grid.cycles))).collect();
    }

    /// The loop whose taps may be walked outside of its blocks: of several the one with the longest borders, since
    /// accumulators wait for the taps of one axis.
    fn loop_of_taps(&self, plan: &ContractionPlan) -> Option<(Coordinate, Taps)> {
        let of_loop = |walk: &Loop| {
            let n_single = walk.extent - (walk.inner[1] - walk.inner[0]);
            self.taps(plan, walk).map(|taps| (n_single, (walk.coordinate, taps)))
        };
        plan.loops.iter().filter_map(of_loop).max_by_key(|(n_single, _)| *n_single).map(|(_, taps)| taps)
    }

    /// The taps that are walked outside of blocks along a loop with borders, if that pays.
    fn taps(&self, plan: &ContractionPlan, walk: &Loop) -> Option<Taps> {
        // Tasks that run at the same time, and shares of a chunk, would need a place to wait each.
        let is_alone = plan.lanes != Lanes::Samples || self.problem.machine.threads.n == 1;
        let has_place = plan.lanes != Lanes::None && plan.splits_borders() && self.problem.n_chunks() == 1 && is_alone;
        let axis = walk.axis().filter(|_| has_place && walk.end.is_none())?;
        let taps = Taps::of(self.form(), axis, walk.extent - (walk.inner[1] - walk.inner[0]))?;
        // Blocks of rows may be in each other's way where blocks of columns are not.
        let machine = self.problem.machine;
        let stays = |factor: usize| machine.stay_apart(machine.vectors.most_cells(), self.step(factor, axis));
        (0..2).all(stays).then_some(taps)
    }

    /// Words from one coordinate of an axis to the next, of a factor that stands in rows.
    fn step(&self, factor: usize, axis: Var) -> i64 {
        let contraction = self.form().as_contraction().expect("a contraction");
        let index = [contraction.a, contraction.b][factor].1;
        let strides = self.layout(factor).strides;
        index.iter().zip(strides).map(|(i, stride)| i.value.coefficient(axis) * stride as i64).sum()
    }

    /// Multiply-adds of a step, vectors of them where there are lanes.
    fn n_steps(&self, plan: &ContractionPlan) -> f64 {
        let reductions = self.axes.reductions().map(|axis| axis.extent);
        let terms: f64 = self.split.extents.iter().copied().chain(reductions).map(|extent| extent as f64).product();
        if plan.lanes == Lanes::None { terms } else { terms / LANES as f64 }
    }

    /// Whether the rows of the pixels are walked before the channels: whatever brings fewer words from beyond a
    /// core's own cache. Rows first, all weights are read for every row; otherwise all vectors of a chunk for
    /// every block of channels.
    fn order_pixels(&self, plan: &mut ContractionPlan) {
        let whole = self.problem.contraction(self.node);
        let Some(&first) = Layout::order(whole.extents.len(), whole.batch_axis).first() else { return };
        let n_digits = self.split.digits(first).len();
        let Some((channels, [rows, _, ..])) = plan.loops.split_at_checked(n_digits) else { return };
        if rows.axis().is_none() {
            return;
        }
        let vectors = if self.width(0) == Width::Vector { 0 } else { 1 };
        let near_words = self.problem.machine.near_words();
        let far = |words: usize, times: usize| if words > near_words { words * times } else { 0 };
        // Channels of a depthwise convolution have vectors of their own, which are read once in either order.
        let repeats = |walk: &&Loop| walk.axis().is_some_and(|axis| self.axes.get(axis).moves[vectors] == Move::No);
        if !channels.iter().any(|walk| repeats(&walk)) {
            return;
        }
        let n_blocks = channels.iter().filter(repeats).map(|walk| walk.extent.div_ceil(walk.block)).product();
        let by_channels = far(self.layout(vectors).chunk_stride, n_blocks);
        let by_cost = far(self.layout(1 - vectors).len(), rows.extent) < by_channels;
        if self.is_wanted(Aspect::Order, by_cost, ["rows outermost", "channels outermost"]) {
            plan.loops[..=n_digits].rotate_right(1);
        }
    }

    /// Lets the terms be walked in blocks, if that pays.
    fn block_terms(&self, plan: &mut ContractionPlan, per_task: usize) {
        let n_splats = plan.loops.iter().filter(|walk| walk.axis().is_some()).map(|walk| walk.block).product();
        let blocks = TermBlocks::of(self.problem, self.form(), per_task, n_splats);
        let holds_sums = self.problem.graph.ty(self.root.node()).dtype == DType::F32;
        let blocks = blocks.filter(|_| holds_sums && plan.taps.is_none());
        plan.terms = blocks.filter(|_| self.is_wanted(Aspect::Terms, true, ["terms in blocks", "terms at once"]));
    }

    /// Lets the weights be read from a copy in the order of the tiles, if that pays.
    fn pack(&self, plan: &mut ContractionPlan, copies: &mut Copies) {
        let Some((copy, pays)) = CopyPlan::packed(self.problem, self.node, self.form()) else { return };
        let block = plan.block_of(Coordinate::Axis(copy.outputs.0));
        let factor = usize::from(self.operands[0] != copy.source);
        let copy = copy.in_blocks(self.problem, block);
        // Weights that stand in rows of terms are good as they are, unless the rows of a block push each other out of
        // the nearest cache.
        let step = self.step(factor, copy.outputs.0);
        if step != 1 && (self.problem.machine.stay_apart(block, step) || !copy.transposes) {
            return;
        }
        if self.is_wanted(Aspect::Packing, pays, ["weights packed", "weights as they are"]) {
            let copy = if copy.transposes { copy } else { self.copied_where_read(plan, copy) };
            plan.reads[factor] = Read::Copy(copies.add(copy));
        }
    }

    /// Lets a copy be made piece by piece, by the nest that reads it, if a step has one task alone: then a piece stays
    /// near until it has been read, and the copy as a whole need not be written and fetched again.
    fn copied_where_read(&self, plan: &mut ContractionPlan, copy: CopyPlan) -> CopyPlan {
        let problem = self.problem;
        let Batch::Chunks { per_task } = plan.batch else { return copy };
        let is_alone = problem.machine.threads.n == 1 && per_task >= problem.n_chunks();
        // What no step changes is copied once for all steps.
        let (Some(blocks), false, true) = (plan.terms, problem.graph.updates.is_empty(), is_alone) else { return copy };
        let of_samples = problem.n_chunks() * CHUNK * blocks.n_terms;
        let most = problem.machine.near_words().saturating_sub(of_samples) / (blocks.n_terms * copy.block);
        let of = Coordinate::Axis(copy.outputs.0);
        let walk = plan.loops.iter_mut().find(|walk| walk.coordinate == of).expect("a loop");
        let Some(panels) = Panels::of(walk, most).filter(|panels| panels.n_blocks >= FEWEST_COPIED) else {
            return copy;
        };
        walk.is_far = false;
        plan.panels = Some(panels);
        copy.at_a_time(panels.n_blocks * walk.block, blocks.n_terms)
    }

    fn is_wanted(&self, aspect: Aspect, by_cost: bool, words: [&str; 2]) -> bool {
        self.problem.chooser.is_wanted(self.node, aspect, by_cost, words)
    }
}

/// First and last, excluded, of the coordinates along an output axis at which its bounds leave reductions as the other
/// bounds have them, wherever that is along other axes.
fn inner_coordinates(form: &PointForm, axis: usize) -> [usize; 2] {
    let var = Var(axis as u32);
    let bound: Vec<&Red> =
        form.reds.iter().filter(|red| red.low.iter().chain(&red.high).any(|bound| bound.uses(var))).collect();
    let is_inner = |&coordinate: &usize| bound.iter().all(|red| is_free(form, red, (var, coordinate)));
    let first = (0..form.extents[axis]).find(is_inner).unwrap_or(0);
    let n = (first..form.extents[axis]).take_while(is_inner).count();
    [first, first + n]
}

/// Whether the bounds of a reduction that depend on an axis never bind at one of its coordinates.
fn is_free(form: &PointForm, red: &Red, (axis, coordinate): (Var, usize)) -> bool {
    let mut others = BTreeSet::new();
    red.low.iter().chain(&red.high).for_each(|bound| bound.for_each_var(&mut |var| _ = others.insert(var)));
    others.remove(&axis);
    let extents = others.iter().map(|other| form.extents[other.0 as usize]);
    if extents.clone().product::<usize>() > MOST_PLACES {
        return false;
    }
    let places = extents.fold(vec![Vec::new()], |places: Vec<Vec<i64>>, extent| {
        let at = |place: Vec<i64>| (0..extent as i64).map(move |i| [&place[..], &[i]].concat());
        places.into_iter().flat_map(at).collect()
    });
    places.iter().all(|place| {
        let value = |var: Var| others.iter().position(|&other| other == var).map_or(coordinate as i64, |i| place[i]);
        let values = |bounds: &[Affine], uses: bool| -> Vec<i64> {
            bounds.iter().filter(|bound| bound.uses(axis) == uses).map(|bound| bound.eval(&value)).collect()
        };
        let first = values(&red.low, false).into_iter().fold(0, i64::max);
        let end = values(&red.high, false).into_iter().fold(red.extent as i64, i64::min);
        values(&red.low, true).iter().all(|&low| low <= first)
            && values(&red.high, true).iter().all(|&high| high >= end)
    })
}
