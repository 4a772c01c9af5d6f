//! Which register holds what in one iteration.
//!
//! Accumulators have registers of their own throughout; where there is one iteration alone, until they are last read.
//! A result gets a register at its step, that of an operand read there for the last time if there is one, and gives
//! it back at its last use. Constant vectors stay in what registers are left, the most used ones first; the others
//! are read from the table by the instructions that need them.

use super::straight_line::{Source, Step, StraightLine};
use super::unit::VectorUnit;
use std::collections::BTreeSet;

/// Where an operand is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Register(usize),
    /// Bytes from the table's start.
    Table(i32),
}

/// A step with its places.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Placed {
    pub(crate) step: Step,
    pub(crate) sources: Vec<Place>,
    /// Register of the result.
    pub(crate) result: usize,
    /// A register for anything.
    pub(crate) scratch: usize,
}

/// The placed steps, and the constants that are kept in registers.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct StraightLinePlan {
    pub(crate) steps: Vec<Placed>,
    /// `(constant, register)`.
    pub(crate) kept: Vec<(usize, usize)>,
}

impl StraightLinePlan {
    /// The plan that keeps most constants in registers; none if the registers do not even hold the results.
    pub(crate) fn of(shape: &StraightLine, unit: &VectorUnit) -> Option<StraightLinePlan> {
        StraightLinePlan::with_most_constants(shape, unit, false)
    }

    /// The same for a single iteration, after which nobody wants the accumulators.
    pub(crate) fn once(shape: &StraightLine, unit: &VectorUnit) -> Option<StraightLinePlan> {
        StraightLinePlan::with_most_constants(shape, unit, true)
    }

    /// How many registers hold something at some time, those of `n_accs` accumulators included.
    pub(crate) fn n_registers(&self, n_accs: usize) -> usize {
        let in_register = |place: &Place| match place {
            Place::Register(register) => Some(*register),
            Place::Table(_) => None,
        };
        let results = self.steps.iter().filter(|placed| placed.step.has_result()).map(|placed| placed.result);
        let sources = self.steps.iter().flat_map(|placed| placed.sources.iter().filter_map(in_register));
        let kept = self.kept.iter().map(|&(_, register)| register);
        (0..n_accs).chain(kept).chain(results).chain(sources).collect::<BTreeSet<usize>>().len()
    }

    fn with_most_constants(shape: &StraightLine, unit: &VectorUnit, is_once: bool) -> Option<StraightLinePlan> {
        let mut uses = vec![0_usize; shape.n_constants];
        for source in shape.steps.iter().flat_map(Step::sources) {
            if let Source::Constant(number) = source {
                uses[number] += 1;
            }
        }
        let mut by_use: Vec<usize> = (0..shape.n_constants).collect();
        by_use.sort_by_key(|&number| (std::cmp::Reverse(uses[number]), number));
        let most = by_use.len().min((unit.n_registers - 2).checked_sub(shape.n_accs)?);
        let keeping = |n_kept: usize| Allocation::new(shape, &by_use[..n_kept], unit, is_once).plan();
        (0..=most).rev().find_map(keeping)
    }
}

/// Registers being given out, step by step.
struct Allocation<'s> {
    shape: &'s StraightLine,
    /// Whether registers of accumulators may be taken once these are not read any more.
    is_once: bool,
    /// The last step that reads each result.
    last_uses: Vec<usize>,
    /// The last step that reads each accumulator, if that matters.
    last_reads: Vec<Option<usize>>,
    kept: Vec<(usize, usize)>,
    free: Vec<usize>,
    /// Registers of the results so far.
    register_of: Vec<Option<usize>>,
    scratch: usize,
}

impl<'s> Allocation<'s> {
    fn new(shape: &'s StraightLine, constants: &[usize], unit: &VectorUnit, is_once: bool) -> Allocation<'s> {
        let last_read_of = |acc: usize| {
            let reads = |step: &Step| step.sources().contains(&Source::Acc(acc));
            shape.steps.iter().rposition(reads).filter(|_| is_once)
        };
        let kept: Vec<(usize, usize)> =
            constants.iter().enumerate().map(|(i, &number)| (number, shape.n_accs + i)).collect();
        // The last register is for instructions that need one more.
        let scratch = unit.n_registers - 1;
        Allocation {
            shape,
            is_once,
            last_uses: last_uses(shape),
            last_reads: (0..shape.n_accs).map(last_read_of).collect(),
            free: (shape.n_accs + kept.len()..scratch).rev().collect(),
            kept,
            register_of: vec![None; shape.steps.len()],
            scratch,
        }
    }

    fn plan(mut self) -> Option<StraightLinePlan> {
        let steps = (0..self.shape.steps.len()).map(|number| self.step(number)).collect::<Option<_>>()?;
        Some(StraightLinePlan { steps, kept: self.kept })
    }

    /// Places a step; none if there is no register for its result.
    fn step(&mut self, number: usize) -> Option<Placed> {
        let step = self.shape.steps[number];
        let sources = step.sources();
        let places: Vec<Place> = sources.iter().map(|&source| self.place(source)).collect::<Option<_>>()?;
        // An instruction reads all its operands before it writes its result, so that this may take the place of one of
        // them.
        for (&source, &place) in sources.iter().zip(&places) {
            if let (true, Place::Register(register)) = (self.dies(source, number), place) {
                self.release(register);
            }
        }
        let result = match accumulator_of(self.shape, number).filter(|_| !self.is_once) {
            Some(acc) => acc,
            None if step.has_result() => self.free.pop()?,
            None => self.scratch,
        };
        if step.has_result() {
            self.register_of[number] = Some(result);
            if self.last_uses[number] == number && self.may_be_freed(result) {
                self.free.push(result);
            }
        }
        Some(Placed { step, sources: places, result, scratch: self.scratch })
    }

    fn place(&self, source: Source) -> Option<Place> {
        match source {
            Source::Step(step) => self.register_of[step].map(Place::Register),
            Source::Acc(acc) => Some(Place::Register(acc)),
            Source::Constant(constant) => {
                let register = self.kept.iter().find(|(kept, _)| *kept == constant).map(|&(_, register)| register);
                Some(register.map_or(Place::Table(self.shape.table().constant_offset(constant)), Place::Register))
            }
        }
    }

    /// Whether the step reads this for the last time.
    fn dies(&self, source: Source, number: usize) -> bool {
        match source {
            Source::Step(step) => self.last_uses[step] == number,
            Source::Acc(acc) => self.last_reads[acc] == Some(number),
            Source::Constant(_) => false,
        }
    }

    /// Whether it is no accumulator's, or nobody wants the accumulators.
    fn may_be_freed(&self, register: usize) -> bool {
        register >= self.shape.n_accs || self.is_once
    }

    fn release(&mut self, register: usize) {
        if self.may_be_freed(register) && !self.free.contains(&register) {
            self.free.push(register);
        }
    }
}

/// The last step that reads each result; itself if none does.
fn last_uses(shape: &StraightLine) -> Vec<usize> {
    let mut last: Vec<usize> = (0..shape.steps.len()).collect();
    for (number, step) in shape.steps.iter().enumerate() {
        for source in step.sources() {
            if let Source::Step(step) = source {
                last[step] = number;
            }
        }
    }
    last
}

/// The accumulator that a result is for, if it can be computed in its register: nothing but the `Set` reads the
/// result, and nothing reads or sets the accumulator in between.
fn accumulator_of(shape: &StraightLine, number: usize) -> Option<usize> {
    if !shape.steps[number].has_result() {
        return None;
    }
    let readers = |step: &Step| step.sources().iter().filter(|source| **source == Source::Step(number)).count();
    let (set, acc) = shape.steps.iter().enumerate().skip(number + 1).find_map(|(at, step)| match step {
        Step::Set { acc, value: Source::Step(value) } if *value == number => Some((at, *acc)),
        _ => None,
    })?;
    let only_reader = shape.steps.iter().map(readers).sum::<usize>() == 1;
    let touched = shape.steps[number + 1..set].iter().any(|step| {
        step.sources().contains(&Source::Acc(acc)) || matches!(step, Step::Set { acc: other, .. } if *other == acc)
    });
    (only_reader && !touched).then_some(acc)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::asm::unit::ShapeKind;
    use graphc_ir::scalar::BinaryOp;

    fn unit(n_registers: usize) -> VectorUnit {
        let assembles = &[ShapeKind::StraightLine];
        VectorUnit {
            name: "v",
            lanes: 8,
            n_registers,
            assembles,
            n_pointers: 7,
            n_epilogue_pointers: 7,
            n_inner_loops: 2,
            n_reductions: 7,
            n_counts: 3,
        }
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
        StraightLine { strides: vec![32], inner: Vec::new(), n_constants: 1, n_accs: 1, steps }
    }

    /// Follows what every register holds; each step must read what it means.
    fn check(shape: &StraightLine, plan: &StraightLinePlan, n_registers: usize) {
        let mut held: Vec<Option<Source>> = vec![None; n_registers];
        (0..shape.n_accs).for_each(|acc| held[acc] = Some(Source::Acc(acc)));
        plan.kept.iter().for_each(|&(constant, register)| held[register] = Some(Source::Constant(constant)));
        for (number, placed) in plan.steps.iter().enumerate() {
            for (source, place) in placed.step.sources().into_iter().zip(&placed.sources) {
                match (source, place) {
                    (source, Place::Register(register)) => assert_eq!(held[*register], Some(source), "step {number}"),
                    (Source::Constant(constant), Place::Table(offset)) => {
                        assert_eq!(*offset, shape.table().constant_offset(constant));
                    }
                    (source, place) => panic!("{source:?} at {place:?}"),
                }
            }
            if placed.step.has_result() {
                held[placed.result] = Some(Source::Step(number));
            }
            if let Step::Set { acc, .. } = placed.step {
                held[acc] = Some(Source::Acc(acc));
            }
        }
    }

    #[test]
    fn registers_hold_what_steps_read() {
        for (n, n_registers) in [(1, 4), (5, 16), (12, 16), (13, 16), (3, 6)] {
            let shape = sum_of(n);
            for plan in [StraightLinePlan::of, StraightLinePlan::once] {
                let plan = plan(&shape, &unit(n_registers)).unwrap_or_else(|| panic!("{n} values fit"));
                check(&shape, &plan, n_registers);
                assert!(plan.n_registers(shape.n_accs) <= n_registers);
            }
        }
    }

    #[test]
    fn constants_give_way_to_values() {
        let kept = |n: usize| StraightLinePlan::of(&sum_of(n), &unit(16)).map(|plan| plan.kept.len());
        assert_eq!([13, 14, 15].map(kept), [Some(1), Some(0), None]);
    }
}
