//! `exponential`: `gamma ^ (step / steps of an epoch)`; with `staircase` the exponent is the number of the epoch, as in
//! PyTorch's `ExponentialLR`.

use super::moment::Moment;

pub(super) fn factor(gamma: f64, staircase: bool, at: Moment) -> f64 {
    let epochs = if staircase { at.epoch() as f64 } else { at.step as f64 / at.n_steps as f64 };
    libm::pow(gamma, epochs)
}

#[cfg(test)]
mod tests {
    use crate::rate::tests::rates;
    use graphc_ir::RateRule;

    #[test]
    fn falls_by_gamma_an_epoch() {
        let rule = |staircase| RateRule::Exponential { gamma: 0.25, staircase };
        assert_eq!(rates(rule(false), None, 2), [0.5, 0.25, 0.125, 0.0625]);
        assert_eq!(rates(rule(true), None, 2), [0.5, 0.5, 0.125, 0.125]);
    }
}
