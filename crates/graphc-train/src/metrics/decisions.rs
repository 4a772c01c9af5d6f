//! What is predicted of samples that are yes or no, to be put in order.

use std::cmp::Ordering;

/// Predictions with what the samples are. All of them are kept: 8 bytes each.
#[derive(Default)]
pub(super) struct Decisions {
    seen: Vec<(f32, bool)>,
}

impl Decisions {
    pub(super) fn add(&mut self, prediction: f32, is_yes: bool) {
        self.seen.push((prediction, is_yes));
    }

    /// The share of pairs of a yes and a no in which yes has the greater prediction, pairs of equal ones counting half:
    /// the area under the curve of true over false positives, exactly (Mann and Whitney), as scikit-learn computes it.
    /// NaN is greater than any number. NaN if there is no pair.
    pub(super) fn area(&self) -> f64 {
        let mut seen = self.seen.clone();
        seen.sort_by(|a, b| order(a.0, b.0));
        // Twice the number of pairs in order; equal ones are one in the middle of both.
        let (mut twice, mut n_no): (u128, u128) = (0, 0);
        for equal in seen.chunk_by(|a, b| order(a.0, b.0) == Ordering::Equal) {
            let yes = equal.iter().filter(|(_, is_yes)| *is_yes).count() as u128;
            let no = equal.len() as u128 - yes;
            twice += yes * (2 * n_no + no);
            n_no += no;
        }
        let n_yes = seen.len() as u128 - n_no;
        twice as f64 / (2 * n_yes * n_no) as f64
    }
}

/// By number, NaN last; -0 and 0 are equal.
fn order(a: f32, b: f32) -> Ordering {
    a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
}
