//! What an operation computes, element by element, in index notation.
//!
//! ```text
//! out[axes] = finish( combine over reds of body(axes, reds) )
//! ```
//!
//! Beside the axes an index may contain *index variables*: words of an operand (the rows that `gather` takes), or
//! values that stay within an operand where it is not read (the parts of `concat`), either clamped to what there is.
//! Two kinds of results have an order of their own: a [`Scatter`] adds each term where an index variable says, and a
//! [`Scan`] goes on from one coordinate to the next.
//!
//! Every op that is not a leaf or a composite lowers to one [`Compute`]. Convolutions, their
//! gradients and matrix products are those whose body is a product of two loads summed over
//! reduction axes; the schedule recognises them by that, not by name. A reduction term whose load
//! index falls outside its operand, or is not divisible by `exact`, is skipped: that is padding,
//! and the strided gather of an input gradient.

use crate::index::{Affine, Var};
use crate::scalar::{BinaryOp, CmpOp, UnaryOp};
use crate::types::Dim;

/// One index of a load: `value / exact`.
#[derive(Clone, Debug, PartialEq)]
pub struct LoadIndex {
    /// Numerator over the axes.
    pub value: Affine,
    /// The term is skipped unless this divides `value`; 1 for ordinary accesses.
    pub exact: i64,
}

impl From<Affine> for LoadIndex {
    fn from(value: Affine) -> LoadIndex {
        LoadIndex { value, exact: 1 }
    }
}

/// A scalar expression of a compute body. Types are `f32` or `i32`; conditions stand only in
/// `Select`.
#[derive(Clone, Debug, PartialEq)]
pub enum ScalarExpr {
    /// Element of an operand.
    Load {
        /// Which operand.
        operand: usize,
        /// One index per dimension of the operand.
        index: Vec<LoadIndex>,
    },
    /// An `f32` constant.
    Const(f64),
    /// The batch size `N` as `f32`; the schedule resolves it.
    BatchSize,
    /// An `i32` constant.
    Int(i32),
    /// An index as an `i32` value.
    Index(Affine),
    /// The reduced value, in `finish`; in a scan the value so far, in `body` too.
    Acc,
    /// One operand.
    Unary(UnaryOp, Box<ScalarExpr>),
    /// Two operands. A sum takes in the terms of sums within it, and rounds products together with them.
    Binary(BinaryOp, Box<ScalarExpr>, Box<ScalarExpr>),
    /// A value that is rounded by itself, though a sum reads it.
    Rounded(Box<ScalarExpr>),
    /// `if a <cmp> b { then } else { otherwise }`.
    Select {
        /// The comparison.
        cmp: CmpOp,
        /// Left side.
        a: Box<ScalarExpr>,
        /// Right side.
        b: Box<ScalarExpr>,
        /// Value if it holds.
        then: Box<ScalarExpr>,
        /// Value if not.
        otherwise: Box<ScalarExpr>,
    },
    /// Counter-based uniform number in [0, 1), see [`uniform`].
    Uniform {
        /// `i32` counter, different for every element.
        counter: Box<ScalarExpr>,
        /// `i32` key, different for every step and use.
        key: Box<ScalarExpr>,
    },
}

/// How the terms of a reduction are combined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Combine {
    /// Sum, starting at 0.
    Sum,
    /// The greatest term, NaN if any term is; minus infinity without terms.
    Max,
    /// Row-major position (over the reduction axes) of the first greatest term, as `i32`. NaN is greater than any
    /// number.
    ArgMax(Nan),
}

/// Which of several NaNs is taken for the greatest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Nan {
    /// The first one (NumPy's and PyTorch's `argmax`).
    First,
    /// The last one (the gradient of PyTorch's max pooling).
    Last,
}

impl Combine {
    /// Whether the result is a position, an `i32`.
    pub fn is_position(self) -> bool {
        matches!(self, Combine::ArgMax(_))
    }
}

/// An integer that indices may contain: of a value that is computed, the nearest of `0..extent`.
#[derive(Clone, Debug, PartialEq)]
pub struct IndexVar {
    /// The value.
    pub source: IndexSource,
    /// At least 1.
    pub extent: usize,
}

/// Where the value of an index variable comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum IndexSource {
    /// An element of an `i32` operand, at one index per dimension.
    Word {
        /// Which operand.
        operand: usize,
        /// One index per dimension.
        index: Vec<Affine>,
    },
    /// A function of the axes that may lie outside.
    Value(Affine),
}

/// A sum whose terms are each added to the coordinate of one output axis that an index variable says. Terms of an
/// element are added in order of the reduction axes, whatever their number, starting at 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scatter {
    /// The output axis, which neither `body` nor any index mentions.
    pub axis: usize,
    /// Number of the index variable, of the axis's extent.
    pub index: usize,
}

/// A value that goes on from each coordinate of an output axis to the next: `value = body(Acc = value so far)`. There
/// is nothing to finish.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scan {
    /// The output axis.
    pub axis: usize,
    /// Whether it begins at the last coordinate.
    pub reversed: bool,
    /// Whether an element is the value before its own coordinate is taken in.
    pub exclusive: bool,
    /// The value before all.
    pub start: f64,
}

/// An order of its own in which elements are computed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Order {
    /// Term by term, each where an index variable says.
    Scatter(Scatter),
    /// Along an axis, each from the one before.
    Scan(Scan),
}

impl Order {
    /// The scatter, if it is one.
    pub fn as_scatter(self) -> Option<Scatter> {
        match self {
            Order::Scatter(scatter) => Some(scatter),
            Order::Scan(_) => None,
        }
    }

    /// The scan, if it is one.
    pub fn as_scan(self) -> Option<Scan> {
        match self {
            Order::Scan(scan) => Some(scan),
            Order::Scatter(_) => None,
        }
    }
}

/// One op in index notation. Axes `Var(0) .. Var(rank)` are the output's dimensions; reduction
/// axis `r` is `Var(rank + r)`, index variable `i` is `Var(rank + number of reductions + i)`.
#[derive(Clone, Debug, PartialEq)]
pub struct Compute {
    /// Extents of the output axes.
    pub axes: Vec<Dim>,
    /// Extents of the reduction axes, outermost first.
    pub reds: Vec<Dim>,
    /// `None` if and only if there are no reduction axes.
    pub combine: Option<Combine>,
    /// The term.
    pub body: ScalarExpr,
    /// The result as a function of [`ScalarExpr::Acc`]; `Acc` itself for a plain reduction.
    pub finish: ScalarExpr,
    /// What loads may be indexed with beside the axes.
    pub indices: Vec<IndexVar>,
    /// The order in which elements are computed, if it matters.
    pub order: Option<Order>,
    /// What pieces of a map are chosen by that have most of what they compute in common: digits of axes, or whole
    /// ones. These pieces are computed together.
    pub joint: Vec<Affine>,
}

impl Compute {
    /// An op without reduction.
    pub fn map(axes: &[Dim], body: ScalarExpr) -> Compute {
        Compute {
            axes: axes.to_vec(),
            reds: Vec::new(),
            combine: None,
            body,
            finish: ScalarExpr::Acc,
            indices: Vec::new(),
            order: None,
            joint: Vec::new(),
        }
    }

    /// A reduction without a finishing expression.
    pub fn reduce(axes: &[Dim], reds: &[Dim], combine: Combine, body: ScalarExpr) -> Compute {
        Compute { reds: reds.to_vec(), combine: Some(combine), ..Compute::map(axes, body) }
    }

    /// A scan along `scan.axis`.
    pub fn scan(axes: &[Dim], scan: Scan, body: ScalarExpr) -> Compute {
        Compute { order: Some(Order::Scan(scan)), ..Compute::map(axes, body) }
    }

    /// A sum of terms over `reds`, each added where the index variable says, of which there are others too.
    pub fn scatter(axes: &[Dim], reds: &[Dim], scatter: Scatter, body: ScalarExpr) -> Compute {
        let order = Some(Order::Scatter(scatter));
        Compute { order, ..Compute::reduce(axes, reds, Combine::Sum, body) }
    }

    /// The same with index variables.
    pub fn indexed(self, indices: Vec<IndexVar>) -> Compute {
        Compute { indices, ..self }
    }

    /// The same with pieces that are computed together: one for each value of these digits.
    pub fn jointly(self, digits: Vec<Affine>) -> Compute {
        Compute { joint: digits, ..self }
    }

    /// The same with a finishing expression.
    pub fn finish(self, finish: ScalarExpr) -> Compute {
        Compute { finish, ..self }
    }

    /// The axis variable of output dimension `axis`.
    pub fn axis(axis: usize) -> Affine {
        Affine::var(Var(axis as u32))
    }
}

/// Short constructors for compute bodies.
pub mod build {
    use super::*;

    /// Element of `operand` at plain affine indices.
    pub fn load(operand: usize, index: Vec<Affine>) -> ScalarExpr {
        ScalarExpr::Load { operand, index: index.into_iter().map(LoadIndex::from).collect() }
    }

    /// Element of `operand` (of dimensions `dims`) under NumPy broadcasting to an output of
    /// `out_rank` dimensions.
    pub fn load_broadcast(operand: usize, dims: &[Dim], out_rank: usize) -> ScalarExpr {
        let skipped = out_rank - dims.len();
        let index = dims.iter().enumerate().map(|(i, dim)| match dim {
            Dim::Fixed(1) => Affine::constant(0),
            _ => Compute::axis(skipped + i),
        });
        load(operand, index.collect())
    }

    /// `op(x)`.
    pub fn unary(op: UnaryOp, x: ScalarExpr) -> ScalarExpr {
        ScalarExpr::Unary(op, Box::new(x))
    }

    /// `op(a, b)`.
    pub fn binary(op: BinaryOp, a: ScalarExpr, b: ScalarExpr) -> ScalarExpr {
        ScalarExpr::Binary(op, Box::new(a), Box::new(b))
    }

    /// `x`, rounded by itself.
    pub fn rounded(x: ScalarExpr) -> ScalarExpr {
        ScalarExpr::Rounded(Box::new(x))
    }

    /// `a <cmp> b ? then : otherwise`.
    pub fn select(cmp: CmpOp, a: ScalarExpr, b: ScalarExpr, then: ScalarExpr, otherwise: ScalarExpr) -> ScalarExpr {
        ScalarExpr::Select { cmp, a: Box::new(a), b: Box::new(b), then: Box::new(then), otherwise: Box::new(otherwise) }
    }
}

/// The counter-based random number behind `ScalarExpr::Uniform`, in [0, 1) with 24 bits: two
/// rounds of the `lowbias32` integer hash (C. Wellons, "Prospecting for Hash Functions", 2018),
/// the key entering before each.
pub fn uniform(counter: i32, key: i32) -> f32 {
    let mix = |mut x: u32| {
        x ^= x >> 16;
        x = x.wrapping_mul(0x7feb_352d);
        x ^= x >> 15;
        x = x.wrapping_mul(0x846c_a68b);
        x ^ (x >> 16)
    };
    let bits = mix(mix(counter as u32 ^ key as u32).wrapping_add(key as u32));
    (bits >> 8) as f32 * (1.0 / 16_777_216.0)
}
