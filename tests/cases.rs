//! One case file an op, `tests/cases/ops/<op>.gir`, on every engine: machine code equals the loop interpreter in every
//! bit, both graph interpreters within the op's tolerance, and gradients equal central differences. An elementwise op
//! needs no file: its case is made of what it says of itself. A layer has a graph file,
//! `tests/cases/layers/<layer>.json`.

#[path = "cases/elementwise.rs"]
mod elementwise;
#[path = "cases/layers.rs"]
mod layers;

use crate::common::engines::{compare_isas, run_both, text};
use crate::common::meaning::{compare, compare_with_meaning};
use graphc_codegen::Isa;
use graphc_driver::{CompileOptions, Lowered, compile};
use graphc_interp::gradcheck::{GradcheckOptions, check_gradients};
use graphc_interp::graph::{Evaluation, Keep, run_keeping};
use graphc_ir::graph::{Graph, Mode, NodeId};
use graphc_ir::{Op, Tensor};
use graphc_testing::bindings;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Numbers of a case are made from this.
const SEED: u64 = 0x2545_f491_4f6c_dd1d;

/// How far an f32 result may be from the meaning, relative to the largest element: 0 for ops that move, choose or
/// compare elements and so never round.
fn tolerance(op: &Op) -> f64 {
    if op.info().is_exact { 0.0 } else { 1e-5 }
}

/// The greatest tolerance among the ops that `node` is computed by.
fn tolerance_of(graph: &Graph, node: NodeId) -> f64 {
    let (mut seen, mut pending, mut greatest) = (BTreeSet::new(), vec![node], 0.0_f64);
    while let Some(id) = pending.pop() {
        if seen.insert(id) {
            greatest = greatest.max(tolerance(graph.op(id)));
            pending.extend(graph.operands(id));
        }
    }
    greatest
}

/// Compiles `graph` with `options`, runs every engine, and compares.
fn check(graph: &Graph, options: &CompileOptions) -> Result<(), String> {
    let compiled = compile(graph, options).map_err(text)?;
    let tensors = bindings(&compiled.lowered.backward, SEED);
    let (lowered, memory) = run_both(compiled, &tensors)?;
    compare_isas(graph, options, &[Isa::Portable, Isa::Fma], &tensors, &memory)?;
    let of_output: BTreeMap<&str, f64> = lowered
        .backward
        .outputs
        .iter()
        .map(|output| (output.name.as_str(), tolerance_of(&lowered.backward, output.node)))
        .collect();
    let exact: BTreeMap<String, Tensor<f64>> = tensors.iter().map(|(name, t)| (name.clone(), t.cast())).collect();
    let meaning: Evaluation<f64> = run_keeping(&lowered.backward, &exact, Keep::Roots).map_err(text)?;
    compare_with_meaning(&lowered.program, &memory, &meaning, |name| of_output[name])?;
    let single: Evaluation<f32> = run_keeping(&lowered.backward, &tensors, Keep::Roots).map_err(text)?;
    for (name, found) in &single.outputs {
        let expected = meaning.output(name).expect("both ran one graph");
        compare(name, found, expected, of_output[name.as_str()]).map_err(|error| format!("in f32, {error}"))?;
    }
    if options.gradients { check_differences(&lowered, &exact) } else { Ok(()) }
}

/// Every gradient of a training graph against central differences of its loss.
fn check_differences(lowered: &Lowered, tensors: &BTreeMap<String, Tensor<f64>>) -> Result<(), String> {
    const RELATIVE: f64 = 1e-6;
    const ABSOLUTE: f64 = 1e-9;
    let graph = &lowered.backward;
    let loss = graph.loss.ok_or("a training graph has a loss")?;
    let parameter = |name: &str| name.strip_prefix("grad.").map(str::to_string);
    let pairs: Vec<(String, NodeId)> =
        graph.outputs.iter().filter_map(|output| Some((parameter(&output.name)?, output.node))).collect();
    if pairs.is_empty() {
        return Err("a loss and no gradient".to_string());
    }
    for row in check_gradients(graph, tensors, loss, &pairs, GradcheckOptions::default()).map_err(text)? {
        // An operand without influence would pass every comparison; so would one that only has kinks.
        if row.largest == 0.0 || 2 * row.n_checked <= row.n_skipped || !row.within(RELATIVE, ABSOLUTE) {
            return Err(format!("gradient of {row}"));
        }
    }
    Ok(())
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/cases/ops")
}

/// A case file's graph, which must be named after an op that it has; without a file, the made one.
fn read(op: &str) -> Result<Graph, String> {
    let file = directory().join(format!("{op}.gir"));
    let made = Op::named(op).filter(|_| !file.exists()).and_then(elementwise::graph);
    if let Some(graph) = made {
        return Ok(graph);
    }
    let source = std::fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
    if !source.starts_with(&format!("; case: {op}\n")) {
        return Err(format!("the first line must be `; case: {op}`"));
    }
    let graph: Graph = source.parse().map_err(text)?;
    if !graph.ids().into_iter().any(|id| graph.op(id).name() == op) {
        return Err(format!("the graph has no {op}"));
    }
    Ok(graph)
}

/// The case of `op`.
fn check_op(op: &str) -> Result<(), String> {
    check_graph(&read(op)?)
}

/// In every mode the graph has, with and without bounds checks.
fn check_graph(graph: &Graph) -> Result<(), String> {
    let batch = graph.batch.ok_or("the graph must set its batch")?;
    let infer = CompileOptions::infer(batch);
    let train = CompileOptions { gradients: true, update: false, ..CompileOptions::train(batch) };
    for options in [infer, train] {
        if options.mode == Mode::Train && graph.loss.is_none() {
            continue;
        }
        for checked in [false, true] {
            let options = CompileOptions { checked, ..options.clone() };
            check(graph, &options).map_err(|error| format!("{} (checked: {checked}): {error}", options.mode.name()))?;
        }
    }
    Ok(())
}

#[test]
fn every_op_has_a_case_and_every_case_agrees() {
    let failures: Vec<String> = Op::ALL
        .iter()
        .filter_map(|op| check_op(op.name).err().map(|error| format!("tests/cases/ops/{}.gir: {error}", op.name)))
        .collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// The made cases of the ops that have a file, too.
#[test]
fn made_cases_agree() {
    let has_file = |op: &str| directory().join(format!("{op}.gir")).exists();
    for info in Op::ALL.iter().filter(|info| has_file(info.name)) {
        let Some(graph) = elementwise::graph(info) else { continue };
        check_graph(&graph).unwrap_or_else(|error| panic!("{}: {error}", info.name));
    }
}

#[test]
fn every_file_is_of_an_op() {
    let ops: BTreeSet<String> = Op::ALL.iter().map(|op| format!("{}.gir", op.name)).collect();
    for entry in std::fs::read_dir(directory()).expect("tests/cases/ops exists") {
        let name = entry.expect("the directory can be read").file_name().to_string_lossy().into_owned();
        assert!(ops.contains(&name), "tests/cases/ops/{name}: no op of that name");
    }
}

#[test]
fn only_ops_without_a_gradient_have_no_loss() {
    let without: Vec<&str> =
        Op::ALL.iter().map(|op| op.name).filter(|op| read(op).is_ok_and(|g| g.loss.is_none())).collect();
    assert_eq!(without, ["input", "equal", "argmax", "max_pool2d_index"]);
}
