//! `winograd_output_grad`: the transpose of `winograd_output`.

use super::draw::{Draw, Drawn};
use super::winograd::{Maps, TAPS, check_tile, image_sizes};
use super::winograd_input::Blocks;
use super::{Lowering, OpRules, Slice, WinogradOutput};
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::tensor::{Real, Tensor};
use crate::types::{Dim, Shape, TensorType, TypeError};

op_struct! {
    /// `x[n,p,q,F*((m + 2)*i + j) + f] = sum over k,l of a[k,i] * a[l,j] * dy[n, m*p + k, m*q + l, f]` for tiles of `m`
    /// rows and columns of `F` filters; elements beyond `dy` are 0.
    pub struct WinogradOutputGrad {
        /// Rows and columns of a tile: 2 or 4.
        pub tile: usize,
    }
}

impl WinogradOutputGrad {
    fn blocks(&self) -> Blocks {
        Blocks { map: Maps::of(self.tile).output.transposed(), tile: self.tile, padding: [0; 4] }
    }
}

impl OpRules for WinogradOutputGrad {
    const NAME: &'static str = "winograd_output_grad";
    const ARITY: usize = 1;
    const SUMMARY: &'static str = "tiles of a gradient, transformed for Winograd's convolution: `A dy A^T`";

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        check_tile(self.tile)?;
        let dy = operands[0];
        let [h, w, k] = image_sizes(Self::NAME, dy)?;
        let channels = k.saturating_mul((self.tile + TAPS - 1).pow(2));
        let [p, q] = [h, w].map(|size| size.div_ceil(self.tile).into());
        Ok(TensorType::f32(Shape(vec![dy.shape.0[0], p, q, channels.into()])))
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        self.blocks().eval(operands[0], out)
    }

    fn vjp(&self, cx: &mut OpCx<'_>, dy: NodeId) -> Vec<Option<NodeId>> {
        // d(dy) = A^T dx A, without what lies beyond
        let shape = cx.ty(cx.operands[0]).shape;
        let whole = cx.add(WinogradOutput { tile: self.tile }, &[dy]);
        vec![Some(cut(cx, whole, &shape))]
    }

    fn lower(&self, operands: &[&TensorType], out: &TensorType) -> Lowering {
        self.blocks().lower(operands[0], out)
    }

    fn draw(draw: &mut dyn Draw) -> Option<Drawn<Self>> {
        let dy = draw.images()?;
        Some(Drawn::of(WinogradOutputGrad { tile: 2 + 2 * draw.pick(2) }, [dy]))
    }
}

/// The first rows and columns of images, as many as `shape` has.
pub(super) fn cut(cx: &mut OpCx<'_>, images: NodeId, shape: &Shape) -> NodeId {
    [1, 2].into_iter().fold(images, |images, axis| match (cx.ty(images).shape.0[axis], shape.0[axis]) {
        (whole, Dim::Fixed(end)) if whole != Dim::Fixed(end) => {
            cx.add(Slice::part(axis, 0, end), &[images])
        }
        _ => images,
    })
}
