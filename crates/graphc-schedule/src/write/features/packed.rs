//! Weights as vectors: a copy in the order in which register tiles with features as lanes read them.
//!
//! For each block of vectors of outputs, term after term, the words of the block: `[blocks][terms][8 * block]`. The
//! last vector is filled up with zeros, so that no lane reads beyond. Weights that depend on parameters alone are
//! copied in the program's prologue.

use super::contraction::{Contraction, Vectors};
use graphc_ir::NodeId;
use graphc_ir::index::{Affine, Var};
use graphc_ir::scalar::LANES;

/// The copy of one contraction's weights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct VectorWeights {
    /// The node that holds them.
    pub(crate) weights: NodeId,
    /// Index of the weights over the outputs' axis and the terms.
    pub(super) index: Vec<Affine>,
    /// The axis of the outputs and its extent.
    pub(super) outputs: (Var, usize),
    /// Reductions in order, with their extents.
    pub(super) terms: Vec<(Var, usize)>,
}

/// A block of outputs: its first word among all outputs, and how many words it has.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    pub(crate) first: Affine,
    pub(crate) width: usize,
}

impl VectorWeights {
    /// The copy that a contraction needs, if its vectors are weights.
    pub(crate) fn of(contraction: &Contraction<'_>) -> Option<VectorWeights> {
        let Vectors::Weights { node, index } = &contraction.vectors else { return None };
        let terms = contraction.form.reds.iter().map(|red| (red.var, red.extent)).collect();
        let outputs = (contraction.lane_axis(), contraction.n_features());
        Some(VectorWeights { weights: *node, index: index.clone(), outputs, terms })
    }

    /// Words of the copy.
    pub(crate) fn len(&self) -> usize {
        self.outputs.1.next_multiple_of(LANES) * self.n_terms()
    }

    fn n_terms(&self) -> usize {
        self.terms.iter().map(|(_, extent)| extent).product()
    }

    /// Word of the copy of an output of a block; `term` gives the value of a reduction's variable.
    pub(crate) fn word(&self, block: &Block, output: &Affine, term: impl Fn(Var) -> Affine) -> Affine {
        let row =
            self.terms.iter().fold(Affine::default(), |row, &(var, extent)| row.times(extent as i64).plus(&term(var)));
        block.first.times(self.n_terms() as i64).add_scaled(&row, block.width as i64).plus(output)
    }
}
