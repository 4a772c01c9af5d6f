//! What the weights of a run do with samples that they were not trained on: classes, the samples that are most wrong,
//! predictions against what is true.

use super::judge::{Judge, YES_OR_NO};
use super::sample::{Describer, Sample};
use crate::error::CliError;
use graphc::experiment;
use graphc_driver::{Session, SessionOptions};
use graphc_frontend::Experiment;
use graphc_train::data::Fitted;
use graphc_train::metrics::{ClassCounts, Scorer};
use graphc_train::predict::each_prediction;
use graphc_train::weights::read_fitted;
use graphc_train::{Dataset, Outcome, Portion, Scoring, TrainError, Weighted};
use serde_json::Value;
use std::path::Path;

/// Pictures and rows that are shown.
pub(super) const N_WORST: usize = 24;
/// Most pairs of truth and prediction that are drawn; of more, evenly chosen ones.
const MOST_PAIRS: usize = 1500;

/// What was found.
pub(super) struct Findings {
    /// `test` or `validation`.
    pub(super) part: &'static str,
    pub(super) n_samples: usize,
    /// If samples are of classes.
    pub(super) classes: Option<ClassCounts>,
    /// The most wrong first.
    pub(super) worst: Vec<Sample>,
    /// True and predicted numbers, if those are what is predicted.
    pub(super) pairs: Vec<(f64, f64)>,
    /// What the target is called.
    pub(super) target: String,
}

/// Has the weights of a run predict its test samples, or else those it validates on.
///
/// # Errors
/// If there are no weights or no data, or they do not fit.
pub(super) fn look(folder: &Path, record: &Value, graph_path: &Path) -> Result<Findings, CliError> {
    let weights = folder.join("model.safetensors");
    if !weights.exists() {
        let why = match record["results"]["status"].as_str() {
            Some("running") => "the run is still going on",
            _ => "the run has not come to its end",
        };
        return Err(CliError::new(format!("{why}, so there is no `model.safetensors` yet")));
    }
    let path = folder.join("graph.json");
    let graph = graphc_frontend::read_file(&path)?;
    // The data is named relative to where the graph file was.
    let experiment = graphc_frontend::parse_bytes(&graph, graph_path)?;
    let fitted = read_fitted(&weights)?;
    let mut session = Session::new(experiment.graph.clone(), SessionOptions::default())?;
    session.reserve_memory("the data", experiment::test_bytes(&experiment))?;
    experiment::load_weights(&mut session, &weights)?;
    let Data { set, part, samples } = data(&experiment, &fitted, record, session.threads())?;
    if samples.is_empty() {
        return Err(CliError::new("the graph file names no data to test with, and none validates"));
    }
    let class_weights = experiment::class_weights(&experiment);
    let mut network = Weighted::new(&mut session, class_weights.as_ref());
    let judge = Judge::new(&experiment, &fitted)?;
    let scoring = scoring(&experiment, &fitted)?;
    let mut looker = Looker {
        judge: &judge,
        set: &set,
        scorer: scoring.as_ref().map(Scorer::new),
        stride: samples.len().div_ceil(MOST_PAIRS),
        n_seen: 0,
        worst: Vec::new(),
        pairs: Vec::new(),
    };
    let (output, batch_size) = (&experiment.prediction, experiment.train.batch_size);
    let portion = Portion { dataset: &set, samples: &samples, batch_size };
    each_prediction(&mut network, portion, output, |sample, row| looker.add(sample, row))?;
    looker.prune();
    let describer = Describer::new(&experiment, &fitted)?;
    let describe = |Candidate { sample, row, truth, .. }: &Candidate| {
        describer.sample(&set, *sample, judge.verdict(row, truth)).map_err(CliError::from)
    };
    Ok(Findings {
        part,
        n_samples: samples.len(),
        worst: looker.worst.iter().map(describe).collect::<Result<_, _>>()?,
        classes: looker.scorer.and_then(|scorer| scorer.scores().classes),
        pairs: looker.pairs,
        target: experiment.target.clone(),
    })
}

/// Counts how classes are predicted, if there are any.
fn scoring(experiment: &Experiment, fitted: &Fitted) -> Result<Option<Scoring>, CliError> {
    let outcome = experiment::outcome(experiment);
    if outcome == Outcome::Values {
        return Ok(None);
    }
    let scoring = Scoring::new(&experiment.prediction, &experiment.target, outcome, ["confusion_matrix"])?;
    let mut scoring = scoring.map(|scoring| scoring.read_as(experiment::reading(experiment)));
    if let Some(scoring) = scoring.as_mut().filter(|_| outcome == Outcome::YesOrNo) {
        scoring.name_classes(&YES_OR_NO.map(String::from));
    }
    experiment::name_classes(&mut scoring, experiment, fitted);
    Ok(scoring)
}

/// Samples that were not trained on.
struct Data {
    set: Dataset,
    part: &'static str,
    samples: Vec<u32>,
}

fn data(experiment: &Experiment, fitted: &Fitted, record: &Value, n_threads: usize) -> Result<Data, CliError> {
    if experiment.data.is_none() {
        return Err(CliError::new("the graph file has no `data`"));
    }
    if let Some(test) = experiment::test_data(experiment, n_threads)? {
        let set = test.apply(fitted)?;
        let samples = set.split().train.clone();
        return Ok(Data { set, part: "test", samples });
    }
    let limit = record["config"]["limit"].as_u64().map(|limit| limit as usize);
    let seed = record["seed"].as_u64().unwrap_or(experiment.train.seed);
    let set = experiment::training_data(experiment, limit, seed, n_threads)?;
    let samples = set.split().validation.clone();
    Ok(Data { set, part: "validation", samples })
}

/// A sample that may be among the worst.
struct Candidate {
    sample: u32,
    loss: f64,
    row: Vec<f32>,
    truth: Vec<u32>,
}

/// Looks at predictions one by one.
struct Looker<'a> {
    judge: &'a Judge<'a>,
    set: &'a Dataset,
    scorer: Option<Scorer<'a>>,
    /// Of so many samples one is drawn.
    stride: usize,
    n_seen: usize,
    worst: Vec<Candidate>,
    pairs: Vec<(f64, f64)>,
}

impl Looker<'_> {
    fn add(&mut self, sample: u32, row: &[f32]) -> Result<(), TrainError> {
        let truth = self.set.words(self.judge.target(), sample as usize)?;
        let loss = self.judge.loss(row, &truth);
        if let Some(scorer) = &mut self.scorer {
            scorer.add(row, &self.judge.targets(&truth));
        } else if self.n_seen.is_multiple_of(self.stride) {
            self.pairs.extend(self.judge.pairs(row, &truth));
        }
        self.n_seen += 1;
        self.worst.push(Candidate { sample, loss, row: row.to_vec(), truth });
        if self.worst.len() > 4 * N_WORST {
            self.prune();
        }
        Ok(())
    }

    /// Keeps the worst, of equal ones the first.
    fn prune(&mut self) {
        self.worst.sort_by(|a, b| b.loss.total_cmp(&a.loss).then(a.sample.cmp(&b.sample)));
        self.worst.truncate(N_WORST);
    }
}
