//! [`Experiment`]: everything a graph file says.

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::fields::{DATA, FILE, Field, LOSSES, OPTIMIZERS, TRAIN};
use crate::json::{Json, JsonValue, Member, Spanned};
use crate::limits::MAX_NODES;
use crate::network::{Network, does_not_fit};
use crate::read::{Record, list, read, read_one_of, wrong_kind};
use crate::training::{EarlyStoppingConfig, EmaConfig, read_early_stopping, read_ema, read_schedule};
use graphc_ir::graph::builder::{GraphBuilder, Loss};
use graphc_ir::text::{cut, shown};
use graphc_ir::{Averaging, Graph, NodeId, Optimizer, RateSchedule};
use std::collections::{HashMap, HashSet};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// A network, how it is trained and on what.
#[derive(Clone, Debug)]
pub struct Experiment {
    /// Name of the network.
    pub name: String,
    /// Forward pass, loss, metrics, and which optimizer.
    pub graph: Graph,
    /// How the training runs.
    pub train: TrainConfig,
    /// Where the data comes from.
    pub data: Option<DataConfig>,
    /// The output that the loss compares with the target.
    pub prediction: String,
    /// The input that it is compared with.
    pub target: String,
    /// The graph file.
    pub path: PathBuf,
}

/// How the training runs.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainConfig {
    /// Passes over the training data.
    pub epochs: usize,
    /// Samples per step.
    pub batch_size: usize,
    /// Share of the training data, from its end, kept for validation.
    pub validation_split: f64,
    /// Whether every epoch takes the samples in another order.
    pub shuffle: bool,
    /// Seed of the initial weights and of the shuffling.
    pub seed: u64,
    /// How the learning rate changes.
    pub schedule: RateSchedule,
    /// Whether averages of the weights are kept.
    pub ema: Option<EmaConfig>,
    /// When it ends before the last epoch.
    pub early_stopping: Option<EarlyStoppingConfig>,
    /// Whether the best epoch's weights are kept in place of the last one's.
    pub keep_best: bool,
}

/// A file of each input, in the order of the graph file's `inputs`.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct DataFiles(pub Vec<(String, PathBuf)>);

impl DataFiles {
    /// The file of an input.
    pub fn get(&self, input: &str) -> Option<&Path> {
        self.0.iter().find(|(name, _)| name == input).map(|(_, path)| path.as_path())
    }
}

/// Where the data comes from.
#[derive(Clone, Debug, PartialEq)]
pub struct DataConfig {
    /// Factor on the values of `f32` inputs, but not on a target that is read from a file.
    pub scale: f64,
    /// What gives the values.
    pub source: DataSource,
}

/// What gives the values of the inputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DataSource {
    /// Files in the format of MNIST. Paths are relative to the current directory, not to the graph file.
    Idx {
        /// Training data.
        train: DataFiles,
        /// Test data.
        test: Option<DataFiles>,
    },
    /// Random samples in the shapes of the inputs.
    Synthetic {
        /// Number of training samples.
        samples: usize,
        /// Number of test samples.
        test_samples: Option<usize>,
        /// Seed of everything that is random in them.
        seed: u64,
    },
}

/// Whether a missing data file is a mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckData {
    /// It is.
    Yes,
    /// Data files are not looked at.
    No,
}

/// Reads the whole file; what is wrong goes to `diagnostics`, and there is a result only if
/// nothing is.
pub(crate) fn read_experiment(
    json: &Json,
    path: &Path,
    check_data: CheckData,
    diagnostics: &mut Diagnostics,
) -> Option<Experiment> {
    let file = read("the graph file", &[FILE.fields], json, diagnostics)?;
    let train = read_train(&file, diagnostics);
    let name = file.text("name").unwrap_or_default();
    let mut builder = GraphBuilder::new(&name);
    builder.set_largest_batch(train.as_ref().map_or(1, |train| train.batch_size));
    let (inputs, nodes) = (file.members("inputs").unwrap_or(&[]), file.items("nodes").unwrap_or(&[]));
    for (field, empty) in [("inputs", inputs.is_empty()), ("nodes", nodes.is_empty())] {
        if let Some(json) = file.json(field).filter(|_| empty) {
            let message = format!("`{field}` is empty");
            diagnostics.push(Diagnostic::new(message, json.span.clone(), "expected at least one"));
        }
    }
    if let Some(optimizer) = read_optimizer(&file, diagnostics) {
        builder.optimizer(optimizer);
    }
    if inputs.is_empty() || nodes.is_empty() {
        return None; // Otherwise every name would be reported as unknown.
    }
    let n_entries = inputs.len() + nodes.len();
    if n_entries > MAX_NODES {
        let span = file.span_of(if inputs.len() > nodes.len() { "inputs" } else { "nodes" });
        let label = format!("expected at most {MAX_NODES}");
        diagnostics.push(Diagnostic::new(format!("the network has {n_entries} inputs and nodes"), span, label));
        return None;
    }
    let network = Network::read(inputs, nodes, &mut builder, diagnostics);
    let loss = read_loss(&file, &network, &mut builder, diagnostics);
    if let Some((Some(prediction), Some(target))) = loss.as_ref().map(|loss| (loss.prediction.1, loss.target.1)) {
        read_metrics(&file, loss.as_ref(), [prediction, target], &mut builder, diagnostics);
    }
    for node in network.unread_nodes() {
        builder.output(node);
    }
    let data = read_data(&file, &network, path, check_data, diagnostics);
    let (train, loss) = (train?, loss?);
    let (prediction, target) = (loss.prediction.0, loss.target.0);
    let averaging = train.ema.map(|ema| ema.averaging);
    diagnostics.is_empty().then(|| Experiment {
        name,
        graph: averaged(builder.finish(), averaging),
        train,
        data,
        prediction,
        target,
        path: path.to_path_buf(),
    })
}

fn averaged(mut graph: Graph, averaging: Option<Averaging>) -> Graph {
    graph.averaging = averaging;
    graph
}

/// The object in a field, or an empty one if it is not there.
fn section_json(file: &Record<'_>, field: &str, empty: &str) -> Json {
    let text = Spanned { value: JsonValue::Object(Vec::new()), span: file.span.clone() };
    match (file.json(field), empty) {
        (Some(json), _) => json.clone(),
        (None, "") => text,
        (None, op) => {
            let string = |text: &str| Spanned { value: text.to_string(), span: file.span.clone() };
            let value = Spanned { value: JsonValue::String(op.to_string()), span: file.span.clone() };
            let members = vec![Member { key: string("op"), value }];
            Spanned { value: JsonValue::Object(members), span: file.span.clone() }
        }
    }
}

fn read_train(file: &Record<'_>, diagnostics: &mut Diagnostics) -> Option<TrainConfig> {
    let json = section_json(file, "train", "");
    let train = read("`train`", &[TRAIN.fields], &json, diagnostics)?;
    let schedule = read_schedule(file, &train, diagnostics);
    let ema = read_ema(&train, diagnostics);
    let early_stopping = read_early_stopping(file, &train, diagnostics);
    Some(TrainConfig {
        epochs: train.size("epochs")?,
        batch_size: train.size("batch_size")?,
        validation_split: train.number("validation_split")?,
        shuffle: train.bool("shuffle")?,
        seed: u64::try_from(train.int("seed")?).ok()?,
        schedule: schedule?,
        ema: ema?,
        early_stopping: early_stopping?,
        keep_best: train.text("keep")? == "best",
    })
}

/// Name and node of what the loss compares; the node is `None` if it is wrong.
struct LossNodes {
    prediction: (String, Option<NodeId>),
    target: (String, Option<NodeId>),
    spans: [std::ops::Range<usize>; 2],
}

fn read_loss(
    file: &Record<'_>,
    network: &Network<'_>,
    builder: &mut GraphBuilder,
    diagnostics: &mut Diagnostics,
) -> Option<LossNodes> {
    let json = file.json("loss")?;
    let (op, record) = read_one_of(&LOSSES, json, diagnostics)?;
    let mut named = |field: &str| {
        let name = record.names(field)?.into_iter().next()?;
        let target = network.find(&name, diagnostics)?;
        Some((name, target))
    };
    let (prediction, target) = (named("prediction"), named("target"));
    let ((prediction_name, prediction), (target_name, target)) = (prediction?, target?);
    if prediction.is_input {
        let message = "the loss must compare a node, but its prediction is an input";
        diagnostics.push(Diagnostic::new(message, prediction_name.span, "expected the name of a node"));
        return None;
    }
    if !target.is_input {
        let message = "the loss must compare with an input, but its target is a node";
        diagnostics.push(Diagnostic::new(message, target_name.span, "expected the name of an input"));
        return None;
    }
    if let (Some(p), Some(t)) = (prediction.node, target.node) {
        let loss = Loss::ALL.into_iter().find(|loss| loss.name() == op.name)?;
        builder.set_line(diagnostics.line(json.span.start) as u32);
        if let Err(error) = builder.loss(loss, p, t) {
            let operands = [(prediction.span.clone(), p), (target.span.clone(), t)];
            diagnostics.push(does_not_fit(&error, record.span_of("op"), &operands, builder));
            return None;
        }
    }
    Some(LossNodes {
        prediction: (prediction_name.value, prediction.node),
        target: (target_name.value, target.node),
        spans: [prediction.span, target.span],
    })
}

/// `accuracy` is the only metric so far.
fn read_metrics(
    file: &Record<'_>,
    loss: Option<&LossNodes>,
    [prediction, target]: [NodeId; 2],
    builder: &mut GraphBuilder,
    diagnostics: &mut Diagnostics,
) {
    let (Some(metrics), Some(loss)) = (file.names("metrics"), loss) else { return };
    for (position, metric) in metrics.iter().enumerate() {
        if let Some(first) = metrics[..position].iter().find(|first| first.value == metric.value) {
            let message = format!("the metric `{}` is listed twice", metric.value);
            diagnostics.push(
                Diagnostic::new(message, metric.span.clone(), "again here").note(first.span.clone(), "first here"),
            );
            continue;
        }
        builder.set_line(diagnostics.line(metric.span.start) as u32);
        if let Err(error) = builder.accuracy(prediction, target) {
            let [at_prediction, at_target] = loss.spans.clone();
            let operands = [(at_prediction, prediction), (at_target, target)];
            diagnostics.push(does_not_fit(&error, metric.span.clone(), &operands, builder));
        }
    }
}

fn read_optimizer(file: &Record<'_>, diagnostics: &mut Diagnostics) -> Option<Optimizer> {
    let json = section_json(file, "optimizer", "adam");
    let (op, record) = read_one_of(&OPTIMIZERS, &json, diagnostics)?;
    let learning_rate = record.number("learning_rate")?;
    if op.name == "sgd" {
        let (momentum, nesterov) = (record.number("momentum")?, record.bool("nesterov")?);
        return Some(Optimizer::Sgd { learning_rate, momentum, nesterov });
    }
    let has = |field: &str| op.fields.iter().any(|f: &Field| f.name == field);
    Some(Optimizer::Adam {
        learning_rate,
        beta1: record.number("beta1")?,
        beta2: record.number("beta2")?,
        epsilon: record.number("epsilon")?,
        weight_decay: if has("weight_decay") { record.number("weight_decay")? } else { 0.0 },
    })
}

fn read_data(
    file: &Record<'_>,
    network: &Network<'_>,
    path: &Path,
    check: CheckData,
    diagnostics: &mut Diagnostics,
) -> Option<DataConfig> {
    let json = file.json("data")?;
    let (format, data) = read_one_of(&DATA, json, diagnostics)?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let inputs = network.input_names();
    let mut files = |field: &str| {
        let json = data.json(field)?;
        read_files(field, json, &inputs, folder, check, diagnostics)
    };
    let source = if format.name == "idx" {
        let (train, test) = (files("train"), files("test"));
        DataSource::Idx { train: train?, test }
    } else {
        DataSource::Synthetic {
            samples: data.size("samples")?,
            test_samples: data.size("test_samples"),
            seed: u64::try_from(data.int("seed")?).ok()?,
        }
    };
    Some(DataConfig { scale: data.number("scale")?, source })
}

/// A file for every input and for nothing else.
fn read_files(
    field: &str,
    json: &Json,
    inputs: &[&str],
    folder: &Path,
    check: CheckData,
    diagnostics: &mut Diagnostics,
) -> Option<DataFiles> {
    let JsonValue::Object(members) = &json.value else { return None };
    let known: HashSet<&str> = inputs.iter().copied().collect();
    let expected = format!("expected one of {}", list(inputs.iter().copied()));
    for member in members {
        let name = &member.key.value;
        if !known.contains(name.as_str()) {
            let message = format!("`{field}` has a file for `{}`, which is no input", shown(name));
            let close = diagnostics.closest(name, inputs.iter().copied());
            diagnostics.push(Diagnostic::new(message, member.key.span.clone(), &*expected).did_you_mean(close));
        }
    }
    let given: HashMap<&str, &Member> = members.iter().map(|member| (member.key.value.as_str(), member)).collect();
    let mut files = Vec::new();
    for &input in inputs {
        let named = shown(input);
        let Some(member) = given.get(input) else {
            let open = json.span.start..json.span.start + 1;
            let label = format!("expected `{named}` and a file name");
            diagnostics.push(Diagnostic::new(format!("`{field}` lacks a file for the input `{named}`"), open, label));
            continue;
        };
        let JsonValue::String(name) = &member.value.value else {
            wrong_kind(&format!("the file of `{named}`"), "a string", &member.value, diagnostics);
            continue;
        };
        let path = folder.join(name);
        if check == CheckData::Yes
            && let Some(why) = not_a_file(&path)
        {
            let message = format!("the data file for `{named}` {why}");
            let label = format!("tried {}", cut(&path.to_string_lossy(), MAX_PATH_CHARS));
            diagnostics.push(Diagnostic::new(message, member.value.span.clone(), label));
        }
        files.push((input.to_string(), path));
    }
    Some(DataFiles(files))
}

/// Most characters of a path in a message.
const MAX_PATH_CHARS: usize = 200;

/// Why there is no data to be read at `path`.
fn not_a_file(path: &Path) -> Option<String> {
    match std::fs::metadata(path) {
        Ok(found) if found.is_file() => None,
        Ok(found) if found.is_dir() => Some("is a folder".into()),
        Ok(_) => Some("is not a regular file".into()),
        Err(error) if error.kind() == ErrorKind::NotFound => Some("does not exist".into()),
        Err(error) => Some(format!("cannot be read: {error}")),
    }
}
