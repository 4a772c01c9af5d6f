//! Updates that gradients take along.
//!
//! The update of a parameter reads its gradient element by element. A gradient whose tiles leave whole sums, no partial
//! results, can do the update on the sums in their registers: then the gradient is neither written nor read again,
//! which for a large dense layer is as much traffic as the parameter itself. What an update computes, and in which
//! order, stays as it is.
//!
//! That is earlier in the step than the sweep that makes the updates otherwise. So nothing that still runs before
//! that sweep may read what the update overwrites, and the update may read nothing that is computed later.

use crate::decide::choices::Aspect;
use crate::decide::contraction::epilogue::Update;
use crate::decide::contraction::{Batch, ContractionPlan, Lanes};
use crate::decide::problem::Problem;
use crate::decide::reads::Reads;
use crate::decide::sweep::nest::define;
use graphc_ir::NodeId;
use graphc_ir::form::Form;
use graphc_ir::graph::plan::{Group, KernelPlan, Root};
use graphc_ir::index::Affine;
use graphc_ir::point::{ExprId, PointDag, PointExpr};
use std::collections::BTreeSet;

/// A sweep behind the gradients of its kernel, and what there is when they are computed.
pub(crate) struct Sweep<'a> {
    pub(crate) kernel: &'a KernelPlan,
    pub(crate) group: &'a Group,
    /// Values that are computed before the gradients.
    pub(crate) known: &'a BTreeSet<NodeId>,
}

/// The results of a sweep at one point.
struct Points<'a> {
    dag: PointDag<'a>,
    exprs: Vec<ExprId>,
}

impl Points<'_> {
    /// Sums over the batch that some results are made of.
    fn joins(&self, exprs: &[ExprId]) -> BTreeSet<NodeId> {
        let joined = |id: ExprId| match self.dag.expr(id) {
            PointExpr::Joined(node) => Some(*node),
            _ => None,
        };
        self.dag.reachable(exprs).into_iter().filter_map(joined).collect()
    }

    /// What some results are read from.
    fn loads(&self, exprs: &[ExprId]) -> BTreeSet<NodeId> {
        self.dag.loads(exprs).into_iter().map(|(node, _)| node).collect()
    }
}

impl Sweep<'_> {
    /// Lets gradients take along what they can; what is left is a sweep by itself.
    pub(crate) fn share_out(&self, problem: &Problem<'_>, gradients: Vec<&mut ContractionPlan>) -> Option<Group> {
        let group = self.group;
        let is_possible = |gradient: &&mut ContractionPlan| {
            leaves_sums(gradient) && group.roots.contains(&Root::Value(gradient.node))
        };
        let mut gradients = gradients.into_iter().filter(is_possible).peekable();
        if gradients.peek().is_none() {
            return Some(group.clone());
        }
        let mut dag = PointDag::new(problem.graph, problem.forms, &problem.fusion.stored);
        let extents = PointDag::space(problem.graph, problem.forms, group.roots[0]).extents;
        let (axes, exprs) = define(&mut dag, &extents, &group.roots);
        let point: Vec<Affine> = axes.into_iter().map(Affine::var).collect();
        let is_flat = dag.is_flat(&exprs, &point, &extents);
        let points = Points { dag, exprs };
        let mut left = group.roots.clone();
        for gradient in gradients.filter(|_| is_flat) {
            let Some(roots) = self.roots_of(problem, &points, gradient.node) else { continue };
            let words = ["updates with their gradients", "updates by themselves"];
            // With few samples it saves a sweep with a phase of its own.
            let pays = gradient.waits_for_results || gradient.batch == Batch::SummedRows;
            if problem.chooser.is_wanted(gradient.node, Aspect::Update, pays, words) {
                left.retain(|root| !roots.contains(root));
                self.give(problem, gradient, roots);
            }
        }
        (!left.is_empty()).then(|| group.part(problem.graph, left))
    }

    /// The results that are made of one gradient, if it can take them along.
    fn roots_of(&self, problem: &Problem<'_>, points: &Points<'_>, gradient: NodeId) -> Option<Vec<Root>> {
        let all = || self.group.roots.iter().zip(&points.exprs);
        let is_made_of_it = |expr: &ExprId| points.joins(&[*expr]).contains(&gradient);
        let (mine, others): (Vec<_>, Vec<_>) = all().partition(|(_, expr)| is_made_of_it(expr));
        let exprs: Vec<ExprId> = mine.iter().map(|(_, expr)| **expr).collect();
        let is_leaf = |node: &NodeId| matches!(problem.forms[node], Form::Leaf);
        let is_known = |node: &NodeId| is_leaf(node) || self.known.contains(node);
        let reads_what_there_is = points.loads(&exprs).iter().all(is_known);
        let is_alone = points.joins(&exprs).len() == 1;
        let overwritten = |root: &Root| problem.graph.updates.of_value(root.node()).map(|update| update.parameter);
        let overwritten: BTreeSet<NodeId> = mine.iter().flat_map(|(root, _)| overwritten(root)).collect();
        let others: Vec<ExprId> = others.iter().map(|(_, expr)| **expr).collect();
        let mut later = points.loads(&others);
        let groups = self.kernel.batch.iter().chain(&self.kernel.tail).filter(|&group| group != self.group);
        for group in groups {
            later.extend(Reads::of(problem.graph, problem.forms, problem.fusion, group).nodes);
        }
        let roots = mine.iter().map(|(root, _)| **root).collect();
        (reads_what_there_is && is_alone && later.is_disjoint(&overwritten)).then_some(roots)
    }

    fn give(&self, problem: &Problem<'_>, gradient: &mut ContractionPlan, roots: Vec<Root>) {
        let graph = problem.graph;
        let part = self.group.part(graph, roots);
        let nodes: BTreeSet<NodeId> = part.nodes().into_iter().chain(gradient.nodes.iter().copied()).collect();
        let is_read = |node: NodeId| {
            graph.outputs.name(node)
                || graph.updates.of_value(node).next().is_some()
                || graph.users(node).into_iter().any(|user| !nodes.contains(&user))
        };
        let stored = part.roots.iter().map(|root| root.node()).filter(|&node| is_read(node)).collect();
        gradient.name = part.name;
        gradient.nodes = nodes.into_iter().collect();
        gradient.update = Some(Update { roots: part.roots, stored });
    }
}

/// Whether the tiles of a gradient leave whole sums, of each output once.
fn leaves_sums(gradient: &ContractionPlan) -> bool {
    let is_summed = match gradient.batch {
        Batch::Summed(_) => !gradient.shares_groups(),
        Batch::SummedRows => true,
        Batch::None | Batch::Chunks { .. } | Batch::Rows => false,
    };
    let once = gradient.loops.iter().all(|walk| walk.tail.is_none());
    is_summed && once && matches!(gradient.lanes, Lanes::Axis(_))
}
