//! `precision`: the share of what was predicted a class that is of it.

use super::rule::Rule;
use super::tally::{ClassTotals, Needs};

pub(super) const RULE: Rule = Rule {
    name: "precision",
    is_family: false,
    needs: Needs::Classes,
    value: Some(|tally, _| tally.classes.mean(ClassTotals::precision)),
};
