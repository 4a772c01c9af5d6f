//! [`Session`]: a network with its weights, in use.

use crate::error::{Error, Result};
use crate::experiment::{self, Kind};
use crate::input::{Checked, Elements, Signature, TensorInput, check};
use crate::options::SessionOptions;
use graphc_driver::SessionOptions as DriverOptions;
use graphc_frontend::Experiment;
use graphc_ir::graph::Mode;
use graphc_ir::{Graph, Tensor, TensorType};
use graphc_train::data::Fitted;
use graphc_train::run::Stored;
use graphc_train::{ClassWeights, Network, Weighted};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A network with its weights: compiled when a step of a size is first wanted, and kept for that size.
///
/// Inputs are given by name, of any number of samples; how many there are follows from the elements ([`crate::input`]).
/// What is given is what the network takes: what a graph file says under `data`, such as `scale`, is done to files
/// alone, and by [`Session::predict_raw`].
///
/// The learning rate is the optimizer's until [`Session::set_learning_rate`]; dropout counts steps by itself. The same
/// calls give the same bits on every machine, on any number of threads.
pub struct Session {
    pub(crate) session: graphc_driver::Session,
    pub(crate) experiment: Experiment,
    pub(crate) signature: Signature,
    pub(crate) class_weights: Option<ClassWeights>,
    /// What training samples have said of the data.
    pub(crate) fitted: Fitted,
    /// On which schedules are based.
    pub(crate) learning_rate: f64,
    pub(crate) seed: u64,
    /// The training that the next [`Session::fit`] goes on with, and where it stands.
    pub(crate) resumed: Option<(PathBuf, Stored)>,
    /// The last step.
    last: Option<(Mode, usize)>,
}

/// What a training step says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepOutput {
    /// Mean loss of the samples, before the step changed the weights. It may be NaN or infinite: then the step's
    /// weights may be, too.
    pub loss: f32,
    /// Share of the samples that were predicted right, if the network measures it.
    pub accuracy: Option<f32>,
    /// Number of samples.
    pub n_samples: usize,
}

impl Session {
    /// A session of a network that was built, with freshly initialised weights.
    ///
    /// # Errors
    /// If the graph is not valid, or there cannot be as many threads.
    pub fn new(graph: Graph, options: SessionOptions) -> Result<Session> {
        Session::of_experiment(experiment::of_graph(graph), options)
    }

    /// A session of the network in a graph file, with freshly initialised weights. The data it names need not be there.
    ///
    /// # Errors
    /// Everything that is wrong with the file, each mistake with its line.
    pub fn open(path: impl AsRef<Path>, options: SessionOptions) -> Result<Session> {
        Session::of_experiment(experiment::load(path.as_ref())?, options)
    }

    /// A session of the network in the text of a graph file. Data is found from the current folder.
    ///
    /// ```
    /// # use graphc::prelude::*;
    /// # fn main() -> graphc::Result<()> {
    /// let mut session = Session::from_json(
    ///     r#"{ "graphc": 1, "name": "line",
    ///          "inputs": { "x": { "shape": ["N", 2] }, "y": { "shape": ["N", 1] } },
    ///          "nodes": [ { "name": "line", "op": "dense", "inputs": "x", "units": 1 } ],
    ///          "loss": { "op": "mean_squared_error", "prediction": "line", "target": "y" } }"#,
    ///     SessionOptions::default(),
    /// )?;
    /// assert_eq!(session.predict(&[("x", &[[0.0, 0.0]])])?.data, [0.0]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Everything that is wrong with it, each mistake with its line.
    pub fn from_json(text: &str, options: SessionOptions) -> Result<Session> {
        Session::of_experiment(graphc_frontend::parse(text, Path::new("graph.json"))?, options)
    }

    /// A session of what a graph file says.
    ///
    /// # Errors
    /// If the graph is not valid, or there cannot be as many threads.
    pub fn of_experiment(experiment: Experiment, options: SessionOptions) -> Result<Session> {
        let SessionOptions { seed, threads, isa, checked, tuning } = options;
        let seed = seed.unwrap_or(experiment.train.seed);
        let options = DriverOptions { seed, checked, isa, threads, tuning, ..DriverOptions::default() };
        let session = graphc_driver::Session::new(experiment.graph.clone(), options)?;
        let learning_rate = experiment::learning_rate(&experiment);
        Ok(Session {
            signature: Signature::of(&experiment),
            class_weights: experiment::class_weights(&experiment),
            session,
            experiment,
            fitted: Fitted::default(),
            learning_rate,
            seed,
            resumed: None,
            last: None,
        })
    }

    /// The network.
    pub fn graph(&self) -> &Graph {
        &self.experiment.graph
    }

    /// What the graph file says; of a network that was built, what a file that says nothing else would.
    pub fn experiment(&self) -> &Experiment {
        &self.experiment
    }

    /// The compiler's own session, with modes, batch sizes and buffers.
    pub fn driver(&mut self) -> &mut graphc_driver::Session {
        &mut self.session
    }

    /// What the network takes: names and types of its inputs, in the order in which they were made.
    pub fn inputs(&self) -> impl Iterator<Item = (&str, &TensorType)> {
        self.signature.inputs()
    }

    /// Threads that run a step together.
    pub fn threads(&self) -> usize {
        self.session.threads()
    }

    /// Name of the output that [`Session::predict`] gives: what the loss compares with the target, or the only output.
    pub fn prediction(&self) -> Option<&str> {
        Some(self.experiment.prediction.as_str()).filter(|name| !name.is_empty())
    }

    /// What the classes are called, by their numbers, if the data that was trained on has names for them.
    pub fn classes(&self) -> Option<Vec<String>> {
        self.fitted.of(&self.experiment.target).classes
    }

    /// Trains on one batch: forward, loss, backward and the optimizer's update. Every input must be given.
    ///
    /// ```
    /// # use graphc::prelude::*;
    /// # fn main() -> graphc::Result<()> {
    /// # let mut net = GraphBuilder::new("net");
    /// # let x = net.input("x", DType::F32, Shape::batched(&[2]))?;
    /// # let y = net.input("y", DType::I32, Shape::batched(&[]))?;
    /// # let scores = net.dense("scores", x, &Dense { activation: Some(Activation::Softmax), ..Dense::new(3) })?;
    /// # net.loss(Loss::CategoricalCrossentropy, scores, y)?;
    /// # net.optimizer(Optimizer::by_name("adam")?);
    /// let mut session = Session::new(net.finish(), SessionOptions::default())?;
    /// let (x, y): (Vec<f32>, Vec<i32>) = (vec![0.1, 0.2, 0.3, 0.4], vec![2, 0]);
    /// let step = session.train_step(&[("x", &x), ("y", &y)])?;
    /// assert!(step.loss > 0.0 && step.n_samples == 2);
    /// assert_eq!(session.output("scores")?.shape, [2, 3]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// If an input is missing, unknown, or does not fit; the network has no loss or no optimizer; or a label is no
    /// class. No weight is changed then.
    pub fn train_step(&mut self, inputs: &[(&str, &dyn TensorInput)]) -> Result<StepOutput> {
        let checked = check(&self.signature, inputs)?;
        self.signature.check_complete(&checked)?;
        let n_samples = checked.n_samples;
        self.set(Mode::Train, &checked, 0..n_samples)?;
        self.step(Mode::Train, n_samples)?;
        self.resumed = None;
        let scalar = |name: &str| self.session.scalar(Mode::Train, n_samples, name);
        let has_accuracy = self.experiment.graph.output("accuracy").is_some();
        let accuracy = if has_accuracy { Some(scalar("accuracy")?) } else { None };
        Ok(StepOutput { loss: scalar("loss")?, accuracy, n_samples })
    }

    /// The network's prediction for any number of samples, as the first dimension: at the size of a graph file's
    /// batches, or 64, one batch after the other. The target need not be given.
    ///
    /// # Errors
    /// If an input that the prediction needs is missing, one is unknown or does not fit, or the network has several
    /// outputs and no loss that says which is the prediction.
    pub fn predict(&mut self, inputs: &[(&str, &dyn TensorInput)]) -> Result<Tensor<f32>> {
        let checked = check(&self.signature, inputs)?;
        let Some(name) = self.prediction().map(str::to_owned) else {
            let outputs: Vec<String> = self.graph().outputs.iter().map(|output| format!("`{}`", output.name)).collect();
            let outputs = outputs.join(", ");
            return Err(Error::new(format!("which output is the prediction? There are {outputs}; `infer` gives all")));
        };
        if let Some(missing) = self.missing_for(&name, &checked) {
            return Err(Error::new(format!("the input {missing} is missing: `{name}` is computed from it")));
        }
        let is_cut = self.graph().output(&name).is_some_and(|id| self.graph().ty(id).shape.batch_axis() == Some(0));
        let most = if is_cut { self.experiment.train.batch_size.max(1) } else { checked.n_samples };
        let mut whole: Option<Tensor<f32>> = None;
        for start in (0..checked.n_samples).step_by(most) {
            let samples = start..checked.n_samples.min(start + most);
            let n = samples.len();
            self.set(Mode::Infer, &checked, samples)?;
            self.step(Mode::Infer, n)?;
            let part = self.session.output(Mode::Infer, n, &name)?;
            match &mut whole {
                None => whole = Some(part),
                Some(whole) => {
                    whole.shape[0] += n;
                    whole.data.extend(part.data);
                }
            }
        }
        whole.ok_or_else(|| Error::new("there are no samples to predict for"))
    }

    /// As [`Session::predict`], for values as they stand in the data files of the session's graph file: what it says
    /// under `data` is done to them (`scale`, `offset`, `standardise`), and undone on the prediction of a regression,
    /// which is in the unit of its target. Mean and deviation come with the weights ([`Session::load`]).
    ///
    /// # Errors
    /// As [`Session::predict`], or if mean and deviation are not known.
    pub fn predict_raw(&mut self, inputs: &[(&str, &dyn TensorInput)]) -> Result<Tensor<f32>> {
        let mut made = Vec::new();
        for &(name, value) in inputs {
            let sizes = value.sizes();
            let prepared = match value.elements() {
                Elements::F32(values) => Some(self.prepared(name, values)?),
                Elements::I32(_) => None,
            };
            made.push((name, value, prepared.map(|values| Prepared { values, sizes })));
        }
        let inputs: Vec<(&str, &dyn TensorInput)> = made
            .iter()
            .map(|(name, value, made)| (*name, made.as_ref().map_or(*value, |made| made as &dyn TensorInput)))
            .collect();
        let mut prediction = self.predict(&inputs)?;
        let kind = Kind::of(&self.experiment);
        if let Some(map) = experiment::target_map(&self.experiment, &self.fitted, kind)? {
            let len = prediction.data.len().checked_div(prediction.shape.first().copied().unwrap_or(1)).unwrap_or(1);
            for (at, value) in prediction.data.iter_mut().enumerate() {
                *value = map.invert(f64::from(*value), at % len.max(1)) as f32;
            }
        }
        Ok(prediction)
    }

    /// What the network gets for values of a data file.
    fn prepared(&self, name: &str, values: &[f32]) -> Result<Vec<f32>> {
        let spec = experiment::input_spec(&self.experiment, name)?;
        let preprocess = experiment::preprocess(&self.experiment, &spec);
        let fit = self.fitted.of(name);
        if preprocess.standardise && fit.standard.is_none() {
            return Err(Error::new(format!(
                "the session knows no mean and deviation of `{name}`: load weights that do"
            )));
        }
        let (map, len) = (preprocess.affine(&fit), spec.sample_shape.iter().product::<usize>().max(1));
        Ok(values.iter().enumerate().map(|(at, &value)| map.apply(value.into(), at % len) as f32).collect())
    }

    /// Every output that follows from the given inputs, in inference: without the target no loss and no accuracy. All
    /// samples are one batch.
    ///
    /// # Errors
    /// If no output follows from them, or an input is unknown or does not fit.
    pub fn infer(&mut self, inputs: &[(&str, &dyn TensorInput)]) -> Result<BTreeMap<String, Tensor<f32>>> {
        let checked = check(&self.signature, inputs)?;
        let outputs = self.experiment.graph.outputs.iter().map(|output| output.name.clone());
        let names: Vec<String> = outputs.filter(|name| self.missing_for(name, &checked).is_none()).collect();
        if names.is_empty() {
            let outputs = &self.experiment.graph.outputs;
            let missing = outputs.first().and_then(|output| self.missing_for(&output.name, &checked));
            let missing = missing.map_or_else(String::new, |input| format!("; the input {input} is missing"));
            return Err(Error::new(format!("no output follows from what is given{missing}")));
        }
        let n = checked.n_samples;
        self.set(Mode::Infer, &checked, 0..n)?;
        self.step(Mode::Infer, n)?;
        let read = |name: String| Ok((name.clone(), self.session.output(Mode::Infer, n, &name)?));
        names.into_iter().map(read).collect()
    }

    /// An output of the last step, whichever it was.
    ///
    /// # Errors
    /// If there was no step, or it has no such output.
    pub fn output(&self, name: &str) -> Result<Tensor<f32>> {
        let (mode, n) = self.last.ok_or_else(|| Error::new("no step has been made"))?;
        Ok(self.session.output(mode, n, name)?)
    }

    /// The learning rate that [`Session::train_step`] takes, and on which schedules of [`Session::fit`] are based.
    pub fn learning_rate(&self) -> f64 {
        self.learning_rate
    }

    /// Sets the learning rate from now on.
    ///
    /// # Errors
    /// If it is not finite in single precision, or the network has no optimizer.
    pub fn set_learning_rate(&mut self, rate: f64) -> Result<()> {
        self.session.set_learning_rate(rate)?;
        self.learning_rate = rate;
        Ok(())
    }

    /// Training steps made so far. Dropout draws its masks by it.
    pub fn steps(&self) -> i32 {
        self.session.steps()
    }

    /// Weights and moving statistics by name, in the order of the network.
    ///
    /// # Errors
    /// If there is not enough memory.
    pub fn parameters(&mut self) -> Result<Vec<(String, Tensor<f32>)>> {
        Ok(self.session.parameters()?)
    }

    /// Replaces a parameter, for example `hidden.kernel`.
    ///
    /// # Errors
    /// If there is no such parameter, or its shape is another one.
    pub fn set_parameter(&mut self, name: &str, value: &Tensor<f32>) -> Result<()> {
        self.session.set_parameter(name, value)?;
        self.resumed = None;
        Ok(())
    }

    /// Gives some samples of the inputs to a step.
    fn set(&mut self, mode: Mode, checked: &Checked<'_>, samples: std::ops::Range<usize>) -> Result<()> {
        let n = samples.len();
        for &(name, elements, sample_len) in &checked.inputs {
            // An input that no step of the mode reads, such as the target where nothing is compared with it, is not
            // there.
            if mode == Mode::Infer && !self.session.has_input(mode, n, name)? {
                continue;
            }
            let elements = sample_len.map_or(elements, |len| elements.of_samples(samples.clone(), len));
            match elements {
                Elements::F32(values) => self.session.set_input_f32(mode, n, name, values)?,
                Elements::I32(values) => self.session.set_input_i32(mode, n, name, values)?,
            }
        }
        Ok(())
    }

    fn step(&mut self, mode: Mode, n: usize) -> Result<()> {
        Weighted::new(&mut self.session, self.class_weights.as_ref()).step(mode, n)?;
        self.last = Some((mode, n));
        Ok(())
    }

    /// An input of samples that an output is computed from and that is not given, with its type.
    fn missing_for(&self, output: &str, checked: &Checked<'_>) -> Option<String> {
        self.signature.missing(self.session.needed_inputs(output)?, checked)
    }
}

/// What the network gets in place of what was given.
struct Prepared {
    values: Vec<f32>,
    sizes: Option<Vec<usize>>,
}

impl TensorInput for Prepared {
    fn elements(&self) -> Elements<'_> {
        Elements::F32(&self.values)
    }

    fn sizes(&self) -> Option<Vec<usize>> {
        self.sizes.clone()
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Session { experiment, learning_rate, seed, .. } = self;
        let mut text = f.debug_struct("Session");
        text.field("network", &experiment.name).field("learning_rate", learning_rate).field("seed", seed);
        text.finish_non_exhaustive()
    }
}
