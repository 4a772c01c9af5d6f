//! Groups: which results one loop nest computes.
//!
//! A contraction takes the elementwise chain behind it as its epilogue. Sweeps over the same index
//! space are merged when the later one reads the earlier one's results only at the point where
//! both are, so that a value is still in a register when its reader needs it.

use super::levels::Levels;
use graphc_ir::form::{Form, Forms};
use graphc_ir::graph::plan::{Decision, FusionPlan, Group, GroupKind, Root};
use graphc_ir::graph::{Graph, NodeId};
use graphc_ir::index::Affine;
use graphc_ir::point::{ExprId, PointDag, Space};
use std::collections::{BTreeMap, BTreeSet};

/// Contraction at the start of each epilogue, by the stored node at its end.
pub(super) type Chains = BTreeMap<NodeId, NodeId>;

/// Lets every per-sample contraction's only reader, if it is elementwise, be its epilogue: the reader is
/// stored instead, and so on along the chain.
pub(super) fn absorb_epilogues(graph: &Graph, forms: &Forms, levels: &Levels, plan: &mut FusionPlan) -> Chains {
    let mut chains = Chains::new();
    let mut taken = BTreeSet::new();
    for start in graph.topo_order() {
        let per_sample = graph.ty(start).shape.batch_axis().is_some();
        if forms[&start].as_contraction().is_none() || !per_sample {
            continue;
        }
        let (mut end, mut chain) = (start, vec![start]);
        while let Some(user) = epilogue_step(graph, forms, levels, &taken, plan, end) {
            chain.push(user);
            end = user;
        }
        // A summand is stored nowhere: it is left to its reader.
        while forms[&end].is_summand() {
            chain.pop();
            end = *chain.last().expect("a contraction is no summand");
        }
        taken.extend(&chain[1..]);
        // Whatever its cost was a reason for: within the chain a value stays in a register.
        chain.iter().for_each(|node| _ = plan.stored.remove(node));
        plan.stored.insert(end);
        if end != start {
            let text = format!("fused into the contraction {start} as its epilogue");
            plan.decisions.push(Decision { node: end, text });
        }
        chains.insert(end, start);
    }
    chains
}

/// The node that can follow `end` in an epilogue.
fn epilogue_step(
    graph: &Graph,
    forms: &Forms,
    levels: &Levels,
    taken: &BTreeSet<NodeId>,
    plan: &mut FusionPlan,
    end: NodeId,
) -> Option<NodeId> {
    let users = graph.users(end);
    let [user] = users.as_slice() else {
        let text = format!("epilogue ends here: {} readers", users.len());
        plan.decisions.push(Decision { node: end, text });
        return None;
    };
    let mut refuse = |reason: &str| {
        plan.decisions.push(Decision { node: end, text: format!("{user} not fused as epilogue: {reason}") });
        None
    };
    if graph.is_root(end) {
        return refuse("the value is visible outside the step");
    }
    if taken.contains(user) {
        return refuse("it belongs to the epilogue of another contraction");
    }
    if !forms[user].is_map() || graph.sizes(*user) != graph.sizes(end) {
        return refuse("it is not elementwise");
    }
    if levels[user] > levels[&end] {
        return refuse("it needs a reduction over the batch");
    }
    // The reader must read exactly the element that was just computed.
    let everything_stored = graph.operands(*user).into_iter().collect();
    let mut dag = PointDag::new(graph, forms, &everything_stored);
    let axes: Vec<Affine> = graph.sizes(end).iter().map(|&size| Affine::var(dag.new_var(size))).collect();
    let own = dag.own_index(*user, &axes);
    let value = dag.define(*user, own.clone());
    let pointwise = dag.loads(&[value]).into_iter().all(|(node, index)| node != end || index == own);
    if pointwise { Some(*user) } else { refuse("it reads other elements") }
}

/// Parts of a kernel, in the order they run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PhaseKind {
    Head,
    Chunk,
    Batch,
    Tail,
}

/// Groups of one phase under construction.
pub(super) struct Phase {
    groups: Vec<Draft>,
    max_roots: usize,
}

struct Draft {
    kind: GroupKind,
    space: Space,
    roots: Vec<Root>,
}

impl Phase {
    /// A phase without groups, whose sweeps are to have at most that many results.
    pub(super) fn new(max_roots: usize) -> Phase {
        Phase { groups: Vec::new(), max_roots }
    }

    /// Adds `root` to the latest group that can take it, or as a group of its own.
    pub(super) fn place(&mut self, graph: &Graph, forms: &Forms, plan: &FusionPlan, chains: &Chains, root: Root) {
        let node = root.node();
        let starts = chains.contains_key(&node) || forms[&node].as_contraction().is_some();
        let joined = matches!(root, Root::Value(_)) && reduces_batch(graph, forms, node);
        let space = PointDag::space(graph, forms, root);
        if starts && !joined {
            self.groups.push(Draft { kind: GroupKind::Contraction, space, roots: vec![root] });
            return;
        }
        for group in self.groups.iter_mut().rev() {
            let same_space = group.kind == GroupKind::Sweep && group.space.extents == space.extents;
            if same_space && group.roots.len() < self.max_roots && can_merge(graph, forms, plan, &group.roots, root) {
                group.roots.push(root);
                return;
            }
            if depends(graph, forms, plan, root, &group.roots) {
                break;
            }
        }
        self.groups.push(Draft { kind: GroupKind::Sweep, space, roots: vec![root] });
    }

    /// The finished groups; names follow later.
    pub(super) fn into_groups(self) -> Vec<Group> {
        let group =
            |draft: Draft| Group { name: String::new(), kind: draft.kind, roots: draft.roots, inlined: Vec::new() };
        self.groups.into_iter().map(group).collect()
    }
}

fn reduces_batch(graph: &Graph, forms: &Forms, node: NodeId) -> bool {
    super::levels::reduces_batch(graph, &forms[&node], node)
}

/// Whether `root` reads a result of `group` in any way.
fn depends(graph: &Graph, forms: &Forms, plan: &FusionPlan, root: Root, group: &[Root]) -> bool {
    let nodes: BTreeSet<NodeId> = group.iter().map(|root| root.node()).collect();
    let mut dag = PointDag::new(graph, forms, &plan.stored);
    let value = define(&mut dag, graph, forms, &[root])[0];
    dag.loads(&[value]).iter().any(|(node, _)| nodes.contains(node)) || needs_sum(graph, forms, plan, root, group)
}

/// Whether `root` can be computed at the same points as `group`, which precedes it.
fn can_merge(graph: &Graph, forms: &Forms, plan: &FusionPlan, group: &[Root], root: Root) -> bool {
    if needs_sum(graph, forms, plan, root, group) {
        return false;
    }
    let nodes: BTreeSet<NodeId> = group.iter().map(|root| root.node()).collect();
    let mut dag = PointDag::new(graph, forms, &plan.stored);
    let roots: Vec<Root> = group.iter().copied().chain([root]).collect();
    let values = define(&mut dag, graph, forms, &roots);
    // A result of the group that is read as a load is read at some other point.
    if dag.loads(&values[values.len() - 1..]).iter().any(|(node, _)| nodes.contains(node)) {
        return false;
    }
    let node = root.node();
    graph.ty(node).shape.batch_axis().is_some()
        || !matches!(root, Root::Value(_))
        || is_flat(&dag, graph, node, &values[..values.len() - 1])
            == is_flat(&dag, graph, node, &values[values.len() - 1..])
}

/// Whether values of tensors without a batch, of the sizes of `node`, can be computed in one flat sweep.
fn is_flat(dag: &PointDag<'_>, graph: &Graph, node: NodeId, values: &[ExprId]) -> bool {
    let sizes = graph.sizes(node);
    let axes: Vec<Affine> = (0..sizes.len() as u32).map(|i| Affine::var(graphc_ir::index::Var(i))).collect();
    dag.is_flat(values, &axes, &sizes)
}

/// Defines roots over one space; its variables are the first of the dag.
fn define(dag: &mut PointDag<'_>, graph: &Graph, forms: &Forms, roots: &[Root]) -> Vec<ExprId> {
    let space = PointDag::space(graph, forms, roots[0]);
    let vars: Vec<Affine> = space.extents.iter().map(|&extent| Affine::var(dag.new_var(extent))).collect();
    roots.iter().map(|&root| dag.root(root, &vars)).collect()
}

/// Whether `root` is a sum of squared deviations whose mean `group` is about to sum up.
fn needs_sum(graph: &Graph, forms: &Forms, plan: &FusionPlan, root: Root, group: &[Root]) -> bool {
    let Root::PartialDeviations(node) = root else { return false };
    let Form::Variance { axes } = &forms[&node] else { return false };
    group.contains(&FusionPlan::sum_source(graph, forms, &plan.stored, node, axes))
}
