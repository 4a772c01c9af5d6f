//! The walk through a program: functions, blocks and loops.

use super::context::{Context, Site, State};
use super::mentions::Mentions;
use super::selection::{
    Block, Choice, FunctionRole, LoopChoice, SelectedFunction, SelectedKernel, Selection, SharedLoop, TileChoice,
    TileOut,
};
use super::shapes::Shapes;
use super::straight_line::FEWEST_STEPS;
use super::uniform::Uniformity;
use super::values::Values;
use super::{fetch, straight_line, tile, transpose};
use crate::hash::QuickMap;
use crate::options::CodegenOptions;
use crate::target::Target;
use graphc_ir::index::Var;
use graphc_ir::loops::{Kernel, LoopKind, Program, Range, Stmt, Tile};
use std::collections::VecDeque;

/// Loops of at most this many iterations and statements in all are copied.
const MAX_COPIES: i64 = 8;
const MAX_COPIED_STMTS: usize = 32;

/// Decides for every statement of a program what it becomes on a machine.
pub fn select<'p>(program: &'p Program, target: &'p Target, options: &CodegenOptions) -> Selection<'p> {
    let mut shapes = Shapes::default();
    let kernels = program.kernels.iter().enumerate().map(|(number, kernel)| {
        let cx = Context {
            program,
            unit: target.unit(),
            checked: options.checked,
            values: Values::of(program, kernel),
            mentions: Mentions::of(&kernel.body),
            uniformity: Uniformity::of(kernel),
        };
        let functions = Functions::of(&cx, label(program, number), kernel, &mut shapes);
        SelectedKernel { kernel, uniformity: cx.uniformity, functions }
    });
    let kernels = kernels.collect();
    Selection { program, target, checked: options.checked, kernels, shapes }
}

/// The statements of each phase of a kernel, in the order of
/// [`CompiledKernel::phases`](crate::CompiledKernel::phases).
pub fn phases(kernel: &Kernel) -> impl Iterator<Item = &[Stmt]> {
    split(&kernel.body, &Mentions::of(&kernel.body))
}

/// Whether all members of a team run a phase of these statements: it is one parallel loop, perhaps inside a nest, of
/// more than one turn. Behind it is a barrier; other phases are the caller's alone.
pub fn is_shared(stmts: &[Stmt]) -> bool {
    let FunctionRole::Phase(Some(shared)) = phase("", 0, stmts).role else { return false };
    shared.range.end - shared.range.start > 1
}

/// Phases of a step, without the prologue, and how many of them are shared: as many barriers a team has.
pub fn count_phases(program: &Program) -> (usize, usize) {
    let all = || program.each_step().iter().flat_map(phases);
    (all().count(), all().filter(|stmts| is_shared(stmts)).count())
}

/// One phase per top-level statement; a single one if they share values or variables.
fn split<'p>(body: &'p [Stmt], kernel: &Mentions) -> std::slice::Chunks<'p, Stmt> {
    let stands_alone = |stmt: &Stmt| {
        let mentions = Mentions::of(std::slice::from_ref(stmt));
        mentions.are_all_of(kernel) && mentions.free_vars().is_empty()
    };
    body.chunks(if body.iter().all(stands_alone) { 1 } else { body.len() })
}

/// `k0`, `k1`, ... for the kernels of a step, as the schedule calls them; `prologue` for what precedes them.
fn label(program: &Program, kernel: usize) -> String {
    match (kernel.checked_sub(program.prologue().len()), kernel) {
        (Some(number), _) => format!("k{number}"),
        (None, 0) => "prologue".to_owned(),
        (None, number) => format!("prologue{number}"),
    }
}

/// Where a statement stands: its number in its block, behind those of the statements around it.
type Position = Vec<usize>;

/// The functions of a kernel, named and still to be walked through.
struct Functions<'p> {
    /// What their names begin with.
    kernel: String,
    functions: Vec<SelectedFunction<'p>>,
    /// Those whose statements have not been walked through, with where these stand.
    pending: VecDeque<(usize, Position)>,
    /// By the nest's position: copies of an unrolled loop share the function.
    nests: QuickMap<Position, usize>,
}

impl<'p> Functions<'p> {
    fn of(cx: &Context<'p>, label: String, kernel: &'p Kernel, shapes: &mut Shapes) -> Vec<SelectedFunction<'p>> {
        let mut functions =
            Functions { kernel: label, functions: Vec::new(), pending: VecDeque::new(), nests: QuickMap::default() };
        for (number, stmts) in split(&kernel.body, &cx.mentions).enumerate() {
            functions.add(phase(&functions.kernel, number, stmts), vec![number]);
        }
        while let Some((number, position)) = functions.pending.pop_front() {
            let (body, state) = (functions.functions[number].body, State::default());
            let mut walk = Walk { cx, shapes: &mut *shapes, functions: &mut functions, state, position };
            let block = walk.block(body);
            functions.functions[number].block = block;
        }
        functions.functions
    }

    fn add(&mut self, function: SelectedFunction<'p>, position: Position) -> usize {
        self.functions.push(function);
        self.pending.push_back((self.functions.len() - 1, position));
        self.functions.len() - 1
    }

    /// The function of a nest.
    fn nest(&mut self, name: &'p str, body: &'p [Stmt], params: Vec<Var>, position: &Position) -> usize {
        if let Some(&known) = self.nests.get(position) {
            return known;
        }
        let function = SelectedFunction {
            name: format!("{}.nest{}.{name}", self.kernel, self.nests.len()),
            nest: name,
            role: FunctionRole::Nest,
            params,
            body,
            block: Block::default(),
        };
        let number = self.add(function, position.clone());
        self.nests.insert(position.clone(), number);
        number
    }
}

/// The function of a phase.
fn phase<'p>(kernel: &str, number: usize, stmts: &'p [Stmt]) -> SelectedFunction<'p> {
    let is_parallel = |stmts: &[Stmt]| matches!(stmts, [Stmt::For { kind: LoopKind::Parallel, .. }]);
    let (nest, stmts) = match stmts {
        [Stmt::Nest { name, body, .. }] if is_parallel(body) => (name.as_str(), body.as_slice()),
        stmts => ("", stmts),
    };
    let mut name = format!("{kernel}.phase{number}");
    if !nest.is_empty() {
        name = format!("{name}.{nest}");
    }
    let (mut body, mut shared) = (stmts, None);
    if let [Stmt::For { range, kind: LoopKind::Parallel, body: of_loop }] = stmts
        && let (Some(low), Some(high)) = (range.low.as_constant(), range.high.as_constant())
    {
        body = of_loop;
        shared = Some(SharedLoop { var: range.var, range: low..high.max(low) });
    }
    // The bounds of its share, which no statement names.
    let params = vec![Var(u32::MAX - 1), Var(u32::MAX)];
    SelectedFunction { name, nest, role: FunctionRole::Phase(shared), params, body, block: Block::default() }
}

struct Walk<'a, 'p> {
    cx: &'a Context<'p>,
    shapes: &'a mut Shapes,
    functions: &'a mut Functions<'p>,
    state: State,
    /// Of the block at hand.
    position: Position,
}

impl<'p> Walk<'_, 'p> {
    fn block(&mut self, stmts: &'p [Stmt]) -> Block {
        let are_hints = |a: &Stmt, b: &Stmt| matches!((a, b), (Stmt::Fetch { .. }, Stmt::Fetch { .. }));
        let (mut choices, mut number) = (Vec::new(), 0);
        let outer = self.state.lane_vars.len();
        for run in stmts.chunk_by(are_hints) {
            self.position.push(number);
            choices.extend(self.run(run));
            self.position.pop();
            number += run.len();
        }
        self.state.lane_vars.truncate(outer);
        Block(choices)
    }

    /// A run of hints, or another statement.
    fn run(&mut self, run: &'p [Stmt]) -> Option<Choice> {
        let stmt = run.first()?;
        Some(match stmt {
            Stmt::Nest { name, body, .. } => self.nest(name, body),
            Stmt::For { range, kind, body } => Choice::Loop(self.for_loop(range, *kind, body)),
            Stmt::Lanes { var, body } => {
                self.state.lane = Some(*var);
                self.state.lane_vars.enter(*var);
                let block = self.block(body);
                self.state.lane_vars.truncate(0);
                self.state.lane = None;
                Choice::Inline(block)
            }
            Stmt::Fetch { .. } => Choice::Fetch(fetch::fetch(self.cx, self.shapes, run)),
            Stmt::Tile(tile) => Choice::Tile(self.tile(tile)),
            Stmt::LetIndex { var, value } => {
                self.state.known.define(*var, value);
                return None;
            }
            Stmt::ClampIndex { var, .. } => {
                self.state.known.forget(*var);
                return None;
            }
            Stmt::LoadIndex { var, from, .. } => {
                self.state.known.forget(*var);
                self.state.lane_vars.load(*var, from);
                return None;
            }
            Stmt::Set { acc, .. } => {
                self.state.declared.insert(*acc);
                return None;
            }
            Stmt::Let { .. } | Stmt::Store { .. } => return None,
        })
    }

    /// A function of its own, unless it needs more than index variables.
    fn nest(&mut self, name: &'p str, body: &'p [Stmt]) -> Choice {
        let mentions = Mentions::of(body);
        if self.state.lane.is_some() || !mentions.are_all_of(&self.cx.mentions) {
            return Choice::Inline(self.block(body));
        }
        Choice::Call(self.functions.nest(name, body, mentions.free_vars(), &self.position))
    }

    fn for_loop(&mut self, range: &Range, kind: LoopKind, body: &'p [Stmt]) -> LoopChoice {
        if let (Some(low), Some(high)) = self.state.known.bounds(range) {
            let n_copies = high.saturating_sub(low).max(0);
            let is_small =
                n_copies <= MAX_COPIES && n_stmts(body).is_some_and(|n| n * n_copies as usize <= MAX_COPIED_STMTS);
            let is_call = n_copies == 1 && n_stmts(body).is_some_and(|n| n as i64 >= FEWEST_STEPS);
            if kind == LoopKind::Unroll || n_copies <= 1 && !is_call || is_small {
                let copies = (low..high).map(|value| {
                    self.state.known.bind(range.var, value);
                    self.block(body)
                });
                return LoopChoice::Copied { first: low, copies: copies.collect() };
            }
        }
        let site = &mut Site { cx: self.cx, state: &self.state, shapes: &mut *self.shapes };
        match straight_line::straight_line(site, range, body) {
            Ok(call) => LoopChoice::StraightLine(call),
            Err(reason) => transpose::transpose(site, range, body).unwrap_or_else(|_| {
                self.state.known.forget(range.var);
                LoopChoice::Plain { reason, body: self.block(body) }
            }),
        }
    }

    fn tile(&mut self, tile: &'p Tile) -> TileChoice {
        let cells = tile::grid_cells(&tile.grid);
        let site = &mut Site { cx: self.cx, state: &self.state, shapes: &mut *self.shapes };
        match tile::assembled(site, tile, &cells) {
            Ok(mut call) => {
                if let TileOut::Accumulators { epilogue, .. } = &mut call.out {
                    *epilogue = self.epilogue(tile, &cells);
                }
                TileChoice::Assembled(Box::new(call))
            }
            Err(reason) => TileChoice::Plain { reason, epilogue: self.epilogue(tile, &cells) },
        }
    }

    /// The epilogue in every cell.
    fn epilogue(&mut self, tile: &'p Tile, cells: &[Vec<i64>]) -> Vec<Block> {
        let of_cell = |cell: &Vec<i64>| {
            for (&(var, _), &coordinate) in tile.grid.iter().zip(cell) {
                self.state.known.bind(var, coordinate);
            }
            self.block(&tile.epilogue)
        };
        cells.iter().map(of_cell).collect()
    }
}

/// Number of statements, if there is neither a loop nor a tile nor a call among them.
fn n_stmts(body: &[Stmt]) -> Option<usize> {
    body.iter().try_fold(0, |sum, stmt| match stmt {
        Stmt::Lanes { body, .. } => Some(sum + 2 * n_stmts(body)?),
        Stmt::For { .. } | Stmt::Nest { .. } | Stmt::Tile(_) => None,
        _ => Some(sum + 1),
    })
}
