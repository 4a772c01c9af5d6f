//! What of a graph file writes text.

use crate::error::Error;
use crate::experiment::{feature_inputs, input_spec};
use graphc_frontend::{DataSource, Experiment};
use graphc_ir::attrs::AttrValue;
use graphc_ir::ops::Op;
use graphc_ir::{DType, Dim, Graph, NodeId};
use graphc_train::data::{Alphabet, Fitted};
use graphc_train::generate::WriterSpec;

/// The network of a file whose data is text, with the characters that its weights know.
///
/// # Errors
/// If the data is no text, the network does not predict characters, or the weights know none or more of them.
pub fn writer_spec(experiment: &Experiment, fitted: &Fitted) -> Result<WriterSpec, Error> {
    let Some(DataSource::Text { config, .. }) = experiment.data.as_ref().map(|data| &data.source) else {
        return Err(Error::new(
            "its `data` is no text; a network writes in the characters of the text it was trained on",
        ));
    };
    let input = match feature_inputs(experiment).as_slice() {
        [name] => input_spec(experiment, name)?,
        inputs => {
            return Err(Error::new(format!("the network has {} inputs beside the target, expected one", inputs.len())));
        }
    };
    let [window] = input.sample_shape[..] else {
        return Err(Error::new(format!(
            "the input `{}` is no window of a text: it has not the shape [N, T]",
            input.name
        )));
    };
    let graph = &experiment.graph;
    let prediction = graph.output(&experiment.prediction);
    let shape = prediction.map(|id| graph.ty(id).shape.0.clone()).unwrap_or_default();
    let (is_everywhere, n_classes) = match shape[..] {
        [Dim::Batch, Dim::Fixed(classes)] => (false, classes),
        [Dim::Batch, Dim::Fixed(places), Dim::Fixed(classes)] if places == window => (true, classes),
        _ => {
            let (name, what) = (&experiment.prediction, "expected one of shape [N, characters] or [N, T, characters]");
            return Err(Error::new(format!("the prediction `{name}` is none of characters, {what}")));
        }
    };
    if input.dtype != DType::I32 {
        return Err(Error::new(format!("the input `{}` takes no numbers of characters: it is no `i32`", input.name)));
    }
    let alphabet = match (config.is_bytes, fitted.of(&input.name).vocabulary) {
        (true, _) => Alphabet::Bytes,
        (false, Some(vocabulary)) => Alphabet::Characters(vocabulary),
        (false, None) => {
            return Err(Error::new(format!("the weights hold no vocabulary of `{}`: they are of no text", input.name)));
        }
    };
    if let Alphabet::Characters(vocabulary) = &alphabet
        && vocabulary.len() > n_classes
    {
        let n = vocabulary.len();
        return Err(Error::new(format!("the weights know {n} characters, but the network tells {n_classes} apart")));
    }
    Ok(WriterSpec {
        input: input.name,
        window,
        prediction: experiment.prediction.clone(),
        n_classes,
        is_everywhere,
        are_probabilities: prediction.is_some_and(|id| are_probabilities(graph, id)),
        alphabet,
    })
}

/// Whether the numbers of a node are probabilities: a loss of probabilities compares them, or they are made by a
/// softmax. Others are logits or logarithms of probabilities, which the same softmax brings to probabilities.
fn are_probabilities(graph: &Graph, prediction: NodeId) -> bool {
    let is_loss = |user: &NodeId| {
        matches!(graph.op(*user), Op::CategoricalCrossentropy(_)) && graph.operands(*user).first() == Some(&prediction)
    };
    if let Some(loss) = graph.users(prediction).into_iter().find(is_loss) {
        // A loss that can take logits has an attribute that says so.
        return graph.op(loss).attrs().get("from_logits") != Some(&AttrValue::Bool(true));
    }
    let mut node = prediction;
    while let (Op::Reshape(_), Some(&operand)) = (graph.op(node), graph.operands(node).first()) {
        node = operand;
    }
    matches!(graph.op(node), Op::Softmax(_))
}
