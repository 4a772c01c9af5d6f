//! `gru`: gated recurrent units (Cho et al. 2014).

use super::context::LayerCx;
use super::recurrent::{Next, Recurrent, Step, biased};
use super::rules::{LayerRules, layer_struct};
use crate::attrs::OpAttrs;
use crate::graph::NodeId;
use crate::graph::builder::{BuildError, BuildResult};
use crate::layers::Activation;
use crate::ops::facts::{SEQUENCE, Usage};
use crate::ops::{Add, Initializer, Mul, Op, Reshape, Slice, Sub};
use crate::types::Shape;

layer_struct! {
    /// Gated recurrent units over the steps of `[N,T,features]`. Of an input, `x * kernel + bias[0]` gives `z`, `r`
    /// and `g`, and `h * recurrent_kernel + bias[1]` gives `z'`, `r'` and `g'`, each `units` wide and in this order as
    /// in Keras (PyTorch: r, z, g). With `u = sigmoid(z + z')` the next output is `h = u * h + (1 - u) * tanh(g +
    /// sigmoid(r + r') * g')`; it begins with 0. The result is the last output, `[N,units]`.
    pub struct Gru as gru(x) {
        /// Size of the output.
        pub units: usize where Positive,
        /// Whether the result is the outputs of all steps, `[N,T,units]`.
        pub return_sequences: bool = false,
        /// Whether the last step of the sequence comes first; so do outputs of all steps, as in Keras.
        pub go_backwards: bool = false,
        /// Whether biases are added.
        pub use_bias: bool = true,
        /// Whether the reset gate is applied behind the product with the kernel of the state, as above and in PyTorch;
        /// otherwise before it, as in the paper, and the bias is one row, `[3 * units]`.
        pub reset_after: bool = true,
        /// What new contents pass through: `tanh` above.
        pub activation: Activation = Activation::Tanh,
        /// What gates pass through: `sigmoid` above.
        pub recurrent_activation: Activation = Activation::Sigmoid,
        /// What the kernel begins with.
        pub kernel_initializer: Initializer = Initializer::KERNEL,
        /// What the kernel of the state begins with.
        pub recurrent_initializer: Initializer = Initializer::RECURRENT,
        /// What the bias begins with.
        pub bias_initializer: Initializer = Initializer::ZEROS,
    }
}

/// Biases of inputs and state.
#[derive(Clone, Copy, Default)]
struct Biases {
    input: Option<NodeId>,
    state: Option<NodeId>,
}

impl LayerRules for Gru {
    const USAGE: Usage = Usage {
        purpose: "As `lstm`, with three quarters of the weights.",
        node: "memory",
        reads: &[SEQUENCE],
        attributes: || Gru::new(8).attrs(),
        ..Usage::PLAIN
    };

    fn build(&self, cx: &mut LayerCx<'_>) -> BuildResult {
        let recurrent = Recurrent {
            layer: "gru",
            units: self.units,
            n_gates: 3,
            kernel: &self.kernel_initializer,
            recurrent: &self.recurrent_initializer,
            return_sequences: self.return_sequences,
            go_backwards: self.go_backwards,
        };
        let [projected, kernel] = recurrent.project(cx)?;
        let biases = self.biases(cx)?;
        let projected = biased(cx, projected, biases.input)?;
        let kernel_of_content = match self.reset_after {
            true => None,
            false => Some(cx.part("recurrent_kernel.content", self.last_gate(1, 3), &[kernel])?),
        };
        recurrent.unroll(cx, [projected, kernel], |cx, step| match kernel_of_content {
            None => self.reset_behind(cx, step, biases.state),
            Some(kernel) => self.reset_before(cx, step, kernel),
        })
    }
}

impl Gru {
    /// The third of the gates along an axis, or the first `n - 1` of them.
    fn last_gate(&self, axis: usize, n: usize) -> Slice {
        Slice::part(axis, (n - 1) * self.units, n * self.units)
    }

    fn biases(&self, cx: &mut LayerCx<'_>) -> Result<Biases, BuildError> {
        let size = 3 * self.units;
        if !self.use_bias {
            return Ok(Biases::default());
        }
        if !self.reset_after {
            return Ok(Biases { input: Some(cx.weight("bias", &[size], self.bias_initializer.clone())?), state: None });
        }
        let both = cx.weight("bias", &[2, size], self.bias_initializer.clone())?;
        let mut row = |name: &str, start: usize| {
            let slice = cx.part(&format!("{name}.row"), Slice::part(0, start, start + 1), &[both])?;
            cx.part(name, Reshape { shape: Shape::fixed(&[size]) }, &[slice])
        };
        Ok(Biases { input: Some(row("bias.input", 0)?), state: Some(row("bias.state", 1)?) })
    }

    fn gate(&self) -> Op {
        self.recurrent_activation.op().clone()
    }

    fn reset_behind(&self, cx: &mut LayerCx<'_>, step: &Step, bias: Option<NodeId>) -> Result<Next, BuildError> {
        let [update, reset, content] = step.gates(cx, "gate", step.projected)?;
        let of_state = match (step.state, bias) {
            (Some(state), None) => Some(step.product(cx, "product", state.hidden, step.kernel)?),
            (Some(state), Some(bias)) => {
                let product = step.product(cx, "product", state.hidden, step.kernel)?;
                Some(step.add(cx, "state", Add {}, &[product, bias])?)
            }
            (None, bias) => bias,
        };
        let (update, content) = match of_state {
            Some(of_state) => {
                let [more_update, more_reset, more_content] = step.gates(cx, "state_gate", of_state)?;
                let update = step.add(cx, "update", Add {}, &[update, more_update])?;
                let reset = step.add(cx, "reset", Add {}, &[reset, more_reset])?;
                let reset = step.add(cx, "reset_gate", self.gate(), &[reset])?;
                let kept = step.add(cx, "kept", Mul {}, &[reset, more_content])?;
                (update, step.add(cx, "sum", Add {}, &[content, kept])?)
            }
            None => (update, content),
        };
        self.next(cx, step, update, content)
    }

    fn reset_before(&self, cx: &mut LayerCx<'_>, step: &Step, kernel: NodeId) -> Result<Next, BuildError> {
        let [update, reset, content] = step.gates(cx, "gate", step.projected)?;
        let Some(state) = step.state else { return self.next(cx, step, update, content) };
        let of_gates = Slice::part(1, 0, 2 * self.units);
        let kernel_of_gates = step.add(cx, "kernel", of_gates, &[step.kernel])?;
        let product = step.product(cx, "product", state.hidden, kernel_of_gates)?;
        let [more_update, more_reset] = step.gates(cx, "state_gate", product)?;
        let update = step.add(cx, "update", Add {}, &[update, more_update])?;
        let reset = step.add(cx, "reset", Add {}, &[reset, more_reset])?;
        let reset = step.add(cx, "reset_gate", self.gate(), &[reset])?;
        let kept = step.add(cx, "kept", Mul {}, &[reset, state.hidden])?;
        let product = step.product(cx, "content_product", kept, kernel)?;
        let content = step.add(cx, "sum", Add {}, &[content, product])?;
        self.next(cx, step, update, content)
    }

    /// `u * h + (1 - u) * g`, computed as `g + u * (h - g)`.
    fn next(&self, cx: &mut LayerCx<'_>, step: &Step, update: NodeId, content: NodeId) -> Result<Next, BuildError> {
        let update = step.add(cx, "update_gate", self.gate(), &[update])?;
        let content = step.add(cx, "content", self.activation.op().clone(), &[content])?;
        let (op, operands): (Op, _) = match step.state {
            Some(state) => {
                let change = step.add(cx, "change", Sub {}, &[state.hidden, content])?;
                let kept = step.add(cx, "remembered", Mul {}, &[update, change])?;
                (Add {}.into(), vec![content, kept])
            }
            None => {
                let kept = step.add(cx, "forgotten", Mul {}, &[update, content])?;
                (Sub {}.into(), vec![content, kept])
            }
        };
        Ok(Next { op, operands, cell: None })
    }
}
