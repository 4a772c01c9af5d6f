//! Text of a selection: every function with its loops, tiles and hints, and what they become.

use super::selection::{
    Block, Choice, FunctionRole, LoopChoice, SelectedFunction, Selection, StraightLineCall, TileCall, TileChoice,
    TileOut,
};
use super::shapes::Shapes;
use crate::asm::tile::{Count, End, TileShape};
use crate::asm::unit::VectorUnit;
use graphc_ir::loops::{LoopKind, Stmt, Tile};
use graphc_ir::scalar::LANES;
use std::fmt;

impl fmt::Display for Selection<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.target.unit() {
            Some(unit) => writeln!(f, "; {}, {unit}", self.target.name())?,
            None => writeln!(f, "; {}, nothing is assembled", self.target.name())?,
        }
        writeln!(f, "; {}", self.counts())?;
        for selected in &self.kernels {
            writeln!(f, "\nkernel {:?}", selected.kernel.name)?;
            let printer = Printer { shapes: &self.shapes, unit: self.target.unit(), functions: &selected.functions };
            let mut lines = selected.functions.iter().flat_map(|function| printer.function(function));
            lines.try_for_each(|line| writeln!(f, "{line}"))?;
        }
        Ok(())
    }
}

struct Printer<'a> {
    shapes: &'a Shapes,
    unit: Option<&'static VectorUnit>,
    functions: &'a [SelectedFunction<'a>],
}

impl Printer<'_> {
    fn function(&self, function: &SelectedFunction<'_>) -> Vec<String> {
        let shared = match &function.role {
            FunctionRole::Phase(Some(shared)) => {
                format!("  shared {} in {}..{}", shared.var, shared.range.start, shared.range.end)
            }
            FunctionRole::Phase(None) | FunctionRole::Nest => String::new(),
        };
        let head = format!("  {}{shared}", function.name);
        [vec![head], self.block(function.body, &function.block, 4)].concat()
    }

    fn block(&self, stmts: &[Stmt], block: &Block, indent: usize) -> Vec<String> {
        let are_hints = |a: &Stmt, b: &Stmt| matches!((a, b), (Stmt::Fetch { .. }, Stmt::Fetch { .. }));
        let chosen = stmts.chunk_by(are_hints).map(|run| &run[0]).filter(|stmt| {
            let is_index = matches!(stmt, Stmt::LetIndex { .. } | Stmt::ClampIndex { .. } | Stmt::LoadIndex { .. });
            !is_index && !matches!(stmt, Stmt::Let { .. } | Stmt::Set { .. } | Stmt::Store { .. })
        });
        chosen.zip(&block.0).flat_map(|(stmt, choice)| self.choice(stmt, choice, indent)).collect()
    }

    fn choice(&self, stmt: &Stmt, choice: &Choice, indent: usize) -> Vec<String> {
        match (stmt, choice) {
            (Stmt::Nest { .. }, Choice::Call(number)) => {
                vec![line(indent, "call", &self.functions[*number].name)]
            }
            (Stmt::Nest { name, body, .. }, Choice::Inline(block)) => {
                let head = line(indent, &format!("nest {name:?}"), "in place");
                [vec![head], self.block(body, block, indent + 2)].concat()
            }
            (Stmt::Lanes { body, .. }, Choice::Inline(block)) => self.block(body, block, indent),
            (Stmt::For { range, kind, body }, Choice::Loop(choice)) => {
                let kind = if *kind == LoopKind::Parallel { "parallel" } else { "for" };
                self.for_loop(&format!("{kind} {}", range.var), body, choice, indent)
            }
            (Stmt::Fetch { .. }, Choice::Fetch(calls)) => {
                let functions: Vec<String> = calls.iter().map(|call| call.function.to_string()).collect();
                let what = if calls.is_empty() { "nothing".to_owned() } else { functions.join(", ") };
                vec![line(indent, "fetch", &format!("Fetch {what}"))]
            }
            (Stmt::Tile(tile), Choice::Tile(choice)) => self.tile(tile, choice, indent),
            _ => unreachable!("the selection is of another program"),
        }
    }

    fn for_loop(&self, head: &str, body: &[Stmt], choice: &LoopChoice, indent: usize) -> Vec<String> {
        let (text, inside) = match choice {
            LoopChoice::Copied { copies, .. } => {
                let mut inside: Vec<Vec<String>> =
                    copies.iter().map(|block| self.block(body, block, indent + 2)).collect();
                // Most copies are alike.
                inside.dedup();
                let text = match copies.len() {
                    0 => "Never runs".to_owned(),
                    1 => "Copied once".to_owned(),
                    n => format!("Copied {n} times"),
                };
                (text, inside.concat())
            }
            LoopChoice::StraightLine(call) => (self.straight_line(call), Vec::new()),
            LoopChoice::Transpose { function, calls } => {
                let n_squares = calls.iter().map(|call| call.count as usize).sum();
                (format!("Transpose {function}, {}", n_of(n_squares, "square")), Vec::new())
            }
            LoopChoice::Plain { reason, body: block } => {
                let text = if block.has_loops() { String::new() } else { format!("Plain: {reason}") };
                (text, self.block(body, block, indent + 2))
            }
        };
        [vec![line(indent, head, &text)], inside].concat()
    }

    fn straight_line(&self, call: &StraightLineCall) -> String {
        let (shape, plan) = &self.shapes.straight_lines[call.function.number];
        let accs = if shape.n_accs == 0 { String::new() } else { format!(", {}", n_of(shape.n_accs, "accumulator")) };
        let n_registers = match &plan.pairs {
            Some(_) => self.unit.map_or(0, |unit| unit.n_registers),
            None => self.unit.map_or(0, |unit| unit.n_line_registers),
        };
        let pairs = match &plan.pairs {
            Some(pairs) if pairs.rest.is_some() => ", two iterations at a time",
            Some(_) => ", in pairs",
            None if self.unit.is_some_and(|unit| unit.lanes > LANES) => ", no gain in pairs",
            None => "",
        };
        let (n_steps, n_used) = (n_of(shape.steps.len(), "step"), n_of(plan.n_registers(shape.n_accs), "register"));
        let counts: String = shape.inner.iter().map(|inner| format!(" x {}", inner.count)).collect();
        let within = if counts.is_empty() { counts } else { format!(" within n{counts}") };
        let spilled = match plan.n_spilled() {
            0 => String::new(),
            n => format!(", {n} spilled"),
        };
        let registers = format!("{n_used} of {n_registers}{spilled}");
        format!("StraightLine {}, {n_steps}{within}{accs}{pairs}, {registers}", call.function)
    }

    fn tile(&self, tile: &Tile, choice: &TileChoice, indent: usize) -> Vec<String> {
        let grid: Vec<String> = tile.grid.iter().map(|(var, extent)| format!("{var}:{extent}")).collect();
        let (text, epilogue) = match choice {
            TileChoice::Assembled(call) => match &call.out {
                TileOut::Accumulators { epilogue, .. } => (self.tile_call(tile, call), epilogue.first()),
                TileOut::Place(_) | TileOut::Table(_) => (self.tile_call(tile, call), None),
            },
            TileChoice::Plain { reason, epilogue } => (format!("Plain: {reason}"), epilogue.first()),
        };
        let inside = epilogue.map_or_else(Vec::new, |block| self.block(&tile.epilogue, block, indent + 2));
        [vec![line(indent, &format!("tile [{}]", grid.join(", ")), &text)], inside].concat()
    }

    /// For example `Tile tile0, 3x2x8 ymm, 25 steps, 6 accumulators of 16 registers, stores vectors`.
    fn tile_call(&self, tile: &Tile, call: &TileCall) -> String {
        let (shape, plan) = &self.shapes.tiles[call.function.number];
        let Some(unit) = self.unit else { return call.function.to_string() };
        let grid: Vec<String> = tile.grid.iter().map(|(_, extent)| extent.to_string()).collect();
        let end = match (shape.end, &call.out) {
            (End::Sum, _) => "stores sums".to_owned(),
            (End::Epilogue, _) => "with its epilogue".to_owned(),
            (End::Vector, TileOut::Accumulators { reason, .. }) => format!("epilogue by Cranelift: {reason}"),
            (End::Vector, _) => "stores vectors".to_owned(),
        };
        format!(
            "Tile {}, {}x{} {}, {} steps, {} accumulators of {}, {end}",
            call.function,
            grid.join("x"),
            LANES,
            unit.name,
            n_steps(shape),
            plan.sums.len(),
            unit.n_registers
        )
    }
}

fn n_of(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

fn line(indent: usize, head: &str, text: &str) -> String {
    let head = format!("{:indent$}{head}", "");
    if text.is_empty() { head } else { format!("{head:<36}{text}") }
}

/// Steps of a tile's reduction: `25`, or `25n` where an extent is known at run time only.
fn n_steps(shape: &TileShape) -> String {
    let (mut steps, mut is_known) = (1_u64, true);
    for reduction in &shape.loops {
        match reduction.count {
            Count::Constant(count) => steps = steps.saturating_mul(u64::from(count)),
            Count::Parameter(_) => is_known = false,
        }
    }
    match (steps, is_known) {
        (steps, true) => steps.to_string(),
        (1, false) => "n".to_owned(),
        (steps, false) => format!("{steps}n"),
    }
}
