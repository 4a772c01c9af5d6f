//! The axis table of a contraction: what is known of every axis before anything is chosen.

use crate::decide::problem::Problem;
use graphc_ir::compute::LoadIndex;
use graphc_ir::form::PointForm;
use graphc_ir::index::{Affine, Atom, Var};
use graphc_ir::loops::Layout;
use std::fmt::{self, Display, Formatter};

/// How an operand moves when an axis does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Move {
    /// Not at all: the same word for all its coordinates.
    No,
    /// To the next word.
    Unit,
    /// By a fixed number of words.
    Stride,
    /// In some other way, through divisions and remainders.
    Other,
}

/// What is known of one axis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AxisInfo {
    /// The axis in the form.
    pub(crate) var: Var,
    pub(crate) extent: usize,
    /// Whether it is an axis of the result, not a reduction.
    pub(crate) is_output: bool,
    pub(crate) is_batch: bool,
    /// For each of the two factors.
    pub(crate) moves: [Move; 2],
    /// Whether the bounds of some reduction depend on it.
    pub(crate) bounds: bool,
}

/// All axes of a contraction: those of the result, then its reductions, outermost first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Axes(Vec<AxisInfo>);

impl Axes {
    /// The table of a contraction.
    pub(crate) fn of(problem: &Problem<'_>, form: &PointForm) -> Axes {
        let contraction = form.as_contraction().expect("a contraction");
        let factors = [contraction.a, contraction.b].map(|(read, index)| (problem.layout(read), index));
        let bounds: Vec<&Affine> = form.reds.iter().flat_map(|red| red.low.iter().chain(&red.high)).collect();
        let info = |var: Var, extent: usize, is_output: bool, is_batch: bool| AxisInfo {
            var,
            extent,
            is_output,
            is_batch,
            moves: [0, 1].map(|factor| moves(&factors[factor].0, factors[factor].1, var)),
            bounds: bounds.iter().any(|bound| bound.uses(var)),
        };
        let outputs = form.extents.iter().enumerate();
        let outputs = outputs.map(|(axis, &n)| info(Var(axis as u32), n, true, form.batch_axis == Some(axis)));
        let reductions = form.reds.iter().map(|red| info(red.var, red.extent, false, red.is_batch));
        Axes(outputs.chain(reductions).collect())
    }

    /// The axis of that variable.
    ///
    /// # Panics
    /// If there is none.
    pub(crate) fn get(&self, var: Var) -> &AxisInfo {
        self.0.iter().find(|axis| axis.var == var).expect("an axis of the contraction")
    }

    /// Axis `axis` of the result.
    pub(crate) fn output(&self, axis: usize) -> &AxisInfo {
        &self.0[axis]
    }

    /// Reductions, outermost first.
    pub(crate) fn reductions(&self) -> impl Iterator<Item = &AxisInfo> {
        self.0.iter().filter(|axis| !axis.is_output)
    }

    /// Axes of the result.
    pub(crate) fn outputs(&self) -> impl Iterator<Item = &AxisInfo> {
        self.0.iter().filter(|axis| axis.is_output)
    }
}

impl AxisInfo {
    /// Which factors it moves, if by fixed steps.
    pub(crate) fn moved(&self) -> Option<[bool; 2]> {
        let is_fixed = !self.moves.contains(&Move::Other);
        is_fixed.then(|| self.moves.map(|moved| moved != Move::No))
    }

    /// Whether it moves this factor by fixed steps, and not the other one.
    pub(crate) fn moves_only(&self, factor: usize) -> bool {
        matches!(self.moves[factor], Move::Unit | Move::Stride) && self.moves[1 - factor] == Move::No
    }
}

fn moves(layout: &Layout, index: &[LoadIndex], var: Var) -> Move {
    let mut found = Move::No;
    for (dimension, index) in index.iter().enumerate().filter(|(_, index)| index.value.uses(var)) {
        let is_unit = match layout.batch_axis {
            Some(batch) => batch == dimension,
            None => layout.strides[dimension] == 1,
        };
        let is_alone = found == Move::No;
        found = match index.value.coefficient(var) {
            _ if found == Move::Other || divides(&index.value, var) => Move::Other,
            1 if is_unit && is_alone => Move::Unit,
            _ => Move::Stride,
        };
    }
    found
}

/// Whether a division or remainder depends on `var`.
fn divides(index: &Affine, var: Var) -> bool {
    index.terms.iter().any(|(atom, _)| match atom {
        Atom::Var(_) => false,
        Atom::Div(inner, _) | Atom::Mod(inner, _) => inner.uses(var),
    })
}

impl Display for Move {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Move::No => "no",
            Move::Unit => "unit",
            Move::Stride => "stride",
            Move::Other => "other",
        })
    }
}

impl Display for AxisInfo {
    /// `i3:6 out a=no b=unit`
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let role = if self.is_output { "out" } else { "sum" };
        write!(f, "{}:{}", self.var, self.extent)?;
        if self.is_batch {
            f.write_str(" batch")?;
        }
        write!(f, " {role} a={} b={}", self.moves[0], self.moves[1])?;
        if self.bounds { f.write_str(" bounds") } else { Ok(()) }
    }
}
