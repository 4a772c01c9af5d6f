//! `max_pool2d`: maximum over windows of an image.

use super::draw::{Draw, Drawn};
use super::pool::Window;
use super::{Lowering, MaxPool2dGrad, MaxPool2dIndex, OpRules, reduction};
use crate::compute::{Combine, Compute, ScalarExpr};
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::tensor::{Real, Tensor};
use crate::types::{TensorType, TypeError};

op_struct! {
    /// `y[n,p,q,c]` is the greatest `x[n, p*stride - top + r, q*stride - left + s, c]` over the `r,s` that
    /// lie inside the image; NaN if any of them is.
    pub struct MaxPool2d {
        /// Window size along h and w.
        pub pool: [usize; 2],
        /// Step along h and w.
        pub strides: [usize; 2],
        /// Rows and columns added at the top, bottom, left and right.
        pub padding: [usize; 4],
    }
}

impl MaxPool2d {
    fn window(&self) -> Window {
        Window { pool: self.pool, strides: self.strides, padding: self.padding }
    }
}

impl OpRules for MaxPool2d {
    const NAME: &'static str = "max_pool2d";
    const ARITY: usize = 1;
    const SUMMARY: &'static str = "maximum over windows of NHWC images; padding does not count";
    const IS_EXACT: bool = true;

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        self.window().infer(Self::NAME, operands[0])
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        let x = operands[0];
        let window = self.window();
        Tensor::from_fn(out, |index| {
            let [n, p, q, c] = [index[0], index[1], index[2], index[3]];
            let taps = window.taps(p, q, [x.shape[1], x.shape[2]]);
            let values = taps.iter().map(|tap| x.at(&[n, tap.h, tap.w, c]));
            values.fold(R::neg_infinity(), |max, value| reduction::maximum(value, max))
        })
    }

    fn vjp(&self, cx: &mut OpCx<'_>, dy: NodeId) -> Vec<Option<NodeId>> {
        // dx = sum of dy over the windows whose first maximum (or last NaN) is the pixel
        let (pool, strides, padding) = (self.pool, self.strides, self.padding);
        let x = cx.operands[0];
        let shape = cx.ty(x).shape;
        let index = cx.add(MaxPool2dIndex { pool, strides, padding }, &[x]);
        vec![Some(cx.add(MaxPool2dGrad { pool, strides, padding, shape }, &[index, dy]))]
    }

    fn lower(&self, _: &[&TensorType], out: &TensorType) -> Lowering {
        let window = self.window();
        let body = ScalarExpr::Load { operand: 0, index: window.image_index() };
        Lowering::Compute(Compute::reduce(&out.shape.0, &window.reds(), Combine::Max, body))
    }

    fn draw(draw: &mut dyn Draw) -> Option<Drawn<Self>> {
        let (Window { pool, strides, padding }, x) = Window::draw(draw)?;
        Some(Drawn::of(MaxPool2d { pool, strides, padding }, [x]))
    }
}
