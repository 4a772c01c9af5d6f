//! Splits axes into digits so that divisions in indices disappear.
//!
//! A sweep over `h` that reads `x[h / 2]` becomes one over `h1, h0` with `h = 2*h1 + h0`, which reads
//! `x[h1]`: a pooling gradient. A sweep over the flattened `i` that reads `x[i / 64][i / 16 % 4][i % 16]`
//! becomes one over three digits. A convolution whose filter `k` reads the channels of group `k / 4` becomes one over
//! groups and the four filters of each ([`split`]).
//!
//! An input gradient of a convolution with strides sums, at row `h`, over the taps `r` of which `h + top - r` is a
//! multiple of the stride: their number changes from row to row. With `h = 2*h1 + h0` it changes with the remainder
//! `h0` alone, and neighbouring `h1` share their taps ([`split_remainders`]). Where the stride does not divide the
//! height, some remainders have one row less.
//!
//! A sum over `k` that reads `x[k / 16][k % 16]` becomes one over `k1` of one over `k0` ([`split_sums`]): terms and
//! their order stay.

use crate::compute::LoadIndex;
use crate::form::{PointForm, Red, map_indices, map_loads};
use crate::index::{Affine, Atom, Var};
use crate::split::Split;
use std::collections::BTreeSet;

/// A contraction with every output axis split whose divisions vanish by that. Axes that the bounds of a reduction
/// depend on stay whole.
pub fn split(form: &PointForm) -> Split {
    form.split(&digits_of(form, |_, extent| vec![extent]))
}

/// The same with the other axes split as well; `None` if there is nothing to be split among them.
pub fn split_remainders(form: &PointForm) -> Option<Split> {
    let digits = digits_of(form, |var, extent| remainders(indices(form), var, extent));
    let is_split = |axis: usize| digits[axis].len() > 1 && is_bound(form, Var(axis as u32));
    (0..digits.len()).any(is_split).then(|| form.split(&digits))
}

/// A contraction with every summed axis split whose divisions vanish by that: its digits are walked one within the
/// other. Axes with bounds stay whole.
pub fn split_sums(form: &PointForm) -> PointForm {
    let (mut reds, mut values): (Vec<Red>, Vec<Affine>) = (Vec::new(), Vec::new());
    for red in &form.reds {
        let is_whole = !red.is_batch && red.low.is_empty() && red.high.is_empty();
        let extents = if is_whole { digits(indices(form), red.var, red.extent) } else { vec![red.extent] };
        let mut value = Affine::default();
        for extent in extents {
            let var = Var((form.extents.len() + reds.len()) as u32);
            value = value.times(extent as i64).plus(&Affine::var(var));
            reds.push(Red { var, extent, ..red.clone() });
        }
        values.push(value);
    }
    let mut split = PointForm { reds, ..form.clone() };
    let n_axes = form.extents.len();
    let of_var = |var: Var| values.get((var.0 as usize).wrapping_sub(n_axes)).cloned().unwrap_or(Affine::var(var));
    let over_digits = |value: &Affine| value.substitute(&of_var).simplify(&|var| split.var_range(var));
    let body = map_loads(&form.body, &|index| LoadIndex { value: over_digits(&index.value), exact: index.exact });
    split.body = map_indices(&body, &over_digits);
    split
}

/// The digits of every axis; `of_bound` gives those of an axis that the bounds of a reduction depend on.
fn digits_of(form: &PointForm, of_bound: impl Fn(Var, usize) -> Vec<usize>) -> Vec<Vec<usize>> {
    let of_axis = |(axis, &extent): (usize, &usize)| match Var(axis as u32) {
        _ if form.batch_axis == Some(axis) => vec![extent],
        var if is_bound(form, var) => of_bound(var, extent),
        var => digits(indices(form), var, extent),
    };
    form.extents.iter().enumerate().map(of_axis).collect()
}

fn indices(form: &PointForm) -> impl Iterator<Item = &Affine> + Clone {
    let contraction = form.as_contraction().expect("a contraction");
    [contraction.a.1, contraction.b.1].into_iter().flatten().map(|index| &index.value)
}

fn is_bound(form: &PointForm, var: Var) -> bool {
    form.reds.iter().flat_map(|red| red.low.iter().chain(&red.high)).any(|bound| bound.uses(var))
}

/// As [`digits`], but two digits need not multiply to the extent.
fn remainders<'i>(indices: impl Iterator<Item = &'i Affine> + Clone, var: Var, extent: usize) -> Vec<usize> {
    match weights(indices.clone(), var, extent)[..] {
        [weight] => vec![extent.div_ceil(weight), weight],
        _ => digits(indices, var, extent),
    }
}

/// Extents of the digits of an axis that is used in these indices, most significant first.
pub fn digits<'i>(indices: impl Iterator<Item = &'i Affine>, var: Var, extent: usize) -> Vec<usize> {
    let weights = weights(indices, var, extent);
    // Digits exist if every weight divides the next and the extent; otherwise the division stays.
    let chain: Vec<usize> = [1].into_iter().chain(weights).chain([extent]).collect();
    if chain.windows(2).any(|pair| pair[1] % pair[0] != 0) {
        return vec![extent];
    }
    chain.windows(2).rev().map(|pair| pair[1] / pair[0]).collect()
}

/// Weights at which an axis is cut, ascending.
fn weights<'i>(indices: impl Iterator<Item = &'i Affine>, var: Var, extent: usize) -> Vec<usize> {
    let mut weights = BTreeSet::new();
    indices.for_each(|index| collect_weights(index, var, &mut weights));
    weights.into_iter().filter(|&weight| weight > 1 && weight < extent).collect()
}

/// Weights at which divisions and remainders of `var` alone (or as part of a sum) cut it.
fn collect_weights(index: &Affine, var: Var, weights: &mut BTreeSet<usize>) {
    for (atom, _) in &index.terms {
        let (inner, divisor, is_mod) = match atom {
            Atom::Var(_) => continue,
            Atom::Div(inner, divisor) => (inner, *divisor, false),
            Atom::Mod(inner, divisor) => (inner, *divisor, true),
        };
        collect_weights(inner, var, weights);
        let coefficient = inner.coefficient(var);
        if coefficient > 0 && divisor % coefficient == 0 {
            weights.insert((divisor / coefficient) as usize);
        }
        // (var / d) % m cuts at d * m.
        if is_mod
            && inner.offset == 0
            && let [(Atom::Div(base, d), 1)] = inner.terms.as_slice()
            && base.as_var() == Some(var)
        {
            weights.insert((d * divisor) as usize);
        }
    }
}
