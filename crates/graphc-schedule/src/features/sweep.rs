//! Sweeps with features as lanes: elementwise chains, pooling, row reductions, sample by sample.
//!
//! ```text
//! lanes { for samples { for leading axes { for vectors of features { values; stores } } } }
//! ```
//!
//! If some result does not move along its last axis as its operands do, all of the sweep is a nest of scalars.

use super::lane::LaneAxis;
use super::partial;
use crate::builder::Builder;
use crate::emit::{BatchAt, Cx, Emitter};
use crate::split;
use crate::sweep::no_join;
use graphc_ir::NodeId;
use graphc_ir::graph::Graph;
use graphc_ir::graph::plan::{Group, Root};
use graphc_ir::index::{Affine, Var};
use graphc_ir::loops::{Layout, LoopKind, Range};
use graphc_ir::point::{BATCH, ExprId, PointDag};
use graphc_ir::scalar::LANES;

/// One loop of the sweep.
struct Level {
    var: Var,
    extent: usize,
    kind: LoopKind,
    /// Axes of the sweep's space whose value is known inside.
    known: Vec<Var>,
}

struct Sweep<'a> {
    em: Emitter<'a>,
    /// Axes of the space of the roots, in the order of their layout in chunks.
    axes: Vec<Var>,
    roots: Vec<(NodeId, ExprId)>,
    levels: Vec<Level>,
}

/// Writes the nests of `group`: its values in one, each partial result in one of its own.
pub(crate) fn write(cx: &Cx<'_>, b: &mut Builder, group: &Group) {
    let (values, partials): (Vec<Root>, Vec<Root>) =
        group.roots.iter().partition(|root| matches!(root, Root::Value(_)));
    if !values.is_empty() {
        write_values(cx, b, group, &values);
    }
    for root in partials {
        partial::write(cx, b, group, root);
    }
}

fn write_values(cx: &Cx<'_>, b: &mut Builder, group: &Group, values: &[Root]) {
    let mut em = Emitter::new(cx);
    let space = PointDag::space(cx.graph, cx.forms, values[0]);
    let axes: Vec<Var> = space.extents.iter().map(|&extent| em.dag.new_var(extent)).collect();
    let indices: Vec<Affine> = axes.iter().map(|&axis| Affine::var(axis)).collect();
    let roots: Vec<(NodeId, ExprId)> = values.iter().map(|&root| (root.node(), em.dag.root(root, &indices))).collect();
    let lane_position = lane_position(cx.graph, &mut em.dag, &roots, &axes, &space.extents);
    let mut sweep = Sweep { em, axes, roots, levels: Vec::new() };
    b.nest_of(group, |b| match lane_position {
        Some(position) => b.lanes(|b, lane| {
            sweep.em.ranges.insert(lane, (0, LANES as i64 - 1));
            sweep.loops(b, &space.extents, Some((position, lane)));
            sweep.level(b, 0);
        }),
        None => {
            sweep.loops(b, &space.extents, None);
            sweep.level(b, 0);
        }
    });
}

/// The axis of the space that is the last one of every root, if its coordinates can be lanes.
fn lane_position(
    graph: &Graph,
    dag: &mut PointDag<'_>,
    roots: &[(NodeId, ExprId)],
    axes: &[Var],
    extents: &[usize],
) -> Option<usize> {
    let last_of = |node: NodeId| {
        let (rank, batch) = (graph.ty(node).rank(), graph.ty(node).shape.batch_axis());
        Layout::order(rank, batch).iter().position(|&axis| axis + 1 == rank)
    };
    let position = last_of(roots[0].0)?;
    if roots.iter().any(|&(node, _)| last_of(node) != Some(position)) {
        return None;
    }
    let exprs: Vec<ExprId> = roots.iter().map(|&(_, expr)| expr).collect();
    let digits = split::digits(dag, &exprs, axes[position], extents[position]);
    let &last = digits.last()?;
    if last == 1 || (digits.len() > 1 && !last.is_multiple_of(LANES)) {
        return None;
    }
    let (vector, lane) = (dag.new_var(last.div_ceil(LANES)), dag.new_var(LANES));
    let mut value = Affine::var(vector).times(LANES as i64).plus(&Affine::var(lane));
    let mut weight = last;
    for &extent in digits.iter().rev().skip(1) {
        value = value.add_scaled(&Affine::var(dag.new_var(extent)), weight as i64);
        weight *= extent;
    }
    LaneAxis { axis: axes[position], value, lane }.fits(graph, dag, &exprs).then_some(position)
}

impl Sweep<'_> {
    /// Declares the loops, samples outermost, then axes row-major, and binds every axis to its value.
    fn loops(&mut self, b: &mut Builder, extents: &[usize], lanes: Option<(usize, Var)>) {
        let cx = self.em.cx;
        let sample = self.add(b, cx.batch(), LoopKind::Serial);
        self.em.batch = Some(BatchAt { chunk: Affine::default(), sample });
        self.know(BATCH);
        let ty = cx.graph.ty(self.roots[0].0);
        let order = Layout::order(ty.rank(), ty.shape.batch_axis());
        let mut positions: Vec<usize> = (0..extents.len()).collect();
        positions.sort_by_key(|&position| order[position]);
        let exprs: Vec<ExprId> = self.roots.iter().map(|&(_, expr)| expr).collect();
        for position in positions {
            let axis = self.axes[position];
            let digits = split::digits(&self.em.dag, &exprs, axis, extents[position]);
            let mut value = Affine::default();
            for (number, &extent) in digits.iter().enumerate() {
                let is_last = number + 1 == digits.len();
                let digit = match lanes.filter(|(lanes, _)| *lanes == position && is_last) {
                    Some((_, lane)) => {
                        let vector = self.add(b, extent.div_ceil(LANES), LoopKind::Serial);
                        vector.times(LANES as i64).plus(&Affine::var(lane))
                    }
                    None => {
                        let is_short = is_last && digits.len() > 1 && extent <= 4;
                        self.add(b, extent, if is_short { LoopKind::Unroll } else { LoopKind::Serial })
                    }
                };
                value = value.times(extent as i64).plus(&digit);
            }
            self.em.bind(axis, value);
            self.know(axis);
        }
    }

    /// Adds a loop inside the others; its variable, or 0 if there is one turn.
    fn add(&mut self, b: &mut Builder, extent: usize, kind: LoopKind) -> Affine {
        if extent == 1 {
            return Affine::default();
        }
        let var = b.var();
        self.em.ranges.insert(var, (0, extent as i64 - 1));
        self.levels.push(Level { var, extent, kind, known: Vec::new() });
        Affine::var(var)
    }

    /// Notes that an axis is known inside the loops so far.
    fn know(&mut self, axis: Var) {
        if let Some(level) = self.levels.last_mut() {
            level.known.push(axis);
        }
    }

    /// Loops from level `depth` inwards.
    fn level(&mut self, b: &mut Builder, depth: usize) {
        self.hoist(b, depth);
        let Some(&Level { var, extent, kind, .. }) = self.levels.get(depth) else { return self.point(b) };
        b.for_range(Range::new(var, extent), kind, |b| {
            self.em.open_scope();
            self.level(b, depth + 1);
            self.em.close_scope();
        });
    }

    /// Computes what does not depend on loops further in. An axis without a loop is known everywhere.
    fn hoist(&mut self, b: &mut Builder, depth: usize) {
        let later: Vec<Var> = self.levels[depth..].iter().flat_map(|level| level.known.iter().copied()).collect();
        let is_known = |var: Var| (var == BATCH || self.axes.contains(&var)) && !later.contains(&var);
        let exprs: Vec<ExprId> = self.roots.iter().map(|&(_, expr)| expr).collect();
        self.em.hoist(b, &exprs, &is_known, &no_join);
    }

    /// All results at one point; stores come last, as in a sweep over samples.
    fn point(&mut self, b: &mut Builder) {
        let roots = self.roots.clone();
        let values: Vec<_> = roots.iter().map(|&(_, expr)| self.em.emit(b, expr, &no_join)).collect();
        for (&(node, _), value) in roots.iter().zip(values) {
            let ty = self.em.cx.graph.ty(node);
            let order = Layout::order(ty.rank(), ty.shape.batch_axis());
            let mut index = vec![Affine::var(BATCH); ty.rank()];
            for (&axis, &var) in order.iter().zip(&self.axes) {
                index[axis] = Affine::var(var);
            }
            self.em.store(b, node, &index, value);
        }
    }
}
