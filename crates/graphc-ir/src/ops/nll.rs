//! `nll`: the negative log-likelihood, the loss of log-probabilities against labels.

use super::draw::{Draw, Drawn, Operand, labels_of};
use super::facts::{Domain, LossUsage, Predicted};
use super::{Expand, OpRules, Pick, Where, classification, losses};
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::tensor::{Real, Tensor};
use crate::types::{TensorType, TypeError};

op_struct! {
    /// `-mean over n of x[n, label[n]]`, of log-probabilities `x` such as `log_softmax` gives. Classes are the last
    /// dimension; there may be others beside the batch, over all of which the mean is.
    ///
    /// Weights have the shape of the labels or its first dimensions, and the sum is divided by the number of labels.
    /// With an `ignore_label` it is divided by the number of those that are not ignored, whatever the weights are; if
    /// all are, the loss is NaN.
    pub struct Nll {
        /// A class number that means that there is none, such as that of padding: such labels do not count, neither in
        /// the sum nor in what it is divided by. It need not be one of the classes.
        pub ignore_label: Option<i32> = None => "every label counts",
    }
}

impl OpRules for Nll {
    const NAME: &'static str = "nll";
    const ARITY: usize = 2;
    const N_OPTIONAL: usize = 1;
    const SUMMARY: &'static str = "mean negative log-likelihood, from (log-probabilities, i32 labels[, weights])";
    const LOSS: Option<LossUsage> = Some(LossUsage {
        doc: "Mean of minus the log-probability of the class, of a prediction after `log_softmax` (PyTorch's `NLLLoss`); the target holds class \
              numbers (`i32`, the prediction's shape without its last dimension).",
        of: Predicted::Classes,
        ..LossUsage::PLAIN
    });

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        classification::infer(Self::NAME, "log-probabilities", &operands[..2])?;
        classification::check_ignored(Self::NAME, self.ignore_label, operands[1])?;
        losses::scalar(Self::NAME, operands, &classification::shape_of_labels(operands[0]))
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], _: &[usize]) -> Tensor<R> {
        classification::eval_mean(self.ignore_label, operands, |row, label| -row[label])
    }

    fn composite(&self, _: &[&TensorType]) -> Option<Expand> {
        Some(Expand::BeforeAutodiff)
    }

    fn expand(&self, cx: &mut OpCx<'_>) -> NodeId {
        let [rows, labels] = [cx.operands[0], cx.operands[1]];
        let picked = cx.add(Pick {}, &[rows, labels]);
        let mask = classification::mask(cx, self.ignore_label);
        let picked = mask.map_or(picked, |mask| {
            let zero = cx.constant(0.0);
            cx.add(Where {}, &[mask, picked, zero])
        });
        let terms = cx.negative(picked);
        losses::mean_of(cx, terms, mask)
    }

    fn domain(&self, operand: usize, operands: &[&TensorType]) -> Domain {
        classification::domain_or(self.ignore_label, operand, operands)
    }

    fn draw(draw: &mut dyn Draw) -> Option<Drawn<Self>> {
        let rows = draw.rows(2)?;
        let labels = draw.integers(labels_of(&rows));
        let weights = losses::weights(draw, &labels_of(&rows));
        let operands: Vec<Operand> = [rows, labels].into_iter().chain(weights).collect();
        Some(Drawn::of(Nll { ignore_label: draw.flag().then_some(-100) }, operands))
    }
}
