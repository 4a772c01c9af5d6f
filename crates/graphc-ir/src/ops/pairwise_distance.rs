//! `pairwise_distance`: how far rows are apart.

use super::draw::{Draw, Drawn};
use super::facts::{FEATURES, OTHER, Usage};
use super::{Expand, OpRules, Sqrt, Square, distances};
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::tensor::{Real, Tensor};
use crate::types::{TensorType, TypeError};

op_struct! {
    /// `sqrt(sum over c of (a[.., c] - b[.., c] + 1e-6)^2)`, the Euclidean distance of rows along the last dimension,
    /// as PyTorch computes it: the small number keeps the gradient finite where both are the same.
    pub struct PairwiseDistance {}
}

impl OpRules for PairwiseDistance {
    const NAME: &'static str = "pairwise_distance";
    const ARITY: usize = 2;
    const SUMMARY: &'static str = "Euclidean distance of rows along the last dimension, from (a, b)";
    const USAGE: Option<Usage> = Some(Usage {
        purpose: "How far two embeddings are apart, for a loss of pairs such as `contrastive`.",
        node: "distance",
        reads: &[FEATURES, OTHER],
        ..Usage::PLAIN
    });

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        distances::infer(Self::NAME, operands)
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        Tensor::new(out.to_vec(), distances::eval(operands[0], operands[1]))
    }

    fn composite(&self, _: &[&TensorType]) -> Option<Expand> {
        Some(Expand::BeforeAutodiff)
    }

    fn expand(&self, cx: &mut OpCx<'_>) -> NodeId {
        let [a, b] = [cx.operands[0], cx.operands[1]];
        let difference = cx.minus(a, b);
        let least = cx.constant(distances::LEAST);
        let difference = cx.plus(difference, least);
        let squares = cx.add(Square {}, &[difference]);
        let last = cx.ty(a).rank() - 1;
        let sum = cx.sum(squares, &[last], false);
        cx.add(Sqrt {}, &[sum])
    }

    fn draw(draw: &mut dyn Draw) -> Option<Drawn<Self>> {
        let a = draw.rows(1)?;
        let b = draw.given(a.ty.clone());
        Some(Drawn::of(PairwiseDistance {}, [a, b]))
    }
}
