//! `winograd_output`: results of Winograd's convolution, from their tiles.

use super::convolution::fixed;
use super::draw::{Draw, Drawn};
use super::winograd::{Maps, check_tile, choose, image_sizes, per_position};
use super::{Lowering, OpRules, Windows, WinogradOutputGrad};
use crate::compute::{Compute, build};
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::tensor::{Real, Tensor};
use crate::types::{Shape, TensorType, TypeError};

op_struct! {
    /// `y[n, m*p + k, m*q + l, f] = sum over i,j of a[k,i] * a[l,j] * x[n,p,q,F*((m + 2)*i + j) + f]` for tiles of `m`
    /// rows and columns of `F` filters, and the map `a` from values of polynomials to results.
    pub struct WinogradOutput {
        /// Rows and columns of a tile: 2 or 4.
        pub tile: usize,
    }
}

impl OpRules for WinogradOutput {
    const NAME: &'static str = "winograd_output";
    const ARITY: usize = 1;
    const SUMMARY: &'static str = "results of Winograd's convolution: `A^T m A`";

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        check_tile(self.tile)?;
        let x = operands[0];
        let [p, q, channels] = image_sizes(Self::NAME, x)?;
        let k = per_position(Self::NAME, channels, self.tile)?;
        let [h, w] = [p, q].map(|n| n.saturating_mul(self.tile).into());
        Ok(TensorType::f32(Shape(vec![x.shape.0[0], h, w, k.into()])))
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        let (x, map, k) = (operands[0], Maps::of(self.tile).output, out[3]);
        let mut y = Tensor::full(out, 0.0);
        for (at, row) in x.data.chunks(x.shape[3].max(1)).enumerate() {
            let [n, p, q] = Windows::window_of_row(at, &x.shape);
            for filter in 0..k {
                let block: Vec<R> = row[filter..].iter().step_by(k).copied().collect();
                for (i, value) in map.apply(&block).into_iter().enumerate() {
                    let [h, w] = [p * self.tile + i / self.tile, q * self.tile + i % self.tile];
                    y.row_mut(&[n, h, w])[filter] = value;
                }
            }
        }
        y
    }

    fn vjp(&self, cx: &mut OpCx<'_>, dy: NodeId) -> Vec<Option<NodeId>> {
        // dx = A dy A^T
        vec![Some(cx.add(WinogradOutputGrad { tile: self.tile }, &[dy]))]
    }

    fn lower(&self, _: &[&TensorType], out: &TensorType) -> Lowering {
        // Axes n h w k.
        let [n, h, w, k] = [0, 1, 2, 3].map(Compute::axis);
        let (map, tile, n_filters) = (Maps::of(self.tile).output, self.tile as i64, fixed(out.shape.0[3]));
        let load = |i: usize, j: usize| {
            let position = (i * map.n_columns() + j) * n_filters;
            build::load(0, vec![n.clone(), h.div(tile), w.div(tile), k.plus_constant(position as i64)])
        };
        let values = map.expressions(&load);
        let [row, column] = [&h, &w].map(|axis| axis.modulo(tile));
        let rows: Vec<_> = values.chunks(self.tile).map(|values| choose(&column, values)).collect();
        let body = choose(&row, &rows);
        Lowering::Compute(Compute::map(&out.shape.0, body).jointly(vec![row, column]))
    }

    fn draw(draw: &mut dyn Draw) -> Option<Drawn<Self>> {
        let tile = 2 + 2 * draw.pick(2);
        let n_positions = (tile + 2) * (tile + 2);
        let like = draw.images()?;
        let mut dims = like.shape().0.clone();
        dims[3] = (n_positions * (1 + draw.pick(3))).into();
        let x = draw.given(TensorType::f32(Shape(dims)));
        Some(Drawn::of(WinogradOutput { tile }, [x]))
    }
}
