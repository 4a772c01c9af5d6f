//! Executes a translated kernel.

use super::compile::{Code, Extent, LaneIndex, LaneStep, Op, Place};
use super::tasks::{POISON, TaskOrder};
use graphc_ir::loops::Join;
use graphc_ir::scalar::flushed::{add, fma_lanes};
use graphc_ir::scalar::{BinaryOp, LANES, UnaryOp, join_lanes, maximum};
use graphc_ir::vectors::have_fma;

/// An access outside its buffer.
pub(super) struct Fault {
    pub(super) nest: usize,
    pub(super) buffer: usize,
    pub(super) index: i64,
    pub(super) len: usize,
}

pub(super) type Run<T> = Result<T, Box<Fault>>;

/// A value: the bits of 8 lanes. Outside regions all 8 are the scalar, which is also what a region
/// sees of it.
pub(super) type Reg = [u32; LANES];

/// The state of a running kernel.
pub(super) struct Machine<'a> {
    pub(super) arena: &'a mut [u32],
    /// The memory of the one member that runs all tasks.
    member: Vec<u32>,
    order: TaskOrder,
    pub(super) vars: Vec<i64>,
    /// Of variables that differ from lane to lane, the value in each.
    lane_vars: Vec<[i64; LANES]>,
    pub(super) regs: Vec<Reg>,
    /// Number of the current nest.
    nest: usize,
    /// Scratch of tiles: where each run of the innermost reduction starts.
    pub(super) steps: Vec<(i64, i64)>,
    /// Whether this processor has fused multiply-adds.
    pub(super) has_fma: bool,
}

/// Runs a kernel with so many words for the member that runs the tasks.
pub(super) fn run(code: &Code, arena: &mut [u32], n_words: usize, order: TaskOrder) -> Run<()> {
    let mut machine = Machine {
        arena,
        member: vec![POISON; n_words],
        order,
        vars: vec![0; code.n_vars],
        lane_vars: vec![[0; LANES]; code.n_vars],
        regs: vec![[0; LANES]; code.n_regs],
        nest: 0,
        steps: Vec::new(),
        has_fma: have_fma(),
    };
    machine.block::<1>(&code.body)
}

impl Machine<'_> {
    /// Runs statements with `W` lanes: 1 outside regions, 8 inside.
    pub(super) fn block<const W: usize>(&mut self, ops: &[Op]) -> Run<()> {
        ops.iter().try_for_each(|op| self.op::<W>(op))
    }

    fn op<const W: usize>(&mut self, op: &Op) -> Run<()> {
        match *op {
            Op::Nest(number, ref body) => {
                let outer = std::mem::replace(&mut self.nest, number);
                self.block::<W>(body)?;
                self.nest = outer;
            }
            Op::For(ref extent, ref body) => {
                let (low, high) = extent.eval(&self.vars);
                for i in low..high {
                    self.vars[extent.slot] = i;
                    self.block::<W>(body)?;
                }
            }
            Op::Tasks(ref extent, ref body) => self.tasks::<W>(extent, body)?,
            Op::Lanes(slot, ref body) => {
                self.lane_vars[slot] = std::array::from_fn(|lane| lane as i64);
                self.block::<LANES>(body)?;
            }
            Op::LetIndex(slot, ref value) => self.vars[slot] = value.eval(&self.vars),
            Op::ClampIndex(slot, ref value, most) => self.vars[slot] = value.eval(&self.vars).clamp(0, most),
            Op::LoadIndex(slot, ref place, most) => self.load_index::<W>(slot, place, most)?,
            Op::Load(to, ref place) => self.regs[to] = self.load::<W>(place)?,
            Op::Constant(to, bits) => self.regs[to] = [bits; LANES],
            Op::Index(to, ref index) => {
                self.regs[to] = self.indices::<W>(index).map(|i| i as u32);
            }
            Op::Copy(to, from) => self.regs[to] = self.regs[from],
            Op::Unary(to, op, a) => self.regs[to] = unary::<W>(op, self.regs[a]),
            Op::Binary(to, op, a, b) => self.regs[to] = binary::<W>(op, self.regs[a], self.regs[b]),
            Op::Fma(to, a, b, c) => {
                let [a, b, c] = [a, b, c].map(|reg| self.regs[reg].map(f32::from_bits));
                self.regs[to] = if W == 1 {
                    [fma_lanes([a[0]], [b[0]], [c[0]])[0].to_bits(); LANES]
                } else {
                    fma_lanes(a, b, c).map(f32::to_bits)
                };
            }
            Op::CmpF32(to, op, a, b) => {
                let [a, b] = [a, b].map(|reg| self.regs[reg].map(f32::from_bits));
                self.regs[to] = lanes::<W>(|l| u32::from(op.eval_f32(a[l], b[l])));
            }
            Op::CmpI32(to, op, a, b) => {
                let [a, b] = [a, b].map(|reg| self.regs[reg].map(u32::cast_signed));
                self.regs[to] = lanes::<W>(|l| u32::from(op.eval(a[l], b[l])));
            }
            Op::Select(to, condition, a, b) => {
                let (condition, a, b) = (self.regs[condition], self.regs[a], self.regs[b]);
                self.regs[to] = lanes::<W>(|l| if condition[l] != 0 { a[l] } else { b[l] });
            }
            Op::Join(to, join, a) => self.regs[to] = joined(join, self.regs[a]),
            Op::Store(ref place, value) => self.store::<W>(place, value)?,
            Op::Tile(ref tile) => self.tile::<W>(tile)?,
        }
        Ok(())
    }

    fn tasks<const W: usize>(&mut self, extent: &Extent, body: &[Op]) -> Run<()> {
        let (low, high) = extent.eval(&self.vars);
        for i in self.order.of(low..high) {
            // Nothing that a task leaves there is for another.
            self.member.fill(POISON);
            self.vars[extent.slot] = i;
            self.block::<W>(body)?;
        }
        Ok(())
    }

    /// The index in every lane; outside regions 8 times the same.
    fn indices<const W: usize>(&mut self, index: &LaneIndex) -> [i64; LANES] {
        match &index.step {
            LaneStep::Stride(stride) => {
                let first = index.first.eval(&self.vars);
                std::array::from_fn(|l| first.wrapping_add(stride.wrapping_mul(l as i64)))
            }
            LaneStep::General(slots) => std::array::from_fn(|lane| {
                slots.iter().for_each(|&slot| self.vars[slot] = self.lane_vars[slot][lane]);
                index.first.eval(&self.vars)
            }),
        }
    }

    /// A number too small or too large is moved to the nearest one that the variable can have.
    fn load_index<const W: usize>(&mut self, slot: usize, place: &Place, most: i64) -> Run<()> {
        let values = self.load::<W>(place)?.map(|word| i64::from(word.cast_signed()).clamp(0, most));
        self.vars[slot] = values[0];
        self.lane_vars[slot] = values;
        Ok(())
    }

    pub(super) fn load<const W: usize>(&mut self, place: &Place) -> Run<Reg> {
        if W == 1 || place.index.step == LaneStep::Stride(0) {
            let at = self.check(place, place.index.first.eval(&self.vars))?;
            return Ok([self.words(place)[at]; LANES]);
        }
        if place.index.step == LaneStep::Stride(1) {
            let first = place.index.first.eval(&self.vars);
            self.check(place, first.wrapping_add(LANES as i64 - 1))?;
            let at = self.check(place, first)?;
            return Ok(self.words(place)[at..at + LANES].try_into().expect("the slice has 8 words"));
        }
        let mut words = [0; LANES];
        for (word, index) in words.iter_mut().zip(self.indices::<W>(&place.index)) {
            *word = self.words(place)[self.check(place, index)?];
        }
        Ok(words)
    }

    fn store<const W: usize>(&mut self, place: &Place, value: usize) -> Run<()> {
        let words = self.regs[value];
        if W == 1 || place.index.step == LaneStep::Stride(0) {
            let at = self.check(place, place.index.first.eval(&self.vars))?;
            self.words_mut(place)[at] = words[0];
            return Ok(());
        }
        for (word, index) in words.iter().zip(self.indices::<W>(&place.index)) {
            let at = self.check(place, index)?;
            self.words_mut(place)[at] = *word;
        }
        Ok(())
    }

    /// The words that the place is among.
    pub(super) fn words(&self, place: &Place) -> &[u32] {
        if place.is_of_member { &self.member } else { self.arena }
    }

    fn words_mut(&mut self, place: &Place) -> &mut [u32] {
        if place.is_of_member { &mut self.member } else { self.arena }
    }

    /// The word of the arena or of the member's memory, if the index is inside the buffer.
    pub(super) fn check(&self, place: &Place, index: i64) -> Run<usize> {
        match usize::try_from(index) {
            Ok(within) if within < place.len => Ok(place.base + within),
            _ => Err(Box::new(Fault { nest: self.nest, buffer: place.buffer, index, len: place.len })),
        }
    }
}

/// All lanes combined, in every lane.
fn joined(join: Join, a: Reg) -> Reg {
    let values = a.map(f32::from_bits);
    let joined = match join {
        Join::Add => join_lanes(values, add),
        Join::Max => join_lanes(values, maximum),
    };
    [joined.to_bits(); LANES]
}

/// Lanes `0..W` computed, a scalar repeated.
fn lanes<const W: usize>(value: impl Fn(usize) -> u32) -> Reg {
    if W == 1 { [value(0); LANES] } else { std::array::from_fn(value) }
}

fn unary<const W: usize>(op: UnaryOp, a: Reg) -> Reg {
    match op {
        UnaryOp::BitsOf | UnaryOp::FromBits => a,
        _ => lanes::<W>(|l| op.eval_word(a[l])),
    }
}

fn binary<const W: usize>(op: BinaryOp, a: Reg, b: Reg) -> Reg {
    // One loop for each of the frequent operations.
    match op {
        BinaryOp::Add => floats::<W>(a, b, |a, b| BinaryOp::Add.eval_f32(a, b)),
        BinaryOp::Sub => floats::<W>(a, b, |a, b| BinaryOp::Sub.eval_f32(a, b)),
        BinaryOp::Mul => floats::<W>(a, b, |a, b| BinaryOp::Mul.eval_f32(a, b)),
        BinaryOp::Div => floats::<W>(a, b, |a, b| BinaryOp::Div.eval_f32(a, b)),
        BinaryOp::Max => floats::<W>(a, b, |a, b| BinaryOp::Max.eval_f32(a, b)),
        BinaryOp::Min => floats::<W>(a, b, |a, b| BinaryOp::Min.eval_f32(a, b)),
        // Shift counts beyond 31 are against the rules (see the verifier); the mask only avoids a panic.
        BinaryOp::IShl => lanes::<W>(|l| a[l] << (b[l] & 31)),
        BinaryOp::IShr => lanes::<W>(|l| a[l] >> (b[l] & 31)),
        _ => lanes::<W>(|l| op.eval_i32(a[l].cast_signed(), b[l].cast_signed()).cast_unsigned()),
    }
}

fn floats<const W: usize>(a: Reg, b: Reg, f: impl Fn(f32, f32) -> f32) -> Reg {
    lanes::<W>(|l| f(f32::from_bits(a[l]), f32::from_bits(b[l])).to_bits())
}
