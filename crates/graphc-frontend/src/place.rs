//! Where a mistake in a block is told: in the block and at one of its uses.

use crate::diagnostic::Diagnostic;
use crate::source_text::Span;
use std::sync::Arc;

/// A node of a copy of a block.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) block: String,
    /// The text of the block.
    pub(crate) definition: Span,
    /// The name of the node.
    pub(crate) node: Span,
    /// The number of the node among all nodes when blocks are written out.
    pub(crate) id: usize,
    /// Uses that it is in, the innermost first.
    pub(crate) uses: Arc<Vec<UseOf>>,
}

/// A use of a block.
#[derive(Clone, Debug)]
pub(crate) struct UseOf {
    pub(crate) block: String,
    /// All of it.
    pub(crate) whole: Span,
    /// Its name.
    pub(crate) name: Span,
}

impl Place {
    /// The mistake with the uses in which it is one. If it is in what a use gives to the block, the node is pointed at.
    pub(crate) fn told(&self, mut diagnostic: Diagnostic) -> Diagnostic {
        let Some(at) = diagnostic.span.clone() else { return diagnostic };
        let is_in = |outer: &Span| outer.start <= at.start && at.end <= outer.end;
        if !is_in(&self.definition) {
            diagnostic = diagnostic.note(self.node.clone(), format!("for this node of block `{}`", self.block));
        }
        for UseOf { block, whole, name } in self.uses.iter() {
            if !is_in(whole) {
                diagnostic = diagnostic.note(name.clone(), format!("in this use of block `{block}`"));
            }
        }
        diagnostic
    }
}
