//! Which contractions can have features as lanes, and where their vectors come from.
//!
//! The last output axis is the lanes: eight neighbouring channels of a convolution or units of a dense layer. The
//! factor that moves along it is loaded as vectors, from packed weights or, if it is a tensor of the batch itself, from
//! its rows; the other factor must not move along it and is a splat.

use crate::decide::lane_axis::LaneAxis;
use graphc_ir::NodeId;
use graphc_ir::compute::LoadIndex;
use graphc_ir::form::{Forms, PointForm};
use graphc_ir::graph::Graph;
use graphc_ir::graph::plan::{FusionPlan, Group};
use graphc_ir::index::{Affine, Var};
use graphc_ir::point::{ExprId, PointDag, PointExpr};
use graphc_ir::scalar::LANES;

/// A contraction whose lanes are features.
pub(crate) struct Contraction<'a> {
    pub(super) node: NodeId,
    pub(super) form: &'a PointForm,
    /// What is loaded as vectors.
    pub(super) vectors: Vectors,
    /// Whether that is the first factor.
    pub(super) vectors_first: bool,
}

/// Where a contraction's vectors come from.
pub(super) enum Vectors {
    /// Weights, by way of a packed copy; their index over axes and reductions.
    Weights { node: NodeId, index: Vec<Affine> },
    /// The rows of a batch tensor.
    Rows,
}

impl<'a> Contraction<'a> {
    /// The contraction of a group, if its lanes can be features.
    pub(crate) fn of(graph: &Graph, forms: &'a Forms, plan: &FusionPlan, group: &Group) -> Option<Contraction<'a>> {
        let (end, node) = (group.roots[0].node(), group.contraction(forms));
        let form = forms[&node].as_point()?;
        let contraction = form.as_contraction()?;
        let last = form.extents.len().checked_sub(1)?;
        if form.batch_axis == Some(last) || form.extents[last] == 1 {
            return None;
        }
        let lane = Var(last as u32);
        let moves = |index: &[LoadIndex]| index.iter().any(|i| i.value.uses(lane));
        let bounds = form.reds.iter().flat_map(|red| red.low.iter().chain(&red.high));
        if bounds.into_iter().any(|bound| bound.uses(lane)) {
            return None;
        }
        let (vectors_first, (slot, index)) = match [moves(contraction.a.1), moves(contraction.b.1)] {
            [true, false] => (true, contraction.a),
            [false, true] => (false, contraction.b),
            _ => return None,
        };
        let operand = graph.operands(node)[slot];
        let mut dag = PointDag::new(graph, forms, &plan.stored);
        axes(&mut dag, form);
        let lanes = lane_axis(&mut dag, form);
        let is_term = |var: Var| var == lane || form.reds.iter().any(|red| red.var == var);
        let uses_terms_only = |i: &LoadIndex| {
            let mut all = i.value.is_affine();
            i.value.for_each_var(&mut |var| all &= is_term(var));
            all
        };
        let vectors = if graph.ty(operand).shape.batch_axis().is_none() && index.iter().all(uses_terms_only) {
            Vectors::Weights { node: operand, index: index.iter().map(|i| i.value.clone()).collect() }
        } else {
            let (last, others) = index.split_last()?;
            let size = graph.sizes(operand).last().copied();
            let is_row =
                last.value.as_var() == Some(lane) && graph.ty(operand).shape.batch_axis() != Some(others.len());
            if !is_row || others.iter().any(|i| i.value.uses(lane)) || !lanes.reads(&dag, &last.value, size) {
                return None;
            }
            Vectors::Rows
        };
        let (_, value) = epilogue(&mut dag, form, node, end);
        lanes.fits(graph, &dag, &[value]).then_some(Contraction { node, form, vectors, vectors_first })
    }

    /// The output axis whose coordinates are lanes.
    pub(super) fn lane_axis(&self) -> Var {
        Var(self.form.extents.len() as u32 - 1)
    }

    /// Its extent.
    pub(super) fn n_features(&self) -> usize {
        self.form.extents[self.form.extents.len() - 1]
    }
}

/// Declares the axes and reductions of a form as variables of a fresh dag, under the same numbers.
pub(super) fn axes(dag: &mut PointDag<'_>, form: &PointForm) {
    for extent in form.extents.iter().copied().chain(form.reds.iter().map(|red| red.extent)) {
        dag.new_var(extent);
    }
}

fn lane_axis(dag: &mut PointDag<'_>, form: &PointForm) -> LaneAxis {
    let last = form.extents.len() - 1;
    let (vector, lane) = (dag.new_var(form.extents[last].div_ceil(LANES)), dag.new_var(LANES));
    let value = Affine::var(vector).times(LANES as i64).plus(&Affine::var(lane));
    LaneAxis { axis: Var(last as u32), value, lane }
}

/// The result of a contraction and the value at the end of its epilogue, at the contraction's axes.
pub(super) fn epilogue(dag: &mut PointDag<'_>, form: &PointForm, node: NodeId, end: NodeId) -> (ExprId, ExprId) {
    let axes: Vec<Affine> = (0..form.extents.len() as u32).map(|axis| Affine::var(Var(axis))).collect();
    let result = dag.intern(PointExpr::Joined(node));
    if end == node {
        return (result, result);
    }
    let own = dag.own_index(node, &axes);
    dag.give(node, own, result);
    let index = dag.own_index(end, &axes);
    (result, dag.define(end, index))
}
