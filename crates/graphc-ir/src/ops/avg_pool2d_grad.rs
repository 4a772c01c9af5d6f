//! `avg_pool2d_grad`: the gradient of `avg_pool2d`.

use super::draw::{Draw, Drawn};
use super::pool::Window;
use super::{AvgPool2d, Lowering, OpRules};
use crate::compute::{Combine, Compute, ScalarExpr, build};
use crate::graph::{NodeId, OpCx};
use crate::index::{Affine, Var};
use crate::op_struct;
use crate::scalar::BinaryOp;
use crate::tensor::{Real, Tensor, for_each_index, linear_index};
use crate::types::{Shape, TensorType, TypeError};

op_struct! {
    /// `dx[n,h,w,c] = sum over r,s of dy[n,p,q,c] / count(p,q)` where `p*stride - top + r = h` and
    /// `q*stride - left + s = w`; `count` is the number of pixels in the window.
    pub struct AvgPool2dGrad {
        /// Window size of the pooling.
        pub pool: [usize; 2],
        /// Strides of the pooling.
        pub strides: [usize; 2],
        /// Padding of the pooling: top, bottom, left, right.
        pub padding: [usize; 4],
        /// Shape of the images.
        pub shape: Shape,
    }
}

impl AvgPool2dGrad {
    fn window(&self) -> Window {
        Window { pool: self.pool, strides: self.strides, padding: self.padding }
    }
}

impl OpRules for AvgPool2dGrad {
    const NAME: &'static str = "avg_pool2d_grad";
    const ARITY: usize = 1;
    const SUMMARY: &'static str = "gradient of avg_pool2d, from dy";

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        let images = TensorType::f32(self.shape.clone());
        let pooled = self.window().infer(Self::NAME, &images)?;
        if *operands[0] != pooled {
            return Err(TypeError::operand(
                0,
                format!("expected the gradient of avg_pool2d's result, {pooled}, got {}", operands[0]),
            ));
        }
        Ok(images)
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        let dy = operands[0];
        let window = self.window();
        let mut dx = Tensor::full(out, 0.0);
        for_each_index(&dy.shape, |index| {
            let [n, p, q, c] = [index[0], index[1], index[2], index[3]];
            let taps = window.taps(p, q, [out[1], out[2]]);
            let share = dy.at(index) / R::from_f64(taps.len() as f64);
            for tap in taps {
                let slot = &mut dx.data[linear_index(out, &[n, tap.h, tap.w, c])];
                *slot = *slot + share;
            }
        });
        dx
    }

    fn vjp(&self, cx: &mut OpCx<'_>, dy: NodeId) -> Vec<Option<NodeId>> {
        // Linear: the transpose of the gradient is the pooling itself.
        let (pool, strides, padding) = (self.pool, self.strides, self.padding);
        vec![Some(cx.add(AvgPool2d { pool, strides, padding }, &[dy]))]
    }

    fn lower(&self, _: &[&TensorType], out: &TensorType) -> Lowering {
        let window = self.window();
        let load = ScalarExpr::Load { operand: 0, index: window.pooled_index() };
        let reduce = |body| Compute::reduce(&out.shape.0, &window.reds(), Combine::Sum, body);
        Lowering::Compute(match window.unpadded_count() {
            Some(count) => {
                reduce(load).finish(build::binary(BinaryOp::Mul, ScalarExpr::Acc, ScalarExpr::Const(1.0 / count)))
            }
            None => {
                // Where the division is exact, the window starts at p*stride - top = h - r.
                let start = |axis: u32| Affine::var(Var(axis)).add_scaled(&Affine::var(Var(axis + 3)), -1);
                let count = window.count([start(1), start(2)], &out.shape);
                reduce(build::binary(BinaryOp::Div, load, count))
            }
        })
    }

    fn draw(draw: &mut dyn Draw) -> Option<Drawn<Self>> {
        let (window, x) = Window::draw(draw)?;
        let Window { pool, strides, padding } = window;
        let dy = draw.given(window.infer(Self::NAME, &x.ty).ok()?);
        Some(Drawn::of(AvgPool2dGrad { pool, strides, padding, shape: x.ty.shape }, [dy]))
    }
}
