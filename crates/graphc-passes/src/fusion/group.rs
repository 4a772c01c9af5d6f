//! Groups: which results one loop nest computes.
//!
//! Sweeps over the same index space are merged when the later one reads the earlier one's results only at the point
//! where both are, so that a value is still in a register when its reader needs it.
//!
//! A result joins the latest group that can take it, but none before the latest group that it reads from. It fits any
//! group of the same space that it does not read from, so those are kept by space, and only with the one group that it
//! reads from last is it tried: the work for a result does not depend on how many groups there are.

use super::facts::Facts;
use graphc_ir::form::Form;
use graphc_ir::graph::NodeId;
use graphc_ir::graph::plan::{FusionPlan, Group, GroupKind, Root};
use graphc_ir::index::{Affine, Var};
use graphc_ir::point::{ExprId, PointDag};
use std::collections::{BTreeMap, BTreeSet};

/// At most this many results per sweep, so that a nest's values fit into registers.
const MAX_ROOTS: usize = 10;

/// Parts of a kernel, in the order they run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PhaseKind {
    Head,
    Chunk,
    Batch,
    Tail,
}

/// What one phase computes, group by group, as results are placed in order of the graph.
#[derive(Default)]
pub(super) struct Phase {
    groups: Vec<Draft>,
    /// Sweeps that have room.
    open: BTreeMap<Points, BTreeSet<usize>>,
    /// The latest group of each result, and of each node that one is of.
    of_root: BTreeMap<Root, usize>,
    of_node: BTreeMap<NodeId, usize>,
}

struct Draft {
    kind: GroupKind,
    points: Points,
    roots: Vec<Root>,
}

/// Where a sweep computes its results.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Points {
    extents: Vec<usize>,
    /// Whether it can be one flat sweep; asked of values without a batch, which have phases of their own.
    is_flat: Option<bool>,
}

impl Phase {
    /// Adds a contraction, a group of its own.
    pub(super) fn place_contraction(&mut self, facts: &Facts<'_>, root: Root) {
        let extents = PointDag::space(facts.graph, facts.forms, root).extents;
        self.push(GroupKind::Contraction, Points { extents, is_flat: None }, root);
    }

    /// Adds `root` to the latest sweep that can take it, or as a sweep of its own.
    pub(super) fn place(&mut self, facts: &Facts<'_>, stored: &BTreeSet<NodeId>, root: Root) {
        let (points, reads) = alone(facts, stored, root);
        let sum = sum_needed(facts, stored, root).and_then(|sum| self.of_root.get(&sum));
        let last_read = reads.iter().filter_map(|node| self.of_node.get(node)).chain(sum).copied().max();
        let latest = self.open.get(&points).and_then(BTreeSet::last).copied();
        let unread = latest.filter(|&group| last_read.is_none_or(|read| read < group));
        let can_take = |&group: &usize| self.groups[group].can_take(facts, stored, &points.extents, root);
        match unread.or_else(|| last_read.filter(can_take)) {
            Some(group) => self.add(group, root),
            None => self.push(GroupKind::Sweep, points, root),
        }
    }

    fn push(&mut self, kind: GroupKind, points: Points, root: Root) {
        let group = self.groups.len();
        if kind == GroupKind::Sweep {
            self.open.entry(points.clone()).or_default().insert(group);
        }
        self.groups.push(Draft { kind, points, roots: Vec::new() });
        self.add(group, root);
    }

    fn add(&mut self, group: usize, root: Root) {
        let draft = &mut self.groups[group];
        draft.roots.push(root);
        if draft.roots.len() == MAX_ROOTS {
            self.open.get_mut(&draft.points).expect("a sweep with room is open").remove(&group);
        }
        self.of_root.insert(root, group);
        let latest = self.of_node.entry(root.node()).or_insert(group);
        *latest = group.max(*latest);
    }

    /// The finished groups; names follow later.
    pub(super) fn into_groups(self) -> Vec<Group> {
        let group =
            |draft: Draft| Group { name: String::new(), kind: draft.kind, roots: draft.roots, inlined: Vec::new() };
        self.groups.into_iter().map(group).collect()
    }
}

impl Draft {
    /// Whether `root` can be computed at the same points as these, which precede it and which it reads.
    fn can_take(&self, facts: &Facts<'_>, stored: &BTreeSet<NodeId>, extents: &[usize], root: Root) -> bool {
        let has_room = self.kind == GroupKind::Sweep && self.roots.len() < MAX_ROOTS;
        let is_summed_here = sum_needed(facts, stored, root).is_some_and(|sum| self.roots.contains(&sum));
        if !has_room || self.points.extents != extents || is_summed_here {
            return false;
        }
        let mut dag = PointDag::new(facts.graph, facts.forms, stored);
        let roots: Vec<Root> = self.roots.iter().copied().chain([root]).collect();
        let values = define(&mut dag, facts, &roots);
        let (own, earlier) = values.split_last().expect("`root` has a value");
        // A result of these that is read as a load is read at some other point.
        let is_elsewhere =
            dag.loads(&[*own]).iter().any(|(node, _)| self.roots.iter().any(|root| root.node() == *node));
        !is_elsewhere && is_flat(&dag, facts, root, &[*own]) == is_flat(&dag, facts, root, earlier)
    }
}

/// Where `root` is computed if nothing else is, and the stored nodes that it then reads.
fn alone(facts: &Facts<'_>, stored: &BTreeSet<NodeId>, root: Root) -> (Points, BTreeSet<NodeId>) {
    let mut dag = PointDag::new(facts.graph, facts.forms, stored);
    let value = define(&mut dag, facts, &[root])[0];
    let extents = PointDag::space(facts.graph, facts.forms, root).extents;
    let reads = dag.loads(&[value]).into_iter().map(|(node, _)| node).collect();
    (Points { extents, is_flat: is_flat(&dag, facts, root, &[value]) }, reads)
}

/// Whether values at the points of `root`, if that is one without a batch, can be computed in one flat sweep.
fn is_flat(dag: &PointDag<'_>, facts: &Facts<'_>, root: Root, values: &[ExprId]) -> Option<bool> {
    let Root::Value(node) = root else { return None };
    if facts.has_batch(node) {
        return None;
    }
    let sizes = facts.graph.sizes(node);
    let axes: Vec<Affine> = (0..sizes.len() as u32).map(|i| Affine::var(Var(i))).collect();
    Some(dag.is_flat(values, &axes, &sizes))
}

/// Defines roots over one space; its variables are the first of the dag.
fn define(dag: &mut PointDag<'_>, facts: &Facts<'_>, roots: &[Root]) -> Vec<ExprId> {
    let space = PointDag::space(facts.graph, facts.forms, roots[0]);
    let vars: Vec<Affine> = space.extents.iter().map(|&extent| Affine::var(dag.new_var(extent))).collect();
    roots.iter().map(|&root| dag.root(root, &vars)).collect()
}

/// The sums whose mean a sum of squared deviations is about; they must be complete before it.
fn sum_needed(Facts { graph, forms, .. }: &Facts<'_>, stored: &BTreeSet<NodeId>, root: Root) -> Option<Root> {
    let Root::PartialDeviations(node) = root else { return None };
    let Form::Variance { axes } = &forms[&node] else { return None };
    Some(FusionPlan::sum_source(graph, forms, stored, node, axes))
}
