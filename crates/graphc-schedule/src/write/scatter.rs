//! Writes a scatter as it was planned.
//!
//! ```text
//! parallel blocks { lanes { words of the block 0 } }
//! parallel shares { lanes { for terms { index; for axes { load; add; store } } } }
//! ```
//!
//! The elements of a chunk are set to 0 in its own task.

use crate::decide::scatter::{ScatterLanes, ScatterPlan, Scattered};
use crate::machine::LINE_WORDS;
use crate::write::builder::{Builder, bounded};
use crate::write::expr::{BatchAt, Cx, Emitter, no_join};
use crate::write::task::Task;
use graphc_ir::index::{Affine, Var};
use graphc_ir::loops::{Access, LoopKind, Stmt};
use graphc_ir::point::{BATCH, ExprId};
use graphc_ir::scalar::{CHUNK, LANES};

/// Terms between one whose place is asked for and the one that is added.
const AHEAD: i64 = 12;

/// Most lines that are asked for at once; behind these the processor guesses right.
const MOST_LINES: usize = 8;

/// Vectors that a task sets to 0.
const BLOCK: usize = 1024;

/// Writes a scatter into the open block; for the chunks of a task, if its result has samples that are lanes.
pub(crate) fn write(cx: &Cx<'_>, b: &mut Builder, plan: &ScatterPlan, task: Option<Task>) {
    match (task, plan.shares) {
        (Some(task), _) => task.each_chunk(cx, b, |b, chunk| nest(cx, b, plan, (Some(chunk), None))),
        (None, Some((_, n_shares))) => {
            set_to_zero(cx, b, plan);
            b.for_extent(n_shares, LoopKind::Parallel, |b, share| nest(cx, b, plan, (None, Some(share))));
        }
        (None, None) => {
            set_to_zero(cx, b, plan);
            nest(cx, b, plan, (None, None));
        }
    }
}

/// Sets the whole buffer of a result to 0, padding included, in blocks that threads share if there are many.
fn set_to_zero(cx: &Cx<'_>, b: &mut Builder, plan: &ScatterPlan) {
    let buffer = cx.buffers.node(plan.node);
    let n_vectors = cx.buffers.list[buffer.0 as usize].len / LANES;
    let n_blocks = n_vectors.div_ceil(BLOCK);
    let block = |b: &mut Builder, first: Affine| {
        b.nest_of(&plan.name, &plan.nodes, |b| {
            b.lanes(|b, lane| {
                let zero = b.f32(0.0);
                let vector = b.var();
                let left = first.times(-1).plus_constant(n_vectors as i64);
                let high = if n_vectors.is_multiple_of(BLOCK) { Vec::new() } else { vec![left] };
                b.for_range(bounded(vector, BLOCK, Vec::new(), high), LoopKind::Serial, |b| {
                    let word = first.plus(&Affine::var(vector)).times(LANES as i64).plus(&Affine::var(lane));
                    b.store(Access { buffer, index: word }, zero);
                });
            });
        });
    };
    match n_blocks {
        1 => block(b, Affine::default()),
        _ => b.for_extent(n_blocks, LoopKind::Parallel, |b, number| {
            block(b, Affine::var(number).times(BLOCK as i64));
        }),
    }
}

/// What is added of one chunk, or by one share.
fn nest(cx: &Cx<'_>, b: &mut Builder, plan: &ScatterPlan, (chunk, share): (Option<Var>, Option<Var>)) {
    let scattered = Scattered::of(cx.graph, cx.forms, &cx.plan.stored, plan.node).expect("it was planned");
    let Scattered { dag, axes, reds, term, place } = scattered;
    let mut em = Emitter::new(cx);
    em.dag = dag;
    if let Some(chunk) = chunk {
        em.ranges.insert(chunk, (0, cx.n_chunks() as i64 - 1));
    }
    if let (Some(share), Some((_, n_shares))) = (share, plan.shares) {
        em.ranges.insert(share, (0, n_shares as i64 - 1));
    }
    let extents = cx.graph.sizes(plan.node);
    let mut writer = Writer { em, plan, extents, axes, reds, term, place, chunk, share, lane: None };
    b.nest_of(&plan.name, &plan.nodes, |b| match plan.lanes {
        ScatterLanes::None => writer.all(b),
        ScatterLanes::Samples | ScatterLanes::Neighbours => b.lanes(|b, lane| {
            writer.em.ranges.insert(lane, (0, LANES as i64 - 1));
            writer.lane = Some(lane);
            writer.all(b);
        }),
    });
}

struct Writer<'a> {
    em: Emitter<'a>,
    plan: &'a ScatterPlan,
    /// Of the result.
    extents: Vec<usize>,
    axes: Vec<Affine>,
    reds: Vec<(Var, usize)>,
    term: ExprId,
    place: (usize, Affine),
    chunk: Option<Var>,
    share: Option<Var>,
    lane: Option<Var>,
}

/// What is written inside of some loops.
type Inside<'w, 'a> = &'w mut dyn FnMut(&mut Writer<'a>, &mut Builder);

impl<'a> Writer<'a> {
    fn all(&mut self, b: &mut Builder) {
        let (along, place) = self.place.clone();
        if self.chunk.is_some() {
            let zero = b.f32(0.0);
            let everywhere = self.em.dag.new_var(self.extents[along]);
            self.over_axes(b, 0, Some(everywhere), &mut |this, b| {
                let index = this.index(&Affine::var(everywhere));
                this.em.store(b, this.plan.node, &index, zero);
            });
        }
        self.over_terms(b, 0, &mut |this, b| {
            this.hoist(b);
            this.over_axes(b, 0, None, &mut |this, b| {
                let index = this.index(&place);
                let from = this.em.access(b, this.plan.node, &index);
                let before = b.load(from);
                let term = this.em.emit(b, this.term, &no_join);
                let sum = b.add(before, term);
                this.em.store(b, this.plan.node, &index, sum);
            });
        });
    }

    /// Index of the element at a place along the dimension that terms choose.
    fn index(&self, place: &Affine) -> Vec<Affine> {
        let mut index = self.axes.clone();
        index[self.place.0] = place.clone();
        index
    }

    /// Computes what is the same for all axes.
    fn hoist(&mut self, b: &mut Builder) {
        let reds: Vec<Var> = self.reds.iter().map(|&(var, _)| var).collect();
        self.em.hoist(b, &[self.term], &|var| reds.contains(&var), &no_join);
    }

    /// Loops over the dimensions of the result, those of samples first; over the one that terms choose, if it has a
    /// variable.
    fn over_axes(&mut self, b: &mut Builder, dimension: usize, along: Option<Var>, inside: Inside<'_, 'a>) {
        let Some(axis) = self.axes.get(dimension).cloned() else { return inside(self, b) };
        let var = match (axis.as_var(), along) {
            (Some(BATCH), _) => {
                return self.over_samples(b, &mut |this, b| this.over_axes(b, dimension + 1, along, inside));
            }
            (None, None) => return self.over_axes(b, dimension + 1, along, inside),
            (Some(var), _) | (None, Some(var)) => var,
        };
        let unit = if self.is_lane(dimension) { LANES as i64 } else { 1 };
        let ((per_share, first), turn) = (self.turns(dimension), b.var());
        self.em.ranges.insert(turn, (0, per_share as i64 - 1));
        let lane = self.lane.filter(|_| self.is_lane(dimension)).map(Affine::var);
        self.em.bind(var, first.add_scaled(&Affine::var(turn), unit).plus(&lane.unwrap_or_default()));
        b.for_range(bounded(turn, per_share, Vec::new(), Vec::new()), LoopKind::Serial, |b| {
            self.in_scope(b, &mut |this, b| this.over_axes(b, dimension + 1, along, inside));
        });
    }

    /// Loops over the samples that the result has: vectors of a chunk, or one after another.
    fn over_samples(&mut self, b: &mut Builder, inside: Inside<'_, 'a>) {
        let before = self.em.batch.take();
        match (self.plan.lanes, self.chunk, self.lane) {
            (ScatterLanes::Samples, Some(chunk), Some(lane)) => {
                for half in 0..self.em.cx.n_halves() {
                    let sample = Affine::var(lane).plus_constant((half * LANES) as i64);
                    self.em.batch = Some(BatchAt { chunk: Affine::var(chunk), sample });
                    self.in_scope(b, inside);
                }
            }
            _ => self.over_rows(b, inside),
        }
        self.em.batch = before;
    }

    /// A loop over samples that are rows.
    fn over_rows(&mut self, b: &mut Builder, inside: Inside<'_, 'a>) {
        let (batch, sample) = (self.em.cx.batch(), b.var());
        self.em.ranges.insert(sample, (0, batch as i64 - 1));
        self.em.batch = Some(BatchAt { chunk: Affine::default(), sample: Affine::var(sample) });
        b.for_range(bounded(sample, batch, Vec::new(), Vec::new()), LoopKind::Serial, |b| self.in_scope(b, inside));
    }

    /// Asks for the elements to which the term some turns of the innermost loop ahead is added, if they stand side by
    /// side in far memory: where that is, no processor can guess.
    fn fetch_ahead(&mut self, b: &mut Builder) {
        let cx = self.em.cx;
        let buffer = cx.buffers.node(self.plan.node);
        let (along, place) = self.place.clone();
        let n_words: usize = self.extents[1..].iter().product::<usize>() / self.plan.shares.map_or(1, |(_, n)| n);
        if along != 0 || cx.buffers.layout(buffer).len() <= cx.machine.near_words() {
            return;
        }
        self.em.open_scope();
        match self.reds.last() {
            Some(&(BATCH, _)) => {
                let Some(at) = self.em.batch.clone() else { unreachable!("the loop over samples is open") };
                let number = b.clamp_index(at.index().plus_constant(AHEAD), cx.batch());
                self.em.ranges.insert(number, (0, cx.batch() as i64 - 1));
                let [chunk, sample] = match cx.buffers.features_are_lanes() {
                    true => [Affine::default(), Affine::var(number)],
                    false => [Affine::var(number).div(CHUNK as i64), Affine::var(number).modulo(CHUNK as i64)]
                        .map(|part| b.let_index(part)),
                };
                let before = self.em.batch.replace(BatchAt { chunk, sample });
                self.fetch(b, &place, n_words);
                self.em.batch = before;
            }
            Some(&(var, extent)) => {
                let before = self.em.vars[&var].clone();
                let number = b.clamp_index(before.plus_constant(AHEAD), extent);
                self.em.ranges.insert(number, (0, extent as i64 - 1));
                self.em.bind(var, Affine::var(number));
                self.fetch(b, &place, n_words);
                self.em.bind(var, before);
            }
            None => {}
        }
        self.em.close_scope();
    }

    /// Asks for the elements of the share at a place.
    fn fetch(&mut self, b: &mut Builder, place: &Affine, n_words: usize) {
        for dimension in 1..self.axes.len() {
            let Some(axis) = self.axes[dimension].as_var().filter(|&var| var != BATCH) else { continue };
            let (_, first) = self.turns(dimension);
            self.em.bind(axis, first);
        }
        let index = self.index(place);
        let from = self.em.access(b, self.plan.node, &index);
        let n_lines = n_words.div_ceil(LINE_WORDS).min(MOST_LINES);
        b.push(Stmt::Fetch { from, n_lines });
    }

    /// Turns of the loop over a dimension of the result, and the first coordinate of the share.
    fn turns(&self, dimension: usize) -> (usize, Affine) {
        let unit = if self.is_lane(dimension) { LANES } else { 1 };
        let n_turns = self.extents[dimension].div_ceil(unit);
        let n_shares = self.plan.shares.filter(|&(shared, _)| shared == dimension).map_or(1, |(_, n)| n);
        let per_share = n_turns / n_shares;
        let share =
            self.share.filter(|_| n_shares > 1).map(|share| Affine::var(share).times((per_share * unit) as i64));
        (per_share, share.unwrap_or_default())
    }

    /// Whether coordinates of a dimension are the lanes.
    fn is_lane(&self, dimension: usize) -> bool {
        self.plan.lanes == ScatterLanes::Neighbours && dimension + 1 == self.axes.len()
    }

    /// Loops over the terms of an element, in order.
    fn over_terms(&mut self, b: &mut Builder, red: usize, inside: Inside<'_, 'a>) {
        let Some(&(var, extent)) = self.reds.get(red) else {
            self.fetch_ahead(b);
            return inside(self, b);
        };
        let mut next = |this: &mut Writer<'a>, b: &mut Builder| this.over_terms(b, red + 1, inside);
        if var == BATCH {
            let before = self.em.batch.take();
            match self.em.cx.buffers.features_are_lanes() {
                true => self.over_rows(b, &mut next),
                false => self.over_all_samples(b, &mut next),
            }
            self.em.batch = before;
            return;
        }
        let turn = b.var();
        self.em.ranges.insert(turn, (0, extent as i64 - 1));
        self.em.bind(var, Affine::var(turn));
        b.for_range(bounded(turn, extent, Vec::new(), Vec::new()), LoopKind::Serial, |b| self.in_scope(b, &mut next));
    }

    /// Loops over chunks and their samples, one after another.
    fn over_all_samples(&mut self, b: &mut Builder, inside: Inside<'_, 'a>) {
        let (n_chunks, batch, chunk, sample) = (self.em.cx.n_chunks(), self.em.cx.batch(), b.var(), b.var());
        self.em.ranges.insert(chunk, (0, n_chunks as i64 - 1));
        self.em.ranges.insert(sample, (0, CHUNK as i64 - 1));
        let left = Affine::var(chunk).times(-(CHUNK as i64)).plus_constant(batch as i64);
        let high = if batch.is_multiple_of(CHUNK) { Vec::new() } else { vec![left] };
        self.em.batch = Some(BatchAt { chunk: Affine::var(chunk), sample: Affine::var(sample) });
        b.for_range(bounded(chunk, n_chunks, Vec::new(), Vec::new()), LoopKind::Serial, |b| {
            b.for_range(bounded(sample, CHUNK, Vec::new(), high), LoopKind::Serial, |b| self.in_scope(b, inside));
        });
    }

    fn in_scope(&mut self, b: &mut Builder, inside: Inside<'_, 'a>) {
        self.em.open_scope();
        inside(self, b);
        self.em.close_scope();
    }
}
