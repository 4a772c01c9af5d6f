//! Every stage, in order: the table of contents of the compiler.

use crate::error::DriverError;
use crate::memory::{MemoryBudget, check_sizes, step_text};
use crate::options::CompileOptions;
use crate::tuning::{Tuning, TuningKey};
use graphc_autodiff::{AutodiffOptions, differentiate};
use graphc_codegen::{CodegenOptions, CompiledProgram, Counts, Machine, Target};
use graphc_ir::graph::plan::FusionPlan;
use graphc_ir::graph::{Graph, Mode};
use graphc_ir::loops::Program;
use graphc_passes::manager::Record;
use graphc_passes::{PassManager, Report, fusion};
use graphc_runtime::Executable;
use graphc_schedule::{Caches, Candidates, Hardware, Threads, VectorUnit, schedule_with};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Passes before autodiff: losses find their stable forms, mode-dependent ops are expanded.
const BEFORE_AUTODIFF: &[&str] =
    &["canonicalise", "simplify", "expand_before_autodiff", "canonicalise", "simplify", "eliminate_dead_code"];

/// Passes on the joint graph while composites are still whole.
const JOINT: &[&str] = &[
    "canonicalise",
    "fold_constants",
    "simplify",
    "eliminate_common_subexpressions",
    "eliminate_dead_code",
    "fold_batch_norm",
];

/// Passes once composites are expanded. `separate_outputs` must be the last.
const EXPANDED: &[&str] = &[
    "expand_after_autodiff",
    "canonicalise",
    "fold_constants",
    "simplify",
    "eliminate_common_subexpressions",
    "eliminate_dead_code",
    "separate_outputs",
];

/// How long one stage took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StageTime {
    /// Name of the stage or pass.
    pub name: &'static str,
    /// Wall time.
    pub time: Duration,
}

/// Everything between a graph and machine code.
#[derive(Clone, Debug)]
pub struct Lowered {
    /// Forward, loss, backward and update in one graph.
    pub backward: Graph,
    /// After all graph passes.
    pub fused: Graph,
    /// What was fused.
    pub plan: FusionPlan,
    /// How it is scheduled, with what was refused.
    pub schedule: graphc_schedule::Plan,
    /// The loop program.
    pub program: Arc<Program>,
    /// What the schedule could have chosen otherwise.
    pub candidates: Vec<Candidates>,
    /// Whether there were choices for it (see [`CompileOptions::tuning`]), be they the cost model's own.
    pub is_tuned: bool,
    /// What it is scheduled for.
    pub target: String,
    /// What every pass did.
    pub records: Vec<Record>,
    /// How long every stage took.
    pub times: Vec<StageTime>,
}

/// A compiled step.
#[derive(Debug)]
pub struct Compiled {
    /// The stages before machine code.
    pub lowered: Lowered,
    /// How many tiles and loops are assembled.
    pub counts: Counts,
    /// Ready to run.
    pub executable: Executable,
    /// What the code was made for.
    pub target: String,
    /// `f32` lanes of the vectors that contractions are computed with.
    pub lanes: usize,
    /// The whole compilation.
    pub time: Duration,
}

/// From a graph as the front end made it to a loop program.
///
/// # Errors
/// If the graph is not valid or cannot be differentiated.
pub fn lower(graph: &Graph, options: &CompileOptions) -> Result<Lowered, DriverError> {
    let target = options.target()?;
    lower_for(graph, options, &target, |_| Ok(()))
}

/// `check` gets the graph with its mode and batch size before anything is made of it.
fn lower_for(
    graph: &Graph,
    options: &CompileOptions,
    target: &Target,
    check: impl FnOnce(&Graph) -> Result<(), DriverError>,
) -> Result<Lowered, DriverError> {
    let mut times = Vec::new();
    let (mut graph, mut passes) = joint(graph, options, check)?;
    let backward = graph.compacted();
    passes.run(JOINT, &mut graph)?;
    passes.run(EXPANDED, &mut graph)?;
    let fused = graph.into_compacted();
    times.extend(passes.records.iter().map(|record| StageTime { name: record.name, time: record.time }));
    let plan = timed(&mut times, "fusion", || fusion::plan(&fused));
    let vectors = VectorUnit {
        n_registers: target.n_registers(),
        lanes: target.register_lanes(),
        assembled: target.assembles_tiles(),
    };
    // Of a machine that is somewhere else nothing but its instructions is known.
    let caches = if options.machine == Machine::Host { Caches::of_host() } else { Caches::USUAL };
    let machine = Hardware { vectors, caches, threads: Threads::of(options.threads.max(1)) };
    let target = target.to_string();
    let (scheduled, is_tuned) = timed(&mut times, "schedule", || {
        let choices = options.tuning.choices(&fused, &target);
        (schedule_with(&fused, &plan, machine, &choices.clone().unwrap_or_default()), choices.is_some())
    });
    let (schedule, program, candidates) = (scheduled.plan, Arc::new(scheduled.program), scheduled.candidates);
    if options.verify || cfg!(debug_assertions) {
        let findings: Vec<String> =
            graphc_ir::loops::verify::verify(&program).iter().map(ToString::to_string).collect();
        if !findings.is_empty() {
            return Err(DriverError::BrokenProgram(findings));
        }
    }
    let records = passes.records;
    Ok(Lowered { backward, fused, plan, schedule, program, candidates, is_tuned, target, records, times })
}

/// Forward, loss, backward and update in one graph: what [`Stage::Backward`](crate::Stage::Backward) prints.
///
/// # Errors
/// If the graph is not valid or cannot be differentiated.
pub fn lower_to_backward(graph: &Graph, options: &CompileOptions) -> Result<Graph, DriverError> {
    Ok(joint(graph, options, |_| Ok(()))?.0.into_compacted())
}

/// The first stages, with what their passes did; `check` is that of [`lower_for`].
fn joint(
    graph: &Graph,
    options: &CompileOptions,
    check: impl FnOnce(&Graph) -> Result<(), DriverError>,
) -> Result<(Graph, PassManager), DriverError> {
    let mut graph = specialise(graph, options)?;
    check(&graph)?;
    let mut passes =
        PassManager { verify: options.verify, print_after: options.print_after.clone(), ..Default::default() };
    passes.run(BEFORE_AUTODIFF, &mut graph)?;
    if options.mode == Mode::Train {
        let autodiff = AutodiffOptions { gradient_outputs: options.gradients, update: options.update };
        let mut result = Ok(());
        passes.step("autodiff", &mut graph, |graph| {
            let before = graph.len();
            result = differentiate(graph, &autodiff);
            let mut report = Report::default();
            report.change(format!("{} nodes of gradients and updates", graph.len().saturating_sub(before)));
            report
        })?;
        result?;
    }
    if !options.update {
        graph.updates.clear();
    }
    Ok((graph, passes))
}

/// From a graph to a compiled step.
///
/// # Errors
/// If the graph is not valid, cannot be differentiated, or the machine is not supported or has too little memory.
pub fn compile(graph: &Graph, options: &CompileOptions) -> Result<Compiled, DriverError> {
    let start = Instant::now();
    let target = options.target()?;
    let mut memory = options.memory.clone().unwrap_or_else(MemoryBudget::of_machine);
    let what = step_text(options.mode, options.batch);
    let mut lowered = lower_for(graph, options, &target, |graph| Ok(memory.check_graph(&what, graph)?))?;
    memory.take_program(&what, &lowered.program)?;
    let codegen = CodegenOptions { checked: options.checked };
    let mut times = std::mem::take(&mut lowered.times);
    let code: CompiledProgram =
        timed(&mut times, "codegen", || graphc_codegen::compile(&lowered.program, &target, &codegen))?;
    lowered.times = times;
    let counts = code.counts().clone();
    let executable = Executable::new(Arc::clone(&lowered.program), code)?;
    let (lanes, target) = (target.register_lanes(), target.to_string());
    Ok(Compiled { lowered, counts, executable, target, lanes, time: start.elapsed() })
}

/// The graph with mode and batch size set, checked.
fn specialise(graph: &Graph, options: &CompileOptions) -> Result<Graph, DriverError> {
    if options.batch == 0 {
        return Err(DriverError::Options("the batch size must be at least 1, got 0".to_string()));
    }
    if options.mode == Mode::Train && graph.loss.is_none() {
        return Err(DriverError::Options(format!("graph `{}` has no loss to train on", graph.name)));
    }
    let mut graph = graph.clone();
    graph.batch = Some(options.batch);
    graph.mode = Some(options.mode);
    let findings: Vec<String> = graphc_ir::graph::verify::verify(&graph).iter().map(ToString::to_string).collect();
    if !findings.is_empty() {
        return Err(DriverError::InvalidGraph(findings));
    }
    check_sizes(&graph).map_err(DriverError::Options)?;
    Ok(graph)
}

fn timed<T>(times: &mut Vec<StageTime>, name: &'static str, run: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = run();
    times.push(StageTime { name, time: start.elapsed() });
    result
}

/// What choices for the step that these options make are stored under.
///
/// # Errors
/// As [`lower`].
pub fn tuning_key(graph: &Graph, options: &CompileOptions) -> Result<TuningKey, DriverError> {
    let lowered = lower(graph, &CompileOptions { tuning: Tuning::default(), ..options.clone() })?;
    Ok(TuningKey::of_fused(&lowered.fused, &lowered.target))
}
