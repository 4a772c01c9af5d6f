//! Long chains of steps side by side.
//!
//! A processor looks ahead some hundred instructions, but waits with no more than about a hundred at a time. Where an
//! iteration has several chains that have nothing to do with each other (both halves of a chunk), and each is long,
//! those that wait are one chain's. So two chains take turns, step by step. What each computes is the same.

use crate::asm::straight_line::{Source, Step};
use crate::hash::QuickMap;

/// Steps of a chain from which on turns are worth it.
const LONG_CHAIN: usize = 12;

/// The steps with long chains in turns, if there are some. `may_change_places` says whether two steps that read or
/// write memory may do so in any order.
pub(super) fn interleaved(steps: &[Step], may_change_places: &dyn Fn(&Step, &Step) -> bool) -> Option<Vec<Step>> {
    if steps.iter().any(|step| matches!(step, Step::LoadIndex { .. } | Step::Point { .. })) {
        return None;
    }
    let chains = chains(steps);
    if chains.iter().filter(|chain| chain.len() >= LONG_CHAIN).count() < 2 {
        return None;
    }
    let order = order(steps, &chains);
    let mut places = vec![None; steps.len()];
    order.iter().enumerate().for_each(|(place, &number)| places[number] = Some(place));
    let in_memory: Vec<usize> = (0..steps.len()).filter(|&number| !steps[number].pointers().is_empty()).collect();
    let are_kept = in_memory.iter().enumerate().all(|(at, &first)| {
        let second_is_fine = |&second: &usize| {
            let are_swapped = places[first].zip(places[second]).is_some_and(|(first, second)| first > second);
            !are_swapped || may_change_places(&steps[first], &steps[second])
        };
        in_memory[at + 1..].iter().all(second_is_fine)
    });
    let moved = |number: usize| {
        let mut step = steps[number];
        step.for_each_source(&mut |source| {
            if let Source::Step(read) = source {
                *read = places[*read].expect("what is read stands before");
            }
        });
        step
    };
    are_kept.then(|| order.into_iter().map(moved).collect())
}

/// Whether a step reads no other one's result, so that each chain may have it where it is first needed.
fn is_leaf(step: &Step) -> bool {
    step.has_result() && step.sources().iter().all(|source| matches!(source, Source::Constant(_)))
}

/// The steps that are no leaves, by chain: those that read results of each other, or the same accumulator.
fn chains(steps: &[Step]) -> Vec<Vec<usize>> {
    let mut roots: Vec<usize> = (0..steps.len()).collect();
    let root = |roots: &[usize], mut number: usize| {
        while roots[number] != number {
            number = roots[number];
        }
        number
    };
    let mut of_accs: QuickMap<usize, usize> = QuickMap::default();
    for (number, step) in steps.iter().enumerate() {
        let sets = if let Step::Set { acc, .. } = step { Some(Source::Acc(*acc)) } else { None };
        for source in step.sources().into_iter().chain(sets) {
            let other = match source {
                Source::Step(read) if !is_leaf(&steps[read]) => read,
                Source::Acc(acc) => *of_accs.entry(acc).or_insert(number),
                Source::Step(_) | Source::Constant(_) => continue,
            };
            let [a, b] = [number, other].map(|number| root(&roots, number));
            roots[a.max(b)] = a.min(b);
        }
    }
    let mut chains: Vec<Vec<usize>> = Vec::new();
    let mut of_roots: QuickMap<usize, usize> = QuickMap::default();
    for number in (0..steps.len()).filter(|&number| !is_leaf(&steps[number])) {
        let chain = *of_roots.entry(root(&roots, number)).or_insert_with(|| {
            chains.push(Vec::new());
            chains.len() - 1
        });
        chains[chain].push(number);
    }
    chains
}

/// The steps with two long chains at a time in turns, each leaf in front of the first step that reads it.
fn order(steps: &[Step], chains: &[Vec<usize>]) -> Vec<usize> {
    let (mut order, mut is_placed) = (Vec::with_capacity(steps.len()), vec![false; steps.len()]);
    let mut place = |number: usize| {
        for source in steps[number].sources() {
            if let Source::Step(read) = source
                && !std::mem::replace(&mut is_placed[read], true)
            {
                order.push(read);
            }
        }
        is_placed[number] = true;
        order.push(number);
    };
    let mut waiting: Option<&Vec<usize>> = None;
    for chain in chains {
        if chain.len() < LONG_CHAIN {
            chain.iter().for_each(|&number| place(number));
            continue;
        }
        match waiting.take() {
            None => waiting = Some(chain),
            Some(other) => {
                for turn in 0..chain.len().max(other.len()) {
                    [other, chain].into_iter().filter_map(|chain| chain.get(turn)).for_each(|&number| place(number));
                }
            }
        }
    }
    waiting.into_iter().flatten().for_each(|&number| place(number));
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use graphc_ir::scalar::BinaryOp;

    /// For each offset: a load there, as many square roots, all plus a word that all of them read, and a store.
    fn chains_at(offsets: &[i32], n_roots: usize) -> Vec<Step> {
        let mut steps = vec![Step::Load { pointer: 2, offset: 0, is_splat: true }];
        for &offset in offsets {
            steps.push(Step::Load { pointer: 0, offset, is_splat: false });
            for _ in 0..n_roots {
                steps.push(Step::Sqrt(Source::Step(steps.len() - 1)));
            }
            steps.push(Step::Binary(BinaryOp::Add, Source::Step(steps.len() - 1), Source::Step(0)));
            steps.push(Step::Store { pointer: 1, offset, value: Source::Step(steps.len() - 1) });
        }
        steps
    }

    /// What a program leaves: for each store its offset and the steps that its value is made of, innermost last.
    fn stored(steps: &[Step]) -> Vec<(i32, Vec<Step>)> {
        let forget = |mut step: Step| {
            step.for_each_source(&mut |source| *source = Source::Constant(0));
            step
        };
        let mut stored = Vec::new();
        for step in steps {
            let Step::Store { offset, value, .. } = *step else { continue };
            let (mut left, mut made_of) = (vec![value], Vec::new());
            while let Some(source) = left.pop() {
                let Source::Step(number) = source else { continue };
                made_of.push(forget(steps[number]));
                left.extend(steps[number].sources());
            }
            stored.push((offset, made_of));
        }
        stored.sort_by_key(|&(offset, _)| offset);
        stored
    }

    #[test]
    fn long_chains_take_turns() {
        let steps = chains_at(&[0, 32, 64], LONG_CHAIN);
        let turns = interleaved(&steps, &|_, _| true).expect("there are three long chains");
        assert_eq!(stored(&turns), stored(&steps));
        let roots: Vec<usize> = (0..turns.len()).filter(|&number| matches!(turns[number], Step::Sqrt(_))).collect();
        let reads = |number: usize| turns[number].sources()[0];
        // The second root of the first chain stands behind the first one of the second chain.
        assert_eq!(reads(roots[2]), Source::Step(roots[0]));
        assert_eq!(reads(roots[3]), Source::Step(roots[1]));
        let last = &roots[2 * LONG_CHAIN + 1..];
        assert!(last.iter().all(|&number| reads(number) == Source::Step(number - 1)), "the third one is alone");
    }

    #[test]
    fn short_chains_and_what_may_not_change_places_stay() {
        assert_eq!(interleaved(&chains_at(&[0, 32], LONG_CHAIN / 2), &|_, _| true), None);
        assert_eq!(interleaved(&chains_at(&[0], LONG_CHAIN), &|_, _| true), None);
        // The second chain's load would stand ahead of the first one's store.
        assert_eq!(interleaved(&chains_at(&[0, 32], LONG_CHAIN), &|_, _| false), None);
        let mut steps = chains_at(&[0, 32], LONG_CHAIN);
        steps.insert(0, Step::LoadIndex { pointer: 0, offset: 0, zero: 0, most: 0, to: 3 });
        assert_eq!(interleaved(&steps, &|_, _| true), None);
    }
}
