//! Which words of the arena are taken in which phases.
//!
//! A segment tree over the phases: its leaves are phases, every inner node is the phases below it. The life of a
//! buffer is the union of a few nodes, and only those and what stands above them know it, so that looking for a place
//! costs as many steps as there are gaps between buffers, and not as there are buffers.

use std::collections::BTreeMap;

/// Words that are taken, phase by phase.
pub(crate) struct Places {
    n_phases: usize,
    /// By node of the tree, the root being 1 and the children of `i` being `2 * i` and `2 * i + 1`: what is taken in
    /// all of its phases by lives that end with it, and what is taken in any of them.
    all: Vec<Runs>,
    any: Vec<Runs>,
}

/// A part of the tree.
#[derive(Clone, Copy)]
struct Part {
    node: usize,
    first: usize,
    last: usize,
}

impl Places {
    /// All is free.
    pub(crate) fn new(n_phases: usize) -> Places {
        let n_phases = n_phases.max(1).next_power_of_two();
        let free = || vec![Runs::default(); 2 * n_phases];
        Places { n_phases, all: free(), any: free() }
    }

    /// The lowest place from `base` on where `len` words are free from phase `first` to phase `last`.
    pub(crate) fn lowest_free(&self, (first, last): (usize, usize), base: usize, len: usize) -> usize {
        let mut taken: Vec<&Runs> = Vec::new();
        self.collect(self.root(), (first, last), &mut taken);
        // Every turn but the last goes beyond a run of one of them.
        let mut offset = base;
        while let Some(end) = taken.iter().find_map(|runs| runs.end_of_first(offset, len)) {
            offset = end;
        }
        offset
    }

    /// Takes the words `from..to` from phase `first` to phase `last`.
    pub(crate) fn take(&mut self, life: (usize, usize), from: usize, to: usize) {
        self.take_in(self.root(), life, from, to);
    }

    fn root(&self) -> Part {
        Part { node: 1, first: 0, last: self.n_phases - 1 }
    }

    /// What is taken at some time between the first and the last phase.
    fn collect<'a>(&'a self, part: Part, life: (usize, usize), taken: &mut Vec<&'a Runs>) {
        if part.is_apart(life) {
            return;
        }
        if part.is_within(life) {
            return taken.push(&self.any[part.node]);
        }
        taken.push(&self.all[part.node]);
        part.halves().into_iter().for_each(|half| self.collect(half, life, taken));
    }

    fn take_in(&mut self, part: Part, life: (usize, usize), from: usize, to: usize) {
        if part.is_apart(life) {
            return;
        }
        self.any[part.node].add(from, to);
        if part.is_within(life) {
            return self.all[part.node].add(from, to);
        }
        part.halves().into_iter().for_each(|half| self.take_in(half, life, from, to));
    }
}

impl Part {
    fn is_apart(self, (first, last): (usize, usize)) -> bool {
        self.last < first || last < self.first
    }

    fn is_within(self, (first, last): (usize, usize)) -> bool {
        first <= self.first && self.last <= last
    }

    fn halves(self) -> [Part; 2] {
        let middle = (self.first + self.last) / 2;
        let low = Part { node: 2 * self.node, first: self.first, last: middle };
        [low, Part { node: low.node + 1, first: middle + 1, last: self.last }]
    }
}

/// Words apart from each other: the end of each run by its beginning.
#[derive(Clone, Debug, Default)]
struct Runs(BTreeMap<usize, usize>);

impl Runs {
    /// Adds the words `from..to`, of which some may be there.
    fn add(&mut self, mut from: usize, mut to: usize) {
        if let Some((&begin, &end)) = self.0.range(..=from).next_back()
            && end >= from
        {
            (from, to) = (begin, to.max(end));
        }
        while let Some((&begin, &end)) = self.0.range(from..=to).next() {
            to = to.max(end);
            self.0.remove(&begin);
        }
        self.0.insert(from, to);
    }

    /// The end of the first run that has any of `len` words from `offset` on.
    fn end_of_first(&self, offset: usize, len: usize) -> Option<usize> {
        let before = self.0.range(..=offset).next_back().map(|(_, &end)| end).filter(|&end| end > offset);
        before.or_else(|| self.0.range(offset..offset + len).next().map(|(_, &end)| end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_grow_together() {
        let mut runs = Runs::default();
        for (from, to) in [(10, 20), (40, 50), (30, 40), (0, 5), (12, 15)] {
            runs.add(from, to);
        }
        assert_eq!(runs.0, BTreeMap::from([(0, 5), (10, 20), (30, 50)]));
        let ends = [0, 5, 6, 20, 45, 50].map(|offset| runs.end_of_first(offset, 5));
        assert_eq!(ends, [Some(5), None, Some(20), None, Some(50), None]);
        runs.add(5, 30);
        assert_eq!(runs.0, BTreeMap::from([(0, 50)]));
    }

    /// The place that a look at everything taken finds.
    fn lowest_free(taken: &[((usize, usize), usize, usize)], life: (usize, usize), base: usize, len: usize) -> usize {
        let meets = |other: (usize, usize)| life.0 <= other.1 && other.0 <= life.1;
        let mut busy: Vec<(usize, usize)> =
            taken.iter().filter(|&&(other, ..)| meets(other)).map(|&(_, from, to)| (from, to)).collect();
        busy.sort_unstable();
        let mut offset = base;
        for (from, to) in busy {
            if offset + len <= from {
                break;
            }
            offset = offset.max(to);
        }
        offset
    }

    #[test]
    fn places_are_those_that_a_look_at_everything_finds() {
        for seed in 1..20_u64 {
            let mut state = seed;
            let mut below = |n: u64| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 33) % n
            };
            let n_phases = 1 + below(20) as usize;
            let (mut places, mut taken) = (Places::new(n_phases), Vec::new());
            for _ in 0..60 {
                let [a, b] = [0, 0].map(|_| below(n_phases as u64) as usize);
                let (life, len) = ((a.min(b), a.max(b)), 1 + below(9) as usize);
                let offset = places.lowest_free(life, 7, len);
                assert_eq!(offset, lowest_free(&taken, life, 7, len));
                places.take(life, offset, offset + len);
                taken.push((life, offset, offset + len));
            }
        }
    }
}
