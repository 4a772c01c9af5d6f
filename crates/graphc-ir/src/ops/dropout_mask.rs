//! `dropout_mask`: the random factors of `dropout`.

use super::draw::{Draw, Drawn};
use super::{Lowering, OpRules};
use crate::compute::{Compute, ScalarExpr, build, uniform};
use crate::graph::{NodeId, OpCx};
use crate::index::Affine;
use crate::op_struct;
use crate::scalar::{BinaryOp, CmpOp};
use crate::tensor::{Real, Tensor};
use crate::types::{Dim, Shape, TensorType, TypeError};

op_struct! {
    /// `uniform(counter, key) >= rate ? 1 / (1 - rate) : 0`. The counter is the element's row-major
    /// position, the batch included; the key is made of the seed and the step, so that a mask depends on
    /// nothing but these numbers and the backward pass may compute it again.
    pub struct DropoutMask {
        /// Probability of a zero.
        pub rate: f64,
        /// Distinguishes layers and runs.
        pub seed: i64,
        /// The mask's shape; `N`, if any, comes first.
        pub shape: Shape,
    }
}

/// 2^32 divided by the golden ratio: consecutive steps get distant keys.
const STEP_FACTOR: i32 = 0x9e37_79b9_u32 as i32;

/// Checks the rate, and that positions can be counted before `N` is known.
pub(super) fn check(rate: f64, shape: &Shape) -> Result<(), TypeError> {
    if !(0.0..1.0).contains(&rate) {
        return Err(TypeError::new(format!("the rate of dropout must be at least 0 and less than 1, got {rate}")));
    }
    if shape.batch_axis().is_some_and(|axis| axis != 0) {
        return Err(TypeError::new(format!("dropout expects the batch dimension N first, got shape {shape}")));
    }
    Ok(())
}

/// Checks the operand that counts steps.
pub(super) fn check_step(operand: usize, step: &TensorType) -> Result<(), TypeError> {
    if *step != TensorType::i32(Shape::scalar()) {
        return Err(TypeError::operand(
            operand,
            format!("dropout expects the step's number as an i32 scalar, got {step}"),
        ));
    }
    Ok(())
}

impl DropoutMask {
    /// Both halves of the seed in one word.
    fn seed_word(&self) -> i32 {
        (self.seed ^ (self.seed >> 32)) as i32
    }

    fn key(&self, step: i32) -> i32 {
        step.wrapping_mul(STEP_FACTOR) ^ self.seed_word()
    }

    /// What an element that stays is multiplied by.
    fn kept(&self) -> f64 {
        1.0 / (1.0 - self.rate)
    }
}

impl OpRules for DropoutMask {
    const NAME: &'static str = "dropout_mask";
    const ARITY: usize = 1;
    const SUMMARY: &'static str = "random factors 0 or 1 / (1 - rate), from the step's number";
    const IS_EXACT: bool = true;

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        check(self.rate, &self.shape)?;
        check_step(0, operands[0])?;
        Ok(TensorType::f32(self.shape.clone()))
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        let key = self.key(operands[0].data[0].widen() as i64 as i32);
        // The comparison is made in f32, as compiled code makes it.
        let rate = self.rate as f32;
        let mut position: i32 = -1;
        Tensor::from_fn(out, |_| {
            position = position.wrapping_add(1);
            if uniform(position, key) >= rate { R::from_f64(self.kept()) } else { R::zero() }
        })
    }

    fn vjp(&self, _: &mut OpCx<'_>, _: NodeId) -> Vec<Option<NodeId>> {
        // The step is an integer: no gradient.
        vec![None]
    }

    fn lower(&self, _: &[&TensorType], out: &TensorType) -> Lowering {
        let position = out.shape.0.iter().enumerate().fold(Affine::constant(0), |sum, (axis, dim)| match dim {
            Dim::Batch => Compute::axis(axis),
            Dim::Fixed(size) => sum.times(*size as i64).plus(&Compute::axis(axis)),
        });
        let step = build::load(0, Vec::new());
        let key = build::binary(BinaryOp::IMul, step, ScalarExpr::Int(STEP_FACTOR));
        let key = build::binary(BinaryOp::IXor, key, ScalarExpr::Int(self.seed_word()));
        let random = ScalarExpr::Uniform { counter: Box::new(ScalarExpr::Index(position)), key: Box::new(key) };
        let [rate, kept, zero] = [self.rate, self.kept(), 0.0].map(ScalarExpr::Const);
        Lowering::Compute(Compute::map(&out.shape.0, build::select(CmpOp::Ge, random, rate, kept, zero)))
    }

    fn draw(draw: &mut dyn Draw) -> Option<Drawn<Self>> {
        let shape = draw.tensor(&|shape| shape.batch_axis().is_none_or(|axis| axis == 0))?.ty.shape;
        let (rate, seed) = ([0.375, 0.0][draw.pick(4) / 3], [1, -7 << 33][draw.pick(2)]);
        let mask = DropoutMask { rate, seed, shape };
        let most = mask.kept();
        Some(Drawn::of(mask, [draw.integers(Shape::scalar())]).within(most))
    }
}
