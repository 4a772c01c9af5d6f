//! Which values are parts of the sum that reads them. This and the batch alone fix how an elementwise sum is rounded.
//!
//! A value is a *summand* if its only reader in the graph is a sum that has every element of it as one term, at the
//! same place:
//!
//! - A product that is a summand is not rounded by itself: it is a fused multiply-add that goes on from the sum of
//!   the other terms. The sum is an elementwise one, or a reduction.
//! - An elementwise sum that is a summand gives its terms to the sum that reads it; up to three are one sum.
//!
//! Every other value is rounded by itself, wherever it is computed. Summands never have a buffer, and it makes no
//! difference to any bit whether another value has one. If instead whatever happens to be computed in one place were
//! contracted, as C compilers do with expressions, fusion would change results.
//!
//! ```text
//! %2 = mul(%0, %1)        a summand of %4
//! %3 = mul(%0, %0)        none: %5 reads it, too
//! %4 = add(%2, %3)        fma(%0, %1, %3)
//! %5 = neg(%3)
//! ```

use crate::compute::{Combine, LoadIndex, ScalarExpr};
use crate::form::{Form, Forms, PointForm};
use crate::graph::{Graph, NodeId};
use crate::scalar::BinaryOp;
use std::collections::BTreeSet;

/// Sums within one another that are taken as one.
const MOST_NESTED_SUMS: usize = 3;

impl Form {
    /// Forms of all nodes of a specialised graph, with what is a summand.
    ///
    /// # Panics
    /// As [`Form::of`].
    pub fn all(graph: &Graph) -> Forms {
        let mut forms = Form::each(graph);
        for node in summands(graph, &forms) {
            let Form::Point(form) = forms.get_mut(node) else { unreachable!("{node} is a product or a sum") };
            form.is_summand = true;
        }
        forms
    }
}

impl PointForm {
    /// Whether each term of this reduction is a product that is rounded together with its sum.
    pub fn sums_products(&self, forms: &Forms) -> bool {
        self.combine == Some(Combine::Sum)
            && !self.is_ordered()
            && match &self.body {
                ScalarExpr::Load { operand, .. } => forms[&self.operands[*operand]].is_summand(),
                body => is_product(body),
            }
    }

    /// What the value of a map is at the outside.
    fn outermost(&self) -> &ScalarExpr {
        if self.finish == ScalarExpr::Acc { &self.body } else { &self.finish }
    }

    /// Whether the value of a map is a sum.
    fn is_sum(&self) -> bool {
        self.is_map() && is_sum(self.outermost())
    }

    /// Whether an index reads each element of an operand of these sizes once.
    fn reads_once(&self, index: &[LoadIndex], sizes: &[usize]) -> bool {
        let mut seen = BTreeSet::new();
        let mut is_whole = |(index, &size): (&LoadIndex, &usize)| match index.value.as_var() {
            Some(var) => {
                let is_bounded =
                    self.reds.iter().any(|red| red.var == var && !(red.low.is_empty() && red.high.is_empty()));
                let is_computed = self.indices.iter().any(|(index, _)| *index == var);
                index.exact == 1
                    && !is_bounded
                    && !is_computed
                    && self.var_range(var) == (0, size as i64 - 1)
                    && seen.insert(var)
            }
            None => index.exact == 1 && size == 1 && index.value.as_constant() == Some(0),
        };
        let n_points: usize = self.extents.iter().copied().chain(self.reds.iter().map(|red| red.extent)).product();
        index.iter().zip(sizes).all(&mut is_whole) && n_points == sizes.iter().product::<usize>()
    }
}

fn is_product(expr: &ScalarExpr) -> bool {
    matches!(expr, ScalarExpr::Binary(BinaryOp::Mul, ..))
}

fn is_sum(expr: &ScalarExpr) -> bool {
    matches!(expr, ScalarExpr::Binary(BinaryOp::Add, ..))
}

/// All summands.
fn summands(graph: &Graph, forms: &Forms) -> BTreeSet<NodeId> {
    let mut summands = BTreeSet::new();
    // Around each sum, so many that it is given to.
    let mut sums_around = vec![0; graph.id_bound()];
    for node in graph.topo_order().into_iter().rev() {
        let Some(form) = forms[&node].as_point() else { continue };
        let Some(reader) = sole_reader(graph, forms, node).filter(|_| form.is_map()) else { continue };
        let into_sum = forms[&reader].is_map();
        if form.is_sum() && into_sum && sums_around[reader.0 as usize] + 1 < MOST_NESTED_SUMS {
            sums_around[node.0 as usize] = sums_around[reader.0 as usize] + 1;
            summands.insert(node);
        } else if is_product(form.outermost()) {
            summands.insert(node);
        }
    }
    summands
}

/// The only reader of a node that nobody else sees, if it is a sum that has each element as one term.
fn sole_reader(graph: &Graph, forms: &Forms, node: NodeId) -> Option<NodeId> {
    let users = graph.users(node);
    let &[reader] = users.as_slice() else { return None };
    let mut slots = graph.operands(reader).into_iter().enumerate().filter(|&(_, operand)| operand == node);
    let (Some((slot, _)), None) = (slots.next(), slots.next()) else { return None };
    let form = forms[&reader].as_point().filter(|form| !form.is_ordered())?;
    let mut terms = Vec::new();
    match form.combine {
        None if form.is_sum() => collect_terms(form.outermost(), &mut terms),
        Some(Combine::Sum) => terms.push(&form.body),
        None | Some(Combine::Max | Combine::ArgMax(_)) => return None,
    }
    let index = terms.into_iter().find_map(|term| match term {
        ScalarExpr::Load { operand, index } if *operand == slot => Some(index),
        _ => None,
    });
    let is_term = index.is_some_and(|index| form.reads_once(index, &graph.sizes(node)));
    // With a single sample a tensor without a batch could be read just once, too.
    let per_sample = form.batch_axis.is_some() || form.reduces_batch();
    let is_alike = graph.ty(node).shape.batch_axis().is_some() == per_sample;
    let mut n_loads = 0;
    let mut count = |operand: usize| n_loads += usize::from(operand == slot);
    form.for_each_load(&mut count);
    (is_term && is_alike && n_loads == 1 && !graph.is_root(node)).then_some(reader)
}

/// The terms of a sum that are written in one expression.
fn collect_terms<'a>(expr: &'a ScalarExpr, terms: &mut Vec<&'a ScalarExpr>) {
    match expr {
        ScalarExpr::Binary(BinaryOp::Add, a, b) => [a, b].into_iter().for_each(|term| collect_terms(term, terms)),
        _ => terms.push(expr),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Summands of a graph of inputs `%0` and `%1` of shape `[N,4]`, a parameter `%2` of shape `[4]`, and these
    /// nodes, with `outputs`.
    fn summands_of(nodes: &str, outputs: &[u32]) -> Vec<u32> {
        let outputs: String = outputs.iter().map(|node| format!("output o{node} = %{node}\n")).collect();
        let text = format!(
            r#"graph g(batch=16) {{
              %0: f32[N,4] = input() {{dtype=f32, shape=[N,4]}} "x"
              %1: f32[N,4] = input() {{dtype=f32, shape=[N,4]}} "y"
              %2: f32[4] = parameter() {{shape=[4], initializer=0.0, trainable=true}} "b"
              {nodes}
              {outputs}
            }}"#
        );
        let graph: Graph = text.parse().unwrap_or_else(|error| panic!("{error}\n{text}"));
        let forms = Form::all(&graph);
        graph.ids().into_iter().filter(|node| forms[node].is_summand()).map(|node| node.0).collect()
    }

    #[test]
    fn a_product_belongs_to_the_sum_that_alone_reads_it() {
        let sum = "%3: f32[N,4] = mul(%0, %1) %4: f32[N,4] = add(%3, %1)";
        assert_eq!(summands_of(sum, &[4]), [3]);
        // Broadcasting within the product, or of the other term, does not matter.
        assert_eq!(summands_of("%3: f32[N,4] = mul(%0, %2) %4: f32[N,4] = add(%2, %3)", &[4]), [3]);
        assert_eq!(summands_of(&format!("{sum} %5: f32[N,4] = neg(%3)"), &[4, 5]), [], "another reader");
        assert_eq!(summands_of(sum, &[3, 4]), [], "visible outside");
        assert_eq!(summands_of("%3: f32[N,4] = mul(%0, %1) %4: f32[N,4] = add(%3, %3)", &[4]), [], "read twice");
        assert_eq!(summands_of("%3: f32[N,4] = mul(%0, %1) %4: f32[N,4] = sub(%3, %1)", &[4]), [], "no sum");
        assert_eq!(summands_of("%3: f32[N,4] = mul(%0, %1) %4: f32[N,4] = relu(%3)", &[4]), [], "no sum");
        assert_eq!(summands_of("%3: f32[4] = mul(%2, %2) %4: f32[N,4] = add(%0, %3)", &[4]), [], "broadcast");
    }

    #[test]
    fn a_product_behind_a_view_is_no_summand() {
        let nodes = "%3: f32[N,4] = mul(%0, %1)
            %4: f32[N,2,2] = reshape(%3) {shape=[N,2,2]}
            %5: f32[N,2,2] = add(%4, %4)";
        assert_eq!(summands_of(nodes, &[5]), []);
    }

    #[test]
    fn a_product_belongs_to_the_reduction_that_alone_reads_it() {
        let reduced = |op: &str| {
            summands_of(
                &format!("%3: f32[N,4] = mul(%0, %1) %4: f32[4] = {op}(%3) {{axes=[0], keep_dims=false}}"),
                &[4],
            )
        };
        assert_eq!(reduced("reduce_sum"), [3]);
        assert_eq!(reduced("reduce_mean"), [3]);
        assert_eq!(reduced("reduce_max"), []);
        assert_eq!(reduced("reduce_variance"), []);
        let within = "%3: f32[N,4] = mul(%0, %1) %4: f32[N] = reduce_sum(%3) {axes=[1], keep_dims=false}";
        assert_eq!(summands_of(within, &[4]), [3]);
        let sum = "%3: f32[N,4] = add(%0, %1) %4: f32[N] = reduce_sum(%3) {axes=[1], keep_dims=false}";
        assert_eq!(summands_of(sum, &[4]), [], "terms of a reduction are rounded one by one");
    }

    #[test]
    fn three_sums_within_one_another_are_one() {
        let nodes = "%3: f32[N,4] = add(%0, %1)
            %4: f32[N,4] = add(%3, %2)
            %5: f32[N,4] = add(%4, %0)
            %6: f32[N,4] = add(%1, %5)
            %7: f32[N,4] = add(%6, %0)";
        // %7 takes in %6 and %5; %4 takes in %3.
        assert_eq!(summands_of(nodes, &[7]), [3, 5, 6]);
    }
}
