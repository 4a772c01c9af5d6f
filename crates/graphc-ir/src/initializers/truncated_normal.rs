//! `truncated_normal`: numbers of a given size, none of them far from the mean.

use super::rules::{Fans, InitializerRules, Law, REMAINING};
use crate::op_struct;

op_struct! {
    /// Normal with the mean `mean` and the standard deviation `stddev`, drawn again where it is more than two
    /// deviations away from the mean.
    pub struct TruncatedNormal {
        /// The mean.
        pub mean: f64 = 0.0,
        /// The standard deviation before anything is drawn again; then it is 0.88 times that.
        pub stddev: f64 where Positive = 0.05,
        /// Seed of the numbers: parameters of one shape with one seed begin alike.
        pub seed: Option<i64> where NotNegative = None => "`seed` of `train`, and the parameter's name",
    }
}

impl InitializerRules for TruncatedNormal {
    const NAME: &'static str = "truncated_normal";
    const SUMMARY: &'static str = "Normal with the mean `mean` and the standard deviation `stddev`, drawn again where it is more than two deviations \
                                   away from the mean.";

    fn law(&self, _: Fans) -> Law {
        Law::TruncatedNormal { mean: self.mean, stddev: self.stddev * REMAINING }
    }

    fn seed(&self) -> Option<i64> {
        self.seed
    }
}
