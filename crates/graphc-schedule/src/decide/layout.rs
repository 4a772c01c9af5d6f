//! The layout of every tensor, and with it what the lanes of a program are.
//!
//! Usually lanes are samples: tensors of the batch go in chunks of 16 samples, samples innermost. With samples as
//! lanes a step takes as long for one sample as for eight. Where that leaves many lanes empty, all tensors of a
//! program are rows instead: row-major, the last dimension (channels of an image, features of a dense layer)
//! innermost and padded to whole vectors, and the lanes of a region are eight neighbouring features.
//!
//! The choice is made once for a whole program, because every change of layout in between would be a transposition.
//! It depends on the number of samples alone. Whatever is not computed feature by feature (a softmax's sum, a reshape
//! that moves features, the mean of a loss) is a nest of scalars.
//!
//! Padding words of rows hold whatever the formulas give for padded operands. They are the same in every engine, and
//! nothing but other padding words depends on them.

use graphc_ir::NodeId;
use graphc_ir::graph::Graph;
use graphc_ir::loops::Layout;
use graphc_ir::ops::Op;
use graphc_ir::scalar::{LANES, wastes_lanes};

/// What the lanes of a program's regions are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProgramLanes {
    /// Eight samples of a chunk.
    Samples,
    /// Eight neighbouring elements of a row.
    Features,
}

impl ProgramLanes {
    /// The lanes of a specialised graph's program.
    pub(crate) fn of(graph: &Graph) -> ProgramLanes {
        if graph.batch.is_some_and(wastes_lanes) { ProgramLanes::Features } else { ProgramLanes::Samples }
    }

    /// The layout of a node's tensor. What the step itself writes has rows of whole vectors; a parameter or an input
    /// is read as it comes.
    pub(crate) fn layout(self, graph: &Graph, node: NodeId) -> Layout {
        let (sizes, batch_axis) = (graph.sizes(node), graph.ty(node).shape.batch_axis());
        let is_written = !matches!(graph.op(node), Op::Input(_));
        match self {
            ProgramLanes::Samples => Layout::new(&sizes, batch_axis),
            ProgramLanes::Features if is_written && batch_axis.is_some_and(|axis| axis + 1 < sizes.len()) => {
                Layout::rows(&sizes, LANES)
            }
            ProgramLanes::Features => Layout::new(&sizes, None),
        }
    }

    /// Spare words behind every buffer: the last vector of a row may reach beyond the row.
    pub(crate) fn spare_words(self) -> usize {
        match self {
            ProgramLanes::Samples => 0,
            ProgramLanes::Features => LANES,
        }
    }
}
