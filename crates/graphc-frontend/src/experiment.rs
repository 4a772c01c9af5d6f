//! [`Experiment`]: everything a graph file says.

use crate::augment::Inputs;
use crate::blocks::{read_blocks, read_sizes};
use crate::data::{DataConfig, read_data};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::expand::expand;
use crate::fields::{FILE, TRAIN};
use crate::json::{Json, JsonValue, Member, Spanned};
use crate::limits::MAX_NODES;
use crate::loss::{ReadLoss, read_loss};
use crate::metrics;
use crate::network::Network;
use crate::optimizer::{self, OPTIMIZERS};
use crate::parameters::read_parameters;
use crate::parts::Part;
use crate::read::{Record, read, read_one_of};
use crate::training::{EmaConfig, read_early_stopping, read_ema, read_schedule};
use graphc_ir::graph::builder::GraphBuilder;
use graphc_ir::ops::Algorithm;
use graphc_ir::optimizers::{Accumulation, Clipping};
use graphc_ir::{EarlyStopping, Graph, Optimizer, RateSchedule};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A network, how it is trained and on what.
#[derive(Clone, Debug)]
pub struct Experiment {
    /// Name of the network.
    pub name: String,
    /// Forward pass, loss, metrics, and which optimizer.
    pub graph: Graph,
    /// How the training runs.
    pub train: TrainConfig,
    /// Names of the weights that the file keeps from being trained.
    pub frozen: Vec<String>,
    /// Where the data comes from.
    pub data: Option<DataConfig>,
    /// The output that the loss compares with the target.
    pub prediction: String,
    /// The input or node that it is compared with; empty if the loss has no target.
    pub target: String,
    /// Number of classes, if every sample is of one; 2 for yes and no.
    pub classes: Option<usize>,
    /// The input of the samples' weights, if there are any; [`SAMPLE_WEIGHT`] if they follow from the classes.
    pub weights: Option<String>,
    /// The weight of every class in training: what [`SAMPLE_WEIGHT`] is to be filled with.
    pub class_weights: Option<Vec<f64>>,
    /// The inputs that any loss compares with.
    pub targets: Vec<String>,
    /// The inputs that say how much parts of any loss count.
    pub weighting: Vec<String>,
    /// Names of the outputs of several losses, such as `digit_loss`; their sum, each times its weight, is the output
    /// `loss`. None if there is one.
    pub losses: Vec<String>,
    /// Names of the metrics, in the order of the file. The step itself computes `accuracy`; the others are left to
    /// whoever has its predictions.
    pub metrics: Vec<String>,
    /// The inputs, nodes and uses of blocks that the file itself has, in order.
    pub parts: Vec<Part>,
    /// The graph file.
    pub path: PathBuf,
    /// What may be a mistake in it ([`Diagnostics::render_warnings`]); none of a graph without a file.
    pub warnings: Option<Arc<Diagnostics>>,
}

pub use crate::data::CheckData;
pub use crate::loss::SAMPLE_WEIGHT;

/// How the training runs.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainConfig {
    /// Passes over the training data.
    pub epochs: usize,
    /// Samples per step.
    pub batch_size: usize,
    /// Steps of an update.
    pub accumulate: usize,
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
    pub early_stopping: Option<EarlyStopping>,
    /// Whether the best epoch's weights are kept in place of the last one's.
    pub keep_best: bool,
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
    let algorithm = file.text("algorithm").and_then(|name| Algorithm::from_name(&name));
    builder.set_algorithm(algorithm.unwrap_or(Algorithm::Direct));
    let (inputs, nodes) = (file.members("inputs").unwrap_or(&[]), file.items("nodes").unwrap_or(&[]));
    if let Some((optimizer, clipping)) = read_optimizer(&file, diagnostics) {
        builder.optimizer(optimizer);
        clipping.into_iter().for_each(|clipping| builder.clip_gradients(clipping));
    }
    if !can_be_read(&file, inputs.len(), nodes.len(), diagnostics) {
        return None;
    }
    let sizes = read_sizes(file.members("sizes").unwrap_or(&[]), diagnostics);
    let blocks = read_blocks(file.members("blocks").unwrap_or(&[]), diagnostics);
    let expansion = expand(nodes, &blocks, &sizes, inputs.len(), diagnostics)?;
    let network = Network::read(inputs, &expansion, &sizes, &mut builder, diagnostics);
    let loss = read_loss(&file, &network, &mut builder, diagnostics);
    let metrics = read_metrics(&file, loss.as_ref(), &mut builder, diagnostics);
    let compared = loss.as_ref().and_then(|loss| loss.compared.as_ref());
    let classes =
        compared.and_then(|compared| metrics::n_classes(builder.graph(), [compared.prediction.1, compared.target.1]));
    for node in network.unread_nodes() {
        builder.output(node);
    }
    read_parameters(&file, &mut builder, diagnostics);
    let of_loss = loss.iter().flat_map(|loss| loss.targets.iter().chain(&loss.weighting)).map(String::as_str).collect();
    let known = Inputs { names: network.input_names(), nodes: network.input_nodes(), builder: &builder, of_loss };
    let data = read_data(&file, &known, path, check_data, diagnostics);
    let (train, loss) = (train?, loss?);
    let parts = network.parts(builder.graph());
    let frozen = builder.frozen().iter().map(|&id| builder.graph().node(id).name.clone()).collect();
    diagnostics.is_empty().then(|| Experiment {
        name,
        graph: trained(builder.finish(), &train),
        train,
        frozen,
        data,
        prediction: loss.prediction,
        target: loss.target,
        classes,
        weights: loss.weights,
        class_weights: loss.class_weights,
        targets: loss.targets,
        weighting: loss.weighting,
        losses: loss.parts,
        metrics,
        parts,
        path: path.to_path_buf(),
        warnings: None,
    })
}

/// Adds the metrics; their names.
fn read_metrics(
    file: &Record<'_>,
    loss: Option<&ReadLoss>,
    builder: &mut GraphBuilder,
    diagnostics: &mut Diagnostics,
) -> Vec<String> {
    let metrics = file.names("metrics").unwrap_or_default();
    if let Some(compared) = loss.and_then(|loss| loss.compared.as_ref()) {
        metrics::add(&metrics, compared, builder, diagnostics);
    } else if loss.is_some_and(|loss| loss.target.is_empty()) && !metrics.is_empty() {
        let message = "`metrics` compare with the target of the loss, but it has none";
        diagnostics.push(Diagnostic::new(message, file.span_of("metrics"), "expected none"));
    }
    metrics.into_iter().map(|metric| metric.value).collect()
}

/// Whether there are inputs and nodes, and not too many.
fn can_be_read(file: &Record<'_>, n_inputs: usize, n_nodes: usize, diagnostics: &mut Diagnostics) -> bool {
    for (field, n) in [("inputs", n_inputs), ("nodes", n_nodes)] {
        if let Some(json) = file.json(field).filter(|_| n == 0) {
            let message = format!("`{field}` is empty");
            diagnostics.push(Diagnostic::new(message, json.span.clone(), "expected at least one"));
        }
    }
    let n_entries = n_inputs + n_nodes;
    if n_entries > MAX_NODES {
        let span = file.span_of(if n_inputs > n_nodes { "inputs" } else { "nodes" });
        let label = format!("expected at most {MAX_NODES}");
        diagnostics.push(Diagnostic::new(format!("the network has {n_entries} inputs and nodes"), span, label));
    }
    // Without either every name would be reported as unknown.
    n_inputs > 0 && n_nodes > 0 && n_entries <= MAX_NODES
}

/// What `train` says of updates is a part of the graph.
fn trained(mut graph: Graph, train: &TrainConfig) -> Graph {
    graph.averaging = train.ema.map(|ema| ema.averaging);
    graph.accumulation = (train.accumulate > 1).then_some(Accumulation { steps: train.accumulate });
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
        accumulate: train.size("accumulate")?,
        validation_split: train.number("validation_split")?,
        shuffle: train.bool("shuffle")?,
        seed: u64::try_from(train.int("seed")?).ok()?,
        schedule: schedule?,
        ema: ema?,
        early_stopping: early_stopping?,
        keep_best: train.text("keep")? == "best",
    })
}

fn read_optimizer(file: &Record<'_>, diagnostics: &mut Diagnostics) -> Option<(Optimizer, Option<Clipping>)> {
    let json = section_json(file, "optimizer", "adam");
    let (section, record) = read_one_of(&OPTIMIZERS, &json, diagnostics)?;
    let clipping = optimizer::clipping(&record, diagnostics);
    Some((optimizer::of_record(section, &record)?, clipping))
}
