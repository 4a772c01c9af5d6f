//! Sums over the few samples there are, with features as lanes.
//!
//! ```text
//! for kept axes { sum starts; for samples { for reduced axes { sum } }; store }
//! ```
//!
//! All samples are one chunk, so that its partial result, joined with no other, is the sum. It is one chain, samples
//! outermost. If the terms move along the last kept axis as neighbouring words, its coordinates are lanes, which need
//! no joining; otherwise (the mean of a loss) the sum is a scalar.

use super::lane::LaneAxis;
use crate::builder::Builder;
use crate::emit::{BatchAt, Cx, Emitter};
use crate::sweep::{chunk_count, no_join, terms_per_sample};
use graphc_ir::compute::Combine;
use graphc_ir::form::Form;
use graphc_ir::graph::plan::{FusionPlan, Group, Root};
use graphc_ir::index::{Affine, Var};
use graphc_ir::loops::{Access, LoopKind, ValueId};
use graphc_ir::point::{BATCH, ExprId, PointDag};
use graphc_ir::scalar::LANES;

struct Partial<'a> {
    em: Emitter<'a>,
    root: Root,
    /// The term.
    expr: ExprId,
    axes: Vec<Var>,
    extents: Vec<usize>,
    /// The first of the axes are kept.
    n_kept: usize,
    /// The lane, if the last kept axis is vectors.
    lane: Option<Var>,
}

/// Writes the nest of one partial result.
pub(super) fn write(cx: &Cx<'_>, b: &mut Builder, group: &Group, root: Root) {
    let mut em = Emitter::new(cx);
    let space = PointDag::space(cx.graph, cx.forms, root);
    let axes: Vec<Var> = space.extents.iter().map(|&extent| em.dag.new_var(extent)).collect();
    let indices: Vec<Affine> = axes.iter().map(|&axis| Affine::var(axis)).collect();
    let expr = em.dag.root(root, &indices);
    let n_kept = space.n_kept;
    let has_lanes = n_kept > 0 && space.extents[n_kept - 1] > 1 && {
        let (vector, lane) = (em.dag.new_var(space.extents[n_kept - 1].div_ceil(LANES)), em.dag.new_var(LANES));
        let value = Affine::var(vector).times(LANES as i64).plus(&Affine::var(lane));
        LaneAxis { axis: axes[n_kept - 1], value, lane }.fits(cx.graph, &em.dag, &[expr])
    };
    let mut partial = Partial { em, root, expr, axes, extents: space.extents, n_kept, lane: None };
    b.nest_of(group, |b| {
        if !has_lanes {
            return partial.kept(b, 0);
        }
        b.lanes(|b, lane| {
            partial.em.ranges.insert(lane, (0, LANES as i64 - 1));
            partial.lane = Some(lane);
            partial.kept(b, 0);
        });
    });
}

impl Partial<'_> {
    /// Loops over the kept axes from `position` on.
    fn kept(&mut self, b: &mut Builder, position: usize) {
        if position == self.n_kept {
            return self.sum(b);
        }
        let lane = self.lane.filter(|_| position + 1 == self.n_kept);
        let extent = self.extents[position];
        let n = if lane.is_some() { extent.div_ceil(LANES) } else { extent };
        b.for_extent(n, LoopKind::Serial, |b, var| {
            self.em.ranges.insert(var, (0, n as i64 - 1));
            let value = match lane {
                Some(lane) => Affine::var(var).times(LANES as i64).plus(&Affine::var(lane)),
                None => Affine::var(var),
            };
            self.em.bind(self.axes[position], value);
            self.em.open_scope();
            self.kept(b, position + 1);
            self.em.close_scope();
        });
    }

    /// One result.
    fn sum(&mut self, b: &mut Builder) {
        let known = self.axes[..self.n_kept].to_vec();
        self.em.hoist(b, &[self.expr], &|var| known.contains(&var), &no_join);
        let (cx, root) = (self.em.cx, self.root);
        let is_max = matches!(&cx.forms[&root.node()], Form::Point(form) if form.combine == Some(Combine::Max));
        let start = b.f32(if is_max { f32::NEG_INFINITY } else { 0.0 });
        let acc = b.acc(start);
        let mean = self.mean(b);
        b.for_extent(cx.batch(), LoopKind::Serial, |b, sample| {
            self.em.ranges.insert(sample, (0, cx.batch() as i64 - 1));
            self.em.batch = Some(BatchAt { chunk: Affine::default(), sample: Affine::var(sample) });
            self.em.open_scope();
            self.terms(b, self.n_kept, &mut |this, b| {
                let x = this.em.emit(b, this.expr, &no_join);
                let before = b.get(acc);
                let after = match mean {
                    Some(mean) => {
                        let deviation = b.sub(x, mean);
                        b.fma(deviation, deviation, before)
                    }
                    None if is_max => b.maximum(x, before),
                    None => b.add(before, x),
                };
                b.set(acc, after);
            });
            self.em.close_scope();
            self.em.batch = None;
        });
        let sum = b.get(acc);
        let to = self.access(root);
        b.store(to, sum);
    }

    /// Loops over the reduced axes from `position` on.
    fn terms(&mut self, b: &mut Builder, position: usize, f: &mut dyn FnMut(&mut Self, &mut Builder)) {
        let known = self.axes[..position].to_vec();
        self.em.hoist(b, &[self.expr], &|var| var == BATCH || known.contains(&var), &no_join);
        let Some(&extent) = self.extents.get(position) else { return f(self, b) };
        b.for_extent(extent, LoopKind::Serial, |b, var| {
            self.em.ranges.insert(var, (0, extent as i64 - 1));
            self.em.bind(self.axes[position], Affine::var(var));
            self.em.open_scope();
            self.terms(b, position + 1, f);
            self.em.close_scope();
        });
    }

    /// The mean that a variance's deviations are taken from: of all samples, since they are one chunk.
    fn mean(&mut self, b: &mut Builder) -> Option<ValueId> {
        let Root::PartialDeviations(node) = self.root else { return None };
        let cx = self.em.cx;
        let Form::Variance { axes } = &cx.forms[&node] else { unreachable!("deviations are those of a variance") };
        let source = FusionPlan::sum_source(cx.graph, cx.forms, &cx.plan.stored, node, axes);
        let from = self.access(source);
        let sum = b.load(from);
        let count = chunk_count(cx, b, &Affine::default(), terms_per_sample(cx, node));
        Some(b.div(sum, count))
    }

    /// Where a partial result of the current kept index stands.
    fn access(&self, root: Root) -> Access {
        let buffer = self.em.cx.buffers.partial(root).buffer;
        let kept = self.axes[..self.n_kept].iter().zip(&self.extents);
        let index =
            kept.fold(Affine::default(), |word, (axis, &extent)| word.times(extent as i64).plus(&self.em.vars[axis]));
        Access { buffer, index }
    }
}
