//! `confusion_matrix`: how often each class was predicted as which. It is no number: it stands in
//! [`Scores::classes`](super::Scores::classes).

use super::rule::Rule;
use super::tally::Needs;

pub(super) const RULE: Rule = Rule { name: "confusion_matrix", is_family: false, needs: Needs::Classes, value: None };
