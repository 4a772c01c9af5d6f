//! Masks: results of comparisons in registers of their own, a bit for every lane.

use super::straight_line::{Source, Step};

/// A register for masks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mask {
    pub(crate) register: usize,
    /// Whether it has bits where the comparison does not hold.
    pub(crate) is_complement: bool,
}

/// What the comparisons' results are for.
struct Use {
    last: usize,
    /// Whether nothing but [`Step::AndNot`] reads it, which wants the lanes where it does not hold.
    is_complement: bool,
}

/// The masks of one iteration's comparisons: of those that are read by nothing but steps that take masks, as long as
/// there are registers.
pub(crate) fn masks(steps: &[Step], n_masks: usize) -> Vec<Option<Mask>> {
    let mut free: Vec<usize> = (0..n_masks).rev().collect();
    let mut held: Vec<(usize, usize)> = Vec::new();
    let uses = uses(steps);
    let mask_of = |(number, of_step): (usize, &Option<Use>)| {
        let Use { last, is_complement } = *of_step.as_ref()?;
        // A mask is read before another one is written.
        held.retain(|&(last, register)| {
            let is_read = last > number;
            if !is_read {
                free.push(register);
            }
            is_read
        });
        let register = free.pop()?;
        held.push((last, register));
        Some(Mask { register, is_complement })
    };
    uses.iter().enumerate().map(mask_of).collect()
}

/// Of every comparison that may be a mask, what for.
fn uses(steps: &[Step]) -> Vec<Option<Use>> {
    let mut uses: Vec<Option<Use>> = steps
        .iter()
        .enumerate()
        .map(|(number, step)| step.compares().then_some(Use { last: number, is_complement: true }))
        .collect();
    for (number, step) in steps.iter().enumerate() {
        let taken = taken_as_mask(steps, step);
        for (place, source) in step.sources().into_iter().enumerate() {
            let Source::Step(read) = source else { continue };
            if taken != Some(place) {
                uses[read] = None;
            } else if let Some(of_step) = &mut uses[read] {
                of_step.last = number;
                of_step.is_complement &= matches!(step, Step::AndNot(..));
            }
        }
    }
    uses
}

/// Which operand of a step, if it is a comparison's result, can be a mask.
fn taken_as_mask(steps: &[Step], step: &Step) -> Option<usize> {
    let compares = |source: Source| matches!(source, Source::Step(step) if steps[step].compares());
    match *step {
        Step::Blend { mask, a, b } => (mask != a && mask != b).then_some(0),
        Step::And(a, b) if compares(a) => (!compares(b)).then_some(0),
        Step::And(_, b) => compares(b).then_some(1),
        Step::AndNot(a, b) => (compares(a) && !compares(b)).then_some(0),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use graphc_ir::scalar::CmpOp;

    const LESS: Step = Step::Compare(CmpOp::Lt, Source::Constant(0), Source::Constant(1));

    #[test]
    fn comparisons_are_masks_if_nothing_wants_their_words() {
        let (mask, a) = (Source::Step(0), Source::Constant(0));
        let of_readers = |readers: &[Step]| masks(&[&[LESS], readers].concat(), 2)[0];
        let plain = Some(Mask { register: 0, is_complement: false });
        assert_eq!(of_readers(&[Step::And(mask, a), Step::AndNot(mask, a)]), plain);
        assert_eq!(of_readers(&[Step::And(a, mask), Step::Blend { mask, a, b: a }]), plain);
        assert_eq!(of_readers(&[Step::AndNot(mask, a)]), Some(Mask { register: 0, is_complement: true }));
        assert_eq!(of_readers(&[Step::AndNot(a, mask)]), None);
        assert_eq!(of_readers(&[Step::And(mask, mask)]), None);
        assert_eq!(of_readers(&[Step::And(mask, a), Step::Store { pointer: 0, offset: 0, value: mask }]), None);
        assert_eq!(of_readers(&[LESS, Step::And(mask, Source::Step(1))]), None);
    }

    #[test]
    fn masks_that_live_at_once_have_registers_of_their_own() {
        let take = |step| Step::And(Source::Step(step), Source::Constant(0));
        let steps = [LESS, LESS, LESS, take(0), take(1), take(2), LESS, take(6)];
        let registers = masks(&steps, 2).into_iter().map(|mask| mask.map(|mask| mask.register)).collect::<Vec<_>>();
        assert_eq!(registers[..3], [Some(0), Some(1), None]);
        assert!(registers[6].is_some() && registers[3..6] == [None; 3]);
    }
}
