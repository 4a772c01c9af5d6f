//! Options of sessions and of trainings.

use graphc_driver::{Isa, Tuning};
use graphc_ir::RateSchedule;
use graphc_train::EarlyStopping;
use graphc_train::run::CheckpointEvery;
use std::path::PathBuf;
use std::time::Duration;

/// Options of a [`Session`](crate::Session). Only the seed changes results.
///
/// ```
/// # use graphc::prelude::*;
/// let options = SessionOptions { seed: Some(7), threads: 1, ..SessionOptions::default() };
/// ```
#[derive(Clone, Debug, Default)]
pub struct SessionOptions {
    /// Decides the initial weights and the order of samples; that of the graph file, or 1, if not given.
    pub seed: Option<u64>,
    /// Threads that run a step together; 0, the default, is one for each physical core.
    pub threads: usize,
    /// Which instructions to use; what the processor has, unless given.
    pub isa: Isa,
    /// Bounds-check every access of the compiled code (slow).
    pub checked: bool,
    /// Where choices of the schedules come from, as `graphc tune` measures them.
    pub tuning: Tuning,
}

/// How [`Session::fit`](crate::Session::fit) trains. The defaults are those of graph files;
/// [`Session::fit_options`](crate::Session::fit_options) gives what a session's graph file says.
///
/// ```
/// # use graphc::prelude::*;
/// let options = FitOptions { epochs: 5, batch_size: 32, validation_split: 0.2, ..FitOptions::default() };
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct FitOptions {
    /// Passes over the training samples: 10.
    pub epochs: usize,
    /// Samples a step: 64. The last step of an epoch may have fewer.
    pub batch_size: usize,
    /// Share of the samples that is not trained on but measured after every epoch: 0. They are drawn by the seed, from
    /// every class alike. A [`Dataset`](graphc_train::Dataset) has been divided when it was made.
    pub validation_split: f64,
    /// Whether every epoch takes the samples in another order: yes.
    pub shuffle: bool,
    /// Decides the orders; the session's seed if not given.
    pub seed: Option<u64>,
    /// How the learning rate changes; it is the session's times a factor. Constant.
    pub schedule: RateSchedule,
    /// When training ends before the last epoch: never.
    pub early_stopping: Option<EarlyStopping>,
    /// Whether the session has the best epoch's weights in the end in place of the last one's: no.
    pub keep_best: bool,
    /// Whether averages of the weights, where the network keeps some, validate and predict in their place: yes.
    pub infer_averages: bool,
    /// What is measured on the validation samples beside loss and accuracy, by the names of graph files, such as `f1`.
    pub metrics: Vec<String>,
    /// Whether training goes on when a loss or a weight is not finite: no, that is an error that names step, node and
    /// sample.
    pub allow_nonfinite: bool,
    /// Where checkpoints go, from which [`Session::resume`](crate::Session::resume) goes on: none are written.
    pub checkpoints: Option<PathBuf>,
    /// How often: after every epoch, but not twice within a second; and when a callback stops the training.
    pub checkpoint_every: CheckpointEvery,
}

impl Default for FitOptions {
    fn default() -> FitOptions {
        FitOptions {
            epochs: 10,
            batch_size: 64,
            validation_split: 0.0,
            shuffle: true,
            seed: None,
            schedule: RateSchedule::default(),
            early_stopping: None,
            keep_best: false,
            infer_averages: true,
            metrics: Vec::new(),
            allow_nonfinite: false,
            checkpoints: None,
            checkpoint_every: CheckpointEvery::Epochs { n: 1, apart: Duration::from_secs(1) },
        }
    }
}
