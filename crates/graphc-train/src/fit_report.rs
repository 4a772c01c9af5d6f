//! What comes of a training.

use crate::history::{History, quantile};
use crate::metrics::Scores;
use crate::network::Weights;
use crate::nonfinite::Allowed;
use crate::run::{Best, Ended, Progress, Receipt};

/// What came of it; the weights are in the network.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FitReport {
    /// The finished epochs.
    pub history: History,
    /// Where it was stopped early, if it was.
    pub stopped: Option<Progress>,
    /// Milliseconds of every step of full batch size, in order.
    pub step_ms: Vec<f32>,
    /// The metrics of the last validation, if [`FitOptions::scoring`](crate::FitOptions::scoring) asks for some.
    pub validation: Option<Scores>,
    /// What was not finite and was let pass, the first of each kind.
    pub nonfinite: Vec<Allowed>,
    /// Why it is over, if it is.
    pub ended: Option<Ended>,
    /// The best epoch, if that was looked at.
    pub best: Option<Best>,
    /// The last epoch's weights, where the network has the best one's.
    pub last: Option<Weights>,
    /// The receipt as far as it goes, if there is one; whoever writes the weights ends it.
    pub receipt: Option<Receipt>,
}

impl FitReport {
    /// Median of the steps' milliseconds, if there was a step of full size.
    pub fn step_ms_median(&self) -> Option<f64> {
        let mut sorted: Vec<f64> = self.step_ms.iter().map(|&ms| f64::from(ms)).collect();
        sorted.sort_by(f64::total_cmp);
        (!sorted.is_empty()).then(|| quantile(&sorted, 0.5))
    }
}
