//! What a run goes on from, and when that is kept.

use super::state::RunState;
use crate::network::Weights;
use graphc_driver::SavedState;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A run between two steps: training that goes on from here gives the bits that it gave.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    /// Where it stands.
    pub state: RunState,
    /// Weights, moving statistics, averages, and what the optimizer keeps.
    pub tensors: SavedState,
    /// Weights of the best epoch, if they are to be kept.
    pub best: Option<Arc<Weights>>,
}

/// How often checkpoints are made, besides at the start, at the end, and when the training is stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CheckpointEvery {
    /// Epochs, though not sooner than `apart` after the last one: epochs may be shorter than what a disk takes.
    Epochs {
        /// How many.
        n: usize,
        /// At least that long.
        apart: Duration,
    },
    /// Steps.
    Steps(usize),
    /// That time at least.
    Time(Duration),
    /// After these steps alone, counted from the run's first one.
    At(BTreeSet<usize>),
    /// Only when the training is stopped.
    Never,
}

/// Decides when a checkpoint is due.
pub(crate) struct Pace {
    every: CheckpointEvery,
    last: Instant,
}

impl Pace {
    pub(crate) fn new(every: CheckpointEvery) -> Pace {
        Pace { every, last: Instant::now() }
    }

    /// Before the first step.
    pub(crate) fn is_wanted(&self, state: &RunState) -> bool {
        match &self.every {
            CheckpointEvery::At(steps) => steps.contains(&state.steps_done()),
            CheckpointEvery::Never => false,
            CheckpointEvery::Epochs { .. } | CheckpointEvery::Steps(_) | CheckpointEvery::Time(_) => true,
        }
    }

    /// After a step that is not an epoch's last.
    pub(crate) fn is_due_in_epoch(&self, state: &RunState) -> bool {
        match &self.every {
            CheckpointEvery::Steps(n) => state.steps_done().is_multiple_of(*(n.max(&1))),
            CheckpointEvery::Time(time) => self.last.elapsed() >= *time,
            CheckpointEvery::At(steps) => steps.contains(&state.steps_done()),
            CheckpointEvery::Epochs { .. } | CheckpointEvery::Never => false,
        }
    }

    /// After an epoch: `state` is that of the next one's start.
    pub(crate) fn is_due_after_epoch(&self, state: &RunState) -> bool {
        match &self.every {
            CheckpointEvery::Never => false,
            CheckpointEvery::At(_) => self.is_due_in_epoch(state),
            _ if state.ended.is_some() => true,
            CheckpointEvery::Epochs { n, apart } => {
                (state.epoch - 1).is_multiple_of(*(n.max(&1))) && self.last.elapsed() >= *apart
            }
            CheckpointEvery::Steps(_) | CheckpointEvery::Time(_) => self.is_due_in_epoch(state),
        }
    }

    pub(crate) fn written(&mut self) {
        self.last = Instant::now();
    }
}
