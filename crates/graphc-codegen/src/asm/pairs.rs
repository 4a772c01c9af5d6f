//! Pairs: straight-line code on vectors of eight lanes becomes code for registers that hold two of them.
//!
//! Two steps become one where they are alike and neither has to wait for the other. What is paired follows from pairs
//! of results: stores side by side, accumulators, operands of a sum; then their operands, as far as that saves
//! more than it costs to bring vectors together ([`Step::Join`]). In a loop without accumulators, two iterations can
//! be taken as one. Both ways are tried; the better one is taken if it is better than eight lanes.
//!
//! What has no partner is computed in the low lanes; where all its operands are twice the same, its result is, too.

use super::order::Order;
use super::straight_line::{Source, Spot, Step, StraightLine, VECTOR_BYTES};
use crate::hash::QuickMap;
use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};

/// Steps of two iterations at most.
const MOST_STEPS: usize = 512;

/// What a pair must save of every hundred parts.
const LEAST_GAIN: u32 = 10;

/// Half cycles that it takes to bring a pair of accumulators to the table and back.
const COST_OF_TABLE: u32 = 4;

/// Gain of one step in place of two, and the cost of a join.
const ONE_STEP: i32 = 2;

/// Straight-line code in pairs.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Paired {
    /// The steps. Constants have both vectors alike; accumulators are those of `accs`.
    pub(crate) line: StraightLine,
    /// The accumulators of the low and the high lanes; twice the same for one without partner.
    pub(crate) accs: Vec<[usize; 2]>,
    /// Whether an iteration of the outermost loop stands for two.
    pub(crate) takes_two: bool,
}

impl Paired {
    /// A loop in pairs, if that is faster.
    pub(crate) fn of(shape: &StraightLine) -> Option<Paired> {
        let within = Pairer::new(shape).within();
        let across = two_iterations(shape).and_then(|two| Pairer::new(&two).across(shape.inner.is_empty()));
        let cost = |paired: &Paired, n: u32| paired.line.steps.iter().map(cost_of_pair).sum::<u32>() / n;
        let within = within.map(|paired| (cost(&paired, 1), paired));
        let across = across.map(|paired| (cost(&paired, 2), paired));
        let (least, paired) = within.into_iter().chain(across).min_by_key(|(cost, _)| *cost)?;
        let alone: u32 = shape.steps.iter().map(cost_alone).sum();
        (least * 100 <= alone * (100 - LEAST_GAIN)).then_some(paired)
    }

    /// A single iteration on accumulators that stand in pairs, if that is no slower than to find them in the table.
    pub(crate) fn once(shape: &StraightLine, accs: &[[usize; 2]]) -> Option<Paired> {
        let mut pairer = Pairer::new(shape);
        for &[low, high] in accs.iter().filter(|[low, high]| low != high) {
            pairer.accs[low] = Some(Mate { of: high, is_low: true });
            pairer.accs[high] = Some(Mate { of: low, is_low: false });
        }
        pairer.seed();
        let paired = pairer.paired(accs.to_vec(), false)?;
        let cost: u32 = paired.line.steps.iter().map(cost_of_pair).sum();
        let alone: u32 = shape.steps.iter().map(cost_alone).sum();
        (cost <= alone + COST_OF_TABLE * accs.len() as u32).then_some(paired)
    }
}

/// The loop with two iterations of the innermost loop as one; none if that is not known to be the same.
fn two_iterations(shape: &StraightLine) -> Option<StraightLine> {
    let mut two = shape.clone();
    let strides = match two.inner.last_mut() {
        Some(inner) if inner.count % 2 == 0 => {
            inner.count /= 2;
            &mut inner.strides
        }
        Some(_) => return None,
        None => &mut two.strides,
    };
    let once = strides.clone();
    strides.iter_mut().try_for_each(|stride| stride.checked_mul(2).map(|twice| *stride = twice))?;
    let moved = |pointer: usize, offset: i32| offset.checked_add(once[pointer]);
    let n_steps = shape.steps.len();
    let next = shape.steps.iter().map(|&step| second(step, n_steps, &moved)).collect::<Option<Vec<Step>>>()?;
    two.steps.extend(next);
    (shape.n_accs == 0 && two.steps.len() <= MOST_STEPS).then_some(two)
}

/// A step in the second iteration.
fn second(step: Step, n_steps: usize, moved: &impl Fn(usize, i32) -> Option<i32>) -> Option<Step> {
    let mut step = step.with_sources(&mut |source, _| match source {
        Source::Step(step) => Source::Step(step + n_steps),
        source => source,
    });
    match &mut step {
        Step::Load { pointer, offset, .. }
        | Step::Gather { pointer, offset, .. }
        | Step::Store { pointer, offset, .. }
        | Step::StoreOne { pointer, offset, .. }
        | Step::Fetch { pointer, offset } => *offset = moved(*pointer, *offset)?,
        Step::LoadIndex { .. } | Step::Point { .. } | Step::Integer { .. } | Step::Set { .. } => return None,
        _ => {}
    }
    Some(step)
}

/// Half cycles of a step in eight lanes.
fn cost_alone(step: &Step) -> u32 {
    match step {
        Step::Binary(graphc_ir::scalar::BinaryOp::Div, ..) => 10,
        Step::Sqrt(_) => 12,
        Step::Gather { .. } => 20,
        Step::Set { .. } => 0,
        _ => 2,
    }
}

/// Half cycles of a step in sixteen lanes.
fn cost_of_pair(step: &Step) -> u32 {
    match *step {
        Step::Binary(graphc_ir::scalar::BinaryOp::Div, ..) => 20,
        Step::Sqrt(_) => 24,
        Step::GatherPair { .. } => 38,
        Step::LoadPair { low, high, is_splat } if !is_load(low, high, is_splat) => 5,
        Step::StorePair { low, high, .. } if !are_neighbours(low, high) => 5,
        // One unit moves lanes and rounds, where two do of eight lanes.
        Step::Swap { .. } | Step::Round { .. } => 4,
        Step::Join { .. } | Step::StorePair { .. } | Step::Compare(..) | Step::CompareIntegers { .. } => 3,
        step => cost_alone(&step),
    }
}

/// Whether a pair of vectors lies side by side.
pub(crate) fn are_neighbours(low: Spot, high: Spot) -> bool {
    low.pointer == high.pointer && low.offset.checked_add(VECTOR_BYTES) == Some(high.offset)
}

/// Whether a pair is one load.
fn is_load(low: Spot, high: Spot, is_splat: bool) -> bool {
    low == high || (!is_splat && are_neighbours(low, high))
}

/// The other one of a pair.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Mate {
    of: usize,
    is_low: bool,
}

/// Steps finding their partners.
struct Pairer<'s> {
    shape: &'s StraightLine,
    order: Order,
    /// Of every step.
    steps: Vec<Option<Mate>>,
    /// Of every accumulator.
    accs: Vec<Option<Mate>>,
    /// Where each accumulator is set.
    sets: Vec<Vec<usize>>,
    /// The low steps of the pairs so far, the last one last.
    formed: Vec<usize>,
}

impl<'s> Pairer<'s> {
    fn new(shape: &'s StraightLine) -> Pairer<'s> {
        let mut sets = vec![Vec::new(); shape.n_accs];
        for (number, step) in shape.steps.iter().enumerate() {
            if let Step::Set { acc, .. } = *step {
                sets[acc].push(number);
            }
        }
        let (order, steps) = (Order::of(shape), vec![None; shape.steps.len()]);
        Pairer { shape, order, steps, accs: vec![None; shape.n_accs], sets, formed: Vec::new() }
    }

    /// Pairs within one iteration.
    fn within(mut self) -> Option<Paired> {
        self.seed_accumulators();
        self.seed();
        let high = |acc: usize| self.accs[acc].is_some_and(|mate| !mate.is_low);
        let low = (0..self.shape.n_accs).filter(|&acc| !high(acc));
        let accs = low.map(|acc| [acc, self.accs[acc].map_or(acc, |mate| mate.of)]).collect();
        self.paired(accs, false)
    }

    /// Every step with itself in the next iteration.
    fn across(mut self, takes_two: bool) -> Option<Paired> {
        let n_steps = self.shape.steps.len() / 2;
        for low in 0..n_steps {
            if self.gain(low, low + n_steps).is_some() && !self.order.is_between(low, low + n_steps) {
                self.form(low, low + n_steps);
            }
        }
        self.paired(Vec::new(), takes_two)
    }

    /// Pairs stores side by side, sums' operands, and what is left.
    fn seed(&mut self) {
        let vectors = self.stores(|step| match *step {
            Step::Store { pointer, offset, .. } => Some(Spot { pointer, offset }),
            _ => None,
        });
        for pair in vectors.windows(2).filter(|pair| are_neighbours(pair[0].0, pair[1].0)) {
            self.try_pair(pair[0].1, pair[1].1, ONE_STEP);
        }
        // Of two sums, one must be brought to the low lanes again.
        for number in 0..self.shape.steps.len() {
            if let Step::Binary(_, Source::Step(a), Source::Step(b)) = self.shape.steps[number] {
                self.try_pair(a, b, 2 * ONE_STEP);
            }
        }
        let words = self.stores(|step| match *step {
            Step::StoreOne { pointer, offset, .. } => Some(Spot { pointer, offset }),
            _ => None,
        });
        for pair in words.windows(2) {
            let values = [pair[0].1, pair[1].1].map(|number| self.shape.steps[number].sources()[0]);
            if let [Source::Step(low), Source::Step(high)] = values {
                self.try_pair(low, high, 2 * ONE_STEP);
            }
        }
        for pair in vectors.windows(2) {
            self.try_pair(pair[0].1, pair[1].1, ONE_STEP);
        }
    }

    /// Stores of one kind by their places.
    fn stores(&self, spot: impl Fn(&Step) -> Option<Spot>) -> Vec<(Spot, usize)> {
        let steps = self.shape.steps.iter().enumerate();
        let mut stores: Vec<(Spot, usize)> = steps.filter_map(|(number, step)| Some((spot(step)?, number))).collect();
        stores.sort_unstable_by_key(|&(Spot { pointer, offset }, number)| (pointer, offset, number));
        stores
    }

    /// Accumulators that are set as often, by steps that are alike.
    fn seed_accumulators(&mut self) {
        for low in 0..self.shape.n_accs {
            if self.accs[low].is_some() || self.sets[low].is_empty() {
                continue;
            }
            let free = |high: &usize| self.accs[*high].is_none() && self.sets[*high].len() == self.sets[low].len();
            let highs: Vec<usize> = (low + 1..self.shape.n_accs).filter(free).collect();
            let mut best: Option<(i32, usize)> = None;
            for high in highs {
                let formed = self.formed.len();
                let gain = self.pair_accumulators(low, high);
                self.part(formed);
                self.accs[low] = None;
                self.accs[high] = None;
                if let Some(gain) = gain.filter(|&gain| gain > 0 && best.is_none_or(|(most, _)| gain > most)) {
                    best = Some((gain, high));
                }
            }
            if let Some((_, high)) = best {
                self.pair_accumulators(low, high);
            }
        }
    }

    fn pair_accumulators(&mut self, low: usize, high: usize) -> Option<i32> {
        self.accs[low] = Some(Mate { of: high, is_low: true });
        self.accs[high] = Some(Mate { of: low, is_low: false });
        let sets: Vec<(usize, usize)> = self.sets[low].iter().copied().zip(self.sets[high].iter().copied()).collect();
        sets.into_iter().try_fold(0, |gain, (low, high)| Some(gain + self.pair(low, high)?))
    }

    /// Pairs steps and what they read, if that gains so much.
    fn try_pair(&mut self, low: usize, high: usize, least: i32) {
        let formed = self.formed.len();
        if self.pair(low, high).is_none_or(|gain| gain < least) {
            self.part(formed);
        }
    }

    /// Pairs two steps, and of what they read what gains by it; with what is gained. None if they are no pair.
    fn pair(&mut self, low: usize, high: usize) -> Option<i32> {
        if self.steps[low] == Some(Mate { of: high, is_low: true }) {
            return Some(0);
        }
        let are_free = low != high && self.steps[low].is_none() && self.steps[high].is_none();
        if !are_free || self.order.is_between(low, high) {
            return None;
        }
        let mut gain = self.gain(low, high)?;
        self.form(low, high);
        let sources = [low, high].map(|number| self.shape.steps[number].sources());
        for (&a, &b) in sources[0].iter().zip(&sources[1]) {
            gain += self.operands((low, a), (high, b));
        }
        Some(gain)
    }

    /// Gain of an operand of two steps.
    fn operands(&mut self, (low, a): (usize, Source), (high, b): (usize, Source)) -> i32 {
        match (a, b) {
            (Source::Acc(a_acc), Source::Acc(b_acc)) if self.are_accs((low, a_acc), (high, b_acc)) => 0,
            (Source::Step(a), Source::Step(b)) if a != b => {
                let formed = self.formed.len();
                match self.pair(a, b) {
                    Some(gain) if gain >= -ONE_STEP => gain,
                    _ => {
                        self.part(formed);
                        -ONE_STEP
                    }
                }
            }
            (Source::Step(_), Source::Step(_)) => 0,
            (Source::Constant(a), Source::Constant(b)) if a == b => 0,
            _ => -ONE_STEP,
        }
    }

    /// Whether accumulators are a pair and two steps read them after as many sets.
    fn are_accs(&self, (low, a): (usize, usize), (high, b): (usize, usize)) -> bool {
        let n_sets = |acc: usize, at: usize| self.sets[acc].partition_point(|&set| set < at);
        self.accs[a] == Some(Mate { of: b, is_low: true }) && n_sets(a, low) == n_sets(b, high)
    }

    /// What one step in place of two gains, but for their operands; none if they are not alike.
    fn gain(&self, low: usize, high: usize) -> Option<i32> {
        match (self.shape.steps[low], self.shape.steps[high]) {
            (
                Step::Load { pointer, offset, is_splat },
                Step::Load { pointer: of_high, offset: at_high, is_splat: is_high_splat },
            ) => {
                let places = (Spot { pointer, offset }, Spot { pointer: of_high, offset: at_high });
                let gain = if is_load(places.0, places.1, is_splat) { ONE_STEP } else { -1 };
                (is_splat == is_high_splat).then_some(gain)
            }
            (Step::Store { pointer, offset, .. }, Step::Store { pointer: of_high, offset: at_high, .. }) => {
                let places = (Spot { pointer, offset }, Spot { pointer: of_high, offset: at_high });
                Some(if are_neighbours(places.0, places.1) { ONE_STEP } else { -1 })
            }
            (Step::Set { acc, .. }, Step::Set { acc: of_high, .. }) => {
                (self.accs[acc] == Some(Mate { of: of_high, is_low: true })).then_some(0)
            }
            (Step::StoreOne { .. } | Step::Fetch { .. } | Step::LoadIndex { .. } | Step::Point { .. }, _) => None,
            (low, high) => {
                let sources = low.sources();
                let same = high.with_sources(&mut |source, number| sources.get(number).copied().unwrap_or(source));
                (low == same).then_some(ONE_STEP)
            }
        }
    }

    fn form(&mut self, low: usize, high: usize) {
        self.steps[low] = Some(Mate { of: high, is_low: true });
        self.steps[high] = Some(Mate { of: low, is_low: false });
        self.formed.push(low);
    }

    /// Parts the pairs behind the first ones.
    fn part(&mut self, n_formed: usize) {
        for low in self.formed.drain(n_formed..) {
            let mate = self.steps[low].take().expect("it was formed");
            self.steps[mate.of] = None;
        }
    }

    /// The code. Pairs that wait for each other are parted.
    fn paired(mut self, accs: Vec<[usize; 2]>, takes_two: bool) -> Option<Paired> {
        let turns = match self.turns() {
            Ok(turns) => turns,
            Err(stuck) => {
                for &number in &stuck {
                    if matches!(self.shape.steps[number], Step::Set { .. }) && self.steps[number].is_some() {
                        return None;
                    }
                    if let Some(mate) = self.steps[number].take() {
                        self.steps[mate.of] = None;
                    }
                }
                self.turns().ok()?
            }
        };
        let line = Writer::new(&self, &accs).write(&turns);
        Some(Paired { line, accs, takes_two })
    }

    /// The step that stands for a pair: the low one.
    fn first(&self, step: usize) -> usize {
        self.steps[step].filter(|mate| !mate.is_low).map_or(step, |mate| mate.of)
    }

    /// The steps that stand for all, in an order that is allowed, as near to the program's as can be; or the steps that
    /// none is found for.
    fn turns(&self) -> Result<Vec<usize>, Vec<usize>> {
        let n_steps = self.shape.steps.len();
        let mut waits: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); n_steps];
        let mut followers: Vec<Vec<usize>> = vec![Vec::new(); n_steps];
        for number in 0..n_steps {
            let first = self.first(number);
            for &ahead in self.order.ahead_of(number) {
                if waits[first].insert(self.first(ahead)) {
                    followers[self.first(ahead)].push(first);
                }
            }
        }
        let mut n_waits: Vec<usize> = waits.iter().map(BTreeSet::len).collect();
        let is_first = |number: &usize| self.first(*number) == *number;
        let mut ready: BinaryHeap<Reverse<usize>> =
            (0..n_steps).filter(is_first).filter(|&number| n_waits[number] == 0).map(Reverse).collect();
        let mut turns = Vec::with_capacity(n_steps);
        while let Some(Reverse(number)) = ready.pop() {
            turns.push(number);
            for &follower in &followers[number] {
                n_waits[follower] -= 1;
                if n_waits[follower] == 0 {
                    ready.push(Reverse(follower));
                }
            }
        }
        let stuck: Vec<usize> = (0..n_steps).filter(is_first).filter(|&number| n_waits[number] > 0).collect();
        if stuck.is_empty() { Ok(turns) } else { Err(stuck) }
    }
}

/// Writes the steps of pairs.
struct Writer<'p> {
    pairer: &'p Pairer<'p>,
    line: StraightLine,
    /// Where the results of the program's steps are, and whether in the high lanes.
    results: Vec<Option<(usize, bool)>>,
    /// Where its accumulators are.
    accs: Vec<(usize, bool)>,
    /// Of the written steps, whether both vectors of the result are the same.
    are_same: Vec<bool>,
    /// Joins that are still what they were.
    joins: QuickMap<Step, Source>,
}

impl<'p> Writer<'p> {
    fn new(pairer: &'p Pairer<'p>, accs: &[[usize; 2]]) -> Writer<'p> {
        let mut places = vec![(0, false); pairer.shape.n_accs];
        for (number, &[low, high]) in accs.iter().enumerate() {
            places[high] = (number, true);
            places[low] = (number, false);
        }
        let line = StraightLine { steps: Vec::new(), n_accs: accs.len(), ..pairer.shape.clone() };
        let results = vec![None; pairer.shape.steps.len()];
        Writer { pairer, line, results, accs: places, are_same: Vec::new(), joins: QuickMap::default() }
    }

    fn write(mut self, turns: &[usize]) -> StraightLine {
        let pairer = self.pairer;
        for &number in turns {
            let step = pairer.shape.steps[number];
            match pairer.steps[number] {
                None => {
                    let sources: Vec<Source> =
                        step.sources().into_iter().map(|source| self.low_lanes(source)).collect();
                    let written = step.with_sources(&mut |_, at| sources[at]);
                    self.results[number] = Some((self.push(self.with_acc(written)), false));
                }
                Some(Mate { of, .. }) => {
                    let other = pairer.shape.steps[of];
                    let both: Vec<(Source, Source)> = step.sources().into_iter().zip(other.sources()).collect();
                    let sources: Vec<Source> = both.into_iter().map(|(low, high)| self.both(low, high)).collect();
                    let written = joined(step, other).with_sources(&mut |_, at| sources[at]);
                    let at = self.push(self.with_acc(written));
                    self.results[number] = Some((at, false));
                    self.results[of] = Some((at, true));
                }
            }
        }
        self.line
    }

    fn with_acc(&self, step: Step) -> Step {
        match step {
            Step::Set { acc, value } => Step::Set { acc: self.accs[acc].0, value },
            step => step,
        }
    }

    fn push(&mut self, step: Step) -> usize {
        let is_same = |source: Source| match source {
            Source::Step(step) => self.are_same[step],
            Source::Constant(_) => true,
            Source::Acc(_) => false,
        };
        self.are_same.push(match step {
            Step::LoadPair { low, high, .. } => low == high,
            Step::Join { low, high, are_high: [a, b] } => low == high && a == b,
            Step::Gather { .. } | Step::GatherPair { .. } => false,
            step => step.sources().into_iter().all(is_same),
        });
        self.line.steps.push(step);
        self.line.steps.len() - 1
    }

    /// Where a vector is, and whether in the high lanes.
    fn place(&self, source: Source) -> (Source, bool) {
        match source {
            Source::Step(step) => {
                let (at, is_high) = self.results[step].expect("its turn was before");
                (Source::Step(at), is_high)
            }
            Source::Constant(_) => (source, false),
            Source::Acc(acc) => (Source::Acc(self.accs[acc].0), self.accs[acc].1),
        }
    }

    /// A vector in the low lanes.
    fn low_lanes(&mut self, source: Source) -> Source {
        match self.place(source) {
            (place, false) => place,
            (place, true) => self.join((place, true), (place, true)),
        }
    }

    fn both(&mut self, low: Source, high: Source) -> Source {
        let (low, high) = (self.place(low), self.place(high));
        let is_same = match low.0 {
            Source::Step(step) => self.are_same[step],
            Source::Constant(_) => true,
            Source::Acc(_) => false,
        };
        let are_there = low.0 == high.0 && ((!low.1 && high.1) || is_same);
        if are_there { low.0 } else { self.join(low, high) }
    }

    fn join(&mut self, low: (Source, bool), high: (Source, bool)) -> Source {
        let step = Step::Join { low: low.0, high: high.0, are_high: [low.1, high.1] };
        if let Some(&known) = self.joins.get(&step) {
            return known;
        }
        let joined = Source::Step(self.push(step));
        // Accumulators change.
        if !step.sources().iter().any(|source| matches!(source, Source::Acc(_))) {
            self.joins.insert(step, joined);
        }
        joined
    }
}

/// The step of a pair, with the low one's operands.
fn joined(low: Step, high: Step) -> Step {
    match (low, high) {
        (Step::Load { pointer, offset, is_splat }, Step::Load { pointer: of_high, offset: at_high, .. }) => {
            let high = Spot { pointer: of_high, offset: at_high };
            Step::LoadPair { low: Spot { pointer, offset }, high, is_splat }
        }
        (Step::Store { pointer, offset, value }, Step::Store { pointer: of_high, offset: at_high, .. }) => {
            let high = Spot { pointer: of_high, offset: at_high };
            Step::StorePair { low: Spot { pointer, offset }, high, value }
        }
        (Step::Gather { pointer, offset, index }, _) => Step::GatherPair { pointer, offset, index },
        (step, _) => step,
    }
}

#[cfg(test)]
mod tests;
