//! From a graph file to what the training library takes.

use crate::error::CliError;
use graphc_driver::Session;
use graphc_frontend::{CheckData, DataSource, Experiment};
use graphc_ir::ops::Op;
use graphc_ir::{DType, Dim, Tensor};
use graphc_train::synthetic::MOST_BYTES;
use graphc_train::weights::{check_weights, read_tensors};
use graphc_train::{Dataset, InputSpec, NamedTensor, Part, Source, Synthetic, TensorData};
use std::path::Path;

/// Reads a graph file for a command that trains or evaluates.
pub(crate) fn load_with_data(path: &Path) -> Result<Experiment, CliError> {
    parse_with_data(&graphc_frontend::read_file(path)?, path)
}

/// The same of the bytes of a graph file that stands, or stood, at `path`.
pub(crate) fn parse_with_data(bytes: &[u8], path: &Path) -> Result<Experiment, CliError> {
    let experiment = graphc_frontend::load_bytes(bytes, path)?;
    match experiment.data {
        Some(_) => Ok(experiment),
        None => Err(CliError::new(format!("{}: no `data`: the file does not say what to train on", path.display()))),
    }
}

/// Reads a graph file for a command that needs no data.
pub(crate) fn load(path: &Path) -> Result<Experiment, CliError> {
    Ok(graphc_frontend::load_with(path, CheckData::No)?)
}

/// The training samples, at most `limit`.
pub(crate) fn training_data(experiment: &Experiment, limit: Option<usize>) -> Result<Dataset, CliError> {
    let data = dataset(experiment, Part::Train, limit)?;
    data.ok_or_else(|| CliError::new("the graph file has no `data`"))
}

/// The test samples, if the file says any.
pub(crate) fn test_data(experiment: &Experiment) -> Result<Option<Dataset>, CliError> {
    dataset(experiment, Part::Test, None)
}

/// Numbers of training and test samples that the data announces, without reading it; nothing if that does not say.
pub(crate) fn announced_samples(experiment: &Experiment, limit: Option<usize>) -> Option<(usize, Option<usize>)> {
    let first = sample_inputs(experiment).into_iter().next()?;
    let n_train = source(experiment, Part::Train, &first)?.announced_samples().ok()?;
    let n_test = match source(experiment, Part::Test, &first) {
        Some(test) => Some(test.announced_samples().ok()?),
        None => None,
    };
    Some((n_train.min(limit.unwrap_or(n_train)), n_test))
}

/// Bytes that so many samples take in memory, all their inputs together.
pub(crate) fn data_bytes(experiment: &Experiment, n_samples: usize) -> u64 {
    let graph = &experiment.graph;
    let is_synthetic = experiment.data.as_ref().is_some_and(|data| matches!(data.source, DataSource::Synthetic { .. }));
    let inputs = sample_inputs(experiment).into_iter().filter_map(|name| graph.find(&name));
    let columns = inputs.map(|id| (graph.ty(id).shape.fixed_len() as u64).saturating_mul(n_samples as u64));
    // More synthetic data than that is refused by whoever makes it, with a better message.
    let columns = columns.filter(|&bytes| !is_synthetic || bytes <= MOST_BYTES as u64);
    columns.fold(0, u64::saturating_add)
}

/// Bytes of the test samples, as far as the data announces them.
pub(crate) fn test_bytes(experiment: &Experiment) -> u64 {
    let first = sample_inputs(experiment).into_iter().next();
    let test = first.and_then(|first| source(experiment, Part::Test, &first)?.announced_samples().ok());
    data_bytes(experiment, test.unwrap_or(0))
}

fn dataset(experiment: &Experiment, part: Part, limit: Option<usize>) -> Result<Option<Dataset>, CliError> {
    let Some(data) = &experiment.data else { return Ok(None) };
    let mut inputs = Vec::new();
    for name in sample_inputs(experiment) {
        let Some(source) = source(experiment, part, &name) else { return Ok(None) };
        inputs.push((input_spec(experiment, &name)?, source));
    }
    Ok(Some(Dataset::load(&inputs, data.scale, limit)?))
}

/// Where the values of an input come from; nowhere if the file says no data of that part.
pub(crate) fn source(experiment: &Experiment, part: Part, input: &str) -> Option<Source> {
    match &experiment.data.as_ref()?.source {
        DataSource::Idx { train, test } => {
            let files = match part {
                Part::Train => train,
                Part::Test => test.as_ref()?,
            };
            files.get(input).map(|path| Source::File(path.to_path_buf()))
        }
        DataSource::Synthetic { samples, test_samples, seed } => {
            let n_samples = match part {
                Part::Train => *samples,
                Part::Test => (*test_samples)?,
            };
            let n_classes = label_classes(experiment, &experiment.target).unwrap_or(N_KINDS);
            Some(Source::Synthetic(Synthetic { seed: *seed, part, n_samples, n_classes }))
        }
    }
}

/// Kinds of synthetic samples where the target is no class.
const N_KINDS: usize = 10;

/// One input of the network.
pub(crate) fn input_spec(experiment: &Experiment, name: &str) -> Result<InputSpec, CliError> {
    let graph = &experiment.graph;
    let node = graph.find(name).filter(|&id| matches!(graph.op(id), Op::Input(_)));
    let ty = graph.ty(node.ok_or_else(|| CliError::new(format!("the network has no input `{name}`")))?);
    if ty.shape.batch_axis() != Some(0) {
        return Err(CliError::new(format!(
            "the input `{name}` has shape {}; data gives one sample after the other, so N must come first",
            ty.shape
        )));
    }
    Ok(InputSpec {
        name: name.to_string(),
        dtype: ty.dtype,
        sample_shape: ty.shape.sizes(Some(1))[1..].to_vec(),
        is_target: name == experiment.target,
        n_classes: label_classes(experiment, name),
    })
}

/// Number of classes, if the input is what they are compared with.
fn label_classes(experiment: &Experiment, input: &str) -> Option<usize> {
    let graph = &experiment.graph;
    let is_label = input == experiment.target && graph.ty(graph.find(input)?).dtype == DType::I32;
    if is_label { n_classes(experiment) } else { None }
}

/// Size of the last dimension of the prediction.
pub(crate) fn n_classes(experiment: &Experiment) -> Option<usize> {
    match experiment.graph.ty(experiment.graph.output(&experiment.prediction)?).shape.0.last() {
        Some(Dim::Fixed(size)) => Some(*size),
        _ => None,
    }
}

/// What a picture can be: the inputs apart from the target.
pub(crate) fn feature_inputs(experiment: &Experiment) -> Vec<String> {
    sample_inputs(experiment).into_iter().filter(|name| *name != experiment.target).collect()
}

/// The inputs given anew for every sample, in the order of the file. The others, such as the number of the step that
/// dropout reads, are scalars that training gives.
fn sample_inputs(experiment: &Experiment) -> Vec<String> {
    let graph = &experiment.graph;
    let is_batched = |id| graph.ty(id).shape.batch_axis().is_some();
    let inputs = graph.ids().into_iter().filter(|&id| matches!(graph.op(id), Op::Input(_)) && is_batched(id));
    inputs.map(|id| graph.node(id).name.clone()).collect()
}

/// Gives the network the weights of a file.
pub(crate) fn load_weights(session: &mut Session, path: &Path) -> Result<(), CliError> {
    let mut tensors = read_tensors(path)?;
    let expected: Vec<(String, Vec<usize>)> =
        session.parameters()?.into_iter().map(|(name, value)| (name, value.shape)).collect();
    check_weights(path, &tensors, &expected)?;
    for (name, shape) in expected {
        if let Some(tensor) = tensors.remove(&name) {
            session.set_parameter(&name, &Tensor::new(shape, tensor.data.to_f32()))?;
        }
    }
    Ok(())
}

/// The network's weights and moving statistics, as inference reads them.
pub(crate) fn weights(session: &mut Session) -> Result<Vec<NamedTensor>, CliError> {
    Ok(named(session.inference_parameters()?))
}

/// Tensors for a file.
pub(crate) fn named(tensors: Vec<(String, Tensor<f32>)>) -> Vec<NamedTensor> {
    let named = |(name, value): (String, Tensor<f32>)| NamedTensor {
        name,
        shape: value.shape,
        data: TensorData::F32(value.data),
    };
    tensors.into_iter().map(named).collect()
}
