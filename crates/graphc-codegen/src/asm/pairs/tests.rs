use super::*;
use crate::asm::straight_line::{InnerLoop, Region};
use graphc_ir::scalar::{BinaryOp, LANES};

const WORDS: usize = 1024;

/// Where the pointers of [`Random`] begin, in words: two of them in the same region.
const POINTERS: [usize; 3] = [0, 512, 640];

type Pair = [[u32; LANES]; 2];

/// What code works on.
#[derive(Clone, Debug, PartialEq)]
struct State {
    words: Vec<u32>,
    pointers: Vec<usize>,
    constants: Vec<[u32; LANES]>,
    accs: Vec<[u32; LANES]>,
}

impl State {
    fn new(shape: &StraightLine) -> State {
        let words = (0..WORDS as u32).map(|word| word.wrapping_mul(2_654_435_761)).collect();
        let lanes = |seed: usize| [0, 1, 2, 3, 4, 5, 6, 7].map(|lane: u32| (seed as u32 + 3).pow(3) + lane);
        let constants = (0..shape.n_constants).map(lanes).collect();
        let accs = (0..shape.n_accs).map(|acc| lanes(acc + 50)).collect();
        State { words, pointers: POINTERS.to_vec(), constants, accs }
    }

    fn at(&self, pointer: usize, offset: i32) -> usize {
        (self.pointers[pointer] as i32 + offset / 4) as usize
    }

    fn load(&self, spot: Spot, is_splat: bool) -> [u32; LANES] {
        let at = self.at(spot.pointer, spot.offset);
        std::array::from_fn(|lane| self.words[if is_splat { at } else { at + lane }])
    }

    fn store(&mut self, spot: Spot, value: [u32; LANES]) {
        let at = self.at(spot.pointer, spot.offset);
        self.words[at..at + LANES].copy_from_slice(&value);
    }

    /// An iteration; `accs` are pairs, and so are all values.
    fn iteration(&mut self, steps: &[Step], accs: &mut [Pair]) {
        let mut results: Vec<Pair> = Vec::new();
        for step in steps {
            let value = |source: Source| match source {
                Source::Step(step) => results[step],
                Source::Constant(constant) => [self.constants[constant]; 2],
                Source::Acc(acc) => accs[acc],
            };
            let sources: Vec<Pair> = step.sources().into_iter().map(value).collect();
            let both = |of: &dyn Fn([u32; LANES], [u32; LANES]) -> [u32; LANES]| {
                [0, 1].map(|half| of(sources[0][half], sources[1][half]))
            };
            let spot = |pointer, offset| Spot { pointer, offset };
            let result = match *step {
                Step::Load { pointer, offset, is_splat } => [self.load(spot(pointer, offset), is_splat); 2],
                Step::LoadPair { low, high, is_splat } => [low, high].map(|spot| self.load(spot, is_splat)),
                Step::Binary(BinaryOp::IAdd, ..) => both(&|a, b| std::array::from_fn(|i| a[i].wrapping_add(b[i]))),
                Step::Binary(..) => both(&|a, b| std::array::from_fn(|i| a[i].wrapping_mul(b[i] | 1))),
                Step::Xor(..) => both(&|a, b| std::array::from_fn(|i| a[i] ^ b[i])),
                Step::Swap { distance, .. } => {
                    sources[0].map(|value| std::array::from_fn(|i| value[i ^ usize::from(distance)]))
                }
                Step::Join { are_high, .. } => [0, 1].map(|half| sources[half][usize::from(are_high[half])]),
                Step::Store { pointer, offset, .. } => {
                    self.store(spot(pointer, offset), sources[0][0]);
                    Pair::default()
                }
                Step::StorePair { low, high, .. } => {
                    self.store(low, sources[0][0]);
                    self.store(high, sources[0][1]);
                    Pair::default()
                }
                Step::StoreOne { pointer, offset, .. } => {
                    let at = self.at(pointer, offset);
                    self.words[at] = sources[0][0][0];
                    Pair::default()
                }
                Step::Set { acc, .. } => {
                    accs[acc] = sources[0];
                    Pair::default()
                }
                step => unreachable!("{step:?} is not in these programs"),
            };
            results.push(result);
        }
    }

    fn run(&mut self, shape: &StraightLine, steps: &[Step], accs: &mut [Pair], n: usize) {
        let inner: Vec<InnerLoop> = shape.inner.clone();
        for _ in 0..n {
            for _ in 0..inner.first().map_or(1, |inner| inner.count) {
                self.iteration(steps, accs);
                self.advance(inner.first().map_or(&[0; 3], |inner| inner.strides.as_slice()));
            }
            self.advance(&(0..3).map(|pointer| shape.advance(0, pointer)).collect::<Vec<i32>>());
        }
    }

    fn advance(&mut self, strides: &[i32]) {
        for (pointer, stride) in self.pointers.iter_mut().zip(strides) {
            *pointer = (*pointer as i32 + stride / 4) as usize;
        }
    }

    /// What so many iterations leave, vector by vector.
    fn alone(mut self, shape: &StraightLine, n: usize) -> State {
        let mut accs: Vec<Pair> = self.accs.iter().map(|&acc| [acc; 2]).collect();
        self.run(shape, &shape.steps, &mut accs, n);
        self.accs = accs.into_iter().map(|[acc, _]| acc).collect();
        self
    }

    /// The same in pairs.
    fn in_pairs(mut self, shape: &StraightLine, paired: &Paired, n: usize) -> State {
        let mut accs: Vec<Pair> = paired.accs.iter().map(|acc| acc.map(|acc| self.accs[acc])).collect();
        let (n_pairs, n_rest) = if paired.takes_two { (n / 2, n % 2) } else { (n, 0) };
        self.run(&paired.line, &paired.line.steps, &mut accs, n_pairs);
        self.run(shape, &shape.steps, &mut [], n_rest);
        for (&[low, high], [of_low, of_high]) in paired.accs.iter().zip(accs) {
            self.accs[high] = of_high;
            self.accs[low] = of_low;
        }
        self
    }
}

/// Numbers that look random.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % n
    }

    /// Steps on so many values, which read and set accumulators from `first` on if there are some.
    fn steps(&mut self, n: usize, n_accs: usize) -> Vec<Step> {
        let mut steps: Vec<Step> = vec![Step::Load { pointer: 0, offset: 0, is_splat: false }];
        let mut results = vec![0];
        while steps.len() < n {
            let (pointer, offset) = (self.below(3), 64 * self.below(4) as i32);
            let source = |random: &mut Random| match random.below(6) {
                0 => Source::Constant(random.below(2)),
                1 if n_accs > 0 => Source::Acc(random.below(n_accs)),
                _ => Source::Step(results[random.below(results.len())]),
            };
            let (a, b) = (source(self), source(self));
            let step = match self.below(12) {
                0..=2 => Step::Load { pointer, offset, is_splat: false },
                3 => Step::Load { pointer, offset, is_splat: true },
                4 => Step::Binary(BinaryOp::IAdd, a, b),
                5 | 6 => Step::Binary(BinaryOp::IMul, a, b),
                7 => Step::Xor(a, b),
                8 => Step::Swap { distance: 1 << self.below(3), value: a },
                9 => Step::StoreOne { pointer: 1 + self.below(2), offset, value: a },
                10 if n_accs > 0 => Step::Set { acc: self.below(n_accs), value: a },
                _ => Step::Store { pointer: 1 + self.below(2), offset, value: a },
            };
            if step.has_result() {
                results.push(steps.len());
            }
            steps.push(step);
        }
        steps
    }

    /// A loop of two copies of random steps, the second one on neighbouring vectors and other accumulators.
    fn shape(&mut self, n_accs: usize, inner: i32) -> StraightLine {
        let first = self.steps(14, n_accs);
        let n_steps = first.len();
        let copy = |step: &Step| {
            let source = |source| match source {
                Source::Step(step) => Source::Step(step + n_steps),
                Source::Acc(acc) => Source::Acc(acc + n_accs),
                source => source,
            };
            let mut step = step.with_sources(&mut |of, _| source(of));
            match &mut step {
                Step::Load { offset, is_splat: false, .. }
                | Step::Store { offset, .. }
                | Step::StoreOne { offset, .. } => *offset += VECTOR_BYTES,
                Step::Set { acc, .. } => *acc += n_accs,
                _ => {}
            }
            step
        };
        let steps = first.iter().copied().chain(first.iter().map(copy)).collect();
        let (from, bytes) = if self.below(2) == 0 { (1, 512) } else { (2, 0) };
        let of_last = Region { number: 1, from, bytes };
        let regions = vec![Region { number: 0, from: 0, bytes: 0 }, Region { number: 1, from: 1, bytes: 0 }, of_last];
        let stride = 64 * self.below(2) as i32;
        let inner = InnerLoop { count: inner, strides: vec![stride, stride, stride] };
        StraightLine {
            strides: vec![64; 3],
            inner: if inner.count > 1 { vec![inner] } else { Vec::new() },
            n_constants: 2,
            n_accs: 2 * n_accs,
            regions,
            steps,
        }
    }
}

#[test]
fn pairs_compute_what_vectors_compute() {
    let (mut random, mut n_within, mut n_across) = (Random(7), 0, 0);
    for case in 0..600 {
        let shape = random.shape([0, 0, 1, 2][case % 4], [1, 1, 2, 3, 4][case % 5]);
        let (state, n) = (State::new(&shape), 1 + case % 4);
        let expected = state.clone().alone(&shape, n);
        if let Some(paired) = Pairer::new(&shape).within() {
            assert_eq!(state.clone().in_pairs(&shape, &paired, n), expected, "{shape}in pairs {}", paired.line);
            n_within += usize::from(paired.line.steps.len() < shape.steps.len());
        }
        let Some(two) = two_iterations(&shape) else { continue };
        if let Some(paired) = Pairer::new(&two).across(shape.inner.is_empty()) {
            assert_eq!(state.in_pairs(&shape, &paired, n), expected, "{shape}across {}", paired.line);
            n_across += usize::from(paired.line.steps.len() < two.steps.len());
        }
    }
    assert!(n_within > 200 && n_across > 50, "{n_within} and {n_across} of them have pairs");
}

/// A loop over vectors by two pointers to different regions, or to the same one.
fn loop_over(strides: [i32; 2], is_same: bool, steps: Vec<Step>) -> StraightLine {
    let to = Region { number: if is_same { 0 } else { 1 }, from: 1, bytes: 0 };
    let regions = vec![Region { number: 0, from: 0, bytes: 0 }, to];
    StraightLine { strides: strides.to_vec(), n_constants: 1, regions, steps, ..StraightLine::default() }
}

fn load(pointer: usize, offset: i32) -> Step {
    Step::Load { pointer, offset, is_splat: false }
}

#[test]
fn neighbours_are_one_load_and_one_store() {
    let steps = |offset: i32, first: usize| {
        let doubled = Step::Binary(BinaryOp::Add, Source::Step(first), Source::Step(first));
        [load(0, offset), doubled, Step::Store { pointer: 1, offset, value: Source::Step(first + 1) }]
    };
    let halves = loop_over([64, 64], false, [steps(0, 0), steps(32, 3)].concat());
    let paired = Paired::of(&halves).expect("half as many steps");
    assert!(!paired.takes_two && paired.line.steps.len() == 3, "{}", paired.line);
    let spots = (Spot { pointer: 0, offset: 0 }, Spot { pointer: 0, offset: 32 });
    assert_eq!(paired.line.steps[0], Step::LoadPair { low: spots.0, high: spots.1, is_splat: false });

    let paired = Paired::of(&loop_over([32, 32], false, steps(0, 0).to_vec())).expect("two iterations");
    assert!(paired.takes_two && paired.line.strides == [64, 64] && paired.line.steps.len() == 3);
    // What one iteration stores the next one may load.
    assert_eq!(Paired::of(&loop_over([32, 32], true, steps(0, 0).to_vec())), None);
}

#[test]
fn accumulators_of_a_tile_stay_in_their_pairs() {
    let store = |acc: usize| {
        let value = Source::Step(2 * acc);
        [
            Step::Binary(BinaryOp::Add, Source::Acc(acc), Source::Constant(0)),
            Step::Store { pointer: 1, offset: [0, 64, 32][acc], value },
        ]
    };
    let steps = (0..3).flat_map(store).collect();
    let shape = StraightLine { n_accs: 3, ..loop_over([0, 0], false, steps) };
    let paired = Paired::once(&shape, &[[0, 2], [1, 1]]).expect("nothing is brought together");
    let n_joins = paired.line.steps.iter().filter(|step| matches!(step, Step::Join { .. })).count();
    assert_eq!((paired.line.n_accs, paired.line.steps.len(), n_joins), (2, 4, 0), "{}", paired.line);
}
