//! `categorical_crossentropy`: the loss of predicted probabilities, or of their logits, against labels.

use super::draw::{Draw, Drawn, Operand, labels_of};
use super::facts::{Domain, LossUsage, Predicted};
use super::{
    Expand, Log, LogSoftmax, OpRules, Pick, SoftmaxCrossentropy, Where, Xlogy, Xmuly, classification, losses, reduction,
    softmax, zero_wins,
};
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::tensor::{Real, Tensor};
use crate::types::{DType, TensorType, TypeError};

op_struct! {
    /// `-mean over n of log(p[n, label[n]])`: the other probabilities may be 0. After a `softmax` or a `sigmoid` the
    /// algebraic rules make it stable, so that `p[n, label[n]]` may underflow. Classes are the last dimension; there
    /// may be others beside the batch, `p[n, t, label[n, t]]`, over all of which the mean is.
    ///
    /// With a target `t` of the shape of `p` it is `-mean over n of sum over c of t[n, c] * log(p[n, c])`; a term whose
    /// `t` is 0 is 0.
    ///
    /// Weights have the shape of the labels or its first dimensions, and the sum is divided by the number of labels
    /// (Keras). With an `ignore_label` it is divided by the number of those that are not ignored (PyTorch's
    /// `ignore_index`), whatever the weights are; if all are, the loss is NaN, as PyTorch's is. What is predicted at
    /// ignored labels has no influence and the gradient 0.
    pub struct CategoricalCrossentropy {
        /// Whether the prediction are logits, whose softmax are the probabilities: then they are never computed.
        pub from_logits: bool = false,
        /// Share `s` of the target that is spread over all classes: in place of `t`, and of one-hot labels,
        /// `(1 - s) * t + s / c` for `c` classes.
        pub label_smoothing: f64 where Fraction = 0.0,
        /// A class number that means that there is none, such as that of padding: such labels do not count, neither in
        /// the sum nor in what it is divided by. It need not be one of the classes.
        pub ignore_label: Option<i32> = None => "every label counts",
    }
}

impl CategoricalCrossentropy {
    /// Of probabilities, without further settings.
    pub const PLAIN: CategoricalCrossentropy =
        CategoricalCrossentropy { from_logits: false, label_smoothing: 0.0, ignore_label: None };

    /// Whether it is one of the labels of probabilities and nothing else.
    pub fn is_plain(&self) -> bool {
        *self == CategoricalCrossentropy::PLAIN
    }

    fn prediction(&self) -> &'static str {
        if self.from_logits { "logits" } else { "probabilities" }
    }

    /// `(1 - s) * t + s / c`.
    fn smoothed<R: Real>(&self, t: R, c: usize) -> R {
        match self.label_smoothing {
            0.0 => t,
            s => R::from_f64(1.0 - s) * t + R::from_f64(s / c as f64),
        }
    }

    /// What labels pick of a row of log-probabilities, with the share of the others.
    fn term<R: Real>(&self, logs: &[R], label: usize) -> R {
        match self.label_smoothing {
            0.0 => -logs[label],
            s => {
                let sum = logs.iter().fold(R::zero(), |sum, &log| sum + log);
                R::from_f64(1.0 - s) * -logs[label] - R::from_f64(s / logs.len() as f64) * sum
            }
        }
    }

    fn logs<R: Real>(&self, row: &[R]) -> Vec<R> {
        if !self.from_logits {
            return row.iter().map(|&p| p.ln()).collect();
        }
        let (z, log_sum) = softmax::shifted_row(row);
        z.into_iter().map(|z| z - log_sum).collect()
    }

    /// Minus the logarithms that i32 labels pick, and a share of those of all classes.
    fn of_labels(&self, cx: &mut OpCx<'_>, mask: Option<NodeId>) -> NodeId {
        let [rows, labels] = [cx.operands[0], cx.operands[1]];
        // What is ignored is replaced before the logarithm, so that its gradient is 0 even where that is infinite.
        let (rows, certain) = match self.from_logits {
            true => (cx.add(LogSoftmax { axis: -1 }, &[rows]), 0.0),
            false => (rows, 1.0),
        };
        let log_of_kept = |cx: &mut OpCx<'_>, x: NodeId, mask: Option<NodeId>| {
            let kept = mask.map_or(x, |mask| {
                let certain = cx.constant(certain);
                cx.add(Where {}, &[mask, x, certain])
            });
            if self.from_logits { kept } else { cx.add(Log {}, &[kept]) }
        };
        let picked = cx.add(Pick {}, &[rows, labels]);
        let picked = log_of_kept(cx, picked, mask);
        let terms = cx.negative(picked);
        if self.label_smoothing == 0.0 {
            return terms;
        }
        let shape = cx.ty(rows).shape;
        let last = shape.rank() - 1;
        let mask = mask.map(|mask| cx.reshaped(mask, &reduction::kept_shape(&shape, &[last])));
        let logs = log_of_kept(cx, rows, mask);
        let sum = cx.sum(logs, &[last], false);
        let others = cx.scaled(sum, self.label_smoothing / classification::n_classes(&cx.ty(rows)) as f64);
        let own = cx.scaled(terms, 1.0 - self.label_smoothing);
        cx.minus(own, others)
    }

    /// Minus the logarithms, each times its share.
    fn of_shares(&self, cx: &mut OpCx<'_>) -> NodeId {
        let [rows, mut target] = [cx.operands[0], cx.operands[1]];
        let ty = cx.ty(rows);
        if self.label_smoothing != 0.0 {
            let own = cx.scaled(target, 1.0 - self.label_smoothing);
            let others = cx.constant(self.label_smoothing / classification::n_classes(&ty) as f64);
            target = cx.plus(own, others);
        }
        let terms = match self.from_logits {
            true => {
                let logs = cx.add(LogSoftmax { axis: -1 }, &[rows]);
                cx.add(Xmuly {}, &[target, logs])
            }
            false => cx.add(Xlogy {}, &[target, rows]),
        };
        let sums = cx.sum(terms, &[ty.rank() - 1], false);
        // Negated after the mean a loss of 0 would be -0.
        cx.negative(sums)
    }
}

impl OpRules for CategoricalCrossentropy {
    const NAME: &'static str = "categorical_crossentropy";
    const ARITY: usize = 2;
    const N_OPTIONAL: usize = 1;
    const SUMMARY: &'static str = "mean cross-entropy, from (probabilities or logits, i32 labels or f32 shares of the classes[, weights])";
    const LOSS: Option<LossUsage> = Some(LossUsage {
        doc: "Mean of `-log(probability of the class)` over the batch and all dimensions but the last; the target holds class numbers (`i32`, \
              shape `[\"N\"]` for predictions `[\"N\", classes]`, `[\"N\", 20]` for `[\"N\", 20, classes]`). Or, with a target of the \
              prediction's shape, of `-sum(target * log(prediction))`: shares of the classes, for one-hot, smoothed or mixed labels. A \
              prediction after `softmax` or `sigmoid` is computed without the detour over its exponentials.",
        of: Predicted::Classes,
        ..LossUsage::PLAIN
    });

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        let [rows, target] = [operands[0], operands[1]];
        if rows == target {
            classification::check_rows(Self::NAME, self.prediction(), rows)?;
        } else {
            let inferred = classification::infer(Self::NAME, self.prediction(), &operands[..2]);
            inferred.map_err(|error| or_shares(operands, error))?;
        }
        classification::check_ignored(Self::NAME, self.ignore_label, target)?;
        losses::scalar(Self::NAME, operands, &classification::shape_of_labels(rows))
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], _: &[usize]) -> Tensor<R> {
        let [rows, target] = [operands[0], operands[1]];
        let c = *rows.shape.last().expect("rows of classes");
        if target.shape == rows.shape {
            let share = |(&t, (p, log)): (&R, (R, R))| match self.from_logits {
                true => zero_wins::scalar(self.smoothed(t, c), log, |t, log| t * log),
                false => zero_wins::scalar(self.smoothed(t, c), p, |t, _| t * log),
            };
            return losses::eval_rows(operands, |row, target| {
                let logs = row.iter().copied().zip(self.logs(row));
                -target.iter().zip(logs).map(share).fold(R::zero(), |sum, x| sum + x)
            });
        }
        classification::eval_mean(self.ignore_label, operands, |row, label| self.term(&self.logs(row), label))
    }

    fn composite(&self, _: &[&TensorType]) -> Option<Expand> {
        Some(Expand::BeforeAutodiff)
    }

    fn expand(&self, cx: &mut OpCx<'_>) -> NodeId {
        let [rows, target] = [cx.operands[0], cx.operands[1]];
        let of_labels = cx.ty(target).dtype == DType::I32;
        let only_from_logits = CategoricalCrossentropy { from_logits: true, ..Self::PLAIN };
        if of_labels && cx.operands.len() == 2 && *self == only_from_logits {
            return cx.add(SoftmaxCrossentropy {}, &[rows, target]);
        }
        let mask = classification::mask(cx, self.ignore_label);
        let terms = if of_labels { self.of_labels(cx, mask) } else { self.of_shares(cx) };
        losses::mean_of(cx, terms, mask)
    }

    fn domain(&self, operand: usize, operands: &[&TensorType]) -> Domain {
        match operand {
            0 if self.from_logits => Domain::Any,
            0 => Domain::Share,
            _ => classification::domain_or(self.ignore_label, operand, operands),
        }
    }

    fn draw(draw: &mut dyn Draw) -> Option<Drawn<Self>> {
        let rows = draw.rows(2)?;
        let has_labels = draw.pick(3) < 2;
        let target = if has_labels { draw.integers(labels_of(&rows)) } else { draw.given(rows.ty.clone()) };
        let op = CategoricalCrossentropy {
            from_logits: draw.flag(),
            label_smoothing: [0.0, 0.25][draw.pick(2)],
            ignore_label: (has_labels && draw.pick(3) == 2).then_some(-100),
        };
        let weights = losses::weights(draw, &labels_of(&rows));
        let operands: Vec<Operand> = [rows, target].into_iter().chain(weights).collect();
        Some(Drawn::of(op, operands))
    }
}

/// A target that is neither labels nor shares of the classes: the message names both.
fn or_shares(operands: &[&TensorType], error: TypeError) -> TypeError {
    let [rows, target] = [operands[0], operands[1]];
    match error.operand {
        Some(1) => {
            let labels = TensorType::i32(classification::shape_of_labels(rows));
            let name = CategoricalCrossentropy::NAME;
            let shares = format!("shares of the classes {rows}");
            TypeError { message: format!("{name} expects labels {labels} or {shares}, got {target}"), ..error }
        }
        _ => error,
    }
}
