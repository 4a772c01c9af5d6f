//! The learning rate of every step.
//!
//! A rate is a function of the number of the step, the steps of an epoch, the number of epochs, and the optimizer's
//! rate; on a plateau also of what the history shows ([`crate::run::course`]). It is computed in `f64`, with the
//! functions of `libm`, whose bits are the same on every machine, and rounded to `f32` once. A schedule is one file
//! here, with its formula, and one line in [`factor`].

mod cosine;
mod exponential;
mod moment;
mod one_cycle;
mod piecewise;
mod polynomial;
mod step;

use graphc_ir::{RateRule, RateSchedule, Warmup};
use moment::Moment;

/// Everything that rates depend on, but for the step.
#[derive(Clone, Debug)]
pub(crate) struct Rates {
    pub(crate) schedule: RateSchedule,
    /// The optimizer's rate.
    pub(crate) base: f64,
    /// Steps of an epoch.
    pub(crate) n_steps: usize,
    pub(crate) epochs: usize,
    /// Steps of an update.
    pub(crate) accumulate: usize,
}

impl Rates {
    /// The rate of a step, numbered from 0; `n_reductions` is how often a plateau has lowered it. All steps of an
    /// update have that of the first, so that updates have the rates that they would have by themselves.
    pub(crate) fn at(&self, step: usize, n_reductions: u32) -> f32 {
        let of_update = self.accumulate.max(1);
        let step = step - step % of_update;
        let n_warmup = match self.schedule.warmup {
            None => 0,
            Some(Warmup::Steps(n)) => n.saturating_mul(of_update),
            Some(Warmup::Epochs(n)) => n.saturating_mul(self.n_steps),
        };
        let n_all_steps = self.epochs.saturating_mul(self.n_steps);
        let moment = Moment { step, n_steps: self.n_steps.max(1), n_all_steps, n_warmup };
        let warmup = if step < n_warmup { ((step + of_update) as f64 / n_warmup as f64).min(1.0) } else { 1.0 };
        let rate = match &self.schedule.rule {
            // A rate that is the least one, or lower, stays.
            RateRule::Plateau(plateau) => {
                let lowered = self.base * libm::pow(plateau.factor, n_reductions.into());
                lowered.max(plateau.min_rate.min(self.base))
            }
            rule => self.base * factor(rule, moment),
        };
        (rate * warmup) as f32
    }
}

/// What the optimizer's rate is multiplied by.
fn factor(rule: &RateRule, at: Moment) -> f64 {
    match rule {
        RateRule::Constant | RateRule::Plateau(_) => 1.0,
        RateRule::Step { step_size, gamma } => step::factor(*step_size, *gamma, at),
        RateRule::Exponential { gamma, staircase } => exponential::factor(*gamma, *staircase, at),
        RateRule::Cosine { alpha } => cosine::factor(*alpha, at),
        RateRule::Polynomial { power, alpha } => polynomial::factor(*power, *alpha, at),
        RateRule::OneCycle { pct_start, div_factor, final_div_factor } => {
            one_cycle::factor(*pct_start, *div_factor, *final_div_factor, at)
        }
        RateRule::Piecewise { boundaries, factors } => piecewise::factor(boundaries, factors, at),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Rates of all steps of a training with two steps an epoch.
    pub(crate) fn rates(rule: RateRule, warmup: Option<Warmup>, epochs: usize) -> Vec<f32> {
        let rates = Rates { schedule: RateSchedule { rule, warmup }, base: 0.5, n_steps: 2, epochs, accumulate: 1 };
        (0..2 * epochs).map(|step| rates.at(step, 0)).collect()
    }

    #[test]
    fn a_warmup_grows_evenly_to_the_rule() {
        assert_eq!(rates(RateRule::Constant, None, 2), [0.5; 4]);
        assert_eq!(rates(RateRule::Constant, Some(Warmup::Steps(4)), 3), [0.125, 0.25, 0.375, 0.5, 0.5, 0.5]);
        let step = RateRule::Step { step_size: 1, gamma: 0.5 };
        assert_eq!(rates(step, Some(Warmup::Epochs(1)), 2), [0.25, 0.5, 0.25, 0.25]);
    }

    /// What updates of three steps each do is what they would as steps, of which an epoch has a third.
    #[test]
    fn the_steps_of_an_update_have_one_rate() {
        let rules = [RateRule::Cosine { alpha: 0.1 }, RateRule::Step { step_size: 1, gamma: 0.5 }];
        for (rule, warmup) in rules.into_iter().zip([Warmup::Steps(3), Warmup::Epochs(1)]) {
            let schedule = RateSchedule { rule, warmup: Some(warmup) };
            let rates = Rates { schedule, base: 0.5, n_steps: 12, epochs: 3, accumulate: 3 };
            let of_updates = Rates { n_steps: 4, accumulate: 1, ..rates.clone() };
            for step in 0..36 {
                assert_eq!(rates.at(step, 0), of_updates.at(step / 3, 0), "{:?}, step {step}", rates.schedule);
            }
        }
    }

    #[test]
    fn a_plateau_does_not_go_below_its_least_rate() {
        let plateau = graphc_ir::Plateau {
            monitor: "loss".into(),
            factor: 0.5,
            patience: 1,
            min_delta: 0.0,
            cooldown: 0,
            min_rate: 0.1,
        };
        let schedule = RateSchedule { rule: RateRule::Plateau(plateau), warmup: None };
        let rates = Rates { schedule, base: 0.5, n_steps: 2, epochs: 9, accumulate: 1 };
        assert_eq!([0, 1, 2, 3, 9].map(|n| rates.at(5, n)), [0.5, 0.25, 0.125, 0.1, 0.1]);
        assert_eq!(Rates { base: 0.01, ..rates }.at(5, 9), 0.01);
    }
}
