//! What a [`GraphBuilder`] makes of a prediction and its target: the loss and the accuracy.

use super::builder::{BuildError, BuildResult, GraphBuilder, fail};
use super::graph::Mode;
use super::node_id::NodeId;
use super::origin::Role;
use super::rewrite::OpCx;
use crate::attrs::AttrValue;
use crate::narrow::narrow;
use crate::ops::facts::Predicted;
use crate::ops::{
    Add, Argmax, Constant, Div, Equal, LabelMask, Mul, Op, ReduceMean, ReduceSum, Relu, Reshape, Sign, Sub,
};
use crate::text::shown;
use crate::types::{DType, Dim, Shape, TensorType, TypeError};

impl GraphBuilder {
    /// The scalar to be minimised, a [`Loss`](super::builder::Loss) or any op that is one; also the output `loss`.
    /// `prediction` becomes an output under its own name.
    ///
    /// # Errors
    /// If there is a loss already, the op is none, or the shapes do not fit.
    pub fn loss(&mut self, loss: impl Into<Op>, prediction: NodeId, target: NodeId) -> BuildResult {
        self.only_loss(loss, &[prediction, target])
    }

    /// The same with weights by which parts of the loss are multiplied: one for each sample, `[N]`, or for each element
    /// or label, `[N,..]`. The sum is divided by how many there are.
    ///
    /// # Errors
    /// If there is a loss already, the op is none, or the shapes do not fit.
    pub fn weighted_loss(
        &mut self,
        loss: impl Into<Op>,
        prediction: NodeId,
        target: NodeId,
        weights: NodeId,
    ) -> BuildResult {
        self.only_loss(loss, &[prediction, target, weights])
    }

    /// The same of whatever the op takes: a prediction, in general a target, perhaps weights.
    ///
    /// # Errors
    /// If there is a loss already, the op is none, or the shapes do not fit.
    pub fn only_loss(&mut self, loss: impl Into<Op>, operands: &[NodeId]) -> BuildResult {
        let node = self.part_of_loss("loss", loss, operands)?;
        self.graph.loss = Some(node);
        Ok(node)
    }

    /// One of several losses: a scalar called `name`, also an output. [`GraphBuilder::total_loss`] adds them up.
    ///
    /// # Errors
    /// If the name is taken, the op is no loss, or the shapes do not fit.
    pub fn part_of_loss(&mut self, name: &str, loss: impl Into<Op>, operands: &[NodeId]) -> BuildResult {
        let loss = loss.into();
        if loss.info().loss.is_none() {
            return fail(name, TypeError::new(format!("{} is no loss", loss.name())));
        }
        let node = self.in_role(Role::Loss, |builder| builder.op(name, loss, operands))?;
        // A target that is computed can be read as well as one that is given.
        let computed = operands.iter().take(2).filter(|&&id| !matches!(self.graph.op(id), Op::Input(_)));
        for operand in computed.copied().collect::<Vec<_>>() {
            self.output(operand);
        }
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

    /// The scalar to be minimised: the sum of parts, each times its weight, from the first on; also the output `loss`.
    ///
    /// # Errors
    /// If there are no parts, or there is a loss already.
    pub fn total_loss(&mut self, parts: &[(NodeId, f64)]) -> BuildResult {
        let Some((first, others)) = parts.split_first() else {
            return fail("loss", TypeError::new("a sum of losses has at least one part"));
        };
        let node = self.in_role(Role::Loss, |builder| {
            let mut sum = builder.weighted_part(*first)?;
            for (i, &part) in others.iter().enumerate() {
                let part = builder.weighted_part(part)?;
                let name = if i + 1 == others.len() { "loss".to_string() } else { format!("loss.sum{i}") };
                sum = builder.add("loss", &name, Add {}.into(), &[sum, part])?;
            }
            match others.is_empty() {
                true => builder.add("loss", "loss", Reshape { shape: Shape::scalar() }.into(), &[sum]),
                false => Ok(sum),
            }
        })?;
        self.graph.loss = Some(node);
        self.output(node);
        Ok(node)
    }

    /// A part of the loss times its weight.
    fn weighted_part(&mut self, (part, weight): (NodeId, f64)) -> BuildResult {
        if weight == 1.0 {
            return Ok(part);
        }
        let name = self.graph.node(part).name.clone();
        let factor = Constant { value: weight, shape: Shape::scalar() };
        let factor = self.add("loss", &format!("{name}.weight"), factor.into(), &[])?;
        self.add("loss", &format!("{name}.weighted"), Mul {}.into(), &[part, factor])
    }

    /// A setting of the loss that compares these, if it has one of that name that is not its default.
    fn setting(&self, [prediction, target]: [NodeId; 2], name: &str) -> Option<AttrValue> {
        self.graph.loss_that_compares(prediction, target)?.attrs().get(name).cloned()
    }

    /// The share of samples that are predicted right; the output `accuracy`. Of predictions `[N,..,classes]` the
    /// largest must be at the label, or at the largest of the target's row if that is the target of a loss of classes.
    /// Of `[N]` and `[N,1]`, the target of a binary cross-entropy, prediction and target must be on the same side of a
    /// half, a logit as that of 0; the border itself counts as no. Labels that the loss ignores do not count; if all
    /// are ignored, the accuracy is NaN.
    ///
    /// # Errors
    /// If the shapes do not fit.
    pub fn accuracy(&mut self, prediction: NodeId, target: NodeId) -> BuildResult {
        let name = "accuracy";
        let ty = self.ty(prediction).clone();
        let predicted = self.graph.loss_that_compares(prediction, target).and_then(|loss| loss.info().loss);
        let predicted = predicted.map(|loss| loss.of);
        let has_target_of_its_type = *self.ty(target) == ty;
        let has_shares = predicted == Some(Predicted::Classes) && has_target_of_its_type;
        if predicted == Some(Predicted::YesOrNo) && has_target_of_its_type {
            return match ty.shape.0[..] {
                [Dim::Batch] | [Dim::Batch, Dim::Fixed(1)] => self.binary_accuracy(prediction, target),
                _ => {
                    let message = format!("accuracy expects one yes or no a sample, [N] or [N,1], got {}", ty.shape);
                    fail(name, TypeError::operand(0, message))
                }
            };
        }
        let [rows @ .., Dim::Fixed(_)] = &ty.shape.0[..] else {
            let message = format!("accuracy expects predictions of shape [N,..,classes], got {}", ty.shape);
            return fail(name, TypeError::operand(0, message));
        };
        if rows.is_empty() {
            let message = format!("accuracy expects predictions of shape [N,..,classes], got {}", ty.shape);
            return fail(name, TypeError::operand(0, message));
        }
        let (axis, labels) = (rows.len(), TensorType::i32(Shape(rows.to_vec())));
        if !has_shares && *self.ty(target) != labels {
            let message =
                format!("accuracy expects class numbers {labels} for predictions {ty}, got {}", self.ty(target));
            return fail(name, TypeError::operand(1, message));
        }
        self.accuracy_of([prediction, target], |builder| {
            let class = builder.add(name, "accuracy.argmax", Argmax { axis }.into(), &[prediction])?;
            let label = match builder.ty(target).dtype {
                DType::I32 => target,
                DType::F32 => builder.add(name, "accuracy.label", Argmax { axis }.into(), &[target])?,
            };
            Ok([class, label])
        })
    }

    /// Of yes and no: 1 above a half, or of a logit above 0, else 0. NaN is neither.
    fn binary_accuracy(&mut self, prediction: NodeId, target: NodeId) -> BuildResult {
        let is_logit = self.setting([prediction, target], "from_logits").is_some();
        self.accuracy_of([prediction, target], |builder| {
            let mut add = |name: &str, op: Op, operands: &[NodeId]| {
                builder.add("accuracy", &format!("accuracy.{name}"), op, operands)
            };
            let half = add("half", Constant { value: 0.5, shape: Shape::scalar() }.into(), &[])?;
            let mut yes = |what: &str, x: NodeId, is_logit: bool| {
                let above = match is_logit {
                    true => x,
                    false => add(&format!("{what}_above"), Sub {}.into(), &[x, half])?,
                };
                let sign = add(&format!("{what}_sign"), Sign {}.into(), &[above])?;
                add(what, Relu {}.into(), &[sign])
            };
            Ok([yes("predicted", prediction, is_logit)?, yes("expected", target, false)?])
        })
    }

    /// The share of elements in which two tensors are equal, of those that the loss does not ignore.
    fn accuracy_of(
        &mut self,
        compared: [NodeId; 2],
        pair: impl FnOnce(&mut GraphBuilder) -> Result<[NodeId; 2], BuildError>,
    ) -> BuildResult {
        let ignored = match self.setting(compared, "ignore_label") {
            Some(AttrValue::Int(ignored)) => i32::try_from(ignored).ok(),
            _ => None,
        };
        let node = self.in_role(Role::Metric, |builder| {
            let pair = pair(builder)?;
            let hit = builder.add("accuracy", "accuracy.equal", Equal {}.into(), &pair)?;
            let axes: Vec<usize> = (0..builder.ty(hit).rank()).collect();
            let Some(ignored) = ignored else {
                return builder.op("accuracy", ReduceMean { axes, keep_dims: false }, &[hit]);
            };
            let mut add = |name: &str, op: Op, operands: &[NodeId]| {
                builder.add("accuracy", &format!("accuracy.{name}"), op, operands)
            };
            let mask = add("mask", LabelMask { ignored }.into(), &[compared[1]])?;
            let hit = add("hit", Mul {}.into(), &[hit, mask])?;
            let sum = ReduceSum { axes, keep_dims: false };
            let hits = add("hits", sum.clone().into(), &[hit])?;
            let count = add("count", sum.into(), &[mask])?;
            builder.op("accuracy", Div {}, &[hits, count])
        })?;
        self.output(node);
        Ok(node)
    }
}
