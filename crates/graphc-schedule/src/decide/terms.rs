//! Terms in blocks: some terms of every sum before the next ones, so that samples stay near.
//!
//! A dense layer reads all samples of its task for each block of outputs. Sixteen samples of 25,088 features are 1.6
//! MB, which no core keeps to itself, and they would come from afar 700 times for 4,096 outputs. So the terms are
//! walked in blocks, outermost: the samples' part of a block stays near while all outputs take it in, and the sums wait
//! where the results will stand. Every sum still adds its terms in order, so that results are the same to the bit.

use crate::decide::problem::Problem;
use graphc_ir::form::PointForm;
use graphc_ir::scalar::{CHUNK, LANES};
use std::fmt::{self, Display, Formatter};

/// Terms below which loading and storing the sums would cost more than a hundredth of the multiply-adds.
const FEWEST_TERMS: usize = 256;

/// The blocks that the terms of a sum are walked in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TermBlocks {
    /// Terms of every block but the last.
    pub(crate) n_terms: usize,
    /// Terms of the sum, more than one block of them.
    pub(crate) extent: usize,
}

impl TermBlocks {
    /// For tasks of so many chunks and a register grid that takes so many splats for every term; `None` if all terms
    /// of the samples stay near, or a block of them would be too short.
    pub(crate) fn of(problem: &Problem<'_>, form: &PointForm, per_task: usize, n_splats: usize) -> Option<TermBlocks> {
        let [sum] = &form.reds[..] else { return None };
        let is_whole = !sum.is_batch && sum.low.is_empty() && sum.high.is_empty();
        let n_samples = per_task.min(problem.n_chunks()) * CHUNK;
        let near = problem.machine.near_words() / n_samples;
        // Splats of a block of outputs are read once for each vector of samples.
        let nearest = problem.machine.nearest_half_words() / n_splats.max(1);
        let n_terms = near.min(nearest) / LANES * LANES;
        let pays = near < sum.extent && n_terms >= FEWEST_TERMS && n_terms < sum.extent;
        (is_whole && pays).then_some(TermBlocks { n_terms, extent: sum.extent })
    }

    /// How many there are.
    pub(crate) fn n_blocks(self) -> usize {
        self.extent.div_ceil(self.n_terms)
    }

    /// Terms of the last one.
    pub(crate) fn n_last(self) -> usize {
        self.extent - (self.n_blocks() - 1) * self.n_terms
    }
}

impl Display for TermBlocks {
    /// `in blocks of 512, outermost; sums wait in their results`
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "in blocks of {}, outermost; sums wait in their results", self.n_terms)
    }
}
