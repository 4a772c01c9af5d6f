//! Writes the nests of a sweep as they were planned.
//!
//! ```text
//! parallel blocks { lanes { loops { partial results start; loops { values; terms; stores }; they end } } }
//! ```

use crate::decide::cut::Cut;
use crate::decide::sweep::nest::{
    Coordinate, Loop, Nest, PartialResult, ResultKind, SweepPlan, SweepResult, Terms, Walk,
};
use crate::write::builder::{Builder, bounded};
use crate::write::expr::{BatchAt, Cx, Emitter, no_join};
use crate::write::fetch;
use crate::write::sweep::join;
use crate::write::task::{Share, Task};
use graphc_ir::NodeId;
use graphc_ir::graph::plan::Root;
use graphc_ir::index::{Affine, Var};
use graphc_ir::loops::{AccId, Access, Bound, Expr, Join, Layout, LoopKind, Range, ValueId};
use graphc_ir::point::{BATCH, ExprId, PointExpr};
use graphc_ir::scalar::LANES;
use graphc_ir::types::DType;
use std::cmp::Reverse;

/// Where a sweep stands.
#[derive(Clone, Copy)]
pub(crate) enum Place<'a> {
    /// By itself: if it is over the batch, it has loops over samples of its own.
    Once,
    /// In a task, for every one of its chunks.
    Chunks {
        task: Task,
        /// What the task computes of it, if not all.
        share: Option<Share>,
        /// Tensors of whose next chunk it asks for some words.
        fetches: &'a [NodeId],
        /// Whether no nest of the kernel asks for the next chunk.
        is_alone: bool,
    },
}

/// Writes a sweep into the open block.
pub(crate) fn write(cx: &Cx<'_>, b: &mut Builder, plan: &SweepPlan, place: Place<'_>) {
    let nests = |b: &mut Builder, chunk: Affine| {
        for nest in &plan.nests {
            Writer::new(cx, nest, plan, chunk.clone(), place).blocks(b, 0);
        }
    };
    match place {
        Place::Once => nests(b, Affine::default()),
        Place::Chunks { task, .. } => task.each_chunk(cx, b, |b, chunk| nests(b, Affine::var(chunk))),
    }
}

struct Writer<'a> {
    em: Emitter<'a>,
    nest: &'a Nest,
    plan: &'a SweepPlan,
    place: Place<'a>,
    /// Number of the chunk; 0 if there is but one, or no batch.
    chunk: Affine,
    axes: Vec<Var>,
    /// Values of the results.
    exprs: Vec<ExprId>,
    /// Of each result.
    sums: Vec<Sum>,
    /// The value of a scan so far.
    so_far: Option<AccId>,
    /// Where in the open loops, outermost first.
    turns: Vec<Turn>,
}

/// A partial result that is under way.
#[derive(Clone, Default)]
struct Sum {
    /// One for each copy of the code inside.
    accs: Vec<AccId>,
    /// What deviations are taken from.
    mean: Option<ValueId>,
}

/// A turn of a loop.
struct Turn {
    number: Affine,
    /// Which of the copies in the code.
    copy: usize,
}

impl<'a> Writer<'a> {
    fn new(cx: &'a Cx<'a>, nest: &'a Nest, plan: &'a SweepPlan, chunk: Affine, place: Place<'a>) -> Writer<'a> {
        let mut em = Emitter::new(cx);
        let (axes, exprs) = nest.define(&mut em.dag);
        let sums = vec![Sum::default(); exprs.len()];
        let mut writer = Writer { em, nest, plan, place, chunk, axes, exprs, sums, so_far: None, turns: Vec::new() };
        if let Some(chunk) = writer.chunk.as_var() {
            writer.em.ranges.insert(chunk, (0, cx.n_chunks() as i64 - 1));
        }
        let samples = nest.over_batch.then_some(Coordinate::Sample);
        for coordinate in (0..nest.axes.len()).map(Coordinate::Axis).chain(samples) {
            if nest.is_single(coordinate) {
                writer.set(coordinate, Some(Affine::default()));
            }
        }
        writer
    }

    /// Loops that threads share, which stand outside of the nest and its lanes.
    fn blocks(&mut self, b: &mut Builder, depth: usize) {
        let walk = self.nest.loops.get(depth).map(|outermost| outermost.walk);
        if walk == Some(Walk::Iterate(LoopKind::Parallel)) {
            return self.turns(b, depth, &mut |this, b| this.blocks(b, depth + 1));
        }
        b.nest_of(&self.plan.name, &self.plan.nodes, |b| match self.nest.lanes {
            None => self.level(b, depth),
            Some(over) => b.lanes(|b, lane| {
                self.em.ranges.insert(lane, (0, LANES as i64 - 1));
                self.em.lane = Some(lane).filter(|_| matches!(over, Coordinate::Axis(_)));
                let first = self.get(over).unwrap_or_default();
                self.set(over, Some(first.plus(&Affine::var(lane))));
                let mut body = b.block(|b| self.level(b, depth));
                if let (Place::Chunks { fetches, is_alone, .. }, Some(chunk)) = (self.place, self.chunk.as_var()) {
                    fetch::next_in_sweep(self.em.cx, &mut body, &fetch::buffers(self.em.cx, fetches), chunk);
                    fetch::in_sweep(self.em.cx, &mut body, lane, is_alone);
                }
                body.into_iter().for_each(|stmt| b.push(stmt));
            }),
        });
    }

    /// Everything inside of `depth` loops.
    fn level(&mut self, b: &mut Builder, depth: usize) {
        self.hoist(b, depth);
        self.start_scan(b, depth);
        let mut partials = self.partials_at(depth);
        // One that keeps fewer axes stands around the others, even if no loop is between them.
        partials.sort_by_key(|(_, partial)| partial.n_kept);
        partials.iter().for_each(|&(number, partial)| self.start(b, number, partial));
        match depth < self.nest.loops.len() {
            true => self.turns(b, depth, &mut |this, b| this.level(b, depth + 1)),
            false => self.point(b),
        }
        partials.sort_by_key(|&(number, partial)| (Reverse(partial.n_kept), number));
        partials.iter().for_each(|&(number, partial)| self.finish(b, number, partial));
    }

    /// Partial results whose accumulators stand inside of `depth` loops, with their numbers.
    fn partials_at(&self, depth: usize) -> Vec<(usize, PartialResult)> {
        let partial = |(number, result): (usize, &SweepResult)| match result.kind {
            ResultKind::Partial(partial) if partial.depth == depth => Some((number, partial)),
            ResultKind::Partial(_) | ResultKind::Scanned { .. } | ResultKind::Stored => None,
        };
        self.nest.results.iter().enumerate().filter_map(partial).collect()
    }

    /// Computes what is known inside of `depth` loops, if the plan says so.
    fn hoist(&mut self, b: &mut Builder, depth: usize) {
        if !self.nest.hoisted.contains(&depth) {
            return;
        }
        let (nest, axes) = (self.nest, self.axes.clone());
        let is_known = |var: Var| match axes.iter().position(|&axis| axis == var) {
            Some(axis) => nest.is_known(Coordinate::Axis(axis), depth),
            None => var == BATCH && nest.over_batch && nest.is_known(Coordinate::Sample, depth),
        };
        self.em.hoist(b, &self.exprs, &is_known, &no_join);
    }

    /// All turns of a loop.
    fn turns(&mut self, b: &mut Builder, depth: usize, inside: &mut dyn FnMut(&mut Self, &mut Builder)) {
        let this = &self.nest.loops[depth];
        let kind = match this.walk {
            Walk::Iterate(kind) => kind,
            Walk::Chains(_) => LoopKind::Serial,
            Walk::WrittenOut => return self.copies(b, depth, &Affine::default(), inside),
            Walk::Jointly => return b.sharing(|b| self.copies(b, depth, &Affine::default(), inside)),
        };
        if let Place::Chunks { share: Some(share), .. } = self.place
            && share.cut.position == depth
        {
            return self.share(b, (depth, kind), share, inside);
        }
        let outside = self.turns.iter().zip(&self.nest.loops).filter(|(_, outer)| outer.over == this.over);
        let left = this.in_all.map(|in_all| {
            outside.fold(Affine::constant(in_all as i64), |left, (turn, outer)| {
                left.add_scaled(&turn.number, -((outer.weight / this.weight) as i64))
            })
        });
        if !this.cuts.is_empty() {
            return self.pieces(b, (depth, kind), inside);
        }
        let (var, n_iterations) = (b.var(), this.extent / this.n_copies());
        self.em.ranges.insert(var, (0, n_iterations as i64 - 1));
        let range = bounded(var, n_iterations, Vec::new(), left.into_iter().collect());
        b.for_range(range, kind, |b| self.copies(b, depth, &Affine::var(var), inside));
    }

    /// The turns of a loop, piece by piece.
    fn pieces(
        &mut self,
        b: &mut Builder,
        (depth, kind): (usize, LoopKind),
        inside: &mut dyn FnMut(&mut Self, &mut Builder),
    ) {
        let Loop { cuts, extent, .. } = &self.nest.loops[depth];
        for (low, high) in [0].iter().chain(cuts).zip(cuts.iter().chain([extent])) {
            // Joint pieces are long code, of which a loop is made.
            if low + 1 == *high && !self.nest.is_joint() {
                self.copies(b, depth, &Affine::constant(*low as i64), inside);
                continue;
            }
            let var = b.var();
            self.em.ranges.insert(var, (*low as i64, *high as i64 - 1));
            let range = Range { var, low: Bound::constant(*low), high: Bound::constant(*high) };
            b.for_range(range, kind, |b| self.copies(b, depth, &Affine::var(var), inside));
        }
    }

    /// The turns of a loop that are in a share.
    fn share(
        &mut self,
        b: &mut Builder,
        (depth, kind): (usize, LoopKind),
        share: Share,
        inside: &mut dyn FnMut(&mut Self, &mut Builder),
    ) {
        let (n_turns, Cut { per_share, n_shares, .. }) = (self.nest.loops[depth].extent, share.cut);
        self.em.ranges.insert(share.number, (0, n_shares as i64 - 1));
        let var = b.var();
        if per_share * n_shares == n_turns {
            // So many turns whatever the share: straight-line code has a constant length.
            self.em.ranges.insert(var, (0, per_share as i64 - 1));
            let turn = Affine::var(share.number).times(per_share as i64).plus(&Affine::var(var));
            return b.for_range(Range::new(var, per_share), kind, |b| self.copies(b, depth, &turn, inside));
        }
        self.em.ranges.insert(var, (0, n_turns as i64 - 1));
        let (low, high) = share.bounds(0, n_turns);
        b.for_range(Range { var, low, high }, LoopKind::Serial, |b| self.copies(b, depth, &Affine::var(var), inside));
    }

    /// The turns of one iteration.
    fn copies(
        &mut self,
        b: &mut Builder,
        depth: usize,
        iteration: &Affine,
        inside: &mut dyn FnMut(&mut Self, &mut Builder),
    ) {
        let this = &self.nest.loops[depth];
        for copy in 0..this.n_copies() {
            let number = iteration.times(this.n_copies() as i64).plus_constant(copy as i64);
            let before = self.get(this.over);
            let value = before.clone().unwrap_or_default().add_scaled(&number, this.weight as i64);
            self.set(this.over, Some(value));
            self.turns.push(Turn { number, copy });
            self.em.open_scope();
            inside(self, b);
            self.em.close_scope();
            self.turns.pop();
            self.set(this.over, before);
        }
    }

    /// The value of a coordinate as far as the open loops decide it.
    fn get(&self, coordinate: Coordinate) -> Option<Affine> {
        match coordinate {
            Coordinate::Axis(axis) => self.em.vars.get(&self.axes[axis]).cloned(),
            Coordinate::Sample => self.em.batch.as_ref().map(|at| at.sample.clone()),
            Coordinate::Element => self.em.flat.clone(),
        }
    }

    fn set(&mut self, coordinate: Coordinate, value: Option<Affine>) {
        match (coordinate, value) {
            (Coordinate::Axis(axis), Some(value)) => self.em.bind(self.axes[axis], value),
            (Coordinate::Axis(axis), None) => _ = self.em.vars.remove(&self.axes[axis]),
            (Coordinate::Sample, value) => {
                self.em.batch = value.map(|sample| BatchAt { chunk: self.chunk.clone(), sample });
            }
            (Coordinate::Element, value) => self.em.flat = value,
        }
    }

    /// All results at one point; stores come last, so that an update may overwrite what it reads.
    fn point(&mut self, b: &mut Builder) {
        let mut stores = Vec::new();
        for (number, result) in self.nest.results.iter().enumerate() {
            match result.kind {
                ResultKind::Stored => stores.push((result.root.node(), self.emit(b, self.exprs[number]))),
                ResultKind::Partial(partial) => self.accumulate(b, number, partial),
                ResultKind::Scanned { exclusive, .. } => self.go_on(b, number, exclusive),
            }
        }
        stores.into_iter().for_each(|(node, value)| self.store(b, node, value));
    }

    /// Begins a scan, if its accumulator stands inside of so many loops.
    fn start_scan(&mut self, b: &mut Builder, depth: usize) {
        for result in &self.nest.results {
            if let ResultKind::Scanned { depth: own, start, .. } = result.kind
                && own == depth
            {
                let start = b.f32(start.number());
                self.so_far = Some(b.acc(start));
            }
        }
    }

    /// Takes the point into a scan, and stores the value behind it, or before it.
    fn go_on(&mut self, b: &mut Builder, number: usize, exclusive: bool) {
        let acc = self.so_far.expect("the scan was begun");
        let node = self.nest.results[number].root.node();
        let before = b.get(acc);
        let so_far = self.em.dag.so_far(node);
        self.em.define(so_far, before);
        let next = self.emit(b, self.exprs[number]);
        self.store(b, node, if exclusive { before } else { next });
        b.set(acc, next);
    }

    /// A value at the point.
    fn emit(&mut self, b: &mut Builder, expr: ExprId) -> ValueId {
        if self.nest.joins.is_empty() {
            return self.em.emit(b, expr, &no_join);
        }
        let (cx, element) = (self.em.cx, self.em.flat.clone().unwrap_or_else(|| self.element(self.axes.len())));
        self.em.emit(b, expr, &|b, node| join::joined(cx, b, node, &element))
    }

    /// The number of the element, row-major in the first axes.
    fn element(&self, n_axes: usize) -> Affine {
        let axes = self.axes[..n_axes].iter().zip(&self.nest.axes);
        axes.fold(Affine::default(), |word, (axis, &extent)| word.times(extent as i64).plus(&self.em.vars[axis]))
    }

    fn store(&mut self, b: &mut Builder, node: NodeId, value: ValueId) {
        let ty = self.em.cx.graph.ty(node);
        let mut index = vec![Affine::var(BATCH); ty.rank()];
        for (&dimension, &axis) in Layout::order(ty.rank(), ty.shape.batch_axis()).iter().zip(&self.axes) {
            index[dimension] = Affine::var(axis);
        }
        let index = self.em.dag.scan_index(node, index);
        self.em.store(b, node, &index, value);
    }

    /// Where a partial result stands whose first axes are known.
    fn partial(&self, root: Root, n_kept: usize) -> Access {
        let partial = self.em.cx.buffers.partial(root);
        let index = self.element(n_kept).add_scaled(&self.chunk, partial.part_len as i64);
        Access { buffer: partial.buffer, index }
    }

    fn start(&mut self, b: &mut Builder, number: usize, partial: PartialResult) {
        let start = b.f32(neutral(partial.terms));
        let n_accs = self.nest.copies(partial).iter().product();
        let accs = (0..n_accs).map(|_| b.acc(start)).collect();
        let mean = match partial.terms {
            Terms::Sum { .. } | Terms::Max => None,
            Terms::Deviations { sum, per_sample } => {
                let from = self.partial(sum, partial.n_kept);
                let sum = b.load(from);
                let count = join::chunk_count(self.em.cx, b, &self.chunk, per_sample);
                Some(b.div(sum, count))
            }
        };
        self.sums[number] = Sum { accs, mean };
    }

    /// Adds one term.
    fn accumulate(&mut self, b: &mut Builder, number: usize, partial: PartialResult) {
        let copies = self.turns[partial.depth..].iter().zip(self.nest.copies(partial));
        let acc = self.sums[number].accs[copies.fold(0, |acc, (turn, n_copies)| acc * n_copies + turn.copy)];
        let before = b.get(acc);
        let after = match (partial.terms, self.em.dag.expr(self.exprs[number])) {
            (Terms::Sum { contracted: true }, &PointExpr::Binary(_, x, y)) => {
                let [x, y] = [x, y].map(|factor| self.emit(b, factor));
                b.fma(x, y, before)
            }
            (Terms::Sum { .. }, _) => {
                let x = self.term(b, number, partial.terms);
                b.add(before, x)
            }
            (Terms::Max, _) => {
                let x = self.term(b, number, partial.terms);
                b.maximum(x, before)
            }
            (Terms::Deviations { .. }, _) => {
                let x = self.emit(b, self.exprs[number]);
                let deviation = b.sub(x, self.sums[number].mean.expect("it was made at the start"));
                let deviation = self.em.masked(b, deviation, DType::F32, neutral(partial.terms));
                b.fma(deviation, deviation, before)
            }
        };
        b.set(acc, after);
    }

    /// What is accumulated, where padding samples do not count.
    fn term(&mut self, b: &mut Builder, number: usize, terms: Terms) -> ValueId {
        let x = self.emit(b, self.exprs[number]);
        self.em.masked(b, x, DType::F32, neutral(terms))
    }

    fn finish(&mut self, b: &mut Builder, number: usize, partial: PartialResult) {
        let join = match partial.terms {
            Terms::Sum { .. } | Terms::Deviations { .. } => Join::Add,
            Terms::Max => Join::Max,
        };
        let joined = join::copies(b, join, &self.sums[number].accs, &self.nest.copies(partial));
        let joined = match self.nest.lanes {
            Some(Coordinate::Sample) => b.value(Expr::JoinLanes(join, joined)),
            Some(Coordinate::Axis(_) | Coordinate::Element) | None => joined,
        };
        let to = self.partial(self.nest.results[number].root, partial.n_kept);
        b.store(to, joined);
    }
}

/// What a partial result starts at.
fn neutral(terms: Terms) -> f32 {
    match terms {
        Terms::Sum { .. } | Terms::Deviations { .. } => 0.0,
        Terms::Max => f32::NEG_INFINITY,
    }
}
