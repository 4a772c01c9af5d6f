//! A step ready to be measured: compiled, with weights and random inputs.

use crate::options::MeasureOptions;
use graphc_driver::DriverError;
use graphc_driver::memory::{MemoryBudget, parameter_bytes};
use graphc_driver::options::CompileOptions;
use graphc_driver::pipeline::{Compiled, compile};
use graphc_driver::session::initial_state;
use graphc_ir::graph::{Graph, Mode, NodeId, Role, Roots};
use graphc_ir::loops::BufferKind;
use graphc_ir::ops::Op;
use graphc_ir::types::DType;
use graphc_runtime::Executable;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Compiles a step and fills its inputs and weights.
///
/// # Errors
/// If the graph cannot be compiled.
pub fn prepare(graph: &Graph, options: &MeasureOptions) -> Result<Compiled, DriverError> {
    let mut graph = graph.clone();
    let mut compile_options = match options.mode {
        Mode::Train => CompileOptions::train(options.batch),
        Mode::Infer => CompileOptions::infer(options.batch),
    };
    compile_options.isa = options.isa;
    compile_options.threads = options.threads;
    compile_options.tuning = options.tuning.clone();
    compile_options.update &= graph.optimizer.is_some();
    if options.mode == Mode::Infer {
        only_predictions(&mut graph);
    }
    let mut memory = MemoryBudget::of_machine();
    memory.take("a copy of the parameters", parameter_bytes(&graph))?;
    compile_options.memory = Some(memory);
    let mut compiled = compile(&graph, &compile_options)?;
    set_inputs(&graph, options, &mut compiled.executable)?;
    for (name, tensor) in initial_state(&graph, options.seed) {
        if compiled.executable.program().find(BufferKind::State, &name).is_some() {
            compiled.executable.set(BufferKind::State, &name, &tensor.data)?;
        }
    }
    Ok(compiled)
}

/// Leaves out the loss and metrics, unless there is nothing else.
fn only_predictions(graph: &mut Graph) {
    let is_prediction = |node: NodeId| !matches!(graph.node(node).origin.role, Role::Loss | Role::Metric);
    let outputs: Roots<_> = graph.outputs.iter().filter(|output| is_prediction(output.node)).cloned().collect();
    if !outputs.is_empty() {
        graph.outputs = outputs;
        graph.loss = None;
        *graph = graph.compacted();
    }
}

/// Numbers from 0 to 1 and labels below the number of classes. Scalars stay 0, the learning rate among them: a
/// network that learns its one batch by heart drifts to gradients so small that processors slow down, while a rate of
/// 0 takes the same instructions.
fn set_inputs(graph: &Graph, options: &MeasureOptions, executable: &mut Executable) -> Result<(), DriverError> {
    let mut rng = ChaCha8Rng::seed_from_u64(options.seed);
    for node in graph.ids() {
        let name = &graph.node(node).name;
        let is_read = executable.program().find(BufferKind::Input, name).is_some();
        let ty = graph.ty(node);
        if !matches!(graph.op(node), Op::Input(_)) || ty.shape.rank() == 0 || !is_read {
            continue;
        }
        let len: usize = ty.shape.sizes(Some(options.batch)).iter().product();
        match ty.dtype {
            DType::F32 => {
                let values: Vec<f32> = (0..len).map(|_| rng.random::<f32>()).collect();
                executable.set(BufferKind::Input, name, &values)?;
            }
            DType::I32 => {
                let n_classes = graph.usual_integers_below(node).unwrap_or(2) as f32;
                let values: Vec<i32> = (0..len).map(|_| (rng.random::<f32>() * n_classes) as i32).collect();
                executable.set_i32(BufferKind::Input, name, &values)?;
            }
        }
    }
    Ok(())
}
