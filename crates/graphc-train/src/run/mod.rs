//! A run's life: where it stands, and what the history decides.
//!
//! Reading order: [`course`] (the rate on a plateau, early stopping, the best epoch), `progress` (of an epoch),
//! [`state`] (a run as data), [`checkpoint`] (what it goes on from, and when that is kept), [`files`] (of checkpoints),
//! [`hashing`] and [`receipt`] (what can be trained again and compared), `exact` (numbers in JSON).

pub mod checkpoint;
pub mod course;
pub(crate) mod exact;
pub mod files;
pub mod hashing;
pub(crate) mod progress;
pub mod receipt;
pub mod state;

pub use checkpoint::{Checkpoint, CheckpointEvery};
pub use course::{Best, Course, Ended};
pub use files::{CheckpointWriter, Stored};
pub use graphc_ir::EarlyStopping;
pub use hashing::{DataHash, FileHash, hash_bytes, hash_data, hash_tensor};
pub use progress::Progress;
pub use receipt::{Begin, Difference, Receipt};
pub use state::RunState;

#[cfg(test)]
mod tests;
