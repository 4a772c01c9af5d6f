//! `random_normal`: numbers of a given size.

use super::rules::{Fans, InitializerRules, Law};
use crate::op_struct;

op_struct! {
    /// Normal with the standard deviation `stddev`.
    pub struct RandomNormal {
        /// The standard deviation.
        pub stddev: f64 where Positive = 0.05,
    }
}

impl InitializerRules for RandomNormal {
    const NAME: &'static str = "random_normal";
    const SUMMARY: &'static str = "Normal with the standard deviation `stddev`.";

    fn law(&self, _: Fans) -> Law {
        Law::Normal { stddev: self.stddev }
    }
}
