//! [`Averaging`]: averages of the parameters, for any optimizer.

use super::update::UpdateCx;
use crate::graph::{Graph, NodeId};
use crate::narrow::narrow;
use crate::ops::Div;

/// Exponential moving averages of the trainable parameters, kept by training steps beside them: after step `t`
/// `a' = a + (p' - a) * (1 - decay) / (1 - decay^t)`, the mean of the values after every step so far in which one of
/// `k` steps ago counts `decay^k`. So the first step's is its own average, and there is no initial value to forget.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Averaging {
    /// Share of the old average that is kept, at least 0 and less than 1.
    pub decay: f64,
}

/// What the names of averages end with.
pub const AVERAGE: &str = "average";

impl Averaging {
    /// What the average of a parameter is called: a part of the state, as an optimizer's.
    pub fn name_of(parameter: &str) -> String {
        format!("{parameter}.{AVERAGE}")
    }

    /// Whether the decay is one.
    ///
    /// # Errors
    /// Says what is expected.
    pub fn check(&self) -> Result<(), String> {
        match narrow(self.decay) {
            Ok(decay) if (0.0..1.0).contains(&decay) => Ok(()),
            _ => Err(format!("`decay` must be at least 0 and less than 1, got {:e}", self.decay)),
        }
    }

    /// Adds the next averages of parameters that have updates.
    ///
    /// # Panics
    /// If one of them has none.
    pub fn write(&self, graph: &mut Graph, parameters: &[NodeId]) {
        let Some(&any) = parameters.first() else { return };
        let mut cx = UpdateCx::new(graph, any);
        let correction = cx.correction("average.correction", self.decay);
        let share = cx.constant(1.0 - self.decay);
        let share = cx.add_named(Div {}, &[share, correction], "average.share");
        for &parameter in parameters {
            let update = cx.graph.updates.of_target(parameter).next();
            let next = update.expect("every parameter has an update").value;
            cx.of_parameter(parameter, |cx| {
                // a' = a + (p' - a) * share
                let average = cx.state(AVERAGE);
                let difference = cx.minus(next, average);
                let change = cx.times(difference, share);
                let next = cx.plus(average, change);
                cx.set(average, next);
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn averages_forget() {
        assert_eq!(Averaging { decay: 0.0 }.check(), Ok(()));
        assert_eq!(Averaging { decay: 0.999 }.check(), Ok(()));
        for decay in [1.0, 0.999_999_99, -0.1, f64::NAN] {
            assert!(Averaging { decay }.check().unwrap_err().starts_with("`decay` must be at least 0"), "{decay}");
        }
    }
}
