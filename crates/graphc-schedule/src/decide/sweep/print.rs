//! The text of a sweep's plan.
//!
//! ```text
//! sweep "bn1 + relu1 + pool1 + statistics of bn2"
//!   axes      a:6 out | b:12 out | c:12 out
//!   lanes     samples, 8 of 16 in a chunk
//!   loops     a > b > c by 2 > halves written out
//!   results   store %174 | partial sum %175 over n,b,c: 2 chains
//! ```
//!
//! Axes are named in the order of the sweep's space, `n` is the samples. Digits of an axis are numbered from the last
//! one on. An axis is `out` if it is one of some result, and `red` if all results sum over it. A line `joins` names
//! the reductions over the batch whose partial results are joined.

use super::nest::{Coordinate, Loop, Nest, PartialResult, ResultKind, SweepPlan, SweepResult, Terms, Walk};
use graphc_ir::NodeId;
use graphc_ir::loops::LoopKind;
use graphc_ir::scalar::{CHUNK, LANES};
use std::fmt::{self, Display, Formatter};

/// Most columns of a line.
const MOST_COLUMNS: usize = 110;

impl Display for SweepPlan {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let room = MOST_COLUMNS - "sweep \"\"".len();
        let name: String = match self.name.chars().count() > room {
            true => self.name.chars().take(room - 3).chain("...".chars()).collect(),
            false => self.name.clone(),
        };
        for nest in &self.nests {
            writeln!(f, "sweep \"{name}\"")?;
            nest.fmt(f)?;
        }
        Ok(())
    }
}

impl Display for Nest {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let axes = (0..self.axes.len()).map(|axis| self.axis(axis)).collect();
        line(f, "axes", axes, " | ")?;
        line(f, "lanes", vec![self.lanes()], "")?;
        let loops = (0..self.loops.len()).filter_map(|depth| self.loop_at(depth)).collect();
        line(f, "loops", loops, " > ")?;
        if !self.joins.is_empty() {
            line(f, "joins", self.joins.iter().map(NodeId::to_string).collect(), ", ")?;
        }
        line(f, "results", self.results.iter().map(|result| self.result(result)).collect(), " | ")
    }
}

/// A line of several parts, which goes on in the next where it is too long.
fn line(f: &mut Formatter<'_>, label: &str, parts: Vec<String>, between: &str) -> fmt::Result {
    let mut text = format!("  {label:<9}");
    let mut columns = text.chars().count();
    let n_parts = parts.len();
    for (number, part) in parts.into_iter().enumerate() {
        let part = if number + 1 < n_parts { format!("{part}{}", between.trim_end()) } else { part };
        if number > 0 && columns + 1 + part.chars().count() > MOST_COLUMNS {
            text.push_str("\n           ");
            columns = 11;
        }
        columns += 1 + part.chars().count();
        text.push(' ');
        text.push_str(&part);
    }
    let nothing = if n_parts == 0 { " none" } else { "" };
    writeln!(f, "{text}{nothing}")
}

impl Nest {
    fn axis(&self, axis: usize) -> String {
        let keeps = |result: &SweepResult| match result.kind {
            ResultKind::Stored | ResultKind::Scanned { .. } => true,
            ResultKind::Partial(partial) => axis < partial.n_kept,
        };
        let role = if self.results.iter().any(keeps) { "out" } else { "red" };
        format!("{}:{} {role}", name(axis), self.axes[axis])
    }

    fn lanes(&self) -> String {
        match self.lanes {
            None => "none".to_string(),
            Some(Coordinate::Element) => format!("{LANES} consecutive elements"),
            Some(Coordinate::Axis(axis)) => format!("{LANES} neighbours along {}", name(axis)),
            Some(Coordinate::Sample) => format!("samples, {LANES} of {CHUNK} in a chunk"),
        }
    }

    /// A loop in words; none if it has one turn, which is no loop.
    pub(crate) fn loop_at(&self, depth: usize) -> Option<String> {
        let this = &self.loops[depth];
        let of_the_same = |loops: &[Loop]| loops.iter().filter(|other| other.over == this.over).count();
        let vectors = if self.lanes == Some(this.over) { " vectors" } else { "" };
        let extent = this.extent;
        let what = match this.over {
            Coordinate::Axis(axis) if of_the_same(&self.loops) > 1 => {
                format!("{}{}:{extent}{vectors}", name(axis), of_the_same(&self.loops[depth + 1..]))
            }
            Coordinate::Axis(axis) if vectors.is_empty() => name(axis),
            Coordinate::Axis(axis) => format!("{}:{extent}{vectors}", name(axis)),
            Coordinate::Sample if vectors.is_empty() => format!("n:{extent}"),
            Coordinate::Sample if extent == 1 => return None,
            Coordinate::Sample => "halves".to_string(),
            Coordinate::Element if of_the_same(&self.loops[depth + 1..]) > 0 => format!("blocks:{extent}"),
            Coordinate::Element => format!("vectors:{extent}"),
        };
        let pieces: Vec<String> = this.cuts.iter().map(|cut| (cut * this.weight).to_string()).collect();
        let what = if pieces.is_empty() { what } else { format!("{what} in pieces from {}", pieces.join(", ")) };
        Some(match this.walk {
            Walk::Iterate(LoopKind::Serial) => what,
            Walk::Iterate(LoopKind::Unroll) => format!("{what} unrolled"),
            Walk::Iterate(LoopKind::Parallel) => format!("{what} parallel"),
            Walk::Chains(n_chains) => format!("{what} by {n_chains}"),
            Walk::WrittenOut => format!("{what} written out"),
            Walk::Jointly => format!("{what} jointly"),
        })
    }

    fn result(&self, result: &SweepResult) -> String {
        let node = result.root.node();
        let partial = match result.kind {
            ResultKind::Stored => return format!("store {node}"),
            ResultKind::Scanned { exclusive: false, .. } => return format!("scan {node}"),
            ResultKind::Scanned { exclusive: true, .. } => return format!("scan {node}, each the value before"),
            ResultKind::Partial(partial) => partial,
        };
        let what = match partial.terms {
            Terms::Sum { contracted: false } => "partial sum",
            Terms::Sum { contracted: true } => "partial sum of products",
            Terms::Max => "partial maximum",
            Terms::Deviations { .. } => "squared deviations",
        };
        let reduced = (partial.n_kept..self.axes.len()).map(name);
        let over: Vec<String> = ["n".to_string()].into_iter().chain(reduced).collect();
        let n_chains = self.n_chains(partial);
        let chains = if n_chains == 1 { "chain" } else { "chains" };
        format!("{what} {node} over {}: {n_chains} {chains}", over.join(","))
    }

    /// Sums of a partial result that do not wait for one another, besides those of the halves of a chunk.
    fn n_chains(&self, partial: PartialResult) -> usize {
        let chains = self.loops[partial.depth..].iter().filter(|inner| matches!(inner.walk, Walk::Chains(_)));
        chains.map(Loop::n_copies).product()
    }
}

/// The name of an axis: a letter before `n`, the samples.
fn name(axis: usize) -> String {
    match u8::try_from(axis) {
        Ok(letter @ 0..13) => char::from(b'a' + letter).to_string(),
        _ => format!("x{axis}"),
    }
}
