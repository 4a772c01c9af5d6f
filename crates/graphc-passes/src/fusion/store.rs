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

use super::facts::Facts;
use graphc_ir::compute::ScalarExpr;
use graphc_ir::form::Form;
use graphc_ir::graph::NodeId;
use graphc_ir::graph::plan::{Decision, FusionPlan};
use graphc_ir::scalar::{BinaryOp, LANES, UnaryOp};

/// Recomputing costs at most this many cheap operations when there are several readers.
const MAX_SHARED_COST: usize = 12;

/// Longest chain of cheap operations recomputed even for a single reader.
const MAX_CHAIN_COST: usize = 64;

/// Fills `plan.stored` and the decisions about it.
pub(super) fn decide(facts: &Facts<'_>, plan: &mut FusionPlan) {
    let Facts { graph, forms, options, .. } = facts;
    // By node: what recomputing it costs, 0 if it is stored.
    let mut chain_costs = vec![0; graph.id_bound()];
    for &node in &facts.order {
        let form = &forms[&node];
        if *form == Form::Leaf {
            continue;
        }
        let inlined: usize = graph.operands(node).iter().map(|operand| chain_costs[operand.0 as usize]).sum();
        let cost = inlined + form.as_point().map_or(0, |point| cost(&point.body) + cost(&point.finish));
        let is_cheap = cost == 0 || options.recomputed.contains(&node);
        let reason = reason_it_must_be_stored(facts, node)
            .or_else(|| if is_cheap { None } else { reason_not_to_recompute(facts, node, cost) })
            .or_else(|| options.stored.contains(&node).then(|| "asked for".to_string()));
        let text = match reason {
            _ if form.is_summand() => {
                chain_costs[node.0 as usize] = cost;
                format!("part of the sum {}, never rounded by itself ({cost} operations)", graph.users(node)[0])
            }
            Some(reason) => {
                plan.stored.insert(node);
                format!("stored: {reason}")
            }
            None => {
                chain_costs[node.0 as usize] = cost;
                format!("recomputed in its readers ({cost} operations)")
            }
        };
        plan.decisions.push(Decision { node, text });
    }
}

/// Why `node` needs a buffer whatever it costs, if it does.
fn reason_it_must_be_stored(facts: &Facts<'_>, node: NodeId) -> Option<String> {
    let Facts { graph, forms, .. } = facts;
    let is_product = is_product_of_rows(facts, node);
    if facts.is_contraction(node) && !is_product {
        return Some("a contraction".to_string());
    }
    if !forms[&node].is_map() && !is_product {
        return Some("a reduction".to_string());
    }
    if graph.is_root(node) {
        return Some("visible outside the step".to_string());
    }
    let users = graph.users(node);
    let contraction = users.iter().find(|&&user| facts.is_contraction(user));
    contraction.map(|user| format!("read by the contraction {user}"))
}

/// Whether a contraction over the batch is the product of two values of a single sample in every element, and all its
/// readers are elementwise. They compute it in whole vectors along its last axis.
fn is_product_of_rows(Facts { graph, forms, .. }: &Facts<'_>, node: NodeId) -> bool {
    let sizes = graph.sizes(node);
    let is_elementwise = |user: &NodeId| forms[user].is_map() && graph.sizes(*user) == sizes;
    forms[&node].as_point().is_some_and(|form| form.reduces_batch() && form.has_one_term())
        && forms[&node].as_contraction().is_some()
        && sizes.last().is_some_and(|last| last.is_multiple_of(LANES))
        && graph.users(node).iter().all(is_elementwise)
}

/// Why a buffer is cheaper than recomputing `node`, which is at `cost` from stored values, if it is.
fn reason_not_to_recompute(facts: &Facts<'_>, node: NodeId, cost: usize) -> Option<String> {
    let graph = facts.graph;
    let users = graph.users(node);
    let has_batch = |id: NodeId| facts.has_batch(id);
    let reads_batch = |id: NodeId| graph.operands(id).into_iter().any(has_batch);
    if let Some(user) = users.iter().find(|&&user| !has_batch(node) && (has_batch(user) || reads_batch(user))) {
        return Some(format!("the same for every sample, read per sample by {user}"));
    }
    if let Some(user) = users.iter().find(|&&user| reads_per_element(facts, node, user) > 1) {
        return Some(format!("{user} reads each element several times"));
    }
    if users.len() > 1 && cost > MAX_SHARED_COST {
        return Some(format!("{} readers, {cost} operations each", users.len()));
    }
    (cost > MAX_CHAIN_COST).then(|| format!("the end of a chain of {cost} operations"))
}

/// How often `user` reads an element of `node`, rounded up.
fn reads_per_element(Facts { graph, forms, .. }: &Facts<'_>, node: NodeId, user: NodeId) -> usize {
    let elements: usize = graph.ty(node).shape.each_size(graph.batch).product();
    let points = match &forms[&user] {
        Form::Point(form) => {
            form.extents.iter().product::<usize>() * form.reds.iter().map(|red| red.extent).product::<usize>()
        }
        Form::Variance { .. } => 2 * elements,
        Form::Leaf => 0,
    };
    points.div_ceil(elements.max(1))
}

/// Cost of a scalar expression in additions; loads and constants are free.
fn cost(expr: &ScalarExpr) -> usize {
    let mut sum = match expr {
        ScalarExpr::Unary(UnaryOp::Exp | UnaryOp::Log | UnaryOp::Tanh, _) | ScalarExpr::Uniform { .. } => 12,
        ScalarExpr::Unary(UnaryOp::Sqrt, _) | ScalarExpr::Binary(BinaryOp::Div, ..) => 6,
        ScalarExpr::Unary(..) | ScalarExpr::Binary(..) | ScalarExpr::Select { .. } => 1,
        _ => 0,
    };
    expr.for_each_child(&mut |child| sum += cost(child));
    sum
}
