//! `step`: `gamma ^ floor(epoch / step_size)`, as PyTorch's `StepLR`.

use super::moment::Moment;

pub(super) fn factor(step_size: usize, gamma: f64, at: Moment) -> f64 {
    libm::pow(gamma, (at.epoch() / step_size.max(1)) as f64)
}

#[cfg(test)]
mod tests {
    use crate::rate::tests::rates;
    use graphc_ir::RateRule;

    #[test]
    fn falls_between_epochs() {
        let rule = RateRule::Step { step_size: 2, gamma: 0.5 };
        assert_eq!(rates(rule, None, 5), [0.5, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.25, 0.125, 0.125]);
    }
}
