//! `simple_rnn`: a recurrent layer without gates (Elman 1990).

use super::context::LayerCx;
use super::recurrent::{Next, Recurrent, biased};
use super::rules::{LayerRules, layer_struct};
use crate::attrs::OpAttrs;
use crate::graph::builder::BuildResult;
use crate::layers::Activation;
use crate::ops::facts::{SEQUENCE, Usage};
use crate::ops::{Add, Initializer};

layer_struct! {
    /// Fully connected recurrent layer over the steps of `[N,T,features]`. The output begins with 0; the next one is
    /// `tanh(x * kernel + h * recurrent_kernel + bias)`. The result is the last output, `[N,units]`.
    pub struct SimpleRnn as simple_rnn(x) {
        /// Size of the output.
        pub units: usize where Positive,
        /// Whether the result is the outputs of all steps, `[N,T,units]`.
        pub return_sequences: bool = false,
        /// Whether the last step of the sequence comes first; so do outputs of all steps, as in Keras.
        pub go_backwards: bool = false,
        /// Whether a bias is added.
        pub use_bias: bool = true,
        /// What outputs pass through: `tanh` above.
        pub activation: Activation = Activation::Tanh,
        /// What the kernel begins with.
        pub kernel_initializer: Initializer = Initializer::KERNEL,
        /// What the kernel of the state begins with.
        pub recurrent_initializer: Initializer = Initializer::RECURRENT,
        /// What the bias begins with.
        pub bias_initializer: Initializer = Initializer::ZEROS,
    }
}

impl LayerRules for SimpleRnn {
    const USAGE: Usage = Usage {
        purpose: "Short sequences; `gru` and `lstm` remember longer.",
        node: "state",
        reads: &[SEQUENCE],
        attributes: || SimpleRnn::new(8).attrs(),
        ..Usage::PLAIN
    };

    fn build(&self, cx: &mut LayerCx<'_>) -> BuildResult {
        let recurrent = Recurrent {
            layer: "simple_rnn",
            units: self.units,
            n_gates: 1,
            kernel: &self.kernel_initializer,
            recurrent: &self.recurrent_initializer,
            return_sequences: self.return_sequences,
            go_backwards: self.go_backwards,
        };
        let [projected, kernel] = recurrent.project(cx)?;
        let bias = match self.use_bias {
            true => Some(cx.weight("bias", &[self.units], self.bias_initializer.clone())?),
            false => None,
        };
        let projected = biased(cx, projected, bias)?;
        recurrent.unroll(cx, [projected, kernel], |cx, step| {
            let sum = match step.state {
                Some(state) => {
                    let product = step.product(cx, "product", state.hidden, step.kernel)?;
                    step.add(cx, "sum", Add {}, &[step.projected, product])?
                }
                None => step.projected,
            };
            Ok(Next { op: self.activation.op().clone(), operands: vec![sum], cell: None })
        })
    }
}
