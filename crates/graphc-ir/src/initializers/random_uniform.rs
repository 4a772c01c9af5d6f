//! `random_uniform`: numbers of a given size.

use super::rules::{Fans, InitializerRules, Law};
use crate::op_struct;
use crate::types::TypeError;

op_struct! {
    /// Uniform in `±limit`, or from `minval` to `maxval`.
    pub struct RandomUniform {
        /// The largest magnitude.
        pub limit: f64 where Positive = 0.05,
        /// The least number.
        pub minval: Option<f64> = None => "`-limit`",
        /// The greatest number.
        pub maxval: Option<f64> = None => "`limit`",
        /// Seed of the numbers: parameters of one shape with one seed begin alike.
        pub seed: Option<i64> where NotNegative = None => "`seed` of `train`, and the parameter's name",
    }
}

impl InitializerRules for RandomUniform {
    const NAME: &'static str = "random_uniform";
    const SUMMARY: &'static str = "Uniform in `±limit`, or from `minval` to `maxval`.";

    fn law(&self, _: Fans) -> Law {
        match (self.minval, self.maxval) {
            (None, None) => Law::Uniform { limit: self.limit },
            (min, max) => Law::Between { min: min.unwrap_or(-self.limit), max: max.unwrap_or(self.limit) },
        }
    }

    fn check(&self) -> Result<(), TypeError> {
        let (min, max) = (self.minval.unwrap_or(-self.limit), self.maxval.unwrap_or(self.limit));
        match min <= max {
            true => Ok(()),
            false => Err(TypeError::new(format!("random_uniform expects a `minval` up to `maxval`, got {min} and {max}"))),
        }
    }

    fn seed(&self) -> Option<i64> {
        self.seed
    }
}
