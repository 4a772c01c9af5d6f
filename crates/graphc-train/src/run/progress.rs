//! How far an epoch is: what is told of it after every step, and what stays of one that is stopped.

/// Where an epoch stands after a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// From 1.
    pub epoch: usize,
    /// Steps of this epoch done.
    pub step: usize,
    /// Steps of an epoch.
    pub n_steps: usize,
    /// Samples of this epoch seen.
    pub samples: usize,
    /// Mean loss over them.
    pub loss: f64,
    /// Mean accuracy over them, if the network measures it.
    pub accuracy: Option<f64>,
    /// Seconds since the epoch began.
    pub seconds: f64,
}
