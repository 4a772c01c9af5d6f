//! Epilogues: the elementwise chain behind a contraction, computed while its result is in registers.

use super::cost::of_node;
use super::facts::Facts;
use super::store::Costs;
use graphc_ir::graph::NodeId;
use graphc_ir::graph::plan::{Decision, FusionPlan};
use graphc_ir::index::Affine;
use graphc_ir::point::PointDag;
use std::collections::{BTreeMap, BTreeSet};

/// Contraction at the start of each epilogue, by the stored node at its end.
pub(super) type Chains = BTreeMap<NodeId, NodeId>;

/// Lets every per-sample contraction's only reader, if it is elementwise, be its epilogue: the reader is
/// stored instead, and so on along the chain, as far as its code is short.
pub(super) fn absorb(facts: &Facts<'_>, costs: &Costs, plan: &mut FusionPlan) -> Chains {
    let mut chains = Chains::new();
    let mut taken = BTreeSet::new();
    for &start in &facts.order {
        if !facts.is_contraction(start) || !facts.has_batch(start) {
            continue;
        }
        let (mut end, mut chain, mut n_operations) = (start, vec![start], 0);
        loop {
            let next = next(facts, (&taken, &plan.stored), end).and_then(|user| {
                // What else it reads is computed in its place, too.
                let others = facts.operands(user).into_iter().filter(|&operand| operand != end);
                let others: usize = others.map(|operand| costs[operand.0 as usize].n_operations).sum();
                let with_user = n_operations + of_node(facts, user).n_operations + others;
                within_limit(facts, user, with_user).map(|()| (user, with_user))
            });
            match next {
                Ok((user, with_user)) => {
                    chain.push(user);
                    (end, n_operations) = (user, with_user);
                }
                Err(text) => {
                    plan.decisions.push(Decision { node: end, text });
                    break;
                }
            }
        }
        // A summand is stored nowhere: it is left to its reader.
        while facts.forms[&end].is_summand() {
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

/// Whether an epilogue may have so many operations with `user` at its end.
fn within_limit(facts: &Facts<'_>, user: NodeId, n_operations: usize) -> Result<(), String> {
    let most = facts.options.max_epilogue_operations;
    if n_operations <= most {
        return Ok(());
    }
    Err(format!("{user} not fused as epilogue: {n_operations} operations for each accumulator, more than {most}"))
}

/// The node that can follow `end` in an epilogue, or why there is none. Those `taken` stand in another one.
fn next(
    facts: &Facts<'_>,
    (taken, stored): (&BTreeSet<NodeId>, &BTreeSet<NodeId>),
    end: NodeId,
) -> Result<NodeId, String> {
    let Facts { graph, forms, .. } = facts;
    let sizes = |node: NodeId| graph.ty(node).shape.each_size(graph.batch);
    let users = facts.readers(end);
    let &[user] = users.as_slice() else {
        return Err(format!("epilogue ends here: {} readers", users.len()));
    };
    let refused = if graph.is_root(end) {
        "the value is visible outside the step"
    } else if taken.contains(&user) {
        "it belongs to the epilogue of another contraction"
    } else if !forms[&user].is_map() || !sizes(user).eq(sizes(end)) {
        "it is not elementwise"
    } else if facts.level(user) > facts.level(end) {
        "it needs a reduction over the batch"
    } else if !is_pointwise(facts, end, user) {
        "it reads other elements"
    } else if computes_places(facts, stored, user) {
        "it reads at computed places"
    } else {
        return Ok(user);
    };
    Err(format!("{user} not fused as epilogue: {refused}"))
}

/// Whether index variables occur in a node, or in what is computed for it.
fn computes_places(facts: &Facts<'_>, stored: &BTreeSet<NodeId>, node: NodeId) -> bool {
    facts.forms[&node].as_point().is_some_and(|form| {
        let inlined = form.operands.iter().filter(|operand| !stored.contains(operand));
        !form.indices.is_empty() || inlined.into_iter().any(|&operand| computes_places(facts, stored, operand))
    })
}

/// Whether the reader reads exactly the element that was just computed.
fn is_pointwise(Facts { graph, forms, .. }: &Facts<'_>, end: NodeId, user: NodeId) -> bool {
    let everything_stored = graph.operands(user).into_iter().collect();
    let mut dag = PointDag::new(graph, forms, &everything_stored);
    let axes: Vec<Affine> = graph.sizes(end).iter().map(|&size| Affine::var(dag.new_var(size))).collect();
    let own = dag.own_index(user, &axes);
    let value = dag.define(user, own.clone());
    dag.loads(&[value]).into_iter().all(|(node, index)| node != end || index == own)
}
