//! `depth_to_space`: channels as blocks of pixels.

use super::draw::{Draw, Drawn};
use super::facts::{Usage};
use super::{Expand, OpRules, blocks};
use crate::attrs::OpAttrs;
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::tensor::{Real, Tensor};
use crate::types::{DType, Dim, Shape, TensorType, TypeError};

op_struct! {
    /// `y[n, p*b + r, q*b + s, c] = x[n, p, q, (r*b + s)*c_size + c]` with `b = block_size`: TensorFlow's order, which
    /// `space_to_depth` undoes. PyTorch's `pixel_shuffle` has the channels in another order.
    pub struct DepthToSpace {
        /// Height and width of a block; the channels are a multiple of its square.
        pub block_size: usize where Positive,
    }
}

impl OpRules for DepthToSpace {
    const NAME: &'static str = "depth_to_space";
    const ARITY: usize = 1;
    const SUMMARY: &'static str = "channels of every pixel of NHWC images as a block of pixels";
    const USAGE: Option<Usage> = Some(Usage {
        purpose: "Makes pictures larger behind a convolution that has computed the pixels of each block as channels.",
        node: "larger",
        reads: &[("maps", DType::F32, &[12, 12, 8])],
        attributes: || DepthToSpace { block_size: 2 }.attrs(),
        ..Usage::PLAIN
    });
    const IS_EXACT: bool = true;

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        let (x, b) = (operands[0], self.block_size);
        let (n, [h, w, c]) = blocks::image(Self::NAME, x)?;
        let square = b.saturating_mul(b);
        if !c.is_multiple_of(square) {
            let message = format!("depth_to_space expects channels that are a multiple of {square}, got {x}");
            return Err(TypeError::operand(0, message));
        }
        let shape = Shape(vec![n, h.saturating_mul(b).into(), w.saturating_mul(b).into(), (c / square).into()]);
        Ok(TensorType { dtype: x.dtype, shape })
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        let b = self.block_size;
        Tensor::from_fn(out, |index| {
            let place = index[1] % b * b + index[2] % b;
            operands[0].at(&[index[0], index[1] / b, index[2] / b, place * out[3] + index[3]])
        })
    }

    fn composite(&self, _: &[&TensorType]) -> Option<Expand> {
        Some(Expand::BeforeAutodiff)
    }

    fn expand(&self, cx: &mut OpCx<'_>) -> NodeId {
        let b = self.block_size;
        let (n, [h, w, c]) = blocks::image(Self::NAME, &cx.ty(cx.operands[0])).expect("the node has a type");
        blocks::exchanged(cx, n, [h, w, b, b, c / (b * b)])
    }

    fn draw(draw: &mut dyn Draw) -> Option<Drawn<Self>> {
        let is_image = |shape: &Shape| shape.rank() == 4 && !shape.0[1..].contains(&Dim::Batch);
        let fits = |shape: &Shape| {
            is_image(shape) && matches!(shape.0[3], Dim::Fixed(c) if c.is_multiple_of(4) || c.is_multiple_of(9))
        };
        let x = draw.tensor(&fits).unwrap_or_else(|| {
            let [h, w, c] = [3, 3, 2].map(|most| 1 + draw.pick(most));
            let block_size = 2 + draw.pick(2);
            draw.numbers(Shape::batched(&[h, w, c * block_size * block_size]))
        });
        let Dim::Fixed(c) = x.shape().0[3] else { return None };
        let (block_size, bound) = (if c.is_multiple_of(9) { 3 } else { 2 }, x.bound);
        Some(Drawn::of(DepthToSpace { block_size }, [x]).within(bound))
    }
}
