//! Reads `loss`: what is compared, and how much each sample counts; one or several, whose sum is minimised.

use crate::diagnostic::{Diagnostic, Diagnostics, Span};
use crate::json::{Json, JsonValue, Spanned};
use crate::loss_fields::{LOSSES, reported};
use crate::metrics::{Compared, n_classes};
use crate::misfit::does_not_fit;
use crate::mixups;
use crate::network::Network;
use crate::node_ops::attrs;
use crate::read::{Record, read_one_of};
use graphc_ir::graph::builder::{BuildError, GraphBuilder};
use graphc_ir::ops::facts::Predicted;
use graphc_ir::text::shown;
use graphc_ir::{DType, NodeId, Op, Shape, TensorType};

/// The input, `f32`, that a file with `class_weights` gets without declaring it: of shape `[N]`, or that of the class
/// numbers. Whoever trains fills it with the weight of each one's class.
pub const SAMPLE_WEIGHT: &str = "sample_weight";

/// Names under which something else is reported, with `_loss` behind them.
const REPORTED: &[&str] = &["val", "test"];

/// The loss as the file has it; of several what the first one compares.
#[derive(Default)]
pub(crate) struct ReadLoss {
    /// Name of the node.
    pub(crate) prediction: String,
    /// Name of the input or node it is compared with; empty if there is none.
    pub(crate) target: String,
    pub(crate) weights: Option<String>,
    pub(crate) class_weights: Option<Vec<f64>>,
    /// `None` if one of them is wrong, which has been reported, or there is no target.
    pub(crate) compared: Option<Compared>,
    /// Names of the outputs of several losses; none of a single one.
    pub(crate) parts: Vec<String>,
    /// Names of the inputs that any of them compares with.
    pub(crate) targets: Vec<String>,
    /// Names of the inputs that are weights of any of them.
    pub(crate) weighting: Vec<String>,
}

/// A name in the file and what it leads to.
struct Named {
    name: Spanned<String>,
    node: Option<NodeId>,
    is_input: bool,
    /// Where it is named first.
    defined: Span,
}

/// One loss, read but not added.
struct OneLoss<'a> {
    record: Record<'a>,
    span: Span,
    /// `None` if a field is wrong.
    op: Option<Op>,
    prediction: Named,
    target: Option<Named>,
    weights: Option<Named>,
}

pub(crate) fn read_loss(
    file: &Record<'_>,
    network: &Network<'_>,
    builder: &mut GraphBuilder,
    diagnostics: &mut Diagnostics,
) -> Option<ReadLoss> {
    let json = file.json("loss")?;
    let items = match &json.value {
        JsonValue::Array(items) => items.as_slice(),
        _ => std::slice::from_ref(json),
    };
    let losses: Vec<Option<OneLoss<'_>>> = items.iter().map(|item| read_one(item, network, diagnostics)).collect();
    let losses = losses.into_iter().collect::<Option<Vec<_>>>()?;
    if let Some(late) = losses.iter().skip(1).find(|loss| loss.record.json("class_weights").is_some()) {
        let message = "only the first of several losses can have `class_weights`";
        diagnostics.push(Diagnostic::new(message, late.record.span_of("class_weights"), "expected none here"));
        return None;
    }
    let first = losses.first()?;
    let is_single = matches!(json.value, JsonValue::Object(_))
        && ["weight", "name"].iter().all(|field| first.record.json(field).is_none());
    let mut read = ReadLoss { class_weights: first.record.numbers("class_weights"), ..names(&losses) };
    // The result of a use of a block is called as its node.
    if let Some(node) = first.prediction.node {
        read.prediction = builder.graph().node(node).name.clone();
    }
    if losses.iter().any(|loss| loss.nodes().is_none()) {
        // What is wrong with them has been reported.
        return Some(read);
    }
    let mut parts = Vec::new();
    for loss in &losses {
        builder.set_line(diagnostics.line(loss.span.start) as u32);
        let name = if is_single { None } else { Some(reported_name(loss, diagnostics)?) };
        let node = add(loss, name.as_deref(), builder, diagnostics)?;
        loss.warn_of_mixups(builder, diagnostics);
        parts.push((node, loss.record.number("weight")?));
        read.parts.extend(name);
    }
    if !is_single && let Err(error) = builder.total_loss(&parts) {
        diagnostics.push(does_not_fit(&error, json.span.clone(), &[], builder));
        return None;
    }
    read.compared = first.compared();
    Some(read)
}

/// The names of what losses read.
fn names(losses: &[OneLoss<'_>]) -> ReadLoss {
    let name = |named: &Named| named.name.value.clone();
    let input = |named: &Named| named.is_input.then(|| name(named));
    let first = &losses[0];
    let class_weights = first.record.json("class_weights").map(|_| SAMPLE_WEIGHT.to_string());
    ReadLoss {
        prediction: name(&first.prediction),
        target: first.target.as_ref().map(name).unwrap_or_default(),
        weights: first.weights.as_ref().map(name).or(class_weights.clone()),
        targets: losses.iter().flat_map(|loss| &loss.target).filter_map(input).collect(),
        weighting: losses.iter().flat_map(|loss| &loss.weights).filter_map(input).chain(class_weights).collect(),
        ..ReadLoss::default()
    }
}

fn read_one<'a>(json: &'a Json, network: &Network<'_>, diagnostics: &mut Diagnostics) -> Option<OneLoss<'a>> {
    let (section, record) = read_one_of(&LOSSES, json, diagnostics)?;
    let info = Op::named(section.name)?;
    let prediction = named(&record, "prediction", network, diagnostics);
    let target = (info.arity > 1).then(|| named(&record, "target", network, diagnostics));
    let weights = match record.json("weights") {
        Some(_) => Some(named(&record, "weights", network, diagnostics)?),
        None => None,
    };
    let target = match target {
        Some(target) => Some(target?),
        None => None,
    };
    let op = record.ok.then(|| (info.from_attrs)(&attrs(&(info.fields)(), &record)));
    let op = op.map(|op| op.expect("the kind of a field is that of the attribute"));
    Some(OneLoss { span: json.span.clone(), op, prediction: prediction?, target, weights, record })
}

impl OneLoss<'_> {
    fn operands(&self) -> impl Iterator<Item = &Named> {
        std::iter::once(&self.prediction).chain(&self.target).chain(&self.weights)
    }

    /// What it reads, and where that is named; `None` if something of it is wrong.
    fn nodes(&self) -> Option<Vec<(Span, NodeId)>> {
        self.op.as_ref()?;
        self.operands().map(|named| Some((named.defined.clone(), named.node?))).collect()
    }

    fn warn_of_mixups(&self, builder: &GraphBuilder, diagnostics: &mut Diagnostics) {
        let Named { name, node, defined, .. } = &self.prediction;
        if let (Some(op), Some(node)) = (&self.op, *node) {
            mixups::warn(op, (name.span.clone(), node), defined.clone(), builder.graph(), diagnostics);
        }
    }

    fn compared(&self) -> Option<Compared> {
        let nodes = self.nodes()?;
        let target = nodes.get(1).filter(|_| self.target.is_some())?.clone();
        Some(Compared { prediction: nodes[0].clone(), target })
    }
}

/// What a field of the loss names: a node as the prediction.
fn named(record: &Record<'_>, field: &str, network: &Network<'_>, diagnostics: &mut Diagnostics) -> Option<Named> {
    let name = record.names(field)?.into_iter().next()?;
    let found = network.find(&name, diagnostics)?;
    if field == "prediction" && found.is_input {
        let message = "the loss must compare a node, but its prediction is an input";
        diagnostics.push(Diagnostic::new(message, name.span, "expected the name of a node"));
        return None;
    }
    Some(Named { name, node: found.node, is_input: found.is_input, defined: found.span })
}

/// The name under which one of several losses is reported.
fn reported_name(loss: &OneLoss<'_>, diagnostics: &mut Diagnostics) -> Option<String> {
    let prediction = &loss.prediction.name;
    let (name, span) = match loss.record.text("name") {
        Some(name) => (name, loss.record.span_of("name")),
        None => (prediction.value.replace('.', "_"), prediction.span.clone()),
    };
    let is_reported =
        |part: &&str| name.strip_prefix(*part).is_some_and(|rest| rest.is_empty() || rest.starts_with('_'));
    if REPORTED.iter().any(is_reported) {
        let message = format!("a loss called `{name}` would be reported as `{name}_loss`, which is something else");
        diagnostics.push(Diagnostic::new(message, span, "expected another `name`"));
        return None;
    }
    Some(reported(&name))
}

/// Adds a loss, as the only one if it has no name; `None` if it does not fit, which is reported.
fn add(
    loss: &OneLoss<'_>,
    name: Option<&str>,
    builder: &mut GraphBuilder,
    diagnostics: &mut Diagnostics,
) -> Option<NodeId> {
    let (op, operands) = (loss.op.clone()?, loss.nodes()?);
    let record = &loss.record;
    let class_weights = record.numbers("class_weights");
    let weights = match &class_weights {
        Some(_) => Some(add_class_weights(loss, builder, diagnostics)?),
        None => None,
    };
    let nodes: Vec<NodeId> = operands.iter().map(|(_, node)| *node).chain(weights).collect();
    let taken = name.filter(|name| builder.graph().find(name).is_some());
    if let Some(name) = taken {
        let span = loss.record.json("name").map_or(loss.prediction.name.span.clone(), |json| json.span.clone());
        let message = format!("the loss would be reported as `{}`, but that name is taken", shown(name));
        diagnostics.push(Diagnostic::new(message, span, "expected another `name` for this loss"));
        return None;
    }
    let added = match name {
        Some(name) => builder.part_of_loss(name, op, &nodes),
        None => builder.only_loss(op, &nodes),
    };
    match added {
        Ok(node) => {
            let Some(weights) = class_weights else { return Some(node) };
            check_class_weights(&weights, [nodes[0], nodes[1]], record, builder, diagnostics).then_some(node)
        }
        Err(error) => {
            diagnostics.push(does_not_fit(&error, record.span_of("op"), &operands, builder));
            None
        }
    }
}

/// The input of the weights that classes have.
fn add_class_weights(loss: &OneLoss<'_>, builder: &mut GraphBuilder, diagnostics: &mut Diagnostics) -> Option<NodeId> {
    let at = loss.record.span_of("class_weights");
    if loss.weights.is_some() {
        let message = "the loss has both `weights` and `class_weights`";
        diagnostics.push(Diagnostic::new(message, at, "expected one of them"));
        return None;
    }
    let target = loss.target.as_ref()?.node?;
    if !matches!(builder.graph().op(target), Op::Input(_)) {
        let message = "`class_weights` need a target that is an input, but this one is a node";
        diagnostics.push(Diagnostic::new(message, at, "expected none"));
        return None;
    }
    // Labels have a weight each, and so have rows of shares; what is yes or no has one a sample.
    let shape = match (builder.ty(target), loss.op.as_ref()?.info().loss?.of) {
        (TensorType { dtype: DType::I32, shape }, _) => shape.clone(),
        (TensorType { shape: Shape(dims), .. }, Predicted::Classes) if dims.len() > 1 => {
            Shape(dims[..dims.len() - 1].to_vec())
        }
        _ => Shape::batched(&[]),
    };
    match builder.input(SAMPLE_WEIGHT, DType::F32, shape) {
        Ok(node) => Some(node),
        Err(BuildError { error, .. }) => {
            let message = format!("`class_weights` make an input, but {error}");
            let label = format!("expected no input or node called `{SAMPLE_WEIGHT}` beside them");
            diagnostics.push(Diagnostic::new(message, at, label));
            None
        }
    }
}

/// Whether there is a weight for each class.
fn check_class_weights(
    weights: &[f64],
    compared: [NodeId; 2],
    record: &Record<'_>,
    builder: &GraphBuilder,
    diagnostics: &mut Diagnostics,
) -> bool {
    let at = record.span_of("class_weights");
    match n_classes(builder.graph(), compared) {
        Some(n) if n == weights.len() => return true,
        Some(n) => {
            let message = format!("`class_weights` has {} numbers for {n} classes", weights.len());
            diagnostics.push(Diagnostic::new(message, at, format!("expected {n} numbers")));
        }
        None => {
            let message = "`class_weights` need one class a sample";
            let label = format!("expected none for predictions {}", builder.ty(compared[0]));
            diagnostics.push(Diagnostic::new(message, at, label));
        }
    }
    false
}
