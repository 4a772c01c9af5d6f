//! [`Activation`]: a function applied to what a layer has computed.

use crate::attrs::{AttrField, AttrKind, AttrValue, Attrs};
use crate::graph::NodeId;
use crate::graph::builder::{BuildResult, GraphBuilder};
use crate::ops::{LogSoftmax, Op, Relu, Sigmoid, Softmax, Tanh};

/// A function applied to a layer's result: an op with one operand. The most usual ones have names here, any other is
/// made with [`Activation::of`].
#[derive(Clone, Debug, PartialEq)]
pub struct Activation(Op);

#[expect(non_upper_case_globals, reason = "they read as the variants of an enum")]
impl Activation {
    /// `max(x, 0)`.
    pub const Relu: Activation = Activation(Op::Relu(Relu {}));
    /// `1 / (1 + exp(-x))`.
    pub const Sigmoid: Activation = Activation(Op::Sigmoid(Sigmoid {}));
    /// Hyperbolic tangent.
    pub const Tanh: Activation = Activation(Op::Tanh(Tanh {}));
    /// Softmax over the last dimension.
    pub const Softmax: Activation = Activation(Op::Softmax(Softmax { axis: -1 }));
    /// Logarithm of the softmax over the last dimension.
    pub const LogSoftmax: Activation = Activation(Op::LogSoftmax(LogSoftmax { axis: -1 }));
}

impl Activation {
    /// The op with these attributes.
    pub fn of(op: impl Into<Op>) -> Activation {
        Activation(op.into())
    }

    /// The activation of that name, one of [`Op::ACTIVATIONS`], with the defaults of its attributes.
    pub fn from_name(name: &str) -> Option<Activation> {
        let info = Op::named(name).filter(|info| info.is_activation)?;
        (info.from_attrs)(&Attrs::default()).ok().map(Activation)
    }

    /// The op.
    pub fn op(&self) -> &Op {
        &self.0
    }
}

impl AttrField for Activation {
    const EXPECTED: &'static str = "the name of an activation";
    const KIND: AttrKind = AttrKind::Activation;

    /// The name, with the attributes that are not what the name alone says: of these nothing is read back.
    fn to_attr(&self) -> AttrValue {
        let attrs = self.0.attrs().0.into_iter();
        let written: Vec<String> = attrs.map(|(name, value)| format!(" {name}={value}")).collect();
        AttrValue::Str(format!("{}{}", self.0.name(), written.concat()))
    }

    fn from_attr(value: &AttrValue) -> Option<Activation> {
        match value {
            AttrValue::Str(name) => Activation::from_name(name),
            _ => None,
        }
    }
}

impl GraphBuilder {
    /// An activation as a node of its own.
    ///
    /// # Errors
    /// If the shape does not fit.
    pub fn activation(&mut self, name: &str, x: NodeId, activation: Activation) -> BuildResult {
        self.op(name, activation.0, &[x])
    }
}
