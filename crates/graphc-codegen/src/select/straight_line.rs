//! Loops over straight-line vector code, and epilogues of tiles.
//!
//! Inner loops of constant bounds are copied into the straight line, or, where that would be too long, the code counts
//! them itself. Accesses that differ by constants share a pointer.

use super::context::{Context, Site, State, Unit};
use super::loaded::LoadedIndices;
use super::mentions::Mentions;
use super::moving::{Counted, Moving, Place};
use super::reason::Reason;
use super::regions::{are_shared, regions};
use super::selection::{Fixed, Operands, Pointer, StraightLineCall};
use super::values::Scalar;
use crate::asm::straight_line::{InnerLoop, LINE_BYTES, Source, Step, StraightLine};
use crate::asm::unit::ShapeKind;
use crate::hash::QuickMap;
use graphc_ir::index::Var;
use graphc_ir::loops::{AccId, Access, Buffer, Expr, Join, LaneVars, Range, Stmt, Tile, ValueId};
use graphc_ir::scalar::{BinaryOp, CmpOp, LANES, UnaryOp};
use std::cell::OnceCell;
use std::collections::BTreeSet;

/// Steps of an iteration at most, copies included: 4 KiB of code, of which the nearest cache holds eight times as much.
const MAX_STEPS: usize = 512;

/// Steps of an iteration at most if it has copies of a loop of many iterations.
const MAX_COPIED_STEPS: usize = 160;

/// Most copies of a longer body: both halves of a chunk.
const MOST_LONG_COPIES: usize = 2;

/// Iterations below which a call is not worth its table, unless they are long.
const FEWEST_ITERATIONS: i64 = 4;

/// Steps of all iterations that are worth a call, however few they are.
pub(super) const FEWEST_STEPS: i64 = 64;

/// The call that a loop becomes, or why it becomes none. Loops in it are copied if that is no reason against it;
/// otherwise the outermost ones, each alone in the loop around it, are counted.
pub(super) fn straight_line(site: &mut Site<'_, '_>, range: &Range, body: &[Stmt]) -> Result<StraightLineCall, Reason> {
    let n_most = site.cx.unit_for(ShapeKind::StraightLine, site.state)?.unit.n_inner_loops;
    let mut nest = Nest { loops: vec![Counted { var: range.var, low: None, count: None }], before: Vec::new(), body };
    if let (Some(low), Some(high)) = site.state.known.bounds(range) {
        nest.loops[0].count = Some(high - low);
    }
    let reason = match nest.call(site) {
        Ok(call) => return Ok(call),
        Err(reason) => reason,
    };
    while nest.loops.len() <= n_most && nest.count_next(&site.cx.program.buffers) {
        if let Ok(call) = nest.call(site) {
            return Ok(call);
        }
    }
    Err(reason)
}

/// Loops around straight-line code.
struct Nest<'s> {
    /// Outermost first.
    loops: Vec<Counted>,
    /// What stands before loops in those around them: loads, which the innermost iteration can do as well.
    before: Vec<&'s Stmt>,
    body: &'s [Stmt],
}

impl<'s> Nest<'s> {
    /// Counts the loop that is all there is inside, loads before it excepted.
    fn count_next(&mut self, buffers: &[Buffer]) -> bool {
        let Some((Stmt::For { range, body, .. }, before)) = self.body.split_last() else { return false };
        let Some((low, high)) = range.low.as_constant().zip(range.high.as_constant()) else { return false };
        let mut stored = Vec::new();
        body.iter().for_each(|stmt| {
            stmt.for_each_access(&mut |access, is_store| {
                if is_store {
                    stored.push(access.buffer);
                }
            });
        });
        let is_same_inside = |stmt: &Stmt| match stmt {
            Stmt::LoadIndex { from, .. } | Stmt::Let { expr: Expr::Load(from), .. } => {
                !stored.iter().any(|&to| are_shared(buffers, from.buffer, to))
            }
            _ => false,
        };
        if low >= high || !before.iter().all(is_same_inside) {
            return false;
        }
        self.before.extend(before);
        self.loops.push(Counted { var: range.var, low: Some(low), count: Some(high - low) });
        self.body = body;
        true
    }

    fn call(&self, site: &mut Site<'_, '_>) -> Result<StraightLineCall, Reason> {
        let (cx, state) = (site.cx, site.state);
        let unit = cx.unit_for(ShapeKind::StraightLine, state)?;
        let n_iterations = self.loops.iter().try_fold(1, |n: i64, counted| n.checked_mul(counted.count?));
        let is_short = n_iterations.filter(|&n| n < FEWEST_ITERATIONS);
        let recognised = self.recognise(site, unit);
        let is_worth_it = |recognised: &Recognised| {
            is_short.is_none_or(|n| n * (recognised.shape.steps.len() as i64) >= FEWEST_STEPS)
        };
        let recognised = match is_short {
            Some(_) => recognised.ok().filter(is_worth_it).ok_or(Reason::FewIterations),
            None => recognised,
        };
        let Recognised { shape, mut operands, accs } = recognised?;
        if !accs.iter().all(|&acc| state.declared.contains(&acc) && cx.is_vector(acc)) {
            return Err(Reason::Accumulator);
        }
        let function = site.shapes.straight_line(&shape, unit.unit)?;
        operands.table = site.shapes.table(function);
        Ok(StraightLineCall { function, operands, accs })
    }

    fn recognise(&self, site: &Site<'_, '_>, unit: Unit) -> Result<Recognised, Reason> {
        let (cx, state) = (site.cx, site.state);
        // Few loops declare a mutable scalar.
        let mentions = OnceCell::new();
        let is_local = |acc: AccId| {
            let here = || mentions.get_or_init(|| Mentions::of(self.body));
            !state.declared.contains(&acc) && here().is_all_of_acc(acc, &cx.mentions)
        };
        let mut recogniser = Recogniser::new(cx, (unit, state), &self.loops, &is_local);
        self.before.iter().try_for_each(|stmt| recogniser.stmt(stmt))?;
        recogniser.max_steps = max_steps(self.body);
        recogniser.block(self.body)?;
        recogniser.finish()
    }
}

/// Most steps of a loop with that body. Loops inside that would run often are not worth long copies.
fn max_steps(body: &[Stmt]) -> usize {
    let has_loops = |body: &[Stmt]| body.iter().any(|stmt| matches!(stmt, Stmt::For { .. }));
    match body {
        [Stmt::For { range, body, .. }]
            if range.extent().is_some_and(|n| n <= MOST_LONG_COPIES) && !has_loops(body) =>
        {
            MAX_STEPS
        }
        body if has_loops(body) => MAX_COPIED_STEPS,
        _ => MAX_STEPS,
    }
}

/// The epilogue of a tile in all cells one after the other, as steps on accumulators of the cells' numbers.
pub(super) fn epilogue(
    cx: &Context<'_>,
    state: &State,
    tile: &Tile,
    cells: &[Vec<i64>],
) -> Result<(StraightLine, Operands), Reason> {
    let unit = cx.unit_for(ShapeKind::StraightLine, state)?;
    let is_local = |_: AccId| false;
    // There is one iteration alone.
    let mut recogniser = Recogniser { is_epilogue: true, ..Recogniser::new(cx, (unit, state), &[], &is_local) };
    for (number, cell) in cells.iter().enumerate() {
        recogniser.copied = tile.grid.iter().zip(cell).map(|(&(var, _), &at)| (var, at)).collect();
        recogniser.values.insert(tile.acc, Source::Acc(number));
        recogniser.forget_loads();
        recogniser.block(&tile.epilogue)?;
    }
    let Recognised { mut shape, operands, accs } = recogniser.finish()?;
    shape.n_accs = cells.len();
    if accs.is_empty() { Ok((shape, operands)) } else { Err(Reason::Accumulator) }
}

/// A loop being recognised.
pub(super) struct Recogniser<'e, 'p> {
    pub(super) cx: &'e Context<'p>,
    pub(super) unit: Unit,
    /// What differs from lane to lane outside.
    pub(super) lane_vars: &'e LaneVars,
    /// Outermost first.
    pub(super) loops: &'e [Counted],
    max_steps: usize,
    /// Values of copied loops' variables.
    pub(super) copied: Vec<(Var, i64)>,
    shape: StraightLine,
    /// Whether registers are few: then words are loaded where they are first used.
    pub(super) is_epilogue: bool,
    /// What indices are loaded inside.
    pub(super) loaded: LoadedIndices,
    /// Values of accumulators from before they were set.
    overwritten: BTreeSet<ValueId>,
    /// Loads that nothing has used yet.
    late: Vec<(ValueId, &'e Access)>,
    pub(super) pointers: Vec<Moving>,
    fixed: Vec<Fixed>,
    accs: Vec<AccId>,
    values: QuickMap<ValueId, Source>,
    /// Steps whose results are still the same: copies of a body share them.
    known: QuickMap<Step, Source>,
    /// Accumulators that live within an iteration: other names of values.
    local_accs: QuickMap<AccId, Source>,
    /// Whether an accumulator is one of those.
    is_local: &'e dyn Fn(AccId) -> bool,
}

struct Recognised {
    shape: StraightLine,
    operands: Operands,
    accs: Vec<AccId>,
}

impl<'e, 'p> Recogniser<'e, 'p> {
    fn new(
        cx: &'e Context<'p>,
        (unit, state): (Unit, &'e State),
        loops: &'e [Counted],
        is_local: &'e dyn Fn(AccId) -> bool,
    ) -> Recogniser<'e, 'p> {
        Recogniser {
            cx,
            unit,
            lane_vars: &state.lane_vars,
            loops,
            max_steps: MAX_STEPS,
            copied: Vec::new(),
            shape: StraightLine::default(),
            is_epilogue: false,
            loaded: LoadedIndices::default(),
            overwritten: BTreeSet::new(),
            late: Vec::new(),
            pointers: Vec::new(),
            fixed: Vec::new(),
            accs: Vec::new(),
            values: QuickMap::default(),
            known: QuickMap::default(),
            local_accs: QuickMap::default(),
            is_local,
        }
    }

    /// What was recognised, if it leaves anything.
    fn finish(mut self) -> Result<Recognised, Reason> {
        if !self.shape.steps.iter().any(Step::has_effect) {
            return Err(Reason::NoEffect);
        }
        self.forget_unread_constants();
        self.shape.strides = self.strides(0)?;
        for (level, counted) in self.loops.iter().enumerate().skip(1) {
            let count = counted.count.and_then(|count| i32::try_from(count).ok()).ok_or(Reason::TooFar)?;
            self.shape.inner.push(InnerLoop { count, strides: self.strides(level)? });
        }
        self.shape.n_accs = self.accs.len();
        if self.unit.unit.lanes > LANES {
            let pointers = self.pointers.iter().map(|Moving { buffer, place }| (*buffer, place.as_ref()));
            self.shape.regions = regions(&self.cx.program.buffers, &pointers.collect::<Vec<_>>());
        }
        let pointers = self.pointers.into_iter().map(|Moving { buffer, place }| match (buffer, place) {
            (Some(buffer), Some(Place { index, .. })) => Pointer::To(Access { buffer, index }),
            (None, Some(Place { index, .. })) => Pointer::Integer(index),
            (_, None) => Pointer::Computed,
        });
        let table = self.shape.table(0);
        let operands = Operands { pointers: pointers.collect(), fixed: self.fixed, table };
        Ok(Recognised { shape: self.shape, operands, accs: self.accs })
    }

    /// Gives the constant vectors that steps read their numbers; the others are not made.
    fn forget_unread_constants(&mut self) {
        let mut numbers = vec![None; self.fixed.len()];
        let mut n_read = 0;
        for step in &mut self.shape.steps {
            *step = step.with_constants(&mut |constant| {
                *numbers[constant].get_or_insert_with(|| {
                    n_read += 1;
                    n_read - 1
                })
            });
        }
        let read = self.fixed.drain(..).zip(&numbers).filter_map(|(fixed, number)| Some(((*number)?, fixed)));
        let mut read: Vec<(usize, Fixed)> = read.collect();
        read.sort_by_key(|&(number, _)| number);
        self.fixed = read.into_iter().map(|(_, fixed)| fixed).collect();
        self.shape.n_constants = n_read;
    }

    /// Lets the next cell load its words anew, those that all cells share, too.
    fn forget_loads(&mut self) {
        self.late.clear();
        self.known.retain(|step, _| !matches!(step, Step::Load { .. }));
    }

    /// Loads what is still to be loaded from a buffer before it is stored to.
    fn load_ahead_of(&mut self, store: &Access) -> Result<(), Reason> {
        let cx = self.cx;
        let buffers = &cx.program.buffers;
        while let Some(at) = self.late.iter().position(|(_, from)| are_shared(buffers, from.buffer, store.buffer)) {
            let value = self.late[at].0;
            self.source(value)?;
        }
        Ok(())
    }

    fn block(&mut self, stmts: &'e [Stmt]) -> Result<(), Reason> {
        stmts.iter().try_for_each(|stmt| self.stmt(stmt))
    }

    fn stmt(&mut self, stmt: &'e Stmt) -> Result<(), Reason> {
        match stmt {
            Stmt::Let { value, expr: Expr::Load(from) } if self.is_epilogue => self.late.push((*value, from)),
            Stmt::Let { value, expr } => {
                let source = self.expr(expr)?;
                self.values.insert(*value, source);
            }
            Stmt::Set { acc, value } => self.set(*acc, *value)?,
            Stmt::Store { to, value } => {
                let value = self.source(*value)?;
                self.load_ahead_of(to)?;
                let coefficient = to.index.coefficient(self.unit.lane);
                let (pointer, offset) = self.place(to, coefficient)?;
                self.push(match coefficient {
                    0 => Step::StoreOne { pointer, offset, value },
                    _ => Step::Store { pointer, offset, value },
                })?;
                let (pointers, buffers) = (&self.pointers, &self.cx.program.buffers);
                let is_stale = |step: &Step| match step {
                    Step::Load { pointer, .. } | Step::Gather { pointer, .. } => {
                        pointers[*pointer].buffer.is_none_or(|from| are_shared(buffers, from, to.buffer))
                    }
                    _ => false,
                };
                self.known.retain(|step, _| !is_stale(step));
            }
            Stmt::Fetch { from, n_lines } => {
                let (pointer, offset) = self.place(from, 0)?;
                for line in 0..*n_lines {
                    let line = i32::try_from(line).ok().and_then(|line| line.checked_mul(LINE_BYTES));
                    let offset = line.and_then(|line| offset.checked_add(line)).ok_or(Reason::TooFar)?;
                    self.push(Step::Fetch { pointer, offset })?;
                }
            }
            Stmt::For { range, body, .. } => {
                let bounds = range.low.as_constant().zip(range.high.as_constant());
                let (low, high) = bounds.ok_or(Reason::Inside)?;
                for value in low..high {
                    self.copied.push((range.var, value));
                    self.block(body)?;
                    self.copied.pop();
                }
            }
            Stmt::LoadIndex { var, from, extent } => self.load_index(*var, from, *extent)?,
            Stmt::ClampIndex { .. } => return Err(Reason::LoadedIndex),
            Stmt::Nest { .. } | Stmt::Lanes { .. } | Stmt::LetIndex { .. } | Stmt::Tile(_) => {
                return Err(Reason::Inside);
            }
        }
        Ok(())
    }

    fn set(&mut self, acc: AccId, value: ValueId) -> Result<(), Reason> {
        if (self.is_local)(acc) {
            let value = self.source(value)?;
            self.local_accs.insert(acc, value);
            return Ok(());
        }
        let (acc, value) = (self.acc(acc), self.source(value)?);
        self.push(Step::Set { acc, value })?;
        // What was read before is no longer there.
        let overwritten = self.values.extract_if(|_, source| *source == Source::Acc(acc));
        self.overwritten.extend(overwritten.map(|(value, _)| value));
        self.known.retain(|step, _| !step.sources().contains(&Source::Acc(acc)));
        self.local_accs.retain(|_, source| *source != Source::Acc(acc));
        Ok(())
    }

    /// Adds a step, unless there are too many.
    pub(super) fn push(&mut self, step: Step) -> Result<Source, Reason> {
        self.shape.steps.push(step);
        let number = self.shape.steps.len() - 1;
        if number < self.max_steps { Ok(Source::Step(number)) } else { Err(Reason::TooManySteps) }
    }

    fn expr(&mut self, expr: &Expr) -> Result<Source, Reason> {
        let step = match expr {
            Expr::Load(access) => return self.load(access),
            Expr::F32(value) => return Ok(self.fixed(Fixed::Bits(value.to_bits()))),
            Expr::I32(value) => return Ok(self.fixed(Fixed::Bits(value.cast_unsigned()))),
            Expr::Acc(acc) if (self.is_local)(*acc) => {
                return self.local_accs.get(acc).copied().ok_or(Reason::Accumulator);
            }
            Expr::Acc(acc) => return Ok(Source::Acc(self.acc(*acc))),
            Expr::Unary(UnaryOp::BitsOf | UnaryOp::FromBits, a) => return self.source(*a),
            Expr::Unary(UnaryOp::ToF32, a) => Step::ToF32(self.source(*a)?),
            Expr::Unary(UnaryOp::Sqrt, a) => Step::Sqrt(self.source(*a)?),
            Expr::Unary(op, a) if op.is_rounding() => Step::Round { op: *op, value: self.source(*a)? },
            Expr::Unary(UnaryOp::Neg, a) => Step::Xor(self.source(*a)?, self.fixed(Fixed::Bits(1 << 31))),
            Expr::Unary(UnaryOp::Abs, a) => Step::And(self.source(*a)?, self.fixed(Fixed::Bits(u32::MAX >> 1))),
            Expr::Binary(op, a, b) => self.binary(*op, *a, *b)?,
            Expr::Fma(a, b, c) => Step::Fma(self.source(*a)?, self.source(*b)?, self.source(*c)?),
            Expr::Cmp(op, a, b) => return self.compare(*op, *a, *b),
            Expr::Select(mask, a, b) => self.select(*mask, *a, *b)?,
            Expr::JoinLanes(Join::Add, a) => {
                let a = self.source(*a)?;
                return [4, 2, 1].into_iter().try_fold(a, |sum, distance| self.add_swapped(sum, distance));
            }
            Expr::JoinLanes(Join::Max, _) => return Err(Reason::JoinedLanes),
            Expr::Index(index) => return self.integers(index),
            Expr::Unary(..) => return Err(Reason::Integers),
        };
        self.known_or_push(step)
    }

    pub(super) fn load(&mut self, access: &Access) -> Result<Source, Reason> {
        let coefficient = access.index.coefficient(self.unit.lane);
        if self.is_gathered(access) || !matches!(coefficient, 0 | 1) {
            return self.gather(access);
        }
        let (pointer, offset) = self.place(access, coefficient)?;
        self.known_or_push(Step::Load { pointer, offset, is_splat: coefficient == 0 })
    }

    /// The result of a step, which may be there already.
    pub(super) fn known_or_push(&mut self, step: Step) -> Result<Source, Reason> {
        if let Some(&known) = self.known.get(&step) {
            return Ok(known);
        }
        let result = self.push(step)?;
        self.known.insert(step, result);
        Ok(result)
    }

    /// A level of the tree in which lanes are joined ([`graphc_ir::scalar::join_lanes`]): every sum stands in both
    /// lanes that it is of, since it is the same whichever comes first.
    fn add_swapped(&mut self, value: Source, distance: u8) -> Result<Source, Reason> {
        let other = self.known_or_push(Step::Swap { distance, value })?;
        self.known_or_push(Step::Binary(BinaryOp::Add, value, other))
    }

    fn binary(&mut self, op: BinaryOp, a: ValueId, b: ValueId) -> Result<Step, Reason> {
        let (a, by) = (self.source(a)?, self.cx.values.constant(b).and_then(|by| u8::try_from(by).ok()));
        Ok(match (op, by) {
            (BinaryOp::IShl | BinaryOp::IShr, Some(by)) => Step::Shift { op, by, value: a },
            (BinaryOp::IShl | BinaryOp::IShr, None) => return Err(Reason::Integers),
            (BinaryOp::IAnd, _) => Step::And(a, self.source(b)?),
            (BinaryOp::IXor, _) => Step::Xor(a, self.source(b)?),
            (op, _) => Step::Binary(op, a, self.source(b)?),
        })
    }

    fn compare(&mut self, op: CmpOp, a: ValueId, b: ValueId) -> Result<Source, Reason> {
        let are_integers = self.cx.values.scalar(a) == Some(Scalar::I32);
        let (a, b) = (self.source(a)?, self.source(b)?);
        if let (Source::Constant(a), Source::Constant(b)) = (a, b) {
            let [a, b] = [a, b].map(|number| Box::new(self.fixed[number].clone()));
            return Ok(self.fixed(Fixed::Compare { op, are_integers, a, b }));
        }
        if !are_integers {
            return self.known_or_push(Step::Compare(op, a, b));
        }
        let (is_greater, a, b) = match op {
            CmpOp::Eq | CmpOp::Ne => (false, a, b),
            CmpOp::Gt | CmpOp::Le => (true, a, b),
            CmpOp::Lt | CmpOp::Ge => (true, b, a),
        };
        let result = self.known_or_push(Step::CompareIntegers { is_greater, a, b })?;
        match op {
            CmpOp::Eq | CmpOp::Gt | CmpOp::Lt => Ok(result),
            CmpOp::Ne | CmpOp::Le | CmpOp::Ge => {
                let all = self.fixed(Fixed::Bits(u32::MAX));
                self.known_or_push(Step::Xor(result, all))
            }
        }
    }

    fn select(&mut self, mask: ValueId, a: ValueId, b: ValueId) -> Result<Step, Reason> {
        let (mask, a, b) = (self.source(mask)?, self.source(a)?, self.source(b)?);
        Ok(match (self.is_zero(a), self.is_zero(b), mask) {
            (_, true, _) => Step::And(mask, a),
            (true, false, _) => Step::AndNot(mask, b),
            (false, false, Source::Step(_)) => Step::Blend { mask, a, b },
            (false, false, _) => Step::Blend { mask: self.known_or_push(Step::Copy(mask))?, a, b },
        })
    }

    fn is_zero(&self, source: Source) -> bool {
        matches!(source, Source::Constant(number) if self.fixed[number] == Fixed::Bits(0))
    }

    fn source(&mut self, id: ValueId) -> Result<Source, Reason> {
        if let Some(at) = self.late.iter().position(|(value, _)| *value == id) {
            let (_, from) = self.late.swap_remove(at);
            let source = self.load(from)?;
            self.values.insert(id, source);
            return Ok(source);
        }
        if let Some(&known) = self.values.get(&id) {
            return Ok(known);
        }
        if self.overwritten.contains(&id) {
            return Err(Reason::Overwritten);
        }
        let constant = self.cx.values.constant(id);
        Ok(self.fixed(constant.map_or(Fixed::Outer(id), Fixed::Bits)))
    }

    pub(super) fn fixed(&mut self, fixed: Fixed) -> Source {
        let known = self.fixed.iter().position(|known| *known == fixed);
        Source::Constant(known.unwrap_or_else(|| {
            self.fixed.push(fixed);
            self.fixed.len() - 1
        }))
    }

    fn acc(&mut self, acc: AccId) -> usize {
        self.accs.iter().position(|&known| known == acc).unwrap_or_else(|| {
            self.accs.push(acc);
            self.accs.len() - 1
        })
    }
}
