//! `binary_crossentropy`: the loss of predicted probabilities, or of their logits, against yes or no.

use super::draw::{Draw, Drawn};
use super::facts::{Domain, LossUsage, Predicted};
use super::{Expand, LogSigmoid, OpRules, Xlogy, Xmuly, losses, zero_wins};
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::tensor::{Real, Tensor};
use crate::types::{TensorType, TypeError};

op_struct! {
    /// `-mean of t * log(p) + (1 - t) * log(1 - p)` over all elements; a term whose factor is 0 is 0. After a `sigmoid`
    /// the algebraic rules make it stable, so that `p` may be 0 or 1 in `f32`. From logits `x` it is that of
    /// `p = sigmoid(x)`: `log_sigmoid(x)` and `log_sigmoid(-x)` in place of both logarithms.
    pub struct BinaryCrossentropy {
        /// Whether the prediction are logits, whose `sigmoid` are the probabilities: then they are never computed.
        pub from_logits: bool = false,
        /// Share `s` of the target that is spread over yes and no: in place of `t`, `(1 - s) * t + s / 2`.
        pub label_smoothing: f64 where Fraction = 0.0,
    }
}

impl BinaryCrossentropy {
    /// Of probabilities, without further settings.
    pub const PLAIN: BinaryCrossentropy = BinaryCrossentropy { from_logits: false, label_smoothing: 0.0 };
}

/// `log(sigmoid(x))`.
fn log_sigmoid<R: Real>(x: R) -> R {
    let negative = if x < R::zero() { x } else { R::zero() };
    negative - (R::one() + (-x.abs()).exp()).ln()
}

impl OpRules for BinaryCrossentropy {
    const NAME: &'static str = "binary_crossentropy";
    const ARITY: usize = 2;
    const N_OPTIONAL: usize = 1;
    const SUMMARY: &'static str = "mean cross-entropy of yes and no, from (probabilities or logits, target[, weights])";
    const LOSS: Option<LossUsage> = Some(LossUsage {
        doc: "Mean of `-log(p)` where the target is 1 and of `-log(1 - p)` where it is 0, of a prediction `p` between 0 and 1, in general \
              after `sigmoid`; the target is `f32` and has the prediction's shape. Numbers between 0 and 1 are shares of both.",
        of: Predicted::YesOrNo,
        ..LossUsage::PLAIN
    });

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        losses::infer(Self::NAME, operands)
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], _: &[usize]) -> Tensor<R> {
        let share = |x: R, y: R| match self.from_logits {
            true => zero_wins::scalar(x, log_sigmoid(y), |x, y| x * y),
            false => zero_wins::scalar(x, y, |x, y| x * y.ln()),
        };
        let [own, others] = [1.0 - self.label_smoothing, 0.5 * self.label_smoothing].map(R::from_f64);
        losses::eval(operands, |p, t| {
            let t = if self.label_smoothing == 0.0 { t } else { own * t + others };
            let not_p = if self.from_logits { -p } else { R::one() - p };
            -(share(t, p) + share(R::one() - t, not_p))
        })
    }

    fn composite(&self, _: &[&TensorType]) -> Option<Expand> {
        Some(Expand::BeforeAutodiff)
    }

    fn expand(&self, cx: &mut OpCx<'_>) -> NodeId {
        let [p, mut t] = [cx.operands[0], cx.operands[1]];
        if self.label_smoothing != 0.0 {
            let own = cx.scaled(t, 1.0 - self.label_smoothing);
            let others = cx.constant(0.5 * self.label_smoothing);
            t = cx.plus(own, others);
        }
        let one = cx.constant(1.0);
        let [yes, no] = if self.from_logits {
            let minus_x = cx.negative(p);
            let not_t = cx.minus(one, t);
            let [log_p, log_not_p] = [p, minus_x].map(|x| cx.add(LogSigmoid {}, &[x]));
            [(t, log_p), (not_t, log_not_p)].map(|(share, log)| cx.add(Xmuly {}, &[share, log]))
        } else {
            let (not_p, not_t) = (cx.minus(one, p), cx.minus(one, t));
            [(t, p), (not_t, not_p)].map(|(share, p)| cx.add(Xlogy {}, &[share, p]))
        };
        let logs = cx.plus(yes, no);
        let terms = cx.negative(logs);
        losses::mean(cx, terms)
    }

    fn domain(&self, operand: usize, _: &[&TensorType]) -> Domain {
        if operand == 0 && !self.from_logits { Domain::Share } else { Domain::Any }
    }

    fn draw(draw: &mut dyn Draw) -> Option<Drawn<Self>> {
        let op = BinaryCrossentropy { from_logits: draw.flag(), label_smoothing: [0.0, 0.25][draw.pick(2)] };
        Some(Drawn::of(op, losses::draw(draw)?))
    }
}
