//! Random numbers of a sample, from its key alone.
//!
//! The generator is ChaCha8, which also shuffles. Its key is made of the seed, the epoch, the sample and the input;
//! every transform takes the words at a place of its own in the stream of that key, and what needs many of them has
//! another stream. So what a transform draws does not depend on which others there are.

use crate::batches::below;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// Which epoch of which training samples are drawn for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EpochKey {
    pub(crate) seed: u64,
    /// From 1.
    pub(crate) epoch: u64,
}

/// One input of one sample in one epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SampleKey {
    pub(super) at: EpochKey,
    pub(super) sample: u32,
    /// [`hash`] of the input's name; 0 for what is the same for every input.
    pub(super) input: u64,
}

/// What a stream is for; numbers that no other use of the generator has in that part of its key.
#[derive(Clone, Copy)]
pub(super) enum Purpose {
    /// A few words for each transform.
    Transforms = 0x11,
    /// A word for every element.
    Noise = 0x12,
    /// Whom a sample is mixed with.
    Mixup = 0x13,
    /// Where a window of a text begins.
    Window = 0x14,
}

/// Words that a transform may take.
const N_WORDS: usize = 6;
/// Most transforms.
const N_TRANSFORMS: usize = 10;

/// What a transform draws from.
#[derive(Debug)]
pub(super) struct Draws<'a> {
    key: SampleKey,
    words: std::slice::Iter<'a, u32>,
}

/// The words of all transforms of a sample.
pub(super) struct SampleDraws {
    key: SampleKey,
    words: [u32; N_WORDS * N_TRANSFORMS],
}

impl EpochKey {
    /// One of `0..n`: where a window of a text begins, the same for every input.
    pub(crate) fn place(self, window: u32, n: usize) -> usize {
        below(&mut SampleKey { at: self, sample: window, input: 0 }.stream(Purpose::Window), n)
    }
}

impl SampleKey {
    pub(super) fn stream(self, purpose: Purpose) -> ChaCha8Rng {
        let SampleKey { at: EpochKey { seed, epoch }, sample, input } = self;
        let sample = u64::from(sample) | (purpose as u64) << 32;
        let mut key = [0; 32];
        for (bytes, word) in key.chunks_exact_mut(8).zip([seed, epoch, sample, input]) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        ChaCha8Rng::from_seed(key)
    }
}

impl SampleDraws {
    pub(super) fn new(key: SampleKey) -> SampleDraws {
        let mut rng = key.stream(Purpose::Transforms);
        SampleDraws { key, words: std::array::from_fn(|_| rng.next_u32()) }
    }

    /// Of the transform of that number.
    pub(super) fn of(&self, transform: usize) -> Draws<'_> {
        Draws { key: self.key, words: self.words[transform * N_WORDS..][..N_WORDS].iter() }
    }
}

impl Draws<'_> {
    fn word(&mut self) -> u32 {
        *self.words.next().expect("no transform takes more words than there are")
    }

    /// From 0 to 1, the latter excluded; a multiple of 2^-32.
    pub(super) fn unit(&mut self) -> f64 {
        f64::from(self.word()) * 2f64.powi(-32)
    }

    /// Between two numbers.
    pub(super) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// One of `-n..=n`, each as likely, to 2^-32 * n.
    pub(super) fn whole(&mut self, n: u32) -> i64 {
        let n_values = 2 * u64::from(n) + 1;
        ((u64::from(self.word()) * n_values) >> 32).cast_signed() - i64::from(n)
    }

    /// True every other time.
    pub(super) fn coin(&mut self) -> bool {
        self.word() >> 31 == 1
    }

    /// Another stream of the same sample, for one word an element.
    pub(super) fn stream(&self, purpose: Purpose) -> ChaCha8Rng {
        self.key.stream(purpose)
    }
}

/// FNV-1a of the name of an input.
pub(super) fn hash(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) fn key(sample: u32) -> SampleKey {
        SampleKey { at: EpochKey { seed: 7, epoch: 1 }, sample, input: hash("image") }
    }

    /// What every sample of many draws.
    pub(crate) fn draws_of<T>(transform: usize, mut f: impl FnMut(&mut Draws<'_>) -> T) -> Vec<T> {
        (0..20_000).map(|sample| f(&mut SampleDraws::new(key(sample)).of(transform))).collect()
    }

    pub(crate) fn mean(values: &[f64]) -> f64 {
        values.iter().sum::<f64>() / values.len() as f64
    }

    pub(crate) fn variance(values: &[f64]) -> f64 {
        let mean = mean(values);
        values.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>() / values.len() as f64
    }

    /// 20,000 draws; limits are five standard deviations of what is compared.
    #[test]
    fn draws_are_uniform() {
        let values = draws_of(2, |draws| draws.between(-3.0, 3.0));
        assert!(values.iter().all(|value| (-3.0..3.0).contains(value)));
        assert!(mean(&values).abs() < 0.0613 && (variance(&values) - 3.0).abs() < 0.095, "{}", variance(&values));
        let wholes = draws_of(3, |draws| draws.whole(2));
        for value in -2..=2 {
            let n = wholes.iter().filter(|&&found| found == value).count();
            assert!(n.abs_diff(4000) < 283, "{value}: {n}");
        }
        let heads = draws_of(0, |draws| draws.coin()).into_iter().filter(|&heads| heads).count();
        assert!(heads.abs_diff(10_000) < 354, "{heads}");
    }

    /// Every part of the key, and the number of the transform, gives other words, and only those do.
    #[test]
    fn draws_depend_on_the_key_alone() {
        let words = |key: SampleKey, transform| SampleDraws::new(key).of(transform).words.copied().collect::<Vec<_>>();
        let first = words(key(3), 1);
        assert_eq!(first, words(key(3), 1));
        let at = key(3).at;
        let others = [
            (key(4), 1),
            (key(3), 2),
            (SampleKey { at: EpochKey { seed: 8, ..at }, ..key(3) }, 1),
            (SampleKey { at: EpochKey { epoch: 2, ..at }, ..key(3) }, 1),
            (SampleKey { input: hash("other"), ..key(3) }, 1),
        ];
        for (key, transform) in others {
            let other = words(key, transform);
            assert!(first.iter().zip(&other).all(|(a, b)| a != b), "{key:?} {transform}");
        }
        let streams =
            [Purpose::Transforms, Purpose::Noise, Purpose::Mixup].map(|purpose| key(3).stream(purpose).next_u64());
        assert!(streams[0] != streams[1] && streams[1] != streams[2] && streams[0] != streams[2]);
    }
}
