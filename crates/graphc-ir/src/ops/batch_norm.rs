//! `batch_norm`: batch normalisation (Ioffe and Szegedy 2015) of the last axis.

use super::draw::{Draw, Drawn};
use super::facts::Domain;
use super::{Expand, Normalize, OpRules, ReduceMean, ReduceVariance, normalize};
use crate::graph::{Mode, NodeId, OpCx, Role, Update};
use crate::op_struct;
use crate::tensor::{Real, Tensor};
use crate::types::{TensorType, TypeError};

op_struct! {
    /// [`Normalize`] with the statistics of the batch in training, with the moving ones in inference.
    /// Training also updates the moving statistics:
    /// `moving' = moving * momentum + statistic * (1 - momentum)`, variances being population variances.
    pub struct BatchNorm {
        /// Share of the old moving statistics that an update keeps.
        pub momentum: f64,
        /// Added to the variance.
        pub epsilon: f64,
    }
}

impl BatchNorm {
    /// Moves the moving statistic, if it is a parameter, towards that of the batch.
    fn update(&self, cx: &mut OpCx<'_>, moving: NodeId, statistic: NodeId) {
        if !cx.graph.is_parameter(moving) {
            return;
        }
        // Layers that share a statistic move it one after the other.
        let before = cx.graph.updates.of_target(moving).next().copied();
        let current = before.map_or(moving, |update| update.value);
        let value = cx.in_role(Role::Statistics, |cx| {
            let kept = cx.scaled(current, self.momentum);
            let new = cx.scaled(statistic, 1.0 - self.momentum);
            cx.plus(kept, new)
        });
        match before.and_then(|before| cx.graph.updates.iter().position(|update| *update == before)) {
            Some(position) => cx.graph.updates.set_value(position, value),
            None => cx.graph.updates.push(Update { parameter: moving, value }),
        }
    }
}

impl OpRules for BatchNorm {
    const NAME: &'static str = "batch_norm";
    const ARITY: usize = 5;
    const SUMMARY: &'static str = "batch normalisation of the last axis, \
                                   from (x, gamma, beta, moving_mean, moving_variance)";
    const DEPENDS_ON_MODE: bool = true;

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        if operands[0].rank() < 2 {
            return Err(TypeError::operand(
                0,
                format!("batch_norm expects an f32 tensor of shape [N,..,c], got {}", operands[0]),
            ));
        }
        normalize::infer(Self::NAME, operands, ["a gamma", "a beta", "a moving mean", "a moving variance"])
    }

    fn eval<R: Real>(&self, _: &[&Tensor<R>], _: &[usize]) -> Tensor<R> {
        panic!("batch_norm depends on the mode and is expanded before it is evaluated")
    }

    fn composite(&self, _: &[&TensorType]) -> Option<Expand> {
        Some(Expand::BeforeAutodiff)
    }

    fn expand(&self, cx: &mut OpCx<'_>) -> NodeId {
        let [x, gamma, beta, moving_mean, moving_variance] = [0, 1, 2, 3, 4].map(|i| cx.operands[i]);
        let normalize = Normalize { epsilon: self.epsilon };
        if cx.mode == Mode::Infer {
            return cx.add(normalize, &[x, moving_mean, moving_variance, gamma, beta]);
        }
        let axes: Vec<usize> = (0..cx.ty(x).rank() - 1).collect();
        let layer = cx.graph.node(cx.node).name.clone();
        let named = |what: &str| if layer.is_empty() { String::new() } else { format!("{layer}.{what}") };
        let mean = cx.add_named(ReduceMean { axes: axes.clone(), keep_dims: false }, &[x], &named("mean"));
        let variance = cx.add_named(ReduceVariance { axes, keep_dims: false }, &[x], &named("variance"));
        self.update(cx, moving_mean, mean);
        self.update(cx, moving_variance, variance);
        cx.add(normalize, &[x, mean, variance, gamma, beta])
    }

    fn domain(&self, operand: usize, _: &[&TensorType]) -> Domain {
        if operand == 4 { Domain::AtLeast(0.125) } else { Domain::Any }
    }

    fn draw(draw: &mut dyn Draw) -> Option<Drawn<Self>> {
        let x = draw.rows(2)?;
        let vector = normalize::vector_of(&x);
        let [gamma, beta] = [0; 2].map(|_| draw.learned(vector.clone()));
        let [mean, variance] = [0; 2].map(|_| draw.kept(vector.clone()));
        let bound = 4.0 * (x.bound + x.ty.shape.fixed_len() as f64);
        Some(Drawn::of(BatchNorm { momentum: 0.9, epsilon: 0.01 }, [x, gamma, beta, mean, variance]).within(bound))
    }
}
