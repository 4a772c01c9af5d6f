//! A run's life: where it stands, and what the history decides.
//!
//! Reading order: [`state`] (a run as data), [`course`] (the rate on a plateau, early stopping, the best epoch), [`checkpoint`] (what
//! it goes on from, and when that is kept), `exact` (numbers in JSON).

pub mod checkpoint;
pub mod course;
pub(crate) mod exact;
pub mod state;

pub use checkpoint::{Checkpoint, CheckpointEvery, Snapshot};
pub use course::{Best, Course, EarlyStopping};
pub use state::{Ended, RunState};

#[cfg(test)]
mod tests;
