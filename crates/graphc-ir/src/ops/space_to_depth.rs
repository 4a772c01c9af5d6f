//! `space_to_depth`: blocks of pixels as channels.

use super::draw::{Draw, Drawn};
use super::facts::{MAPS, Usage};
use super::{Expand, OpRules, blocks};
use crate::attrs::OpAttrs;
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::tensor::{Real, Tensor};
use crate::types::{Dim, Shape, TensorType, TypeError};

op_struct! {
    /// `y[n, p, q, (r*b + s)*c_size + c] = x[n, p*b + r, q*b + s, c]` with `b = block_size`: TensorFlow's order, a
    /// block's pixels row by row, each with all its channels.
    pub struct SpaceToDepth {
        /// Height and width of a block; those of the image are multiples of it.
        pub block_size: usize where Positive,
    }
}

impl OpRules for SpaceToDepth {
    const NAME: &'static str = "space_to_depth";
    const ARITY: usize = 1;
    const SUMMARY: &'static str = "the pixels of every block of NHWC images as channels of one pixel";
    const USAGE: Option<Usage> = Some(Usage {
        purpose: "Makes pictures smaller without losing anything: patches, in front of a convolution.",
        node: "patches",
        reads: &[MAPS],
        attributes: || SpaceToDepth { block_size: 2 }.attrs(),
        ..Usage::PLAIN
    });
    const IS_EXACT: bool = true;

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        let (x, b) = (operands[0], self.block_size);
        let (n, [h, w, c]) = blocks::image(Self::NAME, x)?;
        if !h.is_multiple_of(b) || !w.is_multiple_of(b) {
            let message = format!("space_to_depth expects height and width that are multiples of {b}, got {x}");
            return Err(TypeError::operand(0, message));
        }
        let shape = Shape(vec![n, (h / b).into(), (w / b).into(), c.saturating_mul(b).saturating_mul(b).into()]);
        Ok(TensorType { dtype: x.dtype, shape })
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        let (x, b) = (operands[0], self.block_size);
        Tensor::from_fn(out, |index| {
            let (place, c) = (index[3] / x.shape[3], index[3] % x.shape[3]);
            x.at(&[index[0], index[1] * b + place / b, index[2] * b + place % b, c])
        })
    }

    fn composite(&self, _: &[&TensorType]) -> Option<Expand> {
        Some(Expand::BeforeAutodiff)
    }

    fn expand(&self, cx: &mut OpCx<'_>) -> NodeId {
        let b = self.block_size;
        let (n, [h, w, c]) = blocks::image(Self::NAME, &cx.ty(cx.operands[0])).expect("the node has a type");
        blocks::exchanged(cx, n, [h / b, b, w / b, b, c])
    }

    fn draw(draw: &mut dyn Draw) -> Option<Drawn<Self>> {
        let fits = |shape: &Shape, b: usize| {
            shape.rank() == 4 && shape.0[1..].iter().all(|dim| *dim != Dim::Batch) && {
                let multiple = |axis: usize| matches!(shape.0[axis], Dim::Fixed(size) if size.is_multiple_of(b));
                multiple(1) && multiple(2)
            }
        };
        let block_size = 2 + draw.pick(2);
        let x = draw.tensor(&|shape| fits(shape, block_size)).unwrap_or_else(|| {
            let [h, w] = [0; 2].map(|_| block_size * (1 + draw.pick(3)));
            let c = 1 + draw.pick(4);
            draw.numbers(Shape::batched(&[h, w, c]))
        });
        let bound = x.bound;
        Some(Drawn::of(SpaceToDepth { block_size }, [x]).within(bound))
    }
}
