//! `avg_pool2d`: mean over windows of an image.

use super::draw::{Draw, Drawn};
use super::pool::Window;
use super::{AvgPool2dGrad, Lowering, OpRules};
use crate::compute::{Combine, Compute, ScalarExpr, build};
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::scalar::BinaryOp;
use crate::tensor::{Real, Tensor};
use crate::types::{TensorType, TypeError};

op_struct! {
    /// `y[n,p,q,c]` is the mean of `x[n, p*stride - top + r, q*stride - left + s, c]` over the `r,s` that
    /// lie inside the image (as in Keras, padding does not count).
    pub struct AvgPool2d {
        /// Window size along h and w.
        pub pool: [usize; 2],
        /// Step along h and w.
        pub strides: [usize; 2],
        /// Rows and columns added at the top, bottom, left and right.
        pub padding: [usize; 4],
    }
}

impl AvgPool2d {
    fn window(&self) -> Window {
        Window { pool: self.pool, strides: self.strides, padding: self.padding }
    }
}

impl OpRules for AvgPool2d {
    const NAME: &'static str = "avg_pool2d";
    const ARITY: usize = 1;
    const SUMMARY: &'static str = "mean over windows of NHWC images; padding does not count";

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        self.window().infer(Self::NAME, operands[0])
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        let x = operands[0];
        let window = self.window();
        Tensor::from_fn(out, |index| {
            let [n, p, q, c] = [index[0], index[1], index[2], index[3]];
            let taps = window.taps(p, q, [x.shape[1], x.shape[2]]);
            let sum = taps.iter().fold(R::zero(), |sum, tap| sum + x.at(&[n, tap.h, tap.w, c]));
            sum / R::from_f64(taps.len() as f64)
        })
    }

    fn vjp(&self, cx: &mut OpCx<'_>, dy: NodeId) -> Vec<Option<NodeId>> {
        // dx = sum of dy / count over the windows that contain the pixel
        let (pool, strides, padding) = (self.pool, self.strides, self.padding);
        let shape = cx.ty(cx.operands[0]).shape;
        vec![Some(cx.add(AvgPool2dGrad { pool, strides, padding, shape }, &[dy]))]
    }

    fn lower(&self, operands: &[&TensorType], out: &TensorType) -> Lowering {
        let window = self.window();
        let body = ScalarExpr::Load { operand: 0, index: window.image_index() };
        let sum = Compute::reduce(&out.shape.0, &window.reds(), Combine::Sum, body);
        let finish = match window.unpadded_count() {
            Some(count) => build::binary(BinaryOp::Mul, ScalarExpr::Acc, ScalarExpr::Const(1.0 / count)),
            None => {
                let [p, q] = [1, 2].map(Compute::axis);
                let starts = [window.start(&p, 0), window.start(&q, 1)];
                build::binary(BinaryOp::Div, ScalarExpr::Acc, window.count(starts, &operands[0].shape))
            }
        };
        Lowering::Compute(sum.finish(finish))
    }

    fn draw(draw: &mut dyn Draw) -> Option<Drawn<Self>> {
        let (Window { pool, strides, padding }, x) = Window::draw(draw)?;
        Some(Drawn::of(AvgPool2d { pool, strides, padding }, [x]))
    }
}
