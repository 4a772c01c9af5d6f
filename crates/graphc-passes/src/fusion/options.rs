//! [`FusionOptions`]: what can be decided otherwise than by cost.

use graphc_ir::graph::NodeId;
use std::collections::BTreeSet;

/// What can be decided otherwise. Results are the same bits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FusionOptions {
    /// Values that have a buffer even where recomputing them is cheaper; summands have none.
    pub stored: BTreeSet<NodeId>,
    /// Values that are recomputed even where a buffer is cheaper, if they can be.
    pub recomputed: BTreeSet<NodeId>,
    /// At most this many results per sweep, so that a nest's values fit into registers.
    pub max_roots: usize,
    /// Whether contractions compute the elementwise chains behind them.
    pub epilogues: bool,
}

impl Default for FusionOptions {
    fn default() -> FusionOptions {
        FusionOptions { stored: BTreeSet::new(), recomputed: BTreeSet::new(), max_roots: 10, epilogues: true }
    }
}
