//! `glorot_normal`: for layers whose outputs are as large as their inputs (Glorot and Bengio 2010).

use super::rules::{Fans, InitializerRules, Law};
use crate::op_struct;

op_struct! {
    /// Normal with the variance `2 / (fan_in + fan_out)`, cut off at about 2.3 deviations.
    pub struct GlorotNormal {}
}

impl InitializerRules for GlorotNormal {
    const NAME: &'static str = "glorot_normal";
    const SUMMARY: &'static str = "Normal with the variance `2 / (fan_in + fan_out)`, cut off at about 2.3 deviations.";

    fn law(&self, fans: Fans) -> Law {
        Law::TruncatedNormal { stddev: (2.0 / fans.sum()).sqrt() }
    }
}
