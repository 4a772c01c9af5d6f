//! A run's life: where it stands, and what the history decides.
//!
//! Reading order: [`state`] (a run as data), [`course`] (the rate on a plateau, early stopping, the best epoch),
//! [`checkpoint`] (what it goes on from, and when that is kept), [`files`] (of checkpoints), [`hashing`] and
//! [`receipt`] (what can be trained again and compared), [`program`] (folders of checkpoints that a program makes),
//! `exact` (numbers in JSON).

pub mod checkpoint;
pub mod course;
pub(crate) mod exact;
pub mod files;
pub mod hashing;
pub mod program;
pub mod receipt;
pub mod state;

pub use checkpoint::{Checkpoint, CheckpointEvery};
pub use course::{Best, Course, EarlyStopping};
pub use files::{CheckpointWriter, Stored};
pub use hashing::{DataHash, FileHash, hash_bytes, hash_data, hash_tensor};
pub use receipt::{Begin, Difference, Receipt};
pub use state::{Ended, RunState};

#[cfg(test)]
mod tests;
