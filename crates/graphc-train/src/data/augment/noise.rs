//! `noise`: to every value a normal random number is added whose deviation is that share of the range; of what is no
//! picture, that number itself.
//!
//! Normal to within what matters here, and without a logarithm for every pixel: of 64 random bits, 32 are counted (a
//! binomial distribution), and two numbers of 16 fill the gaps between counts with a triangle. The mean is 0 and the
//! deviation 1; the density lies within 2% of the normal one up to two deviations, and nothing is farther out than six.

use super::draws::Draws;
use super::draws::Purpose;
use super::row::Row;
use super::rule::{Rule, check_amount};
use super::size::Picture;
use rand_chacha::rand_core::Rng;

/// Deviation of what is added.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Noise(pub f64);

impl Rule for Noise {
    fn name(&self) -> &'static str {
        "noise"
    }

    fn is_of_pictures(&self) -> bool {
        false
    }

    fn check(&self, picture: Option<Picture>) -> Result<(), String> {
        check_amount(self.0, if picture.is_some() { 1.0 } else { f64::from(f32::MAX) })
    }

    fn change(&self, draws: &mut Draws<'_>, row: &mut Row<'_>) {
        if self.0 == 0.0 {
            return;
        }
        let deviations = row.of_range(self.0);
        let mut stream = draws.stream(Purpose::Noise);
        let n = deviations.len();
        for (element, value) in row.values.iter_mut().enumerate() {
            let deviation = if n == 1 { deviations[0] } else { deviations[element % n] };
            *value += deviation * normal(stream.next_u64());
        }
        row.clip();
    }
}

/// Of 64 random bits.
fn normal(bits: u64) -> f32 {
    // 32 coins have the variance 8; the sum of two even numbers between -1/2 and 1/2 that of 1/6, less 2^-32 / 6.
    const DEVIATION: f32 = 2.857_738;
    let count = (bits as u32).count_ones() as i32 - 16;
    let [a, b] = [32, 48].map(|at| i32::from((bits >> at) as u16));
    let between = (a + b - 65_535) as f32 * (1.0 / 65_536.0);
    (count as f32 + between) * (1.0 / DEVIATION)
}

#[cfg(test)]
mod tests {
    use super::super::draws::tests::{key, mean, variance};
    use super::*;

    #[test]
    fn is_normal() {
        assert!((2.857_738_f64 * 2.857_738 - (8.0 + 1.0 / 6.0)).abs() < 1e-5);
        let mut stream = key(1).stream(Purpose::Noise);
        let values: Vec<f64> = (0..400_000).map(|_| f64::from(normal(stream.next_u64()))).collect();
        // Five standard deviations of a mean and of a variance.
        assert!(mean(&values).abs() < 0.008, "{}", mean(&values));
        assert!((variance(&values) - 1.0).abs() < 0.0112, "{}", variance(&values));
        for x in [-2.5, -1.5, -1.0, -0.3, 0.0, 0.5, 1.0, 2.0, 3.0] {
            let share = values.iter().filter(|&&value| value < x).count() as f64 / values.len() as f64;
            let expected = libm::erfc(-x / std::f64::consts::SQRT_2) / 2.0;
            assert!((share - expected).abs() < 0.004 + 0.01 * expected.min(1.0 - expected), "{x}: {share} {expected}");
        }
        assert!(values.iter().all(|value| value.abs() < 6.0));
    }
}
