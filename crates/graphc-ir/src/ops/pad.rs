//! `pad`: a number around a tensor, and between its elements, along one axis.

use super::draw::{Draw, Drawn};
use super::axis::{axis_size, with_size};
use super::facts::Usage;
use super::{Concat, Expand, Flip, Lowering, OpRules, Slice};
use crate::attrs::{AttrField, OpAttrs};
use crate::choice;
use crate::compute::{Compute, IndexSource, IndexVar, ScalarExpr, build};
use crate::graph::{NodeId, OpCx};
use crate::index::{Affine, Var};
use crate::op_struct;
use crate::scalar::CmpOp;
use crate::tensor::{Real, Tensor};
use crate::types::{DType, Dim, TensorType, TypeError};

choice! {
    /// What is added beside the ends of an axis; names are NumPy's.
    pub enum PadMode {
        /// A given number.
        Constant = "constant",
        /// The value at the end, again and again.
        Edge = "edge",
        /// The values before the end, turned round, that at the end left out: at most as many as there are less one.
        Reflect = "reflect",
        /// The values before the end, turned round, that at the end included: at most as many as there are.
        Symmetric = "symmetric",
    }
}

op_struct! {
    /// `y[.., before + (1 + interior) * i, ..] = x[.., i, ..]` along `axis`, `value` elsewhere. With a `mode` other than
    /// `"constant"` what is elsewhere are values of `x` (`"edge"`: the nearest one; `"reflect"` and `"symmetric"`: as in
    /// a mirror at or behind the last one), whose gradients add up; then there is no `interior` and no `value`.
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
        /// What is added beside the ends in place of `value`.
        pub mode: PadMode = PadMode::Constant,
    }
}

impl Pad {
    /// Zeros before and after.
    pub fn zeros(axis: usize, before: usize, after: usize) -> Pad {
        Pad { axis, before, after, interior: 0, value: 0.0, mode: PadMode::Constant }
    }

    /// Why so much cannot be added to a dimension of that size, if it cannot.
    fn misfit(&self, size: usize) -> Option<String> {
        let most = match self.mode {
            PadMode::Constant => return None,
            PadMode::Edge => usize::MAX,
            PadMode::Reflect => size.saturating_sub(1),
            PadMode::Symmetric => size,
        };
        let mode = self.mode.to_attr();
        if (self.interior, self.value) != (0, 0.0) {
            return Some(format!("pad with the mode {mode} takes no `interior` and no `value`"));
        }
        let (before, after) = (self.before, self.after);
        let expected = format!("pad with the mode {mode} expects at most {most} values on a side of {size}");
        (before.max(after) > most).then(|| format!("{expected}, got {before} and {after}"))
    }

    /// What is added on a side: `n` values of `x`.
    fn border(&self, cx: &mut OpCx<'_>, n: usize, is_behind: bool) -> NodeId {
        let (x, axis) = (cx.operands[0], self.axis);
        let ty = cx.ty(x);
        let size = ty.fixed_dim(axis, "the axis").expect("it is padded");
        let (skipped, taken) = match self.mode {
            PadMode::Edge => (0, 1),
            PadMode::Reflect => (1, n),
            PadMode::Constant | PadMode::Symmetric => (0, n),
        };
        let start = if is_behind { size - skipped - taken } else { skipped };
        let values = cx.add(Slice::part(axis, start, start + taken), &[x]);
        match self.mode {
            PadMode::Edge => cx.broadcast_to(values, &with_size(&ty, axis, n).shape),
            _ => cx.add(Flip { axis }, &[values]),
        }
    }

    /// Whether nothing is added.
    pub(super) fn is_nothing(&self) -> bool {
        (self.before, self.after, self.interior) == (0, 0, 0)
    }

    /// The coordinate of a dimension of that size whose value stands at one outside of it.
    fn mirrored(&self, outside: i64, size: i64) -> i64 {
        let skipped = i64::from(self.mode == PadMode::Reflect);
        match self.mode {
            PadMode::Constant | PadMode::Edge => outside.clamp(0, size - 1),
            PadMode::Reflect | PadMode::Symmetric if outside < 0 => -outside - 1 + skipped,
            PadMode::Reflect | PadMode::Symmetric => 2 * size - 1 - skipped - outside,
        }
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
        attributes: || Pad::zeros(1, 2, 2).attrs(),
        ..Usage::PLAIN
    });
    const IS_EXACT: bool = true;

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        let x = operands[0];
        let size = axis_size(Self::NAME, 0, x, self.axis)?;
        if x.dtype == DType::I32 && f64::from(self.value as i32) != self.value {
            return Err(TypeError::new(format!("pad expects a whole number for {x}, got {}", self.value)));
        }
        if let Some(misfit) = self.misfit(size) {
            return Err(TypeError::new(misfit));
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
                _ if self.mode == PadMode::Constant => R::from_f64(self.value),
                _ => {
                    let beside = index[self.axis] as i64 - self.before as i64;
                    from[self.axis] = self.mirrored(beside, size as i64) as usize;
                    operands[0].at(&from)
                }
            }
        })
    }

    fn vjp(&self, cx: &mut OpCx<'_>, dy: NodeId) -> Vec<Option<NodeId>> {
        // dx[i] = dy[before + (1 + interior) * i]
        let size = cx.ty(cx.operands[0]).fixed_dim(self.axis, "the axis").expect("it is padded");
        let slice = Slice::steps(self.axis, self.before, self.before + self.span(size), self.step());
        vec![Some(cx.add(slice, &[dy]))]
    }

    fn composite(&self, _: &[&TensorType]) -> Option<Expand> {
        (self.mode != PadMode::Constant).then_some(Expand::BeforeAutodiff)
    }

    fn expand(&self, cx: &mut OpCx<'_>) -> NodeId {
        let mut parts = vec![cx.operands[0]];
        if self.before > 0 {
            parts.insert(0, self.border(cx, self.before, false));
        }
        if self.after > 0 {
            parts.push(self.border(cx, self.after, true));
        }
        cx.add(Concat { axis: self.axis }, &parts)
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
        let constant = Pad { interior: interior / 2, value, ..Pad::zeros(axis, before, after) };
        let bound = x.bound.max(value);
        let size = x.ty.fixed_dim(axis, "the axis").ok()?;
        let modes = [PadMode::Constant, PadMode::Constant, PadMode::Edge, PadMode::Reflect, PadMode::Symmetric];
        let op = match modes[draw.pick(modes.len())] {
            PadMode::Constant => constant,
            mode => Pad { mode, ..Pad::zeros(axis, before.min(size - 1), after.min(size - 1)) },
        };
        Some(Drawn::of(op, [x]).within(bound))
    }
}
