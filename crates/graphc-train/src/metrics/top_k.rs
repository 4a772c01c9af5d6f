//! `top_<k>`: the share of samples whose class is among the `k` that are predicted most.

use super::outcome::share;
use super::rule::Rule;
use super::tally::Needs;

pub(super) const RULE: Rule = Rule {
    name: "top_",
    is_family: true,
    needs: Needs::Ranks,
    value: Some(|tally, k| share(tally.ranks.range(..k).map(|(_, n)| n).sum(), tally.ranks.values().sum())),
};
