//! Who watches a training.

use crate::history::EpochRecord;
use crate::nonfinite::Noticed;
use crate::run::checkpoint::Checkpoint;
use crate::run::progress::Progress;
use crate::run::receipt::{EpochEntry, Link};
use graphc_driver::SavedState;
use std::sync::atomic::AtomicBool;

/// Who is told of a training, and may end it.
pub struct Supervision<'a> {
    /// When it becomes true, the current step is still finished.
    pub stop: &'a AtomicBool,
    /// What is told of every step and epoch.
    pub observer: &'a mut dyn Observer,
}

/// Is told what happens.
pub trait Observer {
    /// An epoch (from 1) of that many steps begins.
    fn epoch_started(&mut self, _epoch: usize, _n_steps: usize) {}
    /// A step was made, with that loss of its batch, at that learning rate (0 if the network has none). Next comes
    /// [`Observer::step_done`].
    fn step_measured(&mut self, _loss: f64, _learning_rate: f32) {}
    /// A step was made.
    fn step_done(&mut self, _progress: &Progress) {}
    /// An epoch ended; validation is done. It may be the best so far, if that is looked at.
    fn epoch_done(&mut self, _record: &EpochRecord, _is_best: bool) {}
    /// The receipt has another entry: the state before the first step, or an epoch.
    fn recorded(&mut self, _entry: &Link<EpochEntry>) {}
    /// The training can go on from here: [`fit_from`](crate::fit_from).
    fn checkpoint(&mut self, _checkpoint: Checkpoint) {}
    /// Something is not finite, for the first time of its kind, and
    /// [`FitOptions::allow_nonfinite`](crate::FitOptions::allow_nonfinite).
    fn nonfinite_allowed(&mut self, _noticed: &Noticed) {}
    /// Something is not finite, and its cause is going to be looked for, which may take minutes and much memory.
    /// `kept` is what the network will be left with.
    fn search_started(&mut self, _noticed: &Noticed, _kept: &SavedState) {}
}

/// Hears nothing.
impl Observer for () {}
