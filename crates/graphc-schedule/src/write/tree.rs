//! Joins values in a fixed order: chains of consecutive ones, and balanced trees.

use super::builder::Builder;
use graphc_ir::index::{Affine, Var};
use graphc_ir::loops::{Bound, Expr, LoopKind, Range, ValueId};
use graphc_ir::scalar::CmpOp;

/// Leaves up to which the code of a tree is copied for each; above, halves are iterations of a loop.
const MOST_COPIED: usize = 32;

/// One of the things to be joined, of which each is `N` values, by its number.
pub(crate) type Leaf<'a, const N: usize> = dyn Fn(&mut Builder, &Affine) -> [ValueId; N] + 'a;

/// Joins two of them.
pub(crate) type JoinTwo<'a, const N: usize> = dyn Fn(&mut Builder, [ValueId; N], [ValueId; N]) -> [ValueId; N] + 'a;

/// Joins neighbours in pairs, then the pairs, until one is left; one without a neighbour waits for the next round.
pub(crate) fn balanced<const N: usize>(
    b: &mut Builder,
    n: usize,
    leaf: &Leaf<'_, N>,
    join: &JoinTwo<'_, N>,
) -> [ValueId; N] {
    branch(b, (Affine::default(), n), leaf, join)
}

/// Leaves `first` to `first + n`: as many as the largest power of two below `n`, and the others.
fn branch<const N: usize>(
    b: &mut Builder,
    (first, n): (Affine, usize),
    leaf: &Leaf<'_, N>,
    join: &JoinTwo<'_, N>,
) -> [ValueId; N] {
    if n <= 1 {
        return leaf(b, &first);
    }
    let half = n.next_power_of_two() / 2;
    if n == 2 * half && n > MOST_COPIED {
        return halves(b, (first, half), leaf, join);
    }
    let left = branch(b, (first.clone(), half), leaf, join);
    let right = branch(b, (first.plus_constant(half as i64), n - half), leaf, join);
    join(b, left, right)
}

/// Two branches of `half` leaves each, one after the other.
fn halves<const N: usize>(
    b: &mut Builder,
    (first, half): (Affine, usize),
    leaf: &Leaf<'_, N>,
    join: &JoinTwo<'_, N>,
) -> [ValueId; N] {
    let zero = b.f32(0.0);
    let accs = [0; N].map(|_| b.acc(zero));
    b.for_extent(2, LoopKind::Serial, |b, side| {
        let value = branch(b, (first.add_scaled(&Affine::var(side), half as i64), half), leaf, join);
        let left = accs.map(|acc| b.get(acc));
        let joined = join(b, left, value);
        let number = b.value(Expr::Index(Affine::var(side)));
        let is_left = b.i32(0);
        for (number_of, acc) in accs.into_iter().enumerate() {
            let kept = b.select(CmpOp::Eq, [number, is_left], value[number_of], joined[number_of]);
            b.set(acc, kept);
        }
    });
    accs.map(|acc| b.get(acc))
}

/// Leaves `first` to `first + n`, one after the other, as far as there are some below `end`.
pub(crate) fn chain<const N: usize>(
    b: &mut Builder,
    (first, n, end): (&Affine, usize, usize),
    leaf: &Leaf<'_, N>,
    join: &JoinTwo<'_, N>,
) -> [ValueId; N] {
    let value = leaf(b, first);
    let n = first.as_constant().map_or(n, |first| n.min(end - first as usize));
    if n <= 1 {
        return value;
    }
    let accs = value.map(|value| b.acc(value));
    let var = b.var();
    b.for_range(others(var, first, n, end), LoopKind::Serial, |b| {
        let next = leaf(b, &first.plus(&Affine::var(var)).plus_constant(1));
        let before = accs.map(|acc| b.get(acc));
        let after = join(b, before, next);
        accs.into_iter().zip(after).for_each(|(acc, value)| b.set(acc, value));
    });
    accs.map(|acc| b.get(acc))
}

/// The others beside the first.
fn others(var: Var, first: &Affine, n: usize, end: usize) -> Range {
    let mut range = Range::new(var, n - 1);
    if first.as_constant().is_none() && !end.is_multiple_of(n) {
        let left = Affine::constant(end as i64 - 1).add_scaled(first, -1);
        range.high = Bound(vec![Affine::constant(n as i64 - 1), left]);
    }
    range
}
