//! Losses that read what cannot be of their kind: probabilities, logits, or log-probabilities. Warnings, since a
//! network may know better.

use crate::diagnostic::{Diagnostic, Diagnostics, Span};
use graphc_ir::graph::Graph;
use graphc_ir::text::shown;
use graphc_ir::{Dim, NodeId, Op};

/// What the numbers of a prediction are, by the op that gives them.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Numbers {
    /// Of one softmax.
    Shares,
    /// Each between 0 and 1.
    Probabilities,
    /// Logarithms of one or the other.
    Logarithms,
    /// None of them negative.
    NotNegative,
    /// Between -1 and 1.
    Bounded,
    /// Sums of products, of any size.
    Linear,
}

/// What a loss takes its prediction for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Expected {
    /// `categorical_crossentropy` and the like.
    Shares,
    /// `binary_crossentropy`.
    Probabilities,
    /// What a softmax is made of.
    LogitsOfShares,
    /// What a sigmoid is made of.
    Logits,
    /// `nll`.
    Logarithms,
    /// Numbers of any size, whose sign decides.
    Scores,
    /// `poisson`.
    Rates,
}

/// Warns if the prediction of a loss, named at `span` and defined elsewhere, cannot be what the loss takes it for.
pub(crate) fn warn(
    loss: &Op,
    (span, prediction): (Span, NodeId),
    defined: Span,
    graph: &Graph,
    diagnostics: &mut Diagnostics,
) {
    let (op, ty) = (graph.op(prediction), graph.ty(prediction));
    let name = shown(&graph.node(prediction).name);
    let is_single = matches!(ty.shape.0.last(), Some(Dim::Fixed(1)));
    if is_single && matches!(op, Op::Softmax(_) | Op::LogSoftmax(_)) {
        let message =
            format!("the softmax of a single number is the same whatever that is, so `{name}` learns nothing");
        let help = "take `sigmoid`, with `binary_crossentropy` for yes and no, or a unit for each class";
        let warning = Diagnostic::new(message, span, "this has one number for each sample");
        diagnostics.warn(warning.note(defined, format!("`{name}` is {ty}")).help(help));
        return;
    }
    let Some((numbers, expected)) = numbers(graph, prediction).zip(expected(loss)) else { return };
    let Some(help) = proposal(numbers, expected) else { return };
    let message = format!("{} takes {}, but `{name}` {}", loss.name(), expected.in_words(), numbers.in_words(op));
    let warning = Diagnostic::new(message, span, format!("expected {}", expected.in_words()));
    let note = match numbers {
        Numbers::Linear => format!("`{name}` has none"),
        _ => format!("`{name}` is the result of `{}`", op.name()),
    };
    diagnostics.warn(warning.note(defined, note).help(help));
}

fn expected(loss: &Op) -> Option<Expected> {
    Some(match loss {
        Op::CategoricalCrossentropy(loss) if loss.from_logits => Expected::LogitsOfShares,
        Op::CategoricalCrossentropy(_) | Op::KlDivergence(_) => Expected::Shares,
        Op::BinaryCrossentropy(loss) if loss.from_logits => Expected::Logits,
        Op::BinaryCrossentropy(_) => Expected::Probabilities,
        Op::Nll(_) => Expected::Logarithms,
        Op::Hinge(_) | Op::SquaredHinge(_) | Op::CategoricalHinge(_) => Expected::Scores,
        Op::Poisson(_) => Expected::Rates,
        _ => return None,
    })
}

/// Nothing is said of what may be anything, such as a quotient.
fn numbers(graph: &Graph, node: NodeId) -> Option<Numbers> {
    Some(match graph.op(node) {
        Op::Softmax(_) => Numbers::Shares,
        Op::Sigmoid(_) | Op::HardSigmoid(_) => Numbers::Probabilities,
        Op::LogSoftmax(_) | Op::LogSigmoid(_) => Numbers::Logarithms,
        Op::Relu(_) | Op::Relu6(_) | Op::Softplus(_) => Numbers::NotNegative,
        Op::Tanh(_) | Op::Softsign(_) => Numbers::Bounded,
        Op::MatMul(_) | Op::Conv2d(_) | Op::Conv2dTranspose(_) => Numbers::Linear,
        // A bias.
        Op::Add(_) if numbers(graph, graph.operands(node)[0]) == Some(Numbers::Linear) => Numbers::Linear,
        // The same numbers in another shape.
        Op::Reshape(_) | Op::StopGradient(_) => return numbers(graph, graph.operands(node)[0]),
        _ => return None,
    })
}

impl Expected {
    fn in_words(self) -> &'static str {
        match self {
            Expected::Shares | Expected::Probabilities => "probabilities",
            Expected::LogitsOfShares | Expected::Logits => "logits (`from_logits`)",
            Expected::Logarithms => "log-probabilities",
            Expected::Scores => "scores of any size",
            Expected::Rates => "rates greater than 0",
        }
    }
}

impl Numbers {
    fn in_words(self, op: &Op) -> String {
        match self {
            Numbers::Shares | Numbers::Probabilities => "is between 0 and 1".into(),
            Numbers::Logarithms => "is the logarithm of probabilities".into(),
            Numbers::NotNegative => format!("is never negative, after `{}`", op.name()),
            Numbers::Bounded => "is between -1 and 1".into(),
            Numbers::Linear => "is of any size and sign, for want of an activation".into(),
        }
    }
}

/// How to mend it, if such numbers cannot be what is expected.
fn proposal(numbers: Numbers, expected: Expected) -> Option<&'static str> {
    use Numbers::{Bounded, Linear, Logarithms, NotNegative, Probabilities, Shares};
    Some(match (expected, numbers) {
        (Expected::Shares, Shares | Probabilities) | (Expected::Probabilities, Shares | Probabilities) => return None,
        (Expected::Shares, Logarithms) => "take `softmax` in its place, or the loss `nll`",
        (Expected::Shares, Linear) => "let a `softmax` follow, or set `\"from_logits\": true`",
        (Expected::Shares, NotNegative | Bounded) => "take `softmax` for the activation",
        (Expected::Probabilities, Logarithms) => "take `sigmoid` in its place",
        (Expected::Probabilities, Linear) => "let a `sigmoid` follow, or set `\"from_logits\": true`",
        (Expected::Probabilities, NotNegative | Bounded) => "take `sigmoid` for the activation",
        (Expected::LogitsOfShares | Expected::Logits, Shares | Probabilities) => {
            "leave the activation out, or `from_logits`: it would be applied twice"
        }
        (Expected::LogitsOfShares | Expected::Logits, NotNegative | Bounded) => "leave the activation out",
        (Expected::LogitsOfShares | Expected::Logits, Logarithms | Linear) => return None,
        (Expected::Logarithms, Shares | Probabilities) => {
            "take `log_softmax` in its place, or the loss `categorical_crossentropy`"
        }
        (Expected::Logarithms, Linear) => "let a `log_softmax` follow",
        (Expected::Logarithms, NotNegative | Bounded) => "take `log_softmax` for the activation",
        (Expected::Logarithms, Logarithms) => return None,
        (Expected::Scores, Shares | Probabilities) => {
            "leave the activation out: a margin needs numbers on either side of 0"
        }
        (Expected::Scores, Logarithms | NotNegative) => "leave the activation out",
        (Expected::Scores, Bounded | Linear) => return None,
        (Expected::Rates, Linear | Bounded | Logarithms) => "let `exp` or `softplus` follow",
        (Expected::Rates, Shares | Probabilities | NotNegative) => return None,
    })
}
