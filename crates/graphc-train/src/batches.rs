//! Which samples make up which batch.
//!
//! The order of an epoch depends on the seed and the number of the epoch alone, so any epoch can be reproduced without
//! running the ones before it. The shuffle is written out here: a library's shuffle may change with its version.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use std::ops::Range;

/// Sample numbers of one epoch, cut into batches; the last one may be smaller.
#[derive(Clone, Debug)]
pub struct Batches {
    order: Vec<u32>,
    batch_size: usize,
}

impl Batches {
    /// The samples in the order given.
    ///
    /// # Panics
    /// If `batch_size` is 0.
    pub fn in_order(samples: impl IntoIterator<Item = u32>, batch_size: usize) -> Batches {
        assert!(batch_size > 0, "a batch has at least one sample");
        Batches { order: samples.into_iter().collect(), batch_size }
    }

    /// The samples shuffled for `epoch`.
    ///
    /// # Panics
    /// Like [`Batches::in_order`].
    pub fn shuffled(samples: impl IntoIterator<Item = u32>, batch_size: usize, seed: u64, epoch: usize) -> Batches {
        let mut batches = Batches::in_order(samples, batch_size);
        shuffle(&mut batches.order, seed, epoch as u64);
        batches
    }

    /// Without the first `n` batches.
    pub(crate) fn after(mut self, n: usize) -> Batches {
        self.order.drain(..n.saturating_mul(self.batch_size).min(self.order.len()));
        self
    }

    /// Number of batches.
    pub fn len(&self) -> usize {
        self.order.len().div_ceil(self.batch_size)
    }

    /// Whether there are no batches.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// The samples of batch `number`.
    ///
    /// # Panics
    /// If there are not as many batches.
    pub fn get(&self, number: usize) -> &[u32] {
        let rest = &self.order[number * self.batch_size..];
        &rest[..self.batch_size.min(rest.len())]
    }

    /// The batches.
    pub fn iter(&self) -> impl Iterator<Item = &[u32]> {
        self.order.chunks(self.batch_size)
    }
}

/// The different sizes of the batches of `n` samples.
pub(crate) fn sizes_of(n: usize, batch_size: usize) -> impl Iterator<Item = usize> {
    let full = (n >= batch_size).then_some(batch_size);
    full.into_iter().chain(Some(n % batch_size).filter(|&rest| rest > 0))
}

/// Splits `n` samples as Keras does: the last `split` of them, before any shuffling, are for validation.
pub fn validation_split(n: usize, split: f64) -> (Range<usize>, Range<usize>) {
    let at = ((n as f64 * (1.0 - split)).floor() as usize).min(n);
    (0..at, at..n)
}

/// Fisher and Yates's shuffle.
pub(crate) fn shuffle(order: &mut [u32], seed: u64, epoch: u64) {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..16].copy_from_slice(&epoch.to_le_bytes());
    let mut rng = ChaCha8Rng::from_seed(key);
    for last in (1..order.len()).rev() {
        order.swap(last, below(&mut rng, last + 1));
    }
}

/// A random number of `0..n`. Multiply-shift of 64 random bits; its bias is below 2^-32 for any `n` of 32 bits.
pub(crate) fn below(rng: &mut ChaCha8Rng, n: usize) -> usize {
    ((u128::from(rng.next_u64()) * n as u128) >> 64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flat(batches: &Batches) -> Vec<u32> {
        batches.iter().flatten().copied().collect()
    }

    #[test]
    fn every_sample_once_and_the_remainder_too() {
        let batches = Batches::shuffled(10..110, 32, 1, 1);
        assert_eq!(batches.iter().map(<[u32]>::len).collect::<Vec<_>>(), [32, 32, 32, 4]);
        assert_eq!(batches.len(), 4);
        assert!(batches.iter().enumerate().all(|(number, samples)| batches.get(number) == samples));
        assert_eq!(flat(&batches.clone().after(3)), batches.get(3));
        assert!(batches.clone().after(4).is_empty() && batches.clone().after(usize::MAX).is_empty());
        let mut samples = flat(&batches);
        assert_ne!(samples, (10..110).collect::<Vec<_>>());
        samples.sort_unstable();
        assert_eq!(samples, (10..110).collect::<Vec<_>>());
    }

    #[test]
    fn order_depends_on_seed_and_epoch_alone() {
        let order = |seed, epoch| flat(&Batches::shuffled(0..50, 8, seed, epoch));
        assert_eq!(order(1, 1), order(1, 1));
        assert_ne!(order(1, 1), order(1, 2));
        assert_ne!(order(1, 1), order(2, 1));
        assert_eq!(order(1, 1), flat(&Batches::shuffled(0..50, 7, 1, 1)));
    }

    #[test]
    fn first_places_are_uniform() {
        // 3000 shuffles of 3: each of the 6 orders 500 times, give or take five standard deviations (20.4 each).
        let mut counts = std::collections::BTreeMap::new();
        for epoch in 0..3000 {
            *counts.entry(flat(&Batches::shuffled(0..3, 3, 7, epoch))).or_insert(0) += 1;
        }
        assert_eq!(counts.len(), 6);
        assert!(counts.values().all(|count: &i32| (count - 500).abs() < 102), "{counts:?}");
    }

    #[test]
    fn split_like_keras() {
        assert_eq!(validation_split(60_000, 0.2), (0..48_000, 48_000..60_000));
        assert_eq!(validation_split(7, 0.2), (0..5, 5..7));
        assert_eq!(validation_split(7, 0.0), (0..7, 7..7));
        assert_eq!(validation_split(1, 0.2), (0..0, 0..1));
    }
}
