//! `concat`: tensors one after another along one axis.

use super::draw::{Draw, Drawn};
use super::axis::{axis_size, with_size};
use super::facts::{FEATURES, OTHER, Usage};
use super::{ANY_NUMBER, Lowering, OpRules, Slice};
use crate::attrs::OpAttrs;
use crate::compute::{Compute, IndexSource, IndexVar, ScalarExpr, build};
use crate::graph::{NodeId, OpCx};
use crate::index::{Affine, Var};
use crate::op_struct;
use crate::scalar::CmpOp;
use crate::tensor::{Real, Tensor};
use crate::types::{Dim, Shape, TensorType, TypeError};
use std::ops::Range;

op_struct! {
    /// The operands one after another along `axis`; their other sizes are the same.
    pub struct Concat {
        /// The dimension along which they stand, counted from 0; not the batch.
        pub axis: usize,
    }
}

impl Concat {
    /// Where each operand begins, and the end of the last one.
    fn cuts(&self, sizes: impl Iterator<Item = usize>) -> Vec<usize> {
        let mut cuts = vec![0];
        sizes.for_each(|size| cuts.push(cuts[cuts.len() - 1] + size));
        cuts
    }

    /// The operand of these that stands at a coordinate: halved again and again, so that it is not deep.
    fn parts(&self, rank: usize, cuts: &[usize], operands: Range<usize>) -> ScalarExpr {
        if operands.len() == 1 {
            let mut index: Vec<Affine> = (0..rank).map(Compute::axis).collect();
            index[self.axis] = Affine::var(Var((rank + operands.start) as u32));
            return build::load(operands.start, index);
        }
        let middle = operands.start + operands.len() / 2;
        let [first, second] = [operands.start..middle, middle..operands.end].map(|half| self.parts(rank, cuts, half));
        let at = ScalarExpr::Index(Compute::axis(self.axis));
        build::select(CmpOp::Lt, at, ScalarExpr::Int(cuts[middle] as i32), first, second)
    }

    fn size(&self, ty: &TensorType) -> usize {
        ty.fixed_dim(self.axis, "the axis").expect("the node has a type")
    }
}

impl OpRules for Concat {
    const NAME: &'static str = "concat";
    const ARITY: usize = 1;
    const N_OPTIONAL: usize = ANY_NUMBER;
    const SUMMARY: &'static str = "any number of tensors one after another along one dimension";
    const USAGE: Option<Usage> = Some(Usage {
        purpose: "Joins what several branches or inputs have found.",
        node: "joined",
        reads: &[FEATURES, OTHER],
        attributes: || Concat { axis: 1 }.attrs(),
        ..Usage::PLAIN
    });
    const IS_EXACT: bool = true;

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        let mut size = 0_usize;
        for (i, x) in operands.iter().enumerate() {
            let own = axis_size(Self::NAME, i, x, self.axis)?;
            size = size.saturating_add(own);
            if with_size(operands[0], self.axis, own) != **x {
                let expected = format!("operands that differ along axis {} alone", self.axis);
                return Err(TypeError::operand(i, format!("concat expects {expected}, got {} and {x}", operands[0])));
            }
        }
        Ok(with_size(operands[0], self.axis, size))
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        let cuts = self.cuts(operands.iter().map(|x| x.shape[self.axis]));
        Tensor::from_fn(out, |index| {
            let operand = cuts.partition_point(|&cut| cut <= index[self.axis]) - 1;
            let mut from = index.to_vec();
            from[self.axis] -= cuts[operand];
            operands[operand].at(&from)
        })
    }

    fn vjp(&self, cx: &mut OpCx<'_>, dy: NodeId) -> Vec<Option<NodeId>> {
        // dx_k = the part of dy where x_k is
        let sizes: Vec<usize> = cx.operands.iter().map(|&x| self.size(cx.graph.ty(x))).collect();
        let cuts = self.cuts(sizes.into_iter());
        let part = |cut: &[usize]| Slice::part(self.axis, cut[0], cut[1]);
        cuts.windows(2).map(|cut| Some(cx.add(part(cut), &[dy]))).collect()
    }

    fn lower(&self, operands: &[&TensorType], out: &TensorType) -> Lowering {
        let sizes: Vec<usize> = operands.iter().map(|x| self.size(x)).collect();
        let cuts = self.cuts(sizes.iter().copied());
        let at = Compute::axis(self.axis);
        let inside = |operand: usize| IndexVar {
            source: IndexSource::Value(at.plus_constant(-(cuts[operand] as i64))),
            extent: sizes[operand],
        };
        let body = self.parts(out.rank(), &cuts, 0..operands.len());
        Lowering::Compute(Compute::map(&out.shape.0, body).indexed((0..operands.len()).map(inside).collect()))
    }

    fn draw(draw: &mut dyn Draw) -> Option<Drawn<Self>> {
        let x = draw.any()?;
        let axis = draw.axis(x.shape())?;
        let mut operands = vec![x.clone()];
        for _ in 0..draw.pick(4) {
            let fits = |other: &Shape| other.rank() == x.ty.rank() && {
                let mut same = other.clone();
                same.0[axis] = x.shape().0[axis];
                other.0[axis] != Dim::Batch && same == *x.shape()
            };
            let other = if draw.flag() { draw.tensor(&fits)? } else { x.clone() };
            let at = draw.pick(operands.len() + 1);
            operands.insert(at, other);
        }
        let bound = operands.iter().map(|operand| operand.bound).fold(0.0, f64::max);
        Some(Drawn::of(Concat { axis }, operands).within(bound))
    }
}
