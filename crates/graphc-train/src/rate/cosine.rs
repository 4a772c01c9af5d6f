//! `cosine`: `alpha + (1 - alpha) * (1 + cos(pi * x)) / 2`, as Keras's `CosineDecay`; `x` goes from 0 at the end of the
//! warm-up to 1 at the end of the last epoch (Loshchilov and Hutter 2017, without restarts).

use super::moment::{Moment, half_cosine};

pub(super) fn factor(alpha: f64, at: Moment) -> f64 {
    half_cosine(1.0, alpha, at.share_behind_warmup())
}

#[cfg(test)]
mod tests {
    use crate::rate::tests::rates;
    use graphc_ir::{RateRule, Warmup};

    #[test]
    fn falls_from_the_end_of_the_warmup_on() {
        let close = |found: Vec<f32>, expected: &[f32]| {
            assert!(
                found.len() == expected.len() && found.iter().zip(expected).all(|(x, y)| (x - y).abs() < 1e-7),
                "{found:?}"
            );
        };
        // keras.optimizers.schedules.CosineDecay(0.5, 4)(step)
        close(rates(RateRule::Cosine { alpha: 0.0 }, None, 2), &[0.5, 0.426_776_7, 0.25, 0.073_223_3]);
        // The same with alpha=0.2.
        close(rates(RateRule::Cosine { alpha: 0.2 }, None, 2), &[0.5, 0.441_421_36, 0.3, 0.158_578_64]);
        let warm = rates(RateRule::Cosine { alpha: 0.0 }, Some(Warmup::Epochs(1)), 3);
        close(warm, &[0.25, 0.5, 0.5, 0.426_776_7, 0.25, 0.073_223_3]);
        // A warm-up that is longer than the training.
        close(rates(RateRule::Cosine { alpha: 0.0 }, Some(Warmup::Steps(8)), 2), &[0.0625, 0.125, 0.1875, 0.25]);
    }
}
