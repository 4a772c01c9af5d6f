//! `f1`: the harmonic mean of precision and recall.

use super::rule::Rule;
use super::tally::{ClassTotals, Needs};

pub(super) const RULE: Rule = Rule {
    name: "f1",
    is_family: false,
    needs: Needs::Classes,
    value: Some(|tally, _| tally.classes.mean(ClassTotals::f1)),
};
