//! `max_pool2d_grad`: the gradient of `max_pool2d`.

use super::draw::{Draw, Drawn};
use super::facts::Domain;
use super::pool::Window;
use super::{Lowering, MaxPool2dTake, OpRules};
use crate::compute::{Combine, Compute, ScalarExpr, build};
use crate::graph::{NodeId, OpCx};
use crate::index::{Affine, Var};
use crate::op_struct;
use crate::scalar::CmpOp;
use crate::tensor::{Real, Tensor, for_each_index, linear_index};
use crate::types::{Shape, TensorType, TypeError};

op_struct! {
    /// `dx[n,h,w,c] = sum over r,s of (index[n,p,q,c] == r * pool_w + s ? dy[n,p,q,c] : 0)` where
    /// `p*stride - top + r = h` and `q*stride - left + s = w`.
    pub struct MaxPool2dGrad {
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

impl MaxPool2dGrad {
    fn window(&self) -> Window {
        Window { pool: self.pool, strides: self.strides, padding: self.padding }
    }
}

impl OpRules for MaxPool2dGrad {
    const NAME: &'static str = "max_pool2d_grad";
    const ARITY: usize = 2;
    const SUMMARY: &'static str = "gradient of max_pool2d, from (max_pool2d_index, dy)";

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        let images = TensorType::f32(self.shape.clone());
        let pooled = self.window().infer(Self::NAME, &images)?;
        let index = TensorType::i32(pooled.shape.clone());
        if *operands[0] != index {
            return Err(TypeError::operand(
                0,
                format!("expected the result of max_pool2d_index, {index}, got {}", operands[0]),
            ));
        }
        if *operands[1] != pooled {
            return Err(TypeError::operand(
                1,
                format!("expected the gradient of max_pool2d's result, {pooled}, got {}", operands[1]),
            ));
        }
        Ok(images)
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        let [positions, dy] = [operands[0], operands[1]];
        let window = self.window();
        let mut dx = Tensor::full(out, 0.0);
        for_each_index(&dy.shape, |index| {
            let [n, p, q, c] = [index[0], index[1], index[2], index[3]];
            let position = positions.at(index);
            for tap in window.taps(p, q, [out[1], out[2]]) {
                if R::from_f64(tap.position as f64) == position {
                    let slot = &mut dx.data[linear_index(out, &[n, tap.h, tap.w, c])];
                    *slot = *slot + dy.at(index);
                }
            }
        });
        dx
    }

    fn vjp(&self, cx: &mut OpCx<'_>, dy: NodeId) -> Vec<Option<NodeId>> {
        // Linear in its second operand: the transpose of scattering to the maxima is gathering there.
        let (pool, strides, padding) = (self.pool, self.strides, self.padding);
        let index = cx.operands[0];
        vec![None, Some(cx.add(MaxPool2dTake { pool, strides, padding }, &[index, dy]))]
    }

    fn lower(&self, _: &[&TensorType], out: &TensorType) -> Lowering {
        // Axes n h w c; reductions r s.
        let window = self.window();
        let [index, dy] = [0, 1].map(|operand| ScalarExpr::Load { operand, index: window.pooled_index() });
        let [r, s] = [4, 5].map(|var| Affine::var(Var(var)));
        let position = ScalarExpr::Index(r.times(self.pool[1] as i64).plus(&s));
        let body = build::select(CmpOp::Eq, index, position, dy, ScalarExpr::Const(0.0));
        Lowering::Compute(Compute::reduce(&out.shape.0, &window.reds(), Combine::Sum, body))
    }

    fn domain(&self, operand: usize, _: &[&TensorType]) -> Domain {
        if operand == 0 { self.window().positions() } else { Domain::Any }
    }

    fn draw(draw: &mut dyn Draw) -> Option<Drawn<Self>> {
        let (window, x) = Window::draw(draw)?;
        let Window { pool, strides, padding } = window;
        let dy = draw.given(window.infer(Self::NAME, &x.ty).ok()?);
        let index = draw.integers(dy.shape().clone());
        Some(Drawn::of(MaxPool2dGrad { pool, strides, padding, shape: x.ty.shape }, [index, dy]))
    }
}
