//! Writes the copies of weights as vectors.

use super::packed::{Block, VectorWeights};
use crate::write::builder::Builder;
use crate::write::expr::Cx;
use graphc_ir::index::{Affine, Var};
use graphc_ir::loops::{Access, BufId, LoopKind};
use graphc_ir::scalar::LANES;

impl VectorWeights {
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
