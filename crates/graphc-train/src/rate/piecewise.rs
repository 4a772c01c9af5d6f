//! `piecewise`: `factors[i]`, where `i` is how many of the boundaries, in epochs, have been reached; as Keras's
//! `PiecewiseConstantDecay`, but relative to the optimizer's rate.

use super::moment::Moment;

pub(super) fn factor(boundaries: &[usize], factors: &[f64], at: Moment) -> f64 {
    let part = boundaries.partition_point(|&boundary| boundary <= at.epoch());
    factors.get(part).or(factors.last()).copied().unwrap_or(1.0)
}

#[cfg(test)]
mod tests {
    use crate::rate::tests::rates;
    use graphc_ir::RateRule;

    #[test]
    fn has_a_factor_for_every_part() {
        let rule = RateRule::Piecewise { boundaries: vec![1, 3], factors: vec![1.0, 0.5, 2.0] };
        assert_eq!(rates(rule, None, 4), [0.5, 0.5, 0.25, 0.25, 0.25, 0.25, 1.0, 1.0]);
    }
}
