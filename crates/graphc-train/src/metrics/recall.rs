//! `recall`: the share of a class's samples that were found.

use super::rule::Rule;
use super::tally::{ClassTotals, Needs};

pub(super) const RULE: Rule = Rule {
    name: "recall",
    is_family: false,
    needs: Needs::Classes,
    value: Some(|tally, _| tally.classes.mean(ClassTotals::recall)),
};
