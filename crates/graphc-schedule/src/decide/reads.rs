//! What a group of the fusion plan reads.

use crate::decide::scatter::Scattered;
use graphc_ir::form::Forms;
use graphc_ir::graph::plan::{FusionPlan, Group, GroupKind, Root};
use graphc_ir::graph::{Graph, NodeId};
use graphc_ir::index::Affine;
use graphc_ir::point::{ExprId, PointDag};
use std::collections::BTreeSet;

/// What the nest of a group reads.
pub(crate) struct Reads {
    /// Nodes whose buffers it reads.
    pub(crate) nodes: BTreeSet<NodeId>,
    /// Those of them of which each point of a sweep without a batch reads the element in its own place alone.
    pub(crate) in_place: BTreeSet<NodeId>,
}

impl Reads {
    /// Of one group.
    pub(crate) fn of(graph: &Graph, forms: &Forms, plan: &FusionPlan, group: &Group) -> Reads {
        match group.kind {
            GroupKind::Contraction => {
                let nodes = group.nodes().into_iter().flat_map(|node| forms.operands(graph, node)).collect();
                Reads { nodes, in_place: BTreeSet::new() }
            }
            GroupKind::Sweep => Reads::of_sweep(graph, forms, plan, group),
            GroupKind::Ordered => Reads::of_ordered(graph, forms, plan, group),
        }
    }

    fn of_ordered(graph: &Graph, forms: &Forms, plan: &FusionPlan, group: &Group) -> Reads {
        let node = group.roots[0].node();
        match Scattered::of(graph, forms, &plan.stored, node) {
            Some(Scattered { dag, term, .. }) => {
                let nodes = dag.loads(&[term]).into_iter().map(|(node, _)| node);
                Reads { nodes: nodes.collect(), in_place: BTreeSet::new() }
            }
            None => Reads { in_place: BTreeSet::new(), ..Reads::of_sweep(graph, forms, plan, group) },
        }
    }

    fn of_sweep(graph: &Graph, forms: &Forms, plan: &FusionPlan, group: &Group) -> Reads {
        let mut dag = PointDag::new(graph, forms, &plan.stored);
        let space = PointDag::space(graph, forms, group.roots[0]);
        let axes: Vec<Affine> = space.extents.iter().map(|&extent| Affine::var(dag.new_var(extent))).collect();
        let exprs: Vec<ExprId> = group.roots.iter().map(|&root| dag.root(root, &axes)).collect();
        let has_no_batch =
            |root: &Root| matches!(root, Root::Value(node) if graph.ty(*node).shape.batch_axis().is_none());
        let loads = dag.loads(&exprs);
        let nodes: BTreeSet<NodeId> = loads.iter().map(|(node, _)| *node).collect();
        let axes: Vec<Affine> = axes.iter().map(|axis| dag.simplified_one(axis)).collect();
        let is_elsewhere = |(node, index): &&(NodeId, &[Affine])| {
            graph.sizes(*node).iter().any(|&size| size > 1) && (*index != axes || graph.sizes(*node) != space.extents)
        };
        let elsewhere: BTreeSet<NodeId> = loads.iter().filter(is_elsewhere).map(|(node, _)| *node).collect();
        let is_alone = group.roots.iter().all(has_no_batch);
        let in_place = nodes.iter().copied().filter(|node| is_alone && !elsewhere.contains(node)).collect();
        Reads { nodes, in_place }
    }
}
