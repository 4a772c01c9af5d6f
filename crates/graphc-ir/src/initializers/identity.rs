//! `identity`: what leaves a vector as it is.

use super::rules::{Fans, InitializerRules, Law};
use crate::op_struct;
use crate::types::TypeError;

op_struct! {
    /// `gain` on the diagonal of a matrix, 0 elsewhere.
    pub struct Identity {
        /// The number on the diagonal.
        pub gain: f64 = 1.0,
    }
}

impl InitializerRules for Identity {
    const NAME: &'static str = "identity";
    const SUMMARY: &'static str = "`gain` on the diagonal of a matrix, 0 elsewhere.";

    fn law(&self, _: Fans) -> Law {
        Law::Identity { gain: self.gain }
    }

    fn check_sizes(&self, sizes: &[usize]) -> Result<(), TypeError> {
        match sizes.len() {
            2 => Ok(()),
            _ => Err(TypeError::new(format!("identity expects a matrix, got a parameter of shape {sizes:?}"))),
        }
    }
}
