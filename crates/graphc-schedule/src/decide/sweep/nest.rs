//! The decisions about a sweep, as data.

use graphc_ir::NodeId;
use graphc_ir::graph::plan::Root;
use graphc_ir::index::{Affine, Var};
use graphc_ir::loops::LoopKind;
use graphc_ir::point::{ExprId, PointDag};
use std::ops::Range;

/// A sweep: what is fused, and its nests in the order in which they run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SweepPlan {
    pub(crate) name: String,
    /// What the nests compute, ascending.
    pub(crate) nodes: Vec<NodeId>,
    pub(crate) nests: Vec<Nest>,
}

/// One pass over an index space.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Nest {
    /// Extents of the axes of the space, the batch left out. Those that a partial result keeps are the first.
    pub(crate) axes: Vec<usize>,
    /// Whether it computes something for every sample.
    pub(crate) over_batch: bool,
    /// Reductions over the batch whose partial results it joins, element by element.
    pub(crate) joins: Vec<NodeId>,
    /// What eight neighbours of are computed at once; none in a nest of scalars.
    pub(crate) lanes: Option<Coordinate>,
    /// Outermost first. A coordinate is the sum over its loops of turn times weight, and of the lane.
    pub(crate) loops: Vec<Loop>,
    /// Depths at which what is known already is computed ahead of what stands further in. A depth is the number of
    /// loops outside.
    pub(crate) hoisted: Range<usize>,
    pub(crate) results: Vec<SweepResult>,
}

/// What loops and lanes run over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coordinate {
    /// An axis of the space.
    Axis(usize),
    /// The sample within its chunk.
    Sample,
    /// The number of the element, row-major, which stands for all axes.
    Element,
}

/// One loop of a nest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Loop {
    pub(crate) over: Coordinate,
    /// Turns.
    pub(crate) extent: usize,
    /// What a turn adds to the coordinate.
    pub(crate) weight: usize,
    pub(crate) walk: Walk,
    /// Turns that there are altogether, if the last of the loops outside leaves fewer than the extent.
    pub(crate) in_all: Option<usize>,
    /// Turns from which on another piece is computed than before: they are written as loops of their own.
    pub(crate) cuts: Vec<usize>,
    /// What has its value inside, and not yet outside. What no loop decides is known everywhere.
    pub(crate) known: Vec<Coordinate>,
}

/// How the turns of a loop are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Walk {
    /// As iterations of a loop.
    Iterate(LoopKind),
    /// So many turns to an iteration, each with accumulators of its own.
    Chains(usize),
    /// One after another, without a loop, each with accumulators of its own.
    WrittenOut,
    /// One after another, without a loop; what they have in common is computed once.
    Jointly,
}

/// One result of a nest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SweepResult {
    pub(crate) root: Root,
    pub(crate) kind: ResultKind,
}

/// What happens to a value at every point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ResultKind {
    /// It is stored.
    Stored,
    /// It is a term of a partial result.
    Partial(PartialResult),
    /// It is the next value of a scan, and stored; or the value before is.
    Scanned {
        /// Number of loops outside of the accumulator.
        depth: usize,
        /// Whether what is stored is the value before.
        exclusive: bool,
        /// Before the first one.
        start: Start,
    },
}

/// A number, told apart by its bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Start(u32);

impl Start {
    pub(crate) fn of(number: f64) -> Start {
        Start((number as f32).to_bits())
    }

    pub(crate) fn number(self) -> f32 {
        f32::from_bits(self.0)
    }
}

/// The partial result of a reduction over the batch for the samples of one chunk. Its words are row-major in the axes
/// that it keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PartialResult {
    pub(crate) terms: Terms,
    /// The first axes of the space are those of the result.
    pub(crate) n_kept: usize,
    /// Number of loops outside of its accumulators.
    pub(crate) depth: usize,
}

/// How the terms of a partial result are combined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Terms {
    /// Added up; `contracted` if each is a product that is rounded together with its sum.
    Sum { contracted: bool },
    /// The greatest.
    Max,
    /// Squared deviations from the mean of the chunk, added up: `sum` is the partial result that the mean comes from,
    /// of so many terms for each sample.
    Deviations { sum: Root, per_sample: usize },
}

impl Nest {
    /// Declares the axes, as the first variables of `dag`, and the value of every result at the point they name.
    pub(crate) fn define(&self, dag: &mut PointDag<'_>) -> (Vec<Var>, Vec<ExprId>) {
        let roots: Vec<Root> = self.results.iter().map(|result| result.root).collect();
        define(dag, &self.axes, &roots)
    }

    /// Whether no loop runs over a coordinate.
    pub(crate) fn is_single(&self, coordinate: Coordinate) -> bool {
        let decides = |over: Coordinate| match (over, coordinate) {
            (Coordinate::Element, Coordinate::Axis(_)) => true,
            _ => over == coordinate,
        };
        !self.loops.iter().any(|some| decides(some.over))
    }

    /// Whether it computes pieces together.
    pub(crate) fn is_joint(&self) -> bool {
        self.loops.iter().any(|some| some.walk == Walk::Jointly)
    }

    /// Whether a coordinate has its value where `depth` loops are open.
    pub(crate) fn is_known(&self, coordinate: Coordinate, depth: usize) -> bool {
        !self.loops[depth..].iter().any(|inner| inner.known.contains(&coordinate))
    }

    /// Accumulators of a partial result for every loop inside of it, outermost first.
    pub(crate) fn copies(&self, partial: PartialResult) -> Vec<usize> {
        self.loops[partial.depth..].iter().map(Loop::n_copies).collect()
    }
}

impl Loop {
    /// Turns that are written one after another, in one iteration.
    pub(crate) fn n_copies(&self) -> usize {
        match self.walk {
            Walk::Iterate(_) => 1,
            Walk::Chains(n_chains) => n_chains,
            Walk::WrittenOut | Walk::Jointly => self.extent,
        }
    }
}

/// Declares axes in `dag`, and the values of `roots` at the point they name.
pub(crate) fn define(dag: &mut PointDag<'_>, extents: &[usize], roots: &[Root]) -> (Vec<Var>, Vec<ExprId>) {
    let axes: Vec<Var> = extents.iter().map(|&extent| dag.new_var(extent)).collect();
    let point: Vec<Affine> = axes.iter().map(|&axis| Affine::var(axis)).collect();
    let values = roots.iter().map(|&root| dag.root(root, &point)).collect();
    (axes, values)
}
