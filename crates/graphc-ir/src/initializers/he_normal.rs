//! `he_normal`: for layers in front of a ReLU (He et al. 2015).

use super::rules::{Fans, InitializerRules, Law};
use crate::op_struct;

op_struct! {
    /// Normal with the variance `2 / fan_in`, cut off at about 2.3 deviations; for layers in front of a `relu`.
    pub struct HeNormal {
        /// Seed of the numbers: parameters of one shape with one seed begin alike.
        pub seed: Option<i64> where NotNegative = None => "`seed` of `train`, and the parameter's name",
    }
}

impl InitializerRules for HeNormal {
    const NAME: &'static str = "he_normal";
    const SUMMARY: &'static str = "Normal with the variance `2 / fan_in`, cut off at about 2.3 deviations; for layers in front of a `relu`.";

    fn law(&self, fans: Fans) -> Law {
        Law::TruncatedNormal { mean: 0.0, stddev: (2.0 / fans.fan_in).sqrt() }
    }
    fn seed(&self) -> Option<i64> {
        self.seed
    }
}
