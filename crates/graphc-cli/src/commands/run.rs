//! `graphc run`.

use crate::engine::{Bindings, Engine, check_memory, evaluate};
use crate::error::CliError;
use crate::numbers::seed;
use crate::sizes::SizeArgs;
use crate::tuned::TuningArg;
use crate::{messages, nonfinite};
use clap::ValueEnum;
use graphc::experiment;
use graphc_driver::session::Integers;
use graphc_driver::{CompileOptions, Session, SessionOptions};
use graphc_frontend::Experiment;
use graphc_ir::graph::{Mode, Role};
use graphc_ir::ops::Op;
use graphc_ir::{DType, Graph, NodeId, Tensor};
use graphc_train::data::Fitted;
use graphc_train::weights::{check_weights, read_fitted, read_tensors, write_tensors};
use graphc_train::{NamedTensor, TensorData, check_writable};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Evaluate a network once on given tensors.
///
/// For debugging, scripting and comparing with other frameworks. The inputs are tensors by input name, of any batch
/// size, and the step gets them as they are: `scale` and whatever else the graph file says under `data` is not applied,
/// unless with --preprocess. The results are the outputs by node name, with `loss` and the metrics. In inference mode
/// the target may be left out, and with it the loss. No weights are changed.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The graph file.
    file: PathBuf,
    #[command(flatten)]
    sizes: SizeArgs,
    /// The weights; without them, fresh ones from the seed.
    #[arg(long, short, value_name = "WEIGHTS")]
    weights: Option<PathBuf>,
    /// Tensors by input name (safetensors).
    #[arg(long, value_name = "FILE")]
    inputs: PathBuf,
    /// Treat inputs as training treats data: multiply those of type f32, but not the target, by `data.scale`.
    #[arg(long)]
    preprocess: bool,
    /// Where the results go (safetensors).
    #[arg(long, value_name = "FILE")]
    outputs: PathBuf,
    /// Also write `grad.PARAMETER`, the gradient of the loss, for every trainable parameter (training mode).
    #[arg(long)]
    gradients: bool,
    /// Batch or moving statistics, with or without dropout [default: infer, or train with --gradients].
    #[arg(long, value_enum)]
    mode: Option<ModeArg>,
    /// Who computes.
    #[arg(long, value_enum, default_value_t = Engine::Jit)]
    engine: Engine,
    /// Seed of fresh weights [default: as in the graph file].
    #[arg(long, conflicts_with = "weights", value_parser = seed)]
    seed: Option<u64>,
    /// Compile with a bounds check on every memory access.
    #[arg(long)]
    checked: bool,
    #[command(flatten)]
    tuning: TuningArg,
}

const EXAMPLES: &str = "\
Examples:
  graphc run net.graph.json --weights model.safetensors --inputs x.safetensors --outputs y.safetensors
  graphc run net.graph.json --inputs x.safetensors --outputs y.safetensors --gradients --engine graph-f64
  graphc run net.graph.json --inputs pixels.safetensors --outputs y.safetensors --preprocess";

/// [`Mode`] on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ModeArg {
    /// As in a training step.
    Train,
    /// As in use.
    Infer,
}

impl From<ModeArg> for Mode {
    fn from(mode: ModeArg) -> Mode {
        match mode {
            ModeArg::Train => Mode::Train,
            ModeArg::Infer => Mode::Infer,
        }
    }
}

pub(crate) fn run(args: &Args) -> Result<ExitCode, CliError> {
    let mode = match (args.mode, args.gradients) {
        (Some(ModeArg::Infer), true) => return Err(CliError::new("--gradients needs --mode train")),
        (Some(mode), _) => mode.into(),
        (None, true) => Mode::Train,
        (None, false) => Mode::Infer,
    };
    let experiment = args.sizes.load(&args.file)?;
    check_writable(&args.outputs)?;
    let graph = &experiment.graph;
    let mut given = Inputs::read(&args.inputs, graph)?;
    let missing = experiment.targets.iter().find(|target| !given.bindings.contains_key(*target));
    let missing = missing.filter(|_| mode == Mode::Infer);
    if args.preprocess {
        let fitted = args.weights.as_deref().map(read_fitted).transpose()?.unwrap_or_default();
        given.preprocess(&experiment, &fitted)?;
    }
    given.fill_in(&experiment, missing.is_some())?;
    let base =
        if mode == Mode::Train { CompileOptions::train(given.batch) } else { CompileOptions::infer(given.batch) };
    let (gradients, checked, tuning) = (args.gradients, args.checked, args.tuning.tuning());
    let options = CompileOptions { gradients, update: false, checked, tuning, ..base };
    check_memory(args.engine, graph, &options)?;
    let mut bindings = given.bindings;
    bindings.extend(parameters(&experiment, args)?);
    let mut outputs = evaluate(args.engine, graph, &options, &bindings)?;
    if let Some(target) = missing {
        outputs.retain(|(name, _)| !needs_target(graph, name));
        messages::warning(&format!("no input `{target}`: outputs that need it are left out"));
    }
    nonfinite::warn_of(&outputs);
    let named = outputs.into_iter().map(|(name, value)| NamedTensor {
        name,
        shape: value.shape.clone(),
        data: match args.engine {
            Engine::GraphF64 => TensorData::F64(value.data),
            _ => TensorData::F32(value.cast().data),
        },
    });
    write_tensors(&args.outputs, &named.collect::<Vec<_>>())?;
    Ok(ExitCode::SUCCESS)
}

/// Inputs as given, with the batch size they have.
struct Inputs<'a> {
    path: &'a Path,
    bindings: Bindings,
    batch: usize,
}

impl<'a> Inputs<'a> {
    fn read(path: &'a Path, graph: &Graph) -> Result<Inputs<'a>, CliError> {
        let tensors = read_tensors(path)?;
        let inputs = inputs(graph);
        let mut bindings = Bindings::new();
        let mut batch: Option<(usize, String)> = None;
        for (name, tensor) in tensors {
            let Some(&node) = inputs.get(name.as_str()) else {
                let known: Vec<String> = inputs.keys().map(|name| format!("`{name}`")).collect();
                let message =
                    format!("{}: the network has no input `{name}`; it has {}", path.display(), known.join(", "));
                return Err(CliError::new(message));
            };
            let ty = graph.ty(node);
            let found = ty.shape.batch_axis().and_then(|axis| tensor.shape.get(axis)).copied();
            let n = found.unwrap_or(1);
            if n == 0 || tensor.shape != ty.shape.sizes(Some(n)) {
                let message = format!("tensor `{name}` has shape {:?}, the input takes {}", tensor.shape, ty.shape);
                return Err(CliError::new(format!("{}: {message}", path.display())));
            }
            if ty.dtype == DType::I32 && tensor.data.as_i32().is_none() {
                let message = format!("tensor `{name}` must hold integers");
                return Err(CliError::new(format!("{}: {message}", path.display())));
            }
            match (&batch, found) {
                (Some((size, first)), Some(n)) if *size != n => {
                    let message = format!("`{first}` has {size} samples, `{name}` has {n}");
                    return Err(CliError::new(format!("{}: {message}", path.display())));
                }
                (None, Some(n)) => batch = Some((n, name.clone())),
                _ => {}
            }
            bindings.insert(name, Tensor::new(tensor.shape, tensor.data.to_f64()));
        }
        Ok(Inputs { path, bindings, batch: batch.map_or(1, |(size, _)| size) })
    }

    /// Does to the inputs what is done to data: in single precision, whichever engine computes with them.
    fn preprocess(&mut self, experiment: &Experiment, fitted: &Fitted) -> Result<(), CliError> {
        if experiment.data.is_none() {
            let path = experiment.path.display();
            return Err(CliError::new(format!("{path}: no `data`, so --preprocess has nothing to apply")));
        }
        for name in experiment::feature_inputs(experiment) {
            let spec = experiment::input_spec(experiment, &name)?;
            let (preprocess, fit) = (experiment::preprocess(experiment, &spec), fitted.of(&name));
            if preprocess.standardise && fit.standard.is_none() {
                let weights = "--preprocess needs --weights that hold the mean and deviation of";
                return Err(CliError::new(format!("{weights} `{name}`")));
            }
            if let Some(tensor) = self.bindings.get_mut(&name).filter(|_| spec.dtype == DType::F32) {
                tensor.data = preprocess.affine(&fit).rounded(&tensor.data);
            }
        }
        Ok(())
    }

    /// Scalars such as dropout's step counter are 0 unless given; so is the target if its loss is not wanted. Samples
    /// count alike.
    fn fill_in(&mut self, experiment: &Experiment, without_target: bool) -> Result<(), CliError> {
        let graph = &experiment.graph;
        for (name, node) in inputs(graph) {
            if self.bindings.contains_key(name) {
                continue;
            }
            let shape = &graph.ty(node).shape;
            let is_one_of = |names: &[String]| names.iter().any(|other| other == name);
            let (is_weight, is_target) = (is_one_of(&experiment.weighting), is_one_of(&experiment.targets));
            if shape.rank() > 0 && !is_weight && !(without_target && is_target) {
                let message = format!("no tensor for the input `{name}` of shape {shape}");
                return Err(CliError::new(format!("{}: {message}", self.path.display())));
            }
            self.bindings.insert(name.to_string(), Tensor::full(&shape.sizes(Some(self.batch)), f64::from(is_weight)));
        }
        check_integers(&experiment.graph, &self.bindings)
    }
}

/// Labels and what is looked up must be within their range; what is computed of others is NaN.
fn check_integers(graph: &Graph, bindings: &Bindings) -> Result<(), CliError> {
    for (name, id) in inputs(graph) {
        let (Some(allowed), Some(values)) = (Integers::of(graph, id), bindings.get(name)) else { continue };
        if let Some(at) = allowed.first_outside(values.data.iter().map(|&value| value as i32)) {
            let sample = at / graph.ty(id).shape.fixed_len();
            return Err(CliError::new(allowed.refusal(name, sample, values.data[at] as i64)));
        }
    }
    Ok(())
}

fn inputs(graph: &Graph) -> BTreeMap<&str, NodeId> {
    let is_input = |id: &NodeId| matches!(graph.op(*id), Op::Input(_));
    graph.ids().into_iter().filter(is_input).map(|id| (graph.node(id).name.as_str(), id)).collect()
}

fn needs_target(graph: &Graph, output: &str) -> bool {
    graph.output(output).is_some_and(|id| matches!(graph.node(id).origin.role, Role::Loss | Role::Metric))
}

/// Weights of the file, in its precision, or fresh ones.
fn parameters(experiment: &Experiment, args: &Args) -> Result<Bindings, CliError> {
    let fresh = fresh_parameters(experiment, args.seed)?;
    let Some(path) = &args.weights else { return Ok(fresh) };
    let tensors = read_tensors(path)?;
    let expected: Vec<_> = fresh.into_iter().map(|(name, value)| (name, value.shape)).collect();
    check_weights(path, &tensors, &expected)?;
    let value = |(name, tensor): (String, NamedTensor)| (name, Tensor::new(tensor.shape, tensor.data.to_f64()));
    Ok(tensors.into_iter().map(value).collect())
}

/// Parameters as training would start with.
pub(super) fn fresh_parameters(experiment: &Experiment, seed: Option<u64>) -> Result<Bindings, CliError> {
    let seed = seed.unwrap_or(experiment.train.seed);
    let options = SessionOptions { seed, threads: 1, ..SessionOptions::default() };
    let mut session = Session::new(experiment.graph.clone(), options)?;
    Ok(session.parameters()?.into_iter().map(|(name, value)| (name, value.cast())).collect())
}
