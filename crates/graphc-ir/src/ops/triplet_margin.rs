//! `triplet_margin`: whether something is nearer to what it belongs to than to something else (Schroff et al. 2015).

use super::draw::{Draw, Drawn};
use super::facts::{FEATURES, Usage};
use super::{Expand, OpRules, PairwiseDistance, Relu, distances};
use crate::attrs::{AttrValue, Attrs};
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::tensor::{Real, Tensor};
use crate::types::{DType, TensorType, TypeError};

op_struct! {
    /// `max(|anchor - positive| - |anchor - negative| + margin, 0)` of rows along the last dimension, with the
    /// distances of `pairwise_distance`, as PyTorch's `triplet_margin_loss` before it takes the mean.
    pub struct TripletMargin {
        /// How much nearer the one must be.
        pub margin: f64 where NotNegative = 1.0,
    }
}

impl OpRules for TripletMargin {
    const NAME: &'static str = "triplet_margin";
    const ARITY: usize = 3;
    const SUMMARY: &'static str = "what distances of triplets lack of a margin, from (anchor, positive, negative)";
    const USAGE: Option<Usage> = Some(Usage {
        purpose: "Embeddings in which what belongs together is near: of an anchor, one like it and another one, by shared layers. The loss is \
                  the `mean` of it.",
        node: "lack",
        reads: &[FEATURES, ("like", DType::F32, &[8]), ("unlike", DType::F32, &[8])],
        attributes: || Attrs(vec![("margin".into(), AttrValue::Float(0.5))]),
        ..Usage::PLAIN
    });

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        distances::infer(Self::NAME, operands)
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        let [near, far] = [1, 2].map(|other| distances::eval(operands[0], operands[other]));
        let lack = |(&near, &far): (&R, &R)| near - far + R::from_f64(self.margin);
        let lacks = near.iter().zip(&far).map(lack).map(|lack| if lack < R::zero() { R::zero() } else { lack });
        Tensor::new(out.to_vec(), lacks.collect())
    }

    fn composite(&self, _: &[&TensorType]) -> Option<Expand> {
        Some(Expand::BeforeAutodiff)
    }

    fn expand(&self, cx: &mut OpCx<'_>) -> NodeId {
        let [anchor, positive, negative] = [0, 1, 2].map(|operand| cx.operands[operand]);
        let [near, far] = [positive, negative].map(|other| cx.add(PairwiseDistance {}, &[anchor, other]));
        let difference = cx.minus(near, far);
        let margin = cx.constant(self.margin);
        let lack = cx.plus(difference, margin);
        cx.add(Relu {}, &[lack])
    }

    fn draw(draw: &mut dyn Draw) -> Option<Drawn<Self>> {
        let anchor = draw.rows(1)?;
        let [positive, negative] = [(); 2].map(|()| draw.given(anchor.ty.clone()));
        Some(Drawn::of(TripletMargin { margin: [1.0, 0.25][draw.pick(2)] }, [anchor, positive, negative]))
    }
}
