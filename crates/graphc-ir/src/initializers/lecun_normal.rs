//! `lecun_normal`: for layers in front of a `selu` (LeCun et al. 1998; Klambauer et al. 2017).

use super::rules::{Fans, InitializerRules, Law};
use crate::op_struct;

op_struct! {
    /// Normal with the variance `1 / fan_in`, cut off at about 2.3 deviations; for layers in front of a `selu`.
    pub struct LecunNormal {
        /// Seed of the numbers: parameters of one shape with one seed begin alike.
        pub seed: Option<i64> where NotNegative = None => "`seed` of `train`, and the parameter's name",
    }
}

impl InitializerRules for LecunNormal {
    const NAME: &'static str = "lecun_normal";
    const SUMMARY: &'static str = "Normal with the variance `1 / fan_in`, cut off at about 2.3 deviations; for layers in front of a `selu`.";

    fn law(&self, fans: Fans) -> Law {
        Law::TruncatedNormal { mean: 0.0, stddev: (1.0 / fans.fan_in).sqrt() }
    }

    fn seed(&self) -> Option<i64> {
        self.seed
    }
}
