//! What is measured of the predictions of a graph file's network.

use crate::error::Error;
use graphc_frontend::Experiment;
use graphc_ir::attrs::AttrValue;
use graphc_ir::ops::Op;
use graphc_train::data::Fitted;
use graphc_train::{Form, Outcome, Reading, Scoring};

/// The metrics that the file asks for beside accuracy, if there are any.
///
/// # Errors
/// If a metric is none of such predictions.
pub fn scoring(experiment: &Experiment) -> Result<Option<Scoring>, Error> {
    let names = experiment.metrics.iter().map(String::as_str);
    scoring_of(experiment, names)
}

/// Such metrics of the network's predictions, and its losses if it has several.
///
/// # Errors
/// If a metric is none of such predictions.
pub fn scoring_of<'a>(
    experiment: &Experiment,
    names: impl IntoIterator<Item = &'a str>,
) -> Result<Option<Scoring>, Error> {
    let scoring = Scoring::new(&experiment.prediction, &experiment.target, outcome(experiment), names)?;
    let scoring = scoring.map(|scoring| scoring.read_as(reading(experiment)));
    Ok(Scoring::with_losses(scoring, &experiment.losses))
}

/// How predictions and targets are to be read, by the loss that compares them.
pub fn reading(experiment: &Experiment) -> Reading {
    let graph = &experiment.graph;
    let nodes = graph.output(&experiment.prediction).zip(graph.find(&experiment.target));
    let loss = nodes.and_then(|(prediction, target)| graph.loss_that_compares(prediction, target));
    let setting = |name: &str| loss.and_then(|loss| loss.attrs().get(name).cloned());
    let form = match (loss, setting("from_logits")) {
        (Some(Op::Nll(_)), _) => Form::LogProbability,
        (_, Some(AttrValue::Bool(true))) => Form::Logit,
        _ => Form::Probability,
    };
    let ignored = match setting("ignore_label") {
        Some(AttrValue::Int(ignored)) => i32::try_from(ignored).ok(),
        _ => None,
    };
    Reading { form, ignored }
}

/// What a prediction says of a sample.
pub fn outcome(experiment: &Experiment) -> Outcome {
    let graph = &experiment.graph;
    let is_one_number = graph.output(&experiment.prediction).is_some_and(|id| graph.ty(id).shape.fixed_len() == 1);
    match experiment.classes {
        Some(2) if is_one_number => Outcome::YesOrNo,
        Some(n) => Outcome::Class(n),
        None => Outcome::Values,
    }
}

/// Tells a scoring what the classes are called.
pub fn name_classes(scoring: &mut Option<Scoring>, experiment: &Experiment, fitted: &Fitted) {
    if let (Some(scoring), Some(names)) = (scoring, fitted.of(&experiment.target).classes) {
        scoring.name_classes(&names);
    }
}
