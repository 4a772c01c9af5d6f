//! [`UpdateCx`]: what an optimizer's rule sees of the graph it writes into.
//!
//! The learning rate is the scalar input `learning_rate`, so it can change during a run. What an optimizer remembers is
//! kept in parameters that are not trainable: `<parameter>.adam_m`, and scalars such as `adam.correction1`.
//!
//! The corrections `c = 1 - b^t` are state, not functions of a step count, for two reasons: a power
//! would need another input and an op, and `1 - 0.999` in `f32` loses four digits by
//! cancellation. The recurrence is the exact identity
//! `1 - b^(t+1) = (1 - b^t) + b^t (1 - b) = c + (1 - c) (1 - b)`: it starts at 0 and adds what is
//! missing, with `1 - b` a constant rounded once.

use crate::graph::{Graph, Mode, NodeId, OpCx, Origin, Role, Update};
use crate::ops::{Initializer, Parameter, Sqrt};
use crate::types::Shape;
use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};

/// What one parameter's update is made of, called as in formulas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The parameter.
    pub p: NodeId,
    /// Its gradient.
    pub g: NodeId,
    /// The learning rate, a scalar.
    pub lr: NodeId,
}

/// Adds nodes of role `Update`: all that an op's rule can add, state, and what is computed once for all parameters.
pub struct UpdateCx<'a> {
    cx: OpCx<'a>,
    /// What is the same for all parameters, and for those of a rate.
    once: BTreeMap<(&'static str, Option<usize>), NodeId>,
    /// Which of the rates the parameter at hand has.
    rate: usize,
}

impl<'a> Deref for UpdateCx<'a> {
    type Target = OpCx<'a>;

    fn deref(&self) -> &OpCx<'a> {
        &self.cx
    }
}

impl DerefMut for UpdateCx<'_> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.cx
    }
}

/// Where nodes come from that are for no parameter in particular.
pub fn optimizer_origin() -> Origin {
    Origin { layer: "optimizer".into(), line: 0, role: Role::Update }
}

impl<'a> UpdateCx<'a> {
    /// A context whose nodes are for no parameter in particular. `node` is any node.
    pub(super) fn new(graph: &'a mut Graph, node: NodeId) -> UpdateCx<'a> {
        let mut cx = OpCx::new(graph, node, Mode::Train, Some(Role::Update));
        cx.set_origin(optimizer_origin());
        UpdateCx { cx, once: BTreeMap::new(), rate: 0 }
    }

    /// Builds what is for one parameter, with its provenance.
    pub(super) fn of_parameter<T>(&mut self, parameter: NodeId, build: impl FnOnce(&mut UpdateCx<'a>) -> T) -> T {
        self.cx.node = parameter;
        let origin = self.graph.node(parameter).origin.with_role(Role::Update);
        self.in_origin(origin, build)
    }

    /// Builds what comes from where a node does.
    pub(super) fn of_node<T>(&mut self, node: NodeId, build: impl FnOnce(&mut UpdateCx<'a>) -> T) -> T {
        let origin = self.graph.node(node).origin.clone();
        self.in_origin(origin, build)
    }

    /// Parameters from now on have the rate of that number.
    pub(super) fn set_rate(&mut self, rate: usize) {
        self.rate = rate;
    }

    fn in_origin<T>(&mut self, origin: Origin, build: impl FnOnce(&mut UpdateCx<'a>) -> T) -> T {
        let before = self.cx.set_origin(origin);
        let result = build(self);
        self.cx.set_origin(before);
        result
    }

    /// A scalar that is the same for all parameters, such as a correction: built at the first of them, and only there.
    pub fn once(&mut self, what: &'static str, build: impl FnOnce(&mut UpdateCx<'a>) -> NodeId) -> NodeId {
        self.once_for(what, None, build)
    }

    /// A scalar that is the same for all parameters with the same learning rate and weight decay, such as a step size.
    pub fn once_a_rate(&mut self, what: &'static str, build: impl FnOnce(&mut UpdateCx<'a>) -> NodeId) -> NodeId {
        self.once_for(what, Some(self.rate), build)
    }

    fn once_for(
        &mut self,
        what: &'static str,
        rate: Option<usize>,
        build: impl FnOnce(&mut UpdateCx<'a>) -> NodeId,
    ) -> NodeId {
        if let Some(&built) = self.once.get(&(what, rate)) {
            return built;
        }
        let built = self.in_origin(optimizer_origin(), build);
        self.once.insert((what, rate), built);
        built
    }

    /// `1 - lr * weight_decay`, which every parameter is to be multiplied by; nothing if that is 1.
    pub fn kept(&mut self, lr: NodeId, weight_decay: f64) -> Option<NodeId> {
        (weight_decay != 0.0).then(|| {
            self.once_a_rate("kept", |cx| {
                let lost = cx.scaled(lr, weight_decay);
                let one = cx.constant(1.0);
                cx.minus(one, lost)
            })
        })
    }

    /// What is remembered of the parameter under a name: `<parameter>.<name>`, of its shape.
    pub fn state(&mut self, name: &str) -> NodeId {
        let name = format!("{}.{name}", self.graph.node(self.node).name);
        let shape = self.ty(self.node).shape;
        self.zeros(&name, shape)
    }

    /// What is remembered, starting with zeros.
    fn zeros(&mut self, name: &str, shape: Shape) -> NodeId {
        self.add_named(Parameter { shape, initializer: Initializer::Constant(0.0), trainable: false }, &[], name)
    }

    /// A parameter, or what is remembered, takes the value `next` after the step.
    pub fn set(&mut self, parameter: NodeId, next: NodeId) {
        let name = format!("{}.next", self.graph.node(parameter).name);
        let node = self.graph.node_mut(next);
        if node.name.is_empty() {
            node.name = name;
        }
        self.graph.updates.push(Update { parameter, value: next });
    }

    /// `s' = s + (x - s) * (1 - decay)`, with `s` the state `<parameter>.<name>`.
    pub fn moving_average(&mut self, name: &str, x: NodeId, decay: f64) -> NodeId {
        let state = self.state(name);
        let difference = self.minus(x, state);
        let change = self.scaled(difference, 1.0 - decay);
        let next = self.plus(state, change);
        self.set(state, next);
        next
    }

    /// `c = 1 - decay^t` at step `t`, from 1: what a moving average that began with 0 is to be divided by. It is kept
    /// under that name, which is for all parameters: `c' = c + (1 - c) * (1 - decay)`; see the module.
    pub fn correction(&mut self, name: &'static str, decay: f64) -> NodeId {
        self.once(name, |cx| {
            let state = cx.scalar_state(name);
            let next = cx.nearer_to_one(state, decay);
            cx.set(state, next);
            next
        })
    }

    /// `c + (1 - c) * (1 - decay)`: one power of `decay` further, of `c = 1 - decay^t`.
    pub fn nearer_to_one(&mut self, c: NodeId, decay: f64) -> NodeId {
        let one = self.constant(1.0);
        let missing = self.minus(one, c);
        let gained = self.scaled(missing, 1.0 - decay);
        self.plus(c, gained)
    }

    /// A scalar that is remembered for all parameters under that name. [`UpdateCx::once`] is to make it.
    pub fn scalar_state(&mut self, name: &str) -> NodeId {
        self.zeros(name, Shape::scalar())
    }

    /// The square root of [`UpdateCx::sum_of_squares`].
    pub fn norm(&mut self, x: NodeId) -> NodeId {
        let sum = self.sum_of_squares(x);
        self.add(Sqrt {}, &[sum])
    }

    /// The sum of squares of all elements.
    pub fn sum_of_squares(&mut self, x: NodeId) -> NodeId {
        let square = self.times(x, x);
        self.cx.total(square)
    }
}
