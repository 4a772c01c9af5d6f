//! `lecun_uniform`: for layers in front of a `selu` (LeCun et al. 1998).

use super::rules::{Fans, InitializerRules, Law};
use crate::op_struct;

op_struct! {
    /// Uniform in `±sqrt(3 / fan_in)`.
    pub struct LecunUniform {
        /// Seed of the numbers: parameters of one shape with one seed begin alike.
        pub seed: Option<i64> where NotNegative = None => "`seed` of `train`, and the parameter's name",
    }
}

impl InitializerRules for LecunUniform {
    const NAME: &'static str = "lecun_uniform";
    const SUMMARY: &'static str = "Uniform in `±sqrt(3 / fan_in)`.";

    fn law(&self, fans: Fans) -> Law {
        Law::Uniform { limit: (3.0 / fans.fan_in).sqrt() }
    }

    fn seed(&self) -> Option<i64> {
        self.seed
    }
}
