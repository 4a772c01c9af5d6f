//! `clip`: the nearest number between two.

use super::facts::{Elementwise, FEATURES, Usage};
use super::{Greater, Less, Lowering, OpRules, Where, elementwise};
use crate::attrs::OpAttrs;
use crate::compute::{ScalarExpr, build};
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::scalar::CmpOp;
use crate::tensor::{Real, Tensor};
use crate::types::{TensorType, TypeError};

op_struct! {
    /// `x < x_min ? x_min : x > x_max ? x_max : x`: NaN at NaN. The gradient passes where `x` stays as it is, at
    /// `x_min` and `x_max` too, as in PyTorch.
    pub struct Clip {
        /// The least result.
        pub x_min: f64,
        /// The greatest result, at least `x_min`.
        pub x_max: f64,
    }
}

impl OpRules for Clip {
    const NAME: &'static str = "clip";
    const ARITY: usize = 1;
    const SUMMARY: &'static str = "x, but at least `x_min` and at most `x_max`";
    const USAGE: Option<Usage> = Some(Usage {
        purpose: "Keeps values within bounds; no gradient passes from outside them.",
        node: "bounded",
        reads: &[FEATURES],
        attributes: || Clip { x_min: -1.0, x_max: 1.0 }.attrs(),
        ..Usage::PLAIN
    });
    const ELEMENTWISE: Option<Elementwise> = Some(Elementwise::UNARY.with_kinks());
    const IS_EXACT: bool = true;

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        if self.x_min <= self.x_max {
            return elementwise::infer(operands);
        }
        let Clip { x_min, x_max } = self;
        Err(TypeError::new(format!("clip expects an `x_min` of at most `x_max`, got {x_min} and {x_max}")))
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        let [least, most] = [self.x_min, self.x_max].map(R::from_f64);
        elementwise::eval(operands, out, |[x]| match x {
            x if x < least => least,
            x if x > most => most,
            x => x,
        })
    }

    fn vjp(&self, cx: &mut OpCx<'_>, dy: NodeId) -> Vec<Option<NodeId>> {
        // dx = x < x_min || x > x_max ? 0 : dy; dy at NaN
        let (x, zero) = (cx.operands[0], cx.constant(0.0));
        let [least, most] = [self.x_min, self.x_max].map(|value| cx.constant(value));
        let is_below = cx.add(Less {}, &[x, least]);
        let is_above = cx.add(Greater {}, &[x, most]);
        let at_most = cx.add(Where {}, &[is_above, zero, dy]);
        vec![Some(cx.add(Where {}, &[is_below, zero, at_most]))]
    }

    fn lower(&self, operands: &[&TensorType], out: &TensorType) -> Lowering {
        elementwise::lower(operands, out, |mut loads| {
            let x = loads.remove(0);
            let [least, most] = [self.x_min, self.x_max].map(ScalarExpr::Const);
            let above = build::select(CmpOp::Gt, x.clone(), most.clone(), most, x.clone());
            build::select(CmpOp::Lt, x, least.clone(), least, above)
        })
    }
}
