//! `winograd_input`: windows of images, transformed for Winograd's convolution.

use super::convolution::fixed;
use super::draw::{Draw, Drawn};
use super::winograd::{Map, Maps, TAPS, check_tile, choose, image_sizes};
use super::{Conv2dInputGrad, Literal, Lowering, OpRules, Transpose, Windows};
use crate::compute::{Compute, IndexSource, IndexVar, ScalarExpr, build};
use crate::graph::{NodeId, OpCx};
use crate::index::{Affine, Var};
use crate::op_struct;
use crate::scalar::CmpOp;
use crate::tensor::{Real, Tensor};
use crate::types::{Dim, Shape, TensorType, TypeError};

op_struct! {
    /// `v[n,p,q,C*(a*i + j) + c] = sum over k,l of b[i,k] * b[j,l] * x[n, m*p + k - top, m*q + l - left, c]` for tiles
    /// of `m` rows and columns, `a = m + 2` and the map `b` of `a` values of a polynomial; pixels outside are 0.
    pub struct WinogradInput {
        /// Rows and columns of results in a tile: 2 or 4.
        pub tile: usize,
        /// Zeros added at the top, bottom, left and right.
        pub padding: [usize; 4],
    }
}

/// Pixels of one direction that the tiles read.
#[derive(Clone, Copy)]
struct Reach {
    tile: usize,
    /// Zeros before the first pixel.
    before: usize,
    n_pixels: usize,
    n_tiles: usize,
}

impl Reach {
    /// The pixel that tap `tap` of a tile reads, if it is one of the image.
    fn pixel(self, tile: usize, tap: usize) -> Option<usize> {
        (tile * self.tile + tap).checked_sub(self.before).filter(|&pixel| pixel < self.n_pixels)
    }

    /// The same as an index variable.
    fn variable(self, tile: &Affine, tap: usize) -> IndexVar {
        let pixel = tile.times(self.tile as i64).plus_constant(tap as i64 - self.before as i64);
        IndexVar { source: IndexSource::Value(pixel), extent: self.n_pixels }
    }

    /// What is read, but 0 for tiles of which the tap is no pixel.
    fn guarded(self, tile: &Affine, tap: usize, read: ScalarExpr) -> ScalarExpr {
        // tile * m + tap >= before, and tile * m + tap < before + n_pixels
        let first = self.before.saturating_sub(tap).div_ceil(self.tile);
        let end = (self.before + self.n_pixels).saturating_sub(tap).div_ceil(self.tile);
        let only = |cmp, number: usize, read| {
            let at = ScalarExpr::Index(tile.clone());
            build::select(cmp, at, ScalarExpr::Int(number as i32), read, ScalarExpr::Const(0.0))
        };
        let read = if end < self.n_tiles { only(CmpOp::Lt, end, read) } else { read };
        if first > 0 { only(CmpOp::Ge, first, read) } else { read }
    }
}

/// Rows, then columns, that tiles of `[n_rows, n_columns]` read of images of `sizes`.
fn reach(tile: usize, padding: [usize; 4], sizes: [usize; 2], n_tiles: [usize; 2]) -> [Reach; 2] {
    [0, 1].map(|i| Reach { tile, before: padding[2 * i], n_pixels: sizes[i], n_tiles: n_tiles[i] })
}

/// Tiles along one direction of images, every block of which is mapped.
pub(super) struct Blocks {
    pub(super) map: Map,
    pub(super) tile: usize,
    pub(super) padding: [usize; 4],
}

impl Blocks {
    /// Maps the block of every tile, whose elements outside of the image are 0.
    pub(super) fn eval<R: Real>(&self, x: &Tensor<R>, out: &[usize]) -> Tensor<R> {
        let (n, c) = (self.map.n_columns(), x.shape[3]);
        let [rows, columns] = reach(self.tile, self.padding, [x.shape[1], x.shape[2]], [out[1], out[2]]);
        let mut y = Tensor::full(out, 0.0);
        for (at, row) in y.data.chunks_mut(out[3].max(1)).enumerate() {
            let [image, p, q] = Windows::window_of_row(at, out);
            for channel in 0..c {
                let element = |i: usize, j: usize| match rows.pixel(p, i).zip(columns.pixel(q, j)) {
                    Some((h, w)) => x.at(&[image, h, w, channel]),
                    None => R::from_f64(0.0),
                };
                let block: Vec<R> = (0..n * n).map(|k| element(k / n, k % n)).collect();
                let mapped = self.map.apply(&block).into_iter().enumerate();
                mapped.for_each(|(position, value)| row[position * c + channel] = value);
            }
        }
        y
    }

    /// The same in index notation. Axes n p q, and the channel of a position.
    pub(super) fn lower(&self, x: &TensorType, out: &TensorType) -> Lowering {
        let [h, w, c] = [1, 2, 3].map(|axis| fixed(x.shape.0[axis]));
        let [n, p, q, channel] = [0, 1, 2, 3].map(Compute::axis);
        let [rows, columns] = reach(self.tile, self.padding, [h, w], [1, 2].map(|axis| fixed(out.shape.0[axis])));
        let n_taps = self.map.n_columns();
        let vars = |reach: Reach, tile: &Affine| (0..n_taps).map(|tap| reach.variable(tile, tap)).collect::<Vec<_>>();
        let pixel = |number: usize| Affine::var(Var((out.rank() + number) as u32));
        let load = |i: usize, j: usize| {
            let index = vec![n.clone(), pixel(i), pixel(n_taps + j), channel.modulo(c as i64)];
            rows.guarded(&p, i, columns.guarded(&q, j, build::load(0, index)))
        };
        let position = channel.div(c as i64);
        let body = choose(&position, &self.map.expressions(&load));
        let indices = [vars(rows, &p), vars(columns, &q)].concat();
        Lowering::Compute(Compute::map(&out.shape.0, body).indexed(indices).jointly(vec![position]))
    }
}

impl WinogradInput {
    fn blocks(&self) -> Blocks {
        Blocks { map: Maps::of(self.tile).input, tile: self.tile, padding: self.padding }
    }

    /// The map of each channel as a kernel: `[a, a, 1, c * positions]`.
    fn kernel(&self, c: usize) -> Literal {
        let map = Maps::of(self.tile).input;
        let n = map.n_rows();
        let of_tap = |(k, l): (usize, usize)| {
            let of_channel = (0..n).flat_map(move |i| (0..n).map(move |j| (i, j)));
            let of_channel: Vec<f64> = of_channel.map(|(i, j)| map.at(i, k) * map.at(j, l)).collect();
            of_channel.repeat(c)
        };
        let taps = (0..n).flat_map(|k| (0..n).map(move |l| (k, l)));
        Literal::f32(&[n, n, 1, c * n * n], taps.flat_map(of_tap).collect::<Vec<f64>>())
    }
}

impl OpRules for WinogradInput {
    const NAME: &'static str = "winograd_input";
    const ARITY: usize = 1;
    const SUMMARY: &'static str = "windows of images, transformed for Winograd's convolution: `B^T d B`";

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        check_tile(self.tile)?;
        let x = operands[0];
        let [h, w, c] = image_sizes(Self::NAME, x)?;
        let windows = Windows::new([1, 1], self.padding);
        let Some([p, q]) = windows.output_sizes([h, w]) else {
            return Err(TypeError::operand(0, format!("images of {h}x{w} have no 3x3 window")));
        };
        let channels = c.saturating_mul((self.tile + TAPS - 1).pow(2));
        let [p, q] = [p, q].map(|size| size.div_ceil(self.tile).into());
        Ok(TensorType::f32(Shape(vec![x.shape.0[0], p, q, channels.into()])))
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        self.blocks().eval(operands[0], out)
    }

    fn vjp(&self, cx: &mut OpCx<'_>, dy: NodeId) -> Vec<Option<NodeId>> {
        // v is a convolution of every channel by itself, with a filter for each position: dx is that one's gradient.
        let (x, tiles) = (cx.ty(cx.operands[0]), cx.ty(dy).shape);
        let ([h, w, c], n) = ([1, 2, 3].map(|axis| fixed(x.shape.0[axis])), self.tile + TAPS - 1);
        let [batch, p, q] = [0, 1, 2].map(|axis| tiles.0[axis]);
        let covered = |dim: Dim| self.tile * (fixed(dim) - 1) + n;
        let [top, _, left, _] = self.padding;
        let padding = [top, covered(p) - h - top, left, covered(q) - w - left];
        let by_position = cx.reshaped(dy, &Shape(vec![batch, p, q, (n * n).into(), c.into()]));
        let by_channel = cx.add(Transpose { perm: vec![0, 1, 2, 4, 3] }, &[by_position]);
        let by_channel = cx.reshaped(by_channel, &tiles);
        let kernel = cx.add(self.kernel(c), &[]);
        let windows = Windows { groups: c, ..Windows::new([self.tile; 2], padding) };
        vec![Some(cx.add(Conv2dInputGrad::of(windows, x.shape), &[by_channel, kernel]))]
    }

    fn lower(&self, operands: &[&TensorType], out: &TensorType) -> Lowering {
        self.blocks().lower(operands[0], out)
    }

    fn draw(draw: &mut dyn Draw) -> Option<Drawn<Self>> {
        let x = draw.images()?;
        let tile = 2 + 2 * draw.pick(2);
        let padding = [0; 4].map(|_| draw.pick(3));
        Some(Drawn::of(WinogradInput { tile, padding }, [x]))
    }
}
