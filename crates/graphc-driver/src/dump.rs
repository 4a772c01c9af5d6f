//! Text of every stage, as `graphc dump` prints it.

use crate::error::DriverError;
use crate::options::CompileOptions;
use crate::pipeline::{Lowered, lower};
use crate::stage::Stage;
use graphc_codegen::{CodegenOptions, FunctionText, Selection, count_phases, listing, select};
use graphc_ir::graph::plan::{Group, GroupKind, Root};
use graphc_ir::graph::{Graph, NodeId};
use std::fmt::Write;

/// The text of `graph` at `stage`.
///
/// # Errors
/// If the stages up to it fail.
pub fn dump(graph: &Graph, stage: Stage, options: &CompileOptions) -> Result<String, DriverError> {
    if stage == Stage::Graph {
        return Ok(graph.compacted().to_string());
    }
    stage_text(graph, stage, &lower(graph, options)?, options)
}

/// The text of every stage, each under a line with its name.
///
/// # Errors
/// If a stage fails.
pub fn dump_ladder(graph: &Graph, options: &CompileOptions) -> Result<String, DriverError> {
    let lowered = lower(graph, options)?;
    let mut text = String::new();
    for stage in Stage::ALL {
        let body = stage_text(graph, stage, &lowered, options)?;
        let gap = if text.is_empty() { "" } else { "\n" };
        _ = write!(text, "{gap};;; {}: {}\n\n{}\n", stage.name(), stage.about(), body.trim_end_matches('\n'));
    }
    Ok(text)
}

fn stage_text(graph: &Graph, stage: Stage, lowered: &Lowered, options: &CompileOptions) -> Result<String, DriverError> {
    Ok(match stage {
        Stage::Graph => graph.compacted().to_string(),
        Stage::Backward => lowered.backward.to_string(),
        Stage::Fused => fused_text(lowered),
        Stage::Plan => format!("{}{}", lowered.schedule, phases_text(lowered)),
        Stage::Loops => lowered.program.to_string(),
        Stage::Select | Stage::Clif | Stage::Asm => code_text(stage, lowered, options)?,
    })
}

/// The stages behind the loop program. They are made for reading, so that the machine need not be this one.
fn code_text(stage: Stage, lowered: &Lowered, options: &CompileOptions) -> Result<String, DriverError> {
    let (target, codegen) = (options.target()?, CodegenOptions { checked: options.checked });
    let selection: Selection<'_> = select(&lowered.program, &target, &codegen);
    if stage == Stage::Select {
        return Ok(selection.to_string());
    }
    let mut text = format!("; {target}\n; {}\n", selection.counts());
    for FunctionText { name, clif, asm } in listing(&selection)? {
        let body = if stage == Stage::Clif { clif } else { asm };
        _ = write!(text, "\n; {name}\n{body}");
    }
    Ok(text)
}

/// The graph of `stage` (one of the graph stages) in Graphviz's language.
///
/// # Errors
/// If the stages up to it fail, or the stage is not a graph.
pub fn dump_dot(graph: &Graph, stage: Stage, options: &CompileOptions) -> Result<String, DriverError> {
    let graph = match stage {
        Stage::Graph => graph.compacted(),
        Stage::Backward => lower(graph, options)?.backward,
        Stage::Fused => lower(graph, options)?.fused,
        stage => return Err(DriverError::Options(format!("stage `{}` is not a graph", stage.name()))),
    };
    let mut text = format!("digraph {:?} {{\n  rankdir=TB; node [shape=box, fontname=\"monospace\"];\n", graph.name);
    for id in graph.topo_order() {
        let node = graph.node(id);
        let label = format!("{id} {}\\n{}\\n{}", node.op.name(), node.ty, node.origin);
        _ = writeln!(text, "  n{} [label=\"{}\"];", id.0, label.replace('"', "'"));
        for operand in graph.operands(id) {
            _ = writeln!(text, "  n{} -> n{};", operand.0, id.0);
        }
    }
    text.push_str("}\n");
    Ok(text)
}

/// How often threads meet in a step.
fn phases_text(lowered: &Lowered) -> String {
    let (n_phases, n_shared) = count_phases(&lowered.program);
    format!("phases    {n_phases} a step, {n_shared} of them shared by threads, with a barrier behind each\n")
}

/// Kernels and groups, then the graph, then every decision.
fn fused_text(lowered: &Lowered) -> String {
    let (graph, plan) = (&lowered.fused, &lowered.plan);
    let n_groups: usize = plan.kernels.iter().map(|kernel| kernel.groups().count()).sum();
    let mut text = format!("; {} kernels a step, {n_groups} groups\n", plan.kernels.len());
    for (number, kernel) in plan.kernels.iter().enumerate() {
        _ = writeln!(text, "; kernel k{number}");
        let phases =
            [("head", &kernel.head), ("chunk", &kernel.chunk), ("batch", &kernel.batch), ("tail", &kernel.tail)];
        for (phase, groups) in phases {
            for group in groups {
                _ = writeln!(text, ";   {phase}: {}", group_text(graph, group));
            }
        }
    }
    _ = writeln!(text, "\n{graph}");
    text.push_str("; decisions\n");
    for decision in &plan.decisions {
        let node = graph.node(decision.node);
        let name = if node.name.is_empty() { node.origin.to_string() } else { node.name.clone() };
        _ = writeln!(text, ";   {} {} ({name}): {}", decision.node, node.op.name(), decision.text);
    }
    text
}

/// `sweep "bn1 + relu1 + pool1": sub mul add relu -> stores %20 avg_pool2d; partial sums of %22 reduce_mean`
fn group_text(graph: &Graph, group: &Group) -> String {
    let kind = match group.kind {
        GroupKind::Contraction => "contraction",
        GroupKind::Sweep => "sweep",
        GroupKind::Ordered => "in order",
    };
    let op = |node: NodeId| format!("{node} {}", graph.op(node).name());
    let inlined: Vec<String> = group.inlined.iter().map(|&node| op(node)).collect();
    let roots: Vec<String> = group
        .roots
        .iter()
        .map(|&root| match root {
            Root::Value(node) => format!("stores {}", op(node)),
            Root::Partial(node) => format!("partial results of {}", op(node)),
            Root::PartialSum(node) => format!("partial sums for {}", op(node)),
            Root::PartialDeviations(node) => format!("squared deviations for {}", op(node)),
        })
        .collect();
    let inlined = if inlined.is_empty() { String::new() } else { format!("computes {}; ", inlined.join(", ")) };
    format!("{kind} \"{}\": {inlined}{}", group.name, roots.join(", "))
}
