//! [`Accumulation`]: one update after several steps, for any optimizer.

use super::update::UpdateCx;
use crate::graph::{Graph, NodeId};
use crate::ops::{Equal, Where};

/// Gradients are added up over `steps` training steps; the last of them updates the parameters, by the mean, and the
/// sums begin anew. So `steps` batches are as one that is so many times larger, but for rounding, and for what looks at
/// a batch as a whole, such as a batch normalisation.
///
/// What is added up, and which step it is, are parts of the state: the count `accumulation.count`, from 0, and a sum
/// `<parameter>.grad_sum` of every trainable parameter. Every step computes the update, and a choice between it and
/// what was there keeps the one or the other: one program makes all steps, whatever the optimizer. Programs for either
/// kind of step would save some memory traffic of the update, and cost a second compilation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accumulation {
    /// Steps of an update, at least 2.
    pub steps: usize,
}

/// Steps that can be counted in `f32`, and no more than anybody wants.
pub const MAX_ACCUMULATED: usize = 1 << 20;

/// What is written in front of the update, for what stands behind it.
#[derive(Clone, Copy, Debug)]
pub struct Accumulated {
    /// 1 in the last step of an update, else 0.
    is_last: NodeId,
    /// How many updates the graph has that are none of the optimizer's.
    n_updates: usize,
}

impl Accumulation {
    /// What the sum of a parameter's gradients is called.
    pub const SUM: &str = "grad_sum";

    /// Whether the number of steps is one.
    ///
    /// # Errors
    /// Says what is expected.
    pub fn check(self) -> Result<(), String> {
        match self.steps {
            2..=MAX_ACCUMULATED => Ok(()),
            steps => Err(format!("`steps` must be from 2 to {MAX_ACCUMULATED}, got {steps}")),
        }
    }

    /// Parameters with the means of their gradients, which are to be taken in the last step. What updates are added to
    /// the graph behind it are for [`Accumulated::finish`].
    pub fn begin(
        self,
        graph: &mut Graph,
        gradients: &[(NodeId, NodeId)],
    ) -> (Vec<(NodeId, NodeId)>, Option<Accumulated>) {
        let Some(&(any, _)) = gradients.first() else { return (Vec::new(), None) };
        let mut cx = UpdateCx::new(graph, any);
        let count = cx.scalar_state("accumulation.count");
        let last = cx.constant((self.steps - 1) as f64);
        let is_last = cx.add_named(Equal {}, &[count, last], "accumulation.is_last");
        let (zero, one) = (cx.constant(0.0), cx.constant(1.0));
        let following = cx.plus(count, one);
        let next = cx.add(Where {}, &[is_last, zero, following]);
        cx.set(count, next);
        let mean = |&(parameter, gradient): &(NodeId, NodeId)| {
            let mean = cx.of_parameter(parameter, |cx| {
                let state = cx.state(Accumulation::SUM);
                let sum = cx.plus(state, gradient);
                let zero = cx.constant(0.0);
                let next = cx.add(Where {}, &[is_last, zero, sum]);
                cx.set(state, next);
                let steps = cx.constant(self.steps as f64);
                cx.over(sum, steps)
            });
            (parameter, mean)
        };
        let means = gradients.iter().map(mean).collect();
        (means, Some(Accumulated { is_last, n_updates: graph.updates.len() }))
    }
}

impl Accumulated {
    /// Lets the updates that were added since then happen in the last step only.
    pub fn finish(self, graph: &mut Graph) {
        for position in self.n_updates..graph.updates.len() {
            let update = graph.updates[position];
            let mut cx = UpdateCx::new(graph, update.parameter);
            let chosen =
                cx.of_node(update.value, |cx| cx.add(Where {}, &[self.is_last, update.value, update.parameter]));
            graph.updates.set_value(position, chosen);
        }
    }
}
