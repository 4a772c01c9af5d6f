//! `auc`: the area under the receiver operating characteristic of yes and no.

use super::rule::Rule;
use super::tally::Needs;

pub(super) const RULE: Rule =
    Rule { name: "auc", is_family: false, needs: Needs::Order, value: Some(|tally, _| tally.decisions.area()) };
