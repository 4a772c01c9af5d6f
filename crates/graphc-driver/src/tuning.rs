//! Choices that measurements made, from wherever the caller keeps them.
//!
//! The library reads no files: it describes a step by a [`TuningKey`] and asks a [`Tuning`] for the choices that were
//! stored under it. Choices change how long a step takes, never what it computes.

use graphc_ir::graph::{Graph, Mode};
use std::fmt::{self, Debug, Formatter};
use std::sync::Arc;

pub use graphc_schedule::{Aspect, Candidates, Choices};

/// What choices are good for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TuningKey {
    /// Name of the graph.
    pub graph: String,
    /// Training step or inference.
    pub mode: Mode,
    /// Samples per step.
    pub batch: usize,
    /// What the code is made for, for example `x86-64 avx2 fma, 128-bit`.
    pub target: String,
    /// Version of graphc.
    pub version: String,
    /// Revision of the schedule's options.
    pub revision: u32,
    /// Hash of the graph after all passes, in hexadecimal digits.
    pub graph_hash: String,
}

impl TuningKey {
    /// The key of a graph after all passes.
    ///
    /// # Panics
    /// If the graph has no mode or no batch size.
    pub fn of_fused(fused: &Graph, target: &str) -> TuningKey {
        TuningKey {
            graph: fused.name.clone(),
            mode: fused.mode.expect("the graph is specialised"),
            batch: fused.batch.expect("the graph is specialised"),
            target: target.to_string(),
            version: env!("CARGO_PKG_VERSION").to_string(),
            revision: graphc_schedule::REVISION,
            graph_hash: hash_of(fused),
        }
    }

    /// A name for a file: equal for equal keys, different for different ones.
    pub fn id(&self) -> String {
        let TuningKey { graph, mode, batch, target, version, revision, graph_hash } = self;
        let text =
            [graph, mode.name(), &batch.to_string(), target, version, &revision.to_string(), graph_hash].join("\n");
        format!("{:032x}", fnv_1a(FNV_OFFSET, text.as_bytes()))
    }
}

const FNV_OFFSET: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
const FNV_PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;

/// FNV-1a with 128 bits, which is the same in every version of everything.
fn fnv_1a(hash: u128, bytes: &[u8]) -> u128 {
    bytes.iter().fold(hash, |hash, &byte| (hash ^ u128::from(byte)).wrapping_mul(FNV_PRIME))
}

/// Hash of a graph's text without the lines of the user's file that nodes come from.
fn hash_of(graph: &Graph) -> String {
    let text = graph.to_string();
    let lines = text.lines().map(|line| line.rsplit_once(" @ ").map_or(line, |(node, _)| node));
    format!("{:032x}", lines.fold(FNV_OFFSET, |hash, line| fnv_1a(fnv_1a(hash, line.as_bytes()), b"\n")))
}

/// Where the choices of a schedule come from. The default is the cost model alone.
#[derive(Clone, Default)]
pub struct Tuning(Source);

#[derive(Clone, Default)]
enum Source {
    #[default]
    CostModel,
    Fixed(Arc<Choices>),
    Lookup(Arc<Lookup>),
}

type Lookup = dyn Fn(&TuningKey) -> Option<Choices> + Send + Sync;

impl Tuning {
    /// These choices, whatever the step.
    pub fn fixed(choices: Choices) -> Tuning {
        Tuning(Source::Fixed(Arc::new(choices)))
    }

    /// What was stored for a step, if anything was.
    pub fn lookup(find: impl Fn(&TuningKey) -> Option<Choices> + Send + Sync + 'static) -> Tuning {
        Tuning(Source::Lookup(Arc::new(find)))
    }

    /// The choices for a graph after all passes; `None` leaves them to the cost model.
    pub(crate) fn choices(&self, fused: &Graph, target: &str) -> Option<Choices> {
        match &self.0 {
            Source::CostModel => None,
            Source::Fixed(choices) => Some(Choices::clone(choices)),
            Source::Lookup(find) => find(&TuningKey::of_fused(fused, target)),
        }
    }
}

impl Debug for Tuning {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Source::CostModel => f.write_str("CostModel"),
            Source::Fixed(choices) => choices.fmt(f),
            Source::Lookup(_) => f.write_str("Lookup"),
        }
    }
}
