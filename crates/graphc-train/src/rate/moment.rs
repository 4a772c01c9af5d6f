//! When in the training a rate is wanted.

/// When in the training a rate is wanted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    /// Number of the step, from 0.
    pub(crate) step: usize,
    /// Steps of an epoch.
    pub(crate) n_steps: usize,
    /// Steps of the whole training.
    pub(crate) n_all_steps: usize,
    /// Steps of the warm-up.
    pub(crate) n_warmup: usize,
}

impl Moment {
    /// From 0.
    pub(super) fn epoch(self) -> usize {
        self.step / self.n_steps
    }

    /// How much of the training is over, from 0 at the end of the warm-up to 1 at the end of the last epoch.
    pub(super) fn share_behind_warmup(self) -> f64 {
        let n = self.n_all_steps.saturating_sub(self.n_warmup).max(1) as f64;
        (self.step.saturating_sub(self.n_warmup) as f64 / n).min(1.0)
    }
}

/// From `from` at 0 to `to` at 1 on half a period of a cosine.
pub(super) fn half_cosine(from: f64, to: f64, x: f64) -> f64 {
    to + (from - to) / 2.0 * (1.0 + libm::cos(std::f64::consts::PI * x))
}
