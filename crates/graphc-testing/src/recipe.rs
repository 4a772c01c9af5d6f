//! What is random about a graph: a short list of steps, each a few numbers.
//!
//! A number is only ever used modulo the choices there are, so every recipe gives a well-typed graph,
//! and proptest shrinks a failure by dropping steps and lowering numbers.

use graphc_ir::Graph;
use proptest::prelude::*;
use std::fmt;

/// Batch sizes around the lane count 8 and the chunk size 16.
pub const BATCHES: [usize; 9] = [1, 3, 7, 8, 9, 15, 16, 17, 33];

/// Sizes of fixed dimensions.
pub const SIZES: [usize; 6] = [1, 2, 3, 7, 8, 9];

/// One step: which kind of operation, and the choices it makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Which operation.
    pub kind: u8,
    /// Choices, in the order the operation asks for them.
    pub choices: [u8; 20],
}

/// Everything that is random about a graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipe {
    /// Index into [`BATCHES`].
    pub batch: u8,
    /// Shapes of the first inputs.
    pub sizes: [u8; 6],
    /// The operations.
    pub steps: Vec<Step>,
    /// Whether mode-dependent layers may stand among them.
    pub layers: bool,
}

/// A random graph, specialised to a batch size. Its `Debug` form is the graph's text.
#[derive(Clone)]
pub struct TestGraph {
    /// The graph: forward, with a loss and outputs.
    pub graph: Graph,
    /// Its batch size.
    pub batch: usize,
}

impl fmt::Debug for TestGraph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\n{}", self.graph)
    }
}

/// Recipes of some steps.
pub fn recipes(layers: bool) -> impl Strategy<Value = Recipe> {
    let step = (any::<u8>(), any::<[u8; 20]>()).prop_map(|(kind, choices)| Step { kind, choices });
    (any::<u8>(), any::<[u8; 6]>(), prop::collection::vec(step, 1..15)).prop_map(move |(batch, sizes, steps)| Recipe {
        batch,
        sizes,
        steps,
        layers,
    })
}
