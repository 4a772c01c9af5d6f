//! `mae`: the mean absolute difference of predictions and targets.

use super::rule::Rule;
use super::tally::Needs;

pub(super) const RULE: Rule = Rule {
    name: "mae",
    is_family: false,
    needs: Needs::Differences,
    value: Some(|tally, _| tally.absolute / tally.n_values as f64),
};
