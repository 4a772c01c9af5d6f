//! `winograd_kernel`: a kernel, transformed for Winograd's convolution.

use super::draw::{Draw, Drawn};
use super::winograd::{Map, Maps, TAPS, check_tile, choose};
use super::{Flip, Lowering, OpRules, WinogradKernelGrad};
use crate::compute::{Compute, build};
use crate::graph::{NodeId, OpCx};
use crate::index::Affine;
use crate::op_struct;
use crate::tensor::{Real, Tensor};
use crate::types::{DType, Dim, Shape, TensorType, TypeError};

op_struct! {
    /// `u[0,0,c,K*(a*i + j) + k] = sum over r,s of g[i,r] * g[j,s] * w[r,s,c,k]` for tiles of `m` rows and columns,
    /// `a = m + 2`, `K` filters and the map `g` of a kernel to values of a polynomial.
    pub struct WinogradKernel {
        /// Rows and columns of results in a tile: 2 or 4.
        pub tile: usize,
        /// Whether it is that of the kernel turned round: of `w[2 - r, 2 - s, c, k]`.
        pub turned: bool = false,
    }
}

/// Sizes `[c, k]` of a kernel.
pub(super) fn kernel_sizes(op: &str, w: &TensorType) -> Result<[usize; 2], TypeError> {
    let taps = Dim::Fixed(TAPS);
    match *w.shape.0.as_slice() {
        [r, s, Dim::Fixed(c), Dim::Fixed(k)] if w.dtype == DType::F32 && [r, s] == [taps; 2] && c * k > 0 => Ok([c, k]),
        _ => Err(TypeError::operand(0, format!("{op} expects an f32 kernel of shape [3,3,c,k], got {w}"))),
    }
}

impl WinogradKernel {
    fn map(&self) -> Map {
        Maps::of(self.tile).kernel
    }

    /// The tap of the kernel that stands at a place.
    fn tap(&self, at: usize) -> usize {
        if self.turned { TAPS - 1 - at } else { at }
    }
}

impl OpRules for WinogradKernel {
    const NAME: &'static str = "winograd_kernel";
    const ARITY: usize = 1;
    const SUMMARY: &'static str = "a kernel, transformed for Winograd's convolution: `G w G^T`";

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        check_tile(self.tile)?;
        let [c, k] = kernel_sizes(Self::NAME, operands[0])?;
        Ok(TensorType::f32(Shape::fixed(&[1, 1, c, k.saturating_mul((self.tile + TAPS - 1).pow(2))])))
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        let (w, map) = (operands[0], self.map());
        let [c, k] = [w.shape[2], w.shape[3]];
        let mut u = Tensor::full(out, 0.0);
        for (channel, filter) in (0..c).flat_map(|channel| (0..k).map(move |filter| (channel, filter))) {
            let tap = |at: usize| w.at(&[self.tap(at / TAPS), self.tap(at % TAPS), channel, filter]);
            let block: Vec<R> = (0..TAPS * TAPS).map(tap).collect();
            let row = u.row_mut(&[0, 0, channel]);
            let mapped = map.apply(&block).into_iter().enumerate();
            mapped.for_each(|(position, value)| row[position * k + filter] = value);
        }
        u
    }

    fn vjp(&self, cx: &mut OpCx<'_>, dy: NodeId) -> Vec<Option<NodeId>> {
        // dw = G^T du G, turned back
        let dw = cx.add(WinogradKernelGrad { tile: self.tile }, &[dy]);
        let axes: &[usize] = if self.turned { &[0, 1] } else { &[] };
        vec![Some(axes.iter().fold(dw, |dw, &axis| cx.add(Flip { axis }, &[dw])))]
    }

    fn lower(&self, operands: &[&TensorType], out: &TensorType) -> Lowering {
        // Axes 0 0 c, and the filter of a position.
        let [c, filter] = [2, 3].map(Compute::axis);
        let n_filters = operands[0].shape.fixed_len() / TAPS / TAPS / out.shape.sizes(None)[2];
        let load = |r: usize, s: usize| {
            let [r, s] = [r, s].map(|at| Affine::constant(self.tap(at) as i64));
            build::load(0, vec![r, s, c.clone(), filter.modulo(n_filters as i64)])
        };
        let position = filter.div(n_filters as i64);
        let body = choose(&position, &self.map().expressions(&load));
        Lowering::Compute(Compute::map(&out.shape.0, body).jointly(vec![position]))
    }

    fn draw(draw: &mut dyn Draw) -> Option<Drawn<Self>> {
        let (tile, turned) = (2 + 2 * draw.pick(2), draw.flag());
        let [c, k] = [draw.size(), draw.size()];
        let w = draw.learned(Shape::fixed(&[TAPS, TAPS, c, k]));
        Some(Drawn::of(WinogradKernel { tile, turned }, [w]))
    }
}
