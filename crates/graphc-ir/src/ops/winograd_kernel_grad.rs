//! `winograd_kernel_grad`: the transpose of `winograd_kernel`.

use super::draw::{Draw, Drawn};
use super::winograd::{Map, Maps, TAPS, check_tile, choose, per_position};
use super::{Lowering, OpRules, WinogradKernel};
use crate::compute::{Compute, build};
use crate::graph::{NodeId, OpCx};
use crate::index::Affine;
use crate::op_struct;
use crate::tensor::{Real, Tensor};
use crate::types::{DType, Dim, Shape, TensorType, TypeError};

op_struct! {
    /// `w[r,s,c,k] = sum over i,j of g[i,r] * g[j,s] * u[0,0,c,K*(a*i + j) + k]` for tiles of `m` rows and columns,
    /// `a = m + 2`, `K` filters and the map `g` of a kernel to values of a polynomial.
    pub struct WinogradKernelGrad {
        /// Rows and columns of results in a tile: 2 or 4.
        pub tile: usize,
    }
}

impl WinogradKernelGrad {
    fn map(&self) -> Map {
        Maps::of(self.tile).kernel.transposed()
    }
}

impl OpRules for WinogradKernelGrad {
    const NAME: &'static str = "winograd_kernel_grad";
    const ARITY: usize = 1;
    const SUMMARY: &'static str = "the gradient by a kernel, from Winograd's: `G^T du G`";

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        check_tile(self.tile)?;
        let (u, one) = (operands[0], Dim::Fixed(1));
        match *u.shape.0.as_slice() {
            [a, b, Dim::Fixed(c), Dim::Fixed(filters)] if u.dtype == DType::F32 && [a, b] == [one; 2] && c > 0 => {
                let k = per_position(Self::NAME, filters, self.tile)?;
                Ok(TensorType::f32(Shape::fixed(&[TAPS, TAPS, c, k])))
            }
            _ => {
                let message = format!("{} expects an f32 tensor of shape [1,1,c,k], got {u}", Self::NAME);
                Err(TypeError::operand(0, message))
            }
        }
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        let (u, map, k) = (operands[0], self.map(), out[3]);
        let mut w = Tensor::full(out, 0.0);
        for (channel, filter) in (0..out[2]).flat_map(|channel| (0..k).map(move |filter| (channel, filter))) {
            let block: Vec<R> = u.row(&[0, 0, channel])[filter..].iter().step_by(k).copied().collect();
            for (at, value) in map.apply(&block).into_iter().enumerate() {
                w.row_mut(&[at / TAPS, at % TAPS, channel])[filter] = value;
            }
        }
        w
    }

    fn vjp(&self, cx: &mut OpCx<'_>, dy: NodeId) -> Vec<Option<NodeId>> {
        // du = G dw G^T
        vec![Some(cx.add(WinogradKernel { tile: self.tile, turned: false }, &[dy]))]
    }

    fn lower(&self, _: &[&TensorType], out: &TensorType) -> Lowering {
        // Axes r s c k.
        let [r, s, c, k] = [0, 1, 2, 3].map(Compute::axis);
        let (map, n_filters) = (self.map(), out.shape.sizes(None)[3]);
        let load = |i: usize, j: usize| {
            let position = (i * map.n_columns() + j) * n_filters;
            let zero = Affine::constant(0);
            build::load(0, vec![zero.clone(), zero, c.clone(), k.plus_constant(position as i64)])
        };
        let values = map.expressions(&load);
        let rows: Vec<_> = values.chunks(TAPS).map(|row| choose(&s, row)).collect();
        let body = choose(&r, &rows);
        Lowering::Compute(Compute::map(&out.shape.0, body).jointly(vec![r, s]))
    }

    fn draw(draw: &mut dyn Draw) -> Option<Drawn<Self>> {
        let tile = 2 + 2 * draw.pick(2);
        let [c, k] = [draw.size(), 1 + draw.pick(3)];
        let u = draw.learned(Shape::fixed(&[1, 1, c, (tile + 2) * (tile + 2) * k]));
        Some(Drawn::of(WinogradKernelGrad { tile }, [u]))
    }
}
