//! Feature lanes: the other layout, for inference on a few samples.
//!
//! With samples as lanes a step takes as long for one sample as for eight. Where that leaves many lanes empty, all
//! tensors of a program are rows instead: row-major, the last dimension (channels of an image, features of a dense
//! layer) innermost and padded to whole vectors, and the lanes of a region are eight neighbouring features. In a
//! contraction the weights are the vectors, read from a copy in the order of the register tiles, and the activations
//! are the splats.
//!
//! The choice is made once for a whole program, because every change of layout in between would be a transposition. It
//! needs a program without updates and without contractions over the batch: weight gradients are made of vectors of
//! samples. Whatever is not computed feature by feature (a softmax's sum, a reshape that moves features, the mean of a
//! loss) is a nest of scalars.
//!
//! Padding words hold whatever the formulas give for padded operands. They are the same in every engine, and nothing
//! but other padding words depends on them.
//!
//! Reading order: `contraction`, `packed`, `pack`, `contract`.

pub(crate) mod contract;
pub(crate) mod contraction;
mod pack;
pub(crate) mod packed;

use graphc_ir::graph::Graph;
use graphc_ir::graph::plan::FusionPlan;
use graphc_ir::loops::Layout;
use graphc_ir::scalar::LANES;

/// Whether the lanes of a program's regions are features.
pub(crate) fn are_lanes(graph: &Graph, plan: &FusionPlan) -> bool {
    graph.batch.is_some_and(wastes_lanes)
        && graph.updates.is_empty()
        && plan.kernels.iter().all(|kernel| kernel.batch.is_empty())
}

/// Whether so many samples leave many lanes empty. Measured (`docs/performance.md`): seven samples take as long either
/// way; both vectors of a chunk take less than twice the time of one, so that from 13 samples on they are faster.
/// More than a chunk is left to the chunks, which threads can share.
fn wastes_lanes(batch: usize) -> bool {
    matches!(batch, 1..=7 | 9..=12)
}

/// The layout of a tensor in a program whose lanes are features. What the step itself writes has rows of whole vectors;
/// a parameter or an input is read as it comes, and the buffer ends with some spare words.
pub(crate) fn layout(sizes: &[usize], batch_axis: Option<usize>, is_written: bool) -> Layout {
    let is_padded = is_written && batch_axis.is_some_and(|axis| axis + 1 < sizes.len());
    if is_padded { Layout::rows(sizes, LANES) } else { Layout::new(sizes, None) }
}
