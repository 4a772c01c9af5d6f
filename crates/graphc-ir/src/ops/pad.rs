//! `pad`: a number around a tensor, and between its elements, along one axis.

use super::draw::{Draw, Drawn};
use super::axis::{axis_size, with_size};
use super::facts::Usage;
use super::{Lowering, OpRules, Slice};
use crate::attrs::OpAttrs;
use crate::compute::{Compute, IndexSource, IndexVar, ScalarExpr, build};
use crate::graph::{NodeId, OpCx};
use crate::index::{Affine, Var};
use crate::op_struct;
use crate::scalar::CmpOp;
use crate::tensor::{Real, Tensor};
use crate::types::{DType, Dim, TensorType, TypeError};

op_struct! {
    /// `y[.., before + (1 + interior) * i, ..] = x[.., i, ..]` along `axis`, `value` elsewhere.
    pub struct Pad {
        /// The dimension that grows, counted from 0; not the batch.
        pub axis: usize,
        /// How many values are added at the beginning.
        pub before: usize = 0,
        /// How many values are added at the end.
        pub after: usize = 0,
        /// How many values are added between any two neighbours.
        pub interior: usize = 0,
        /// What is added; a whole number for integers.
        pub value: f64 = 0.0,
    }
}

impl Pad {
    /// Whether nothing is added.
    pub(super) fn is_nothing(&self) -> bool {
        (self.before, self.after, self.interior) == (0, 0, 0)
    }

    /// From one element to the next.
    fn step(&self) -> usize {
        self.interior.saturating_add(1)
    }

    /// Coordinates from the first of so many elements to the last one, or more than there can be.
    fn span(&self, size: usize) -> usize {
        (size - 1).saturating_mul(self.step()).saturating_add(1)
    }
}

impl OpRules for Pad {
    const NAME: &'static str = "pad";
    const ARITY: usize = 1;
    const SUMMARY: &'static str = "`value` added before, after and between the elements of one dimension";
    const USAGE: Option<Usage> = Some(Usage {
        purpose: "Makes a dimension longer. A convolution has `padding` of its own.",
        node: "longer",
        reads: &[("steps", DType::F32, &[20, 8])],
        attributes: || Pad { axis: 1, before: 2, after: 2, interior: 0, value: 0.0 }.attrs(),
        ..Usage::PLAIN
    });
    const IS_EXACT: bool = true;

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        let x = operands[0];
        let size = axis_size(Self::NAME, 0, x, self.axis)?;
        if x.dtype == DType::I32 && f64::from(self.value as i32) != self.value {
            return Err(TypeError::new(format!("pad expects a whole number for {x}, got {}", self.value)));
        }
        let padded = self.span(size).saturating_add(self.before).saturating_add(self.after);
        Ok(with_size(x, self.axis, padded))
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        let size = operands[0].shape[self.axis];
        Tensor::from_fn(out, |index| {
            let mut from = index.to_vec();
            match index[self.axis].checked_sub(self.before) {
                Some(i) if i.is_multiple_of(self.step()) && i / self.step() < size => {
                    from[self.axis] = i / self.step();
                    operands[0].at(&from)
                }
                _ => R::from_f64(self.value),
            }
        })
    }

    fn vjp(&self, cx: &mut OpCx<'_>, dy: NodeId) -> Vec<Option<NodeId>> {
        // dx[i] = dy[before + (1 + interior) * i]
        let size = cx.ty(cx.operands[0]).fixed_dim(self.axis, "the axis").expect("it is padded");
        let slice =
            Slice { axis: self.axis, start: self.before, end: self.before + self.span(size), step: self.step() };
        vec![Some(cx.add(slice, &[dy]))]
    }

    fn lower(&self, operands: &[&TensorType], out: &TensorType) -> Lowering {
        let Dim::Fixed(size) = operands[0].shape.0[self.axis] else { unreachable!("the batch is not padded") };
        let (step, before) = (self.step() as i64, self.before as i64);
        let at = Compute::axis(self.axis);
        // Moved by whole steps, so that nothing negative is divided.
        let turns = before.div_euclid(step) + 1;
        let moved = at.plus_constant(turns * step - before);
        let inside = IndexSource::Value(moved.div(step).plus_constant(-turns));
        let mut index: Vec<Affine> = (0..out.rank()).map(Compute::axis).collect();
        index[self.axis] = Affine::var(Var(out.rank() as u32));
        let number = |i: i64| ScalarExpr::Int(i as i32);
        let value = match out.dtype {
            DType::F32 => ScalarExpr::Const(self.value),
            DType::I32 => ScalarExpr::Int(self.value as i32),
        };
        let chosen = |cmp, i: Affine, bound, then| {
            build::select(cmp, ScalarExpr::Index(i), number(bound), then, value.clone())
        };
        let mut body = build::load(0, index);
        if step > 1 {
            body = chosen(CmpOp::Eq, moved.modulo(step), 0, body);
        }
        body = chosen(CmpOp::Lt, at.clone(), before + self.span(size) as i64, body);
        body = chosen(CmpOp::Ge, at, before, body);
        let indices = vec![IndexVar { source: inside, extent: size }];
        Lowering::Compute(Compute::map(&out.shape.0, body).indexed(indices))
    }

    fn draw(draw: &mut dyn Draw) -> Option<Drawn<Self>> {
        let x = draw.any()?;
        let axis = draw.axis(x.shape())?;
        let [before, after, interior] = [0; 3].map(|_| draw.pick(4));
        let value = draw.pick(3) as f64 / 2.0;
        let bound = x.bound.max(value);
        Some(Drawn::of(Pad { axis, before, after, interior: interior / 2, value }, [x]).within(bound))
    }
}
