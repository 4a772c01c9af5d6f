//! `unit_forget`: an LSTM that keeps its cells at first (Jozefowicz, Zaremba and Sutskever 2015).

use super::rules::{Fans, InitializerRules, Law};
use crate::op_struct;
use crate::types::TypeError;

op_struct! {
    /// 1 for the second of four gates, the forget gate of an `lstm`; 0 for the others.
    pub struct UnitForget {}
}

impl InitializerRules for UnitForget {
    const NAME: &'static str = "unit_forget";
    const SUMMARY: &'static str = "1 for the second of four gates, the forget gate of an `lstm`; 0 for the others.";

    fn law(&self, _: Fans) -> Law {
        Law::UnitForget
    }

    fn check_sizes(&self, sizes: &[usize]) -> Result<(), TypeError> {
        match sizes {
            [size] if size.is_multiple_of(4) => Ok(()),
            _ => Err(TypeError::new(format!(
                "unit_forget expects the bias of four gates of one size, got a parameter of shape {sizes:?}"
            ))),
        }
    }
}
