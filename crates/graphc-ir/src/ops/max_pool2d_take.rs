//! `max_pool2d_take`: reads an image where `max_pool2d` found its maxima.

use super::draw::{Draw, Drawn};
use super::facts::Domain;
use super::pool::Window;
use super::{Lowering, MaxPool2dGrad, OpRules};
use crate::compute::{Combine, Compute, ScalarExpr, build};
use crate::graph::{NodeId, OpCx};
use crate::index::{Affine, Var};
use crate::op_struct;
use crate::scalar::CmpOp;
use crate::tensor::{Real, Tensor};
use crate::types::{TensorType, TypeError};

op_struct! {
    /// `y[n,p,q,c] = x[n, p*stride - top + r, q*stride - left + s, c]` where `r * pool_w + s = index[n,p,q,c]`:
    /// what `max_pool2d_grad` transposes, needed only for second derivatives.
    pub struct MaxPool2dTake {
        /// Window size along h and w.
        pub pool: [usize; 2],
        /// Step along h and w.
        pub strides: [usize; 2],
        /// Rows and columns added at the top, bottom, left and right.
        pub padding: [usize; 4],
    }
}

impl MaxPool2dTake {
    fn window(&self) -> Window {
        Window { pool: self.pool, strides: self.strides, padding: self.padding }
    }
}

impl OpRules for MaxPool2dTake {
    const NAME: &'static str = "max_pool2d_take";
    const ARITY: usize = 2;
    const SUMMARY: &'static str = "the elements of x at given window positions, from (max_pool2d_index, x)";
    const IS_EXACT: bool = true;

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        let pooled = self.window().infer(Self::NAME, operands[1])?;
        let index = TensorType::i32(pooled.shape.clone());
        if *operands[0] != index {
            return Err(TypeError::operand(
                0,
                format!("expected the result of max_pool2d_index, {index}, got {}", operands[0]),
            ));
        }
        Ok(pooled)
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        let [positions, x] = [operands[0], operands[1]];
        let window = self.window();
        Tensor::from_fn(out, |index| {
            let [n, p, q, c] = [index[0], index[1], index[2], index[3]];
            let taps = window.taps(p, q, [x.shape[1], x.shape[2]]);
            let taken = taps.iter().find(|tap| R::from_f64(tap.position as f64) == positions.at(index));
            taken.map_or(R::zero(), |tap| x.at(&[n, tap.h, tap.w, c]))
        })
    }

    fn vjp(&self, cx: &mut OpCx<'_>, dy: NodeId) -> Vec<Option<NodeId>> {
        // Linear in its second operand: dx = dy, scattered back.
        let (pool, strides, padding) = (self.pool, self.strides, self.padding);
        let [index, x] = [cx.operands[0], cx.operands[1]];
        let shape = cx.ty(x).shape;
        vec![None, Some(cx.add(MaxPool2dGrad { pool, strides, padding, shape }, &[index, dy]))]
    }

    fn lower(&self, _: &[&TensorType], out: &TensorType) -> Lowering {
        // Axes n p q c; reductions r s. At most one term is not zero.
        let window = self.window();
        let index = build::load(0, (0..4).map(Compute::axis).collect());
        let x = ScalarExpr::Load { operand: 1, index: window.image_index() };
        let [r, s] = [4, 5].map(|var| Affine::var(Var(var)));
        let position = ScalarExpr::Index(r.times(self.pool[1] as i64).plus(&s));
        let body = build::select(CmpOp::Eq, index, position, x, ScalarExpr::Const(0.0));
        Lowering::Compute(Compute::reduce(&out.shape.0, &window.reds(), Combine::Sum, body))
    }

    fn domain(&self, operand: usize, _: &[&TensorType]) -> Domain {
        if operand == 0 { self.window().positions() } else { Domain::Any }
    }

    fn draw(draw: &mut dyn Draw) -> Option<Drawn<Self>> {
        let (window, x) = Window::draw(draw)?;
        let Window { pool, strides, padding } = window;
        let index = draw.integers(window.infer(Self::NAME, &x.ty).ok()?.shape);
        Some(Drawn::of(MaxPool2dTake { pool, strides, padding }, [index, x]))
    }
}
