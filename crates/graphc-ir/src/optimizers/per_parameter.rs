//! [`ParameterSettings`]: what is different for one parameter, for any optimizer.

use crate::attrs::{AttrError, Attrs, read_field, refuse_unknown};
use crate::narrow::narrow;

/// The setting of optimizers that decay weights.
pub const WEIGHT_DECAY: &str = "weight_decay";

/// How the optimizer updates one parameter, where that is not as all others.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct ParameterSettings {
    /// What the learning rate is multiplied by, whatever it is at a step; not negative.
    pub learning_rate_factor: Option<f64>,
    /// In place of the optimizer's `weight_decay`; not negative. Of an optimizer that has none nothing but 0.
    pub weight_decay: Option<f64>,
}

impl ParameterSettings {
    /// Their names, in text as in graph files.
    pub const NAMES: [&str; 2] = ["learning_rate_factor", WEIGHT_DECAY];

    /// Names and numbers of those that there are.
    pub fn given(&self) -> impl Iterator<Item = (&'static str, f64)> {
        let values = [self.learning_rate_factor, self.weight_decay];
        ParameterSettings::NAMES.into_iter().zip(values).filter_map(|(name, value)| Some((name, value?)))
    }

    /// Those with these names and numbers.
    ///
    /// # Errors
    /// If a name is none.
    pub fn of(given: &Attrs) -> Result<ParameterSettings, AttrError> {
        refuse_unknown(given, &ParameterSettings::NAMES)?;
        let number = |name| given.get(name).map(|_| read_field(given, name)).transpose();
        let [learning_rate_factor, weight_decay] = ParameterSettings::NAMES.map(number);
        Ok(ParameterSettings { learning_rate_factor: learning_rate_factor?, weight_decay: weight_decay? })
    }

    /// Whether every number is one.
    ///
    /// # Errors
    /// Names the first that is not.
    pub fn check(&self) -> Result<(), String> {
        for (name, value) in self.given() {
            if !narrow(value).is_ok_and(|value| value >= 0.0 && value.is_finite()) {
                return Err(format!("`{name}` must be a finite number of at least 0, got {value:e}"));
            }
        }
        Ok(())
    }
}
