//! `rmse`: the root of the mean squared difference of predictions and targets.

use super::rule::Rule;
use super::tally::Needs;

pub(super) const RULE: Rule = Rule {
    name: "rmse",
    is_family: false,
    needs: Needs::Differences,
    value: Some(|tally, _| (tally.squares / tally.n_values as f64).sqrt()),
};
