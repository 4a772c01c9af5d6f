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
    /// At most this many operations per sweep of several results: their code, for both halves of a chunk, is some
    /// kilobytes, which a loop runs from the nearest cache.
    pub max_operations: usize,
    /// At most this many operations that wait for one another, per sweep and from one value in memory to the next, if
    /// there is a choice: a processor looks ahead over some 500 instructions, so that it finds several elements to work
    /// at only if the chain of one is a small part of that.
    pub max_depth: usize,
    /// At most this many tensors that a sweep of several results reads and writes, each a stream of words.
    pub max_tensors: usize,
    /// At most this many operations of an epilogue, whose code is there for each of some 12 accumulators.
    pub max_epilogue_operations: usize,
    /// Whether contractions compute the elementwise chains behind them.
    pub epilogues: bool,
}

impl Default for FusionOptions {
    fn default() -> FusionOptions {
        FusionOptions {
            stored: BTreeSet::new(),
            recomputed: BTreeSet::new(),
            max_roots: 10,
            max_operations: 128,
            max_depth: 40,
            max_tensors: 24,
            max_epilogue_operations: 16,
            epilogues: true,
        }
    }
}
