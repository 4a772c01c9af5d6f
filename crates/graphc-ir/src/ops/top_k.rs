//! `top_k`: the greatest elements of rows, and where they stand.

use super::draw::{Draw, Drawn};
use super::facts::{FEATURES, Usage};
use super::{Argmax, Clip, Constant, Expand, OneHot, OpRules, Pick, Stack, Where};
use crate::attrs::OpAttrs;
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::tensor::{Real, Tensor};
use crate::types::{Dim, Shape, TensorType, TypeError};
use std::cmp::Ordering;

/// So many passes over each row are slower than sorting it.
const MOST: usize = 256;

op_struct! {
    /// The `k` greatest elements along the last dimension in descending order, of equals the first one first, NaN
    /// greater than any number: result 0 are the values, result 1 the positions (`i32`). The gradient of a value goes to
    /// the element that it is. `k` passes over each row: for a `k` of some ten at most. Minus infinity counts as the
    /// least finite number: between the two it is the position that decides.
    pub struct TopK {
        /// How many, at most the size of the last dimension and 256.
        pub k: usize where Positive,
        /// Which of the two, counted from 0.
        pub result: usize = 0,
    }
}

impl TopK {
    /// Positions of the greatest elements of a row.
    fn positions<R: Real>(&self, row: &[R]) -> Vec<usize> {
        let least = R::from_f64(f64::from(f32::MIN));
        let key = |i: usize| if row[i] < least { least } else { row[i] };
        let descending = |a: R, b: R| match (a.is_nan(), b.is_nan()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            (false, false) => b.partial_cmp(&a).expect("numbers"),
        };
        let mut order: Vec<usize> = (0..row.len()).collect();
        order.sort_by(|&i, &j| descending(key(i), key(j)));
        order.truncate(self.k);
        order
    }
}

impl OpRules for TopK {
    const NAME: &'static str = "top_k";
    const ARITY: usize = 1;
    const SUMMARY: &'static str = "the `k` greatest elements of each row, descending, and their positions: two results";
    const USAGE: Option<Usage> = Some(Usage {
        purpose: "The likeliest classes with their probabilities; a choice of experts.",
        node: "best",
        reads: &[FEATURES],
        attributes: || TopK { k: 3, result: 0 }.attrs(),
        ..Usage::PLAIN
    });
    const IS_EXACT: bool = true;

    fn n_results(&self) -> usize {
        2
    }

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        let (x, k) = (operands[0], self.k);
        let rank = x.rank();
        Argmax { axis: rank.saturating_sub(1) }.infer(operands)?;
        let size = x.fixed_dim(rank - 1, "the last dimension")?;
        let most = size.min(MOST);
        if k > most {
            return Err(TypeError::new(format!("top_k expects a `k` of at most {most} for {x}, got {k}")));
        }
        let mut shape = x.shape.clone();
        shape.0[rank - 1] = Dim::Fixed(k);
        match self.result {
            0 => Ok(TensorType::f32(shape)),
            1 => Ok(TensorType::i32(shape)),
            result => Err(TypeError::new(format!("top_k has 2 results, got result {result}"))),
        }
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        let x = operands[0];
        let size = x.shape[x.shape.len() - 1];
        let of_row = |row: &[R]| -> Vec<R> {
            let value = |i: usize| if self.result == 0 { row[i] } else { R::from_f64(i as f64) };
            self.positions(row).into_iter().map(value).collect()
        };
        Tensor::new(out.to_vec(), x.data.chunks(size).flat_map(of_row).collect())
    }

    fn composite(&self, _: &[&TensorType]) -> Option<Expand> {
        Some(Expand::BeforeAutodiff)
    }

    fn expand(&self, cx: &mut OpCx<'_>) -> NodeId {
        let x = cx.operands[0];
        let axis = cx.ty(x).rank() - 1;
        let depth = cx.ty(x).fixed_dim(axis, "the last dimension").expect("the node has a type");
        // What was taken is less than everything that is left.
        let taken = cx.add(Constant { value: f64::NEG_INFINITY, shape: Shape::scalar() }, &[]);
        let mut left = cx.add(Clip { x_min: f64::from(f32::MIN), x_max: f64::INFINITY }, &[x]);
        let mut results = Vec::new();
        for _ in 0..self.k {
            let position = cx.add(Argmax { axis }, &[left]);
            let is_taken = cx.add(OneHot { depth }, &[position]);
            left = cx.add(Where {}, &[is_taken, taken, left]);
            results.push(if self.result == 0 { cx.add(Pick {}, &[x, position]) } else { position });
        }
        cx.add(Stack { axis }, &results)
    }

    fn draw(draw: &mut dyn Draw) -> Option<Drawn<Self>> {
        let x = draw.rows(1)?;
        let size = x.ty.fixed_dim(x.ty.rank() - 1, "the last dimension").ok()?;
        let (k, result) = (1 + draw.pick(size.min(4)), draw.pick(2));
        let bound = x.bound.max(size as f64 - 1.0);
        Some(Drawn::of(TopK { k, result }, [x]).within(bound))
    }
}
