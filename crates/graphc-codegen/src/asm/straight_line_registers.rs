//! Which register holds what in one iteration.
//!
//! Accumulators have registers of their own throughout; where there is one iteration alone, until they are last read.
//! A result gets a register at its step, that of an operand read there for the last time if there is one, and gives
//! it back at its last use. Constant vectors stay in what registers are left, the most used ones first; the others
//! are read from the table by the instructions that need them. Where results do not fit even if no constant stays,
//! the one that is read last gives up its register: it goes to a slot of the table and is read there from then on.
//!
//! A unit of sixteen lanes takes vectors in pairs where that is faster, with all of its registers, and with masks;
//! otherwise its code is that of eight lanes.

use super::masks::{Mask, masks};
use super::pairs::Paired;
use super::straight_line::{Source, Step, StraightLine, Table};
use super::unit::VectorUnit;
use graphc_ir::scalar::LANES;
use std::collections::BTreeSet;

/// Where an operand is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Register(usize),
    Mask(Mask),
    /// Bytes from the table's start.
    Table(i32),
}

/// A step with its places.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Placed {
    pub(crate) step: Step,
    /// What goes to the table first: a register, and where it goes.
    pub(crate) spilled: Option<(usize, i32)>,
    pub(crate) sources: Vec<Place>,
    /// Register of the result, if that is a vector.
    pub(crate) result: usize,
    /// The mask that the result is.
    pub(crate) mask: Option<Mask>,
    /// A register for anything.
    pub(crate) scratch: usize,
}

/// The placed steps, and the constants that are kept in registers.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct StraightLinePlan {
    pub(crate) steps: Vec<Placed>,
    /// `(constant, register)`.
    pub(crate) kept: Vec<(usize, usize)>,
    /// What stands where in the table.
    pub(crate) table: Table,
    /// What the steps are of, if they work on pairs.
    pub(crate) pairs: Option<Pairs>,
}

/// Code in pairs.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Pairs {
    pub(crate) paired: Paired,
    /// The last iteration in eight lanes, where an iteration stands for two of an unknown number.
    pub(crate) rest: Option<Box<StraightLinePlan>>,
}

/// What steps have room in.
#[derive(Clone, Copy)]
struct Frame {
    n_registers: usize,
    n_masks: usize,
    /// Accumulators that have registers, the first ones.
    n_held: usize,
    table: Table,
    /// Whether there is a single iteration, after which nobody wants the accumulators.
    is_once: bool,
}

impl StraightLinePlan {
    /// The plan of a loop that keeps most constants in registers; none if the registers do not even hold what the table
    /// cannot.
    pub(crate) fn of(shape: &StraightLine, unit: &VectorUnit) -> Option<StraightLinePlan> {
        let paired = if unit.lanes > LANES { Paired::of(shape) } else { None };
        let plan = paired.and_then(|paired| StraightLinePlan::in_pairs(shape, unit, paired, false));
        plan.or_else(|| StraightLinePlan::in_frame(shape, Frame::of_vectors(shape, unit)))
    }

    /// The same for a single iteration, after which nobody wants the accumulators. Those of registers with two cells,
    /// which `cells` names, stay there if that is no slower; otherwise they begin in the table.
    pub(crate) fn once(shape: &StraightLine, unit: &VectorUnit, cells: &[[usize; 2]]) -> Option<StraightLinePlan> {
        let paired = if unit.lanes > LANES { Paired::once(shape, cells) } else { None };
        let plan = paired.and_then(|paired| StraightLinePlan::in_pairs(shape, unit, paired, true));
        let n_held = if unit.holds_cells() { shape.n_accs } else { 0 };
        let frame = Frame { n_held, is_once: true, ..Frame::of_vectors(shape, unit) };
        plan.or_else(|| StraightLinePlan::in_frame(shape, frame))
    }

    /// How many registers hold something at some time, those of accumulators included.
    pub(crate) fn n_registers(&self, n_accs: usize) -> usize {
        let in_register = |place: &Place| match place {
            Place::Register(register) => Some(*register),
            Place::Mask(_) | Place::Table(_) => None,
        };
        let n_accs = self.pairs.as_ref().map_or(n_accs, |pairs| pairs.paired.accs.len());
        let has_register = |placed: &&Placed| placed.step.has_result() && placed.mask.is_none();
        let results = self.steps.iter().filter(has_register).map(|placed| placed.result);
        let sources = self.steps.iter().flat_map(|placed| placed.sources.iter().filter_map(in_register));
        let kept = self.kept.iter().map(|&(_, register)| register);
        (0..n_accs).chain(kept).chain(results).chain(sources).collect::<BTreeSet<usize>>().len()
    }

    /// How many vectors go to the table in an iteration.
    pub(crate) fn n_spilled(&self) -> usize {
        self.steps.iter().filter(|placed| placed.spilled.is_some()).count()
    }

    fn in_pairs(shape: &StraightLine, unit: &VectorUnit, paired: Paired, is_once: bool) -> Option<StraightLinePlan> {
        let table = Table { slots_are_pairs: true, ..shape.table(0) };
        let (n_registers, n_masks, n_held) = (unit.n_registers, unit.n_masks, paired.accs.len());
        let frame = Frame { n_registers, n_masks, n_held, table, is_once };
        let mut plan = StraightLinePlan::in_frame(&paired.line, frame)?;
        let rest = Frame { table, ..Frame::of_vectors(shape, unit) };
        let mut rest = match paired.takes_two {
            true => Some(Box::new(StraightLinePlan::in_frame(shape, rest)?)),
            false => None,
        };
        if let Some(rest) = &mut rest {
            let n_slots = plan.table.n_slots.max(rest.table.n_slots);
            (plan.table.n_slots, rest.table.n_slots) = (n_slots, n_slots);
        }
        plan.pairs = Some(Pairs { paired, rest });
        Some(plan)
    }

    fn in_frame(shape: &StraightLine, frame: Frame) -> Option<StraightLinePlan> {
        let mut n_uses = vec![0_usize; shape.n_constants];
        for source in shape.steps.iter().flat_map(Step::sources) {
            if let Source::Constant(number) = source {
                n_uses[number] += 1;
            }
        }
        let mut by_use: Vec<usize> = (0..shape.n_constants).filter(|&number| n_uses[number] > 0).collect();
        by_use.sort_by_key(|&number| (std::cmp::Reverse(n_uses[number]), number));
        let most = by_use.len().min((frame.n_registers - 2).checked_sub(frame.n_held)?);
        let reads = Reads::of(shape);
        let plan = |n_kept: usize, has_slots: bool| {
            let kept = &by_use[..n_kept];
            // No instruction reads a pair of vectors from one in the table.
            if frame.table.slots_are_pairs && n_kept < by_use.len() {
                let shape = with_copies(shape, kept);
                return Allocation::new(&shape, &Reads::of(&shape), kept, frame).plan(has_slots);
            }
            Allocation::new(shape, &reads, kept, frame).plan(has_slots)
        };
        (0..=most).rev().find_map(|n_kept| plan(n_kept, false)).or_else(|| plan(0, true))
    }
}

impl Frame {
    /// The frame of eight-lane code in a loop.
    fn of_vectors(shape: &StraightLine, unit: &VectorUnit) -> Frame {
        let (n_registers, table) = (unit.n_line_registers, shape.table(0));
        Frame { n_registers, n_masks: 0, n_held: shape.n_accs, table, is_once: false }
    }
}

/// The same with copies of constants that are not kept ahead of each step that reads them.
fn with_copies(shape: &StraightLine, kept: &[usize]) -> StraightLine {
    let mut steps: Vec<Step> = Vec::with_capacity(2 * shape.steps.len());
    let mut moved = Vec::with_capacity(shape.steps.len());
    for step in &shape.steps {
        let copied = step.with_sources(&mut |source, _| match source {
            Source::Step(step) => Source::Step(moved[step]),
            Source::Constant(number) if !kept.contains(&number) && !matches!(step, Step::Copy(_)) => {
                steps.push(Step::Copy(source));
                Source::Step(steps.len() - 1)
            }
            source => source,
        });
        steps.push(copied);
        moved.push(steps.len() - 1);
    }
    StraightLine { steps, ..shape.clone() }
}

/// When everything is read.
struct Reads {
    /// The steps that read each result, ascending.
    of_results: Vec<Vec<usize>>,
    /// Those that read each accumulator.
    of_accs: Vec<Vec<usize>>,
    /// Whether a step's result has to be in a register where it is read: a condition, or what words are gathered by.
    stay_in_registers: Vec<bool>,
    /// The accumulator that a step's result is for, if it can be computed in its register: nothing but the `Set` reads
    /// the result, and nothing reads or sets the accumulator in between.
    accs_of_results: Vec<Option<usize>>,
}

impl Reads {
    fn of(shape: &StraightLine) -> Reads {
        let n_steps = shape.steps.len();
        let (mut of_results, mut of_accs) = (vec![Vec::new(); n_steps], vec![Vec::new(); shape.n_accs]);
        let (mut stay_in_registers, mut accs_of_results) = (vec![false; n_steps], vec![None; n_steps]);
        for (number, step) in shape.steps.iter().enumerate() {
            for source in step.sources() {
                match source {
                    Source::Step(read) => of_results[read].push(number),
                    Source::Acc(acc) => of_accs[acc].push(number),
                    Source::Constant(_) => {}
                }
            }
            match *step {
                Step::Blend { mask: Source::Step(value), .. }
                | Step::Gather { index: Source::Step(value), .. }
                | Step::GatherPair { index: Source::Step(value), .. } => {
                    stay_in_registers[value] = true;
                }
                Step::Set { acc, value: Source::Step(value) } if of_results[value] == [number] => {
                    let touches = |step: &Step| {
                        step.sources().contains(&Source::Acc(acc))
                            || matches!(step, Step::Set { acc: other, .. } if *other == acc)
                    };
                    let is_touched = shape.steps[value + 1..number].iter().any(touches);
                    accs_of_results[value] = (!is_touched).then_some(acc);
                }
                _ => {}
            }
        }
        // What is read again behind its `Set` is not computed in the accumulator's register.
        for (value, readers) in of_results.iter().enumerate() {
            if readers.len() > 1 {
                accs_of_results[value] = None;
            }
        }
        Reads { of_results, of_accs, stay_in_registers, accs_of_results }
    }

    fn of_source(&self, source: Source) -> &[usize] {
        match source {
            Source::Step(step) => &self.of_results[step],
            Source::Acc(acc) => &self.of_accs[acc],
            Source::Constant(_) => &[],
        }
    }

    /// The first step behind another one that reads a source.
    fn next(&self, source: Source, number: usize) -> Option<usize> {
        let reads = self.of_source(source);
        reads.get(reads.partition_point(|&read| read <= number)).copied()
    }
}

/// Registers being given out, step by step.
struct Allocation<'s> {
    shape: &'s StraightLine,
    reads: &'s Reads,
    frame: Frame,
    /// Whether results may go to the table.
    has_slots: bool,
    masks: Vec<Option<Mask>>,
    kept: Vec<(usize, usize)>,
    free: Vec<usize>,
    /// Where the results so far are.
    results: Vec<Option<Place>>,
    /// Where the accumulators are.
    accs: Vec<Place>,
    /// What stands in each register and could go to the table.
    holds: Vec<Option<Source>>,
    table: Table,
    free_slots: Vec<i32>,
    scratch: usize,
}

impl<'s> Allocation<'s> {
    fn new(shape: &'s StraightLine, reads: &'s Reads, constants: &[usize], frame: Frame) -> Allocation<'s> {
        let Frame { n_held, table, .. } = frame;
        let kept: Vec<(usize, usize)> = constants.iter().enumerate().map(|(i, &number)| (number, n_held + i)).collect();
        // The last register is for instructions that need one more.
        let scratch = frame.n_registers - 1;
        let mut holds = vec![None; scratch];
        if frame.is_once {
            (0..n_held).for_each(|acc| holds[acc] = Some(Source::Acc(acc)));
        }
        let place_of =
            |acc: usize| if acc < n_held { Place::Register(acc) } else { Place::Table(table.acc_offset(acc)) };
        Allocation {
            shape,
            reads,
            frame,
            has_slots: false,
            masks: masks(&shape.steps, frame.n_masks),
            free: (n_held + kept.len()..scratch).rev().collect(),
            kept,
            results: vec![None; shape.steps.len()],
            accs: (0..shape.n_accs).map(place_of).collect(),
            holds,
            table,
            free_slots: Vec::new(),
            scratch,
        }
    }

    fn plan(mut self, has_slots: bool) -> Option<StraightLinePlan> {
        self.has_slots = has_slots;
        let steps = (0..self.shape.steps.len()).map(|number| self.step(number)).collect::<Option<_>>()?;
        Some(StraightLinePlan { steps, kept: self.kept, table: self.table, pairs: None })
    }

    /// Places a step; none if there is no register for its result.
    fn step(&mut self, number: usize) -> Option<Placed> {
        let step = self.shape.steps[number];
        let sources = step.sources();
        let places: Vec<Place> = sources.iter().map(|&source| self.place(source)).collect::<Option<_>>()?;
        // An instruction reads all its operands before it writes its result, so that this may take the place of one of
        // them; all but one that gathers.
        let gathers = matches!(step, Step::Gather { .. } | Step::GatherPair { .. });
        let dead = sources.iter().zip(&places).filter(|&(&source, _)| self.dies(source, number));
        let (registers, others): (Vec<Place>, Vec<Place>) =
            dead.map(|(_, &place)| place).partition(|place| matches!(place, Place::Register(_)) && !gathers);
        registers.into_iter().for_each(|place| self.release(place));
        let (mask, mut spilled) = (self.masks[number], None);
        let result = match self.reads.accs_of_results[number].filter(|_| !self.frame.is_once) {
            Some(acc) => acc,
            None if step.has_result() && mask.is_none() => match self.free.pop() {
                Some(register) => register,
                None => {
                    let (register, slot) = self.spill(number, &sources)?;
                    spilled = Some((register, slot));
                    register
                }
            },
            None => self.scratch,
        };
        // What goes to the table is written before the step reads its operands there.
        others.into_iter().for_each(|place| self.release(place));
        if let Some(mask) = mask {
            self.results[number] = Some(Place::Mask(mask));
        } else if step.has_result() {
            self.results[number] = Some(Place::Register(result));
            if self.may_be_freed(result) {
                self.holds[result] = Some(Source::Step(number));
                if self.reads.of_results[number].is_empty() {
                    self.release(Place::Register(result));
                }
            }
        }
        Some(Placed { step, spilled, sources: places, result, mask, scratch: self.scratch })
    }

    fn place(&self, source: Source) -> Option<Place> {
        match source {
            Source::Step(step) => self.results[step],
            Source::Acc(acc) => Some(self.accs[acc]),
            Source::Constant(constant) => {
                let register = self.kept.iter().find(|(kept, _)| *kept == constant).map(|&(_, register)| register);
                Some(register.map_or(Place::Table(self.table.constant_offset(constant)), Place::Register))
            }
        }
    }

    /// Whether the step reads this for the last time.
    fn dies(&self, source: Source, number: usize) -> bool {
        let is_counted = matches!(source, Source::Step(_)) || self.frame.is_once;
        is_counted && self.reads.of_source(source).last() == Some(&number)
    }

    /// Whether it is no accumulator's, or nobody wants the accumulators.
    fn may_be_freed(&self, register: usize) -> bool {
        register >= self.shape.n_accs || self.frame.is_once
    }

    fn release(&mut self, place: Place) {
        match place {
            Place::Register(register) => {
                if self.may_be_freed(register) && !self.free.contains(&register) {
                    self.holds[register] = None;
                    self.free.push(register);
                }
            }
            Place::Mask(_) => {}
            Place::Table(offset) => {
                if offset >= self.table.slot_offset(0) && !self.free_slots.contains(&offset) {
                    self.free_slots.push(offset);
                }
            }
        }
    }

    /// The register of what is read last of all that is not read at this step, which goes to the table; with its place
    /// there.
    fn spill(&mut self, number: usize, sources: &[Source]) -> Option<(usize, i32)> {
        let may_go = |source: Source| match source {
            _ if sources.contains(&source) => false,
            Source::Step(step) => !self.reads.stay_in_registers[step],
            Source::Acc(_) | Source::Constant(_) => true,
        };
        let held = self.holds.iter().enumerate().filter_map(|(register, held)| held.map(|held| (register, held)));
        let held = held.filter(|&(_, held)| self.has_slots && may_go(held));
        let (register, held) = held.max_by_key(|&(_, held)| self.reads.next(held, number))?;
        let offset = match held {
            Source::Acc(acc) if !self.table.slots_are_pairs => self.table.acc_offset(acc),
            _ => self.free_slots.pop().unwrap_or_else(|| {
                self.table.n_slots += 1;
                self.table.slot_offset(self.table.n_slots - 1)
            }),
        };
        match held {
            Source::Acc(acc) => self.accs[acc] = Place::Table(offset),
            Source::Step(step) => self.results[step] = Some(Place::Table(offset)),
            Source::Constant(_) => unreachable!("constants are not held in turn"),
        }
        self.holds[register] = None;
        Some((register, offset))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::asm::straight_line::Region;
    use crate::asm::unit::ShapeKind;
    use graphc_ir::scalar::{BinaryOp, CmpOp};
    use std::collections::BTreeMap;

    fn unit(n_registers: usize) -> VectorUnit {
        let assembles = &[ShapeKind::StraightLine];
        VectorUnit {
            name: "v",
            lanes: 8,
            n_registers,
            n_line_registers: n_registers,
            n_masks: 0,
            splats_memory: false,
            assembles,
            n_pointers: 7,
            n_inner_loops: 2,
            n_reductions: 7,
            n_counts: 3,
        }
    }

    /// Of so many pointers into different buffers.
    fn regions(n: usize) -> Vec<Region> {
        (0..n).map(|number| Region { number, from: number, bytes: 0 }).collect()
    }

    /// `n` loads, the sum of all in a tree of depth `n`, times a constant, kept in an accumulator.
    fn sum_of(n: usize) -> StraightLine {
        let load = |number| Step::Load { pointer: 0, offset: 32 * number as i32, is_splat: false };
        let mut steps: Vec<Step> = (0..n).map(load).collect();
        let mut sum = Source::Step(n - 1);
        for number in (0..n - 1).rev() {
            steps.push(Step::Binary(BinaryOp::Add, Source::Step(number), sum));
            sum = Source::Step(steps.len() - 1);
        }
        steps.push(Step::Fma(sum, Source::Constant(0), Source::Acc(0)));
        steps.push(Step::Set { acc: 0, value: Source::Step(steps.len() - 1) });
        StraightLine {
            strides: vec![32],
            n_constants: 1,
            n_accs: 1,
            regions: regions(1),
            steps,
            ..StraightLine::default()
        }
    }

    /// `n` gathered vectors by one index, and their sum from the last one on: all of them are wanted at once, and some
    /// index for the last time.
    fn gathered(n: usize) -> StraightLine {
        let mut steps = vec![Step::Load { pointer: 0, offset: 0, is_splat: false }];
        for number in 0..n {
            let (pointer, offset) = (1, 4 * number as i32);
            steps.push(Step::Gather { pointer, offset, index: Source::Step(0) });
        }
        let mut sum = Source::Constant(0);
        for number in (1..=n).rev() {
            steps.push(Step::Binary(BinaryOp::Add, Source::Step(number), sum));
            sum = Source::Step(steps.len() - 1);
        }
        steps.push(Step::Store { pointer: 0, offset: 0, value: sum });
        StraightLine { strides: vec![32, 0], n_constants: 1, regions: regions(2), steps, ..StraightLine::default() }
    }

    /// Follows what every register holds; each step must read what it means.
    fn check(n_accs: usize, plan: &StraightLinePlan, n_registers: usize) {
        let mut held: Vec<Option<Source>> = vec![None; n_registers];
        (0..n_accs).for_each(|acc| held[acc] = Some(Source::Acc(acc)));
        plan.kept.iter().for_each(|&(constant, register)| held[register] = Some(Source::Constant(constant)));
        let (mut slots, mut masks) = (BTreeMap::new(), BTreeMap::new());
        for (number, placed) in plan.steps.iter().enumerate() {
            if let Some((register, offset)) = placed.spilled {
                assert!(offset < plan.table.bytes() && offset >= plan.table.acc_offset(0));
                slots.insert(offset, held[register].expect("it holds something"));
            }
            for (source, place) in placed.step.sources().into_iter().zip(&placed.sources) {
                match (source, place) {
                    (source, Place::Register(register)) => assert_eq!(held[*register], Some(source), "step {number}"),
                    (source, Place::Mask(mask)) => assert_eq!(masks.get(&mask.register), Some(&(source, *mask))),
                    (Source::Constant(constant), Place::Table(offset)) => {
                        assert_eq!(*offset, plan.table.constant_offset(constant));
                        let is_copied = matches!(placed.step, Step::Copy(_));
                        assert!(is_copied || plan.pairs.is_none(), "step {number} reads one vector for two");
                    }
                    (source, Place::Table(offset)) => assert_eq!(slots.get(offset), Some(&source), "step {number}"),
                }
            }
            if let Step::Gather { .. } | Step::GatherPair { .. } = placed.step {
                let Place::Register(index) = placed.sources[0] else {
                    panic!("the index of step {number} is in the table")
                };
                assert!(![placed.result, placed.scratch].contains(&index) && placed.result != placed.scratch);
            }
            if let Some(mask) = placed.mask {
                masks.insert(mask.register, (Source::Step(number), mask));
            } else if placed.step.has_result() {
                held[placed.result] = Some(Source::Step(number));
            }
            if let Step::Set { acc, .. } = placed.step {
                held[acc] = Some(Source::Acc(acc));
            }
        }
    }

    /// A unit whose registers hold pairs.
    fn unit_of_pairs(n_registers: usize, n_masks: usize) -> VectorUnit {
        VectorUnit { lanes: 16, n_registers, n_line_registers: 16, n_masks, ..unit(n_registers) }
    }

    /// Of `n` vectors by each of two pointers, those of the first one where they are less than the second one's, in
    /// the order in which they are stored; all are wanted at once.
    fn smaller_of(n: usize) -> StraightLine {
        let load = |number: usize| {
            let (pointer, offset) = (number % 2, 32 * (number / 2) as i32);
            Step::Load { pointer, offset, is_splat: false }
        };
        let mut steps: Vec<Step> = (0..2 * n).map(load).collect();
        let pair = |number: usize| (Source::Step(2 * number), Source::Step(2 * number + 1));
        for number in 0..n {
            let (a, b) = pair(number);
            steps.push(Step::Compare(CmpOp::Lt, a, b));
        }
        for number in (0..n).rev() {
            let ((a, _), mask) = (pair(number), Source::Step(2 * n + number));
            steps.push(Step::Blend { mask, a, b: Source::Constant(number) });
            let value = Source::Step(steps.len() - 1);
            steps.push(Step::Store { pointer: 2, offset: 32 * number as i32, value });
        }
        let strides = vec![32 * n as i32; 3];
        StraightLine { strides, n_constants: n, regions: regions(3), steps, ..StraightLine::default() }
    }

    #[test]
    fn pairs_have_registers_and_masks() {
        for (n, n_registers, n_masks) in [(2, 32, 5), (6, 32, 5), (12, 32, 2), (8, 16, 1), (6, 6, 5), (4, 8, 0)] {
            let shape = smaller_of(n);
            let unit = unit_of_pairs(n_registers, n_masks);
            let plan = StraightLinePlan::of(&shape, &unit).unwrap_or_else(|| panic!("{n} values fit"));
            let pairs = plan.pairs.as_ref().expect("all are alike");
            check(pairs.paired.accs.len(), &plan, n_registers);
            let rest = pairs.rest.as_ref();
            rest.into_iter().for_each(|rest| {
                check(shape.n_accs, rest, 16);
                assert_eq!(rest.table, plan.table);
            });
        }
    }

    #[test]
    fn registers_hold_what_steps_read() {
        for (n, n_registers) in [(1, 4), (5, 16), (12, 16), (13, 16), (3, 6), (15, 16), (40, 16), (9, 4)] {
            let shape = sum_of(n);
            let unit = unit(n_registers);
            for plan in [StraightLinePlan::of(&shape, &unit), StraightLinePlan::once(&shape, &unit, &[])] {
                let plan = plan.unwrap_or_else(|| panic!("{n} values fit"));
                check(shape.n_accs, &plan, n_registers);
                assert!(plan.n_registers(shape.n_accs) <= n_registers);
            }
        }
    }

    #[test]
    fn what_words_are_gathered_by_has_a_register_of_its_own() {
        for (n, n_registers) in [(1, 4), (3, 16), (13, 16), (14, 16), (40, 16), (5, 4)] {
            let shape = gathered(n);
            let plan = StraightLinePlan::of(&shape, &unit(n_registers)).unwrap_or_else(|| panic!("{n} values fit"));
            check(shape.n_accs, &plan, n_registers);
        }
    }

    #[test]
    fn constants_give_way_to_values_and_these_to_others() {
        let kept = |n: usize| {
            let plan = StraightLinePlan::of(&sum_of(n), &unit(16)).expect("there are slots");
            (plan.kept.len(), plan.n_spilled(), plan.table.n_slots)
        };
        assert_eq!([13, 14, 15, 20].map(kept), [(1, 0, 0), (0, 0, 0), (0, 1, 1), (0, 6, 6)]);
    }
}
