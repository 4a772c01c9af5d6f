//! `he_normal`: for layers in front of a ReLU (He et al. 2015).

use super::rules::{Fans, InitializerRules, Law};
use crate::op_struct;

op_struct! {
    /// Normal with the variance `2 / fan_in`, cut off at about 2.3 deviations; for layers in front of a `relu`.
    pub struct HeNormal {}
}

impl InitializerRules for HeNormal {
    const NAME: &'static str = "he_normal";
    const SUMMARY: &'static str = "Normal with the variance `2 / fan_in`, cut off at about 2.3 deviations; for layers in front of a `relu`.";

    fn law(&self, fans: Fans) -> Law {
        Law::TruncatedNormal { stddev: (2.0 / fans.fan_in).sqrt() }
    }
}
