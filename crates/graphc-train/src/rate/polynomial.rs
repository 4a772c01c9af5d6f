//! `polynomial`: `alpha + (1 - alpha) * (1 - x)^power`, as Keras's `PolynomialDecay`; `x` goes from 0 at the end of the
//! warm-up to 1 at the end of the last epoch.

use super::moment::Moment;

pub(super) fn factor(power: f64, alpha: f64, at: Moment) -> f64 {
    alpha + (1.0 - alpha) * libm::pow(1.0 - at.share_behind_warmup(), power)
}

#[cfg(test)]
mod tests {
    use crate::rate::tests::rates;
    use graphc_ir::{RateRule, Warmup};

    #[test]
    fn falls_from_the_end_of_the_warmup_on() {
        // keras.optimizers.schedules.PolynomialDecay(0.5, 4, end_learning_rate=0)(step)
        assert_eq!(rates(RateRule::Polynomial { power: 1.0, alpha: 0.0 }, None, 2), [0.5, 0.375, 0.25, 0.125]);
        // The same with end_learning_rate=0.25, power=2.
        let found = rates(RateRule::Polynomial { power: 2.0, alpha: 0.5 }, None, 2);
        assert_eq!(found, [0.5, 0.390_625, 0.3125, 0.265_625]);
        let warm = rates(RateRule::Polynomial { power: 1.0, alpha: 0.0 }, Some(Warmup::Epochs(1)), 3);
        assert_eq!(warm, [0.25, 0.5, 0.5, 0.375, 0.25, 0.125]);
    }
}
