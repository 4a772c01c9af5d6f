//! The plan as text: kernel by kernel, nest by nest, what was chosen, what was refused, and what both cost.

use crate::decide::axes::{Axes, AxisInfo};
use crate::decide::contraction::{Batch, ContractionPlan, Lanes, Read};
use crate::decide::copies::Copies;
use crate::decide::cut::Cut;
use crate::decide::kernel::{ChunkNest, GradientPlan, KernelSchedule, NestPlan, PhasePlan, Schedule};
use crate::decide::loops::{Loop, Panels};
use graphc_ir::graph::plan::Root;
use graphc_ir::index::Var;
use std::fmt::{self, Display, Formatter};

impl Display for Schedule {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let prologue = (!self.prologue.phases.is_empty()).then_some(&self.prologue);
        for kernel in prologue.into_iter().chain(&self.kernels) {
            kernel_text(f, kernel, &self.copies)?;
        }
        Ok(())
    }
}

fn kernel_text(f: &mut Formatter<'_>, kernel: &KernelSchedule, copies: &Copies) -> fmt::Result {
    writeln!(f, "kernel {}", kernel.name)?;
    for phase in &kernel.phases {
        match phase {
            PhasePlan::Once(nest) => nest_text(f, "  ", nest, copies)?,
            PhasePlan::Copy(id, name) => writeln!(f, "  copy of weights for {name:?}: {}", copies.get(*id))?,
            PhasePlan::Chunks { per_task, n_shares, nests, .. } => {
                let shares = if *n_shares == 1 { String::new() } else { format!(", cut in {n_shares} shares") };
                writeln!(f, "  tasks of {}{shares}", chunks_text(*per_task))?;
                chunk_nests(f, nests, copies)?;
            }
            PhasePlan::Rows(rows) => {
                writeln!(f, "  tasks of {}", chunks_text(1))?;
                rows.iter().try_for_each(|(id, name)| writeln!(f, "    copy behind {name:?}: {}", copies.get(*id)))?;
            }
            PhasePlan::Joined { groups, nests, gradients, .. } => {
                let (n, chunks) = (groups.n_groups, groups.chunks_per_group);
                writeln!(f, "  {n} tasks of {chunks} chunks of samples, gradients joined")?;
                chunk_nests(f, nests, copies)?;
                gradients.iter().try_for_each(|gradient| gradient_text(f, "    ", gradient, copies))?;
            }
            PhasePlan::Gradient(gradient) => gradient_text(f, "  ", gradient, copies)?,
        }
    }
    Ok(())
}

fn chunks_text(n_chunks: usize) -> String {
    format!("{n_chunks} {} of samples", if n_chunks == 1 { "chunk" } else { "chunks" })
}

fn chunk_nests(f: &mut Formatter<'_>, nests: &[ChunkNest], copies: &Copies) -> fmt::Result {
    for ChunkNest { nest, fetches, rows, cut } in nests {
        nest_text(f, "    ", nest, copies)?;
        if let Some(Cut { position, width, extent, .. }) = cut {
            let walked = match nest {
                NestPlan::Contraction(plan) => plan.loops[*position].to_string(),
                NestPlan::Sweep(plan) => plan.nests[0].loop_at(*position).unwrap_or_default(),
                NestPlan::Scatter(_) => String::new(),
            };
            writeln!(f, "      share     {width} of {extent} along {walked}")?;
        }
        for &id in rows {
            writeln!(f, "      then      {}", copies.get(id))?;
        }
        fetches_text(f, "      ", fetches)?;
    }
    Ok(())
}

fn fetches_text(f: &mut Formatter<'_>, indent: &str, fetches: &[graphc_ir::NodeId]) -> fmt::Result {
    if fetches.is_empty() {
        return Ok(());
    }
    let nodes: Vec<String> = fetches.iter().map(ToString::to_string).collect();
    writeln!(f, "{indent}fetches   the next chunk of {}", nodes.join(", "))
}

fn nest_text(f: &mut Formatter<'_>, indent: &str, nest: &NestPlan, copies: &Copies) -> fmt::Result {
    match nest {
        NestPlan::Sweep(plan) => plan.to_string().lines().try_for_each(|line| writeln!(f, "{indent}{line}")),
        NestPlan::Contraction(plan) => contraction_text(f, indent, (plan, &[]), copies),
        NestPlan::Scatter(plan) => plan.to_string().lines().try_for_each(|line| writeln!(f, "{indent}{line}")),
    }
}

fn gradient_text(f: &mut Formatter<'_>, indent: &str, gradient: &GradientPlan, copies: &Copies) -> fmt::Result {
    contraction_text(f, indent, (&gradient.nest, &gradient.cuts), copies)?;
    fetches_text(f, &format!("{indent}  "), &gradient.fetches)
}

fn contraction_text(
    f: &mut Formatter<'_>,
    indent: &str,
    (plan, cuts): (&ContractionPlan, &[Cut]),
    copies: &Copies,
) -> fmt::Result {
    let result = match plan.root {
        _ if plan.update.is_some() => stores_text(plan),
        Root::Value(node) => format!("stores {node}"),
        root => format!("partial results of {}", root.node()),
    };
    writeln!(f, "{indent}contraction {:?} {}: {result}", plan.name, plan.node)?;
    let indent = format!("{indent}  ");
    axes_text(f, &indent, &plan.axes)?;
    writeln!(f, "{indent}sum       {}", sum_text(plan))?;
    let lanes = match plan.lanes {
        Lanes::None => "none".to_string(),
        Lanes::Samples => "samples, 16 a chunk".to_string(),
        Lanes::SummedSamples => "samples, joined by the tree".to_string(),
        Lanes::Axis(axis) => format!("8 neighbours along {axis}"),
    };
    writeln!(f, "{indent}lanes     {lanes}")?;
    let order: Vec<String> = plan.loops.iter().map(ToString::to_string).collect();
    writeln!(f, "{indent}order     {}", if order.is_empty() { "one output".to_string() } else { order.join(" > ") })?;
    let blocks = plan.loops.iter().filter(|walk| walk.block > 1);
    let blocks = blocks.map(|walk| format!("{walk}:{}", walk.block));
    let of_taps = plan.taps.iter().map(|taps| format!("{}:{}", taps.axis, taps.block));
    let blocks: Vec<String> = blocks.chain(of_taps).collect();
    writeln!(f, "{indent}grid      {}", if blocks.is_empty() { "one output".to_string() } else { blocks.join(" x ") })?;
    let taps = plan.taps.as_ref().map(|taps| format!("taps      of {} {taps}", reduction(plan, taps.reduction)));
    let terms = plan.terms.map(|blocks| format!("terms     of {} {blocks}", reduction(plan, 0)));
    let panels = plan.panels.map(|Panels { of, n_blocks }| format!("panels    of {n_blocks} blocks {of}, outermost"));
    for line in [
        borders_text(plan),
        taps,
        panels,
        terms,
        parallel_text(plan, cuts),
        strips_text(plan),
        copies_text(plan, copies),
    ] {
        line.iter().try_for_each(|line| writeln!(f, "{indent}{line}"))?;
    }
    writeln!(f, "{indent}cost      {:.1} kcycles", plan.kilocycles)?;
    if !plan.refused.is_empty() {
        let refused: Vec<String> = plan.refused.iter().map(|(what, cost)| format!("{what} {cost:.1}")).collect();
        writeln!(f, "{indent}refused   {}", refused.join(" | "))?;
    }
    Ok(())
}

/// `stores %12, %14`
fn stores_text(plan: &ContractionPlan) -> String {
    let nodes = plan.update.iter().flat_map(|update| &update.stored);
    format!("stores {}", nodes.map(ToString::to_string).collect::<Vec<_>>().join(", "))
}

/// The batch, the other axes of the result, and the reductions, a line each.
fn axes_text(f: &mut Formatter<'_>, indent: &str, axes: &Axes) -> fmt::Result {
    let line = |axes: Vec<&AxisInfo>| axes.iter().map(ToString::to_string).collect::<Vec<_>>().join(" | ");
    let (batch, outputs): (Vec<_>, Vec<_>) = axes.outputs().partition(|axis| axis.is_batch);
    let lines = [batch, outputs, axes.reductions().collect()].map(line);
    for (number, line) in lines.iter().filter(|line| !line.is_empty()).enumerate() {
        writeln!(f, "{indent}{:10}{line}", if number == 0 { "axes" } else { "" })?;
    }
    Ok(())
}

/// `one chain over i4, i5, i6`, `4 groups of 1 chunk, each one chain over i4, i5`
fn sum_text(plan: &ContractionPlan) -> String {
    let terms: Vec<String> =
        plan.axes.reductions().filter(|axis| !axis.is_batch).map(|axis| axis.var.to_string()).collect();
    let over = |terms: &[String]| {
        if terms.is_empty() { String::new() } else { format!(" over {}", terms.join(", ")) }
    };
    let Batch::Summed(groups) = plan.batch else {
        let samples = (plan.batch == Batch::SummedRows).then(|| "samples".to_string());
        let terms: Vec<String> = samples.into_iter().chain(terms).collect();
        return format!("one chain{}", over(&terms));
    };
    let chunks = if groups.chunks_per_group == 1 { "chunk" } else { "chunks" };
    let mut inner = vec!["chunks".to_string()];
    inner.extend(terms);
    inner.push(if plan.lanes == Lanes::SummedSamples { "halves" } else { "samples" }.to_string());
    format!("groups of {} {chunks}: {}; each one chain{}", groups.chunks_per_group, groups.n_groups, over(&inner))
}

/// The reduction at a position.
fn reduction(plan: &ContractionPlan, position: usize) -> Var {
    plan.axes.reductions().nth(position).expect("a reduction").var
}

fn borders_text(plan: &ContractionPlan) -> Option<String> {
    let has_borders = |walk: &&Loop| walk.block > 1 && walk.inner != [0, walk.extent];
    let walks = plan.loops.iter().filter(has_borders);
    let inner: Vec<String> = walks.map(|walk| format!("{walk} in {}..{}", walk.inner[0], walk.inner[1])).collect();
    (!inner.is_empty()).then(|| format!("inside    {}", inner.join(", ")))
}

/// `blocks of i0`, `4 groups x 2 shares of i3 x 3 shares of i1`
fn parallel_text(plan: &ContractionPlan, cuts: &[Cut]) -> Option<String> {
    let by = match (plan.batch, plan.loops.iter().find(|walk| walk.is_shared)) {
        _ if !cuts.is_empty() => {
            let groups = plan.shares_groups().then(|| format!("{} groups", plan.n_parts()));
            let shares = cuts.iter().map(|cut| format!("{} shares of {}", cut.n_shares, cut_loop(plan, cut)));
            groups.into_iter().chain(shares).collect::<Vec<_>>().join(" x ")
        }
        (_, Some(walk)) => format!("blocks of {walk}"),
        (Batch::Summed(groups), None) => format!("{} groups", groups.n_groups),
        (Batch::None | Batch::Chunks { .. } | Batch::Rows | Batch::SummedRows, None) => return None,
    };
    let waits = if plan.accumulators_wait { ", accumulators wait for the next chunk" } else { "" };
    Some(format!("parallel  {by}{waits}"))
}

/// What a cut is along: a loop, or an axis whose taps share strips.
fn cut_loop(plan: &ContractionPlan, cut: &Cut) -> String {
    let taps = || plan.strips.as_ref().map(|strips| strips.axes[cut.position - plan.loops.len()].0.to_string());
    plan.loops.get(cut.position).map(Loop::to_string).or_else(taps).unwrap_or_default()
}

fn strips_text(plan: &ContractionPlan) -> Option<String> {
    let strips = plan.strips.as_ref()?;
    let axes: Vec<String> = strips.axes.iter().map(|(axis, extent)| format!("{axis}:{extent}")).collect();
    Some(format!("strips    {} of rows, shared by {}", strips.n_strips(), axes.join(", ")))
}

fn copies_text(plan: &ContractionPlan, copies: &Copies) -> Option<String> {
    let read = |(factor, read): (&str, &Read)| match read {
        Read::Copy(id) => Some(format!("copies    {factor} from {}", copies.get(*id))),
        Read::Tensor(_) => None,
    };
    ["a", "b"].into_iter().zip(&plan.reads).find_map(read)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::loops::Coordinate;

    #[test]
    fn loops_are_named_by_what_they_walk() {
        let names = [Coordinate::Axis(Var(3)), Coordinate::Chunk, Coordinate::Half, Coordinate::Vector];
        let names = names.map(|coordinate| Loop::new(coordinate, 4).to_string());
        assert_eq!(names, ["i3", "chunk", "half", "vector"]);
    }
}
