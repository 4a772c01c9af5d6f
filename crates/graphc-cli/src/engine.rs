//! One evaluation of a graph on any of the four engines, from tensors by name.
//!
//! Values travel as `f64`, which holds every `f32` and `i32` exactly.

use crate::error::CliError;
use crate::words;
use clap::ValueEnum;
use graphc_driver::memory::{MemoryBudget, parameter_bytes};
use graphc_driver::{CompileOptions, compile, lower};
use graphc_interp::graph::{Keep, peak_elements, run_keeping};
use graphc_interp::loops::{LoopInterp, Memory};
use graphc_ir::loops::{Buffer, BufferKind, Program};
use graphc_ir::{DType, Graph, Real, Tensor};
use std::collections::BTreeMap;

/// Who computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Engine {
    /// Machine code.
    Jit,
    /// The loop interpreter: the same bits as machine code.
    Loops,
    /// The graph interpreter in single precision.
    GraphF32,
    /// The graph interpreter in double precision: what the graph means.
    GraphF64,
}

impl Engine {
    /// As in messages.
    fn name(self) -> &'static str {
        match self {
            Engine::Jit => "machine code",
            Engine::Loops => "the loop interpreter",
            Engine::GraphF32 => "the graph interpreter (f32)",
            Engine::GraphF64 => "the graph interpreter (f64)",
        }
    }
}

/// Values of inputs and parameters by name.
pub(crate) type Bindings = BTreeMap<String, Tensor<f64>>;

/// Compares what [`evaluate`] and its bindings will need with what the machine has.
///
/// # Errors
/// If that is too little.
pub(crate) fn check_memory(engine: Engine, graph: &Graph, options: &CompileOptions) -> Result<(), CliError> {
    let mut memory = MemoryBudget::of_machine();
    let what = format!("{} of {}", engine.name(), words::counted(options.batch, "sample"));
    memory.check_graph(&what, graph)?;
    // They are drawn or read in single precision, and bound in double precision.
    memory.take("copies of the parameters", parameter_bytes(graph).saturating_mul(4))?;
    match engine {
        Engine::Jit | Engine::Loops => memory.take_program(&what, &lower(graph, options)?.program)?,
        Engine::GraphF32 | Engine::GraphF64 => {
            let joint = lower(graph, options)?.backward;
            let peak = peak_elements(&joint).map_err(|error| CliError::new(error.to_string()))?;
            // Bindings are bound as copies of the engine's precision.
            let bytes = if engine == Engine::GraphF32 { 4 } else { 8 };
            memory.take(&what, peak.saturating_mul(bytes))?;
        }
    }
    Ok(())
}

/// Runs once; gives the outputs in order.
pub(crate) fn evaluate(
    engine: Engine,
    graph: &Graph,
    options: &CompileOptions,
    bindings: &Bindings,
) -> Result<Vec<(String, Tensor<f64>)>, CliError> {
    match engine {
        Engine::Jit => evaluate_jit(graph, options, bindings),
        Engine::Loops => evaluate_loops(graph, options, bindings),
        Engine::GraphF32 => evaluate_graph::<f32>(graph, options, bindings),
        Engine::GraphF64 => evaluate_graph::<f64>(graph, options, bindings),
    }
}

fn evaluate_jit(
    graph: &Graph,
    options: &CompileOptions,
    bindings: &Bindings,
) -> Result<Vec<(String, Tensor<f64>)>, CliError> {
    let mut executable = compile(graph, options)?.executable;
    let program = executable.program().clone();
    for (buffer, value) in bound(&program, bindings) {
        let set = match buffer.dtype {
            DType::F32 => executable.set(buffer.kind, &buffer.name, &value.cast::<f32>().data),
            DType::I32 => {
                let values: Vec<i32> = value.data.iter().map(|&value| value as i32).collect();
                executable.set_i32(buffer.kind, &buffer.name, &values)
            }
        };
        set.map_err(|error| CliError::new(error.to_string()))?;
    }
    executable.step().map_err(|error| CliError::new(error.to_string()))?;
    collect(&program, |name| executable.get(BufferKind::Output, name).map_err(|error| error.to_string()))
}

fn evaluate_loops(
    graph: &Graph,
    options: &CompileOptions,
    bindings: &Bindings,
) -> Result<Vec<(String, Tensor<f64>)>, CliError> {
    let program = lower(graph, options)?.program;
    let message = |error: graphc_interp::loops::InterpError| error.to_string();
    let mut memory = Memory::new(&program);
    for (buffer, value) in bound(&program, bindings) {
        let set = memory.set(&program, buffer.kind, &buffer.name, &value.cast::<f32>());
        set.map_err(|error| CliError::new(message(error)))?;
    }
    let interp = LoopInterp::new(&program).map_err(|error| CliError::new(message(error)))?;
    memory.run(&interp).map_err(|error| CliError::new(message(error)))?;
    collect(&program, |name| memory.get(&program, BufferKind::Output, name).map_err(message))
}

fn evaluate_graph<R: Real>(
    graph: &Graph,
    options: &CompileOptions,
    bindings: &Bindings,
) -> Result<Vec<(String, Tensor<f64>)>, CliError> {
    let joint = lower(graph, options)?.backward;
    let bindings = bindings.iter().map(|(name, value)| (name.clone(), value.cast::<R>())).collect();
    let result = run_keeping(&joint, &bindings, Keep::Roots).map_err(|error| CliError::new(error.to_string()))?;
    Ok(result.outputs.into_iter().map(|(name, value)| (name, value.cast())).collect())
}

/// The buffers that have a value given. Optimizer state has none and starts at zero, as the arena does.
pub(crate) fn bound<'a>(
    program: &'a Program,
    bindings: &'a Bindings,
) -> impl Iterator<Item = (&'a Buffer, &'a Tensor<f64>)> {
    let given = |buffer: &&Buffer| matches!(buffer.kind, BufferKind::Input | BufferKind::State);
    program.buffers.iter().filter(given).filter_map(|buffer| Some((buffer, bindings.get(&buffer.name)?)))
}

fn collect(
    program: &Program,
    get: impl Fn(&str) -> Result<Tensor<f32>, String>,
) -> Result<Vec<(String, Tensor<f64>)>, CliError> {
    let outputs = program.buffers.iter().filter(|buffer| buffer.kind == BufferKind::Output);
    outputs
        .map(|buffer| {
            let value = get(&buffer.name).map_err(CliError::new)?;
            Ok((buffer.name.clone(), value.cast()))
        })
        .collect()
}
