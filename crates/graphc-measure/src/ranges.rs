//! Ranges of loop variables, to count what loops do without running them.

use graphc_ir::index::{Affine, Var};
use graphc_ir::loops::Range;
use std::collections::{BTreeMap, BTreeSet};

/// First and last value of every variable seen so far.
#[derive(Default)]
pub(crate) struct Ranges(BTreeMap<Var, (i64, i64)>);

impl Ranges {
    /// First and last value an expression can take, each term by itself.
    pub(crate) fn of(&self, affine: &Affine) -> (i64, i64) {
        affine.range(&|var| self.0.get(&var).copied().unwrap_or((0, 0)))
    }

    /// Values an expression takes at most, from the numbers of values of its variables.
    pub(crate) fn n_values(&self, affine: &Affine) -> usize {
        let mut vars = BTreeSet::new();
        affine.for_each_var(&mut |var| _ = vars.insert(var));
        let extent = |var: &Var| {
            let (first, last) = self.0.get(var).copied().unwrap_or((0, 0));
            usize::try_from(last - first + 1).unwrap_or(0)
        };
        vars.iter().map(extent).fold(1, usize::saturating_mul)
    }

    /// Notes a variable that counts from 0 to below `extent`.
    pub(crate) fn count(&mut self, var: Var, extent: usize) {
        self.0.insert(var, (0, extent as i64 - 1));
    }

    /// Notes a variable with a value.
    pub(crate) fn define(&mut self, var: Var, value: &Affine) {
        let range = self.of(value);
        self.0.insert(var, range);
    }

    /// Notes the variable of a loop; gives the most iterations that the loop can have, 0 if it never runs.
    pub(crate) fn enter(&mut self, range: &Range) -> u64 {
        let first = range.low.0.iter().map(|low| self.of(low).0).max().unwrap_or(0);
        let end = range.high.0.iter().map(|high| self.of(high).1).min().unwrap_or(0);
        self.0.insert(range.var, (first, end - 1));
        // Bounds that move together, as those of a block do, make fewer iterations than there are values.
        let pairs = range.low.0.iter().flat_map(|low| range.high.0.iter().map(move |high| high.add_scaled(low, -1)));
        let most = pairs.map(|difference| self.of(&difference).1).min().unwrap_or(0);
        u64::try_from(most).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use graphc_ir::loops::Bound;

    #[test]
    fn blocks_and_borders() {
        let (outer, inner) = (Affine::var(Var(0)), Var(1));
        let mut ranges = Ranges::default();
        ranges.count(Var(0), 10);
        let mut enter = |low: Vec<Affine>, high: Vec<Affine>| {
            let most = ranges.enter(&Range { var: inner, low: Bound(low), high: Bound(high) });
            (most, ranges.of(&Affine::var(inner)))
        };
        let constant = Affine::constant;
        // Blocks of 4 of 38 rows, and a window of 5 that borders cut.
        let block = enter(vec![outer.times(4)], vec![outer.times(4).plus_constant(4), constant(38)]);
        assert_eq!(block, (4, (0, 37)));
        let window = enter(vec![constant(0), outer.plus_constant(-7)], vec![constant(5), outer.plus_constant(1)]);
        assert_eq!(window, (5, (0, 4)));
        assert_eq!(enter(vec![constant(3)], vec![constant(2)]).0, 0);
    }
}
