//! Vectors that pass through the nearest cache: each tile reads them from behind it.

use super::{Contraction, ContractionPlan};
use crate::decide::loops::Loop;
use graphc_ir::index::{Affine, Var};
use graphc_ir::scalar::CHUNK;

impl Contraction<'_> {
    /// Whether the vectors of a row of pixels are more than the nearest cache holds, and a tile finds none there
    /// that it has used before: each is read once for a pixel, as by a convolution with a window of 1x1.
    pub(super) fn passes(&self, plan: &ContractionPlan, factor: usize) -> bool {
        let is_row =
            |walk: &&Loop| walk.extent > 1 && walk.axis().is_some_and(|axis| self.axes.get(axis).moves_only(factor));
        let Some(row) = plan.loops.iter().rev().find(is_row) else { return false };
        let walked = row.axis().into_iter().chain(self.axes.reductions().map(|axis| axis.var));
        let walked: Vec<(Var, usize)> = walked.map(|var| (var, self.axes.get(var).extent)).collect();
        let n_read: usize = walked.iter().map(|(_, extent)| extent).product();
        let contraction = self.form().as_contraction().expect("a contraction");
        let index = [contraction.a, contraction.b][factor].1;
        let steps =
            |index: &Affine, (var, extent): (Var, usize)| index.coefficient(var).unsigned_abs() as usize * (extent - 1);
        let span = |index: &Affine| walked.iter().map(|&at| steps(index, at)).sum::<usize>();
        let n_vectors: usize = index.iter().map(|index| span(&index.value) + 1).product();
        n_vectors * CHUNK > self.problem.machine.nearest_words() && n_read < 2 * n_vectors
    }
}
