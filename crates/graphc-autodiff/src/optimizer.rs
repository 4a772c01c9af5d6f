//! The optimizer as plain elementwise nodes (role `Update`) and `Graph::updates`.
//!
//! The learning rate is the scalar input `learning_rate`, so it can change during a run. What the
//! optimizer remembers is kept in parameters that are not trainable: `<parameter>.sgd_velocity`,
//! `<parameter>.adam_m`, `<parameter>.adam_v`, and the two bias corrections of Adam. Averages of the parameters
//! ([`Averaging`]), `<parameter>.average` with a correction of their own, are written here too, for any optimizer.
//!
//! The corrections `c = 1 - b^t` are state, not functions of a step count, for two reasons: a power
//! would need another input and an op, and `1 - 0.999` in `f32` loses four digits by
//! cancellation. The recurrence is the exact identity
//! `1 - b^(t+1) = (1 - b^t) + b^t (1 - b) = c + (1 - c) (1 - b)`: it starts at 0 and adds what is
//! missing, with `1 - b` a constant rounded once.

use crate::error::AutodiffError;
use crate::reverse::Gradient;
use graphc_ir::graph::{Graph, NodeId, Origin, Role, Update};
use graphc_ir::ops::{Add, Constant, Div, Initializer, Input, Mul, Op, Parameter, Sqrt, Sub};
use graphc_ir::optimizer::{AVERAGE, Averaging, Optimizer};
use graphc_ir::types::{DType, Shape, TensorType};

/// Name of the learning-rate input.
pub const LEARNING_RATE: &str = "learning_rate";

/// Adds the next value of every parameter by the graph's optimizer.
///
/// # Errors
/// If there is no optimizer, or `learning_rate` is something else than an `f32` scalar input.
pub fn update(graph: &mut Graph, gradients: &[Gradient]) -> Result<(), AutodiffError> {
    let optimizer = graph.optimizer.clone().ok_or(AutodiffError::NoOptimizer)?;
    let learning_rate = learning_rate_input(graph)?;
    match optimizer {
        Optimizer::Sgd { momentum, nesterov, .. } => {
            for gradient in gradients {
                sgd(&mut Writer::of_parameter(graph, gradient.parameter), gradient, learning_rate, momentum, nesterov);
            }
        }
        Optimizer::Adam { beta1, beta2, epsilon, weight_decay, .. } => {
            let mut writer = Writer { graph, origin: optimizer_origin() };
            let step_size = adam_step_size(&mut writer, learning_rate, beta1, beta2);
            let decay = (weight_decay != 0.0).then(|| {
                // AdamW multiplies every parameter by 1 - lr * weight_decay first.
                let lost = writer.scaled(learning_rate, weight_decay);
                let one = writer.constant(1.0);
                writer.add(Sub {}, &[one, lost], "")
            });
            let adam = Adam { step_size, decay, beta1, beta2, epsilon };
            for gradient in gradients {
                adam.update(&mut Writer::of_parameter(graph, gradient.parameter), gradient);
            }
        }
    }
    if let Some(averaging) = graph.averaging {
        average(graph, gradients, averaging);
    }
    Ok(())
}

/// Adds the next average of every trainable parameter: `a' = a + (p' - a) * (1 - decay) / (1 - decay^t)`.
fn average(graph: &mut Graph, gradients: &[Gradient], Averaging { decay }: Averaging) {
    let mut writer = Writer { graph, origin: optimizer_origin() };
    let correction = correction(&mut writer, "average.correction", decay);
    let share = writer.constant(1.0 - decay);
    let share = writer.add(Div {}, &[share, correction], "average.share");
    for &Gradient { parameter, .. } in gradients {
        let update = graph.updates.of_target(parameter).next();
        let next = update.expect("every gradient has made an update").value;
        let mut writer = Writer::of_parameter(graph, parameter);
        let average = writer.state_of(parameter, AVERAGE);
        let difference = writer.add(Sub {}, &[next, average], "");
        let change = writer.add(Mul {}, &[difference, share], "");
        let next = writer.add(Add {}, &[average, change], "");
        writer.set(average, next);
    }
}

/// The input `learning_rate`, added if the graph has none.
fn learning_rate_input(graph: &mut Graph) -> Result<NodeId, AutodiffError> {
    let scalar = TensorType::f32(Shape::scalar());
    match graph.find(LEARNING_RATE) {
        Some(id) if matches!(graph.op(id), Op::Input(_)) && *graph.ty(id) == scalar => Ok(id),
        Some(id) => Err(AutodiffError::LearningRate(id)),
        None => {
            let input = Input { dtype: DType::F32, shape: Shape::scalar() };
            Ok(Writer { graph, origin: optimizer_origin() }.add(input, &[], LEARNING_RATE))
        }
    }
}

fn optimizer_origin() -> Origin {
    Origin { layer: "optimizer".into(), line: 0, role: Role::Update }
}

/// `lr_t = lr * sqrt(1 - b2^t) / (1 - b1^t)`.
fn adam_step_size(writer: &mut Writer<'_>, learning_rate: NodeId, beta1: f64, beta2: f64) -> NodeId {
    let correction1 = correction(writer, "adam.correction1", beta1);
    let correction2 = correction(writer, "adam.correction2", beta2);
    let root = writer.add(Sqrt {}, &[correction2], "");
    let numerator = writer.add(Mul {}, &[learning_rate, root], "");
    writer.add(Div {}, &[numerator, correction1], "adam.step_size")
}

/// `c' = c + (1 - c) * (1 - b)`; see the module.
fn correction(writer: &mut Writer<'_>, name: &str, beta: f64) -> NodeId {
    let state = writer.state(name, &Shape::scalar());
    let one = writer.constant(1.0);
    let missing = writer.add(Sub {}, &[one, state], "");
    let gained = writer.scaled(missing, 1.0 - beta);
    let next = writer.add(Add {}, &[state, gained], "");
    writer.set(state, next);
    next
}

/// What every parameter's Adam update shares.
struct Adam {
    step_size: NodeId,
    decay: Option<NodeId>,
    beta1: f64,
    beta2: f64,
    epsilon: f64,
}

impl Adam {
    fn update(&self, writer: &mut Writer<'_>, gradient: &Gradient) {
        let Gradient { parameter, value: g } = *gradient;
        // m' = m + (g - m) * (1 - b1); v' = v + (g * g - v) * (1 - b2)
        let m = writer.moving_average(parameter, "adam_m", g, self.beta1);
        let square = writer.add(Mul {}, &[g, g], "");
        let v = writer.moving_average(parameter, "adam_v", square, self.beta2);
        // p' = decay * p - lr_t * m' / (sqrt(v') + epsilon)
        let root = writer.add(Sqrt {}, &[v], "");
        let epsilon = writer.constant(self.epsilon);
        let divisor = writer.add(Add {}, &[root, epsilon], "");
        let step = writer.add(Mul {}, &[m, self.step_size], "");
        let step = writer.add(Div {}, &[step, divisor], "");
        let decayed = self.decay.map_or(parameter, |decay| writer.add(Mul {}, &[parameter, decay], ""));
        let next = writer.add(Sub {}, &[decayed, step], "");
        writer.set(parameter, next);
    }
}

fn sgd(writer: &mut Writer<'_>, gradient: &Gradient, learning_rate: NodeId, momentum: f64, nesterov: bool) {
    let Gradient { parameter, value: g } = *gradient;
    let step = writer.add(Mul {}, &[g, learning_rate], "");
    if momentum == 0.0 {
        // p' = p - lr * g
        let next = writer.add(Sub {}, &[parameter, step], "");
        return writer.set(parameter, next);
    }
    // v' = momentum * v - lr * g
    let velocity = writer.state_of(parameter, "sgd_velocity");
    let kept = writer.scaled(velocity, momentum);
    let next_velocity = writer.add(Sub {}, &[kept, step], "");
    writer.set(velocity, next_velocity);
    let next = if nesterov {
        // p' = p + momentum * v' - lr * g
        let ahead = writer.scaled(next_velocity, momentum);
        let moved = writer.add(Add {}, &[parameter, ahead], "");
        writer.add(Sub {}, &[moved, step], "")
    } else {
        // p' = p + v'
        writer.add(Add {}, &[parameter, next_velocity], "")
    };
    writer.set(parameter, next);
}

/// Adds update nodes with one origin.
struct Writer<'a> {
    graph: &'a mut Graph,
    origin: Origin,
}

impl<'a> Writer<'a> {
    fn of_parameter(graph: &'a mut Graph, parameter: NodeId) -> Writer<'a> {
        let origin = graph.node(parameter).origin.with_role(Role::Update);
        Writer { graph, origin }
    }

    fn add(&mut self, op: impl Into<Op>, operands: &[NodeId], name: &str) -> NodeId {
        self.graph.add(op, operands, name, self.origin.clone()).expect("update nodes have the parameter's type")
    }

    fn constant(&mut self, value: f64) -> NodeId {
        self.add(Constant { value, shape: Shape::scalar() }, &[], "")
    }

    fn scaled(&mut self, x: NodeId, factor: f64) -> NodeId {
        let factor = self.constant(factor);
        self.add(Mul {}, &[x, factor], "")
    }

    /// A parameter of the optimizer, zero at first.
    fn state(&mut self, name: &str, shape: &Shape) -> NodeId {
        let op = Parameter { shape: shape.clone(), initializer: Initializer::Constant(0.0), trainable: false };
        self.add(op, &[], name)
    }

    /// A state parameter of the shape of `parameter`, called `<parameter>.<suffix>`.
    fn state_of(&mut self, parameter: NodeId, suffix: &str) -> NodeId {
        let name = format!("{}.{suffix}", self.graph.node(parameter).name);
        let shape = self.graph.ty(parameter).shape.clone();
        self.state(&name, &shape)
    }

    /// `s' = s + (x - s) * (1 - decay)`, with `s` the state `<parameter>.<suffix>`.
    fn moving_average(&mut self, parameter: NodeId, suffix: &str, x: NodeId, decay: f64) -> NodeId {
        let state = self.state_of(parameter, suffix);
        let difference = self.add(Sub {}, &[x, state], "");
        let change = self.scaled(difference, 1.0 - decay);
        let next = self.add(Add {}, &[state, change], "");
        self.set(state, next);
        next
    }

    /// `parameter` takes the value `next` after the step.
    fn set(&mut self, parameter: NodeId, next: NodeId) {
        let node = self.graph.node(parameter);
        let name = format!("{}.next", node.name);
        let node = self.graph.node_mut(next);
        if node.name.is_empty() {
            node.name = name;
        }
        self.graph.updates.push(Update { parameter, value: next });
    }
}
