//! Contractions: loops over blocks of output coordinates around a [`Tile`].
//!
//! Four kinds, told apart by where the batch is. Per sample (the batch is an output axis): lanes are
//! samples, weights are splats; forward passes and input gradients. Over the batch (the batch is a
//! reduction axis): both factors are vectors of samples, lanes are joined at the end; weight gradients of
//! convolutions. Over the batch alone: lanes are features (see [`lanes`](crate::lanes)); weight gradients of
//! dense layers. Without a batch: scalars.
//!
//! The register grid is chosen among output axes that no loop bound depends on, so that every cell has
//! the same reduction range.
//!
//! [`walk`] says how output coordinates are walked, [`factor`] what the two operands are, [`strips`] how large images
//! are cut, [`waiting`] where accumulators stay while others have their turn, [`over_batch`] who sums over which
//! samples.

mod factor;
pub(crate) mod over_batch;
mod strips;
mod waiting;
mod walk;

use crate::builder::{Builder, bounded};
use crate::choices::Aspect;
use crate::emit::{BatchAt, Cx, Emitter};
use crate::fetch::{self, NextChunk};
use crate::groups::Groups;
use crate::lanes::FeatureLanes;
use crate::packed::PackedWeights;
use crate::registers::{Candidate, RegisterFile, Width};
use crate::sweep::no_join;
use crate::task::{NEAR_WORDS, Task};
use factor::Factor;
use graphc_ir::NodeId;
use graphc_ir::form::PointForm;
use graphc_ir::graph::plan::{Group, Root};
use graphc_ir::index::{Affine, Var};
use graphc_ir::loops::{Access, Bound, BufId, Expr, Join, Layout, LoopKind, Range, Stmt, Tile, TileInit};
use graphc_ir::point::{BATCH, PointExpr};
use graphc_ir::scalar::LANES;
use strips::Strips;
use waiting::Accumulators;
use walk::{Axis, Blocks, Part, Walk};

pub(crate) struct Nest<'a> {
    pub(crate) em: Emitter<'a>,
    /// The contraction.
    pub(crate) node: NodeId,
    pub(crate) form: &'a PointForm,
    /// The node that is stored: the contraction or the end of its epilogue.
    end: NodeId,
    pub(crate) root: Root,
    /// Grid variables of the tile under construction.
    pub(crate) grid: Vec<(Var, usize)>,
    /// The block of outputs that packed weights are read for.
    block: Option<BlockAt>,
    /// The loop over blocks of what is far away; words of the next block are asked for ahead of time.
    far_blocks: Option<Var>,
    /// How the rows of a contraction over the batch are cut, if they are.
    strips: Option<Strips>,
    /// Which of the nests that may run at once this is, where that matters.
    share: Affine,
    /// The one chunk that a contraction over the batch takes, and where the accumulators wait for the next.
    chunk: Option<(Var, Accumulators)>,
    /// Buffers of whose next chunk every tile fetches a share.
    pub(crate) fetch: Vec<BufId>,
    /// Number of the tile, and how many there are, as far as the coordinates of the loops at hand tell.
    pub(crate) tile_number: (Affine, usize),
    pub(crate) kind: Kind,
}

/// A block of outputs: the first, how many, and the one at hand.
#[derive(Clone)]
struct BlockAt {
    first: Affine,
    width: usize,
    cell: Affine,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    PerSample {
        task: Task,
        chunk: Var,
        lane: Var,
    },
    OverBatch {
        group: Var,
        groups: Groups,
        lane: Var,
    },
    /// Over one group of chunks, or over all.
    OverFeatures {
        lanes: FeatureLanes,
        group: Option<(Var, Groups)>,
        lane: Var,
    },
    NoBatch,
}

/// Writes the copy of the weights of a contraction over chunks, if it has one and they are `wanted`.
pub(crate) fn pack(
    cx: &Cx<'_>,
    b: &mut Builder,
    registers: RegisterFile,
    group: &Group,
    wanted: impl Fn(NodeId) -> bool,
) {
    let node = group.contraction(cx.forms);
    let Some((packed, buffer)) = cx.buffers.packed(node).filter(|(packed, _)| wanted(packed.weights)) else { return };
    let task = Task { number: b.var(), n_chunks: 1 };
    let kind = Kind::PerSample { task, chunk: task.number, lane: b.var() };
    let walks = Nest::new(cx, group.roots[0], node, kind).walks(registers);
    let walk = walks.iter().find(|walk| walk.axis == Axis::Output(packed.axis)).expect("an output axis");
    packed.write(cx, b, &group.name, *buffer, walk.block);
}

/// Writes the nest of a contraction for the samples of a task.
pub(crate) fn per_sample(
    cx: &Cx<'_>,
    b: &mut Builder,
    registers: RegisterFile,
    group: &Group,
    task: Task,
    next: &NextChunk<'_>,
) {
    let chunk = if task.n_chunks == 1 { task.number } else { b.var() };
    b.nest_of(group, |b| {
        b.lanes(|b, lane| {
            let kind = Kind::PerSample { task, chunk, lane };
            let mut nest = Nest::new(cx, group.roots[0], group.contraction(cx.forms), kind);
            nest.em.ranges.insert(chunk, (0, cx.n_chunks() as i64 - 1));
            if task.n_chunks == 1 {
                nest.fetch = next.carried_by(group).to_vec();
            }
            let walks = nest.walks(registers);
            nest.walk(b, &walks);
        });
    });
}

/// Writes a contraction of tensors without a batch.
pub(crate) fn no_batch(cx: &Cx<'_>, b: &mut Builder, registers: RegisterFile, group: &Group) {
    let root = group.roots[0];
    b.nest_of(group, |b| {
        let mut nest = Nest::new(cx, root, root.node(), Kind::NoBatch);
        let walks = nest.walks(registers);
        nest.walk(b, &walks);
    });
}

impl<'a> Nest<'a> {
    pub(crate) fn new(cx: &'a Cx<'a>, root: Root, node: NodeId, kind: Kind) -> Nest<'a> {
        let form = cx.forms[&node].as_point().expect("a contraction is a point form");
        let mut em = Emitter::new(cx);
        // Dag variables 0.. are the output axes and then the reductions, as in the form.
        for extent in form.extents.iter().copied().chain(form.reds.iter().map(|red| red.extent)) {
            em.dag.new_var(extent);
        }
        Nest {
            em,
            node,
            form,
            end: root.node(),
            root,
            grid: Vec::new(),
            block: None,
            far_blocks: None,
            strips: None,
            share: Affine::default(),
            chunk: None,
            fetch: Vec::new(),
            tile_number: (Affine::default(), 1),
            kind,
        }
    }

    /// Output coordinates in the order of the result's layout (features before rows, so that the vectors of a block of
    /// features are near while all rows are walked), with blocks for the register grid.
    pub(crate) fn walks(&self, registers: RegisterFile) -> Vec<Walk> {
        let extents = &self.form.extents;
        let order = Layout::order(extents.len(), self.form.batch_axis);
        let mut walks: Vec<Walk> = order.iter().map(|&axis| Walk::new(Axis::Output(axis), extents[axis])).collect();
        match self.kind {
            Kind::PerSample { .. } => walks.push(Walk::new(Axis::Half, self.em.cx.n_halves())),
            Kind::OverFeatures { lanes, .. } => {
                walks =
                    vec![Walk::new(Axis::Features, lanes.n_features / LANES), Walk::new(Axis::Output(0), extents[0])];
            }
            Kind::OverBatch { .. } | Kind::NoBatch => {}
        }
        let side = |factor: Factor| -> Vec<Candidate<Axis>> {
            let candidate = |walk: &Walk| {
                // Vectors of features stay near while all rows are walked: two of them take 16 KiB in 256 samples.
                let most = if walk.axis == Axis::Features { 2 } else { walk.extent };
                Candidate { axis: walk.axis, extent: walk.extent, most }
            };
            // Innermost first: among equals the one that touches neighbouring words wins.
            walks
                .iter()
                .rev()
                .filter(|walk| walk.axis != Axis::Chunk && self.belongs_to(walk.axis, factor))
                .map(candidate)
                .collect()
        };
        let widths = [Factor::A, Factor::B].map(|factor| self.width(factor));
        let sides = [side(Factor::A), side(Factor::B)];
        for (axis, block) in self.em.cx.chooser.grid(self.node, registers, &sides, widths) {
            walks.iter_mut().filter(|walk| walk.axis == axis).for_each(|walk| walk.block = block);
        }
        match self.kind {
            // All taps of a block of channels before the next block: its planes stay near.
            Kind::OverBatch { .. } => {
                let mut blocks_first = walks.clone();
                blocks_first.sort_by_key(|walk| walk.block == 1);
                let differs = blocks_first != walks;
                if !differs || self.is_wanted(Aspect::Order, true, ["blocks outermost", "blocks where they lie"]) {
                    walks = blocks_first;
                }
            }
            Kind::PerSample { task, .. } => {
                if let Some(by_cost) = self.rows_first(&walks)
                    && self.is_wanted(Aspect::Order, by_cost, ["rows outermost", "channels outermost"])
                {
                    walks.swap(0, 1);
                }
                if task.n_chunks > 1 {
                    // The weights of a block of features stay near for all chunks; images are larger than their
                    // weights.
                    let position = if walks.len() == 2 { 1 } else { 0 };
                    walks.insert(position, Walk::new(Axis::Chunk, task.n_chunks));
                }
            }
            Kind::OverFeatures { .. } => {
                if !self.is_wanted(Aspect::Order, true, ["features outermost", "rows outermost"]) {
                    walks.reverse();
                }
            }
            Kind::NoBatch => {}
        }
        walks
    }

    fn is_wanted(&self, aspect: Aspect, by_cost: bool, words: [&str; 2]) -> bool {
        self.em.cx.chooser.is_wanted(self.node, aspect, by_cost, words)
    }

    /// One of some options, each with its words; the cost model's is the first.
    pub(crate) fn pick<T>(&self, aspect: Aspect, options: Vec<(T, String)>) -> T {
        let (mut options, words): (Vec<T>, Vec<String>) = options.into_iter().unzip();
        options.swap_remove(self.em.cx.chooser.pick(self.node, aspect, words))
    }

    /// Whether walking the rows of the pixels before the channels brings fewer words from beyond a core's own cache:
    /// then all weights are read for every row, otherwise all vectors of a chunk for every block of channels.
    /// `None` if there are no rows.
    fn rows_first(&self, walks: &[Walk]) -> Option<bool> {
        let [channels, rows, _, ..] = *walks else { return None };
        let [Axis::Output(_), Axis::Output(_)] = [channels.axis, rows.axis] else { return None };
        let contraction = self.form.as_contraction().expect("a contraction");
        let [vectors, weights] = match self.width(Factor::A) {
            Width::Vector => [contraction.a.0, contraction.b.0],
            _ => [contraction.b.0, contraction.a.0],
        };
        let cx = self.em.cx;
        let layout = |slot: usize| cx.buffers.layout(cx.buffers.node(cx.graph.operands(self.node)[slot]));
        let far = |words: usize, times: usize| if words > NEAR_WORDS { words * times } else { 0 };
        let by_channels = far(layout(vectors).chunk_stride, channels.extent.div_ceil(channels.block));
        Some(far(layout(weights).len(), rows.extent) < by_channels)
    }

    /// Loops over the output coordinates of a contraction over the batch; `share` says which of the nests that may run
    /// at once this is.
    pub(crate) fn walk_in_strips(&mut self, b: &mut Builder, mut walks: Vec<Walk>, share: Affine) {
        self.share = share;
        self.strips = Strips::of(self, &walks);
        if let Some(strips) = self.strips {
            walks.retain(|walk| walk.axis != Axis::Output(strips.axis));
        }
        self.walk(b, &walks);
    }

    /// The same for one chunk; the accumulators of all outputs wait for the next.
    pub(crate) fn walk_chunk(&mut self, b: &mut Builder, walks: Vec<Walk>, chunk: Var, accumulators: Accumulators) {
        self.chunk = Some((chunk, accumulators));
        self.walk_in_strips(b, walks, Affine::default());
    }

    /// Loops over the remaining output coordinates, then the tile.
    pub(crate) fn walk(&mut self, b: &mut Builder, walks: &[Walk]) {
        let Some((&Walk { axis, extent, block, part }, rest)) = walks.split_first() else {
            return match (self.chunk.clone(), self.strips) {
                (None, None) => {
                    // A group that asks for the next chunk is a single one.
                    if let Kind::PerSample { chunk, .. } | Kind::OverBatch { group: chunk, .. } = self.kind {
                        self.fetch_next(b, chunk, self.tile_number.clone());
                    }
                    self.tile(b)
                }
                (None, Some(strips)) => self.chunks_in_strips(b, strips),
                (Some((chunk, accumulators)), None) => {
                    self.fetch_next(b, chunk, self.tile_number.clone());
                    self.continued_tile(b, chunk, None, &accumulators);
                }
                (Some((chunk, accumulators)), Some(strips)) => self.strips(b, strips, chunk, &accumulators),
            };
        };
        if let (Axis::Chunk, Kind::PerSample { task, chunk, .. }) = (axis, self.kind) {
            let chunks = task.chunks(self.em.cx, chunk);
            return b.for_range(chunks, LoopKind::Serial, |b| {
                self.em.open_scope();
                self.walk(b, rest);
                self.em.close_scope();
            });
        }
        let n_blocks = extent / block;
        let rest_of_blocks = (n_blocks * block * axis.unit()) as i64;
        let outer = self.tile_number.clone();
        let n_all = extent.div_ceil(block);
        self.tile_number = (outer.0.times(n_all as i64), outer.1 * n_all);
        match part {
            Part::All => self.blocked_loop(b, axis, Blocks::first(n_blocks), block, 0, rest),
            Part::Share { share, blocks } => {
                let low = Affine::var(share).times(blocks as i64);
                let mut high = vec![low.plus_constant(blocks as i64)];
                if !n_blocks.is_multiple_of(blocks) {
                    high.push(Affine::constant(n_blocks as i64));
                }
                self.blocked_loop(b, axis, Blocks { low, high, n: n_blocks, n_before: 0 }, block, 0, rest);
            }
            Part::Rest => {}
        }
        if !matches!(part, Part::Share { .. }) && !extent.is_multiple_of(block) {
            self.blocked_loop(b, axis, Blocks::last(n_blocks), extent % block, rest_of_blocks, rest);
        }
        if let (Axis::Features, Kind::OverFeatures { lanes, .. }) = (axis, self.kind)
            && !lanes.n_features.is_multiple_of(LANES)
        {
            // The last vector ends with the last feature: some elements are computed twice.
            self.blocked_loop(b, axis, Blocks::first(1), 1, (lanes.n_features - LANES) as i64, rest);
        }
        self.tile_number = outer;
    }

    /// Some blocks of `block` coordinates each; block 0 begins at index `first`.
    fn blocked_loop(&mut self, b: &mut Builder, axis: Axis, blocks: Blocks, block: usize, first: i64, rest: &[Walk]) {
        let unit = axis.unit() as i64;
        let cell = (block > 1).then(|| b.var());
        if let Some(var) = cell {
            self.grid.push((var, block));
            self.em.ranges.insert(var, (0, block as i64 - 1));
        }
        let cell_index = cell.map_or(Affine::default(), Affine::var);
        let (start, first) = (first, cell_index.times(unit).plus_constant(first));
        let is_packed = self.packed().is_some_and(|(packed, _)| axis == Axis::Output(packed.axis));
        let outer = self.tile_number.0.clone();
        self.tile_number.0 = outer.plus_constant(blocks.n_before as i64);
        let block_at = |first: Affine| BlockAt { first, width: block, cell: cell_index.clone() };
        if blocks.n == 1 {
            if is_packed {
                self.block = Some(block_at(Affine::constant(start)));
            }
            self.at(b, axis, first, rest);
        } else if blocks.n > 1 {
            let var = b.var();
            if is_packed {
                self.block = Some(block_at(Affine::var(var).times(block as i64).plus_constant(start)));
            }
            self.em.ranges.insert(var, (0, blocks.n as i64 - 1));
            if self.reads_far(axis) {
                self.far_blocks = Some(var);
            }
            self.tile_number.0 = outer.plus(&Affine::var(var));
            let index = first.add_scaled(&Affine::var(var), block as i64 * unit);
            let range = Range { var, low: Bound(vec![blocks.low]), high: Bound(blocks.high) };
            b.for_range(range, LoopKind::Serial, |b| self.at(b, axis, index, rest));
        }
        self.tile_number.0 = outer;
        if cell.is_some() {
            self.grid.pop();
        }
    }

    /// The rest of the nest with a coordinate set.
    fn at(&mut self, b: &mut Builder, axis: Axis, index: Affine, rest: &[Walk]) {
        match (axis, self.kind) {
            (Axis::Output(axis), _) => self.em.bind(Var(axis as u32), index),
            (Axis::Half, Kind::PerSample { chunk, lane, .. }) => {
                let sample = Affine::var(lane).plus(&index);
                self.em.batch = Some(BatchAt { chunk: Affine::var(chunk), sample });
            }
            (Axis::Features, Kind::OverFeatures { lane, .. }) => {
                self.em.bind(FeatureLanes::FEATURE, index.plus(&Affine::var(lane)));
            }
            (Axis::Chunk | Axis::Half | Axis::Features, _) => unreachable!("{axis:?} is not walked by {:?}", self.kind),
        }
        self.em.open_scope();
        self.walk(b, rest);
        self.em.close_scope();
    }

    fn tile(&mut self, b: &mut Builder) {
        let reds = self.reductions(b, None, None);
        let acc = b.new_value();
        let [a, b_access] = self.factors(b);
        let ahead = self.ahead(&reds, [&a, &b_access]);
        let epilogue = b.block(|b| {
            self.em.open_scope();
            self.epilogue(b, acc);
            self.em.close_scope();
        });
        let tile = Tile { grid: self.grid.clone(), reds, a, b: b_access, ahead, init: TileInit::Zero, acc, epilogue };
        b.push(Stmt::Tile(tile));
    }

    /// Strips of every chunk of the group, for the block of output coordinates at hand.
    fn chunks_in_strips(&mut self, b: &mut Builder, strips: Strips) {
        let waiting = self.em.cx.buffers.waiting(self.root).expect("a place for the accumulators");
        let accumulators = waiting.accumulators(vec![(strips.axis, strips.extent)], &self.share);
        self.clear(b, &accumulators);
        let chunk = b.var();
        let chunks = self.chunks_of_group(chunk);
        b.for_range(chunks, LoopKind::Serial, |b| self.strips(b, strips, chunk, &accumulators));
        self.finish(b, &accumulators);
    }

    /// Fetches what belongs to the tile of that number, of so many, of the chunk after `chunk`.
    pub(crate) fn fetch_next(&self, b: &mut Builder, chunk: Var, (number, n_tiles): (Affine, usize)) {
        fetch::write(self.em.cx, b, &self.fetch, chunk, (&number, n_tiles));
    }

    /// A tile over one chunk, or one strip of it, that goes on with waiting accumulators, and leaves them where they
    /// wait.
    pub(crate) fn continued_tile(
        &mut self,
        b: &mut Builder,
        chunk: Var,
        strip: Option<(Strips, Var)>,
        accumulators: &Accumulators,
    ) {
        let waiting = self.place(accumulators);
        let reds = self.reductions(b, Some(chunk), strip);
        let acc = b.new_value();
        let [a, b_access] = self.factors(b);
        let epilogue = b.block(|b| b.store(waiting.clone(), acc));
        let tile = Tile {
            grid: self.grid.clone(),
            reds,
            a,
            b: b_access,
            ahead: [0, 0],
            init: TileInit::Load(waiting),
            acc,
            epilogue,
        };
        b.push(Stmt::Tile(tile));
    }

    /// The reduction loops, bound to fresh variables: those of all chunks, or of the chunk given; those of all rows, or
    /// of the strip given.
    fn reductions(&mut self, b: &mut Builder, chunk: Option<Var>, strip: Option<(Strips, Var)>) -> Vec<Range> {
        let mut reds = Vec::new();
        let mut innermost = None;
        for red in &self.form.reds {
            let dag_var = red.var;
            if red.is_batch {
                let inner = b.var();
                let cx = self.em.cx;
                let (extent, sample) = match self.kind {
                    Kind::OverBatch { lane, .. } => {
                        (cx.n_halves(), Affine::var(lane).add_scaled(&Affine::var(inner), LANES as i64))
                    }
                    Kind::OverFeatures { .. } => (cx.n_halves() * LANES, Affine::var(inner)),
                    Kind::PerSample { .. } | Kind::NoBatch => unreachable!("{:?} does not sum over it", self.kind),
                };
                let chunk = chunk.unwrap_or_else(|| {
                    let chunk = b.var();
                    reds.push(self.chunks_of_group(chunk));
                    chunk
                });
                self.em.batch = Some(BatchAt { chunk: Affine::var(chunk), sample });
                innermost = Some(Range::new(inner, extent));
                continue;
            }
            let mut low: Vec<Affine> = red.low.iter().map(|bound| self.em.index(b, bound)).collect();
            let mut high: Vec<Affine> = red.high.iter().map(|bound| self.em.index(b, bound)).collect();
            if let Some((first, end)) = strip.and_then(|(strips, strip)| strips.bounds(dag_var, strip)) {
                low.push(first);
                high.push(end);
            }
            let var = b.var();
            self.em.ranges.insert(var, (0, red.extent as i64 - 1));
            self.em.bind(dag_var, Affine::var(var));
            reds.push(bounded(var, red.extent, low, high));
        }
        reds.extend(innermost);
        reds
    }

    /// The chunks that the nest sums over, numbered by `chunk`: those of one group, or all.
    fn chunks_of_group(&self, chunk: Var) -> Range {
        match self.kind {
            Kind::OverBatch { group, groups, .. } | Kind::OverFeatures { group: Some((group, groups)), .. } => {
                Task { number: group, n_chunks: groups.chunks_per_group }.chunks(self.em.cx, chunk)
            }
            _ => Range::new(chunk, self.em.cx.n_chunks()),
        }
    }

    /// Packed weights that the nest reads.
    fn packed(&self) -> Option<&'a (PackedWeights, BufId)> {
        match self.kind {
            Kind::PerSample { .. } => self.em.cx.buffers.packed(self.node),
            _ => None,
        }
    }

    fn factors(&mut self, b: &mut Builder) -> [Access; 2] {
        let contraction = self.form.as_contraction().expect("a contraction");
        let operands = self.em.cx.graph.operands(self.node);
        let batch_vars: Vec<Var> = self
            .form
            .batch_axis
            .map(|axis| Var(axis as u32))
            .into_iter()
            .chain(self.form.reds.iter().filter(|red| red.is_batch).map(|red| red.var))
            .collect();
        let row_factor = match self.kind {
            Kind::OverFeatures { lanes, .. } => Some(lanes.is_first),
            _ => None,
        };
        [(contraction.a, true), (contraction.b, false)].map(|((operand, index), is_first)| {
            if let (Some((packed, buffer)), Some(at)) = (self.packed(), &self.block)
                && packed.is_first == is_first
            {
                let word = packed.word(&at.first, at.width, &at.cell, |term| self.em.vars[&term].clone());
                return Access { buffer: *buffer, index: word };
            }
            if row_factor == Some(is_first) {
                let rows = self.em.cx.buffers.rows(operands[operand]).expect("a copy of the vectors");
                return self.em.row_access(b, rows, &Affine::var(FeatureLanes::FEATURE));
            }
            let index: Vec<Affine> = index
                .iter()
                .map(|i| i.value.substitute(&|var| Affine::var(if batch_vars.contains(&var) { BATCH } else { var })))
                .collect();
            self.em.access(b, operands[operand], &index)
        })
    }

    /// What happens to a finished accumulator.
    pub(crate) fn epilogue(&mut self, b: &mut Builder, acc: graphc_ir::loops::ValueId) {
        let axes: Vec<Affine> = (0..self.form.extents.len() as u32).map(|axis| Affine::var(Var(axis))).collect();
        if let Kind::OverBatch { .. } | Kind::OverFeatures { .. } = self.kind {
            let partial = self.em.cx.buffers.partial(self.root);
            let mut word = match self.kind {
                Kind::OverBatch { group, .. } | Kind::OverFeatures { group: Some((group, _)), .. } => {
                    Affine::var(group).times(partial.part_len as i64)
                }
                _ => Affine::default(),
            };
            let strides = graphc_ir::tensor::row_major_strides(&self.form.extents);
            for (axis, stride) in axes.iter().zip(strides) {
                let index = self.em.index(b, axis);
                word = word.add_scaled(&index, stride as i64);
            }
            let sum = match self.kind {
                Kind::OverBatch { .. } => b.value(Expr::JoinLanes(Join::Add, acc)),
                _ => acc,
            };
            return b.store(Access { buffer: partial.buffer, index: word }, sum);
        }
        let index = self.em.dag.own_index(self.end, &axes);
        let result = self.em.dag.intern(PointExpr::Joined(self.node));
        self.em.define(result, acc);
        let value = if self.end == self.node {
            acc
        } else {
            let own = self.em.dag.own_index(self.node, &axes);
            self.em.dag.give(self.node, own, result);
            let value = self.em.dag.define(self.end, index.clone());
            self.em.emit(b, value, &no_join)
        };
        self.em.store(b, self.end, &index, value);
    }
}
