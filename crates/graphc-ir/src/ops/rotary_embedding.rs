//! `rotary_embedding`: pairs of features turned by an angle that grows with the place (Su and others 2021).

use super::draw::{Draw, Drawn};
use super::facts::Usage;
use super::{Concat, Expand, Literal, OpRules, Slice};
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::tensor::{Real, Tensor};
use crate::types::{DType, Dim, TensorType, TypeError};

op_struct! {
    /// Turns the features `i` and `i + D/2` of `x[.., t, ..]`, of which the last dimension has D, by the angle
    /// `t / max_wavelength^(2i / D)`, as keras_hub's `RotaryEmbedding`: the product of a query and a key then depends
    /// on how far apart they are.
    pub struct RotaryEmbedding {
        /// The greatest wavelength, divided by 2 pi.
        pub max_wavelength: f64 where Positive = 10000.0,
        /// The dimension of the places, counted from 0.
        pub axis: Option<usize> = None => "the last but one",
    }
}

impl RotaryEmbedding {
    /// Which dimension the places are.
    fn places(&self, rank: usize) -> usize {
        self.axis.unwrap_or(rank.saturating_sub(2))
    }

    /// The angle of a pair at a place.
    fn angle(&self, place: usize, pair: usize, n_pairs: usize) -> f64 {
        place as f64 / self.max_wavelength.powf(pair as f64 / n_pairs as f64)
    }
}

/// A number as every engine has it.
fn single(x: f64) -> f64 {
    f64::from(x as f32)
}

impl OpRules for RotaryEmbedding {
    const NAME: &'static str = "rotary_embedding";
    const ARITY: usize = 1;
    const SUMMARY: &'static str = "pairs of features turned by an angle that grows with the place";
    const USAGE: Option<Usage> = Some(Usage {
        purpose: "Tells attention how far apart places are: of queries and keys, behind their projections.",
        node: "turned",
        reads: &[("query", DType::F32, &[4, 10, 8])],
        ..Usage::PLAIN
    });

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        let x = operands[0];
        let is_even = matches!(x.shape.0.last(), Some(Dim::Fixed(size)) if size.is_multiple_of(2));
        if x.dtype != DType::F32 || x.rank() < 2 || !is_even {
            let message = format!("rotary_embedding expects f32[..,places,features], features even, got {x}");
            return Err(TypeError::operand(0, message));
        }
        let axis = self.places(x.rank());
        if axis + 1 >= x.rank() {
            let message = format!("rotary_embedding expects an `axis` before the last of {x}, got {axis}");
            return Err(TypeError::new(message));
        }
        x.fixed_dim(axis, "the number of places").map_err(|error| TypeError { operand: Some(0), ..error })?;
        Ok(x.clone())
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        let (axis, n_pairs) = (self.places(out.len()), out[out.len() - 1] / 2);
        Tensor::from_fn(out, |index| {
            let mut other = index.to_vec();
            let feature = index[out.len() - 1];
            let (pair, is_second) = (feature % n_pairs, feature >= n_pairs);
            other[out.len() - 1] = if is_second { pair } else { pair + n_pairs };
            let angle = self.angle(index[axis], pair, n_pairs);
            let [sin, cos] = [angle.sin(), angle.cos()].map(|x| R::from_f64(single(x)));
            let (x, turned) = (operands[0].at(index) * cos, operands[0].at(&other) * sin);
            if is_second { x + turned } else { x - turned }
        })
    }

    fn composite(&self, _: &[&TensorType]) -> Option<Expand> {
        Some(Expand::BeforeAutodiff)
    }

    fn expand(&self, cx: &mut OpCx<'_>) -> NodeId {
        // [x1 cos - x2 sin, x2 cos + x1 sin] of both halves of the features
        let x = cx.operands[0];
        let sizes = cx.ty(x).shape;
        let (rank, axis) = (sizes.rank(), self.places(sizes.rank()));
        let size = |axis: usize| cx.ty(x).fixed_dim(axis, "a dimension").expect("infer has checked it");
        let (n_places, n_pairs) = (size(axis), size(rank - 1) / 2);
        let mut shape = vec![1; rank - axis];
        (shape[0], shape[rank - axis - 1]) = (n_places, n_pairs);
        let mut table = |f: fn(f64) -> f64| {
            let at = |i: usize| single(f(self.angle(i / n_pairs, i % n_pairs, n_pairs)));
            cx.add(Literal::f32(&shape, (0..n_places * n_pairs).map(at).collect::<Vec<f64>>()), &[])
        };
        let (cos, sin) = (table(f64::cos), table(f64::sin));
        let mut half = |start: usize| cx.add(Slice::part(rank - 1, start, start + n_pairs), &[x]);
        let (first, second) = (half(0), half(n_pairs));
        let [a, b, c, d] = [(first, cos), (second, sin), (second, cos), (first, sin)].map(|(x, y)| cx.times(x, y));
        let (first, second) = (cx.minus(a, b), cx.plus(c, d));
        cx.add(Concat { axis: rank - 1 }, &[first, second])
    }

    fn draw(draw: &mut dyn Draw) -> Option<Drawn<Self>> {
        let is_even = |dim: Option<&Dim>| matches!(dim, Some(Dim::Fixed(size)) if size % 2 == 0);
        let x = draw.tensor(&|shape| shape.rank() >= 2 && is_even(shape.0.last()))?;
        let op = RotaryEmbedding { max_wavelength: [100.0, 3.0][draw.pick(2)], axis: None };
        let axis = draw.axis(x.shape())?;
        let bound = x.bound * 1.5;
        Some(Drawn::of(RotaryEmbedding { axis: draw.flag().then_some(axis), ..op }, [x]).within(bound))
    }
}
