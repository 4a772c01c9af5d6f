//! Where a mistake in a block is told: in the block and at one of its uses.

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
    /// Other places to point at with a mistake `at`: the uses in which it is one, and the node, if the mistake is in
    /// what a use gives to the block.
    pub(crate) fn notes(&self, at: &Span) -> Vec<(Span, String)> {
        let is_in = |outer: &Span| outer.start <= at.start && at.end <= outer.end;
        let node = (self.node.clone(), format!("for this node of block `{}`", self.block));
        let of_use = |UseOf { block, name, .. }: &UseOf| (name.clone(), format!("in this use of block `{block}`"));
        let uses = self.uses.iter().filter(|of| !is_in(&of.whole)).map(of_use);
        Some(node).filter(|_| !is_in(&self.definition)).into_iter().chain(uses).collect()
    }
}
