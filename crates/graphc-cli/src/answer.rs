//! What a prediction says: the class, or the number in the unit of the target.

use crate::error::CliError;
use graphc::experiment::{self, Kind};
use graphc_frontend::Experiment;
use graphc_train::data::Fitted;

/// The most likely class, the first one of several; none if a number is not finite.
pub(crate) fn best_class(values: &[f32]) -> Option<usize> {
    let is_finite = values.iter().all(|value| value.is_finite());
    let best = (0..values.len()).rev().max_by(|&a, &b| values[a].total_cmp(&values[b]));
    best.filter(|_| is_finite)
}

/// The unit of a prediction: that of the target, before it was changed for training.
pub(crate) struct Unit(Option<graphc_train::data::Affine>);

impl Unit {
    pub(crate) fn of(experiment: &Experiment, fitted: &Fitted, kind: Kind) -> Result<Unit, CliError> {
        Ok(Unit(experiment::target_map(experiment, fitted, kind)?))
    }

    /// The value in that unit.
    pub(crate) fn value(&self, value: f32, index: usize) -> f32 {
        match &self.0 {
            Some(affine) => affine.invert(value.into(), index) as f32,
            None => value,
        }
    }

    /// The same as text.
    pub(crate) fn text(&self, value: f32, index: usize) -> String {
        self.value(value, index).to_string()
    }
}
