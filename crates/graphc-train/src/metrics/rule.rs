//! What a metric is.

use super::tally::{Needs, Tally};

/// One metric, or a family of them.
pub(super) struct Rule {
    /// Its name; of a family what stands before the number.
    pub(super) name: &'static str,
    /// Whether a number follows the name.
    pub(super) is_family: bool,
    pub(super) needs: Needs,
    /// The value, given the number behind the name; none if it is no number.
    pub(super) value: Option<fn(&Tally, usize) -> f64>,
}
