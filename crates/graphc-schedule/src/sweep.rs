//! Sweeps over the samples of one chunk: elementwise chains, pooling, row reductions, and partial
//! results of batch reductions, all in one pass over an index space.
//!
//! ```text
//! lanes {
//!   for kept axes { partial results start; for reduced axes { for half { values; stores; sums } }; join halves and lanes; store partials }
//! }
//! ```

use crate::builder::Builder;
use crate::emit::{BatchAt, Cx, Emitter};
use crate::fetch::{self, NextChunk};
use crate::split;
use crate::task::Task;
use graphc_ir::compute::Combine;
use graphc_ir::form::Form;
use graphc_ir::graph::plan::{FusionPlan, Group, Root};
use graphc_ir::index::{Affine, Var};
use graphc_ir::loops::{AccId, Access, Expr, Join, LoopKind, ValueId};
use graphc_ir::point::{BATCH, ExprId, PointDag, PointExpr};
use graphc_ir::scalar::{BinaryOp, CHUNK, CmpOp, LANES};
use graphc_ir::types::DType;

/// Partial results of a sweep at most that have two chains each: their accumulators take half of 16 registers.
const MOST_CHAINED: usize = 2;

/// Iterations of an innermost loop from which on it has two chains: half as many are still worth a loop.
const FEWEST_CHAINED: usize = 8;

/// One loop of the sweep.
struct Digit {
    extent: usize,
    /// The axis it belongs to.
    axis: usize,
    /// Its weight in that axis.
    weight: usize,
}

/// One result of the sweep.
struct Target {
    root: Root,
    expr: ExprId,
    /// Number of loops outside the partial result's accumulator; none for values.
    depth: Option<usize>,
    /// One for each half of the chunk, and that for every chain of the innermost loop: none of them need wait for
    /// another.
    accs: Vec<AccId>,
    /// Mean of the chunk, for squared deviations.
    mean: Option<ValueId>,
}

struct Sweep<'a> {
    em: Emitter<'a>,
    axes: Vec<Var>,
    digits: Vec<Digit>,
    targets: Vec<Target>,
    chunk: Var,
    lane: Var,
    /// Which of its chains the innermost loop is at.
    chain: usize,
}

/// Writes the nests of `group` for the chunks of a task into the open block.
pub(crate) fn batch_sweep(cx: &Cx<'_>, b: &mut Builder, group: &Group, task: Task, next: &NextChunk<'_>) {
    task.each_chunk(cx, b, |b, chunk| chunk_sweep(cx, b, group, chunk, next));
}

fn chunk_sweep(cx: &Cx<'_>, b: &mut Builder, group: &Group, chunk: Var, next: &NextChunk<'_>) {
    let mut em = Emitter::new(cx);
    let space = PointDag::space(cx.graph, cx.forms, group.roots[0]);
    let axes: Vec<Var> = space.extents.iter().map(|&extent| em.dag.new_var(extent)).collect();
    let indices: Vec<Affine> = axes.iter().map(|&axis| Affine::var(axis)).collect();
    let exprs: Vec<ExprId> = group.roots.iter().map(|&root| em.dag.root(root, &indices)).collect();
    let mut digits = Vec::new();
    for (axis, (&var, &extent)) in axes.iter().zip(&space.extents).enumerate() {
        let mut weight = extent;
        for extent in split::digits(&em.dag, &exprs, var, extent) {
            weight /= extent.max(1);
            digits.push(Digit { extent, axis, weight });
        }
    }
    let target = |(&root, &expr): (&Root, &ExprId)| {
        let n_kept = PointDag::space(cx.graph, cx.forms, root).n_kept;
        let depth = digits.iter().filter(|digit| digit.axis < n_kept).count();
        let depth = (!matches!(root, Root::Value(_))).then_some(depth);
        Target { root, expr, depth, accs: Vec::new(), mean: None }
    };
    let targets = group.roots.iter().zip(&exprs).map(target).collect();
    b.nest_of(group, |b| {
        b.lanes(|b, lane| {
            em.ranges.insert(lane, (0, LANES as i64 - 1));
            em.ranges.insert(chunk, (0, cx.n_chunks() as i64 - 1));
            let mut sweep = Sweep { em, axes, digits, targets, chunk, lane, chain: 0 };
            let mut body = b.block(|b| sweep.level(b, 0));
            fetch::next_in_sweep(cx, &mut body, next.carried_by(group), chunk);
            fetch::in_sweep(cx, &mut body, lane, !next.has_carrier());
            body.into_iter().for_each(|stmt| b.push(stmt));
        });
    });
}

impl Sweep<'_> {
    /// Loops from digit `depth` inwards.
    fn level(&mut self, b: &mut Builder, depth: usize) {
        self.hoist(b, depth);
        for target in 0..self.targets.len() {
            if self.targets[target].depth == Some(depth) {
                self.start_partial(b, target);
            }
        }
        match self.digits.get(depth) {
            Some(&Digit { extent: 1, axis, .. }) => {
                self.em.vars.entry(self.axes[axis]).or_default();
                self.level(b, depth + 1);
            }
            Some(&Digit { extent, axis, weight }) => {
                let kind = if weight == 1 && self.is_digit(depth) && extent <= 4 {
                    LoopKind::Unroll
                } else {
                    LoopKind::Serial
                };
                let n_chains = if depth + 1 == self.digits.len() { self.n_chains() } else { 1 };
                let n_rounds = extent / n_chains;
                let mut round = |b: &mut Builder, var: Option<Var>| {
                    if let Some(var) = var {
                        self.em.ranges.insert(var, (0, n_rounds as i64 - 1));
                    }
                    let first = var.map_or(Affine::default(), Affine::var).times(n_chains as i64);
                    for chain in 0..n_chains {
                        let term = first.plus_constant(chain as i64).times(weight as i64);
                        let axis = self.axes[axis];
                        let before = self.em.vars.get(&axis).cloned();
                        let index = before.as_ref().map_or(term.clone(), |index| index.plus(&term));
                        self.em.bind(axis, index);
                        self.chain = chain;
                        self.scope(|this| this.level(b, depth + 1));
                        match before {
                            Some(index) => self.em.bind(axis, index),
                            None => _ = self.em.vars.remove(&axis),
                        }
                    }
                };
                if n_rounds == 1 {
                    round(b, None);
                } else {
                    b.for_extent(n_rounds, kind, |b, var| round(b, Some(var)));
                }
            }
            None => self.halves(b),
        }
        for target in 0..self.targets.len() {
            if self.targets[target].depth == Some(depth) {
                self.finish_partial(b, target);
            }
        }
    }

    /// Chains that the innermost loop deals its points to in turn: two if it is a loop of partial results, long enough,
    /// and these are few enough for the registers.
    fn n_chains(&self) -> usize {
        let partial = self.targets.iter().filter_map(|target| target.depth);
        let is_inside = partial.clone().all(|depth| depth < self.digits.len());
        let is_long = |digit: &Digit| digit.extent.is_multiple_of(2) && digit.extent >= FEWEST_CHAINED;
        let has_few = (1..=MOST_CHAINED).contains(&partial.count());
        if is_inside && has_few && self.digits.last().is_some_and(is_long) { 2 } else { 1 }
    }

    /// Whether a loop is part of an axis that was split.
    fn is_digit(&self, depth: usize) -> bool {
        self.digits.iter().filter(|digit| digit.axis == self.digits[depth].axis).count() > 1
    }

    fn scope(&mut self, f: impl FnOnce(&mut Self)) {
        // `Emitter::scope` borrows the emitter alone; the sweep needs the whole of itself inside.
        self.em.open_scope();
        f(self);
        self.em.close_scope();
    }

    /// Computes what does not depend on loops further in.
    fn hoist(&mut self, b: &mut Builder, depth: usize) {
        // An axis is known once its last digit is.
        let known: Vec<Var> = (0..self.axes.len())
            .filter(|&axis| self.digits.iter().rposition(|digit| digit.axis == axis).is_none_or(|last| last < depth))
            .map(|axis| self.axes[axis])
            .collect();
        let exprs: Vec<ExprId> = self.targets.iter().map(|target| target.expr).collect();
        self.em.hoist(b, &exprs, &|var| known.contains(&var), &no_join);
    }

    fn halves(&mut self, b: &mut Builder) {
        let n_halves = self.em.cx.n_halves();
        let is_partial = self.targets.iter().any(|target| target.depth.is_some());
        if n_halves == 1 || is_partial {
            (0..n_halves).for_each(|half| self.half(b, half, Affine::constant(half as i64)));
        } else {
            b.for_extent(n_halves, LoopKind::Unroll, |b, half| {
                self.em.ranges.insert(half, (0, n_halves as i64 - 1));
                self.half(b, 0, Affine::var(half));
            });
        }
        self.em.batch = None;
    }

    /// One point for half `index` of the samples; sums go to accumulator `number`.
    fn half(&mut self, b: &mut Builder, number: usize, index: Affine) {
        let sample = Affine::var(self.lane).add_scaled(&index, LANES as i64);
        self.em.batch = Some(BatchAt { chunk: Affine::var(self.chunk), sample });
        self.scope(|this| this.point(b, number));
    }

    /// All results at one point; stores come last, so that an update may overwrite what it reads.
    fn point(&mut self, b: &mut Builder, half: usize) {
        let mut stores = Vec::new();
        for target in 0..self.targets.len() {
            let Target { root, expr, .. } = self.targets[target];
            match root {
                Root::Value(node) => stores.push((node, self.em.emit(b, expr, &no_join))),
                _ => self.accumulate(b, target, half),
            }
        }
        for (node, value) in stores {
            let rank = self.em.cx.graph.ty(node).rank();
            let batch = self.em.cx.graph.ty(node).shape.batch_axis();
            let order = graphc_ir::loops::Layout::order(rank, batch);
            let mut index = vec![Affine::var(BATCH); rank];
            for (&axis, &var) in order.iter().zip(&self.axes) {
                index[axis] = Affine::var(var);
            }
            self.em.store(b, node, &index, value);
        }
    }

    fn accumulate(&mut self, b: &mut Builder, target: usize, half: usize) {
        let Target { root, expr, mean, .. } = self.targets[target];
        let acc = self.targets[target].accs[self.chain * self.em.cx.n_halves() + half];
        let before = b.get(acc);
        let after = match (root, mean, self.is_max(root)) {
            (_, Some(mean), _) => {
                let x = self.em.emit(b, expr, &no_join);
                let deviation = b.sub(x, mean);
                let deviation = self.em.masked(b, deviation, DType::F32, 0.0);
                b.fma(deviation, deviation, before)
            }
            (_, None, true) => {
                let x = self.em.emit(b, expr, &no_join);
                let x = self.em.masked(b, x, DType::F32, f32::NEG_INFINITY);
                b.maximum(x, before)
            }
            (_, None, false) => match *self.em.dag.expr(expr) {
                PointExpr::Binary(BinaryOp::Mul, x, y) if !self.em.cx.is_ragged() => {
                    let [x, y] = [x, y].map(|id| self.em.emit(b, id, &no_join));
                    b.fma(x, y, before)
                }
                _ => {
                    let x = self.em.emit(b, expr, &no_join);
                    let x = self.em.masked(b, x, DType::F32, 0.0);
                    b.add(before, x)
                }
            },
        };
        b.set(acc, after);
    }

    fn is_max(&self, root: Root) -> bool {
        match &self.em.cx.forms[&root.node()] {
            Form::Point(form) => form.combine == Some(Combine::Max),
            _ => false,
        }
    }

    /// Where the partial result of the current kept index goes.
    fn partial_access(&self, root: Root, depth: usize) -> Access {
        let partial = self.em.cx.buffers.partial(root);
        let mut word = Affine::var(self.chunk).times(partial.part_len as i64);
        let mut stride = 1;
        let n_kept = self.digits[..depth].iter().map(|digit| digit.axis + 1).max().unwrap_or(0);
        for axis in (0..n_kept).rev() {
            word = word.add_scaled(&self.em.vars[&self.axes[axis]], stride);
            let extent: usize =
                self.digits.iter().filter(|digit| digit.axis == axis).map(|digit| digit.extent).product();
            stride *= extent as i64;
        }
        Access { buffer: partial.buffer, index: word }
    }

    fn start_partial(&mut self, b: &mut Builder, target: usize) {
        let root = self.targets[target].root;
        let start = b.f32(if self.is_max(root) { f32::NEG_INFINITY } else { 0.0 });
        self.targets[target].accs = (0..self.n_chains() * self.em.cx.n_halves()).map(|_| b.acc(start)).collect();
        if let Root::PartialDeviations(node) = root {
            let cx = self.em.cx;
            let Form::Variance { axes } = &cx.forms[&node] else { unreachable!("deviations are those of a variance") };
            let source = FusionPlan::sum_source(cx.graph, cx.forms, &cx.plan.stored, node, axes);
            let from = self.partial_access(source, self.targets[target].depth.expect("a partial result"));
            let sum = b.load(from);
            let per_sample: usize = terms_per_sample(cx, node);
            let count = chunk_count(cx, b, &Affine::var(self.chunk), per_sample);
            self.targets[target].mean = Some(b.div(sum, count));
        }
    }

    fn finish_partial(&mut self, b: &mut Builder, target: usize) {
        let Target { root, depth, .. } = self.targets[target];
        let join = if self.is_max(root) { Join::Max } else { Join::Add };
        let sum = |b: &mut Builder, parts: Vec<ValueId>| {
            parts.into_iter().reduce(|a, other| b.combine(join, a, other)).expect("at least one part")
        };
        let mut chains = Vec::new();
        for halves in self.targets[target].accs.chunks(self.em.cx.n_halves()) {
            let halves = halves.iter().map(|&acc| b.get(acc)).collect();
            chains.push(sum(b, halves));
        }
        let lanes = sum(b, chains);
        let joined = b.value(Expr::JoinLanes(join, lanes));
        let to = self.partial_access(root, depth.expect("a partial result"));
        b.store(to, joined);
    }
}

/// Terms that one sample contributes to each element of a variance.
pub(crate) fn terms_per_sample(cx: &Cx<'_>, variance: graphc_ir::NodeId) -> usize {
    let space = PointDag::space(cx.graph, cx.forms, Root::PartialSum(variance));
    space.extents[space.n_kept..].iter().product()
}

/// Number of terms of chunk `chunk` as `f32`; the last chunk may be short.
pub(crate) fn chunk_count(cx: &Cx<'_>, b: &mut Builder, chunk: &Affine, per_sample: usize) -> ValueId {
    let full = b.f32((per_sample * CHUNK) as f32);
    let last_samples = cx.batch() - (cx.n_chunks() - 1) * CHUNK;
    if last_samples == CHUNK {
        return full;
    }
    let last = b.f32((per_sample * last_samples) as f32);
    if cx.n_chunks() == 1 {
        return last;
    }
    let chunk = b.value(Expr::Index(chunk.clone()));
    let last_chunk = b.i32(cx.n_chunks() as i32 - 1);
    b.select(CmpOp::Eq, [chunk, last_chunk], last, full)
}

/// Sweeps over samples never join partial results.
pub(crate) fn no_join(_: &mut Builder, node: graphc_ir::NodeId) -> ValueId {
    panic!("{node} is joined in a sweep without a batch")
}
