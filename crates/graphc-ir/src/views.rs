//! Views: values that are elements of another tensor, at other places: transposes, reshapes, broadcasts, slices.
//!
//! A sweep computes a view where it reads it ([`crate::point`]). A contraction, whose factors stand in memory, may
//! read what the view is one of instead: the index of its factor becomes that of the view at this index, and the view
//! is computed for others only.
//!
//! ```text
//! %2[n, h, t, c] = %1[n, t, h, c]
//! %3[n, h, i, j] = sum over c of %2[n, h, i, c] * %0[n, h, j, c]
//! %3[n, h, i, j] = sum over c of %1[n, i, h, c] * %0[n, h, j, c]     the same with %2 composed into it
//! ```

use crate::compute::{LoadIndex, ScalarExpr};
use crate::digits::split_sums;
use crate::form::{Form, Forms, PointForm};
use crate::graph::{Graph, NodeId, NodeIds};
use std::collections::BTreeSet;
use std::ops::Index;

/// By node: the nodes whose forms read it; of views, those that are read themselves.
#[derive(Debug, Clone, PartialEq)]
pub struct Readers(Vec<NodeIds>);

impl Index<&NodeId> for Readers {
    type Output = NodeIds;

    fn index(&self, node: &NodeId) -> &NodeIds {
        &self.0[node.0 as usize]
    }
}

impl PointForm {
    /// What the value is an element of, and which, if it is nothing but that.
    pub fn as_view(&self) -> Option<(NodeId, &[LoadIndex])> {
        let is_plain = self.is_map() && self.indices.is_empty() && self.finish == ScalarExpr::Acc;
        match &self.body {
            ScalarExpr::Load { operand, index } if is_plain => Some((self.operands[*operand], index)),
            _ => None,
        }
    }

    /// The same contraction with an operand, which is a view of this form, read where it is read itself. Summed axes
    /// are split where that takes divisions away.
    ///
    /// # Panics
    /// If it is no view, or this no contraction.
    pub fn through(&self, slot: usize, view: &PointForm) -> PointForm {
        let (source, index) = view.as_view().expect("a view");
        // What it reads is within the view, whatever the bounds of reductions are.
        let index: Vec<_> = index.iter().map(|i| i.value.simplify(&|var| view.var_range(var))).collect();
        let composed = |of: &[LoadIndex]| -> Vec<LoadIndex> {
            let at = index.iter().map(|i| i.substitute(&|axis| of[axis.0 as usize].value.clone()));
            at.map(|i| LoadIndex::from(i.simplify(&|var| self.var_range(var)))).collect()
        };
        let mut form = self.clone();
        form.operands[slot] = source;
        form.body = map_index_of(&self.body, slot, &composed);
        split_sums(&form)
    }
}

impl Form {
    /// As [`Form::all`], with some views composed into the contractions that read them.
    pub fn with_views(graph: &Graph, views: &BTreeSet<NodeId>) -> Forms {
        let mut forms = Form::all(graph);
        forms.compose(graph, views);
        forms
    }
}

impl Forms {
    /// Lets contractions read what these views are views of.
    pub fn compose(&mut self, graph: &Graph, views: &BTreeSet<NodeId>) {
        let mut readers: BTreeSet<NodeId> = views.iter().flat_map(|&view| graph.users(view)).collect();
        readers.retain(|reader| self[reader].as_contraction().is_some());
        for reader in readers {
            for slot in 0..graph.operands(reader).len() {
                while let Some(form) = self.past_view(reader, slot, views) {
                    *self.get_mut(reader) = Form::Point(Box::new(form));
                }
            }
        }
    }

    /// The form of a node with the view composed into it that one of its operands is, if that is one of these.
    fn past_view(&self, node: NodeId, slot: usize, views: &BTreeSet<NodeId>) -> Option<PointForm> {
        let form = self[&node].as_point()?;
        let view = form.operands.get(slot).filter(|operand| views.contains(operand))?;
        Some(form.through(slot, self[view].as_point()?))
    }

    /// Who reads each node.
    pub fn readers(&self, graph: &Graph) -> Readers {
        let mut readers = vec![NodeIds::new(); graph.id_bound()];
        for &user in graph.topo_order().iter().rev() {
            let is_read = !readers[user.0 as usize].is_empty() || graph.is_root(user) || !graph.has_users(user);
            if is_read || !self.is_view(user) {
                for operand in self.operands(graph, user) {
                    readers[operand.0 as usize].push(user);
                }
            }
        }
        for readers in &mut readers {
            readers.sort_unstable();
            readers.dedup();
        }
        Readers(readers)
    }

    /// Whether a node is nothing but elements of another one.
    pub fn is_view(&self, node: NodeId) -> bool {
        self[&node].as_point().is_some_and(|form| form.as_view().is_some())
    }
}

fn map_index_of(expr: &ScalarExpr, slot: usize, f: &impl Fn(&[LoadIndex]) -> Vec<LoadIndex>) -> ScalarExpr {
    match expr {
        ScalarExpr::Load { operand, index } if *operand == slot => {
            ScalarExpr::Load { operand: *operand, index: f(index) }
        }
        other => other.map_children(&mut |child| map_index_of(child, slot, f)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::Affine;

    /// What the contraction `%9` reads as its first factor, and at which index, with views composed into it.
    fn first_factor(nodes: &str, views: &[u32]) -> (u32, String) {
        let text = format!(
            r#"graph g(batch=16) {{
              %0: f32[N,4,6] = input() {{dtype=f32, shape=[N,4,6]}} "x"
              %1: f32[N,6,5] = input() {{dtype=f32, shape=[N,6,5]}} "y"
              {nodes}
              output z = %9
            }}"#
        );
        let graph: Graph = text.parse().unwrap_or_else(|error| panic!("{error}\n{text}"));
        let forms = Form::with_views(&graph, &views.iter().map(|&view| NodeId(view)).collect());
        let reader = graph.output("z").unwrap();
        let (source, index) = forms[&reader].as_contraction().unwrap().a;
        let index: Vec<String> = index.iter().map(|i| Affine::to_string(&i.value)).collect();
        assert_eq!(forms.readers(&graph)[&source].as_slice(), [reader], "it has one reader");
        (source.0, index.join(", "))
    }

    #[test]
    fn views_become_indices_of_their_readers() {
        let product = "%9: f32[N,4,5] = matmul(%3, %1) {transpose_a=false, transpose_b=false}";
        let chain = format!(
            "%2: f32[N,24] = reshape(%0) {{shape=[N,24]}}
             %3: f32[N,4,6] = reshape(%2) {{shape=[N,4,6]}} {product}"
        );
        // Its axes are n, i, j, and k is summed.
        assert_eq!(first_factor(&chain, &[]), (3, "i0, i1, i3".to_string()));
        assert_eq!(first_factor(&chain, &[3]), (2, "i0, 6*i1 + i3".to_string()));
        assert_eq!(first_factor(&chain, &[2, 3]), (0, "i0, i1, i3".to_string()));
        let turned = "%2: f32[N,6,4] = transpose(%0) {perm=[0,2,1]}
             %9: f32[N,4,5] = matmul(%2, %1) {transpose_a=true, transpose_b=false}";
        assert_eq!(first_factor(turned, &[2]), (0, "i0, i1, i3".to_string()));
        let merged = "%2: f32[N,2,12] = reshape(%0) {shape=[N,2,12]}
             %9: f32[N,2,2] = matmul(%2, %2) {transpose_a=false, transpose_b=true}";
        // The sum over 12 is one of two over six.
        assert_eq!(first_factor(merged, &[2]), (0, "i0, 2*i1 + i3, i4".to_string()));
    }
}
