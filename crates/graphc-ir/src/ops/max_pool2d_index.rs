//! `max_pool2d_index`: where `max_pool2d` found its maximum.

use super::draw::{Draw, Drawn};
use super::pool::Window;
use super::{Lowering, OpRules, reduction};
use crate::compute::{Combine, Compute, Nan, ScalarExpr};
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::tensor::{Real, Tensor};
use crate::types::{TensorType, TypeError};

op_struct! {
    /// `i[n,p,q,c] = r * pool_w + s` of the first greatest element of the window inside the image, or of the last NaN,
    /// which is where PyTorch sends the gradient; `i32`.
    pub struct MaxPool2dIndex {
        /// Window size along h and w.
        pub pool: [usize; 2],
        /// Step along h and w.
        pub strides: [usize; 2],
        /// Rows and columns added at the top, bottom, left and right.
        pub padding: [usize; 4],
    }
}

impl MaxPool2dIndex {
    fn window(&self) -> Window {
        Window { pool: self.pool, strides: self.strides, padding: self.padding }
    }
}

impl OpRules for MaxPool2dIndex {
    const NAME: &'static str = "max_pool2d_index";
    const ARITY: usize = 1;
    const SUMMARY: &'static str = "position in its window of the first maximum that max_pool2d takes";
    const IS_EXACT: bool = true;

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        Ok(TensorType::i32(self.window().infer(Self::NAME, operands[0])?.shape))
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        let x = operands[0];
        let window = self.window();
        Tensor::from_fn(out, |index| {
            let [n, p, q, c] = [index[0], index[1], index[2], index[3]];
            let taps = window.taps(p, q, [x.shape[1], x.shape[2]]);
            let values = taps.iter().map(|tap| (tap.position, x.at(&[n, tap.h, tap.w, c])));
            R::from_f64(reduction::arg_max(values, Nan::Last) as f64)
        })
    }

    fn vjp(&self, _: &mut OpCx<'_>, _: NodeId) -> Vec<Option<NodeId>> {
        // An integer: no gradient.
        vec![None]
    }

    fn lower(&self, _: &[&TensorType], out: &TensorType) -> Lowering {
        let window = self.window();
        let body = ScalarExpr::Load { operand: 0, index: window.image_index() };
        Lowering::Compute(Compute::reduce(&out.shape.0, &window.reds(), Combine::ArgMax(Nan::Last), body))
    }

    fn draw(draw: &mut dyn Draw) -> Option<Drawn<Self>> {
        let (Window { pool, strides, padding }, x) = Window::draw(draw)?;
        let last = (pool[0] * pool[1] - 1) as f64;
        Some(Drawn::of(MaxPool2dIndex { pool, strides, padding }, [x]).within(last))
    }
}
