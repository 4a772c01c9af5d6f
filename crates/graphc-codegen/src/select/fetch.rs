//! Hints. Those that follow one another are one call, as far as there are pointers.

use super::context::Context;
use super::selection::FetchCall;
use super::shapes::Shapes;
use crate::asm::straight_line::StraightLine;
use crate::asm::unit::ShapeKind;
use graphc_ir::loops::{Access, Stmt};

/// Lines below which asking for them is not worth a call.
const FEWEST_LINES: usize = 2;

/// The calls that a run of hints becomes; none if there is no assembler.
pub(super) fn fetch(cx: &Context<'_>, shapes: &mut Shapes, hints: &[Stmt]) -> Vec<FetchCall> {
    let Ok(unit) = cx.unit_with(ShapeKind::StraightLine) else { return Vec::new() };
    let hints: Vec<(&Access, usize)> = hints.iter().filter_map(hint).collect();
    let call = |hints: &[(&Access, usize)]| {
        if hints.iter().map(|(_, n_lines)| n_lines).sum::<usize>() < FEWEST_LINES {
            return None;
        }
        let shape = StraightLine::fetch(hints.iter().map(|&(_, n_lines)| n_lines));
        let function = shapes.straight_line(&shape, unit).ok()?;
        Some(FetchCall { function, from: hints.iter().map(|&(from, _)| from.clone()).collect() })
    };
    hints.chunks(unit.n_pointers).filter_map(call).collect()
}

fn hint(stmt: &Stmt) -> Option<(&Access, usize)> {
    match stmt {
        Stmt::Fetch { from, n_lines } => Some((from, *n_lines)),
        _ => None,
    }
}
