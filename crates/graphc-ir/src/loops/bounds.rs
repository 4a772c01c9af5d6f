//! Which values an index can take, and whether it can lie outside its buffer.
//!
//! Bounds may depend on outer variables (padding: `i0 + i1 - 1` with `max(0, 1 - i0) <= i1`), so intervals per
//! variable are too coarse. Three steps, each only where the one before does not decide:
//!
//! 1. *Elimination*: the innermost variable of the index is replaced by each expression of the bound it leans on; the
//!    best result bounds the index. If that is inside the buffer, all is well.
//! 2. If everything around has constant bounds and nothing is divided, the interval is exact, so the index does leave
//!    the buffer.
//! 3. Otherwise the iterations are tried one by one if they are few. If they are many nothing is reported: code
//!    compiled with checks and the interpreter find what is left.

use super::kernel::{Bound, Range};
use crate::index::{Affine, Atom, Var};
use crate::scalar::LANES;

/// How a variable in scope gets its value.
#[derive(Clone, Debug)]
pub enum Definition {
    /// It counts.
    Range(Range),
    /// It is computed.
    Let(Affine),
    /// It is the lane number.
    Lane,
}

/// The variables in scope, outermost first.
#[derive(Clone, Debug, Default)]
pub struct Scope(Vec<(Var, Definition)>);

/// Iterations tried at most.
const MAX_POINTS: usize = 20_000;
/// Expressions tried at most by the elimination.
const MAX_CHOICES: usize = 2_000;

/// A sum over variables by position in scope, ascending, and a constant. Saturates.
#[derive(Clone, Default)]
struct Sum {
    terms: Vec<(usize, i128)>,
    constant: i128,
}

impl Sum {
    /// Adds `factor` times the variable at that position.
    fn add(&mut self, position: usize, factor: i128) {
        match self.terms.binary_search_by_key(&position, |&(known, _)| known) {
            Ok(at) => self.terms[at].1 = self.terms[at].1.saturating_add(factor),
            Err(at) => self.terms.insert(at, (position, factor)),
        }
    }
}

impl Scope {
    /// Number of variables.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no variable.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Forgets all but the first `len` variables.
    pub fn truncate(&mut self, len: usize) {
        self.0.truncate(len);
    }

    /// Adds a variable within all others.
    pub fn push(&mut self, var: Var, definition: Definition) {
        self.0.push((var, definition));
    }

    /// A lower and an upper bound of an index, as near as elimination finds them.
    pub fn limits(&self, index: &Affine) -> [i128; 2] {
        let mut choices = 0;
        let high = self.supremum(index, 1, self.len(), &mut choices);
        [self.supremum(index, -1, self.len(), &mut choices).saturating_neg(), high]
    }

    pub(super) fn contains(&self, var: Var) -> bool {
        self.position(var).is_some()
    }

    fn position(&self, var: Var) -> Option<usize> {
        self.0.iter().rposition(|(other, _)| *other == var)
    }

    /// How the index leaves `0..len`, if it does.
    pub(super) fn find_outside(&self, index: &Affine, len: usize) -> Option<String> {
        let [low, high] = self.limits(index);
        if low >= 0 && high < len as i128 {
            return None;
        }
        let mut constant = index.is_affine();
        for (_, definition) in &self.0 {
            match definition {
                Definition::Range(range) => match range.extent() {
                    Some(0) => return None,
                    Some(_) => {}
                    None => constant = false,
                },
                Definition::Lane => {}
                Definition::Let(_) => constant = false,
            }
        }
        if constant {
            return Some(format!("it runs from {low} to {high}"));
        }
        self.try_points(index, len)
    }

    /// An upper bound of `factor * affine`, in which variables from position `end` on do not count: where a bound
    /// uses them, that is reported already.
    fn supremum(&self, affine: &Affine, factor: i128, end: usize, choices: &mut usize) -> i128 {
        *choices += 1;
        if *choices > MAX_CHOICES {
            return i128::MAX;
        }
        let mut sum = Sum::default();
        self.add(&mut sum, affine, factor, end, choices);
        self.eliminate(sum, choices)
    }

    /// Adds `factor * affine`; divisions and remainders are replaced by bounds.
    fn add(&self, sum: &mut Sum, affine: &Affine, factor: i128, end: usize, choices: &mut usize) {
        sum.constant = sum.constant.saturating_add(factor.saturating_mul(affine.offset.into()));
        for (atom, coefficient) in &affine.terms {
            let factor = factor.saturating_mul((*coefficient).into());
            if let Atom::Var(var) = atom {
                if let Some(position) = self.position(*var).filter(|&position| position < end) {
                    sum.add(position, factor);
                }
                continue;
            }
            let (Atom::Div(inner, divisor) | Atom::Mod(inner, divisor)) = atom else { continue };
            let divisor = i128::from(*divisor);
            let high = self.supremum(inner, 1, end, choices);
            let low = self.supremum(inner, -1, end, choices).saturating_neg();
            let (low, high) = match atom {
                Atom::Div(..) => (low.div_euclid(divisor), high.div_euclid(divisor)),
                _ if low >= 0 && high < divisor => (low, high),
                _ => (0, divisor - 1),
            };
            sum.constant = sum.constant.saturating_add(factor.saturating_mul(if factor > 0 { high } else { low }));
        }
    }

    /// An upper bound of a sum.
    fn eliminate(&self, mut sum: Sum, choices: &mut usize) -> i128 {
        let Some((position, factor)) = sum.terms.pop() else { return sum.constant };
        let with = |mut sum: Sum, affine: &Affine, plus: i128, choices: &mut usize| {
            sum.constant = sum.constant.saturating_add(factor.saturating_mul(plus));
            self.add(&mut sum, affine, factor, position, choices);
            self.eliminate(sum, choices)
        };
        if factor == 0 {
            return with(sum, &Affine::default(), 0, choices);
        }
        let range = match &self.0[position].1 {
            Definition::Lane => {
                return with(sum, &Affine::default(), if factor > 0 { LANES as i128 - 1 } else { 0 }, choices);
            }
            Definition::Let(value) => return with(sum, value, 0, choices),
            Definition::Range(range) => range,
        };
        let (bounds, plus) = if factor > 0 { (&range.high, -1) } else { (&range.low, 0) };
        let mut best = i128::MAX;
        for bound in &bounds.0 {
            *choices += 1;
            best = best.min(with(sum.clone(), bound, plus, choices));
            // Any one of the expressions is a bound.
            if *choices > MAX_CHOICES {
                break;
            }
        }
        best
    }

    /// Tries every iteration of the variables that matter, if they are few.
    fn try_points(&self, index: &Affine, len: usize) -> Option<String> {
        let mut matters = vec![false; self.0.len()];
        let mark = |affine: &Affine, matters: &mut Vec<bool>| {
            affine.for_each_var(&mut |var| {
                if let Some(position) = self.position(var) {
                    matters[position] = true;
                }
            });
        };
        mark(index, &mut matters);
        for position in (0..self.0.len()).rev() {
            match &self.0[position].1 {
                // A loop that is sometimes empty decides what runs inside it.
                Definition::Range(range) if range.extent().is_none() => {
                    matters[position] = true;
                    range.low.0.iter().chain(&range.high.0).for_each(|affine| mark(affine, &mut matters));
                }
                Definition::Let(value) if matters[position] => mark(value, &mut matters),
                _ => {}
            }
        }
        let mut search = Search { scope: self, matters, values: Vec::new(), points: 0, index, len };
        search.run().ok().flatten()
    }
}

struct Search<'a> {
    scope: &'a Scope,
    matters: Vec<bool>,
    /// Values of the variables so far; 0 where it does not matter.
    values: Vec<i64>,
    points: usize,
    index: &'a Affine,
    len: usize,
}

/// Too many iterations to try.
struct TooMany;

impl Search<'_> {
    fn run(&mut self) -> Result<Option<String>, TooMany> {
        let position = self.values.len();
        let Some((_, definition)) = self.scope.0.get(position) else { return self.try_point() };
        let (low, high) = match definition {
            _ if !self.matters[position] => (0, 1),
            Definition::Lane => (0, LANES as i64),
            Definition::Let(value) => {
                let value = self.eval(value)?;
                (value, value + 1)
            }
            Definition::Range(range) => {
                (self.best(&range.low, i64::max)?.unwrap_or(0), self.best(&range.high, i64::min)?.unwrap_or(0))
            }
        };
        for value in low..high {
            self.points += 1;
            if self.points > MAX_POINTS {
                return Err(TooMany);
            }
            self.values.push(value);
            let found = self.run();
            self.values.pop();
            if !matches!(found, Ok(None)) {
                return found;
            }
        }
        Ok(None)
    }

    fn try_point(&self) -> Result<Option<String>, TooMany> {
        let index = self.eval(self.index)?;
        if usize::try_from(index).is_ok_and(|index| index < self.len) {
            return Ok(None);
        }
        let named = self.scope.0.iter().zip(&self.values).zip(&self.matters).filter(|(_, matters)| **matters);
        let named: Vec<String> = named.map(|(((var, _), value), _)| format!("{var} = {value}")).collect();
        Ok(Some(format!("it is {index} at {}", named.join(", "))))
    }

    fn best(&self, bound: &Bound, choose: fn(i64, i64) -> i64) -> Result<Option<i64>, TooMany> {
        let mut best = None;
        for affine in &bound.0 {
            let value = self.eval(affine)?;
            best = Some(best.map_or(value, |best| choose(best, value)));
        }
        Ok(best)
    }

    /// The value of an expression where the next variable is defined; chains of definitions can make numbers too
    /// large to try. Of several variables of one name, which is another mistake, the last one before is meant.
    fn eval(&self, affine: &Affine) -> Result<i64, TooMany> {
        let known = self.scope.0.iter().zip(&self.values);
        let value_of = |var: Var| known.clone().rfind(|((other, _), _)| *other == var).map_or(0, |(_, value)| *value);
        let mut sum = i128::from(affine.offset);
        for (atom, coefficient) in &affine.terms {
            let value = match atom {
                Atom::Var(var) => value_of(*var),
                Atom::Div(inner, divisor) => self.eval(inner)?.div_euclid(*divisor),
                Atom::Mod(inner, divisor) => self.eval(inner)?.rem_euclid(*divisor),
            };
            sum += i128::from(*coefficient) * i128::from(value);
        }
        if sum.unsigned_abs() < 1 << 62 { Ok(sum as i64) } else { Err(TooMany) }
    }
}
