//! `mixup`: every sample is mixed with another one that is trained on, its target likewise (Zhang and others 2017).
//!
//! The share that stays its own is drawn from the distribution Beta(alpha, alpha), as `A / (A + B)` with two numbers from
//! Gamma(alpha) (Marsaglia and Tsang 2000). They are kept as logarithms: of a small `alpha` both may be less than any number.

use super::draws::{EpochKey, Purpose, SampleKey};
use crate::batches::below;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng;

/// How samples are mixed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mixup {
    /// Of the distribution of the share; 1 is even, less means that one of both is hardly seen.
    pub alpha: f64,
}

impl Default for Mixup {
    fn default() -> Mixup {
        Mixup { alpha: 0.2 }
    }
}

impl Mixup {
    pub(crate) fn check(self) -> Result<(), String> {
        match (f64::from(f32::MIN_POSITIVE)..=f64::from(f32::MAX)).contains(&self.alpha) {
            true => Ok(()),
            false => Err(format!("the `alpha` of `mixup` is {}, expected a number greater than 0", self.alpha)),
        }
    }

    /// Which one of `samples` is mixed with that one, and which share stays its own: the same for every input.
    pub(crate) fn partner(self, at: EpochKey, sample: u32, samples: &[u32]) -> (u32, f32) {
        let mut rng = SampleKey { at, sample, input: 0 }.stream(Purpose::Mixup);
        let partner = samples[below(&mut rng, samples.len())];
        let [a, b] = [(); 2].map(|()| log_gamma(&mut rng, self.alpha));
        (partner, (1.0 / (1.0 + libm::exp(b - a))) as f32)
    }
}

/// Greater than 0, at most 1.
fn unit(rng: &mut ChaCha8Rng) -> f64 {
    ((rng.next_u64() >> 11) + 1) as f64 * 2f64.powi(-53)
}

/// Standard normal (Box and Muller 1958).
fn normal(rng: &mut ChaCha8Rng) -> f64 {
    let radius = libm::sqrt(-2.0 * libm::log(unit(rng)));
    radius * libm::cos(std::f64::consts::TAU * unit(rng))
}

/// The logarithm of a number from Gamma(alpha).
fn log_gamma(rng: &mut ChaCha8Rng, alpha: f64) -> f64 {
    // Of less than 1: Gamma(alpha + 1) times a uniform number to the power of 1 / alpha.
    let (boost, alpha) = if alpha < 1.0 { (libm::log(unit(rng)) / alpha, alpha + 1.0) } else { (0.0, alpha) };
    let d = alpha - 1.0 / 3.0;
    let c = 1.0 / libm::sqrt(9.0 * d);
    loop {
        let x = normal(rng);
        let root = 1.0 + c * x;
        if root <= 0.0 {
            continue;
        }
        let log_v = 3.0 * libm::log(root);
        let v = root * root * root;
        if libm::log(unit(rng)) < x * x / 2.0 + d - d * v + d * log_v {
            return boost + libm::log(d) + log_v;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::draws::tests::{mean, variance};
    use super::*;

    const AT: EpochKey = EpochKey { seed: 1, epoch: 3 };

    fn shares(alpha: f64) -> Vec<f64> {
        let samples: Vec<u32> = (0..100).collect();
        (0..20_000).map(|sample| f64::from(Mixup { alpha }.partner(AT, sample, &samples).1)).collect()
    }

    /// The variance of Beta(a, a) is 1 / (4 * (2 * a + 1)).
    #[test]
    fn shares_are_beta() {
        for alpha in [0.05, 0.2, 0.7, 1.0, 2.5, 40.0] {
            let shares = shares(alpha);
            let expected = 1.0 / (4.0 * (2.0 * alpha + 1.0));
            assert!((mean(&shares) - 0.5).abs() < 5.0 * (expected / 20_000f64).sqrt(), "{alpha}: {}", mean(&shares));
            assert!((variance(&shares) / expected - 1.0).abs() < 0.05, "{alpha}: {}", variance(&shares));
            assert!(shares.iter().all(|share| (0.0..=1.0).contains(share)));
        }
        // Beta(1, 1) is even.
        let even = shares(1.0);
        let n_low = even.iter().filter(|&&share| share < 0.1).count();
        assert!(n_low.abs_diff(2000) < 212, "{n_low}");
    }

    #[test]
    fn any_alpha_gives_shares() {
        for alpha in [f64::from(f32::MIN_POSITIVE), 1e-9, f64::from(f32::MAX)] {
            assert!(Mixup { alpha }.check().is_ok());
            assert!(shares(alpha).iter().take(200).all(|share| (0.0..=1.0).contains(share)), "{alpha}");
        }
        assert_eq!(
            Mixup { alpha: 0.0 }.check().unwrap_err(),
            "the `alpha` of `mixup` is 0, expected a number greater than 0"
        );
        assert!(Mixup { alpha: f64::NAN }.check().is_err() && Mixup { alpha: f64::INFINITY }.check().is_err());
    }

    #[test]
    fn partners_are_any_of_the_samples() {
        let samples: Vec<u32> = (10..20).collect();
        let partners: Vec<u32> = (0..20_000).map(|sample| Mixup::default().partner(AT, sample, &samples).0).collect();
        for partner in &samples {
            let n = partners.iter().filter(|found| *found == partner).count();
            assert!(n.abs_diff(2000) < 213, "{partner}: {n}");
        }
        let other = EpochKey { epoch: 4, ..AT };
        assert_ne!(Mixup::default().partner(AT, 5, &samples), Mixup::default().partner(other, 5, &samples));
    }
}
