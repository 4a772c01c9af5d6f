//! Scalar operations shared by compute bodies and the loop IR.
//!
//! The names say what is computed; [`flushed`] has the arithmetic of the loop IR, in which subnormal numbers count as
//! zero.

pub mod flushed;

use crate::types::DType;

/// A one-operand scalar operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum UnaryOp {
    /// `-x`
    Neg,
    /// `|x|`
    Abs,
    /// IEEE square root.
    Sqrt,
    /// The greatest integer that is not above `x`; of the sign of `x`, if it is 0.
    Floor,
    /// The least integer that is not below `x`, likewise.
    Ceil,
    /// The nearest integer, the even one of two, likewise.
    Round,
    /// The integer next to `x` in the direction of 0, likewise.
    Trunc,
    /// `e^x`. Compute bodies only; the schedule expands it into a polynomial.
    Exp,
    /// Natural logarithm. Compute bodies only.
    Log,
    /// Hyperbolic tangent. Compute bodies only.
    Tanh,
    /// The error function. Compute bodies only.
    Erf,
    /// The share of a standard normal distribution below `x`. Compute bodies only.
    Ndtr,
    /// Sine of radians. Compute bodies only.
    Sin,
    /// Cosine of radians. Compute bodies only.
    Cos,
    /// `e^x - 1`. Compute bodies only.
    Expm1,
    /// `log(1 + x)`. Compute bodies only.
    Log1p,
    /// The `i32` next to an `f32` in the direction of 0, or the nearest there is of those that `f32` has; 0 for NaN.
    /// Compute bodies only.
    ToI32,
    /// Nearest `f32` of an `i32`.
    ToF32,
    /// The bits of an `f32` as `i32`. Loop IR only.
    BitsOf,
    /// The `f32` with the bits of an `i32`. Loop IR only.
    FromBits,
}

/// A two-operand scalar operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum BinaryOp {
    /// `a + b`
    Add,
    /// `a - b`
    Sub,
    /// `a * b`
    Mul,
    /// IEEE division.
    Div,
    /// `a > b ? a : b` (`b` if either is NaN).
    Max,
    /// `a < b ? a : b` (`b` if either is NaN).
    Min,
    /// Wrapping `i32` addition.
    IAdd,
    /// Wrapping `i32` subtraction.
    ISub,
    /// Wrapping `i32` multiplication.
    IMul,
    /// Bitwise and of `i32`.
    IAnd,
    /// Bitwise exclusive or of `i32`.
    IXor,
    /// `a << b`; `b` is a constant in `0..32`.
    IShl,
    /// Logical `a >> b`; `b` is a constant in `0..32`.
    IShr,
}

/// A comparison. False if either operand is NaN (true for `Ne`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CmpOp {
    /// `a == b`
    Eq,
    /// `a != b`
    Ne,
    /// `a < b`
    Lt,
    /// `a <= b`
    Le,
    /// `a > b`
    Gt,
    /// `a >= b`
    Ge,
}

impl UnaryOp {
    /// Every operation, in order of declaration.
    pub const ALL: [UnaryOp; 20] = {
        use UnaryOp::*;
        [
            Neg, Abs, Sqrt, Floor, Ceil, Round, Trunc, Exp, Log, Tanh, Erf, Ndtr, Sin, Cos, Expm1, Log1p, ToI32, ToF32,
            BitsOf, FromBits,
        ]
    };

    /// The name in text form.
    pub fn name(self) -> &'static str {
        match self {
            UnaryOp::Neg => "neg",
            UnaryOp::Abs => "abs",
            UnaryOp::Sqrt => "sqrt",
            UnaryOp::Floor => "floor",
            UnaryOp::Ceil => "ceil",
            UnaryOp::Round => "round",
            UnaryOp::Trunc => "trunc",
            UnaryOp::Exp => "exp",
            UnaryOp::Log => "log",
            UnaryOp::Tanh => "tanh",
            UnaryOp::Erf => "erf",
            UnaryOp::Ndtr => "ndtr",
            UnaryOp::Sin => "sin",
            UnaryOp::Cos => "cos",
            UnaryOp::Expm1 => "expm1",
            UnaryOp::Log1p => "log1p",
            UnaryOp::ToI32 => "to_i32",
            UnaryOp::ToF32 => "to_f32",
            UnaryOp::BitsOf => "bits_of",
            UnaryOp::FromBits => "from_bits",
        }
    }

    /// Types of the operand and of the result.
    pub fn types(self) -> [DType; 2] {
        match self {
            UnaryOp::ToF32 | UnaryOp::FromBits => [DType::I32, DType::F32],
            UnaryOp::BitsOf | UnaryOp::ToI32 => [DType::F32, DType::I32],
            _ => [DType::F32; 2],
        }
    }

    /// Whether it rounds to an integer.
    pub fn is_rounding(self) -> bool {
        matches!(self, UnaryOp::Floor | UnaryOp::Ceil | UnaryOp::Round | UnaryOp::Trunc)
    }

    /// Whether it is an elementary function, of which the schedule makes a polynomial: the loop IR does not have it.
    pub fn is_function(self) -> bool {
        use UnaryOp::{Cos, Erf, Exp, Expm1, Log, Log1p, Ndtr, Sin, Tanh, ToI32};
        matches!(self, Exp | Log | Tanh | Erf | Ndtr | Sin | Cos | Expm1 | Log1p | ToI32)
    }

    /// The word that the loop IR's operation makes of a word. A sign is a bit: of a subnormal number, too, it is only
    /// set, cleared or turned.
    ///
    /// # Panics
    /// On an operation that is not part of the loop IR.
    #[inline(always)]
    pub fn eval_word(self, word: u32) -> u32 {
        let x = f32::from_bits(word);
        match self {
            UnaryOp::Neg => (-x).to_bits(),
            UnaryOp::Abs => x.abs().to_bits(),
            UnaryOp::Sqrt => flushed::sqrt(x).to_bits(),
            UnaryOp::Floor => flushed::flush(x).floor().to_bits(),
            UnaryOp::Ceil => flushed::flush(x).ceil().to_bits(),
            UnaryOp::Round => flushed::flush(x).round_ties_even().to_bits(),
            UnaryOp::Trunc => flushed::flush(x).trunc().to_bits(),
            UnaryOp::ToF32 => (word.cast_signed() as f32).to_bits(),
            UnaryOp::BitsOf | UnaryOp::FromBits => word,
            _ => panic!("{} is not part of the loop IR", self.name()),
        }
    }
}

impl BinaryOp {
    /// Every operation, in order of declaration.
    pub const ALL: [BinaryOp; 13] = {
        use BinaryOp::*;
        [Add, Sub, Mul, Div, Max, Min, IAdd, ISub, IMul, IAnd, IXor, IShl, IShr]
    };

    /// The name in text form.
    pub fn name(self) -> &'static str {
        match self {
            BinaryOp::Add => "add",
            BinaryOp::Sub => "sub",
            BinaryOp::Mul => "mul",
            BinaryOp::Div => "div",
            BinaryOp::Max => "max",
            BinaryOp::Min => "min",
            BinaryOp::IAdd => "iadd",
            BinaryOp::ISub => "isub",
            BinaryOp::IMul => "imul",
            BinaryOp::IAnd => "iand",
            BinaryOp::IXor => "ixor",
            BinaryOp::IShl => "ishl",
            BinaryOp::IShr => "ishr",
        }
    }

    /// Whether the operands and the result are `i32`.
    pub fn is_integer(self) -> bool {
        self >= BinaryOp::IAdd
    }

    /// `f32` result of a floating-point operation, subnormal numbers counting as zero ([`flushed`]). A maximum or
    /// minimum is one of the operands as they are read: never subnormal.
    ///
    /// # Panics
    /// On an integer operation.
    #[inline(always)]
    pub fn eval_f32(self, a: f32, b: f32) -> f32 {
        match self {
            BinaryOp::Add => flushed::add(a, b),
            BinaryOp::Sub => flushed::sub(a, b),
            BinaryOp::Mul => flushed::mul(a, b),
            BinaryOp::Div => flushed::div(a, b),
            BinaryOp::Max => {
                let (a, b) = (flushed::flush(a), flushed::flush(b));
                if a > b { a } else { b }
            }
            BinaryOp::Min => {
                let (a, b) = (flushed::flush(a), flushed::flush(b));
                if a < b { a } else { b }
            }
            _ => panic!("{} is an integer operation", self.name()),
        }
    }

    /// `i32` result of an integer operation.
    ///
    /// # Panics
    /// On a floating-point operation.
    pub fn eval_i32(self, a: i32, b: i32) -> i32 {
        match self {
            BinaryOp::IAdd => a.wrapping_add(b),
            BinaryOp::ISub => a.wrapping_sub(b),
            BinaryOp::IMul => a.wrapping_mul(b),
            BinaryOp::IAnd => a & b,
            BinaryOp::IXor => a ^ b,
            BinaryOp::IShl => ((a as u32) << b) as i32,
            BinaryOp::IShr => ((a as u32) >> b) as i32,
            _ => panic!("{} is a floating-point operation", self.name()),
        }
    }
}

impl CmpOp {
    /// Every comparison, in order of declaration.
    pub const ALL: [CmpOp; 6] = [CmpOp::Eq, CmpOp::Ne, CmpOp::Lt, CmpOp::Le, CmpOp::Gt, CmpOp::Ge];

    /// The name in text form.
    pub fn name(self) -> &'static str {
        match self {
            CmpOp::Eq => "eq",
            CmpOp::Ne => "ne",
            CmpOp::Lt => "lt",
            CmpOp::Le => "le",
            CmpOp::Gt => "gt",
            CmpOp::Ge => "ge",
        }
    }

    /// Whether the comparison holds.
    pub fn eval<T: PartialOrd>(self, a: T, b: T) -> bool {
        match self {
            CmpOp::Eq => a == b,
            CmpOp::Ne => a != b,
            CmpOp::Lt => a < b,
            CmpOp::Le => a <= b,
            CmpOp::Gt => a > b,
            CmpOp::Ge => a >= b,
        }
    }

    /// Whether the comparison with `b` comes out the same for everything from `low` to `high`, and how.
    pub fn eval_range(self, (low, high): (i64, i64), b: i64) -> Option<bool> {
        let is_within = (low..=high).contains(&b);
        match self {
            CmpOp::Eq | CmpOp::Ne if !is_within => Some(self == CmpOp::Ne),
            CmpOp::Eq | CmpOp::Ne => (low == high).then_some(self == CmpOp::Eq),
            CmpOp::Lt | CmpOp::Le | CmpOp::Gt | CmpOp::Ge => {
                let [first, last] = [low, high].map(|a| self.eval(a, b));
                (first == last).then_some(first)
            }
        }
    }

    /// Whether the comparison holds in the loop IR: subnormal numbers count as zero.
    #[inline(always)]
    pub fn eval_f32(self, a: f32, b: f32) -> bool {
        self.eval(flushed::flush(a), flushed::flush(b))
    }
}

/// The greater of both, NaN if either is: what joins the lanes of a maximum. ([`BinaryOp::Max`] is the machine's.)
pub fn maximum(a: f32, b: f32) -> f32 {
    if a.is_nan() { a } else { BinaryOp::Max.eval_f32(a, b) }
}

/// Whether two words that may hold real numbers are the same: in every bit, or both NaN, whose bits are not defined.
pub fn is_same_word(a: u32, b: u32) -> bool {
    a == b || (f32::from_bits(a).is_nan() && f32::from_bits(b).is_nan())
}

/// Number of 8-lane partial sums' lanes in the semantics of a lane reduction.
pub const LANES: usize = 8;

/// Samples in one batch chunk: the unit of the batch-blocked layout and of batch reductions.
pub const CHUNK: usize = 16;

/// Whether so many samples leave many lanes empty, if samples are lanes. Measured (`docs/performance.md`): seven
/// samples take as long either way; both vectors of a chunk take less than twice the time of one, so that from 13
/// samples on they are faster. More than a chunk is left to the chunks, which threads can share.
pub fn wastes_lanes(batch: usize) -> bool {
    matches!(batch, 1..=7 | 9..=12)
}

/// Joins 8 lanes in the fixed order of the semantics: halves, quarters, pairs.
pub fn join_lanes(lanes: [f32; LANES], combine: impl Fn(f32, f32) -> f32) -> f32 {
    let t: [f32; 4] = std::array::from_fn(|j| combine(lanes[j], lanes[j + 4]));
    let u: [f32; 2] = std::array::from_fn(|j| combine(t[j], t[j + 2]));
    combine(u[0], u[1])
}
