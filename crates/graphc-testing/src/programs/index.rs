//! Indices: sums of expressions of known range.

use super::choices::Choices;
use graphc_ir::index::{Affine, Var};
use graphc_ir::loops::{Access, Bound, BufId, Buffer, BufferKind, Range};
use graphc_ir::scalar::LANES;

/// An expression in scope and its smallest and largest value.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) affine: Affine,
    pub(super) low: i64,
    pub(super) high: i64,
}

impl Known {
    /// A loop variable.
    pub(super) fn counted(var: Var, low: i64, high: i64) -> Known {
        Known { affine: Affine::var(var), low, high: high.max(low) }
    }
}

/// The words of a buffer that the code being made may touch.
#[derive(Clone, Debug)]
pub(super) struct Window {
    pub(super) start: Affine,
    pub(super) len: usize,
    pub(super) writable: bool,
}

impl Window {
    /// All words; inputs and constants are not written.
    pub(super) fn whole(buffer: &Buffer) -> Window {
        Window {
            start: Affine::constant(0),
            len: buffer.len,
            writable: !matches!(buffer.kind, BufferKind::Input | BufferKind::Constant),
        }
    }
}

/// How an index may depend on the lane.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Lane {
    /// Not at all.
    Free,
    /// By a constant step.
    Step(Var),
    /// Also within a division.
    Any(Var),
    /// By a variable from 0 to `most` that is loaded for every lane by itself, and sometimes by the lane's number, too.
    Loaded { lane: Var, var: Var, most: i64 },
}

/// An access inside a window.
pub(super) fn access(
    choices: &mut Choices<'_>,
    (buffer, window): (usize, &Window),
    known: &[Known],
    lane: Lane,
) -> Access {
    let index = window.start.plus(&index(choices, window.len as i64, known, lane));
    Access { buffer: BufId(buffer as u32), index }
}

/// An index in `0..len`.
fn index(choices: &mut Choices<'_>, len: i64, known: &[Known], lane: Lane) -> Affine {
    let mut sum = Known { affine: Affine::constant(0), low: 0, high: 0 };
    if let Some(term) = lane_term(choices, lane) {
        add(&mut sum, &term, 1, len);
    }
    if let (Lane::Loaded { var, most, .. }, true) = (lane, sum.affine.terms.is_empty()) {
        add(&mut sum, &Known::counted(var, 0, most), 1, len);
    }
    if !known.is_empty() {
        for _ in 0..choices.pick(4) {
            // Recent variables are the interesting ones.
            let back = choices.pick(known.len()).min(choices.pick(known.len()));
            let factor = choices.one_of(&[1, 8, 16, 2, 3, -1, 5, -8]);
            add(&mut sum, &known[known.len() - 1 - back], factor, len);
        }
    }
    let slack = len - (sum.high - sum.low) - 1;
    let offset = if choices.pick(2) == 0 { 0 } else { choices.pick(slack as usize + 1) as i64 };
    sum.affine.plus_constant(offset - sum.low)
}

/// Adds a term if the sum still fits into `len` words.
fn add(sum: &mut Known, term: &Known, factor: i64, len: i64) {
    let (a, b) = (factor * term.low, factor * term.high);
    let (low, high) = (sum.low + a.min(b), sum.high + a.max(b));
    if high - low < len {
        *sum = Known { affine: sum.affine.add_scaled(&term.affine, factor), low, high };
    }
}

fn lane_term(choices: &mut Choices<'_>, lane: Lane) -> Option<Known> {
    let (var, any) = match lane {
        Lane::Free => return None,
        Lane::Step(var) => (var, false),
        Lane::Any(var) => (var, true),
        Lane::Loaded { lane, var, most } => return Some(loaded_term(choices, (lane, var), most)),
    };
    let lane = Affine::var(var);
    let top = LANES as i64 - 1;
    let scaled =
        |factor: i64| Known { affine: lane.times(factor), low: (factor * top).min(0), high: (factor * top).max(0) };
    Some(match choices.pick(if any { 9 } else { 7 }) {
        0..=3 => scaled(1),
        4 => scaled(8),
        5 => scaled(3),
        6 => scaled(-1),
        7 => Known { affine: lane.div(2).plus(&lane.modulo(2).times(4)), low: 0, high: 7 },
        _ => Known { affine: lane.plus_constant(3).modulo(8), low: 0, high: 7 },
    })
}

/// A multiple, quotient or remainder of what is loaded, sometimes with the lane's number beside it.
fn loaded_term(choices: &mut Choices<'_>, (lane, var): (Var, Var), most: i64) -> Known {
    let loaded = Affine::var(var);
    let scaled = |factor: i64| (loaded.times(factor), (factor * most).min(0), (factor * most).max(0));
    let (affine, low, high) = match choices.pick(9) {
        0 | 1 => scaled(1),
        2 => scaled(2),
        3 => scaled(8),
        4 => scaled(16),
        5 => scaled(3),
        6 => scaled(-1),
        7 => (loaded.div(3), 0, most / 3),
        _ => (loaded.modulo(5), 0, 4),
    };
    let by_lane = choices.one_of(&[0, 1, 0, 8]);
    Known { affine: affine.add_scaled(&Affine::var(lane), by_lane), low, high: high + by_lane * (LANES as i64 - 1) }
}

/// A loop range with what is known inside: constant bounds, padding bounds or a triangle.
pub(super) fn range(choices: &mut Choices<'_>, var: Var, known: &[Known], constant: bool) -> (Range, Vec<Known>, i64) {
    let outer = known.get(choices.pick(known.len())).filter(|outer| outer.low >= 0 && !constant);
    match (outer, choices.pick(4)) {
        (Some(outer), 2) => {
            // `0 <= outer + var - padding <= outer.high`
            let taps = 1 + choices.pick(4) as i64;
            let padding = choices.pick(taps as usize + 1) as i64;
            let shift = outer.affine.times(-1).plus_constant(padding);
            let low = Bound(vec![Affine::constant(0), shift.clone()]);
            let high = Bound(vec![Affine::constant(taps), shift.plus_constant(outer.high + 1)]);
            let inside = outer.affine.plus(&Affine::var(var)).plus_constant(-padding);
            let inside = Known { affine: inside, low: 0, high: outer.high };
            (Range { var, low, high }, vec![Known::counted(var, 0, taps - 1), inside], taps)
        }
        (Some(outer), 3) => {
            let high = Bound(vec![outer.affine.plus_constant(1), Affine::constant(6)]);
            let last = outer.high.min(5);
            let range = Range { var, low: Bound::constant(0), high };
            (range, vec![Known::counted(var, 0, last)], last + 1)
        }
        _ => {
            let low = choices.pick(3) as i64;
            // Sometimes empty.
            let extent = (choices.pick(6) + 1) as i64 % 6;
            let bound = |value| Bound(vec![Affine::constant(value)]);
            let range = Range { var, low: bound(low), high: bound(low + extent) };
            (range, vec![Known::counted(var, low, low + extent - 1)], extent.max(1))
        }
    }
}

/// A new index from a known one: a multiple, a quotient or a remainder.
pub(super) fn derived(choices: &mut Choices<'_>, known: &[Known]) -> Known {
    let zero = Known { affine: Affine::constant(5), low: 5, high: 5 };
    let base = known.get(choices.pick(known.len())).unwrap_or(&zero);
    let (factor, plus) = (1 + choices.pick(3) as i64, choices.pick(4) as i64 - base.low.min(0) * 3);
    let (low, high) = (factor * base.low + plus, factor * base.high + plus);
    let affine = base.affine.times(factor).plus_constant(plus);
    let divisor = 2 + choices.pick(4) as i64;
    match choices.pick(3) {
        0 => Known { affine: affine.div(divisor), low: low / divisor, high: high / divisor },
        1 => Known { affine: affine.modulo(divisor), low: 0, high: divisor - 1 },
        _ => Known { affine, low, high },
    }
}
