//! A case of every op on every engine: machine code equals the loop interpreter in every bit, both graph interpreters
//! within the op's tolerance, and gradients equal central differences. The case is made of what the op says of itself;
//! `tests/cases/ops/<op>.gir` has what is seldom drawn. Layers have graph files, `tests/cases/layers/<layer>.json`,
//! and so have blocks and what else concerns whole networks, `tests/cases/networks`.

#[path = "cases/layers.rs"]
mod layers;
#[path = "cases/made.rs"]
mod made;
#[path = "cases/networks.rs"]
mod networks;

use crate::common::engines::{OTHER_ISAS, compare_isas, run_both, text};
use crate::common::meaning::{compare, compare_with_meaning};
use graphc_driver::{CompileOptions, Lowered, compile};
use graphc_interp::gradcheck::{GradcheckOptions, check_gradients};
use graphc_interp::graph::{Evaluation, Keep, run_keeping};
use graphc_ir::graph::{Graph, Mode, NodeId};
use graphc_ir::ops::OpInfo;
use graphc_ir::{Op, Tensor};
use graphc_testing::{Specials, bindings, special_bindings};
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
    compare_isas(graph, options, &OTHER_ISAS, &tensors, &memory)?;
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

/// A case file's graph, which must be named after an op that it has.
fn read(op: &str) -> Result<Graph, String> {
    let file = directory().join(format!("{op}.gir"));
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

/// On NaN, infinities and others of their kind machine code equals the loop interpreter, too.
fn check_special_values(graph: &Graph) -> Result<(), String> {
    let batch = graph.batch.ok_or("the graph must set its batch")?;
    let train = CompileOptions { gradients: true, update: false, ..CompileOptions::train(batch) };
    let options = if graph.loss.is_some() { train } else { CompileOptions::infer(batch) };
    let compiled = compile(graph, &options).map_err(text)?;
    let tensors = special_bindings(&compiled.lowered.backward, SEED, Specials::All);
    let (_, memory) = run_both(compiled, &tensors)?;
    compare_isas(graph, &options, &OTHER_ISAS, &tensors, &memory)
}

#[test]
fn made_cases_of_every_op_agree() {
    let check = |info: &OpInfo| match made::graph(info) {
        Some(graph) => check_graph(&graph).and_then(|()| check_special_values(&graph)),
        None => info.not_drawn.map(|_| ()).ok_or("no case is drawn".to_string()),
    };
    let failures: Vec<String> =
        Op::ALL.iter().filter_map(|info| check(info).err().map(|error| format!("{}: {error}", info.name))).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn cases_in_files_agree() {
    for entry in std::fs::read_dir(directory()).expect("tests/cases/ops exists") {
        let name = entry.expect("the directory can be read").file_name().to_string_lossy().into_owned();
        let op = name.strip_suffix(".gir").filter(|op| Op::named(op).is_some());
        let op = op.unwrap_or_else(|| panic!("tests/cases/ops/{name}: no op of that name"));
        read(op).and_then(|graph| check_graph(&graph)).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}
