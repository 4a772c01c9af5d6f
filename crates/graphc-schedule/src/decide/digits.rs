//! Splits axes into digits so that divisions in indices disappear.
//!
//! A sweep over `h` that reads `x[h / 2]` becomes one over `h1, h0` with `h = 2*h1 + h0`, which reads
//! `x[h1]`: a pooling gradient. A sweep over the flattened `i` that reads `x[i / 64][i / 16 % 4][i % 16]`
//! becomes one over three digits. A convolution whose filter `k` reads the channels of group `k / 4` becomes one over
//! groups and the four filters of each ([`split`]).

use graphc_ir::form::PointForm;
use graphc_ir::index::{Affine, Atom, Var};
use graphc_ir::split::Split;
use std::collections::BTreeSet;

/// A contraction with every output axis split whose divisions vanish by that. Axes that the bounds of a reduction
/// depend on stay whole.
pub(crate) fn split(form: &PointForm) -> Split {
    let contraction = form.as_contraction().expect("a contraction");
    let indices: Vec<&Affine> = [contraction.a.1, contraction.b.1].into_iter().flatten().map(|i| &i.value).collect();
    let is_bound = |var: Var| form.reds.iter().flat_map(|red| red.low.iter().chain(&red.high)).any(|b| b.uses(var));
    let of_axis = |(axis, &extent): (usize, &usize)| match Var(axis as u32) {
        var if form.batch_axis == Some(axis) || is_bound(var) => vec![extent],
        var => digits(indices.iter().copied(), var, extent),
    };
    form.split(&form.extents.iter().enumerate().map(of_axis).collect::<Vec<_>>())
}

/// Extents of the digits of an axis that is used in these indices, most significant first.
pub(crate) fn digits<'i>(indices: impl Iterator<Item = &'i Affine>, var: Var, extent: usize) -> Vec<usize> {
    let mut weights = BTreeSet::new();
    indices.for_each(|index| collect_weights(index, var, &mut weights));
    let weights: Vec<usize> = weights.into_iter().filter(|&weight| weight > 1 && weight < extent).collect();
    // Digits exist if every weight divides the next and the extent; otherwise the division stays.
    let chain: Vec<usize> = [1].into_iter().chain(weights).chain([extent]).collect();
    if chain.windows(2).any(|pair| pair[1] % pair[0] != 0) {
        return vec![extent];
    }
    chain.windows(2).rev().map(|pair| pair[1] / pair[0]).collect()
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
