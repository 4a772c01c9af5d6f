//! `one_cycle`: up from `1 / div_factor` to 1 at step `pct_start * n - 1` of `n`, then down to `1 / (div_factor *
//! final_div_factor)` at step `n - 1`, both on half a period of a cosine, as PyTorch's `OneCycleLR` (Smith and Topin
//! 2018).

use super::moment::{Moment, half_cosine};

pub(super) fn factor(pct_start: f64, div_factor: f64, final_div_factor: f64, at: Moment) -> f64 {
    let (first, last) = (1.0 / div_factor, 1.0 / div_factor / final_div_factor);
    let (step, end) = (at.step as f64, at.n_all_steps as f64 - 1.0);
    let top = pct_start * at.n_all_steps as f64 - 1.0;
    if top > 0.0 && step <= top {
        return half_cosine(first, 1.0, step / top);
    }
    let top = top.max(0.0);
    let x = if end > top { (step - top) / (end - top) } else { 1.0 };
    half_cosine(1.0, last, x.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use crate::rate::tests::rates;
    use graphc_ir::RateRule;

    fn rule(pct_start: f64) -> RateRule {
        RateRule::OneCycle { pct_start, div_factor: 5.0, final_div_factor: 10.0 }
    }

    #[test]
    fn goes_up_and_down() {
        // torch.optim.lr_scheduler.OneCycleLR(max_lr=0.5, total_steps=8, pct_start=0.5, div_factor=5,
        // final_div_factor=10)
        let expected = [0.1, 0.2, 0.4, 0.5, 0.428_241_4, 0.255, 0.081_758_6, 0.01];
        let found = rates(rule(0.5), None, 4);
        assert!(found.iter().zip(expected).all(|(x, y)| (x - y).abs() < 1e-6), "{found:?}");
    }

    #[test]
    fn has_a_rate_for_any_length() {
        for epochs in 1..4 {
            for pct_start in [0.0, 0.1, 0.3, 0.99] {
                let found = rates(rule(pct_start), None, epochs);
                assert!(found.iter().all(|rate| (0.01..=0.5).contains(rate)), "{found:?}");
                assert_eq!(found.last(), Some(&0.01), "{pct_start} {found:?}");
            }
        }
    }
}
