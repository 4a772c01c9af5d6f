//! How the output coordinates of a contraction are walked.

use graphc_ir::index::{Affine, Var};
use graphc_ir::scalar::LANES;
use std::fmt::{self, Display, Formatter};

/// An output coordinate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Axis {
    /// An output axis of the contraction.
    Output(usize),
    /// Which chunk of a task.
    Chunk,
    /// Which 8 of the 16 samples of a chunk.
    Half,
    /// Which 8 of the features.
    Features,
}

impl Display for Axis {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Axis::Output(axis) => write!(f, "of axis {axis}"),
            Axis::Chunk => f.write_str("chunks"),
            Axis::Half => f.write_str("vectors of samples"),
            Axis::Features => f.write_str("vectors of features"),
        }
    }
}

/// How an output coordinate is walked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Walk {
    pub(crate) axis: Axis,
    pub(crate) extent: usize,
    /// Coordinates held in registers at once; 1 for an ordinary loop.
    pub(crate) block: usize,
    pub(crate) part: Part,
}

/// Which blocks of an output coordinate a nest walks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    All,
    /// Share `share` of the full blocks, `blocks` of them at most.
    Share {
        share: Var,
        blocks: usize,
    },
    /// What is left beside the full blocks.
    Rest,
}

impl Walk {
    pub(crate) fn new(axis: Axis, extent: usize) -> Walk {
        Walk { axis, extent, block: 1, part: Part::All }
    }

    /// Whether one nest walks all blocks.
    pub(crate) fn is_whole(&self) -> bool {
        self.part == Part::All
    }

    /// The axis of the result that it walks.
    pub(crate) fn output_axis(&self) -> Option<usize> {
        match self.axis {
            Axis::Output(axis) => Some(axis),
            Axis::Chunk | Axis::Half | Axis::Features => None,
        }
    }
}

/// Blocks `low` to the least of `high` of a coordinate.
pub(crate) struct Blocks {
    pub(crate) low: Affine,
    pub(crate) high: Vec<Affine>,
    /// Number of all blocks.
    pub(crate) n: usize,
    /// Blocks of the coordinate that come before these.
    pub(crate) n_before: usize,
}

impl Blocks {
    pub(crate) fn first(n: usize) -> Blocks {
        Blocks { low: Affine::constant(0), high: vec![Affine::constant(n as i64)], n, n_before: 0 }
    }

    /// A single block after `n_before` others.
    pub(crate) fn last(n_before: usize) -> Blocks {
        Blocks { n_before, ..Blocks::first(1) }
    }
}

impl Axis {
    /// Elements, or samples, of one coordinate.
    pub(crate) fn unit(self) -> usize {
        match self {
            Axis::Output(_) | Axis::Chunk => 1,
            Axis::Half | Axis::Features => LANES,
        }
    }
}
