//! Reads `loss`: what is compared, and how much each sample counts.

use crate::diagnostic::{Diagnostic, Diagnostics, Span};
use crate::fields::LOSSES;
use crate::json::Spanned;
use crate::metrics::{Compared, n_classes};
use crate::misfit::does_not_fit;
use crate::network::Network;
use crate::read::{Record, read_one_of};
use graphc_ir::graph::builder::{GraphBuilder, Loss};
use graphc_ir::{DType, NodeId, Shape};

/// The input, `f32` of shape `[N]`, that a file with `class_weights` gets without declaring it. Whoever trains fills it
/// with the weight of each sample's class.
pub const SAMPLE_WEIGHT: &str = "sample_weight";

/// The loss as the file has it.
pub(crate) struct ReadLoss {
    /// Names of the node and of the inputs.
    pub(crate) prediction: String,
    pub(crate) target: String,
    pub(crate) weights: Option<String>,
    pub(crate) class_weights: Option<Vec<f64>>,
    /// `None` if one of them is wrong, which has been reported.
    pub(crate) compared: Option<Compared>,
}

/// A name in the file and what it leads to.
struct Named {
    name: Spanned<String>,
    node: Option<NodeId>,
    /// Where it is named first.
    defined: Span,
}

pub(crate) fn read_loss(
    file: &Record<'_>,
    network: &Network<'_>,
    builder: &mut GraphBuilder,
    diagnostics: &mut Diagnostics,
) -> Option<ReadLoss> {
    let json = file.json("loss")?;
    let (op, record) = read_one_of(&LOSSES, json, diagnostics)?;
    let prediction = named(&record, "prediction", network, diagnostics);
    let target = named(&record, "target", network, diagnostics);
    let weights = match record.json("weights") {
        Some(_) => Some(named(&record, "weights", network, diagnostics)?),
        None => None,
    };
    let (prediction, target) = (prediction?, target?);
    let loss = match Loss::ALL.into_iter().find(|loss| loss.name() == op.name)? {
        Loss::Huber { .. } => Loss::Huber { delta: record.number("delta")? },
        loss => loss,
    };
    builder.set_line(diagnostics.line(json.span.start) as u32);
    let mut operands = vec![&prediction, &target];
    operands.extend(&weights);
    let nodes: Option<Vec<NodeId>> = operands.iter().map(|operand| operand.node).collect();
    let mut compared = None;
    if let Some(nodes) = nodes.filter(|_| record.ok) {
        let spans: Vec<(Span, NodeId)> = operands.iter().map(|named| named.defined.clone()).zip(nodes).collect();
        add_loss(loss, &spans, &record, builder, diagnostics)?;
        let [prediction, target] = [0, 1].map(|i| spans[i].clone());
        compared = Some(Compared { prediction, target });
    }
    let class_weights = record.numbers("class_weights");
    let weights = match (weights, &class_weights) {
        (Some(weights), _) => Some(weights.name.value),
        (None, Some(_)) => Some(SAMPLE_WEIGHT.to_string()),
        (None, None) => None,
    };
    // The result of a use of a block is called as its node.
    let node = prediction.node.map(|node| builder.graph().node(node).name.clone());
    let (prediction, target) = (node.unwrap_or(prediction.name.value), target.name.value);
    Some(ReadLoss { prediction, target, weights, class_weights, compared })
}

/// What a field of the loss names: a node as the prediction, inputs as the others.
fn named(record: &Record<'_>, field: &str, network: &Network<'_>, diagnostics: &mut Diagnostics) -> Option<Named> {
    let name = record.names(field)?.into_iter().next()?;
    let found = network.find(&name, diagnostics)?;
    let (message, expected) = match (field, found.is_input) {
        ("prediction", true) => ("the loss must compare a node, but its prediction is an input", "a node"),
        ("target", false) => ("the loss must compare with an input, but its target is a node", "an input"),
        ("weights", false) => ("the weights of the loss must be an input, but this is a node", "an input"),
        _ => return Some(Named { name, node: found.node, defined: found.span }),
    };
    diagnostics.push(Diagnostic::new(message, name.span, format!("expected the name of {expected}")));
    None
}

/// Adds the loss of prediction, target and perhaps weights; `None` if it does not fit, which is reported.
fn add_loss(
    loss: Loss,
    operands: &[(Span, NodeId)],
    record: &Record<'_>,
    builder: &mut GraphBuilder,
    diagnostics: &mut Diagnostics,
) -> Option<()> {
    let [prediction, target] = [operands[0].1, operands[1].1];
    let class_weights = record.numbers("class_weights");
    let given = operands.get(2).map(|weights| weights.1);
    let weights = match (given, &class_weights) {
        (Some(_), Some(_)) => {
            let message = "the loss has both `weights` and `class_weights`";
            let at = record.span_of("class_weights");
            diagnostics.push(Diagnostic::new(message, at, "expected one of them"));
            return None;
        }
        (None, Some(_)) => match builder.input(SAMPLE_WEIGHT, DType::F32, Shape::batched(&[])) {
            Ok(node) => Some(node),
            Err(error) => {
                let message = format!("`class_weights` make an input, but {}", error.error);
                let label = format!("expected no input or node called `{SAMPLE_WEIGHT}` beside them");
                diagnostics.push(Diagnostic::new(message, record.span_of("class_weights"), label));
                return None;
            }
        },
        (given, None) => given,
    };
    let added = match weights {
        Some(weights) => builder.weighted_loss(loss, prediction, target, weights),
        None => builder.loss(loss, prediction, target),
    };
    if let Err(error) = added {
        diagnostics.push(does_not_fit(&error, record.span_of("op"), operands, builder));
        return None;
    }
    let Some(class_weights) = class_weights else { return Some(()) };
    match n_classes(builder.graph(), [prediction, target]) {
        Some(n) if n == class_weights.len() => Some(()),
        Some(n) => {
            let message = format!("`class_weights` has {} numbers for {n} classes", class_weights.len());
            let at = record.span_of("class_weights");
            diagnostics.push(Diagnostic::new(message, at, format!("expected {n} numbers")));
            None
        }
        None => {
            let message = "`class_weights` need one class a sample";
            let label = format!("expected none for predictions {}", builder.ty(prediction));
            diagnostics.push(Diagnostic::new(message, record.span_of("class_weights"), label));
            None
        }
    }
}
