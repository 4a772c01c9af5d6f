//! Which steps of straight-line code must stay in their order.

use super::straight_line::{Region, Source, Step, StraightLine, VECTOR_BYTES};
use graphc_ir::types::WORD_BYTES;
use std::ops::Range;

const BITS: usize = u64::BITS as usize;

/// What has to stand ahead of every step: what it reads, and what touches the same words, accumulator or pointer where
/// one of both writes.
pub(crate) struct Order {
    ahead: Vec<Vec<usize>>,
    /// Of every step, a bit for each that stands ahead of it, at whatever distance.
    all_ahead: Vec<Vec<u64>>,
}

/// Words that a step reads or writes.
struct Touched {
    step: usize,
    region: Region,
    /// Bytes from the region's pointer; none if they may be anywhere in the region.
    bytes: Option<Range<i64>>,
    is_store: bool,
}

impl Order {
    /// The order of one iteration's steps.
    pub(crate) fn of(shape: &StraightLine) -> Order {
        let n_steps = shape.steps.len();
        let mut ahead: Vec<Vec<usize>> = shape.steps.iter().map(results_of).collect();
        accumulators(shape, &mut ahead);
        pointers(shape, &mut ahead);
        memory(shape, &mut ahead);
        let mut all_ahead: Vec<Vec<u64>> = Vec::with_capacity(n_steps);
        for of_step in &mut ahead {
            of_step.sort_unstable();
            of_step.dedup();
            let mut all = vec![0; n_steps.div_ceil(BITS)];
            for &step in of_step.iter() {
                all[step / BITS] |= 1 << (step % BITS);
                all.iter_mut().zip(&all_ahead[step]).for_each(|(word, more)| *word |= more);
            }
            all_ahead.push(all);
        }
        Order { ahead, all_ahead }
    }

    /// The steps that stand ahead of one, but for those ahead of these.
    pub(crate) fn ahead_of(&self, step: usize) -> &[usize] {
        &self.ahead[step]
    }

    /// Whether one of two steps has to wait for the other.
    pub(crate) fn is_between(&self, a: usize, b: usize) -> bool {
        let is_ahead = |a: usize, b: usize| self.all_ahead[b][a / BITS] & (1 << (a % BITS)) != 0;
        is_ahead(a, b) || is_ahead(b, a)
    }
}

/// The steps whose results it reads.
fn results_of(step: &Step) -> Vec<usize> {
    let result = |source| if let Source::Step(step) = source { Some(step) } else { None };
    step.sources().into_iter().filter_map(result).collect()
}

fn accumulators(shape: &StraightLine, ahead: &mut [Vec<usize>]) {
    let mut set: Vec<Option<usize>> = vec![None; shape.n_accs];
    let mut read: Vec<Vec<usize>> = vec![Vec::new(); shape.n_accs];
    for (number, step) in shape.steps.iter().enumerate() {
        for source in step.sources() {
            if let Source::Acc(acc) = source {
                ahead[number].extend(set[acc]);
                read[acc].push(number);
            }
        }
        if let Step::Set { acc, .. } = *step {
            ahead[number].extend(read[acc].drain(..).filter(|&reader| reader != number));
            ahead[number].extend(set[acc].replace(number));
        }
    }
}

/// Those that are computed are computed once in an iteration.
fn pointers(shape: &StraightLine, ahead: &mut [Vec<usize>]) {
    let mut computed = vec![None; shape.strides.len()];
    for (number, step) in shape.steps.iter().enumerate() {
        ahead[number].extend(step.pointers().into_iter().filter_map(|pointer| computed[pointer]));
        if let Step::LoadIndex { to, .. } | Step::Point { to, .. } = *step {
            computed[to] = Some(number);
        }
    }
}

fn memory(shape: &StraightLine, ahead: &mut [Vec<usize>]) {
    let mut before: Vec<Vec<Touched>> = shape.strides.iter().map(|_| Vec::new()).collect();
    for (number, step) in shape.steps.iter().enumerate() {
        let Some(touched) = touched(shape, number, step) else { continue };
        let of_region = &mut before[touched.region.number];
        let conflicts = of_region.iter().filter(|other| other.conflicts(&touched));
        ahead[number].extend(conflicts.map(|other| other.step));
        of_region.push(touched);
    }
}

fn touched(shape: &StraightLine, number: usize, step: &Step) -> Option<Touched> {
    let word = WORD_BYTES as i64;
    let (pointer, offset, bytes) = match *step {
        Step::Load { pointer, offset, is_splat: true }
        | Step::LoadIndex { pointer, offset, .. }
        | Step::StoreOne { pointer, offset, .. } => (pointer, offset, word),
        Step::Load { pointer, offset, .. } | Step::Store { pointer, offset, .. } => {
            (pointer, offset, i64::from(VECTOR_BYTES))
        }
        Step::Gather { pointer, .. } => {
            let region = shape.regions[pointer];
            return Some(Touched { step: number, region, bytes: None, is_store: false });
        }
        _ => return None,
    };
    let region = shape.regions[pointer];
    let start = region.bytes + i64::from(offset);
    Some(Touched { step: number, region, bytes: Some(start..start + bytes), is_store: step.stores() })
}

impl Touched {
    /// Whether both may be the same words, of the same region, and one of them is written.
    fn conflicts(&self, other: &Touched) -> bool {
        let are_apart = match (&self.bytes, &other.bytes) {
            (Some(a), Some(b)) => self.region.from == other.region.from && (a.end <= b.start || b.end <= a.start),
            _ => false,
        };
        (self.is_store || other.is_store) && !are_apart
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOAD: Step = Step::Load { pointer: 0, offset: 0, is_splat: false };

    /// Of a pointer to a region of that number, so many bytes from the first one or at an unknown distance.
    fn region(pointer: usize, (number, bytes): (usize, Option<i64>)) -> Region {
        Region { number, from: if bytes.is_some() { 0 } else { pointer }, bytes: bytes.unwrap_or(0) }
    }

    fn order(regions: &[(usize, Option<i64>)], n_accs: usize, steps: Vec<Step>) -> Order {
        let strides = vec![32; regions.len()];
        let regions = regions.iter().enumerate().map(|(pointer, &of)| region(pointer, of)).collect();
        Order::of(&StraightLine { strides, regions, n_accs, steps, ..StraightLine::default() })
    }

    fn store(pointer: usize, offset: i32) -> Step {
        Step::Store { pointer, offset, value: Source::Constant(0) }
    }

    #[test]
    fn what_may_be_the_same_words_stays_in_its_order() {
        let waits = |regions: &[(usize, Option<i64>)], a: Step, b: Step| {
            order(&[&[(0, Some(0))], regions].concat(), 0, vec![a, b]).is_between(0, 1)
        };
        assert!(waits(&[], LOAD, store(0, 31)) && waits(&[], store(0, -31), LOAD));
        assert!(!waits(&[], LOAD, store(0, 32)) && !waits(&[], store(0, -32), LOAD));
        assert!(waits(&[(0, None)], LOAD, store(1, 4096)) && !waits(&[(1, None)], LOAD, store(1, 0)));
        assert!(waits(&[(0, Some(64))], LOAD, store(1, -64)) && !waits(&[(0, Some(64))], LOAD, store(1, 0)));
        assert!(!waits(&[], LOAD, LOAD));
    }

    #[test]
    fn accumulators_are_read_between_their_sets() {
        let set = |value| Step::Set { acc: 0, value };
        let steps = vec![set(Source::Constant(0)), Step::Sqrt(Source::Acc(0)), set(Source::Constant(1)), LOAD];
        let order = order(&[(0, None)], 1, steps);
        assert_eq!((order.ahead_of(1), order.ahead_of(2)), (&[0][..], &[0, 1][..]));
        assert!(order.is_between(0, 2) && order.is_between(2, 1) && !order.is_between(3, 1));
    }
}
