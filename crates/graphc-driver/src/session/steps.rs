//! A session: executables on demand, and the steps they make.

use super::inputs::{Pending, Shared, Signature, Value};
use super::options::{CompileTimes, SessionOptions};
use super::parameters::initial_state;
use crate::error::DriverError;
use crate::memory::{MemoryBudget, parameter_bytes};
use crate::options::CompileOptions;
use crate::pipeline::compile;
use crate::threads::default_threads;
use graphc_ir::DType;
use graphc_ir::graph::builder::STEP_INPUT;
use graphc_ir::graph::{Graph, Mode};
use graphc_ir::loops::{Buffer, BufferKind};
use graphc_ir::ops::Op;
use graphc_ir::optimizers::LEARNING_RATE;
use graphc_ir::tensor::Tensor;
use graphc_runtime::{Executable, Team};
use std::collections::BTreeMap;

/// Words of an input that are worth the meeting of all threads.
const FEWEST_SHARED_WORDS: usize = 8 << 10;

/// A graph, its parameter values, and executables cached per mode and batch size.
///
/// Inputs with a batch dimension belong to a mode and a batch size; they keep their values from step to step. Those
/// without one, such as the scalar `learning_rate`, are the session's: once set they hold for every mode and batch
/// size. Dropout's scalar `step` counts training steps by itself.
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
    pub(super) graph: Graph,
    pub(super) options: SessionOptions,
    pub(super) entries: BTreeMap<(bool, usize), Entry>,
    /// Parameters and optimizer state by name, as of `version` if no executable holds newer ones; made when they are
    /// first wanted.
    pub(super) state: Option<BTreeMap<String, Tensor<f32>>>,
    /// The executable that holds the newest state.
    pub(super) owner: Option<(bool, usize)>,
    pub(super) version: u64,
    pub(super) team: Team,
    pub(super) signature: Signature,
    pub(super) shared: Shared,
    /// Number of the next training step.
    pub(super) steps: i32,
    /// Of what the machine had when this session first wanted some.
    pub(super) memory: Option<MemoryBudget>,
    /// Whether inference steps read averages where there are any.
    pub(super) infers_averages: bool,
}

pub(super) struct Entry {
    pub(super) executable: Executable,
    pub(super) times: CompileTimes,
    pub(super) version: u64,
    pub(super) pending: Pending,
    /// Whether it counts steps.
    pub(super) reads_step: bool,
    /// Whether outputs are those of a step.
    pub(super) has_run: bool,
}

pub(super) fn key(mode: Mode, batch: usize) -> (bool, usize) {
    (mode == Mode::Infer, batch)
}

impl Session {
    /// A session with freshly initialised parameters.
    ///
    /// # Errors
    /// If the graph is not valid, its learning rate is not finite in single precision, or there cannot be as many
    /// threads.
    pub fn new(graph: Graph, options: SessionOptions) -> Result<Session, DriverError> {
        let findings: Vec<String> = graphc_ir::graph::verify::verify(&graph).iter().map(ToString::to_string).collect();
        if !findings.is_empty() {
            return Err(DriverError::InvalidGraph(findings));
        }
        let n_threads = if options.threads == 0 { default_threads() } else { options.threads };
        let team = Team::adaptive(n_threads)?;
        let signature = Signature::of(&graph);
        let mut shared = Shared::default();
        if let Some(optimizer) = &graph.optimizer {
            let rate = optimizer.learning_rate() as f32;
            check_rate(rate)?;
            shared.keep(LEARNING_RATE, Value::F32(&[rate]));
        }
        Ok(Session {
            graph,
            options,
            entries: BTreeMap::new(),
            state: None,
            owner: None,
            version: 1,
            team,
            signature,
            shared,
            steps: 0,
            memory: None,
            infers_averages: false,
        })
    }

    /// Threads that run a step together: fewer than asked for if the system gave no more.
    pub fn threads(&self) -> usize {
        self.team.n_members()
    }

    /// The graph as given.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// Speaks for memory that the caller needs beside the session, so that steps are refused for which there would be
    /// too little.
    ///
    /// # Errors
    /// If there is not as much.
    pub fn reserve_memory(&mut self, what: &str, bytes: u64) -> Result<(), DriverError> {
        Ok(self.memory.get_or_insert_with(MemoryBudget::of_machine).take(what, bytes)?)
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

    /// Names of the inputs that an output of the graph is computed from; nothing if there is no such output.
    pub fn needed_inputs(&self, output: &str) -> Option<impl Iterator<Item = &str>> {
        Some(self.signature.needed(output)?.iter().map(String::as_str))
    }

    /// Sets an `f32` input from elements in row-major order: for that mode and batch size, or for all of them if it has
    /// no batch dimension.
    ///
    /// # Errors
    /// If there is no such input, the number of elements is wrong, or it is a learning rate that is not finite.
    pub fn set_input_f32(&mut self, mode: Mode, batch: usize, name: &str, values: &[f32]) -> Result<(), DriverError> {
        if let (LEARNING_RATE, [rate]) = (name, values) {
            check_rate(*rate)?;
        }
        self.set_input(mode, batch, name, Value::F32(values))
    }

    /// Sets an `i32` input from elements in row-major order: for that mode and batch size, or for all of them if it has
    /// no batch dimension. Dropout's `step` goes on counting from what it is set to.
    ///
    /// # Errors
    /// If there is no such input, the number of elements is wrong, or a label is no class.
    pub fn set_input_i32(&mut self, mode: Mode, batch: usize, name: &str, values: &[i32]) -> Result<(), DriverError> {
        self.signature.check_integers(name, values)?;
        self.set_input(mode, batch, name, Value::I32(values))?;
        if let (STEP_INPUT, [step]) = (name, values) {
            self.steps = *step;
        }
        Ok(())
    }

    fn set_input(&mut self, mode: Mode, batch: usize, name: &str, value: Value<'_>) -> Result<(), DriverError> {
        let is_shared = !self.signature.is_batched(name);
        let entry = self.entry(mode, batch)?;
        value.write(&mut entry.executable, name)?;
        entry.pending.set(name);
        if is_shared {
            self.shared.keep(name, value);
            for entry in self.entries.values_mut() {
                if entry.executable.program().find(BufferKind::Input, name).is_some() {
                    value.write(&mut entry.executable, name)?;
                    entry.pending.set(name);
                }
            }
        }
        Ok(())
    }

    /// Sets the learning rate of all training steps from now on.
    ///
    /// # Errors
    /// If it is not finite in single precision, or the graph has no optimizer.
    pub fn set_learning_rate(&mut self, rate: f64) -> Result<(), DriverError> {
        let rate = rate as f32;
        check_rate(rate)?;
        if self.graph.optimizer.is_none() {
            return Err(DriverError::Options("the graph has no optimizer whose learning rate could be set".to_owned()));
        }
        self.shared.keep(LEARNING_RATE, Value::F32(&[rate]));
        for entry in self.entries.values_mut() {
            if entry.executable.program().find(BufferKind::Input, LEARNING_RATE).is_some() {
                Value::F32(&[rate]).write(&mut entry.executable, LEARNING_RATE)?;
            }
        }
        Ok(())
    }

    /// Number of the next training step: as many as have been made, unless it was set. Dropout draws its masks by it.
    pub fn steps(&self) -> i32 {
        self.steps
    }

    /// Goes on counting training steps from there, for example where another session has ended.
    pub fn set_steps(&mut self, steps: i32) {
        self.steps = steps;
    }

    /// The words of an input with a batch dimension, to be written in the layout of its buffer; words of no element
    /// must stay zero. Labels are looked at when the step is made.
    ///
    /// # Errors
    /// If there is no such input.
    pub fn input_words(&mut self, mode: Mode, batch: usize, name: &str) -> Result<(&Buffer, &mut [u32]), DriverError> {
        self.signature.must_be_batched(name)?;
        let entry = self.entry(mode, batch)?;
        entry.pending.set_unseen(name);
        Ok(entry.executable.words_mut(BufferKind::Input, name)?)
    }

    /// Has the words of an input written in the layout of its buffer: `fill` gets the number of every chunk of samples
    /// (there is one alone where samples do not go in chunks) and its words. The threads of the session fill different
    /// chunks at the same time. As [`Session::input_words`] in everything else.
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
        self.signature.must_be_batched(name)?;
        self.entry(mode, batch)?;
        let entry = self.entries.get_mut(&key(mode, batch)).expect("compiled above");
        entry.pending.set_unseen(name);
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
    /// If compilation fails, an input has never been set (in inference one that every output needs), a label is no
    /// class, or a checked access misses its buffer.
    pub fn step(&mut self, mode: Mode, batch: usize) -> Result<(), DriverError> {
        let key = key(mode, batch);
        self.entry(mode, batch)?;
        self.bring_up_to_date(key)?;
        let entry = self.entries.get_mut(&key).expect("compiled above");
        self.signature.check_step(mode, batch, &mut entry.pending, &mut entry.executable)?;
        if entry.reads_step {
            entry.executable.set_i32(BufferKind::Input, STEP_INPUT, &[self.steps])?;
        }
        let result = entry.executable.step_on(&mut self.team);
        if mode == Mode::Train {
            self.steps = self.steps.wrapping_add(1);
            if !self.options.frozen {
                self.version += 1;
                self.owner = Some(key);
            }
        }
        entry.version = self.version;
        entry.has_run = result.is_ok();
        Ok(result?)
    }

    /// A result of the last step at that mode and batch size, row-major.
    ///
    /// # Errors
    /// If there was no such step, there is no such output, or it needs an input that was not set.
    pub fn output(&self, mode: Mode, batch: usize, name: &str) -> Result<Tensor<f32>, DriverError> {
        Ok(self.stepped(mode, batch, name)?.executable.get(BufferKind::Output, name)?)
    }

    /// A scalar `f32` result of the last step at that mode and batch size.
    ///
    /// # Errors
    /// As [`Session::output`], or if it is no scalar.
    pub fn scalar(&self, mode: Mode, batch: usize, name: &str) -> Result<f32, DriverError> {
        Ok(self.stepped(mode, batch, name)?.executable.scalar(BufferKind::Output, name)?)
    }

    fn stepped(&self, mode: Mode, batch: usize, output: &str) -> Result<&Entry, DriverError> {
        let entry = self.entries.get(&key(mode, batch)).filter(|entry| entry.has_run);
        let entry = entry
            .ok_or_else(|| DriverError::Options(format!("no {} step of batch size {batch} has run", mode.name())))?;
        self.signature.check_output(output, &entry.pending)?;
        Ok(entry)
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
    /// If an executable cannot be read, or there is not enough memory.
    pub fn parameters(&mut self) -> Result<Vec<(String, Tensor<f32>)>, DriverError> {
        self.pull()?;
        let is_parameter = |id: &graphc_ir::NodeId| matches!(self.graph.op(*id), Op::Parameter(_));
        let names = self.graph.ids().into_iter().filter(is_parameter).map(|id| self.graph.node(id).name.clone());
        let names: Vec<String> = names.collect();
        let state = self.state()?;
        Ok(names.into_iter().map(|name| (name.clone(), state[&name].clone())).collect())
    }

    /// Everything the optimizer keeps between steps, by name.
    ///
    /// # Errors
    /// As [`Session::parameters`].
    pub fn optimizer_state(&mut self) -> Result<Vec<(String, Tensor<f32>)>, DriverError> {
        self.pull()?;
        self.state()?;
        let state = self.state.iter().flatten();
        let is_weight =
            |name: &str| self.graph.find(name).is_some_and(|id| matches!(self.graph.op(id), Op::Parameter(_)));
        Ok(state.filter(|(name, _)| !is_weight(name)).map(|(n, t)| (n.clone(), t.clone())).collect())
    }

    /// Replaces a parameter.
    ///
    /// # Errors
    /// If there is no such parameter or its shape is another one.
    pub fn set_parameter(&mut self, name: &str, value: &Tensor<f32>) -> Result<(), DriverError> {
        self.pull()?;
        let state = self.state()?;
        let Some(slot) = state.get_mut(name) else {
            let known: Vec<&str> = state.keys().map(String::as_str).collect();
            return Err(DriverError::Options(format!("no parameter `{name}`; there are {}", known.join(", "))));
        };
        if slot.shape != value.shape {
            let (expected, got) = (&slot.shape, &value.shape);
            return Err(DriverError::Options(format!("parameter `{name}` has shape {expected:?}, got {got:?}")));
        }
        if slot.data.len() != value.data.len() {
            let (expected, got) = (slot.data.len(), value.data.len());
            return Err(DriverError::Options(format!("parameter `{name}` has {expected} elements, got {got}")));
        }
        *slot = value.clone();
        self.owner = None;
        self.version += 1;
        Ok(())
    }

    /// Parameters and optimizer state as they are outside of executables.
    pub(super) fn state(&mut self) -> Result<&mut BTreeMap<String, Tensor<f32>>, DriverError> {
        if self.state.is_none() {
            let bytes = parameter_bytes(&self.graph);
            self.memory.get_or_insert_with(MemoryBudget::of_machine).take("a copy of the parameters", bytes)?;
            self.state = Some(initial_state(&self.graph, self.options.seed));
        }
        Ok(self.state.as_mut().expect("made above"))
    }

    pub(super) fn entry(&mut self, mode: Mode, batch: usize) -> Result<&mut Entry, DriverError> {
        let key = key(mode, batch);
        if !self.entries.contains_key(&key) {
            let memory = self.memory.get_or_insert_with(MemoryBudget::of_machine).clone();
            let options = CompileOptions { memory: Some(memory), ..self.compile_options(mode, batch) };
            let compiled = compile(&self.graph, &options)?;
            let memory = self.memory.get_or_insert_with(MemoryBudget::of_machine);
            let what = crate::memory::step_text(mode, batch);
            memory.take_program(&what, compiled.executable.program())?;
            let mut executable = compiled.executable;
            let is_input = |buffer: &&Buffer| buffer.kind == BufferKind::Input;
            let inputs = executable.program().buffers.iter().filter(is_input);
            let inputs: Vec<(String, DType)> = inputs.map(|buffer| (buffer.name.clone(), buffer.dtype)).collect();
            let reads_step =
                inputs.contains(&(STEP_INPUT.to_owned(), DType::I32)) && !self.signature.is_batched(STEP_INPUT);
            let mut pending = self.signature.pending(inputs.iter().map(|(name, _)| name.as_str()));
            for (name, _) in &inputs {
                if self.shared.write(&mut executable, name)? || (reads_step && name == STEP_INPUT) {
                    pending.set(name);
                }
            }
            let lowered = compiled.lowered;
            let times = CompileTimes {
                total: compiled.time,
                stages: lowered.times,
                target: compiled.target,
                is_tuned: lowered.is_tuned,
            };
            self.entries.insert(key, Entry { executable, times, version: 0, pending, reads_step, has_run: false });
        }
        Ok(self.entries.get_mut(&key).expect("inserted above"))
    }

    pub(super) fn compile_options(&self, mode: Mode, batch: usize) -> CompileOptions {
        let train = mode == Mode::Train;
        CompileOptions {
            mode,
            checked: self.options.checked,
            isa: self.options.isa,
            gradients: self.options.gradients && train,
            update: train && !self.options.frozen,
            tuning: self.options.tuning.clone(),
            threads: self.threads(),
            ..CompileOptions::train(batch)
        }
    }

    /// Gives an executable the newest state.
    fn bring_up_to_date(&mut self, key: (bool, usize)) -> Result<(), DriverError> {
        if self.entries.get(&key).is_none_or(|entry| entry.version == self.version) {
            return Ok(());
        }
        if self.owner.is_none() {
            self.state()?;
        }
        let mut entry = self.entries.remove(&key).expect("found above");
        let mut result = self.copy_newest_state(&mut entry.executable);
        if result.is_ok() {
            result = self.copy_averages(key, &mut entry.executable);
        }
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
            if let Some(tensor) = self.state.as_ref().and_then(|state| state.get(&name)) {
                executable.set(BufferKind::State, &name, &tensor.data)?;
            }
        }
        Ok(())
    }

    /// Copies the newest state out of the executable that holds it.
    pub(super) fn pull(&mut self) -> Result<(), DriverError> {
        self.state()?;
        let owner = self.owner.and_then(|owner| self.entries.get(&owner));
        if let (Some(owner), Some(state)) = (owner, &mut self.state) {
            for name in state_names(&owner.executable) {
                let tensor = owner.executable.get(BufferKind::State, &name)?;
                state.insert(name, tensor);
            }
        }
        Ok(())
    }
}

/// Only finite rates make sense: any other makes every parameter NaN in one step.
fn check_rate(rate: f32) -> Result<(), DriverError> {
    if rate.is_finite() {
        return Ok(());
    }
    Err(DriverError::Options(format!("the learning rate must be a finite number in single precision, got {rate}")))
}

pub(super) fn state_names(executable: &Executable) -> Vec<String> {
    let state = executable.program().buffers.iter().filter(|buffer| buffer.kind == BufferKind::State);
    state.map(|buffer| buffer.name.clone()).collect()
}
