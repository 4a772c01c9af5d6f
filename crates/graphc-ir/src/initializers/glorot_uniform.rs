//! `glorot_uniform`: for layers whose outputs are as large as their inputs (Glorot and Bengio 2010).

use super::rules::{Fans, InitializerRules, Law};
use crate::op_struct;

op_struct! {
    /// Uniform in `±sqrt(6 / (fan_in + fan_out))`; the usual one of kernels.
    pub struct GlorotUniform {
        /// Seed of the numbers: parameters of one shape with one seed begin alike.
        pub seed: Option<i64> where NotNegative = None => "`seed` of `train`, and the parameter's name",
    }
}

impl InitializerRules for GlorotUniform {
    const NAME: &'static str = "glorot_uniform";
    const SUMMARY: &'static str = "Uniform in `±sqrt(6 / (fan_in + fan_out))`; the usual one of kernels.";

    fn law(&self, fans: Fans) -> Law {
        Law::Uniform { limit: (6.0 / fans.sum()).sqrt() }
    }
    fn seed(&self) -> Option<i64> {
        self.seed
    }
}
