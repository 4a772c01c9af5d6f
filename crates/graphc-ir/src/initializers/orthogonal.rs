//! `orthogonal`: what leaves lengths and angles as they are (Saxe, McClelland and Ganguli 2014).

use super::rules::{Fans, InitializerRules, Law};
use crate::op_struct;
use crate::types::TypeError;

op_struct! {
    /// A random matrix whose rows or columns, whichever are fewer, are orthogonal and of length `gain`; sizes before
    /// the last are its rows.
    pub struct Orthogonal {
        /// The length.
        pub gain: f64 = 1.0,
        /// Seed of the numbers: parameters of one shape with one seed begin alike.
        pub seed: Option<i64> where NotNegative = None => "`seed` of `train`, and the parameter's name",
    }
}

impl InitializerRules for Orthogonal {
    const NAME: &'static str = "orthogonal";
    const SUMMARY: &'static str = "A random matrix whose rows or columns, whichever are fewer, are orthogonal and of length `gain`; all sizes but the \
                                   last together are its rows. For recurrent kernels.";

    fn law(&self, _: Fans) -> Law {
        Law::Orthogonal { gain: self.gain }
    }

    fn check_sizes(&self, sizes: &[usize]) -> Result<(), TypeError> {
        match sizes.len() {
            0 | 1 => Err(TypeError::new(format!(
                "orthogonal expects at least 2 dimensions, got a parameter of shape {sizes:?}"
            ))),
            _ => Ok(()),
        }
    }

    fn seed(&self) -> Option<i64> {
        self.seed
    }
}
