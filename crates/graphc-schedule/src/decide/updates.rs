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
use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};

/// A sweep behind the gradients of its kernel, and what there is when they are computed.
pub(crate) struct Sweep<'a> {
    pub(crate) kernel: &'a KernelPlan,
    pub(crate) group: &'a Group,
    /// Values that are computed before the gradients.
    pub(crate) known: &'a BTreeSet<NodeId>,
    /// Those of the kernel, if it was asked for them.
    pub(crate) readers: &'a OnceCell<Readers>,
}

/// How many groups of a kernel, from its gradients on, read each node.
#[derive(Debug, Default)]
pub(crate) struct Readers(BTreeMap<NodeId, usize>);

impl Readers {
    /// Those of a kernel.
    fn of(problem: &Problem<'_>, kernel: &KernelPlan) -> Readers {
        let mut readers = Readers::default();
        for group in kernel.batch.iter().chain(&kernel.tail) {
            for node in Reads::of(problem.graph, problem.forms, problem.fusion, group).nodes {
                *readers.0.entry(node).or_default() += 1;
            }
        }
        readers
    }
}

/// What the results of a sweep are made of, as far as sums over the batch go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum MadeOf {
    None,
    One(NodeId),
    Several,
}

impl MadeOf {
    fn and(self, other: MadeOf) -> MadeOf {
        match (self, other) {
            (MadeOf::None, made_of) | (made_of, MadeOf::None) => made_of,
            (one, other) if one == other => one,
            _ => MadeOf::Several,
        }
    }
}

/// The results of a sweep at one point.
struct Points<'a> {
    dag: PointDag<'a>,
    /// For each result.
    exprs: Vec<ExprId>,
    /// For each expression.
    made_of: Vec<MadeOf>,
    /// For every node that is loaded, whose results load it; none's if they are made of no sum.
    loaded_for: BTreeMap<NodeId, MadeOf>,
}

impl<'a> Points<'a> {
    /// The results of a group; `None` if some of them are no values of their own place alone.
    fn of(problem: &Problem<'a>, group: &Group) -> Option<Points<'a>> {
        let mut dag = PointDag::new(problem.graph, problem.forms, &problem.fusion.stored);
        let extents = PointDag::space(problem.graph, problem.forms, group.roots[0]).extents;
        let (axes, exprs) = define(&mut dag, &extents, &group.roots);
        let point: Vec<Affine> = axes.into_iter().map(Affine::var).collect();
        if !dag.is_flat(&exprs, &point, &extents) {
            return None;
        }
        // Expressions come behind what they are made of.
        let mut made_of: Vec<MadeOf> = Vec::with_capacity(dag.len());
        for id in (0..dag.len() as u32).map(ExprId) {
            let children = dag.children(id).into_iter().map(|child| made_of[child.0 as usize]);
            made_of.push(match dag.expr(id) {
                PointExpr::Joined(node) => MadeOf::One(*node),
                _ => children.fold(MadeOf::None, MadeOf::and),
            });
        }
        let mut points = Points { dag, exprs, made_of, loaded_for: BTreeMap::new() };
        for &expr in &points.exprs {
            let result = points.made_of[expr.0 as usize];
            for node in points.loads(expr) {
                let before = points.loaded_for.insert(node, result);
                if before.is_some_and(|before| before != result) {
                    points.loaded_for.insert(node, MadeOf::Several);
                }
            }
        }
        Some(points)
    }

    /// What a result loads.
    fn loads(&self, result: ExprId) -> BTreeSet<NodeId> {
        let (mut loads, mut seen, mut left) = (BTreeSet::new(), BTreeSet::new(), vec![result]);
        while let Some(id) = left.pop() {
            if seen.insert(id.0) {
                if let PointExpr::Load { node, .. } = self.dag.expr(id) {
                    loads.insert(*node);
                }
                left.extend(self.dag.children(id));
            }
        }
        loads
    }

    /// Positions of the results that are made of each sum alone. Sums that share a result are left out.
    fn by_sum(&self) -> BTreeMap<NodeId, Vec<usize>> {
        let mut by_sum: BTreeMap<NodeId, Vec<usize>> = BTreeMap::new();
        let mut shared = BTreeSet::new();
        for (position, &expr) in self.exprs.iter().enumerate() {
            match self.made_of[expr.0 as usize] {
                MadeOf::None => {}
                MadeOf::One(sum) => by_sum.entry(sum).or_default().push(position),
                MadeOf::Several => {
                    let reached = self.dag.reachable(&[expr]);
                    shared.extend(reached.into_iter().filter_map(|id| match self.dag.expr(id) {
                        PointExpr::Joined(node) => Some(*node),
                        _ => None,
                    }));
                }
            }
        }
        by_sum.retain(|sum, _| !shared.contains(sum));
        by_sum
    }
}

/// Whether a stored value is read by others than these nodes: in a node of these that has no place of its own, which
/// others compute again where they need it, too.
fn is_read_outside(problem: &Problem<'_>, nodes: &BTreeSet<NodeId>, node: NodeId) -> bool {
    let graph = problem.graph;
    let passes_on =
        |reader: NodeId| !problem.fusion.stored.contains(&reader) && is_read_outside(problem, nodes, reader);
    graph.outputs.name(node)
        || graph.updates.of_value(node).next().is_some()
        || problem.readers[&node].iter().any(|reader| !nodes.contains(reader) || passes_on(*reader))
}

impl Sweep<'_> {
    /// Lets gradients take along what they can; what is left is a sweep by itself.
    pub(crate) fn share_out(&self, problem: &Problem<'_>, gradients: Vec<&mut ContractionPlan>) -> Option<Group> {
        let group = self.group;
        let values: BTreeSet<Root> = group.roots.iter().copied().collect();
        let is_possible =
            |gradient: &&mut ContractionPlan| leaves_sums(gradient) && values.contains(&Root::Value(gradient.node));
        let mut gradients = gradients.into_iter().filter(is_possible).peekable();
        if gradients.peek().is_none() {
            return Some(group.clone());
        }
        let Some(points) = Points::of(problem, group) else { return Some(group.clone()) };
        let by_sum = points.by_sum();
        let mut taken: BTreeSet<Root> = BTreeSet::new();
        for gradient in gradients {
            let Some(positions) = by_sum.get(&gradient.node) else { continue };
            let roots: Vec<Root> = positions.iter().map(|&position| group.roots[position]).collect();
            let words = ["updates with their gradients", "updates by themselves"];
            // With few samples it saves a sweep with a phase of its own.
            let pays = gradient.waits_for_results || gradient.batch == Batch::SummedRows;
            if self.may_be_early(problem, &points, (gradient.node, positions))
                && problem.chooser.is_wanted(gradient.node, Aspect::Update, pays, words)
            {
                taken.extend(&roots);
                self.give(problem, gradient, roots);
            }
        }
        let left: Vec<Root> = group.roots.iter().filter(|root| !taken.contains(root)).copied().collect();
        (!left.is_empty()).then(|| group.part(problem.graph, left))
    }

    /// Whether the results at some positions, which are made of a gradient, may be computed as early as it is.
    fn may_be_early(
        &self,
        problem: &Problem<'_>,
        points: &Points<'_>,
        (gradient, positions): (NodeId, &[usize]),
    ) -> bool {
        let is_known = |node: NodeId| matches!(problem.forms[&node], Form::Leaf) || self.known.contains(&node);
        let readers = self.readers.get_or_init(|| Readers::of(problem, self.kernel));
        // Of what other groups and other results still read, nothing is overwritten.
        let is_read_by_others = |node: NodeId| {
            let here = points.loaded_for.get(&node);
            let n_readers = readers.0.get(&node).copied().unwrap_or(0);
            n_readers > usize::from(here.is_some()) || here.is_some_and(|&result| result != MadeOf::One(gradient))
        };
        positions.iter().all(|&position| {
            let updates = problem.graph.updates.of_value(self.group.roots[position].node());
            let mut overwritten = updates.map(|update| update.parameter);
            !overwritten.any(is_read_by_others) && points.loads(points.exprs[position]).into_iter().all(is_known)
        })
    }

    fn give(&self, problem: &Problem<'_>, gradient: &mut ContractionPlan, roots: Vec<Root>) {
        let graph = problem.graph;
        let part = self.group.part(graph, roots);
        let nodes: BTreeSet<NodeId> = part.nodes().into_iter().chain(gradient.nodes.iter().copied()).collect();
        let is_read = |node: NodeId| is_read_outside(problem, &nodes, node);
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
