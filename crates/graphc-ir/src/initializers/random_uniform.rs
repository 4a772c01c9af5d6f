//! `random_uniform`: numbers of a given size.

use super::rules::{Fans, InitializerRules, Law};
use crate::op_struct;

op_struct! {
    /// Uniform in `±limit`.
    pub struct RandomUniform {
        /// The largest magnitude.
        pub limit: f64 where Positive = 0.05,
    }
}

impl InitializerRules for RandomUniform {
    const NAME: &'static str = "random_uniform";
    const SUMMARY: &'static str = "Uniform in `±limit`.";

    fn law(&self, _: Fans) -> Law {
        Law::Uniform { limit: self.limit }
    }
}
