//! What an op says of itself beside its rules: how a network uses it, and how tests draw it.

use crate::attrs::{AttrValue, Attrs};
use crate::types::DType;

/// How a network uses the op, with an example for the guide. Attributes, their defaults and their meaning are those
/// that the op declares.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// What one takes the op for.
    pub purpose: &'static str,
    /// Name of the example's node.
    pub node: &'static str,
    /// What the example reads.
    pub reads: &'static [Given],
    /// Attributes of the example; without one, it has its default.
    pub attributes: fn() -> Attrs,
    /// Attributes that a network may leave out, with what they are then, though the text form always has them.
    pub optional: &'static [(&'static str, AttrValue)],
}

/// What an example reads: name, element type and sizes behind the batch.
pub type Given = (&'static str, DType, &'static [usize]);

/// Eight numbers a sample.
pub const FEATURES: Given = ("x", DType::F32, &[8]);

/// Eight other numbers a sample.
pub const OTHER: Given = ("y", DType::F32, &[8]);

/// What a convolution gives.
pub const MAPS: Given = ("maps", DType::F32, &[24, 24, 6]);

/// Twelve steps of eight numbers.
pub const SEQUENCE: Given = ("x", DType::F32, &[12, 8]);

impl Usage {
    /// Without attributes.
    pub const PLAIN: Usage = Usage { purpose: "", node: "", reads: &[], attributes: Attrs::default, optional: &[] };
}

/// How a network uses the op as its loss, which is a scalar of a prediction, a target and perhaps weights. Attributes
/// are settings of the loss.
#[derive(Clone, Copy, Debug)]
pub struct LossUsage {
    /// What it is, for the reference.
    pub doc: &'static str,
    /// What predictions say; classes, of which yes and no are two, may have weights.
    pub of: Predicted,
    /// Attributes that a network may leave out, with what they are then, though the text form always has them.
    pub optional: &'static [(&'static str, AttrValue)],
}

/// What the predictions of a loss say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Predicted {
    /// Any numbers.
    Values,
    /// One class for each row of numbers along the last dimension, a number for each class.
    Classes,
    /// Yes or no by each number.
    YesOrNo,
}

impl LossUsage {
    /// Without classes.
    pub const PLAIN: LossUsage = LossUsage { doc: "", of: Predicted::Values, optional: &[] };
}

/// Of an elementwise op: each element of its `f32` result is computed from one element of every operand, under NumPy
/// broadcasting. Tests and random graphs draw it by this; what its results may become they find by evaluating it.
#[derive(Clone, Copy, Debug)]
pub struct Elementwise {
    /// What each operand may be.
    pub domains: &'static [Domain],
    /// What jumps.
    pub jumps: Jumps,
}

/// Numbers of which an op makes ordinary numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Domain {
    /// Any; of integers a few small ones.
    Any,
    /// At least so much, greater than 0.
    AtLeast(f64),
    /// At most so large in magnitude.
    Within(f64),
    /// Between 0 and 1, neither included.
    Share,
    /// Integers from 0 to that number, which is not included.
    Below(usize),
    /// These, or one other, which may be one of them.
    BelowOr {
        /// The number that is not included.
        end: usize,
        /// The other.
        other: i32,
    },
}

/// Where a small difference of an operand makes a large one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Jumps {
    /// Nowhere: a smooth function.
    Nowhere,
    /// In the gradient: a function with kinks.
    InSlope,
    /// In the result: a function of steps. It is drawn on inputs alone: what is computed may be on the other side of a
    /// step in another engine.
    InValue,
}

impl Elementwise {
    /// A smooth function of one number.
    pub const UNARY: Elementwise = Elementwise::of(&[Domain::Any]);

    /// A smooth function of two numbers.
    pub const BINARY: Elementwise = Elementwise::of(&[Domain::Any, Domain::Any]);

    /// A smooth function of such operands.
    pub const fn of(domains: &'static [Domain]) -> Elementwise {
        Elementwise { domains, jumps: Jumps::Nowhere }
    }

    /// It has kinks.
    #[must_use]
    pub const fn with_kinks(self) -> Elementwise {
        Elementwise { jumps: Jumps::InSlope, ..self }
    }

    /// It has steps.
    #[must_use]
    pub const fn with_steps(self) -> Elementwise {
        Elementwise { jumps: Jumps::InValue, ..self }
    }
}

impl Domain {
    /// Its least and greatest number of at most `bound` in magnitude; the nearest one if there is none.
    pub fn interval(self, bound: f64) -> [f64; 2] {
        match self {
            Domain::Any => [-bound, bound],
            Domain::AtLeast(least) => [least, bound.max(least)],
            Domain::Within(most) => [-bound.min(most), bound.min(most)],
            Domain::Share => [1e-6, 1.0 - 1e-6],
            Domain::Below(end) | Domain::BelowOr { end, .. } => [0.0, end.saturating_sub(1) as f64],
        }
    }
}
