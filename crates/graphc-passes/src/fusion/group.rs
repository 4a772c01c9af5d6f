//! Groups: which results one loop nest computes.
//!
//! Sweeps over the same index space are merged when the later one reads the earlier one's results only at the point
//! where both are, so that a value is still in a register when its reader needs it.
//!
//! A result joins the latest group that can take it, but none before the latest group that it reads from. It fits any
//! group of the same space that it does not read from, so those are kept by space, and only with the one group that
//! it reads from last is it tried: the work for a result does not depend on how many groups there are.
//!
//! A group of several results has limits ([`super::FusionOptions`]): what would exceed them begins another group, whose
//! inlined values are computed anew. Results have buffers, so that nothing else must be stored for that.

use super::cost::{Work, of_node, of_root};
use super::facts::Facts;
use super::reads::Reads;
use graphc_ir::form::Form;
use graphc_ir::graph::NodeId;
use graphc_ir::graph::plan::{Decision, FusionPlan, Group, GroupKind, Root};
use graphc_ir::index::{Affine, Var};
use graphc_ir::point::{ExprId, PointDag};
use graphc_ir::scalar::LANES;
use std::collections::{BTreeMap, BTreeSet};

/// At most this many partial results per sweep: each may have four accumulators, and all of them together take half
/// of 16 registers.
const MAX_PARTIALS: usize = 2;

/// Parts of a kernel, in the order they run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PhaseKind {
    Head,
    Chunk,
    Batch,
    Tail,
}

/// What one phase computes, group by group, as results are placed in order of the graph.
pub(super) struct Phase<'a> {
    facts: &'a Facts<'a>,
    stored: &'a BTreeSet<NodeId>,
    groups: Vec<Draft>,
    /// Sweeps that have room.
    open: BTreeMap<Points, BTreeSet<usize>>,
    /// The latest group of each result, and of each node that one is of.
    of_root: BTreeMap<Root, usize>,
    of_node: BTreeMap<NodeId, usize>,
    /// Results that begin another group as the one before has no room for them.
    cuts: Vec<Decision>,
    /// The nest of the group that was tried last, which is likely to be tried next.
    tried: Option<(usize, Nest<'a>)>,
}

struct Draft {
    kind: GroupKind,
    points: Points,
    roots: Vec<Root>,
    contents: Contents,
}

/// What a sweep computes, and how much that is.
#[derive(Clone, Default)]
struct Contents {
    /// With the longest chain of operations before each value.
    computed: BTreeMap<NodeId, usize>,
    work: Work,
    /// What it reads and writes.
    tensors: BTreeSet<NodeId>,
}

impl Contents {
    /// Adds `root`, which reads what `reads` says.
    fn add(&mut self, facts: &Facts<'_>, root: Root, reads: &Reads) {
        let mut inlined: Vec<NodeId> = reads.inlined.iter().copied().collect();
        inlined.sort_by_key(|&node| facts.position(node));
        inlined.into_iter().for_each(|node| self.compute(facts, node, of_node(facts, node)));
        self.compute(facts, root.node(), of_root(facts, root));
        self.tensors.extend(reads.loaded.iter().copied().chain([root.node()]));
    }

    /// Adds a value, unless it is there, whose operands were added before if they are computed here.
    fn compute(&mut self, facts: &Facts<'_>, node: NodeId, own: Work) {
        if self.computed.contains_key(&node) {
            return;
        }
        let operands = facts.operands(node).into_iter();
        let before = operands.filter_map(|operand| self.computed.get(&operand)).max().copied().unwrap_or(0);
        self.work = self.work.beside(Work { depth: before + own.depth, ..own });
        self.computed.insert(node, before + own.depth);
    }

    fn with(&self, facts: &Facts<'_>, root: Root, reads: &Reads) -> Contents {
        let mut with = self.clone();
        with.add(facts, root, reads);
        with
    }

    /// What is more than a group of several results may have, if anything is.
    fn excess(&self, facts: &Facts<'_>) -> Option<String> {
        let options = facts.options;
        let limits = [
            (self.work.n_operations, options.max_operations, "operations"),
            (self.work.depth, options.max_depth, "operations one after another"),
            (self.tensors.len(), options.max_tensors, "tensors"),
        ];
        let text = |(n, most, what)| format!("{n} {what}, more than {most}");
        limits.into_iter().find(|(n, most, _)| n > most).map(text)
    }
}

/// Where a sweep computes its results.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Points {
    extents: Vec<usize>,
    /// Whether it can be one flat sweep; asked of values without a batch, which have phases of their own.
    is_flat: Option<bool>,
}

impl<'a> Phase<'a> {
    /// A phase that computes nothing yet; `stored` are the nodes that have buffers.
    pub(super) fn new(facts: &'a Facts<'a>, stored: &'a BTreeSet<NodeId>) -> Phase<'a> {
        let (open, of_root, of_node) = Default::default();
        Phase { facts, stored, groups: Vec::new(), open, of_root, of_node, cuts: Vec::new(), tried: None }
    }

    /// Adds what is a group of its own.
    pub(super) fn place_alone(&mut self, kind: GroupKind, root: Root) {
        let extents = PointDag::space(self.facts.graph, self.facts.forms, root).extents;
        self.push(kind, Points { extents, is_flat: None }, root, &Reads::default());
    }

    /// Adds `root` to the latest sweep that can take it, or as a sweep of its own.
    pub(super) fn place(&mut self, root: Root) {
        let extents = PointDag::space(self.facts.graph, self.facts.forms, root).extents;
        let reads = Reads::of(self.facts, self.stored, &[root]);
        let sum = sum_needed(self.facts, self.stored, root).and_then(|sum| self.of_root.get(&sum));
        let read = reads.loaded.iter().filter_map(|node| self.of_node.get(node));
        let last_read = read.chain(sum).copied().max();
        let points = Points { is_flat: self.is_flat(root, &reads, &extents), extents };
        let latest = self.open.get(&points).and_then(BTreeSet::last).copied();
        let latest = latest.filter(|&group| self.fits_beside(group, root));
        let unread = latest.filter(|&group| last_read.is_none_or(|read| read < group));
        let group = unread.or_else(|| last_read.filter(|&group| self.can_take(group, &points.extents, root)));
        let with_root = |group: usize| self.groups[group].contents.with(self.facts, root, &reads);
        let excess = group.and_then(|group| with_root(group).excess(self.facts));
        match (group, excess) {
            (Some(group), None) => self.add(group, root, &reads),
            (_, excess) => {
                if excess.is_some() {
                    // It is among the results of the nest that was tried.
                    self.tried = None;
                }
                let cut = excess.map(|excess| format!("begins another sweep: with it there would be {excess}"));
                self.cuts.extend(cut.map(|text| Decision { node: root.node(), text }));
                self.push(GroupKind::Sweep, points, root, &reads);
            }
        }
    }

    /// Whether `root` by itself can be computed in one flat sweep; see [`Points`].
    fn is_flat(&self, root: Root, reads: &Reads, extents: &[usize]) -> Option<bool> {
        if self.facts.has_batch(root.node()) || !matches!(root, Root::Value(_)) {
            return None;
        }
        if reads.is_in_place {
            return Some(true);
        }
        let mut alone = Nest::new(self.facts, self.stored, extents);
        let value = alone.try_root(root);
        alone.is_flat(root, &[value])
    }

    fn push(&mut self, kind: GroupKind, points: Points, root: Root, reads: &Reads) {
        let group = self.groups.len();
        if kind == GroupKind::Sweep {
            self.open.entry(points.clone()).or_default().insert(group);
        }
        self.groups.push(Draft { kind, points, roots: Vec::new(), contents: Contents::default() });
        self.add(group, root, reads);
    }

    fn add(&mut self, group: usize, root: Root, reads: &Reads) {
        let draft = &mut self.groups[group];
        draft.contents.add(self.facts, root, reads);
        draft.roots.push(root);
        if draft.roots.len() == self.facts.options.max_roots {
            self.open.get_mut(&draft.points).map(|open| open.remove(&group));
        }
        self.of_root.insert(root, group);
        let latest = self.of_node.entry(root.node()).or_insert(group);
        *latest = group.max(*latest);
    }

    /// Whether the accumulators of a partial result would fit beside those of a group, and `root` goes through its
    /// points in the order of the group's.
    fn fits_beside(&self, group: usize, root: Root) -> bool {
        let roots = &self.groups[group].roots;
        let is_partial = |root: &Root| !matches!(root, Root::Value(_));
        let n_partials = roots.iter().filter(|root| is_partial(root)).count();
        // Sums go in the order of their axes, and digits that choose joint pieces are innermost.
        let joint = |root: &Root| self.facts.forms[&root.node()].as_point().map(|form| &form.joint[..]).unwrap_or(&[]);
        let (own, mut others) = (joint(&root), roots.iter().map(joint).filter(|digits| !digits.is_empty()));
        match own {
            [] if is_partial(&root) => n_partials < MAX_PARTIALS && others.next().is_none(),
            [] => true,
            own => n_partials == 0 && others.all(|digits| digits == own),
        }
    }

    /// Whether `root`, which reads results of a group, can be computed at the same points as these.
    fn can_take(&mut self, group: usize, extents: &[usize], root: Root) -> bool {
        let Draft { kind, points, roots, .. } = &self.groups[group];
        let has_room =
            *kind == GroupKind::Sweep && self.fits_beside(group, root) && roots.len() < self.facts.options.max_roots;
        let is_summed_here = sum_needed(self.facts, self.stored, root).is_some_and(|sum| roots.contains(&sum));
        if !has_room || points.extents != extents || is_summed_here {
            return false;
        }
        let tried = self.tried.take().filter(|(known, _)| *known == group);
        let mut nest = tried.map_or_else(|| Nest::new(self.facts, self.stored, extents), |(_, nest)| nest);
        for &earlier in &roots[nest.values.len()..] {
            let value = nest.try_root(earlier);
            nest.keep(earlier, value);
        }
        let value = nest.try_root(root);
        // A result of these that is read as a load is read at some other point.
        let is_elsewhere = nest.reads(value).any(|node| roots.iter().any(|root| root.node() == node));
        let are_flat = [nest.is_flat(root, &[value]), nest.is_flat(root, &nest.values)];
        let is_alike = are_flat[0] == are_flat[1] || (are_flat == [Some(true), Some(false)] && nest.is_of_rows());
        let fits = !is_elsewhere && is_alike;
        if fits {
            nest.keep(root, value);
        }
        self.tried = Some((group, nest));
        fits
    }

    /// Why groups end where others could go on.
    pub(super) fn take_cuts(&mut self) -> Vec<Decision> {
        std::mem::take(&mut self.cuts)
    }

    /// The finished groups; names follow later.
    pub(super) fn into_groups(self) -> Vec<Group> {
        let group =
            |draft: Draft| Group { name: String::new(), kind: draft.kind, roots: draft.roots, inlined: Vec::new() };
        self.groups.into_iter().map(group).collect()
    }
}

/// The expressions of a sweep.
struct Nest<'a> {
    facts: &'a Facts<'a>,
    dag: PointDag<'a>,
    /// The first variables of the dag.
    vars: Vec<Affine>,
    /// Those of the results that are kept.
    values: Vec<ExprId>,
}

impl<'a> Nest<'a> {
    fn new(facts: &'a Facts<'a>, stored: &'a BTreeSet<NodeId>, extents: &[usize]) -> Nest<'a> {
        let mut dag = PointDag::new(facts.graph, facts.forms, stored);
        let vars = extents.iter().map(|&extent| Affine::var(dag.new_var(extent))).collect();
        Nest { facts, dag, vars, values: Vec::new() }
    }

    /// What `root` would be here.
    fn try_root(&mut self, root: Root) -> ExprId {
        self.dag.root_alone(root, &self.vars)
    }

    /// Lets `root` be a result; those that come later find it in a register.
    fn keep(&mut self, root: Root, value: ExprId) {
        self.dag.give_root(root, &self.vars, value);
        self.values.push(value);
    }

    /// Nodes that a value loads.
    fn reads(&self, value: ExprId) -> impl Iterator<Item = NodeId> {
        self.dag.loads(&[value]).into_iter().map(|(node, _)| node)
    }

    /// Whether the last axis is whole vectors of neighbours, which everything read along it follows.
    fn is_of_rows(&self) -> bool {
        let Some((last, _)) = self.vars.split_last() else { return false };
        let Some(var) = last.as_var() else { return false };
        let is_row = |index: &[Affine]| {
            let (end, others) = index.split_last().map_or((None, index), |(end, others)| (Some(end), others));
            end.is_none_or(|end| end == last || !end.uses(var)) && !others.iter().any(|i| i.uses(var))
        };
        let n_last = self.dag.var_range(var).1 as usize + 1;
        n_last.is_multiple_of(LANES) && self.dag.loads(&self.values).into_iter().all(|(_, index)| is_row(index))
    }

    /// Whether values at the points of `root`, if that is one without a batch, can be computed in one flat sweep.
    fn is_flat(&self, root: Root, values: &[ExprId]) -> Option<bool> {
        let Root::Value(node) = root else { return None };
        if self.facts.has_batch(node) {
            return None;
        }
        let sizes = self.facts.graph.sizes(node);
        let axes: Vec<Affine> = (0..sizes.len() as u32).map(|i| Affine::var(Var(i))).collect();
        Some(self.dag.is_flat(values, &axes, &sizes))
    }
}

/// The sums whose mean a sum of squared deviations is about; they must be complete before it.
fn sum_needed(Facts { graph, forms, .. }: &Facts<'_>, stored: &BTreeSet<NodeId>, root: Root) -> Option<Root> {
    let Root::PartialDeviations(node) = root else { return None };
    let Form::Variance { axes } = &forms[&node] else { return None };
    Some(FusionPlan::sum_source(graph, forms, stored, node, axes))
}
