//! `binary_crossentropy`: the loss of predicted probabilities against yes or no.

use super::draw::{Draw, Drawn};
use super::facts::Domain;
use super::{Expand, OpRules, Xlogy, losses, zero_wins};
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::tensor::{Real, Tensor};
use crate::types::{TensorType, TypeError};

op_struct! {
    /// `-mean of t * log(p) + (1 - t) * log(1 - p)` over all elements; a term whose factor is 0 is 0. After a `sigmoid`
    /// the algebraic rules make it stable, so that `p` may be 0 or 1 in `f32`.
    pub struct BinaryCrossentropy {}
}

impl OpRules for BinaryCrossentropy {
    const NAME: &'static str = "binary_crossentropy";
    const ARITY: usize = 2;
    const N_OPTIONAL: usize = 1;
    const SUMMARY: &'static str = "mean cross-entropy of yes and no, from (probabilities, target[, weights])";

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        losses::infer(Self::NAME, operands)
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], _: &[usize]) -> Tensor<R> {
        let share = |x: R, y: R| zero_wins::scalar(x, y, |x, y| x * y.ln());
        losses::eval(operands, |p, t| -(share(t, p) + share(R::one() - t, R::one() - p)))
    }

    fn composite(&self, _: &[&TensorType]) -> Option<Expand> {
        Some(Expand::BeforeAutodiff)
    }

    fn expand(&self, cx: &mut OpCx<'_>) -> NodeId {
        let [p, t] = [cx.operands[0], cx.operands[1]];
        let one = cx.constant(1.0);
        let (not_p, not_t) = (cx.minus(one, p), cx.minus(one, t));
        let yes = cx.add(Xlogy {}, &[t, p]);
        let no = cx.add(Xlogy {}, &[not_t, not_p]);
        let logs = cx.plus(yes, no);
        let terms = cx.negative(logs);
        losses::mean(cx, terms)
    }

    fn domain(&self, operand: usize, _: &[&TensorType]) -> Domain {
        if operand == 0 { Domain::Share } else { Domain::Any }
    }

    fn draw(draw: &mut dyn Draw) -> Option<Drawn<Self>> {
        Some(Drawn::of(BinaryCrossentropy {}, losses::draw(draw)?))
    }
}
