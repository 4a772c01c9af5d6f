//! Runs local rules to a fixed point; what `canonicalise`, `fold_constants` and `simplify` share.
//!
//! A rule looks at one node and, if it fires, gives the node that takes its place. Rules must
//! make progress: no chain of rules may come back to where it started.

use crate::report::{Report, label};
use graphc_ir::graph::{Graph, Mode, NodeId, OpCx, Role};
use graphc_ir::ops::Op;

/// A named identity.
pub(crate) struct Rule {
    /// What the report calls it.
    pub(crate) name: &'static str,
    /// The ops that it is about: most rules are about one, and most nodes are none of those.
    pub(crate) ops: fn(&Op) -> bool,
    /// The replacement of `cx.node`, or `None` if the rule does not fire.
    pub(crate) apply: fn(cx: &mut OpCx<'_>) -> Option<NodeId>,
}

/// More rounds than any graph needs; a rule that never stops is a bug that must not hang.
const MAX_ROUNDS: usize = 1000;

/// Applies `rules` until none fires. Replaced nodes are removed, with everything only they read.
pub(crate) fn apply_rules(graph: &mut Graph, rules: &[Rule]) -> Report {
    let mut report = Report::unchanged();
    for _ in 0..MAX_ROUNDS {
        let before = report.count();
        for id in graph.topo_order() {
            if graph.contains(id) {
                apply_first(graph, id, rules, &mut report);
            }
        }
        if report.count() == before {
            return report;
        }
    }
    unreachable!("rewrite rules do not terminate: {:?}", report.changes.last())
}

fn apply_first(graph: &mut Graph, id: NodeId, rules: &[Rule], report: &mut Report) {
    let op = graph.op(id);
    if !rules.iter().any(|rule| (rule.ops)(op)) {
        return;
    }
    // Local rules do not depend on the mode; before it is set, any will do.
    let mode = graph.mode.unwrap_or(Mode::Infer);
    let mut cx = OpCx::new(graph, id, mode, None);
    for rule in rules {
        if (rule.ops)(cx.graph.op(id))
            && let Some(new) = (rule.apply)(&mut cx)
        {
            report.change(format!("{}: {} is now {}", rule.name, label(graph, id), label(graph, new)));
            return replace(graph, id, new);
        }
    }
}

/// Lets everything read `new` instead of `old`, which is removed; an unnamed `new` takes its name.
pub(crate) fn replace(graph: &mut Graph, old: NodeId, new: NodeId) {
    assert_ne!(old, new, "a node cannot replace itself");
    assert_eq!(graph.ty(old), graph.ty(new), "{old} and {new} differ in type");
    graph.replace_uses(old, new);
    if graph.node(new).name.is_empty() {
        graph.node_mut(new).name = graph.node(old).name.clone();
    }
    remove_if_dead(graph, old);
}

/// Removes `id` if nothing reads it, then the operands that only it read.
pub(crate) fn remove_if_dead(graph: &mut Graph, id: NodeId) {
    let is_leaf = matches!(graph.op(id), Op::Input(_) | Op::Parameter(_));
    if is_leaf || graph.is_root(id) || graph.has_users(id) {
        return;
    }
    let mut operands = graph.operands(id);
    graph.remove(id);
    operands.sort_unstable();
    operands.dedup();
    for operand in operands {
        remove_if_dead(graph, operand);
    }
}

/// The value of a constant node.
pub(crate) fn constant_value(graph: &Graph, id: NodeId) -> Option<f64> {
    match graph.op(id) {
        Op::Constant(constant) => Some(constant.value),
        _ => None,
    }
}

/// Whether a node is a constant of exactly this value (`-0.0` counts as `0.0`).
pub(crate) fn is_constant(graph: &Graph, id: NodeId, value: f64) -> bool {
    constant_value(graph, id) == Some(value)
}

/// Whether a rule may give `cx.node` a zero of the other sign: not in what the network, its loss and its metrics
/// compute, as the file says it, where `1 / x` would tell them apart.
pub(crate) fn signs_of_zero_are_free(cx: &OpCx<'_>) -> bool {
    match cx.graph.node(cx.node).origin.role {
        Role::Forward | Role::Loss | Role::Metric => false,
        Role::Gradient | Role::Update | Role::Statistics => true,
    }
}

/// Whether `id` has this one user and is not visible outside.
pub(crate) fn is_read_only_by(graph: &Graph, id: NodeId, user: NodeId) -> bool {
    graph.is_only_user(id, user) && !graph.is_root(id)
}
