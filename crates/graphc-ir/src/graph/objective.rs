//! What a [`GraphBuilder`] makes of a prediction and its target: the loss and the accuracy.

use super::builder::{BuildError, BuildResult, GraphBuilder, fail};
use super::graph::Mode;
use super::loss::Loss;
use super::node_id::NodeId;
use super::origin::Role;
use super::rewrite::OpCx;
use crate::narrow::narrow;
use crate::ops::{Argmax, Constant, Equal, Mul, Op, ReduceMean, Relu, Sign, Sub};
use crate::text::shown;
use crate::types::{DType, Dim, Shape, TensorType, TypeError};

impl GraphBuilder {
    /// The scalar to be minimised; also the output `loss`. `prediction` becomes an output under
    /// its own name.
    ///
    /// # Errors
    /// If there is a loss already, or the shapes do not fit.
    pub fn loss(&mut self, loss: Loss, prediction: NodeId, target: NodeId) -> BuildResult {
        self.add_loss(loss, &[prediction, target])
    }

    /// The same with a weight for each sample, `[N]`, by which its part of the loss is multiplied. The sum is divided
    /// by the size of the batch.
    ///
    /// # Errors
    /// If there is a loss already, or the shapes do not fit.
    pub fn weighted_loss(&mut self, loss: Loss, prediction: NodeId, target: NodeId, weights: NodeId) -> BuildResult {
        self.add_loss(loss, &[prediction, target, weights])
    }

    fn add_loss(&mut self, loss: Loss, operands: &[NodeId]) -> BuildResult {
        let node = self.in_role(Role::Loss, |builder| builder.op("loss", loss.op(), operands))?;
        self.output(operands[0]);
        self.graph.loss = Some(node);
        self.output(node);
        Ok(node)
    }

    /// Adds `factor * sum(w^2)` of some parameters to the loss, in that order: an L2 regularisation. The output `loss`
    /// is then the sum, in training and inference.
    ///
    /// # Errors
    /// If there is no loss yet, or a factor is another one in `f32`.
    pub fn l2_penalty(&mut self, factors: &[(NodeId, f64)]) -> Result<(), BuildError> {
        let Some(loss) = self.graph.loss else {
            return fail("loss", TypeError::new("penalties are added to a loss, and there is none"));
        };
        let output = self.graph.outputs.iter().position(|output| output.node == loss).expect("the loss is an output");
        for &(parameter, factor) in factors {
            let name = &self.graph.node(parameter).name;
            if let Err(what) = narrow(factor) {
                return fail("loss", TypeError::new(format!("the `l2` of `{}`, {factor:e}, {what}", shown(name))));
            }
            let name = format!("{name}.l2");
            let before = self.graph.loss.expect("there is one");
            let mut cx = OpCx::new(&mut self.graph, before, Mode::Train, Some(Role::Loss));
            let square = cx.times(parameter, parameter);
            let sum = cx.total(square);
            let factor = cx.constant(factor);
            let term = cx.add_named(Mul {}, &[sum, factor], &name);
            let total = cx.plus(before, term);
            self.graph.loss = Some(total);
        }
        let total = self.graph.loss.expect("there is one");
        self.graph.outputs.set_value(output, total);
        Ok(())
    }

    /// The share of samples that are predicted right; the output `accuracy`. Of predictions `[N,classes]` the largest
    /// must be at the label, or at the largest of the target's row if that is the target of a cross-entropy. Of
    /// `[N]` and `[N,1]`, the target of a binary cross-entropy, prediction and target must be on the same side of a
    /// half; a half itself counts as no.
    ///
    /// # Errors
    /// If the shapes do not fit.
    pub fn accuracy(&mut self, prediction: NodeId, target: NodeId) -> BuildResult {
        let name = "accuracy";
        let ty = self.ty(prediction).clone();
        let loss = self.graph.loss.map(|loss| self.graph.op(loss));
        let has_target_of_its_type = *self.ty(target) == ty;
        let is_binary = matches!(loss, Some(Op::BinaryCrossentropy(_)));
        let has_shares = matches!(loss, Some(Op::CategoricalCrossentropy(_))) && has_target_of_its_type;
        if is_binary && has_target_of_its_type {
            return match ty.shape.0[..] {
                [Dim::Batch] | [Dim::Batch, Dim::Fixed(1)] => self.binary_accuracy(prediction, target),
                _ => {
                    let message = format!("accuracy expects one yes or no a sample, [N] or [N,1], got {}", ty.shape);
                    fail(name, TypeError::operand(0, message))
                }
            };
        }
        if ty.rank() != 2 {
            let message = format!("accuracy expects predictions of shape [N,classes], got {}", ty.shape);
            return fail(name, TypeError::operand(0, message));
        }
        let labels = TensorType::i32(Shape(vec![ty.shape.0[0]]));
        if !has_shares && *self.ty(target) != labels {
            let message =
                format!("accuracy expects class numbers {labels} for predictions {ty}, got {}", self.ty(target));
            return fail(name, TypeError::operand(1, message));
        }
        self.accuracy_of(|builder| {
            let class = builder.add(name, "accuracy.argmax", Argmax { axis: 1 }.into(), &[prediction])?;
            let label = match builder.ty(target).dtype {
                DType::I32 => target,
                DType::F32 => builder.add(name, "accuracy.label", Argmax { axis: 1 }.into(), &[target])?,
            };
            Ok([class, label])
        })
    }

    /// Of yes and no: 1 above a half, else 0. NaN is neither.
    fn binary_accuracy(&mut self, prediction: NodeId, target: NodeId) -> BuildResult {
        self.accuracy_of(|builder| {
            let mut add = |name: &str, op: Op, operands: &[NodeId]| {
                builder.add("accuracy", &format!("accuracy.{name}"), op, operands)
            };
            let half = add("half", Constant { value: 0.5, shape: Shape::scalar() }.into(), &[])?;
            let mut yes = |what: &str, x: NodeId| {
                let above = add(&format!("{what}_above"), Sub {}.into(), &[x, half])?;
                let sign = add(&format!("{what}_sign"), Sign {}.into(), &[above])?;
                add(what, Relu {}.into(), &[sign])
            };
            Ok([yes("predicted", prediction)?, yes("expected", target)?])
        })
    }

    /// The share of elements in which two tensors are equal.
    fn accuracy_of(&mut self, pair: impl FnOnce(&mut GraphBuilder) -> Result<[NodeId; 2], BuildError>) -> BuildResult {
        let node = self.in_role(Role::Metric, |builder| {
            let pair = pair(builder)?;
            let hit = builder.add("accuracy", "accuracy.equal", Equal {}.into(), &pair)?;
            let axes = (0..builder.ty(hit).rank()).collect();
            builder.op("accuracy", ReduceMean { axes, keep_dims: false }, &[hit])
        })?;
        self.output(node);
        Ok(node)
    }
}
