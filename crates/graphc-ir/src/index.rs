//! Affine and quasi-affine index expressions over integer variables.
//!
//! Used twice: over the axes of a [`crate::compute::Compute`], and over the loop variables of the
//! loop IR. The only non-affine atoms are division and remainder by a positive constant, which
//! reshapes need; [`Affine::simplify`] removes them where the ranges allow.

use smallvec::{SmallVec, smallvec};
use std::fmt;

/// An integer variable: an axis of a compute body or a loop variable. Prints as `i3`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Var(pub u32);

impl fmt::Display for Var {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "i{}", self.0)
    }
}

/// What a coefficient multiplies.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Atom {
    /// A variable.
    Var(Var),
    /// Floor division of a non-negative value by a positive constant.
    Div(Box<Affine>, i64),
    /// Remainder of a non-negative value by a positive constant.
    Mod(Box<Affine>, i64),
}

/// `offset + sum(coefficient * atom)`; terms are sorted by atom, without zero coefficients.
#[derive(Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Affine {
    /// The terms. Most indices have one, and are copied wherever they are read.
    pub terms: SmallVec<[(Atom, i64); 1]>,
    /// The constant.
    pub offset: i64,
}

/// Almost all that are copied are a variable, and copying that takes no loop.
impl Clone for Affine {
    fn clone(&self) -> Affine {
        let terms = match self.terms.as_slice() {
            [(Atom::Var(var), coefficient)] => smallvec![(Atom::Var(*var), *coefficient)],
            terms => terms.iter().cloned().collect(),
        };
        Affine { terms, offset: self.offset }
    }
}

impl Affine {
    /// A constant.
    pub fn constant(offset: i64) -> Affine {
        Affine { terms: SmallVec::new(), offset }
    }

    /// A variable.
    pub fn var(var: Var) -> Affine {
        Affine { terms: smallvec![(Atom::Var(var), 1)], offset: 0 }
    }

    /// `self + factor * other`.
    pub fn add_scaled(&self, other: &Affine, factor: i64) -> Affine {
        let mut sum = self.clone();
        sum.accumulate(other, factor);
        sum
    }

    /// Adds `factor * other`.
    pub fn accumulate(&mut self, other: &Affine, factor: i64) {
        self.offset += other.offset * factor;
        for (atom, coefficient) in other.terms.iter().filter(|(_, coefficient)| coefficient * factor != 0) {
            let scaled = coefficient * factor;
            match self.terms.binary_search_by(|(known, _)| known.cmp(atom)) {
                Ok(at) if self.terms[at].1 + scaled == 0 => _ = self.terms.remove(at),
                Ok(at) => self.terms[at].1 += scaled,
                Err(at) => self.terms.insert(at, (atom.clone(), scaled)),
            }
        }
    }

    /// `self + other`.
    pub fn plus(&self, other: &Affine) -> Affine {
        self.add_scaled(other, 1)
    }

    /// `self + constant`.
    pub fn plus_constant(&self, constant: i64) -> Affine {
        Affine { terms: self.terms.clone(), offset: self.offset + constant }
    }

    /// `self * factor`.
    pub fn times(&self, factor: i64) -> Affine {
        Affine::default().add_scaled(self, factor)
    }

    /// Floor division by a positive constant (the value must be non-negative).
    pub fn div(&self, divisor: i64) -> Affine {
        assert!(divisor > 0, "division by {divisor}");
        if divisor == 1 {
            return self.clone();
        }
        if self.terms.is_empty() {
            return Affine::constant(self.offset.div_euclid(divisor));
        }
        Affine { terms: smallvec![(Atom::Div(Box::new(self.clone()), divisor), 1)], offset: 0 }
    }

    /// Remainder by a positive constant (the value must be non-negative).
    pub fn modulo(&self, divisor: i64) -> Affine {
        assert!(divisor > 0, "remainder by {divisor}");
        if divisor == 1 {
            return Affine::constant(0);
        }
        if self.terms.is_empty() {
            return Affine::constant(self.offset.rem_euclid(divisor));
        }
        Affine { terms: smallvec![(Atom::Mod(Box::new(self.clone()), divisor), 1)], offset: 0 }
    }

    /// Coefficient of a variable among the plain terms.
    pub fn coefficient(&self, var: Var) -> i64 {
        self.terms.iter().find(|(atom, _)| *atom == Atom::Var(var)).map_or(0, |&(_, coefficient)| coefficient)
    }

    /// The constant if there are no terms.
    pub fn as_constant(&self) -> Option<i64> {
        self.terms.is_empty().then_some(self.offset)
    }

    /// The variable if this is exactly one variable.
    pub fn as_var(&self) -> Option<Var> {
        match self.terms.as_slice() {
            [(Atom::Var(var), 1)] if self.offset == 0 => Some(*var),
            _ => None,
        }
    }

    /// Whether there is no division or remainder.
    pub fn is_affine(&self) -> bool {
        self.terms.iter().all(|(atom, _)| matches!(atom, Atom::Var(_)))
    }

    /// Whether there is no division or remainder, and every variable is one of these.
    pub fn is_affine_over(&self, is_one: impl Fn(Var) -> bool) -> bool {
        self.terms.iter().all(|(atom, _)| matches!(atom, Atom::Var(var) if is_one(*var)))
    }

    /// Calls `f` with every variable, those inside divisions included.
    pub fn for_each_var(&self, f: &mut impl FnMut(Var)) {
        for (atom, _) in &self.terms {
            match atom {
                Atom::Var(var) => f(*var),
                Atom::Div(inner, _) | Atom::Mod(inner, _) => inner.for_each_var(f),
            }
        }
    }

    /// Whether `var` occurs.
    pub fn uses(&self, var: Var) -> bool {
        let mut found = false;
        self.for_each_var(&mut |v| found |= v == var);
        found
    }

    /// Replaces every variable by an expression.
    pub fn substitute(&self, map: &impl Fn(Var) -> Affine) -> Affine {
        if let Some(var) = self.as_var() {
            return map(var);
        }
        let mut sum = Affine::constant(self.offset);
        for (atom, coefficient) in &self.terms {
            let value = match atom {
                Atom::Var(var) => map(*var),
                Atom::Div(inner, divisor) => inner.substitute(map).div(*divisor),
                Atom::Mod(inner, divisor) => inner.substitute(map).modulo(*divisor),
            };
            sum.accumulate(&value, *coefficient);
        }
        sum
    }

    /// Value under an assignment.
    pub fn eval(&self, value: &impl Fn(Var) -> i64) -> i64 {
        let mut sum = self.offset;
        for (atom, coefficient) in &self.terms {
            sum += coefficient
                * match atom {
                    Atom::Var(var) => value(*var),
                    Atom::Div(inner, divisor) => inner.eval(value).div_euclid(*divisor),
                    Atom::Mod(inner, divisor) => inner.eval(value).rem_euclid(*divisor),
                };
        }
        sum
    }

    /// Smallest and largest value when variable `v` runs over `range(v)` (both ends included).
    pub fn range(&self, range: &impl Fn(Var) -> (i64, i64)) -> (i64, i64) {
        let (mut low, mut high) = (self.offset, self.offset);
        for (atom, coefficient) in &self.terms {
            let (lo, hi) = match atom {
                Atom::Var(var) => range(*var),
                Atom::Div(inner, divisor) => {
                    let (lo, hi) = inner.range(range);
                    (lo.div_euclid(*divisor), hi.div_euclid(*divisor))
                }
                Atom::Mod(inner, divisor) => {
                    let (lo, hi) = inner.range(range);
                    if lo >= 0 && hi < *divisor { (lo, hi) } else { (0, divisor - 1) }
                }
            };
            if *coefficient >= 0 {
                low += coefficient * lo;
                high += coefficient * hi;
            } else {
                low += coefficient * hi;
                high += coefficient * lo;
            }
        }
        (low, high)
    }

    /// Removes divisions and remainders that the variables' ranges decide:
    /// `(d*x + y) / d => x` and `(d*x + y) % d => y` when `0 <= y < d`.
    pub fn simplify(&self, range: &impl Fn(Var) -> (i64, i64)) -> Affine {
        if self.is_affine() {
            return self.clone();
        }
        let mut sum = Affine::constant(self.offset);
        for (atom, coefficient) in &self.terms {
            let value = match atom {
                Atom::Var(var) => Affine::var(*var),
                Atom::Div(inner, divisor) => {
                    let inner = inner.simplify(range);
                    let (multiple, rest) = inner.split_multiple(*divisor);
                    let (low, high) = rest.range(range);
                    if low.div_euclid(*divisor) == high.div_euclid(*divisor) {
                        multiple.plus_constant(low.div_euclid(*divisor))
                    } else {
                        // Dividends stay non-negative: machine division truncates towards zero.
                        let turns = low.div_euclid(*divisor).min(0);
                        multiple.plus_constant(turns).plus(&rest.plus_constant(-turns * divisor).div(*divisor))
                    }
                }
                Atom::Mod(inner, divisor) => {
                    let (_, rest) = inner.simplify(range).split_multiple(*divisor);
                    let (low, high) = rest.range(range);
                    let turns = low.div_euclid(*divisor);
                    if turns == high.div_euclid(*divisor) {
                        rest.plus_constant(-turns * divisor)
                    } else {
                        rest.plus_constant(-turns.min(0) * divisor).modulo(*divisor)
                    }
                }
            };
            sum.accumulate(&value, *coefficient);
        }
        sum
    }

    /// `self = divisor * first + second`, where `first` takes every term divisible by `divisor`
    /// and the whole turns of the offset.
    fn split_multiple(&self, divisor: i64) -> (Affine, Affine) {
        let (mut multiple, mut rest) = (Affine::default(), Affine::default());
        for (atom, coefficient) in &self.terms {
            if coefficient % divisor == 0 {
                multiple.terms.push((atom.clone(), coefficient / divisor));
            } else {
                rest.terms.push((atom.clone(), *coefficient));
            }
        }
        multiple.offset = self.offset.div_euclid(divisor);
        rest.offset = self.offset.rem_euclid(divisor);
        (multiple, rest)
    }
}

impl fmt::Display for Affine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut first = true;
        for (atom, coefficient) in &self.terms {
            let (sign, size) = (if *coefficient < 0 { "-" } else { "+" }, coefficient.abs());
            match (first, sign) {
                (true, "+") => {}
                (true, _) => f.write_str("-")?,
                (false, sign) => write!(f, " {sign} ")?,
            }
            first = false;
            if size != 1 {
                write!(f, "{size}*")?;
            }
            match atom {
                Atom::Var(var) => write!(f, "{var}")?,
                Atom::Div(inner, divisor) => write!(f, "(({inner}) / {divisor})")?,
                Atom::Mod(inner, divisor) => write!(f, "(({inner}) % {divisor})")?,
            }
        }
        match (first, self.offset) {
            (true, offset) => write!(f, "{offset}"),
            (false, 0) => Ok(()),
            (false, offset) if offset < 0 => write!(f, " - {}", -offset),
            (false, offset) => write!(f, " + {offset}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merged_axes_split_exactly() {
        // i = 64*h + 16*w + c with w < 4, c < 16.
        let (h, w, c) = (Var(0), Var(1), Var(2));
        let range = |v: Var| [(0, 3), (0, 3), (0, 15)][v.0 as usize];
        let i = Affine::var(h).times(64).plus(&Affine::var(w).times(16)).plus(&Affine::var(c));
        assert_eq!(i.div(64).simplify(&range), Affine::var(h));
        assert_eq!(i.div(16).modulo(4).simplify(&range), Affine::var(w));
        assert_eq!(i.modulo(16).simplify(&range), Affine::var(c));
        assert_eq!(i.to_string(), "64*i0 + 16*i1 + i2");
    }

    #[test]
    fn undecided_division_stays() {
        let range = |_: Var| (0, 9);
        let i = Affine::var(Var(0)).times(3).plus_constant(1);
        let simplified = i.div(2).simplify(&range);
        for x in 0..10 {
            assert_eq!(simplified.eval(&|_| x), (3 * x + 1) / 2);
        }
    }
}
