//! `he_uniform`: for layers in front of a ReLU (He et al. 2015).

use super::rules::{Fans, InitializerRules, Law};
use crate::op_struct;

op_struct! {
    /// Uniform in `±sqrt(6 / fan_in)`; for layers in front of a `relu`.
    pub struct HeUniform {
        /// Seed of the numbers: parameters of one shape with one seed begin alike.
        pub seed: Option<i64> where NotNegative = None => "`seed` of `train`, and the parameter's name",
    }
}

impl InitializerRules for HeUniform {
    const NAME: &'static str = "he_uniform";
    const SUMMARY: &'static str = "Uniform in `±sqrt(6 / fan_in)`; for layers in front of a `relu`.";

    fn law(&self, fans: Fans) -> Law {
        Law::Uniform { limit: (6.0 / fans.fan_in).sqrt() }
    }
    fn seed(&self) -> Option<i64> {
        self.seed
    }
}
