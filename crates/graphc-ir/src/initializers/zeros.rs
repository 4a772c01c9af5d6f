//! `zeros`: the number 0, by name.

use super::rules::{Fans, InitializerRules, Law};
use crate::op_struct;

op_struct! {
    /// Every element 0, as the number 0 says it.
    pub struct Zeros {}
}

impl InitializerRules for Zeros {
    const NAME: &'static str = "zeros";
    const SUMMARY: &'static str = "Every element 0, as the number 0 says it.";

    fn law(&self, _: Fans) -> Law {
        Law::Constant(0.0)
    }
}
