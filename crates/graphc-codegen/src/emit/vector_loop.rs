//! Loops over straight-line vector code as calls of assembled functions.
//!
//! The call gets a table on the stack: pointers to what the loop reads and writes at its first iteration, the vectors
//! that do not change, and the accumulators, which are read back. Inner loops of constant bounds are copied into the
//! straight line.

use super::function::{AccVars, Constant, Emit, FunctionEmitter, Functions, Scalar};
use super::index::Linear;
use super::memory::HALF_BYTES;
use super::mentions::Mentions;
use crate::vector_loop::{LINE_BYTES, LoopShape, MAX_POINTERS, Source, Step};
use cranelift_codegen::ir::types::{F32X4, I64};
use cranelift_codegen::ir::{InstBuilder, StackSlotData, StackSlotKind, Value};
use graphc_ir::index::{Affine, Var};
use graphc_ir::loops::{AccId, Access, BufId, Expr, Range, Stmt, Tile, ValueId};
use graphc_ir::scalar::{BinaryOp, UnaryOp};
use std::collections::HashMap;

/// Steps of an iteration at most, copies included.
const MAX_STEPS: usize = 160;

/// Iterations below which a call is not worth its table.
const FEWEST_ITERATIONS: i64 = 4;

/// Lines below which asking for them is not worth a call.
const FEWEST_LINES: usize = 2;

/// A constant vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fixed {
    /// A value from outside the loop.
    Outer(ValueId),
    /// A word by its bits.
    Bits(u32),
}

/// What a pointer points to at the first iteration, in lane 0; all accesses that differ by constants share it.
#[derive(Clone, Debug, PartialEq)]
struct Pointer {
    buffer: BufId,
    index: Affine,
    stride: i64,
}

/// A loop being recognised.
struct Recogniser<'e> {
    lane: Var,
    var: Var,
    /// Values of copied loops' variables.
    copied: Vec<(Var, i64)>,
    shape: LoopShape,
    pointers: Vec<Pointer>,
    fixed: Vec<Fixed>,
    accs: Vec<AccId>,
    values: HashMap<ValueId, Source>,
    /// Steps whose results are still the same: copies of a body share them.
    known: HashMap<Step, Source>,
    /// Accumulators that live within an iteration: other names of values.
    local_accs: HashMap<AccId, Source>,
    /// Whether an accumulator is one of those.
    is_local: &'e dyn Fn(AccId) -> bool,
    /// Whether a value from outside is a floating-point number; its bits if they are known.
    outer: &'e dyn Fn(ValueId) -> Option<Option<u32>>,
    is_f32: &'e dyn Fn(&Access) -> bool,
}

impl<'p> FunctionEmitter<'p, '_> {
    /// Emits a loop as a call. False if there is no assembler for it or the loop is none for it: bounds checks, no
    /// lanes, integers, joined lanes, scattered accesses, inner loops that are not copied, too much for the
    /// registers.
    pub(super) fn vector_loop(
        &mut self,
        range: &Range,
        (low, high): (&Linear, &Linear),
        body: &'p [Stmt],
        functions: &mut dyn Functions<'p>,
    ) -> Emit<bool> {
        let Some(lane) = self.lane else { return Ok(false) };
        let n_iterations = low.as_constant().zip(high.as_constant()).map(|(low, high)| high - low);
        if self.checks.is_some() || !functions.assembles_loops() || n_iterations.is_some_and(|n| n < FEWEST_ITERATIONS)
        {
            return Ok(false);
        }
        let outer = |id: ValueId| self.outer(id);
        let is_f32 = |access: &Access| self.scalar_of(access) == Ok(Scalar::F32);
        let mentions = Mentions::of(body);
        let is_local = |acc: AccId| !self.accs.contains_key(&acc) && mentions.is_all_of_acc(acc, self.mentions);
        let mut recogniser = Recogniser::new(lane, range.var, &is_local, &outer, &is_f32);
        let recognised = recogniser.block(body).and_then(|()| recogniser.finish());
        let Some((shape, pointers, fixed, accs)) = recognised else { return Ok(false) };
        let has_lanes = |acc: &AccId| {
            let known = self.accs.get(acc);
            known.is_some_and(|known| known.scalar == Scalar::F32 && matches!(known.vars, AccVars::Lanes(_)))
        };
        if !accs.iter().all(has_lanes) {
            return Ok(false);
        }
        let Some(callee) = functions.vector_loop(&shape)? else { return Ok(false) };
        let callee = self.import(callee);
        self.indices.bind(range.var, low.clone());
        let table = self.table(&shape, &pointers, &fixed)?;
        for (number, &acc) in accs.iter().enumerate() {
            let operand = self.read_acc(acc)?;
            let halves = self.lanes(&operand);
            self.store_halves(halves, table, shape.acc_offset(number));
        }
        let [low, high] = [low, high].map(|bound| self.indices.value(&mut self.builder, bound));
        let count = self.indices.difference(&mut self.builder, high, low);
        self.builder.ins().call(callee, &[table, count]);
        for (number, &acc) in accs.iter().enumerate() {
            let offset = shape.acc_offset(number);
            let halves = [0, HALF_BYTES].map(|half| self.load_at(F32X4, table, offset + half));
            let AccVars::Lanes(vars) = self.accs[&acc].vars else { unreachable!("tested above") };
            vars.into_iter().zip(halves).for_each(|(var, half)| self.builder.def_var(var, half));
        }
        Ok(true)
    }

    /// The epilogue of a tile, in all cells one after the other, as steps on accumulators of the cells' numbers.
    pub(super) fn epilogue_of(&self, tile: &Tile, cells: &[Vec<i64>]) -> Option<Epilogue> {
        let outer = |id: ValueId| self.outer(id);
        let is_f32 = |access: &Access| self.scalar_of(access) == Ok(Scalar::F32);
        let is_local = |_: AccId| false;
        // Nothing moves from one iteration to the next, as there is one alone.
        let none = Var(u32::MAX);
        let mut recogniser = Recogniser::new(self.lane?, none, &is_local, &outer, &is_f32);
        for (number, cell) in cells.iter().enumerate() {
            recogniser.copied = tile.grid.iter().zip(cell).map(|(&(var, _), &at)| (var, at)).collect();
            recogniser.values.insert(tile.acc, Source::Acc(number));
            recogniser.block(&tile.epilogue)?;
        }
        let (mut shape, pointers, fixed, accs) = recogniser.finish()?;
        shape.n_accs = cells.len();
        accs.is_empty().then_some(Epilogue { shape, pointers, fixed })
    }

    /// Whether a value from outside is a floating-point number; its bits if they are known.
    fn outer(&self, id: ValueId) -> Option<Option<u32>> {
        let operand = self.values.get(&id)?;
        let bits = match operand.constant {
            Some(Constant::F32(bits)) => Some(bits),
            _ => None,
        };
        (operand.scalar == Scalar::F32).then_some(bits)
    }

    /// The table of an epilogue.
    pub(super) fn epilogue_table(&mut self, epilogue: &Epilogue) -> Emit<Value> {
        self.table(&epilogue.shape, &epilogue.pointers, &epilogue.fixed)
    }

    /// A table on the stack with its pointers and constant vectors.
    fn table(&mut self, shape: &LoopShape, pointers: &[Pointer], fixed: &[Fixed]) -> Emit<Value> {
        let slot = StackSlotData::new(StackSlotKind::ExplicitSlot, shape.table_bytes() as u32, 5);
        let slot = self.builder.create_sized_stack_slot(slot);
        let table = self.builder.ins().stack_addr(I64, slot, 0);
        for (number, pointer) in pointers.iter().enumerate() {
            let address = self.pointer(&Access { buffer: pointer.buffer, index: pointer.index.clone() })?;
            self.store_at(address, table, number as i32 * 8);
        }
        for (number, fixed) in fixed.iter().enumerate() {
            let halves = match fixed {
                Fixed::Bits(bits) => [self.constant(Constant::F32(*bits), true); 2],
                Fixed::Outer(id) => {
                    let operand = self.operand(*id)?;
                    self.lanes(&operand)
                }
            };
            self.store_halves(halves, table, shape.constant_offset(number));
        }
        Ok(table)
    }

    /// Emits hints as calls of functions that do nothing else; none if there is no assembler.
    pub(super) fn fetch(&mut self, hints: &'p [Stmt], functions: &mut dyn Functions<'p>) -> Emit {
        if self.checks.is_some() || !functions.assembles_loops() {
            return Ok(());
        }
        for hints in hints.chunks(MAX_POINTERS) {
            let hints = || {
                hints.iter().filter_map(|stmt| match stmt {
                    Stmt::Fetch { from, n_lines } => Some((from, *n_lines)),
                    _ => None,
                })
            };
            if hints().map(|(_, n_lines)| n_lines).sum::<usize>() < FEWEST_LINES {
                continue;
            }
            let shape = LoopShape::fetch(hints().map(|(_, n_lines)| n_lines));
            let Some(callee) = functions.vector_loop(&shape)? else { continue };
            let callee = self.import(callee);
            let slot = StackSlotData::new(StackSlotKind::ExplicitSlot, shape.table_bytes() as u32, 5);
            let slot = self.builder.create_sized_stack_slot(slot);
            let table = self.builder.ins().stack_addr(I64, slot, 0);
            for (number, (from, _)) in hints().enumerate() {
                let address = self.pointer(from)?;
                self.store_at(address, table, number as i32 * 8);
            }
            let once = self.builder.ins().iconst(I64, 1);
            self.builder.ins().call(callee, &[table, once]);
        }
        Ok(())
    }

    fn store_halves(&mut self, halves: [Value; 2], table: Value, offset: i32) {
        for (half, offset) in halves.into_iter().zip([offset, offset + HALF_BYTES]) {
            self.store_at(half, table, offset);
        }
    }
}

/// The epilogue of a tile, recognised.
pub(super) struct Epilogue {
    pub(super) shape: LoopShape,
    pointers: Vec<Pointer>,
    fixed: Vec<Fixed>,
}

type Recognised = (LoopShape, Vec<Pointer>, Vec<Fixed>, Vec<AccId>);

impl<'e> Recogniser<'e> {
    fn new(
        lane: Var,
        var: Var,
        is_local: &'e dyn Fn(AccId) -> bool,
        outer: &'e dyn Fn(ValueId) -> Option<Option<u32>>,
        is_f32: &'e dyn Fn(&Access) -> bool,
    ) -> Recogniser<'e> {
        Recogniser {
            lane,
            var,
            copied: Vec::new(),
            shape: LoopShape::default(),
            pointers: Vec::new(),
            fixed: Vec::new(),
            accs: Vec::new(),
            values: HashMap::new(),
            known: HashMap::new(),
            local_accs: HashMap::new(),
            is_local,
            outer,
            is_f32,
        }
    }

    /// What was recognised, if it leaves anything.
    fn finish(mut self) -> Option<Recognised> {
        if self.shape.steps.iter().all(|step| step.has_result()) {
            return None;
        }
        self.shape.strides =
            self.pointers.iter().map(|pointer| i32::try_from(pointer.stride).ok()).collect::<Option<_>>()?;
        (self.shape.n_constants, self.shape.n_accs) = (self.fixed.len(), self.accs.len());
        Some((self.shape, self.pointers, self.fixed, self.accs))
    }

    fn block(&mut self, stmts: &[Stmt]) -> Option<()> {
        stmts.iter().try_for_each(|stmt| self.stmt(stmt))
    }

    fn stmt(&mut self, stmt: &Stmt) -> Option<()> {
        match stmt {
            Stmt::Let { value, expr } => {
                let source = self.expr(expr)?;
                self.values.insert(*value, source);
            }
            Stmt::Set { acc, value } if (self.is_local)(*acc) => {
                let value = self.source(*value)?;
                self.local_accs.insert(*acc, value);
            }
            Stmt::Set { acc, value } => {
                let (acc, value) = (self.acc(*acc), self.source(*value)?);
                self.push(Step::Set { acc, value })?;
                // What was read before is no longer there.
                self.values.retain(|_, source| *source != Source::Acc(acc));
                self.known.retain(|step, _| !step.sources().contains(&Source::Acc(acc)));
                self.local_accs.retain(|_, source| *source != Source::Acc(acc));
            }
            Stmt::Store { to, value } => {
                let value = self.source(*value)?;
                let (pointer, offset) = self.place(to, 1)?;
                self.push(Step::Store { pointer, offset, value })?;
                let pointers = &self.pointers;
                let is_stale =
                    |step: &Step| matches!(step, Step::Load { pointer, .. } if pointers[*pointer].buffer == to.buffer);
                self.known.retain(|step, _| !is_stale(step));
            }
            Stmt::Fetch { from, n_lines } => {
                let (pointer, offset) = self.place(from, 0)?;
                for line in 0..i32::try_from(*n_lines).ok()? {
                    self.push(Step::Fetch { pointer, offset: offset.checked_add(line.checked_mul(LINE_BYTES)?)? })?;
                }
            }
            Stmt::For { range, body, .. } => {
                let (low, high) = (range.low.as_constant()?, range.high.as_constant()?);
                for value in low..high {
                    self.copied.push((range.var, value));
                    self.block(body)?;
                    self.copied.pop();
                }
            }
            Stmt::Nest { .. } | Stmt::Lanes { .. } | Stmt::LetIndex { .. } | Stmt::Tile(_) => return None,
        }
        Some(())
    }

    /// Adds a step, unless there are too many.
    fn push(&mut self, step: Step) -> Option<Source> {
        self.shape.steps.push(step);
        (self.shape.steps.len() <= MAX_STEPS).then(|| Source::Step(self.shape.steps.len() - 1))
    }

    fn expr(&mut self, expr: &Expr) -> Option<Source> {
        let step = match expr {
            Expr::Load(access) => {
                let coefficient = access.index.coefficient(self.lane);
                let (pointer, offset) = self.place(access, coefficient)?;
                Step::Load { pointer, offset, is_splat: coefficient == 0 }
            }
            Expr::F32(value) => return Some(self.fixed(Fixed::Bits(value.to_bits()))),
            Expr::Acc(acc) if (self.is_local)(*acc) => return self.local_accs.get(acc).copied(),
            Expr::Acc(acc) => return Some(Source::Acc(self.acc(*acc))),
            Expr::Unary(UnaryOp::Sqrt, a) => Step::Sqrt(self.source(*a)?),
            Expr::Unary(UnaryOp::Neg, a) => Step::Xor(self.source(*a)?, self.fixed(Fixed::Bits(1 << 31))),
            Expr::Unary(UnaryOp::Abs, a) => Step::And(self.source(*a)?, self.fixed(Fixed::Bits(u32::MAX >> 1))),
            Expr::Binary(op, a, b) if *op <= BinaryOp::Min => Step::Binary(*op, self.source(*a)?, self.source(*b)?),
            Expr::Fma(a, b, c) => Step::Fma(self.source(*a)?, self.source(*b)?, self.source(*c)?),
            Expr::Cmp(op, a, b) => Step::Compare(*op, self.source(*a)?, self.source(*b)?),
            Expr::Select(mask, a, b) => {
                let (mask, a, b) = (self.source(*mask)?, self.source(*a)?, self.source(*b)?);
                if !matches!(mask, Source::Step(_)) {
                    return None;
                }
                match (self.is_zero(a), self.is_zero(b)) {
                    (_, true) => Step::And(mask, a),
                    (true, false) => Step::AndNot(mask, b),
                    (false, false) => Step::Blend { mask, a, b },
                }
            }
            Expr::Unary(..) | Expr::Binary(..) | Expr::I32(_) | Expr::Index(_) | Expr::JoinLanes(..) => return None,
        };
        if let Some(&known) = self.known.get(&step) {
            return Some(known);
        }
        let result = self.push(step)?;
        self.known.insert(step, result);
        Some(result)
    }

    fn is_zero(&self, source: Source) -> bool {
        matches!(source, Source::Constant(number) if self.fixed[number] == Fixed::Bits(0))
    }

    fn source(&mut self, id: ValueId) -> Option<Source> {
        if let Some(&known) = self.values.get(&id) {
            return Some(known);
        }
        let bits = (self.outer)(id)?;
        Some(self.fixed(bits.map_or(Fixed::Outer(id), Fixed::Bits)))
    }

    fn fixed(&mut self, fixed: Fixed) -> Source {
        let known = self.fixed.iter().position(|&known| known == fixed);
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

    /// Pointer and byte offset of an access whose index has that coefficient of the lane.
    fn place(&mut self, access: &Access, coefficient: i64) -> Option<(usize, i32)> {
        let copied = &self.copied;
        let value = |var: Var| copied.iter().rev().find(|(known, _)| *known == var).map(|&(_, value)| value);
        let index = access.index.substitute(&|var| value(var).map_or_else(|| Affine::var(var), Affine::constant));
        let is_vector_or_splat = matches!(coefficient, 0 | 1) && index.coefficient(self.lane) == coefficient;
        if !is_vector_or_splat || !index.is_affine() || !(self.is_f32)(access) {
            return None;
        }
        let offset = i32::try_from(index.offset.checked_mul(4)?).ok()?;
        let index = index.plus_constant(-index.offset);
        let stride = index.coefficient(self.var) * 4;
        let pointer = Pointer { buffer: access.buffer, index, stride };
        let known = self.pointers.iter().position(|known| *known == pointer);
        let number = known.unwrap_or_else(|| {
            self.pointers.push(pointer);
            self.pointers.len() - 1
        });
        (number < MAX_POINTERS).then_some((number, offset))
    }
}
