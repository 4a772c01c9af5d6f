//! Which samples are trained on and which validate.
//!
//! How many validate depends on the number of samples and the share alone. Where samples may stand in an order that
//! means something, they are drawn by the seed: from every class about the same share (largest remainders first), so
//! that no class is missing.

use crate::batches::{shuffle, validation_split};
use std::collections::BTreeMap;

/// Numbers of samples, ascending.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Split {
    /// What is trained on.
    pub train: Vec<u32>,
    /// What validates.
    pub validation: Vec<u32>,
}

impl Split {
    /// Of `n` samples, the last ones validate.
    pub(crate) fn last(n: usize, share: f64) -> Split {
        let (train, validation) = validation_split(n, share);
        Split { train: numbers(train), validation: numbers(validation) }
    }

    /// Samples that validate are drawn, from each class alike; `class_of` gives 0 for all if there are no classes.
    pub(crate) fn drawn(n: usize, share: f64, seed: u64, class_of: impl Fn(usize) -> i64) -> Split {
        let n_validation = validation_split(n, share).1.len();
        let mut classes: BTreeMap<i64, Vec<u32>> = BTreeMap::new();
        for sample in numbers(0..n) {
            classes.entry(class_of(sample as usize)).or_default().push(sample);
        }
        let exact = |len: usize| len as f64 * n_validation as f64 / n.max(1) as f64;
        let mut quotas: Vec<usize> = classes.values().map(|samples| exact(samples.len()) as usize).collect();
        let mut by_remainder: Vec<usize> = (0..quotas.len()).collect();
        let lens: Vec<usize> = classes.values().map(Vec::len).collect();
        by_remainder.sort_by(|&a, &b| exact(lens[b]).fract().total_cmp(&exact(lens[a]).fract()));
        let n_missing = n_validation - quotas.iter().sum::<usize>();
        by_remainder.into_iter().take(n_missing).for_each(|class| quotas[class] += 1);
        let mut split = Split::default();
        for (number, (mut samples, quota)) in classes.into_values().zip(quotas).enumerate() {
            // Epochs have the numbers from 1 on, and orders of their own.
            shuffle(&mut samples, seed, u64::MAX - number as u64);
            split.validation.extend(&samples[..quota]);
            split.train.extend(&samples[quota..]);
        }
        split.train.sort_unstable();
        split.validation.sort_unstable();
        split
    }
}

/// The numbers of a range of samples.
///
/// # Panics
/// If one does not fit in 32 bits.
pub(crate) fn numbers(range: std::ops::Range<usize>) -> Vec<u32> {
    range.map(|sample| u32::try_from(sample).expect("sample counts are 32-bit")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_ones_as_keras_has_it() {
        let split = Split::last(10, 0.25);
        assert_eq!((split.train.len(), &split.validation[..]), (7, &[7, 8, 9][..]));
        assert!(Split::last(3, 0.0).validation.is_empty());
    }

    #[test]
    fn every_class_has_its_share() {
        // Sorted by class: 60 of class 0, 30 of class 1, 10 of class 2.
        let class_of = |sample: usize| {
            if sample < 60 {
                0
            } else if sample < 90 {
                1
            } else {
                2
            }
        };
        let split = Split::drawn(100, 0.2, 7, class_of);
        let count = |samples: &[u32], class| samples.iter().filter(|&&s| class_of(s as usize) == class).count();
        assert_eq!([0, 1, 2].map(|class| count(&split.validation, class)), [12, 6, 2]);
        let mut all = [split.train.clone(), split.validation.clone()].concat();
        all.sort_unstable();
        assert_eq!(all, numbers(0..100));
        assert!(split.train.is_sorted());
        assert_eq!(split, Split::drawn(100, 0.2, 7, class_of));
        assert_ne!(split, Split::drawn(100, 0.2, 8, class_of));
        let sizes = |split: &Split| (split.train.len(), split.validation.len());
        for n in 1..40 {
            let drawn = Split::drawn(n, 0.3, 1, |sample| (sample % 7) as i64);
            assert_eq!(sizes(&drawn), sizes(&Split::last(n, 0.3)));
        }
    }
}
