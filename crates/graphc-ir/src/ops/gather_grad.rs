//! `gather_grad`: the gradient of `gather`.

use super::draw::{Draw, Drawn};
use super::axis::axis_size;
use super::{Gather, Lowering, OpRules};
use crate::compute::{Compute, Scatter, ScalarExpr, build};
use crate::graph::{NodeId, OpCx};
use crate::index::{Affine, Var};
use crate::op_struct;
use crate::tensor::{Real, Tensor, for_each_index};
use crate::types::{Dim, Shape, TensorType, TypeError};

op_struct! {
    /// `dx[before.., i, after..]` is the sum of `dy[before.., indices.., after..]` where `indices[indices..] == i`,
    /// added in row-major order of the indices. What has an index outside of the axis is added nowhere.
    pub struct GatherGrad {
        /// The dimension that indices count.
        pub axis: usize = 0,
        /// Shape of what was looked up in.
        pub shape: Shape,
    }
}

impl GatherGrad {
    fn gather(&self) -> Gather {
        Gather { axis: self.axis, zero_outside: true }
    }
}

impl OpRules for GatherGrad {
    const NAME: &'static str = "gather_grad";
    const ARITY: usize = 2;
    const SUMMARY: &'static str = "gradient of gather from (i32 indices, dy): dy added up where it was looked up";

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        let [indices, dy] = [operands[0], operands[1]];
        let table = TensorType::f32(self.shape.clone().check_one_batch()?);
        axis_size(Self::NAME, 0, &table, self.axis)?;
        let looked_up = self.gather().infer(&[&table, indices])?;
        match *dy == looked_up {
            true => Ok(table),
            false => {
                let message = format!("gather_grad expects a gradient of type {looked_up}, got {dy}");
                Err(TypeError::operand(1, message))
            }
        }
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        let [indices, dy] = [operands[0], operands[1]];
        let mut sums = Tensor::full(out, 0.0);
        let strides = sums.strides();
        for_each_index(&indices.shape, |own| {
            let at = indices.at(own).widen();
            if !(0.0..out[self.axis] as f64).contains(&at) {
                return;
            }
            for_each_index(&[&out[..self.axis], &out[self.axis + 1..]].concat(), |others| {
                let (before, after) = others.split_at(self.axis);
                let to = [before, &[at as usize], after].concat();
                let to: usize = to.iter().zip(&strides).map(|(i, stride)| i * stride).sum();
                sums.data[to] = sums.data[to] + dy.at(&[before, own, after].concat());
            });
        });
        sums
    }

    fn vjp(&self, cx: &mut OpCx<'_>, dy: NodeId) -> Vec<Option<NodeId>> {
        // Linear in its second operand, and the transpose of looking up; what was added nowhere has no part in it.
        let indices = cx.operands[0];
        vec![None, Some(cx.add(self.gather(), &[dy, indices]))]
    }

    fn lower(&self, operands: &[&TensorType], out: &TensorType) -> Lowering {
        let indices = operands[0];
        let Dim::Fixed(size) = out.shape.0[self.axis] else { unreachable!("the batch is not looked up") };
        let axes: Vec<Affine> = (0..out.rank()).map(Compute::axis).collect();
        let own: Vec<Affine> = (0..indices.rank()).map(|red| Affine::var(Var((out.rank() + red) as u32))).collect();
        let (before, after) = (&axes[..self.axis], &axes[self.axis + 1..]);
        let dy = build::load(1, [before, &own, after].concat());
        let (index, body) = Gather::look_up(size, (0, own), dy, ScalarExpr::Const(0.0));
        let scatter = Scatter { axis: self.axis, index: 0 };
        Lowering::Compute(Compute::scatter(&out.shape.0, &indices.shape.0, scatter, body).indexed(vec![index]))
    }

    fn draw(draw: &mut dyn Draw) -> Option<Drawn<Self>> {
        let dy = draw.any()?;
        let rank = dy.ty.rank();
        let axis = draw.pick(rank + 1);
        let n_indices = draw.pick(rank - axis + 1);
        let (before, rest) = dy.shape().0.split_at(axis);
        let (own, after) = rest.split_at(n_indices);
        let shape = Shape([before, &[Dim::Fixed(draw.size())], after].concat());
        let indices = draw.integers(Shape(own.to_vec()));
        Some(Drawn::of(GatherGrad { axis, shape }, [indices, dy]))
    }
}
