//! `r2`: the coefficient of determination, how much of the targets' variance the predictions explain.

use super::rule::Rule;
use super::tally::Needs;

pub(super) const RULE: Rule = Rule {
    name: "r2",
    is_family: false,
    needs: Needs::Variance,
    value: Some(|tally, _| match (tally.squares, tally.targets.squares) {
        // Targets that are all the same, as in scikit-learn.
        (0.0, 0.0) => 1.0,
        (_, 0.0) => 0.0,
        (squares, of_targets) => 1.0 - squares / of_targets,
    }),
};
