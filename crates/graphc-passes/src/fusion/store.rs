//! Which values get a buffer.
//!
//! Stored are reductions and contractions, what a contraction reads, what is visible outside, and
//! values that would be dear to recompute. Everything else is inlined into its readers: memory is
//! slower than a few multiplications, and a value that is never stored costs no traffic. A summand
//! (see [`graphc_ir::summands`]) is never stored, since it is not rounded by itself: what it costs is its reader's
//! cost, and the reader may be stored for it.
//!
//! The weight gradient of a dense layer is a contraction, but of a single sample it is one product in every element.
//! The update computes that where it needs it, and the gradient, as large as the weights, never goes to memory.

use super::cost::{Work, of_node};
use super::facts::Facts;
use super::views::Views;
use graphc_ir::form::Form;
use graphc_ir::graph::NodeId;
use graphc_ir::graph::plan::{Decision, FusionPlan};
use graphc_ir::scalar::LANES;

/// Recomputing costs at most this many cheap operations when there are several readers.
const MAX_SHARED_COST: usize = 12;

/// Most operations recomputed even for a single reader.
const MAX_COST: usize = 64;

/// By node: what recomputing it from stored values takes, nothing if it is stored.
pub(super) type Costs = Vec<Work>;

/// Fills `plan.stored` and the decisions about it.
pub(super) fn decide(facts: &Facts<'_>, views: &Views, plan: &mut FusionPlan) -> Costs {
    let Facts { graph, forms, options, .. } = facts;
    let mut costs = vec![Work::default(); graph.id_bound()];
    for &node in &facts.order {
        let form = &forms[&node];
        if *form == Form::Leaf {
            continue;
        }
        let inlined = facts.operands(node).into_iter().map(|operand| costs[operand.0 as usize]);
        let work = inlined.fold(Work::default(), Work::beside).before(of_node(facts, node));
        let cost = work.n_operations;
        let is_cheap = cost == 0 || options.recomputed.contains(&node);
        let reason = reason_it_must_be_stored(facts, views, node)
            .or_else(|| if is_cheap { None } else { reason_not_to_recompute(facts, node, work) })
            .or_else(|| options.stored.contains(&node).then(|| "asked for".to_string()));
        let text = match reason {
            _ if form.is_summand() => {
                costs[node.0 as usize] = work;
                format!("part of the sum {}, never rounded by itself ({cost} operations)", graph.users(node)[0])
            }
            Some(reason) => {
                plan.stored.insert(node);
                format!("stored: {reason}")
            }
            None => {
                costs[node.0 as usize] = work;
                recomputed(facts, views, node, cost)
            }
        };
        plan.decisions.push(Decision { node, text });
    }
    costs
}

/// Who computes what has no buffer.
fn recomputed(facts: &Facts<'_>, views: &Views, node: NodeId, cost: usize) -> String {
    let text = format!("recomputed in its readers ({cost} operations)");
    let Some(past) = views.composed.get(&node) else { return text };
    let past = past.iter().map(NodeId::to_string).collect::<Vec<_>>().join(", ");
    match facts.readers(node).is_empty() {
        true => format!("a view, composed into {past}"),
        false => format!("a view, composed into {past}; {text}"),
    }
}

/// Why `node` needs a buffer whatever it costs, if it does.
fn reason_it_must_be_stored(facts: &Facts<'_>, views: &Views, node: NodeId) -> Option<String> {
    let Facts { graph, forms, .. } = facts;
    let is_product = is_product_of_rows(facts, node);
    if facts.is_contraction(node) && !is_product {
        return Some("a contraction".to_string());
    }
    if forms[&node].is_ordered() {
        return Some("computed in an order of its own".to_string());
    }
    if forms[&node].is_joint() {
        return Some("its pieces are computed together".to_string());
    }
    if !forms[&node].is_map() && !is_product {
        return Some("a reduction".to_string());
    }
    if graph.is_root(node) {
        return Some("visible outside the step".to_string());
    }
    let readers = facts.readers(node);
    if let Some(reader) = readers.iter().find(|&&reader| is_looked_up(facts, node, reader)) {
        return Some(format!("read by {reader} at computed places, or itself such a place"));
    }
    if let Some((user, reason)) = views.kept.get(&node) {
        return Some(format!("a view that the contraction {user} cannot read past: {reason}"));
    }
    let contraction = readers.iter().find(|&&reader| facts.is_contraction(reader));
    contraction.map(|reader| format!("read by the contraction {reader}"))
}

/// Whether `user` reads the node where words say, or takes such words from it. Words come from memory, and where they
/// lead nothing is divided.
fn is_looked_up(Facts { forms, .. }: &Facts<'_>, node: NodeId, user: NodeId) -> bool {
    forms[&user].as_point().filter(|form| !form.indices.is_empty()).is_some_and(|form| {
        let slots = form.operands.iter().enumerate().filter(|(_, operand)| **operand == node);
        slots.into_iter().any(|(slot, _)| form.is_gathered(slot) || form.is_index(slot))
    })
}

/// Whether a contraction over the batch is the product of two values of a single sample in every element, and all its
/// readers are elementwise. They compute it in whole vectors along its last axis.
fn is_product_of_rows(facts: &Facts<'_>, node: NodeId) -> bool {
    let Facts { graph, forms, .. } = facts;
    let sizes = graph.sizes(node);
    let is_elementwise = |user: &NodeId| forms[user].is_map() && graph.sizes(*user) == sizes;
    forms[&node].as_point().is_some_and(|form| form.reduces_batch() && form.has_one_term())
        && forms[&node].as_contraction().is_some()
        && sizes.last().is_some_and(|last| last.is_multiple_of(LANES))
        && facts.readers(node).iter().all(is_elementwise)
}

/// Why a buffer is cheaper than recomputing `node`, which is `work` from stored values, if it is.
fn reason_not_to_recompute(facts: &Facts<'_>, node: NodeId, work: Work) -> Option<String> {
    let (users, cost) = (facts.readers(node), work.n_operations);
    let has_batch = |id: NodeId| facts.has_batch(id);
    let reads_batch = |id: NodeId| facts.operands(id).into_iter().any(has_batch);
    if let Some(user) = users.iter().find(|&&user| !has_batch(node) && (has_batch(user) || reads_batch(user))) {
        return Some(format!("the same for every sample, read per sample by {user}"));
    }
    if let Some(user) = users.iter().find(|&&user| reads_per_element(facts, node, user) > 1) {
        return Some(format!("{user} reads each element several times"));
    }
    if users.len() > 1 && cost > MAX_SHARED_COST {
        return Some(format!("{} readers, {cost} operations each", users.len()));
    }
    if work.depth > facts.options.max_depth {
        return Some(format!("the end of a chain of {} operations", work.depth));
    }
    (cost > MAX_COST).then(|| format!("the end of {cost} operations"))
}

/// How often `user` reads an element of `node`, rounded up.
fn reads_per_element(Facts { graph, forms, .. }: &Facts<'_>, node: NodeId, user: NodeId) -> usize {
    let elements: usize = graph.ty(node).shape.each_size(graph.batch).product();
    if let Some(n_pieces) = forms[&user].as_point().and_then(|form| form.n_pieces(node)) {
        return n_pieces;
    }
    let points = match &forms[&user] {
        Form::Point(form) => {
            form.extents.iter().product::<usize>() * form.reds.iter().map(|red| red.extent).product::<usize>()
        }
        Form::Variance { .. } => 2 * elements,
        Form::Leaf => 0,
    };
    points.div_ceil(elements.max(1))
}
