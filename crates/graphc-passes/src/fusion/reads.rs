//! What results read of the graph, found without their expressions being written down.

use super::facts::Facts;
use graphc_ir::compute::{IndexSource, ScalarExpr};
use graphc_ir::form::Form;
use graphc_ir::graph::NodeId;
use graphc_ir::graph::plan::Root;
use graphc_ir::index::Var;
use std::collections::BTreeSet;

/// What some results read, and what that reads, up to what is in memory.
#[derive(Default)]
pub(super) struct Reads {
    /// Nodes without buffers: they are computed with the results.
    pub(super) inlined: BTreeSet<NodeId>,
    /// Nodes with buffers, and leaves; one that is read several times may stand here as often.
    pub(super) loaded: Vec<NodeId>,
    /// Whether everything is read at the place where the result is, or is a single element.
    pub(super) is_in_place: bool,
}

impl Reads {
    /// What `roots` read if the nodes in `stored` have buffers.
    pub(super) fn of(facts: &Facts<'_>, stored: &BTreeSet<NodeId>, roots: &[Root]) -> Reads {
        let mut reads = Reads { is_in_place: true, ..Reads::default() };
        let mut todo = Vec::new();
        for &root in roots {
            let node = root.node();
            match (root, &facts.forms[&node]) {
                (Root::Value(_), Form::Variance { .. } | Form::Leaf) => {}
                (_, Form::Variance { .. } | Form::Leaf) => todo.push(facts.graph.operands(node)[0]),
                // What a reduction over the batch reads is summed elsewhere.
                (Root::Value(_), Form::Point(form)) if form.reduces_batch() && !form.is_ordered() => {
                    reads.add(facts, node, &form.finish, &mut todo);
                }
                (Root::Value(_), _) => reads.add_all(facts, node, &mut todo),
                (_, Form::Point(form)) => reads.add(facts, node, &form.body, &mut todo),
            }
        }
        while let Some(node) = todo.pop() {
            if stored.contains(&node) || facts.forms[&node] == Form::Leaf {
                reads.loaded.push(node);
            } else if reads.inlined.insert(node) {
                reads.add_all(facts, node, &mut todo);
            }
        }
        reads
    }

    /// Adds what a node's value reads.
    fn add_all(&mut self, facts: &Facts<'_>, node: NodeId, todo: &mut Vec<NodeId>) {
        let form = facts.forms[&node].as_point().expect("a variance has a buffer");
        self.is_in_place &= form.is_map() && form.indices.is_empty();
        for (_, index) in &form.indices {
            if let IndexSource::Word { operand, .. } = index.source {
                todo.push(form.operands[operand]);
            }
        }
        [&form.body, &form.finish].into_iter().for_each(|expr| self.add(facts, node, expr, todo));
    }

    /// Adds what an expression of a node's form reads.
    fn add(&mut self, facts: &Facts<'_>, node: NodeId, expr: &ScalarExpr, todo: &mut Vec<NodeId>) {
        match expr {
            ScalarExpr::Load { operand, index } => {
                let read = facts.forms[&node].as_point().expect("it loads").operands[*operand];
                let sizes = |node: NodeId| facts.graph.ty(node).shape.each_size(facts.graph.batch);
                let is_same = (0..).map(Var).zip(index).all(|(var, index)| index.value.as_var() == Some(var));
                self.is_in_place &= sizes(read).all(|size| size == 1) || (is_same && sizes(read).eq(sizes(node)));
                todo.push(read);
            }
            ScalarExpr::Index(_) => self.is_in_place = false,
            _ => expr.for_each_child(&mut |child| self.add(facts, node, child, todo)),
        }
    }
}
