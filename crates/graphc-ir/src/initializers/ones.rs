//! `ones`: the number 1, by name.

use super::rules::{Fans, InitializerRules, Law};
use crate::op_struct;

op_struct! {
    /// Every element 1, as the number 1 says it.
    pub struct Ones {}
}

impl InitializerRules for Ones {
    const NAME: &'static str = "ones";
    const SUMMARY: &'static str = "Every element 1, as the number 1 says it.";

    fn law(&self, _: Fans) -> Law {
        Law::Constant(1.0)
    }
}
