//! The metrics that a graph file may ask for.

use crate::diagnostic::{Diagnostic, Diagnostics, Span};
use crate::json::Spanned;
use crate::misfit::does_not_fit;
use graphc_ir::graph::builder::{BuildError, GraphBuilder};
use graphc_ir::ops::facts::Predicted;
use graphc_ir::{DType, Dim, Graph, NodeId, Shape, TensorType, TypeError};

/// A metric, or a family of them.
pub(crate) struct Metric {
    /// Its name; [`TOP_K`] stands for many.
    pub(crate) name: &'static str,
    pub(crate) of: Of,
    pub(crate) doc: &'static str,
}

/// What a metric can be computed of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Of {
    /// Predictions `[N,classes]`.
    Classes,
    /// These, or of one yes or no a sample.
    Decisions,
    /// Predictions of one yes or no a sample.
    YesOrNo,
    /// A prediction and a target of the same shape.
    Values,
}

impl Of {
    pub(crate) fn in_words(self) -> &'static str {
        match self {
            Of::Classes => "classes",
            Of::Decisions => "classes, yes and no",
            Of::YesOrNo => "yes and no",
            Of::Values => "a target of the prediction's shape",
        }
    }
}

/// How `top_1`, `top_2`, … stand in the table.
pub(crate) const TOP_K: &str = "top_k";

pub(crate) const DOC: &str = "\
What is reported beside the loss, of the training (`accuracy` only), validation and test samples. Of predictions `[\"N\", classes]` the class is the \
largest one, the first of equals, NaN being the largest; a target of that shape, as `categorical_crossentropy` takes it, says the class in the same \
way. Of yes and no (`binary_crossentropy` of a prediction `[\"N\"]` or `[\"N\", 1]`) a prediction greater than 0.5 is yes. Precision, recall and F1 \
are those of yes; of more classes their plain means over those that there are samples or predictions of (macro). Where nothing is predicted, or \
nothing is to be found, they are 0, as in scikit-learn. With a label for each of several places of a sample (`[\"N\", T]` of predictions \
`[\"N\", T, classes]`) every place counts as a sample does; labels that the loss ignores do not count.";

pub(crate) const METRICS: &[Metric] = &[
    Metric { name: "accuracy", of: Of::Decisions, doc: "Share of the samples that are predicted right." },
    Metric {
        name: TOP_K,
        of: Of::Classes,
        doc: "`top_5`: share of the samples whose class is among the 5 largest; any number.",
    },
    Metric { name: "precision", of: Of::Decisions, doc: "Share of what was predicted a class that is of it." },
    Metric { name: "recall", of: Of::Decisions, doc: "Share of what is of a class that was predicted so." },
    Metric { name: "f1", of: Of::Decisions, doc: "Harmonic mean of precision and recall." },
    Metric {
        name: "auc",
        of: Of::YesOrNo,
        doc: "Area under the receiver operating characteristic: the share of pairs of a yes and a no in which yes has the greater prediction, equal \
              ones counting half. It is exact, of all samples in order, as in scikit-learn (Keras takes 200 thresholds); NaN if all are yes, or no.",
    },
    Metric {
        name: "perplexity",
        of: Of::Classes,
        doc: "`exp` of the mean of `-log(probability of the class)`, without weights, smoothed labels and labels that are ignored.",
    },
    Metric {
        name: "confusion_matrix",
        of: Of::Decisions,
        doc: "How often each class was predicted as which: printed by `eval`, a picture in the run folder.",
    },
    Metric { name: "mae", of: Of::Values, doc: "Mean absolute difference." },
    Metric { name: "mse", of: Of::Values, doc: "Mean squared difference." },
    Metric { name: "rmse", of: Of::Values, doc: "Root of the mean squared difference." },
    Metric {
        name: "r2",
        of: Of::Values,
        doc: "Coefficient of determination over all elements: 1 less the sum of the squared differences, divided by that of the targets from their \
              mean. 1 is perfect, 0 as good as the mean. Of targets that are all the same it is 1 if they are predicted and 0 if not, as in \
              scikit-learn.",
    },
];

/// Names for messages, with an example for the family.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    METRICS.iter().map(|metric| if metric.name == TOP_K { "top_5" } else { metric.name })
}

/// The number in `top_5`.
fn top_k(name: &str) -> Option<usize> {
    let digits = name.strip_prefix("top_").filter(|digits| !digits.starts_with('0'))?;
    let is_number = digits.chars().all(|c| c.is_ascii_digit());
    digits.parse().ok().filter(|&k: &usize| is_number && i32::try_from(k).is_ok())
}

fn find(name: &str) -> Option<&'static Metric> {
    METRICS.iter().find(|metric| match metric.name {
        TOP_K => top_k(name).is_some(),
        other => other == name,
    })
}

pub(crate) fn is_metric(name: &str) -> bool {
    find(name).is_some()
}

/// What the loss compares, and where both stand in the file.
#[derive(Clone)]
pub(crate) struct Compared {
    pub(crate) prediction: (Span, NodeId),
    pub(crate) target: (Span, NodeId),
}

/// Checks that the metrics fit the loss and adds those that the step computes itself.
pub(crate) fn add(
    metrics: &[Spanned<String>],
    compared: &Compared,
    builder: &mut GraphBuilder,
    diagnostics: &mut Diagnostics,
) {
    let [prediction, target] = [compared.prediction.1, compared.target.1];
    for (position, metric) in metrics.iter().enumerate() {
        if let Some(first) = metrics[..position].iter().find(|first| first.value == metric.value) {
            let message = format!("the metric `{}` is listed twice", metric.value);
            diagnostics.push(
                Diagnostic::new(message, metric.span.clone(), "again here").note(first.span.clone(), "first here"),
            );
            continue;
        }
        builder.set_line(diagnostics.line(metric.span.start) as u32);
        let fits = match find(&metric.value) {
            Some(Metric { name: "accuracy", .. }) => builder.accuracy(prediction, target).map(|_| ()),
            Some(found) => check(&metric.value, found.of, [prediction, target], builder)
                .map_err(|error| BuildError { node: metric.value.clone(), error }),
            None => Ok(()),
        };
        if let Err(error) = fits {
            let operands = [compared.prediction.clone(), compared.target.clone()];
            diagnostics.push(does_not_fit(&error, metric.span.clone(), &operands, builder));
        }
    }
}

/// Number of classes of a prediction and its target: 2 for yes and no; nothing if they are other values.
pub fn n_classes(graph: &Graph, [prediction, target]: [NodeId; 2]) -> Option<usize> {
    let predicted = graph.loss_that_compares(prediction, target).and_then(|loss| loss.info().loss).map(|loss| loss.of);
    let (ty, target) = (graph.ty(prediction), graph.ty(target));
    match (ty.shape.0.as_slice(), predicted) {
        ([Dim::Batch] | [Dim::Batch, Dim::Fixed(1)], Some(Predicted::YesOrNo)) => Some(2),
        ([Dim::Batch, .., Dim::Fixed(n)], Some(Predicted::Classes)) => Some(*n),
        ([rows @ .., Dim::Fixed(n)], _) if *target == TensorType::i32(Shape(rows.to_vec())) && !rows.is_empty() => {
            Some(*n)
        }
        _ => None,
    }
}

fn check(name: &str, of: Of, compared: [NodeId; 2], builder: &GraphBuilder) -> Result<(), TypeError> {
    let [ty, target] = compared.map(|node| builder.ty(node));
    let fail = |operand, expected: String| Err(TypeError::operand(operand, format!("{name} expects {expected}")));
    let classes = n_classes(builder.graph(), compared);
    let is_yes_or_no = ty.rank() == 1 || ty.shape.0.get(1) == Some(&Dim::Fixed(1));
    match (of, classes) {
        (Of::Values, _) if ty == target && ty.dtype == DType::F32 => Ok(()),
        (Of::Values, _) => fail(1, format!("a target of the prediction's type {ty}, got {target}")),
        (Of::Decisions, Some(_)) => Ok(()),
        (Of::Classes, Some(n)) if !is_yes_or_no => match top_k(name) {
            Some(k) if k > n => fail(0, format!("at least {k} classes, got {n}")),
            _ => Ok(()),
        },
        (Of::YesOrNo, Some(_)) if is_yes_or_no => Ok(()),
        (Of::YesOrNo, _) => fail(0, format!("one yes or no a sample, got a prediction {ty} and a target {target}")),
        (Of::Classes, _) => fail(0, format!("several classes, got a prediction {ty} and a target {target}")),
        (Of::Decisions, None) => {
            fail(0, format!("a class or yes or no of each sample, got a prediction {ty} and a target {target}"))
        }
    }
}
