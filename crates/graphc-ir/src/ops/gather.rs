//! `gather`: the elements of one axis that indices name.

use super::draw::{Draw, Drawn};
use super::axis::axis_size;
use super::facts::Domain;
use super::{GatherGrad, Lowering, OpRules};
use crate::compute::{Compute, IndexSource, IndexVar, ScalarExpr, build};
use crate::graph::{NodeId, OpCx};
use crate::index::{Affine, Var};
use crate::op_struct;
use crate::scalar::CmpOp;
use crate::tensor::{Real, Tensor};
use crate::types::{DType, Dim, Shape, TensorType, TypeError};

op_struct! {
    /// `y[before.., indices.., after..] = x[before.., indices[indices..], after..]`, where `x` has `axis` dimensions
    /// before the one that is looked up (NumPy's `take`). An index outside of it gives NaN, or 0.
    pub struct Gather {
        /// The dimension that indices count, from 0; not the batch.
        pub axis: usize = 0,
        /// Whether an index outside of the dimension gives 0, not NaN.
        pub zero_outside: bool = false,
    }
}

impl Gather {
    /// What an index outside gives.
    fn outside(&self) -> f64 {
        if self.zero_outside { 0.0 } else { f64::NAN }
    }

    /// Shape of what is looked up in `x` by indices of a shape.
    pub(super) fn shape(&self, x: &Shape, indices: &Shape) -> Shape {
        Shape([&x.0[..self.axis], &indices.0, &x.0[self.axis + 1..]].concat())
    }

    /// The index variable that stands for the axis of `x`, and whether `indices`, operand `slot` at `index`, is one
    /// of its coordinates: `value` if it is, `otherwise` if not.
    pub(super) fn look_up(
        size: usize,
        (slot, index): (usize, Vec<Affine>),
        value: ScalarExpr,
        otherwise: ScalarExpr,
    ) -> (IndexVar, ScalarExpr) {
        let word = build::load(slot, index.clone());
        let end = ScalarExpr::Int(i32::try_from(size).unwrap_or(i32::MAX));
        let below = build::select(CmpOp::Lt, word.clone(), end, value, otherwise.clone());
        let chosen = build::select(CmpOp::Ge, word, ScalarExpr::Int(0), below, otherwise);
        (IndexVar { source: IndexSource::Word { operand: slot, index }, extent: size }, chosen)
    }
}

impl OpRules for Gather {
    const NAME: &'static str = "gather";
    const ARITY: usize = 2;
    const SUMMARY: &'static str = "the elements of one dimension that indices name, from (x, i32 indices)";
    const IS_EXACT: bool = true;

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        let [x, indices] = [operands[0], operands[1]];
        axis_size(Self::NAME, 0, x, self.axis)?;
        if x.dtype != DType::F32 {
            return Err(TypeError::operand(0, format!("gather expects an f32 table, got {x}")));
        }
        if indices.dtype != DType::I32 {
            return Err(TypeError::operand(1, format!("gather expects i32 indices, got {indices}")));
        }
        let shape = self.shape(&x.shape, &indices.shape).check_one_batch().map_err(|_| {
            TypeError::operand(1, format!("gather expects a table or indices without a batch, got {x} and {indices}"))
        })?;
        Ok(TensorType::f32(shape))
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        let [x, indices] = [operands[0], operands[1]];
        let n = indices.shape.len();
        let outside = R::from_f64(self.outside());
        Tensor::from_fn(out, |index| {
            let (before, rest) = index.split_at(self.axis);
            let (own, after) = rest.split_at(n);
            let at = indices.at(own).widen();
            let is_inside = (0.0..x.shape[self.axis] as f64).contains(&at);
            if is_inside { x.at(&[before, &[at as usize], after].concat()) } else { outside }
        })
    }

    fn vjp(&self, cx: &mut OpCx<'_>, dy: NodeId) -> Vec<Option<NodeId>> {
        // dx[.., i, ..] = the sum of dy at all places where i was looked up
        let [x, indices] = [cx.operands[0], cx.operands[1]];
        let shape = cx.ty(x).shape;
        vec![Some(cx.add(GatherGrad { axis: self.axis, shape }, &[indices, dy])), None]
    }

    fn lower(&self, operands: &[&TensorType], out: &TensorType) -> Lowering {
        let [x, indices] = [operands[0], operands[1]];
        let Dim::Fixed(size) = x.shape.0[self.axis] else { unreachable!("the batch is not looked up") };
        let axes: Vec<Affine> = (0..out.rank()).map(Compute::axis).collect();
        let (before, rest) = axes.split_at(self.axis);
        let (own, after) = rest.split_at(indices.rank());
        let row = [before, &[Affine::var(Var(out.rank() as u32))], after].concat();
        let nothing = ScalarExpr::Const(self.outside());
        let (index, body) = Gather::look_up(size, (1, own.to_vec()), build::load(0, row), nothing);
        Lowering::Compute(Compute::map(&out.shape.0, body).indexed(vec![index]))
    }

    fn domain(&self, operand: usize, operands: &[&TensorType]) -> Domain {
        match (operand, operands[0].shape.0.get(self.axis)) {
            (1, Some(Dim::Fixed(size))) if !self.zero_outside => Domain::Below(*size),
            _ => Domain::Any,
        }
    }

    fn draw(draw: &mut dyn Draw) -> Option<Drawn<Self>> {
        let x = draw.any()?;
        let axis = draw.axis(x.shape())?;
        let mut indices = vec![Dim::Fixed(draw.size()); draw.pick(3)];
        if x.shape().batch_axis().is_none() && draw.pick(3) != 2 {
            indices.insert(0, Dim::Batch);
        }
        let (indices, bound) = (draw.integers(Shape(indices)), x.bound);
        Some(Drawn::of(Gather { axis, zero_outside: draw.flag() }, [x, indices]).within(bound))
    }
}
