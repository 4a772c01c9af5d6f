//! `cast`: numbers as another element type.

use super::draw::{Draw, Drawn};
use super::facts::{FEATURES, Usage};
use super::{Lowering, OpRules, elementwise, truth};
use crate::attrs::{AttrField, AttrKind, AttrValue, AttrWords, OpAttrs};
use crate::compute::{ScalarExpr, build};
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::scalar::{CmpOp, UnaryOp};
use crate::tensor::{Real, Tensor};
use crate::types::{DType, TensorType, TypeError};

/// What a [`Cast`] makes of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CastTo {
    /// The nearest `f32`.
    F32,
    /// An `i32`.
    I32,
    /// A truth: an `f32` that is 0 or 1.
    Bool,
}

impl CastTo {
    const ALL: [CastTo; 3] = [CastTo::F32, CastTo::I32, CastTo::Bool];

    /// The names, as in [`CastTo::name`].
    const NAMES: &'static [&'static str] = &["f32", "i32", "bool"];

    /// The name.
    pub fn name(self) -> &'static str {
        CastTo::NAMES[self as usize]
    }
}

impl AttrField for CastTo {
    const EXPECTED: &'static str = "\"f32\", \"i32\" or \"bool\"";
    const KIND: AttrKind = AttrKind::Choice(CastTo::NAMES);

    fn to_attr(&self) -> AttrValue {
        AttrValue::Str(self.name().to_string())
    }

    fn from_attr(value: &AttrValue) -> Option<CastTo> {
        match value {
            AttrValue::Str(name) => CastTo::ALL.into_iter().find(|to| to.name() == name),
            _ => None,
        }
    }

    fn write_words(&self, words: &mut AttrWords) {
        words.extend([*self as u64]);
    }
}

op_struct! {
    /// Numbers as another type. `f32` to `i32` cuts the fraction off; what is beyond the range is the nearest `f32` in
    /// it (-2147483648, 2147483520), NaN is 0. `i32` to `f32` is the nearest one. A truth is 1 where the number is not
    /// 0, NaN included, and 0 elsewhere; it is an `f32`, as results of comparisons are.
    pub struct Cast {
        /// The type; `bool` stands for 0 and 1.
        pub dtype: CastTo,
    }
}

/// What is left of a number as an integer.
fn to_integer(x: f64) -> f64 {
    let most = 2_147_483_520.0;
    // Integers have one zero.
    if x.is_nan() { 0.0 } else { x.trunc().clamp(f64::from(i32::MIN), most) + 0.0 }
}

impl OpRules for Cast {
    const NAME: &'static str = "cast";
    const ARITY: usize = 1;
    const SUMMARY: &'static str = "numbers as `f32`, as `i32` without their fraction, or as 0 and 1";
    const USAGE: Option<Usage> = Some(Usage {
        purpose: "Makes integers of numbers, numbers of integers, and truths of either. It has no gradient.",
        node: "number",
        reads: &[FEATURES],
        attributes: || Cast { dtype: CastTo::I32 }.attrs(),
        ..Usage::PLAIN
    });
    const IS_EXACT: bool = true;

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        let dtype = if self.dtype == CastTo::I32 { DType::I32 } else { DType::F32 };
        Ok(TensorType { dtype, shape: operands[0].shape.clone() })
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        match self.dtype {
            CastTo::F32 => operands[0].clone(),
            CastTo::I32 => elementwise::eval(operands, out, |[x]| x.steps(to_integer)),
            CastTo::Bool => elementwise::eval(operands, out, |[x]| truth::number(truth::is_true(x))),
        }
    }

    fn vjp(&self, cx: &mut OpCx<'_>, dy: NodeId) -> Vec<Option<NodeId>> {
        // The gradient passes where nothing is changed; else it is constant but where it jumps.
        let is_same = self.dtype == CastTo::F32 && cx.ty(cx.operands[0]).dtype == DType::F32;
        vec![is_same.then_some(dy)]
    }

    fn lower(&self, operands: &[&TensorType], out: &TensorType) -> Lowering {
        let from = operands[0].dtype;
        elementwise::lower(operands, out, |mut loads| {
            let x = loads.remove(0);
            match (from, self.dtype) {
                (DType::F32, CastTo::F32) | (DType::I32, CastTo::I32) => x,
                (DType::I32, CastTo::F32) => build::unary(UnaryOp::ToF32, x),
                (DType::F32, CastTo::I32) => build::unary(UnaryOp::ToI32, x),
                (DType::F32, CastTo::Bool) => truth::select(x, ScalarExpr::Const(1.0), ScalarExpr::Const(0.0)),
                (DType::I32, CastTo::Bool) => {
                    let [one, zero] = [1.0, 0.0].map(ScalarExpr::Const);
                    build::select(CmpOp::Ne, x, ScalarExpr::Int(0), one, zero)
                }
            }
        })
    }

    fn draw(draw: &mut dyn Draw) -> Option<Drawn<Self>> {
        let dtype = CastTo::ALL[draw.pick(CastTo::ALL.len())];
        let x = draw.any()?;
        let x = if draw.flag() { draw.integers(x.ty.shape) } else { x };
        let bound = x.bound.max(1.0);
        let drawn = Drawn::of(Cast { dtype }, [x]).within(bound);
        Some(if dtype == CastTo::F32 { drawn } else { drawn.with_steps() })
    }
}
