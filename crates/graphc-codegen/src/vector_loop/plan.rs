//! Which register holds what in one iteration.
//!
//! Accumulators have registers of their own throughout; where there is one iteration alone, until they are last read. A
//! result gets a register at its step, that of an operand read there for the last time if there is one, and gives it
//! back at its last use. Constant vectors stay in what registers are left, the most used ones first; the others are
//! read from the table by the instructions that need them.

use super::{LoopShape, Source, Step};

/// Vector registers of x86-64 with AVX.
const N_REGISTERS: usize = 16;

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
    pub(super) step: Step,
    pub(super) sources: Vec<Place>,
    /// Register of the result.
    pub(super) result: usize,
    /// A register for anything.
    pub(super) scratch: usize,
}

/// The placed steps, and the constants that are kept in registers.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Plan {
    pub(super) steps: Vec<Placed>,
    /// `(constant, register)`.
    pub(super) kept: Vec<(usize, usize)>,
}

impl Plan {
    /// The plan that keeps most constants in registers; none if the registers do not even hold the results.
    pub(crate) fn of(shape: &LoopShape) -> Option<Plan> {
        Plan::with_most_constants(shape, false)
    }

    /// The same for a single iteration, after which nobody wants the accumulators.
    pub(crate) fn once(shape: &LoopShape) -> Option<Plan> {
        Plan::with_most_constants(shape, true)
    }

    fn with_most_constants(shape: &LoopShape, is_once: bool) -> Option<Plan> {
        let mut uses = vec![0_usize; shape.n_constants];
        for source in shape.steps.iter().flat_map(Step::sources) {
            if let Source::Constant(number) = source {
                uses[number] += 1;
            }
        }
        let mut by_use: Vec<usize> = (0..shape.n_constants).collect();
        by_use.sort_by_key(|&number| (std::cmp::Reverse(uses[number]), number));
        let most = by_use.len().min((N_REGISTERS - 2).checked_sub(shape.n_accs)?);
        (0..=most).rev().find_map(|n_kept| Plan::keeping(shape, &by_use[..n_kept], is_once))
    }

    fn keeping(shape: &LoopShape, constants: &[usize], is_once: bool) -> Option<Plan> {
        let last_use = last_uses(shape);
        let last_read_of = |acc: usize| {
            let reads = |step: &Step| step.sources().contains(&Source::Acc(acc));
            shape.steps.iter().rposition(reads).filter(|_| is_once)
        };
        let last_reads: Vec<Option<usize>> = (0..shape.n_accs).map(last_read_of).collect();
        let kept: Vec<(usize, usize)> =
            constants.iter().enumerate().map(|(i, &number)| (number, shape.n_accs + i)).collect();
        // The last register is for instructions that need one more.
        let scratch = N_REGISTERS - 1;
        let mut free: Vec<usize> = (shape.n_accs + kept.len()..scratch).rev().collect();
        let mut register_of: Vec<Option<usize>> = vec![None; shape.steps.len()];
        let mut steps = Vec::with_capacity(shape.steps.len());
        for (number, step) in shape.steps.iter().enumerate() {
            let place = |source: Source| match source {
                Source::Step(step) => register_of[step].map(Place::Register),
                Source::Acc(acc) => Some(Place::Register(acc)),
                Source::Constant(constant) => {
                    let register = kept.iter().find(|(kept, _)| *kept == constant).map(|&(_, register)| register);
                    Some(register.map_or(Place::Table(shape.constant_offset(constant)), Place::Register))
                }
            };
            let sources = step.sources();
            let places: Vec<Place> = sources.iter().map(|&source| place(source)).collect::<Option<_>>()?;
            let dies: Vec<bool> = sources
                .iter()
                .map(|source| match source {
                    Source::Step(step) => last_use[*step] == number,
                    Source::Acc(acc) => last_reads[*acc] == Some(number),
                    Source::Constant(_) => false,
                })
                .collect();
            // An instruction reads all its operands before it writes its result, so that this may take the place of one
            // of them.
            for (&source, _) in sources.iter().zip(&dies).filter(|(_, dies)| **dies) {
                let register = match source {
                    Source::Step(step) => register_of[step],
                    Source::Acc(acc) => Some(acc),
                    Source::Constant(_) => None,
                };
                if let Some(register) = register
                    && (register >= shape.n_accs || is_once)
                    && !free.contains(&register)
                {
                    free.push(register);
                }
            }
            let result = match accumulator_of(shape, number).filter(|_| !is_once) {
                Some(acc) => acc,
                None if step.has_result() => free.pop()?,
                None => scratch,
            };
            if step.has_result() {
                register_of[number] = Some(result);
            }
            if step.has_result() && last_use[number] == number && (result >= shape.n_accs || is_once) {
                free.push(result);
            }
            steps.push(Placed { step: *step, sources: places, result, scratch });
        }
        Some(Plan { steps, kept })
    }
}

/// The last step that reads each result; itself if none does.
fn last_uses(shape: &LoopShape) -> Vec<usize> {
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

/// The accumulator that a result is for, if it can be computed in its register: nothing but the `Set` reads the result,
/// and nothing reads or sets the accumulator in between.
fn accumulator_of(shape: &LoopShape, number: usize) -> Option<usize> {
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
