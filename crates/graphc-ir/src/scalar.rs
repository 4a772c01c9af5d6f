//! Scalar operations shared by compute bodies and the loop IR.

/// A one-operand scalar operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum UnaryOp {
    /// `-x`
    Neg,
    /// `|x|`
    Abs,
    /// IEEE square root.
    Sqrt,
    /// `e^x`. Compute bodies only; the schedule expands it into a polynomial.
    Exp,
    /// Natural logarithm. Compute bodies only.
    Log,
    /// Hyperbolic tangent. Compute bodies only.
    Tanh,
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
    pub const ALL: [UnaryOp; 9] = {
        use UnaryOp::*;
        [Neg, Abs, Sqrt, Exp, Log, Tanh, ToF32, BitsOf, FromBits]
    };

    /// The name in text form.
    pub fn name(self) -> &'static str {
        match self {
            UnaryOp::Neg => "neg",
            UnaryOp::Abs => "abs",
            UnaryOp::Sqrt => "sqrt",
            UnaryOp::Exp => "exp",
            UnaryOp::Log => "log",
            UnaryOp::Tanh => "tanh",
            UnaryOp::ToF32 => "to_f32",
            UnaryOp::BitsOf => "bits_of",
            UnaryOp::FromBits => "from_bits",
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

    /// `f32` result of a floating-point operation.
    ///
    /// # Panics
    /// On an integer operation.
    pub fn eval_f32(self, a: f32, b: f32) -> f32 {
        match self {
            BinaryOp::Add => a + b,
            BinaryOp::Sub => a - b,
            BinaryOp::Mul => a * b,
            BinaryOp::Div => a / b,
            BinaryOp::Max => {
                if a > b {
                    a
                } else {
                    b
                }
            }
            BinaryOp::Min => {
                if a < b {
                    a
                } else {
                    b
                }
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
}

/// The greater of both, NaN if either is: what joins the lanes of a maximum. ([`BinaryOp::Max`] is the machine's.)
pub fn maximum(a: f32, b: f32) -> f32 {
    if a.is_nan() { a } else { BinaryOp::Max.eval_f32(a, b) }
}

/// Number of 8-lane partial sums' lanes in the semantics of a lane reduction.
pub const LANES: usize = 8;

/// Samples in one batch chunk: the unit of the batch-blocked layout and of batch reductions.
pub const CHUNK: usize = 16;

/// Joins 8 lanes in the fixed order of the semantics: halves, quarters, pairs.
pub fn join_lanes(lanes: [f32; LANES], combine: impl Fn(f32, f32) -> f32) -> f32 {
    let t: [f32; 4] = std::array::from_fn(|j| combine(lanes[j], lanes[j + 4]));
    let u: [f32; 2] = std::array::from_fn(|j| combine(t[j], t[j + 2]));
    combine(u[0], u[1])
}
