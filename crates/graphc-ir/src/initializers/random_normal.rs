//! `random_normal`: numbers of a given size.

use super::rules::{Fans, InitializerRules, Law};
use crate::op_struct;

op_struct! {
    /// Normal with the mean `mean` and the standard deviation `stddev`.
    pub struct RandomNormal {
        /// The mean.
        pub mean: f64 = 0.0,
        /// The standard deviation.
        pub stddev: f64 where Positive = 0.05,
        /// Seed of the numbers: parameters of one shape with one seed begin alike.
        pub seed: Option<i64> where NotNegative = None => "`seed` of `train`, and the parameter's name",
    }
}

impl InitializerRules for RandomNormal {
    const NAME: &'static str = "random_normal";
    const SUMMARY: &'static str = "Normal with the mean `mean` and the standard deviation `stddev`.";

    fn law(&self, _: Fans) -> Law {
        Law::Normal { mean: self.mean, stddev: self.stddev }
    }

    fn seed(&self) -> Option<i64> {
        self.seed
    }
}
