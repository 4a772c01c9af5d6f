//! A graph with its parameters, compiled on demand.

use crate::error::DriverError;
use crate::options::CompileOptions;
use crate::pipeline::{StageTime, compile};
use crate::tuning::Tuning;
use graphc_codegen::Isa;
use graphc_ir::graph::{Graph, Mode};
use graphc_ir::loops::{Buffer, BufferKind};
use graphc_ir::ops::{Initializer, Op};
use graphc_ir::tensor::Tensor;
use graphc_runtime::{Executable, Team};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;
use std::time::Duration;

mod explain;
mod state;

pub use explain::{Explanation, NodeFacts, OperandFacts, ParameterFacts};
pub use state::{NonfiniteTensor, SavedState};

/// Words of an input that are worth the meeting of all threads.
const FEWEST_SHARED_WORDS: usize = 8 << 10;

/// Options of a session.
#[derive(Clone, Debug, Default)]
pub struct SessionOptions {
    /// Decides the initial parameters.
    pub seed: u64,
    /// Bounds-check every access of the compiled code.
    pub checked: bool,
    /// Which instructions to use.
    pub isa: Isa,
    /// Make gradients outputs `grad.<parameter>` of training steps.
    pub gradients: bool,
    /// Leave parameters as they are in training steps (to look at losses and gradients only).
    pub frozen: bool,
    /// Threads that run a step together, the calling one included. 0 and 1, the default, are the calling thread alone.
    /// Results do not depend on it.
    pub threads: usize,
    /// Where choices of the schedules come from. Results do not depend on it.
    pub tuning: Tuning,
}

/// How long a compilation took.
#[derive(Clone, Debug)]
pub struct CompileTimes {
    /// All of it.
    pub total: Duration,
    /// Stage by stage.
    pub stages: Vec<StageTime>,
    /// What the code was made for, for example `x86-64 avx2 fma, 128-bit`.
    pub target: String,
    /// Whether [`SessionOptions::tuning`] had choices for it.
    pub is_tuned: bool,
}

/// A graph, its parameter values, and executables cached per mode and batch size.
///
/// ```no_run
/// # use graphc_driver::{Session, SessionOptions};
/// # use graphc_ir::graph::{Graph, Mode};
/// # fn main() -> Result<(), graphc_driver::DriverError> {
/// # let graph = Graph::new("g");
/// let mut session = Session::new(graph, SessionOptions::default())?;
/// session.set_input_f32(Mode::Train, 64, "image", &[0.0; 64 * 784])?;
/// session.step(Mode::Train, 64)?;
/// let loss = session.output(Mode::Train, 64, "loss")?;
/// # Ok(()) }
/// ```
pub struct Session {
    graph: Graph,
    options: SessionOptions,
    entries: BTreeMap<(bool, usize), Entry>,
    /// Parameters and optimizer state by name, as of `version` if no executable holds newer ones.
    state: BTreeMap<String, Tensor<f32>>,
    /// The executable that holds the newest state.
    owner: Option<(bool, usize)>,
    version: u64,
    team: Team,
}

struct Entry {
    executable: Executable,
    times: CompileTimes,
    version: u64,
}

fn key(mode: Mode, batch: usize) -> (bool, usize) {
    (mode == Mode::Infer, batch)
}

impl Session {
    /// A session with freshly initialised parameters.
    ///
    /// # Errors
    /// If the graph is not valid, or there cannot be as many threads.
    pub fn new(graph: Graph, options: SessionOptions) -> Result<Session, DriverError> {
        let findings: Vec<String> = graphc_ir::graph::verify::verify(&graph).iter().map(ToString::to_string).collect();
        if !findings.is_empty() {
            return Err(DriverError::InvalidGraph(findings));
        }
        let state = initial_state(&graph, options.seed);
        let team = Team::new(options.threads)?;
        Ok(Session { graph, options, entries: BTreeMap::new(), state, owner: None, version: 1, team })
    }

    /// Threads that run a step together.
    pub fn threads(&self) -> usize {
        self.team.n_members()
    }

    /// The graph as given.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// Compiles for a mode and batch size, unless that has happened before.
    ///
    /// # Errors
    /// If compilation fails.
    pub fn compile(&mut self, mode: Mode, batch: usize) -> Result<&CompileTimes, DriverError> {
        self.entry(mode, batch).map(|entry| &entry.times)
    }

    /// Whether the step of that mode has an input of that name.
    ///
    /// # Errors
    /// If compilation fails.
    pub fn has_input(&mut self, mode: Mode, batch: usize, name: &str) -> Result<bool, DriverError> {
        Ok(self.entry(mode, batch)?.executable.program().find(BufferKind::Input, name).is_some())
    }

    /// Sets an `f32` input from elements in row-major order.
    ///
    /// # Errors
    /// If there is no such input or the number of elements is wrong.
    pub fn set_input_f32(&mut self, mode: Mode, batch: usize, name: &str, values: &[f32]) -> Result<(), DriverError> {
        Ok(self.entry(mode, batch)?.executable.set(BufferKind::Input, name, values)?)
    }

    /// Sets an `i32` input from elements in row-major order.
    ///
    /// # Errors
    /// If there is no such input or the number of elements is wrong.
    pub fn set_input_i32(&mut self, mode: Mode, batch: usize, name: &str, values: &[i32]) -> Result<(), DriverError> {
        Ok(self.entry(mode, batch)?.executable.set_i32(BufferKind::Input, name, values)?)
    }

    /// The words of an input, to be written in the layout of its buffer; words of no element must stay zero.
    ///
    /// # Errors
    /// If there is no such input.
    pub fn input_words(&mut self, mode: Mode, batch: usize, name: &str) -> Result<(&Buffer, &mut [u32]), DriverError> {
        Ok(self.entry(mode, batch)?.executable.words_mut(BufferKind::Input, name)?)
    }

    /// Has the words of an input written in the layout of its buffer: `fill` gets the number of every chunk of samples (there is one alone where
    /// samples do not go in chunks) and its words. The threads of the session fill different chunks at the same time.
    ///
    /// # Errors
    /// If there is no such input.
    pub fn fill_input(
        &mut self,
        mode: Mode,
        batch: usize,
        name: &str,
        fill: &(dyn Fn(usize, &mut [u32]) + Sync),
    ) -> Result<(), DriverError> {
        self.entry(mode, batch)?;
        let entry = self.entries.get_mut(&key(mode, batch)).expect("compiled above");
        let (buffer, words) = entry.executable.words_mut(BufferKind::Input, name)?;
        let chunk = buffer.layout.chunk_stride.max(1);
        if words.len() < FEWEST_SHARED_WORDS {
            words.chunks_mut(chunk).enumerate().for_each(|(number, words)| fill(number, words));
        } else {
            self.team.for_each_part(words, chunk, fill);
        }
        Ok(())
    }

    /// Runs once. In training mode the parameters change.
    ///
    /// # Errors
    /// If compilation fails, or a checked access misses its buffer.
    pub fn step(&mut self, mode: Mode, batch: usize) -> Result<(), DriverError> {
        let key = key(mode, batch);
        self.entry(mode, batch)?;
        self.bring_up_to_date(key)?;
        let entry = self.entries.get_mut(&key).expect("compiled above");
        let result = entry.executable.step_on(&mut self.team);
        if mode == Mode::Train && !self.options.frozen {
            self.version += 1;
            self.owner = Some(key);
        }
        entry.version = self.version;
        Ok(result?)
    }

    /// A result of the last step at that mode and batch size, row-major.
    ///
    /// # Errors
    /// If there was no such step or there is no such output.
    pub fn output(&self, mode: Mode, batch: usize, name: &str) -> Result<Tensor<f32>, DriverError> {
        Ok(self.compiled(mode, batch)?.executable.get(BufferKind::Output, name)?)
    }

    /// A scalar `f32` result of the last step at that mode and batch size.
    ///
    /// # Errors
    /// If there was no such step, there is no such output, or it is no scalar.
    pub fn scalar(&self, mode: Mode, batch: usize, name: &str) -> Result<f32, DriverError> {
        Ok(self.compiled(mode, batch)?.executable.scalar(BufferKind::Output, name)?)
    }

    fn compiled(&self, mode: Mode, batch: usize) -> Result<&Entry, DriverError> {
        let entry = self.entries.get(&key(mode, batch));
        entry.ok_or_else(|| DriverError::Options(format!("no {} step of batch size {batch} has run", mode.name())))
    }

    /// Names of the outputs of a compiled step.
    ///
    /// # Errors
    /// If compilation fails.
    pub fn output_names(&mut self, mode: Mode, batch: usize) -> Result<Vec<String>, DriverError> {
        let program = self.entry(mode, batch)?.executable.program();
        let outputs = program.buffers.iter().filter(|buffer| buffer.kind == BufferKind::Output);
        Ok(outputs.map(|buffer| buffer.name.clone()).collect())
    }

    /// Weights and moving statistics by name, in the order of the graph.
    ///
    /// # Errors
    /// If an executable cannot be read.
    pub fn parameters(&mut self) -> Result<Vec<(String, Tensor<f32>)>, DriverError> {
        self.pull()?;
        let is_parameter = |id: &graphc_ir::NodeId| matches!(self.graph.op(*id), Op::Parameter(_));
        let names = self.graph.ids().into_iter().filter(is_parameter).map(|id| self.graph.node(id).name.clone());
        Ok(names.map(|name| (name.clone(), self.state[&name].clone())).collect())
    }

    /// Everything the optimizer keeps between steps, by name.
    ///
    /// # Errors
    /// If an executable cannot be read.
    pub fn optimizer_state(&mut self) -> Result<Vec<(String, Tensor<f32>)>, DriverError> {
        self.pull()?;
        let is_weight =
            |name: &str| self.graph.find(name).is_some_and(|id| matches!(self.graph.op(id), Op::Parameter(_)));
        Ok(self.state.iter().filter(|(name, _)| !is_weight(name)).map(|(n, t)| (n.clone(), t.clone())).collect())
    }

    /// Replaces a parameter.
    ///
    /// # Errors
    /// If there is no such parameter or its shape is another one.
    pub fn set_parameter(&mut self, name: &str, value: &Tensor<f32>) -> Result<(), DriverError> {
        self.pull()?;
        let Some(slot) = self.state.get_mut(name) else {
            let known: Vec<&str> = self.state.keys().map(String::as_str).collect();
            return Err(DriverError::Options(format!("no parameter `{name}`; there are {}", known.join(", "))));
        };
        if slot.shape != value.shape {
            let (expected, got) = (&slot.shape, &value.shape);
            return Err(DriverError::Options(format!("parameter `{name}` has shape {expected:?}, got {got:?}")));
        }
        *slot = value.clone();
        self.owner = None;
        self.version += 1;
        Ok(())
    }

    fn entry(&mut self, mode: Mode, batch: usize) -> Result<&mut Entry, DriverError> {
        let key = key(mode, batch);
        if !self.entries.contains_key(&key) {
            let options = self.compile_options(mode, batch);
            let compiled = compile(&self.graph, &options)?;
            let mut executable = compiled.executable;
            if let Some(optimizer) = self.graph.optimizer.as_ref().filter(|_| options.update)
                && executable.program().find(BufferKind::Input, "learning_rate").is_some()
            {
                executable.set(BufferKind::Input, "learning_rate", &[optimizer.learning_rate() as f32])?;
            }
            let lowered = compiled.lowered;
            let times = CompileTimes {
                total: compiled.time,
                stages: lowered.times,
                target: compiled.target,
                is_tuned: lowered.is_tuned,
            };
            self.entries.insert(key, Entry { executable, times, version: 0 });
        }
        Ok(self.entries.get_mut(&key).expect("inserted above"))
    }

    fn compile_options(&self, mode: Mode, batch: usize) -> CompileOptions {
        let train = mode == Mode::Train;
        CompileOptions {
            mode,
            checked: self.options.checked,
            isa: self.options.isa,
            gradients: self.options.gradients && train,
            update: train && !self.options.frozen,
            tuning: self.options.tuning.clone(),
            ..CompileOptions::train(batch)
        }
    }

    /// Gives an executable the newest state.
    fn bring_up_to_date(&mut self, key: (bool, usize)) -> Result<(), DriverError> {
        if self.entries.get(&key).is_none_or(|entry| entry.version == self.version) {
            return Ok(());
        }
        let mut entry = self.entries.remove(&key).expect("found above");
        let result = self.copy_newest_state(&mut entry.executable);
        if result.is_ok() {
            entry.version = self.version;
        }
        self.entries.insert(key, entry);
        result
    }

    fn copy_newest_state(&self, executable: &mut Executable) -> Result<(), DriverError> {
        if let Some(owner) = self.owner.and_then(|owner| self.entries.get(&owner)) {
            return Ok(executable.copy_state_from(&owner.executable)?);
        }
        for name in state_names(executable) {
            // Optimizer state that no step has touched yet is missing: it starts at zero, as the arena does.
            if let Some(tensor) = self.state.get(&name) {
                executable.set(BufferKind::State, &name, &tensor.data)?;
            }
        }
        Ok(())
    }

    /// Copies the newest state out of the executable that holds it.
    fn pull(&mut self) -> Result<(), DriverError> {
        if let Some(owner) = self.owner.and_then(|owner| self.entries.get(&owner)) {
            for name in state_names(&owner.executable) {
                let tensor = owner.executable.get(BufferKind::State, &name)?;
                self.state.insert(name, tensor);
            }
        }
        Ok(())
    }
}

fn state_names(executable: &Executable) -> Vec<String> {
    let state = executable.program().buffers.iter().filter(|buffer| buffer.kind == BufferKind::State);
    state.map(|buffer| buffer.name.clone()).collect()
}

/// First values of all parameters. Each parameter draws from a stream of its own, so that adding a
/// layer leaves the others as they were.
pub(crate) fn initial_state(graph: &Graph, seed: u64) -> BTreeMap<String, Tensor<f32>> {
    let mut state = BTreeMap::new();
    for id in graph.ids() {
        let Op::Parameter(parameter) = graph.op(id) else { continue };
        let name = graph.node(id).name.clone();
        let sizes = parameter.shape.sizes(None);
        let tensor = match parameter.initializer {
            Initializer::Constant(value) => Tensor::full(&sizes, value),
            Initializer::GlorotUniform => {
                let mut rng = ChaCha8Rng::seed_from_u64(seed);
                rng.set_stream(stream_of(&name));
                let limit = (6.0 / fans(&sizes)).sqrt() as f32;
                Tensor::from_fn(&sizes, |_| (2.0 * rng.random::<f32>() - 1.0) * limit)
            }
        };
        state.insert(name, tensor);
    }
    state
}

/// Sum of fan-in and fan-out (Keras): the last two sizes times the receptive field before them.
fn fans(sizes: &[usize]) -> f64 {
    match sizes {
        [] => 2.0,
        [size] => 2.0 * *size as f64,
        [field @ .., fan_in, fan_out] => (field.iter().product::<usize>() * (fan_in + fan_out)) as f64,
    }
}

/// FNV-1a of a name.
fn stream_of(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
