//! The innermost part of a contraction: its reductions, the tile, and what happens to a finished accumulator.

use super::accumulators::Accumulators;
use super::nest::{Nest, Place};
use crate::decide::contraction::epilogue::{Update, epilogue};
use crate::decide::contraction::{Batch, Lanes};
use crate::decide::strips::Strips;
use crate::write::builder::{Builder, bounded};
use crate::write::expr::{BatchAt, no_join};
use crate::write::task::Task;
use graphc_ir::NodeId;
use graphc_ir::form::Red;
use graphc_ir::index::{Affine, Var};
use graphc_ir::loops::{Access, Expr, Join, Range, Runs, Stmt, Tile, TileInit, ValueId};
use graphc_ir::scalar::{CmpOp, LANES};
use graphc_ir::tensor::row_major_strides;

impl Nest<'_> {
    pub(super) fn tile(&mut self, b: &mut Builder) {
        let init = self.start(b);
        let reds = self.reductions(b, None, None);
        let acc = b.new_value();
        let [a, b_access] = self.factors(b);
        let ahead = self.ahead(&reds, [&a, &b_access]);
        let epilogue = b.block(|b| {
            self.em.open_scope();
            self.leave_sum(b, acc);
            self.em.close_scope();
        });
        let (grid, runs) = (self.grid.clone(), self.runs());
        let tile = Tile { grid, reds, runs, a, b: b_access, ahead, init, acc, epilogue };
        b.push(Stmt::Tile(Box::new(tile)));
    }

    /// Where the sums of a tile start.
    pub(super) fn start(&mut self, b: &mut Builder) -> TileInit {
        match &self.block_at.terms {
            Some(at) if !at.is_first => TileInit::Load(self.result_place(b)),
            _ => TileInit::Zero,
        }
    }

    /// What becomes of the sums of a tile: the epilogue, or they wait for the next terms.
    pub(super) fn leave_sum(&mut self, b: &mut Builder, sum: ValueId) {
        if self.block_at.terms.as_ref().is_some_and(|at| !at.is_last) {
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

    /// The groups of chunks, if the tile joins them.
    fn runs(&self) -> Option<Runs> {
        let groups = self.plan.joined_groups()?;
        Some(Runs { length: groups.chunks_per_group, joins_lanes: self.plan.lanes == Lanes::SummedSamples })
    }

    /// A tile over one chunk, one strip of it, or one tap, that goes on with waiting accumulators, and leaves them
    /// where they wait.
    pub(super) fn continued_tile(
        &mut self,
        b: &mut Builder,
        chunk: Option<Var>,
        strip: Option<(&Strips, Var)>,
        accumulators: &Accumulators,
    ) {
        let waiting = self.waiting_place(accumulators);
        let reds = self.reductions(b, chunk, strip);
        let acc = b.new_value();
        let [a, b_access] = self.factors(b);
        let epilogue = b.block(|b| b.store(waiting.clone(), acc));
        let init = TileInit::Load(waiting);
        let (grid, runs, ahead) = (self.grid.clone(), None, [0, 0]);
        let tile = Tile { grid, reds, runs, a, b: b_access, ahead, init, acc, epilogue };
        b.push(Stmt::Tile(Box::new(tile)));
    }

    /// The reduction loops, bound to fresh variables: those of all chunks, or of the chunk given; those of all rows,
    /// or of the strip given.
    fn reductions(&mut self, b: &mut Builder, chunk: Option<Var>, strip: Option<(&Strips, Var)>) -> Vec<Range> {
        let mut reds = Vec::new();
        let mut innermost = None;
        let n_walked = self.plan.taps.as_ref().map_or(0, |taps| taps.reduction + 1);
        for red in &self.form.reds[n_walked..] {
            if red.is_batch && self.plan.batch == Batch::SummedRows {
                let sample = b.var();
                self.em.ranges.insert(sample, (0, red.extent as i64 - 1));
                self.em.batch = Some(BatchAt { chunk: Affine::default(), sample: Affine::var(sample) });
                reds.push(Range::new(sample, red.extent));
                continue;
            }
            if red.is_batch {
                let inner = b.var();
                let (extent, sample) = self.samples(inner);
                let chunk = chunk.unwrap_or_else(|| {
                    let chunk = b.var();
                    reds.push(self.chunks_of_group(chunk));
                    chunk
                });
                self.em.batch = Some(BatchAt { chunk: Affine::var(chunk), sample });
                innermost = Some(Range::new(inner, extent));
                continue;
            }
            let [mut low, mut high] = self.bounds(b, red);
            if let Some((first, end)) = strip.and_then(|(strips, strip)| strips.bounds(red.var, strip)) {
                low.push(first);
                high.push(end);
            }
            let var = b.var();
            let (first, extent) = match &self.block_at.terms {
                Some(at) => (at.first.clone(), at.n_terms),
                None => (Affine::default(), red.extent),
            };
            self.em.ranges.insert(var, (0, extent as i64 - 1));
            self.em.bind(red.var, first.plus(&Affine::var(var)));
            reds.push(bounded(var, extent, low, high));
        }
        reds.extend(innermost);
        reds
    }

    /// Lower and upper bounds of a reduction at the coordinates at hand, besides those of its extent.
    pub(super) fn bounds(&mut self, b: &mut Builder, red: &Red) -> [Vec<Affine>; 2] {
        [&red.low, &red.high].map(|bounds| {
            let binds = |bound: &&Affine| !self.inner.iter().any(|&var| bound.uses(var));
            let bounds: Vec<&Affine> = bounds.iter().filter(binds).collect();
            bounds.into_iter().map(|bound| self.em.index(b, bound)).collect()
        })
    }

    /// The innermost loop of a sum over the batch: over the halves of a chunk if lanes are samples, over samples
    /// otherwise; its extent, and the sample within the chunk.
    fn samples(&self, inner: Var) -> (usize, Affine) {
        let n_halves = self.em.cx.n_halves();
        match (self.plan.lanes, self.lane) {
            (Lanes::SummedSamples, Some(lane)) => {
                (n_halves, Affine::var(lane).add_scaled(&Affine::var(inner), LANES as i64))
            }
            _ => (n_halves * LANES, Affine::var(inner)),
        }
    }

    /// The chunks that the nest sums over, numbered by `chunk`: those of one group, or all.
    pub(super) fn chunks_of_group(&self, chunk: Var) -> Range {
        match (self.plan.batch, self.place) {
            (Batch::Summed(groups), Place::Group { number: Some(number) }) => {
                Task { number, n_chunks: groups.chunks_per_group }.chunks(self.em.cx, chunk)
            }
            _ => Range::new(chunk, self.em.cx.n_chunks()),
        }
    }

    /// What happens to a finished accumulator.
    pub(super) fn epilogue(&mut self, b: &mut Builder, acc: ValueId) {
        let plan = self.plan;
        if let Some(update) = &plan.update {
            return self.update(b, update, acc);
        }
        if let Batch::Summed(_) | Batch::SummedRows = self.plan.batch {
            let sum = if self.plan.joined_groups().is_some() { acc } else { self.sum_of(b, acc) };
            return self.store_partial(b, sum);
        }
        let end = self.plan.root.node();
        let (result, value) = epilogue(&mut self.em.dag, &self.plan.split, self.plan.node, end);
        self.em.define(result, acc);
        let value = self.em.emit(b, value, &no_join);
        let index = self.em.dag.own_index(end, &self.plan.split.result);
        self.em.store(b, end, &index, value);
    }

    /// What is made of a whole sum over the batch; stores come last, so that an update may overwrite what it reads.
    fn update(&mut self, b: &mut Builder, update: &Update, acc: ValueId) {
        let plan = self.plan;
        let (sum, exprs) = update.define(&mut self.em.dag, &plan.split, plan.node);
        self.em.define(sum, acc);
        let nodes = update.roots.iter().map(|root| root.node());
        let values: Vec<(NodeId, ValueId)> =
            nodes.zip(exprs).map(|(node, expr)| (node, self.em.emit(b, expr, &no_join))).collect();
        for (node, value) in values.into_iter().filter(|(node, _)| update.stored.contains(node)) {
            let index = self.em.dag.own_index(node, &plan.split.result);
            self.em.store(b, node, &index, value);
        }
    }

    /// Where the tile's results stand: the sum over the batch, or what is made of it.
    pub(super) fn places(&mut self, b: &mut Builder) -> Vec<Access> {
        let plan = self.plan;
        let Some(update) = &plan.update else { return vec![self.partial_place(b)] };
        let place = |&node: &NodeId| {
            let index = self.em.dag.own_index(node, &plan.split.result);
            self.em.access(b, node, &index)
        };
        update.stored.iter().map(place).collect()
    }

    /// What an accumulator over a group of chunks sums up to.
    pub(super) fn sum_of(&self, b: &mut Builder, acc: ValueId) -> ValueId {
        match self.plan.lanes {
            Lanes::SummedSamples => b.value(Expr::JoinLanes(Join::Add, acc)),
            Lanes::Axis(_) | Lanes::None | Lanes::Samples => acc,
        }
    }

    /// Stores the sum of one group of chunks, or of all.
    pub(super) fn store_partial(&mut self, b: &mut Builder, sum: ValueId) {
        let to = self.partial_place(b);
        let sum = self.blended(b, &to, sum);
        b.store(to, sum);
    }

    /// Where the partial result of the output at hand stands.
    pub(super) fn partial_place(&mut self, b: &mut Builder) -> Access {
        let partial = self.em.cx.buffers.partial(self.plan.root);
        let mut word = match self.place {
            Place::Group { number: Some(group) } => Affine::var(group).times(partial.part_len as i64),
            Place::Group { number: None } | Place::Once | Place::Task { .. } => Affine::default(),
        };
        let strides = row_major_strides(&self.plan.split.extents);
        for (axis, stride) in self.plan.split.result.iter().zip(strides) {
            let index = self.em.index(b, axis);
            word = word.add_scaled(&index, stride as i64);
        }
        Access { buffer: partial.buffer, index: word }
    }

    /// `value` in the lanes that are kept, and what stands there in the others.
    fn blended(&self, b: &mut Builder, to: &Access, value: ValueId) -> ValueId {
        let Some(lane) = self.lane.filter(|_| self.n_kept < LANES) else { return value };
        let before = b.load(to.clone());
        let lane = b.value(Expr::Index(Affine::var(lane)));
        let n_kept = b.i32(self.n_kept as i32);
        b.select(CmpOp::Lt, [lane, n_kept], value, before)
    }
}
