//! From a graph file to what the training library takes.

use crate::error::CliError;
use graphc_driver::Session;
use graphc_frontend::{CheckData, DataFiles, Experiment};
use graphc_ir::ops::Op;
use graphc_ir::{DType, Dim, Tensor};
use graphc_train::weights::{check_weights, read_tensors};
use graphc_train::{Dataset, InputSpec, NamedTensor, TensorData};
use std::path::{Path, PathBuf};

/// Reads a graph file for a command that trains or evaluates.
pub(crate) fn load_with_data(path: &Path) -> Result<Experiment, CliError> {
    let experiment = graphc_frontend::load(path)?;
    match experiment.data {
        Some(_) => Ok(experiment),
        None => Err(CliError::new(format!("{}: no `data`: the file does not say what to train on", path.display()))),
    }
}

/// Reads a graph file for a command that needs no data.
pub(crate) fn load(path: &Path) -> Result<Experiment, CliError> {
    Ok(graphc_frontend::load_with(path, CheckData::No)?)
}

/// Reads training samples, at most `limit`.
pub(crate) fn training_data(experiment: &Experiment, limit: Option<usize>) -> Result<Dataset, CliError> {
    let data = experiment.data.as_ref().ok_or_else(|| CliError::new("the graph file has no `data`"))?;
    Ok(Dataset::load(&input_specs(experiment, &data.train)?, data.scale, limit)?)
}

/// Reads the test samples, if the file names any.
pub(crate) fn test_data(experiment: &Experiment) -> Result<Option<Dataset>, CliError> {
    let Some(data) = &experiment.data else { return Ok(None) };
    let Some(files) = &data.test else { return Ok(None) };
    Ok(Some(Dataset::load(&input_specs(experiment, files)?, data.scale, None)?))
}

/// The network's inputs with the files that hold them.
fn input_specs(experiment: &Experiment, files: &DataFiles) -> Result<Vec<InputSpec>, CliError> {
    files.0.iter().map(|(name, path)| input_spec(experiment, name, path.clone())).collect()
}

/// One input of the network.
pub(crate) fn input_spec(experiment: &Experiment, name: &str, path: PathBuf) -> Result<InputSpec, CliError> {
    let graph = &experiment.graph;
    let node = graph.find(name).filter(|&id| matches!(graph.op(id), Op::Input(_)));
    let ty = graph.ty(node.ok_or_else(|| CliError::new(format!("the network has no input `{name}`")))?);
    if ty.shape.batch_axis() != Some(0) {
        return Err(CliError::new(format!(
            "the input `{name}` has shape {}; data files give one sample after the other, so N must come first",
            ty.shape
        )));
    }
    let is_label = name == experiment.target && ty.dtype == DType::I32;
    Ok(InputSpec {
        name: name.to_string(),
        dtype: ty.dtype,
        sample_shape: ty.shape.sizes(Some(1))[1..].to_vec(),
        n_classes: if is_label { n_classes(experiment) } else { None },
        path,
    })
}

/// Size of the last dimension of the prediction.
pub(crate) fn n_classes(experiment: &Experiment) -> Option<usize> {
    match experiment.graph.ty(experiment.graph.output(&experiment.prediction)?).shape.0.last() {
        Some(Dim::Fixed(size)) => Some(*size),
        _ => None,
    }
}

/// The inputs given anew for every sample, apart from the target: what a picture can be.
pub(crate) fn feature_inputs(experiment: &Experiment) -> Vec<String> {
    let graph = &experiment.graph;
    let is_feature = |id: &graphc_ir::NodeId| {
        matches!(graph.op(*id), Op::Input(_))
            && graph.ty(*id).shape.batch_axis().is_some()
            && graph.node(*id).name != experiment.target
    };
    graph.ids().iter().filter(|id| is_feature(id)).map(|&id| graph.node(id).name.clone()).collect()
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

/// The network's weights and moving statistics.
pub(crate) fn weights(session: &mut Session) -> Result<Vec<NamedTensor>, CliError> {
    let named = |(name, value): (String, Tensor<f32>)| NamedTensor {
        name,
        shape: value.shape,
        data: TensorData::F32(value.data),
    };
    Ok(session.parameters()?.into_iter().map(named).collect())
}
