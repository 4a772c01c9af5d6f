//! Numbers that are not finite, as the commands tell of them: where a training's begin, and weights and results that
//! are.

use crate::error::CliError;
use crate::{messages, words};
use graphc_driver::{Explanation, NodeFacts, NonfiniteTensor, SavedState, Session};
use graphc_ir::graph::Role;
use graphc_ir::ops::Op;
use graphc_ir::{Graph, Tensor};
use graphc_train::evaluate::explain_evaluation;
use graphc_train::nonfinite::{Allowed, Noticed, Search};
use graphc_train::weights::write_tensors;
use graphc_train::{
    Dataset, Evaluation, FitError, FitReport, NamedTensor, Network, Nonfinite, NonfiniteFit, TensorData,
};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;

/// What is to be said of a training, and decides its exit code.
#[derive(Debug, Default)]
pub(crate) struct Ending {
    /// What ended it.
    failure: Option<Box<NonfiniteFit>>,
    /// The loss of the test samples, and where it comes from.
    test: Option<TestLoss>,
    /// What was let pass.
    allowed: Vec<Allowed>,
}

#[derive(Debug)]
struct TestLoss {
    loss: f64,
    is_allowed: bool,
    explanation: Option<Explanation>,
    sample: Option<usize>,
}

/// How a test loss that is not finite is looked at.
pub(crate) struct Look<'a> {
    /// It is said, but not searched for.
    pub(crate) is_allowed: bool,
    /// Ends the search.
    pub(crate) stop: &'a AtomicBool,
    /// Where the state goes meanwhile.
    pub(crate) rescue: &'a Rescue,
}

impl Ending {
    /// Takes a training apart that a number ended: what came of it until then is worth as much as of any other.
    pub(crate) fn of(result: Result<FitReport, FitError>) -> Result<(FitReport, Ending), CliError> {
        match result {
            Ok(report) => {
                let allowed = report.nonfinite.clone();
                Ok((report, Ending { allowed, ..Ending::default() }))
            }
            Err(FitError::Nonfinite(mut failure)) => {
                let report = std::mem::take(&mut failure.report);
                Ok((report, Ending { failure: Some(failure), ..Ending::default() }))
            }
            Err(FitError::Train(error)) => Err(error.into()),
        }
    }

    /// Whether a number has ended the training: there are no weights worth a test.
    pub(crate) fn is_failure(&self) -> bool {
        self.failure.is_some()
    }

    /// Finds out where a test loss that is not finite comes from, unless it is allowed.
    pub(crate) fn look_at_test(
        &mut self,
        network: &mut dyn Network,
        data: &Dataset,
        test: &Evaluation,
        look: &Look<'_>,
    ) -> Result<(), CliError> {
        let Look { is_allowed, stop, rescue } = *look;
        if test.nonfinite.is_none() {
            return Ok(());
        }
        let mut state = SavedState::default();
        network.save_state(&mut state)?;
        rescue.write(&state);
        let found = if is_allowed { None } else { explain_evaluation(network, data, &data.split().train, test, stop)? };
        let (explanation, sample) = found.map_or((None, None), |(explanation, sample)| (Some(explanation), sample));
        self.test = Some(TestLoss { loss: test.loss, is_allowed, explanation, sample });
        Ok(())
    }

    /// Writes the state before the step that is to blame, if that is another one than the epoch's start: what the step
    /// made of it can be looked at, and nothing that was learned is lost.
    pub(crate) fn write(&self, folder: &Path) -> Result<(), CliError> {
        let Some(state) = self.failure.as_ref().and_then(|failure| failure.before_step.as_ref()) else { return Ok(()) };
        Ok(write_tensors(&folder.join(BEFORE_STEP), &named(state, |_| true))?)
    }

    /// The error that the command ends with, if it must; warns of what is allowed. `weights` is the file that holds
    /// what is kept.
    pub(crate) fn result(&self, weights: &Path, learning_rate: f64) -> Result<(), CliError> {
        match (&self.failure, &self.test) {
            (Some(failure), _) => Err(CliError::new(failure_text(failure, weights, learning_rate))),
            (None, Some(test)) if test.is_allowed => {
                messages::warning(&format!("the test loss is {}", test.loss));
                Ok(())
            }
            (None, Some(test)) => Err(CliError::new(test_text(test, weights))),
            (None, None) => Ok(()),
        }
    }

    /// The same for scripts; nothing if all is finite.
    pub(crate) fn json(&self) -> Option<Value> {
        match (&self.failure, &self.test) {
            (Some(failure), _) => Some(failure_json(failure)),
            (None, Some(test)) => {
                let mut object = json!({
                    "what": "test_loss",
                    "allowed": test.is_allowed,
                    "message": format!("the test loss is {}", test.loss),
                });
                add_explanation(&mut object, test.explanation.as_ref(), test.sample);
                Some(object)
            }
            (None, None) => self.allowed.first().map(|Allowed { kind, epoch, step, message }| {
                json!({ "what": kind, "epoch": epoch, "step": step, "allowed": true, "message": message })
            }),
        }
    }
}

/// What is kept, written before the search for a cause: it may take minutes, and more memory than there is.
#[derive(Debug)]
pub(crate) struct Rescue {
    weights: PathBuf,
    parameters: BTreeSet<String>,
}

impl Rescue {
    /// Into the file that will hold the weights in the end.
    pub(crate) fn new(weights: PathBuf, graph: &Graph) -> Rescue {
        let parameters = graph.ids().into_iter().filter(|&id| matches!(graph.op(id), Op::Parameter(_)));
        Rescue { weights, parameters: parameters.map(|id| graph.node(id).name.clone()).collect() }
    }

    /// A failure is told when the weights are written again, at the end.
    pub(crate) fn write(&self, state: &SavedState) {
        _ = write_tensors(&self.weights, &named(state, |name| self.parameters.contains(name)));
    }
}

fn named(state: &SavedState, is_meant: impl Fn(&str) -> bool) -> Vec<NamedTensor> {
    let one = |(name, value): (&str, Tensor<f32>)| NamedTensor {
        name: name.to_string(),
        shape: value.shape,
        data: TensorData::F32(value.data),
    };
    state.tensors().filter(|(name, _)| is_meant(name)).map(one).collect()
}

/// Refuses weights of a file that are not finite, unless they are allowed; training warns of them then.
pub(crate) fn check_weights(session: &Session, path: &Path, is_allowed: bool) -> Result<(), CliError> {
    match session.nonfinite_state().as_slice() {
        [first, others @ ..] if !is_allowed => {
            let more = match others.len() {
                0 => String::new(),
                n => format!("\nand {} more", words::counted(n, "tensor")),
            };
            Err(CliError::new(format!(
                "{}: weights that are not finite:\n{first}{more}\n`--allow-nonfinite` trains on from them",
                path.display()
            )))
        }
        _ => Ok(()),
    }
}

/// Warns of results that are not finite.
pub(crate) fn warn_of(outputs: &[(String, Tensor<f64>)]) {
    for (name, value) in outputs {
        if let Some(found) = NonfiniteTensor::find(name, value) {
            messages::warning(&format!("not finite: {found}"));
        }
    }
}

/// Name of that file in the run folder.
const BEFORE_STEP: &str = "before-step.safetensors";

const GO_ON: &str = "`--init` goes on from kept weights; `--allow-nonfinite` trains whatever comes";

fn failure_text(failure: &NonfiniteFit, weights: &Path, learning_rate: f64) -> String {
    let Noticed { what, epoch, .. } = &failure.noticed;
    let mut lines = vec![failure.to_string()];
    let found = match &failure.search {
        Search::Found(cause) => Some(cause),
        Search::Stopped | Search::NotRepeated => None,
    };
    lines.push(advice(found.and_then(|cause| cause.explanation.as_ref()), learning_rate));
    let when = if matches!(what, Nonfinite::ValidationLoss(_)) { "after" } else { "before" };
    lines.push(format!("kept: the weights {when} epoch {epoch}, in {}", weights.display()));
    if failure.before_step.is_some() {
        let step = found.and_then(|cause| cause.step).map_or_else(String::new, |step| format!(" {step}"));
        let path = weights.with_file_name(BEFORE_STEP);
        lines.push(format!("kept: all that training changes, before step{step}, in {}", path.display()));
    }
    lines.push(GO_ON.into());
    lines.join("\n")
}

fn test_text(test: &TestLoss, weights: &Path) -> String {
    let mut lines = vec![format!("the test loss is {}", test.loss)];
    lines.extend(test.explanation.as_ref().map(ToString::to_string));
    lines.extend(test.sample.map(|sample| format!("test sample {sample} of the data, from 0")));
    lines.push(format!("kept: the weights, in {}", weights.display()));
    lines.join("\n")
}

/// What may help.
fn advice(explanation: Option<&Explanation>, learning_rate: f64) -> String {
    let rate = match learning_rate {
        1e-3..1e4 => learning_rate.to_string(),
        _ => format!("{learning_rate:e}"),
    };
    let rate = format!("may help: a learning rate below {rate} (`--lr`), or smaller inputs (`data.scale`)");
    let Some(first) = explanation.and_then(|explanation| explanation.first.as_ref()) else { return rate };
    let is_overflow = first.in_f64.is_none_or(f64::is_finite);
    match first.op {
        "input" if first.name == "learning_rate" => rate,
        "input" => "may help: a look at the data, and at `data.scale` in the graph file".into(),
        _ if is_overflow || first.origin.role != Role::Forward => rate,
        "log" => "may help: keeping what the logarithm reads above 0".into(),
        "div" => "may help: keeping what it divides by away from 0".into(),
        "sqrt" => "may help: keeping what the root is taken of at 0 or above".into(),
        _ => rate,
    }
}

fn failure_json(failure: &NonfiniteFit) -> Value {
    let mut object = noticed_json(&failure.noticed);
    object["allowed"] = json!(false);
    object["message"] = json!(failure.to_string());
    if let Search::Found(cause) = &failure.search {
        object["first_step"] = json!(cause.step);
        add_explanation(&mut object, cause.explanation.as_ref(), cause.sample);
    }
    object
}

fn noticed_json(Noticed { what, epoch, step, .. }: &Noticed) -> Value {
    json!({ "what": what.kind(), "epoch": epoch, "step": step })
}

fn add_explanation(object: &mut Value, explanation: Option<&Explanation>, sample: Option<usize>) {
    object["sample"] = json!(sample);
    object["node"] = explanation.and_then(|explanation| explanation.first.as_ref()).map_or(Value::Null, node_json);
}

/// Numbers that JSON has no word for are texts.
fn node_json(node: &NodeFacts) -> Value {
    json!({
        "op": node.op,
        "name": node.name,
        "layer": &*node.origin.layer,
        "line": node.origin.line,
        "role": node.origin.role.name(),
        "index": node.index,
        "value": node.value.to_string(),
        "parameter": node.parameter.as_ref().map(|parameter| &parameter.name),
    })
}

/// `--allow-nonfinite`, for commands that only compute.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct AllowNonfiniteArg {
    /// Warn of results that are NaN or infinite, and succeed; without it they are an error.
    #[arg(long)]
    allow_nonfinite: bool,
}

impl AllowNonfiniteArg {
    /// Says that results are not finite.
    ///
    /// # Errors
    /// Just that, unless it is allowed.
    pub(crate) fn tell(self, what: &str) -> Result<ExitCode, CliError> {
        if self.allow_nonfinite {
            messages::warning(what);
            return Ok(ExitCode::SUCCESS);
        }
        Err(CliError::new(format!("{what}\n`--allow-nonfinite` makes this a warning")))
    }
}

/// Warns of weights, read from `path`, that are not finite: results need not show it.
pub(crate) fn warn_of_weights(session: &mut Session, path: &Path) -> Result<(), CliError> {
    let parameters = session.parameters()?;
    let counts = parameters.iter().map(|(name, value)| {
        let n_bad = value.data.iter().filter(|value| !value.is_finite()).count();
        (name, n_bad, value.data.len())
    });
    let bad: Vec<_> = counts.filter(|(_, n_bad, _)| *n_bad > 0).collect();
    if let Some((name, n_bad, len)) = bad.first() {
        let others = match bad.len() {
            1 => String::new(),
            n => format!(", and some in {} more", words::counted(n - 1, "tensor")),
        };
        messages::warning(&format!("{}: {n_bad} of {len} weights in `{name}` are not finite{others}", path.display()));
    }
    Ok(())
}
