//! `graphc check`.

use super::run::fresh_parameters;
use crate::engine::{Bindings, Engine, bound, check_memory, evaluate};
use crate::error::CliError;
use crate::numbers::{at_least_one, seed};
use crate::sizes::SizeArgs;
use crate::{output, tables, terminal};
use graphc::experiment;
use graphc_driver::{CompileOptions, compile, lower};
use graphc_frontend::Experiment;
use graphc_interp::gradcheck::{GradcheckOptions, check_gradients};
use graphc_interp::loops::{LoopInterp, Memory};
use graphc_ir::graph::Mode;
use graphc_ir::loops::{Buffer, Program};
use graphc_ir::ops::Op;
use graphc_ir::scalar::is_same_word;
use graphc_ir::{DType, Tensor};
use std::path::PathBuf;
use std::process::ExitCode;

/// Check the compiler on a graph of your own.
///
/// Verifies every stage, compares gradients with finite differences in double precision, machine code with the loop
/// interpreter bit for bit, and machine code with the graph interpreter within rounding. The data are random numbers;
/// the graph's data files are not read.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  graphc check examples/lenet5.graph.json\n  graphc check net.graph.json --batch 33 --all"
)]
pub(crate) struct Args {
    /// The graph file.
    file: PathBuf,
    #[command(flatten)]
    sizes: SizeArgs,
    /// Batch size of the comparisons of machine code.
    #[arg(long, value_name = "N", default_value_t = 19, value_parser = at_least_one)]
    batch: usize,
    /// Entries of each parameter whose gradient is compared with differences.
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = at_least_one)]
    entries: usize,
    /// Seed of weights and data.
    #[arg(long, default_value_t = 1, value_parser = seed)]
    seed: u64,
    /// Show every node, not only the worst one of each check.
    #[arg(long)]
    all: bool,
}

/// Batch size of the gradient check: enough for batch statistics, small enough for thousands of evaluations.
const GRADIENT_BATCH: usize = 3;

/// What one comparison of one node found.
struct Finding {
    node: String,
    /// In units of `limit`: above 1 the check fails. NaN fails.
    badness: f64,
    detail: String,
}

impl Finding {
    fn passes(&self) -> bool {
        self.badness <= 1.0
    }
}

/// One check with the findings on its nodes.
struct Check {
    name: String,
    what: String,
    findings: Vec<Finding>,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode, CliError> {
    let experiment = args.sizes.load(&args.file)?;
    let mut checks = Vec::new();
    let modes: &[Mode] =
        if experiment.graph.optimizer.is_some() { &[Mode::Train, Mode::Infer] } else { &[Mode::Infer] };
    for &mode in modes {
        for engine in [Engine::GraphF64, Engine::Loops, Engine::Jit] {
            check_memory(engine, &experiment.graph, &options(mode, args.batch))?;
        }
    }
    for &mode in modes {
        checks.push(verify(&experiment, mode, args)?);
    }
    if modes.contains(&Mode::Train) {
        checks.push(gradients(&experiment, args)?);
    }
    for &mode in modes {
        for batch in [args.batch, 1] {
            checks.push(bits(&experiment, mode, batch, args)?);
        }
    }
    for &mode in modes {
        checks.push(rounding(&experiment, mode, args)?);
    }
    // A reader that closes the pipe does not make the checks pass.
    let printed = output::line(table(&checks, args.all));
    let failed = checks.iter().filter(|check| !check.findings.iter().all(Finding::passes)).count();
    match failed {
        0 => printed.map(|()| ExitCode::SUCCESS),
        1 => Err(CliError::new("1 check failed")),
        n => Err(CliError::new(format!("{n} checks failed"))),
    }
}

fn table(checks: &[Check], all: bool) -> String {
    let mut rows = Vec::new();
    for check in checks {
        let mut findings: Vec<&Finding> = check.findings.iter().collect();
        findings.sort_by(|a, b| b.badness.total_cmp(&a.badness));
        let shown = if all { findings.len() } else { findings.len().min(1) };
        for (idx, finding) in findings[..shown].iter().enumerate() {
            let (name, what) = if idx == 0 { (check.name.clone(), check.what.clone()) } else { Default::default() };
            let verdict = if finding.passes() { "ok" } else { "FAILED" };
            rows.push(vec![name, what, finding.node.clone(), finding.detail.clone(), verdict.into()]);
        }
    }
    let header = if all { "Node" } else { "Worst node" };
    let header = ["Check", "Compared", header, "Error", "Verdict"];
    match terminal::width_of_stdout() {
        Some(width) => tables::wrapped(header, 5, rows, &[0, 1, 2, 3], width),
        None => tables::table(header, 5, rows),
    }
}

fn options(mode: Mode, batch: usize) -> CompileOptions {
    match mode {
        Mode::Train => CompileOptions::train(batch),
        Mode::Infer => CompileOptions::infer(batch),
    }
}

/// The verifiers of both IRs, after every pass. A finding stops the whole command with its text.
fn verify(experiment: &Experiment, mode: Mode, args: &Args) -> Result<Check, CliError> {
    let lowered = lower(&experiment.graph, &CompileOptions { verify: true, ..options(mode, args.batch) })?;
    let detail = format!("{} passes, {} kernels", lowered.records.len(), lowered.program.kernels.len());
    Ok(Check {
        name: format!("verifier, {}", mode.name()),
        what: "every stage".into(),
        findings: vec![Finding { node: "-".into(), badness: 0.0, detail }],
    })
}

/// Gradients of the joint graph against central differences of its loss, in f64.
fn gradients(experiment: &Experiment, args: &Args) -> Result<Check, CliError> {
    const RELATIVE: f64 = 1e-5;
    const ABSOLUTE: f64 = 1e-8;
    let options = CompileOptions { gradients: true, update: false, ..options(Mode::Train, GRADIENT_BATCH) };
    let joint = lower(&experiment.graph, &options)?.backward;
    let Some(loss) = joint.loss else { return Err(CliError::new("the graph has no loss")) };
    let of = |name: &str| name.strip_prefix("grad.").map(str::to_string);
    let pairs: Vec<_> = joint.outputs.iter().filter_map(|output| Some((of(&output.name)?, output.node))).collect();
    let bindings = bindings(experiment, GRADIENT_BATCH, args)?;
    let check = GradcheckOptions { max_entries: args.entries, ..GradcheckOptions::default() };
    let errors =
        check_gradients(&joint, &bindings, loss, &pairs, check).map_err(|error| CliError::new(error.to_string()))?;
    let finding = |error: graphc_interp::gradcheck::GradientError| Finding {
        badness: error.worst / (RELATIVE * error.largest + ABSOLUTE),
        detail: format!("{:.1e} of {:.1e}", error.worst, error.largest),
        node: error.name,
    };
    Ok(Check {
        name: format!("gradients, batch {GRADIENT_BATCH}"),
        what: "autodiff with differences (f64)".into(),
        findings: errors.into_iter().map(finding).collect(),
    })
}

/// Machine code against the loop interpreter, kernel by kernel: every word of the arena must be the same.
fn bits(experiment: &Experiment, mode: Mode, batch: usize, args: &Args) -> Result<Check, CliError> {
    let mut executable = compile(&experiment.graph, &options(mode, batch))?.executable;
    let program = executable.program().clone();
    let message = |error: graphc_interp::loops::InterpError| CliError::new(error.to_string());
    let mut memory = Memory::new(&program);
    for (buffer, value) in bound(&program, &bindings(experiment, batch, args)?) {
        memory.set(&program, buffer.kind, &buffer.name, &value.cast()).map_err(message)?;
    }
    executable.arena_mut().copy_from_slice(memory.arena());
    let interp = LoopInterp::new(&program).map_err(message)?;
    let mut findings = Vec::new();
    for (number, kernel) in program.kernels.iter().enumerate() {
        interp.run_kernel(number, memory.arena_mut()).map_err(message)?;
        executable.run_kernel(number).map_err(|error| CliError::new(error.to_string()))?;
        findings.push(match first_difference(&program, memory.arena(), executable.arena()) {
            None => Finding { node: kernel.name.clone(), badness: 0.0, detail: "0 words".into() },
            Some((n_words, buffer)) => Finding {
                node: format!("{}, {buffer}", kernel.name),
                badness: f64::INFINITY,
                detail: format!("{n_words} words"),
            },
        });
        // Later kernels would only repeat the difference.
        if !findings.iter().all(Finding::passes) {
            break;
        }
    }
    Ok(Check {
        name: format!("bits, {}, batch {batch}", mode.name()),
        what: "machine code with loop interpreter".into(),
        findings,
    })
}

/// Number of words that differ, and the name of a buffer with the first of them.
fn first_difference(program: &Program, expected: &[u32], found: &[u32]) -> Option<(usize, String)> {
    let differs = |word: &usize| !is_same_word(expected[*word], found[*word]);
    let first = (0..expected.len()).find(differs)?;
    let n_words = (first..expected.len()).filter(differs).count();
    let holds = |buffer: &&Buffer| (buffer.offset..buffer.offset + buffer.len).contains(&first);
    // Temporaries share words: all that could be meant are named.
    let names: Vec<&str> = program.buffers.iter().filter(holds).map(|buffer| buffer.name.as_str()).collect();
    Some((n_words, names.join(" or ")))
}

/// Machine code against the meaning of the graph: outputs, and gradients in training.
fn rounding(experiment: &Experiment, mode: Mode, args: &Args) -> Result<Check, CliError> {
    let options = CompileOptions { gradients: mode == Mode::Train, update: false, ..options(mode, args.batch) };
    let bindings = bindings(experiment, args.batch, args)?;
    let expected = evaluate(Engine::GraphF64, &experiment.graph, &options, &bindings)?;
    let found = evaluate(Engine::Jit, &experiment.graph, &options, &bindings)?;
    let mut findings = Vec::new();
    for (name, expected) in expected {
        let found = found.iter().find(|(other, _)| *other == name).map(|(_, value)| value);
        let found = found.ok_or_else(|| CliError::new(format!("machine code has no output `{name}`")))?;
        findings.push(compare(name, &expected, found));
    }
    Ok(Check {
        name: format!("rounding, {}, batch {}", mode.name(), args.batch),
        what: "machine code with graph interpreter (f64)".into(),
        findings,
    })
}

/// One output against its meaning. Elements that are not finite must be the same: NaN where NaN is meant, infinite
/// with the same sign.
fn compare(node: String, expected: &Tensor<f64>, found: &Tensor<f64>) -> Finding {
    // f32 sums of thousands of terms, and batch statistics in between; a gradient that is zero by cancellation is
    // compared with the second number.
    const RELATIVE: f64 = 1e-3;
    const ABSOLUTE: f64 = 1e-4;
    let pairs = || expected.data.iter().copied().zip(found.data.iter().copied());
    let is_same = |(a, b): (f64, f64)| a == b || (a.is_nan() && b.is_nan());
    let n_nonfinite = pairs().filter(|(a, b)| !a.is_finite() || !b.is_finite()).count();
    if let Some((a, b)) = pairs().find(|&(a, b)| (!a.is_finite() || !b.is_finite()) && !is_same((a, b))) {
        return Finding { node, badness: f64::INFINITY, detail: format!("{} for {}", short(b), short(a)) };
    }
    let finite = || pairs().filter(|(a, _)| a.is_finite());
    let largest = finite().fold(0.0, |largest: f64, (a, _)| largest.max(a.abs()));
    let worst = finite().map(|(a, b)| (a - b).abs()).max_by(f64::total_cmp).unwrap_or(0.0);
    let detail = match n_nonfinite {
        0 => format!("{worst:.1e} of {largest:.1e}"),
        n => format!("{worst:.1e} of {largest:.1e}; {n} not finite in both"),
    };
    Finding { node, badness: worst / (RELATIVE * largest + ABSOLUTE), detail }
}

fn short(value: f64) -> String {
    if value.is_finite() { format!("{value:.1e}") } else { value.to_string() }
}

/// Fresh parameters and random inputs: numbers from 0 to 1, labels among the classes, rows within their table.
fn bindings(experiment: &Experiment, batch: usize, args: &Args) -> Result<Bindings, CliError> {
    let graph = &experiment.graph;
    let mut bindings = fresh_parameters(experiment, Some(args.seed))?;
    let n_classes = experiment::n_classes(experiment).unwrap_or(2);
    let mut random = Random(args.seed);
    for id in graph.ids() {
        let Op::Input(input) = graph.op(id) else { continue };
        let sizes = input.shape.sizes(Some(batch));
        let value = match input.dtype {
            // Rounded to f32, so that every engine starts from the same numbers.
            DType::F32 => Tensor::from_fn(&sizes, |_| f64::from(random.uniform() as f32)),
            DType::I32 => {
                let n = graph.integers_below(id).unwrap_or(n_classes) as f64;
                Tensor::from_fn(&sizes, |_| (random.uniform() * n).floor())
            }
        };
        bindings.insert(graph.node(id).name.clone(), value);
    }
    if let Some(optimizer) = &graph.optimizer {
        bindings.insert("learning_rate".into(), Tensor::scalar(f64::from(optimizer.learning_rate() as f32)));
    }
    Ok(bindings)
}

/// Steele, Lea and Flood's SplitMix64.
struct Random(u64);

impl Random {
    /// From 0 to 1, 1 excluded.
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((x ^ (x >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_nans_are_equal() {
        let nan = [0x7fc0_0000_u32, 0xffc0_0001];
        let program: Program = "program \"p\" (batch=1, arena=16) {
            buffer b0: f32 output \"y\" [2] strides=[1] chunk=2 len=2 @0
            kernel \"k\" from \"a\" { nest \"n\" { v0 = f32 1.0 store b0[0] = v0 } } }"
            .parse()
            .unwrap();
        assert_eq!(first_difference(&program, &[nan[0], 1], &[nan[1], 1]), None);
        assert_eq!(first_difference(&program, &[nan[0], 1], &[0x7f80_0000, 1]), Some((1, "y".to_owned())));
    }

    #[test]
    fn what_is_not_finite_must_be_the_same() {
        let (nan, inf) = (f64::NAN, f64::INFINITY);
        let compare = |expected: [f64; 3], found: [f64; 3]| {
            let tensor = |values: [f64; 3]| Tensor::new(vec![3], values.to_vec());
            let finding = compare("y".into(), &tensor(expected), &tensor(found));
            (finding.passes(), finding.detail)
        };
        assert_eq!(compare([1.0, 2.0, 0.0], [1.0, 2.0, 0.0]), (true, "0.0e0 of 2.0e0".into()));
        assert_eq!(compare([nan, -inf, 2.0], [nan, -inf, 2.0]), (true, "0.0e0 of 2.0e0; 2 not finite in both".into()));
        assert_eq!(compare([nan, 1.0, 2.0], [0.0, 1.0, 2.0]), (false, "0.0e0 for NaN".into()));
        assert_eq!(compare([1.5, 1.0, 2.0], [nan, 1.0, 2.0]), (false, "NaN for 1.5e0".into()));
        assert_eq!(compare([inf, 1.0, 2.0], [-inf, 1.0, 2.0]), (false, "-inf for inf".into()));
        assert_eq!(compare([1.0, 1.0, 2.0], [1.0, 1.5, 2.0]), (false, "5.0e-1 of 2.0e0".into()));
    }
}
