//! `glorot_normal`: for layers whose outputs are as large as their inputs (Glorot and Bengio 2010).

use super::rules::{Fans, InitializerRules, Law};
use crate::op_struct;

op_struct! {
    /// Normal with the variance `2 / (fan_in + fan_out)`, cut off at about 2.3 deviations.
    pub struct GlorotNormal {
        /// Seed of the numbers: parameters of one shape with one seed begin alike.
        pub seed: Option<i64> where NotNegative = None => "`seed` of `train`, and the parameter's name",
    }
}

impl InitializerRules for GlorotNormal {
    const NAME: &'static str = "glorot_normal";
    const SUMMARY: &'static str = "Normal with the variance `2 / (fan_in + fan_out)`, cut off at about 2.3 deviations.";

    fn law(&self, fans: Fans) -> Law {
        Law::TruncatedNormal { mean: 0.0, stddev: (2.0 / fans.sum()).sqrt() }
    }
    fn seed(&self) -> Option<i64> {
        self.seed
    }
}
