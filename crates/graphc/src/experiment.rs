//! From a graph file to what the training library takes.

use crate::augmentation::augmentation;
use crate::error::Error;
use graphc_driver::Session;
use graphc_driver::session::Integers;
use graphc_frontend::data::{
    ArrayFormat, Categories, CifarLabels, ColumnConfig, DataFile, MissingConfig, Parts, PreprocessConfig,
};
use graphc_frontend::{CheckData, DataSource, EmaConfig, Experiment, SAMPLE_WEIGHT, TrainConfig};
use graphc_ir::ops::Op;
use graphc_ir::{DType, Dim, Graph, NodeId, RateSchedule, Tensor};
use graphc_train::batches::validation_split;
use graphc_train::data::{
    Affine, ArraySource, CifarKind, Columns, FieldContent, Fitted, MOST_BYTES, Missing, Table, TableField, Unknown,
    Validation,
};
use graphc_train::run::{Begin, CheckpointEvery, FileHash, hash_data};
use graphc_train::train::Counts;
use graphc_train::weights::{check_weights, read_tensors};
use graphc_train::{
    ClassWeights, Dataset, FitOptions, InputSpec, Loader, Loading, NamedTensor, Outcome, Part, Preprocess, Scoring,
    Source, Synthetic, TensorData, TrainError,
};
use std::path::{Path, PathBuf};

/// Reads a graph file for what trains or evaluates.
///
/// # Errors
/// If something is wrong with the file, or it says no data.
pub fn load_with_data(path: &Path) -> Result<Experiment, Error> {
    parse_with_data(&graphc_frontend::read_file(path)?, path)
}

/// The same of the bytes of a graph file that stands, or stood, at `path`.
///
/// # Errors
/// If something is wrong with the file, or it says no data.
pub fn parse_with_data(bytes: &[u8], path: &Path) -> Result<Experiment, Error> {
    let experiment = graphc_frontend::load_bytes(bytes, path)?;
    match experiment.data {
        Some(_) => Ok(experiment),
        None => Err(Error::new(format!("{}: no `data`: the file does not say what to train on", path.display()))),
    }
}

/// Reads a graph file for what needs no data.
///
/// # Errors
/// Everything that is wrong with it.
pub fn load(path: &Path) -> Result<Experiment, Error> {
    Ok(graphc_frontend::load_with(path, CheckData::No)?)
}

/// A graph as if it stood in a file that says nothing else. What the loss compares is found in the graph.
pub fn of_graph(graph: Graph) -> Experiment {
    let operands = graph.loss.map(|loss| graph.operands(without_penalties(&graph, loss))).unwrap_or_default();
    let name = |id: NodeId| graph.node(id).name.clone();
    let input = |at: usize| operands.get(at).copied().filter(|&id| matches!(graph.op(id), Op::Input(_))).map(name);
    let only_output = || match graph.outputs.as_slice() {
        [output] => Some(output.name.clone()),
        _ => None,
    };
    let prediction = operands.first().copied().map(name).or_else(only_output);
    let classes = match operands[..] {
        [prediction, target, ..] => graphc_frontend::n_classes(&graph, [prediction, target]),
        _ => None,
    };
    let (target, weights) = (input(1), input(2));
    let train = TrainConfig {
        epochs: 10,
        batch_size: 64,
        accumulate: graph.accumulation.map_or(1, |accumulation| accumulation.steps),
        validation_split: 0.0,
        shuffle: true,
        seed: 1,
        schedule: RateSchedule::default(),
        ema: graph.averaging.map(|averaging| EmaConfig { averaging, evaluate: true }),
        early_stopping: None,
        keep_best: false,
    };
    Experiment {
        name: graph.name.clone(),
        train,
        frozen: Vec::new(),
        data: None,
        prediction: prediction.unwrap_or_default(),
        target: target.unwrap_or_default(),
        classes,
        weights,
        class_weights: None,
        metrics: Vec::new(),
        path: PathBuf::new(),
        graph,
    }
}

/// The loss of a prediction, to which [`GraphBuilder::l2_penalty`](graphc_ir::graph::builder::GraphBuilder::l2_penalty)
/// may have added something.
fn without_penalties(graph: &Graph, loss: NodeId) -> NodeId {
    match graph.op(loss) {
        Op::Add(_) => without_penalties(graph, graph.operands(loss)[0]),
        _ => loss,
    }
}

/// The optimizer's learning rate.
pub fn learning_rate(experiment: &Experiment) -> f64 {
    experiment.graph.optimizer.as_ref().map_or(0.001, |optimizer| optimizer.learning_rate())
}

/// Reads training data and the data to validate on, of the former at most `limit` samples; `share` of them validate
/// where there are no others.
///
/// # Errors
/// If the data cannot be read or does not fit the network.
pub fn training_data(
    experiment: &Experiment,
    limit: Option<usize>,
    seed: u64,
    n_threads: usize,
) -> Result<Dataset, Error> {
    let loader = loader(experiment, &sample_inputs(experiment), n_threads)?;
    let source = source(experiment, Part::Train).ok_or_else(|| Error::new("the graph file has no `data`"))?;
    let columns = loader.read(&source, limit, &[])?;
    let validation = match validation_source(experiment) {
        Some(source) => Validation::Set(loader.read(&source, None, &[])?),
        None => Validation::Share { share: experiment.train.validation_split, seed },
    };
    let dataset = columns.fit(validation)?;
    Ok(match &experiment.data {
        Some(data) => dataset.augmented(&augmentation(data))?,
        None => dataset,
    })
}

/// The test samples, if the file says any.
///
/// # Errors
/// If the data cannot be read or does not fit the network.
pub fn test_data(experiment: &Experiment, n_threads: usize) -> Result<Option<Columns>, Error> {
    let Some(source) = source(experiment, Part::Test) else { return Ok(None) };
    Ok(Some(loader(experiment, &sample_inputs(experiment), n_threads)?.read(&source, None, &[])?))
}

/// Numbers of samples that the data announces, without reading it; nothing if that does not say.
pub fn announced_samples(experiment: &Experiment, limit: Option<usize>) -> Option<Counts> {
    let n = source(experiment, Part::Train)?.announced_samples()?;
    let n = n.min(limit.unwrap_or(n));
    let (train, validation) = match validation_source(experiment) {
        Some(validation) => (n, validation.announced_samples()?),
        None => {
            let (train, validation) = validation_split(n, experiment.train.validation_split);
            (train.len(), validation.len())
        }
    };
    let test = match source(experiment, Part::Test) {
        Some(test) => test.announced_samples()?,
        None => 0,
    };
    Some(Counts { train, validation, test })
}

/// Bytes that so many samples take in memory, all their inputs together, as far as that is known before they are read.
pub fn data_bytes(experiment: &Experiment, n_samples: usize) -> u64 {
    let graph = &experiment.graph;
    let source = experiment.data.as_ref().map(|data| &data.source);
    let is_synthetic = matches!(source, Some(DataSource::Synthetic { .. }));
    let inputs = sample_inputs(experiment).into_iter().filter_map(|name| graph.find(&name));
    let columns = inputs.map(|id| (graph.ty(id).shape.fixed_len() as u64).saturating_mul(n_samples as u64));
    // More synthetic data than that is refused by whoever makes it, with a better message.
    let columns = columns.filter(|&bytes| !is_synthetic || bytes <= MOST_BYTES as u64);
    columns.fold(0, u64::saturating_add)
}

/// Bytes of the test samples, as far as the data announces them.
pub fn test_bytes(experiment: &Experiment) -> u64 {
    let test = source(experiment, Part::Test).and_then(|source| source.announced_samples());
    data_bytes(experiment, test.unwrap_or(0))
}

/// What reads those inputs.
///
/// # Errors
/// If there is no such input, or its batch dimension is not the first.
pub fn loader(experiment: &Experiment, inputs: &[String], n_threads: usize) -> Result<Loader, Error> {
    let inputs = inputs.iter().map(|name| {
        let spec = input_spec(experiment, name)?;
        let preprocess = preprocess(experiment, &spec);
        Ok((spec, preprocess))
    });
    Ok(Loader { inputs: inputs.collect::<Result<_, Error>>()?, n_threads, most_in_memory: None })
}

/// What happens to an input.
pub fn preprocess(experiment: &Experiment, spec: &InputSpec) -> Preprocess {
    let Some(data) = &experiment.data else { return Preprocess::default() };
    let given = data.preprocess.iter().find(|(name, _)| *name == spec.name).map(|(_, config)| config.clone());
    let PreprocessConfig { scale, offset, standardise, one_hot, resize, grayscale, invert } = given.unwrap_or_default();
    // Scaling is for what the network sees, not for what it is to answer; where samples are made up, it says which.
    let is_synthetic = matches!(data.source, DataSource::Synthetic { .. });
    let scale_of_all = if spec.dtype == DType::F32 && (!spec.is_target || is_synthetic) { data.scale } else { 1.0 };
    let scale = scale.unwrap_or(scale_of_all);
    Preprocess { scale, offset, standardise, one_hot, resize, grayscale, invert }
}

/// Where samples come from; nowhere if the file says no data of that part.
pub fn source(experiment: &Experiment, part: Part) -> Option<Source> {
    let data = &experiment.data.as_ref()?.source;
    match (data, part) {
        (DataSource::Synthetic { samples, test_samples, seed }, _) => {
            let n_samples = match part {
                Part::Train => *samples,
                Part::Test => (*test_samples)?,
            };
            let n_classes = label_classes(experiment).unwrap_or(N_KINDS);
            Some(Source::Synthetic(Synthetic { seed: *seed, part, n_samples, n_classes }))
        }
        (_, Part::Train) => file_source(data, Which::Train),
        (_, Part::Test) => file_source(data, Which::Test),
    }
}

/// Samples to validate on that are not taken from those to train on.
fn validation_source(experiment: &Experiment) -> Option<Source> {
    file_source(&experiment.data.as_ref()?.source, Which::Validation)
}

#[derive(Clone, Copy)]
enum Which {
    Train,
    Validation,
    Test,
}

impl Which {
    fn of<T>(self, parts: &Parts<T>) -> Option<&T> {
        match self {
            Which::Train => Some(&parts.train),
            Which::Validation => parts.validation.as_ref(),
            Which::Test => parts.test.as_ref(),
        }
    }
}

fn file_source(data: &DataSource, which: Which) -> Option<Source> {
    Some(match data {
        DataSource::Arrays(format, parts) => {
            let format = match format {
                ArrayFormat::Idx => graphc_train::data::ArrayFormat::Idx,
                ArrayFormat::Npy => graphc_train::data::ArrayFormat::Npy,
                ArrayFormat::Npz => graphc_train::data::ArrayFormat::Npz,
                ArrayFormat::Safetensors => graphc_train::data::ArrayFormat::Safetensors,
            };
            let source =
                |file: &DataFile| ArraySource { path: file.path.clone(), key: file.key.clone(), format: Some(format) };
            let files = which.of(parts)?;
            Source::Arrays(files.0.iter().map(|(name, file)| (name.clone(), source(file))).collect())
        }
        DataSource::Table { files, .. } => Source::Table(table(data, which.of(files)?)?),
        DataSource::Images(parts) => Source::Images(which.of(parts)?.clone()),
        DataSource::Cifar(labels, parts) => {
            let kind = match labels {
                CifarLabels::Ten => CifarKind::Ten,
                CifarLabels::HundredFine => CifarKind::HundredFine,
                CifarLabels::HundredCoarse => CifarKind::HundredCoarse,
            };
            Source::Cifar(which.of(parts)?.clone(), kind)
        }
        DataSource::Synthetic { .. } => return None,
    })
}

/// A file with the columns that the graph file says.
pub fn table(data: &DataSource, path: &Path) -> Option<Table> {
    let DataSource::Table { delimiter, header, columns, .. } = data else { return None };
    let field = |column: &ColumnConfig| TableField {
        name: column.name.clone(),
        content: match column.categories {
            Some(Categories::Number) => FieldContent::Numbered,
            Some(Categories::OneHot) => FieldContent::OneHot,
            None => FieldContent::Numbers,
        },
        unknown: if column.has_unknown { Unknown::Class } else { Unknown::Refuse },
        missing: match &column.missing {
            MissingConfig::Refuse => Missing::Refuse,
            MissingConfig::Mean => Missing::Mean,
            MissingConfig::Median => Missing::Median,
            MissingConfig::MostFrequent => Missing::MostFrequent,
            MissingConfig::Number(number) => Missing::Number(*number),
            MissingConfig::Category(category) => Missing::Category(category.clone()),
        },
    };
    let columns = columns.iter().map(|(input, columns)| (input.clone(), columns.iter().map(field).collect()));
    Some(Table { path: path.to_path_buf(), delimiter: *delimiter, has_header: *header, columns: columns.collect() })
}

/// Kinds of synthetic samples where the target is no class.
const N_KINDS: usize = 10;

/// One input of the network.
///
/// # Errors
/// If there is no such input, or its batch dimension is not the first.
pub fn input_spec(experiment: &Experiment, name: &str) -> Result<InputSpec, Error> {
    let graph = &experiment.graph;
    let node = graph.find(name).filter(|&id| matches!(graph.op(id), Op::Input(_)));
    let ty = graph.ty(node.ok_or_else(|| Error::new(format!("the network has no input `{name}`")))?);
    if ty.shape.batch_axis() != Some(0) {
        return Err(Error::new(format!(
            "the input `{name}` has shape {}; data gives one sample after the other, so N must come first",
            ty.shape
        )));
    }
    Ok(InputSpec {
        name: name.to_string(),
        dtype: ty.dtype,
        sample_shape: ty.shape.sizes(Some(1))[1..].to_vec(),
        // Neither is scaled.
        is_target: name == experiment.target || experiment.weights.as_deref() == Some(name),
        integers: graph.find(name).and_then(|id| Integers::of(graph, id)),
    })
}

/// Number of classes, if they are what is compared.
fn label_classes(experiment: &Experiment) -> Option<usize> {
    let graph = &experiment.graph;
    let is_label = graph.ty(graph.find(&experiment.target)?).dtype == DType::I32;
    if is_label { n_classes(experiment) } else { None }
}

/// Size of the last dimension of the prediction.
pub fn n_classes(experiment: &Experiment) -> Option<usize> {
    match experiment.graph.ty(experiment.graph.output(&experiment.prediction)?).shape.0.last() {
        Some(Dim::Fixed(size)) => Some(*size),
        _ => None,
    }
}

/// What the numbers of a prediction are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One for each class, each the probability of it.
    Probabilities,
    /// One for each class, the largest of the most likely one.
    Scores,
    /// Numbers that mean themselves: a regression.
    Values,
}

impl Kind {
    /// Of the output that the loss compares with the target.
    pub fn of(experiment: &Experiment) -> Kind {
        let graph = &experiment.graph;
        let Some(prediction) = graph.output(&experiment.prediction) else { return Kind::Values };
        let is_list = graph.ty(prediction).shape.rank() == 2;
        let has_labels = graph.find(&experiment.target).is_some_and(|id| graph.ty(id).dtype == DType::I32);
        match graph.op(prediction) {
            Op::Softmax(_) if is_list => Kind::Probabilities,
            _ if is_list && has_labels => Kind::Scores,
            _ => Kind::Values,
        }
    }
}

/// What was done to the target before training, so that predictions can be brought back into its unit; nothing if they
/// are in it.
///
/// # Errors
/// If the target was standardised, but nothing is known of its mean and deviation.
pub fn target_map(experiment: &Experiment, fitted: &Fitted, kind: Kind) -> Result<Option<Affine>, Error> {
    if kind != Kind::Values || experiment.data.is_none() {
        return Ok(None);
    }
    let spec = input_spec(experiment, &experiment.target)?;
    let preprocess = preprocess(experiment, &spec);
    let fit = fitted.of(&experiment.target);
    if preprocess.standardise && fit.standard.is_none() {
        let target = &experiment.target;
        return Err(Error::new(format!("the weights hold no mean and deviation of `{target}`")));
    }
    let affine = preprocess.affine(&fit);
    Ok((!affine.is_identity()).then_some(affine))
}

/// What a picture can be: the inputs apart from the target and the weights.
pub fn feature_inputs(experiment: &Experiment) -> Vec<String> {
    let is_of_loss = |name: &String| *name == experiment.target || experiment.weights.as_ref() == Some(name);
    sample_inputs(experiment).into_iter().filter(|name| !is_of_loss(name)).collect()
}

/// What of [`FitOptions`] the graph file does not say, or a command line or a program says otherwise.
#[derive(Clone, Debug)]
pub struct Chosen {
    /// Passes over the training samples.
    pub epochs: usize,
    /// Samples a step.
    pub batch_size: usize,
    /// The optimizer's learning rate.
    pub learning_rate: f64,
    /// Decides the orders of samples.
    pub seed: u64,
    /// Whether training goes on when a number is not finite.
    pub allow_nonfinite: bool,
    /// How often checkpoints are made.
    pub checkpoints: CheckpointEvery,
}

/// How to train.
///
/// # Errors
/// If a metric is none of such predictions.
pub fn fit_options(experiment: &Experiment, chosen: Chosen, loading: Loading) -> Result<FitOptions, Error> {
    let train = &experiment.train;
    let Chosen { epochs, batch_size, learning_rate, seed, allow_nonfinite, checkpoints } = chosen;
    Ok(FitOptions {
        epochs,
        batch_size,
        learning_rate,
        shuffle: train.shuffle,
        seed,
        loading,
        allow_nonfinite,
        scoring: scoring(experiment)?,
        schedule: train.schedule.clone(),
        accumulate: train.accumulate,
        early_stopping: train.early_stopping.clone(),
        keep_best: train.keep_best,
        infer_averages: train.ema.is_some_and(|ema| ema.evaluate),
        checkpoints,
        receipt: None,
    })
}

/// Files of a training beside its data.
#[derive(Clone, Copy, Debug)]
pub struct BeginFiles<'a> {
    /// Bytes of the graph file.
    pub graph: &'a [u8],
    /// The folder from which the paths of data start.
    pub folder: &'a Path,
    /// Weights to start from.
    pub init: Option<&'a Path>,
}

/// What a training is made of, with the hash of every file that `experiment` reads, and of `files`.
///
/// # Errors
/// If a file cannot be read.
pub fn begin(
    experiment: &Experiment,
    files: BeginFiles<'_>,
    options: &FitOptions,
    limit: Option<usize>,
) -> Result<Begin, TrainError> {
    let BeginFiles { graph, folder, init } = files;
    let parts = [
        ("train", source(experiment, Part::Train)),
        ("validation", validation_source(experiment)),
        ("test", source(experiment, Part::Test)),
    ];
    let mut data = Vec::new();
    for (part, source) in parts {
        if let Some(source) = source {
            data.extend(hash_data(part, &source, folder)?);
        }
    }
    Ok(Begin {
        graph: FileHash::of_bytes(graph),
        data,
        init: init.map(FileHash::of_file).transpose()?,
        seed: options.seed,
        batch_size: options.batch_size,
        limit,
    })
}

/// The metrics that the file asks for beside accuracy, if there are any.
///
/// # Errors
/// If a metric is none of such predictions.
pub fn scoring(experiment: &Experiment) -> Result<Option<Scoring>, Error> {
    let names = experiment.metrics.iter().map(String::as_str);
    Ok(Scoring::new(&experiment.prediction, &experiment.target, outcome(experiment), names)?)
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

/// How much samples of each class count, if the file says it.
pub fn class_weights(experiment: &Experiment) -> Option<ClassWeights> {
    let weights = experiment.class_weights.as_ref()?.iter().map(|&weight| weight as f32).collect();
    Some(ClassWeights { input: SAMPLE_WEIGHT.into(), target: experiment.target.clone(), weights })
}

/// The inputs given anew for every sample, in the order of the file. The others, such as the number of the step that
/// dropout reads, are scalars that training gives, or follow from the classes.
pub fn sample_inputs(experiment: &Experiment) -> Vec<String> {
    let graph = &experiment.graph;
    let follows = |id| experiment.class_weights.is_some() && graph.node(id).name == SAMPLE_WEIGHT;
    let is_batched = |id| graph.ty(id).shape.batch_axis().is_some() && !follows(id);
    let inputs = graph.ids().into_iter().filter(|&id| matches!(graph.op(id), Op::Input(_)) && is_batched(id));
    inputs.map(|id| graph.node(id).name.clone()).collect()
}

/// Tells a scoring what the classes are called.
pub fn name_classes(scoring: &mut Option<Scoring>, experiment: &Experiment, fitted: &Fitted) {
    if let (Some(scoring), Some(names)) = (scoring, fitted.of(&experiment.target).classes) {
        scoring.name_classes(&names);
    }
}

/// Gives the network the weights of a file.
///
/// # Errors
/// If the file cannot be read, or its tensors are not those of the network.
pub fn load_weights(session: &mut Session, path: &Path) -> Result<(), Error> {
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
///
/// # Errors
/// If there is not enough memory.
pub fn weights(session: &mut Session) -> Result<Vec<NamedTensor>, Error> {
    Ok(named(session.inference_parameters()?))
}

/// Tensors for a file.
pub fn named(tensors: Vec<(String, Tensor<f32>)>) -> Vec<NamedTensor> {
    let named = |(name, value): (String, Tensor<f32>)| NamedTensor {
        name,
        shape: value.shape,
        data: TensorData::F32(value.data),
    };
    tensors.into_iter().map(named).collect()
}
