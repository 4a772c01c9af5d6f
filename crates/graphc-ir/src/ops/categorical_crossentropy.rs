//! `categorical_crossentropy`: the loss of predicted probabilities against labels.

use super::draw::{Draw, Drawn, Operand};
use super::facts::Domain;
use super::{Expand, Log, OpRules, Xlogy, classification, losses, softmax, zero_wins};
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::tensor::{Real, Tensor};
use crate::types::{DType, Shape, TensorType, TypeError};

op_struct! {
    /// `-mean over n of log(p[n, label[n]])`: the other probabilities may be 0. After a `softmax` or a `sigmoid` the
    /// algebraic rules make it stable, so that `p[n, label[n]]` may underflow.
    ///
    /// With a target `t` of the shape of `p` it is `-mean over n of sum over c of t[n, c] * log(p[n, c])`; a term whose
    /// `t` is 0 is 0.
    pub struct CategoricalCrossentropy {}
}

impl OpRules for CategoricalCrossentropy {
    const NAME: &'static str = "categorical_crossentropy";
    const ARITY: usize = 2;
    const N_OPTIONAL: usize = 1;
    const SUMMARY: &'static str = "mean cross-entropy, from (probabilities, i32 labels or f32 shares of the classes[, weights])";

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        let [probabilities, target] = [operands[0], operands[1]];
        if probabilities != target {
            let inferred = classification::infer(Self::NAME, "probabilities", &operands[..2]);
            inferred.map_err(|error| or_shares(operands, error))?;
        } else if probabilities.rank() != 2 {
            let message = format!("{} expects f32 probabilities of shape [N,c], got {probabilities}", Self::NAME);
            return Err(TypeError::operand(0, message));
        } else {
            softmax::infer(Self::NAME, probabilities, -1)?;
        }
        losses::check_weights(Self::NAME, operands)?;
        Ok(TensorType::f32(Shape::scalar()))
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], _: &[usize]) -> Tensor<R> {
        let [p, target] = [operands[0], operands[1]];
        if target.shape.len() == 1 {
            return losses::eval_mean(operands, classification::terms(p, target, |p, label| -p[label].ln()));
        }
        let c = p.shape[1];
        let shares = target.data.iter().zip(&p.data).map(|(&t, &p)| zero_wins::scalar(t, p, |t, p| t * p.ln()));
        let shares: Vec<R> = shares.collect();
        losses::eval_mean(operands, shares.chunks(c).map(|row| -row.iter().fold(R::zero(), |sum, &x| sum + x)))
    }

    fn composite(&self, _: &[&TensorType]) -> Option<Expand> {
        Some(Expand::BeforeAutodiff)
    }

    fn expand(&self, cx: &mut OpCx<'_>) -> NodeId {
        let [p, target] = [cx.operands[0], cx.operands[1]];
        let logs = if cx.ty(target).dtype == DType::I32 {
            let probability = classification::picked(cx, p);
            cx.add(Log {}, &[probability])
        } else {
            let terms = cx.add(Xlogy {}, &[target, p]);
            cx.sum(terms, &[1], false)
        };
        // Negated after the mean a loss of 0 would be -0.
        let terms = cx.negative(logs);
        losses::mean(cx, terms)
    }

    fn domain(&self, operand: usize, operands: &[&TensorType]) -> Domain {
        if operand == 0 { Domain::Share } else { classification::domain(operand, operands) }
    }

    fn draw(draw: &mut dyn Draw) -> Option<Drawn<Self>> {
        let [p, labels] = classification::draw(draw)?;
        let target = if draw.pick(3) == 2 { draw.given(p.ty.clone()) } else { labels.clone() };
        let weights = draw.flag().then(|| draw.given(TensorType::f32(labels.ty.shape)));
        let operands: Vec<Operand> = [p, target].into_iter().chain(weights).collect();
        Some(Drawn::of(CategoricalCrossentropy {}, operands))
    }
}

/// A target that is neither labels nor shares of the classes: the message names both.
fn or_shares(operands: &[&TensorType], error: TypeError) -> TypeError {
    let [probabilities, target] = [operands[0], operands[1]];
    match error.operand {
        Some(1) => {
            let labels = TensorType::i32(Shape(vec![probabilities.shape.0[0]]));
            let name = CategoricalCrossentropy::NAME;
            let shares = format!("shares of the classes {probabilities}");
            TypeError { message: format!("{name} expects labels {labels} or {shares}, got {target}"), ..error }
        }
        _ => error,
    }
}
