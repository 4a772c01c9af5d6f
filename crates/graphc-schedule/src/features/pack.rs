//! Weights as vectors: a copy in the order in which register tiles with features as lanes read them.
//!
//! For each block of vectors of outputs, term after term, the words of the block: `[blocks][terms][8 * block]`. The last
//! vector is filled up with zeros, so that no lane reads beyond. Weights that depend on parameters alone are copied
//! in the program's prologue.

use super::contract::{Contraction, Vectors};
use crate::builder::Builder;
use crate::emit::Cx;
use graphc_ir::NodeId;
use graphc_ir::index::{Affine, Var};
use graphc_ir::loops::{Access, BufId, LoopKind};
use graphc_ir::scalar::LANES;

/// The copy of one contraction's weights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct VectorWeights {
    /// The node that holds them.
    pub(crate) weights: NodeId,
    /// Index of the weights over the outputs' axis and the terms.
    index: Vec<Affine>,
    /// The axis of the outputs and its extent.
    outputs: (Var, usize),
    /// Reductions in order, with their extents.
    terms: Vec<(Var, usize)>,
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

    /// Writes the copy for blocks of `block` vectors.
    pub(crate) fn write(&self, cx: &Cx<'_>, b: &mut Builder, name: &str, copy: BufId, block: usize) {
        let (n_outputs, n_vectors) = (self.outputs.1, self.outputs.1.div_ceil(LANES));
        let width = block * LANES;
        let n_full = n_outputs / width;
        b.nest(&format!("packed weights of {name}"), |b| {
            if n_full > 0 {
                b.for_extent(n_full, LoopKind::Serial, |b, number| {
                    let first = Affine::var(number).times(width as i64);
                    self.block(cx, b, copy, &Block { first, width }, width);
                });
            }
            let mut first = n_full * width;
            while first < n_outputs {
                // The block with the padding, and the one for what does not fill a block of vectors.
                let width = width.min(n_vectors * LANES - first);
                let block = Block { first: Affine::constant(first as i64), width };
                self.block(cx, b, copy, &block, width.min(n_outputs - first));
                first += width;
            }
        });
    }

    /// One block, of which `n_real` outputs are not padding.
    fn block(&self, cx: &Cx<'_>, b: &mut Builder, copy: BufId, block: &Block, n_real: usize) {
        self.rows(b, &mut Vec::new(), &mut |b, terms| {
            let term = |var: Var| {
                let position = self.terms.iter().position(|&(term, _)| term == var).expect("a term");
                Affine::var(terms[position])
            };
            let source = cx.buffers.node(self.weights);
            let layout = cx.buffers.layout(source);
            b.for_extent(n_real, LoopKind::Serial, |b, output| {
                let output = Affine::var(output);
                let value = |var: Var| if var == self.outputs.0 { block.first.plus(&output) } else { term(var) };
                let from = self.index.iter().zip(&layout.strides).fold(Affine::default(), |word, (index, &stride)| {
                    word.add_scaled(&index.substitute(&value), stride as i64)
                });
                let value = b.load(Access { buffer: source, index: from });
                b.store(Access { buffer: copy, index: self.word(block, &output, term) }, value);
            });
            if n_real < block.width {
                b.for_extent(block.width - n_real, LoopKind::Serial, |b, output| {
                    let output = Affine::var(output).plus_constant(n_real as i64);
                    let zero = b.f32(0.0);
                    b.store(Access { buffer: copy, index: self.word(block, &output, term) }, zero);
                });
            }
        });
    }

    /// Loops over all terms.
    fn rows(&self, b: &mut Builder, terms: &mut Vec<Var>, f: &mut dyn FnMut(&mut Builder, &[Var])) {
        let Some(&(_, extent)) = self.terms.get(terms.len()) else { return f(b, terms) };
        b.for_extent(extent, LoopKind::Serial, |b, var| {
            terms.push(var);
            self.rows(b, terms, f);
            terms.pop();
        });
    }
}
