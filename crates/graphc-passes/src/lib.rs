//! Graph passes: graph in, graph of the same meaning out. One pass, one file, one `run`.
//!
//! A pass decides *what* is computed; it knows no loops, no memory and no machine. Every pass gives
//! a [`Report`] of what it did. [`PASSES`] is the one list; [`PassManager`] runs passes by name,
//! verifies after each and keeps reports, times and texts. The order for a whole compilation is the
//! driver's.
//!
//! Reading order: [`report`], `rewrite` (how local rules run), the passes, [`manager`].
#![forbid(unsafe_code)]

mod pieces;
mod products;
pub mod report;
mod rewrite;

pub mod canonicalise;
pub mod eliminate_common_subexpressions;
pub mod eliminate_dead_code;
pub mod expand_composites;
pub mod fold_batch_norm;
pub mod fold_constants;
pub mod separate_outputs;
mod shift;
pub mod simplify;

pub mod fusion;

pub mod manager;

pub use manager::{BrokenGraph, PASSES, Pass, PassManager, PrintAfter, Record};
pub use report::Report;
