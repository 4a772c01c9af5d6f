//! What every initializer must tell.

use crate::attrs::OpAttrs;
use crate::types::TypeError;

/// The numbers that a parameter begins with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Law {
    /// Each the same.
    Constant(f64),
    /// Uniform, at most so large in magnitude.
    Uniform {
        /// The largest magnitude.
        limit: f64,
    },
    /// Uniform between two numbers.
    Between {
        /// The least.
        min: f64,
        /// The greatest.
        max: f64,
    },
    /// Normal.
    Normal {
        /// The mean.
        mean: f64,
        /// The standard deviation.
        stddev: f64,
    },
    /// Normal, drawn again where it is more than two standard deviations away from the mean. What remains has the
    /// standard deviation `stddev`.
    TruncatedNormal {
        /// The mean.
        mean: f64,
        /// The standard deviation.
        stddev: f64,
    },
    /// A matrix with orthogonal rows or columns, whichever are fewer.
    Orthogonal {
        /// Their length.
        gain: f64,
    },
    /// A number on the diagonal of a matrix.
    Identity {
        /// The number.
        gain: f64,
    },
    /// 1 in the second quarter of a vector, 0 elsewhere.
    UnitForget,
}

/// Standard deviation of a standard normal number that is at most 2 in magnitude.
pub const REMAINING: f64 = 0.879_625_661_034_239_8;

/// How many elements of its input and of its output every element of a parameter stands between, as Keras counts
/// them: the last two sizes times the receptive field before them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fans {
    /// Inputs of an output.
    pub fan_in: f64,
    /// Outputs of an input.
    pub fan_out: f64,
}

impl Fans {
    /// Those of a parameter of these sizes.
    pub fn of(sizes: &[usize]) -> Fans {
        let (field, fan_in, fan_out) = match sizes {
            [] => (1, 1, 1),
            [size] => (1, *size, *size),
            [field @ .., fan_in, fan_out] => (field.iter().product(), *fan_in, *fan_out),
        };
        Fans { fan_in: (field * fan_in) as f64, fan_out: (field * fan_out) as f64 }
    }

    /// The sum of both.
    pub fn sum(self) -> f64 {
        self.fan_in + self.fan_out
    }
}

/// The rules of one initializer. Its settings are numbers and choices, each with a default.
pub trait InitializerRules: OpAttrs {
    /// Its name in graph files and in the text form of graphs.
    const NAME: &'static str;

    /// What it draws: a sentence of Markdown.
    const SUMMARY: &'static str;

    /// The law of a parameter with these fans.
    fn law(&self, fans: Fans) -> Law;

    /// The seed of its random numbers, if it has one of its own.
    fn seed(&self) -> Option<i64> {
        None
    }

    /// Refuses settings that do not fit each other; ranges are looked at before.
    ///
    /// # Errors
    /// Says what is expected.
    fn check(&self) -> Result<(), TypeError> {
        Ok(())
    }

    /// Refuses parameters of other sizes than it is for.
    ///
    /// # Errors
    /// Says what is expected.
    fn check_sizes(&self, _sizes: &[usize]) -> Result<(), TypeError> {
        Ok(())
    }
}
