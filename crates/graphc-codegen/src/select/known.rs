//! What is known of index variables while compiling.

use crate::hash::QuickMap;
use graphc_ir::index::{Affine, Atom, Var};
use graphc_ir::loops::{Bound, Range};

/// Values of index variables: constants in copies of a body, expressions of other variables, or unknown.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    values: QuickMap<Var, Affine>,
}

impl Known {
    /// From here on the variable has that value.
    pub(super) fn bind(&mut self, var: Var, value: i64) {
        self.values.insert(var, Affine::constant(value));
    }

    /// From here on the variable is that expression of those known before.
    pub(super) fn define(&mut self, var: Var, value: &Affine) {
        match self.resolve(value) {
            Some(value) => self.values.insert(var, value),
            None => self.values.remove(&var),
        };
    }

    /// From here on the variable is only known when the code runs.
    pub(super) fn forget(&mut self, var: Var) {
        self.values.remove(&var);
    }

    /// Both bounds, each if it is a constant here.
    pub(super) fn bounds(&self, range: &Range) -> (Option<i64>, Option<i64>) {
        let extreme = |bound: &Bound, better: fn(i64, i64) -> i64| {
            bound.0.iter().map(|affine| self.constant(affine)).reduce(|a, b| Some(better(a?, b?))).flatten()
        };
        (extreme(&range.low, i64::max), extreme(&range.high, i64::min))
    }

    fn constant(&self, affine: &Affine) -> Option<i64> {
        affine.as_constant().or_else(|| self.resolve(affine)?.as_constant())
    }

    /// The expression in terms of unknown variables; none if it divides by what is not positive.
    fn resolve(&self, affine: &Affine) -> Option<Affine> {
        let value = |var| self.values.get(&var).cloned().unwrap_or_else(|| Affine::var(var));
        divides_by_positive(affine).then(|| affine.substitute(&value))
    }
}

fn divides_by_positive(affine: &Affine) -> bool {
    affine.terms.iter().all(|(atom, _)| match atom {
        Atom::Var(_) => true,
        Atom::Div(inner, divisor) | Atom::Mod(inner, divisor) => *divisor > 0 && divides_by_positive(inner),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_constants_where_all_variables_are_known() {
        let (i, j) = (Var(0), Var(1));
        let low = Bound(vec![Affine::constant(0), Affine::var(i).plus_constant(-2)]);
        let high = Bound(vec![Affine::var(j)]);
        let range = Range { var: Var(2), low, high };
        let mut known = Known::default();
        assert_eq!(known.bounds(&range), (None, None));
        known.bind(i, 5);
        known.define(j, &Affine::var(i).div(2));
        assert_eq!(known.bounds(&range), (Some(3), Some(2)));
        known.forget(i);
        assert_eq!(known.bounds(&range), (None, Some(2)));
    }
}
