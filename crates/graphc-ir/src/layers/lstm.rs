//! `lstm`: long short-term memory (Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000).

use super::context::LayerCx;
use super::recurrent::{Next, Recurrent, biased};
use super::rules::{LayerRules, layer_struct};
use crate::attrs::OpAttrs;
use crate::graph::builder::BuildResult;
use crate::layers::Activation;
use crate::ops::facts::{SEQUENCE, Usage};
use crate::ops::{Add, Initializer, Mul};

layer_struct! {
    /// Long short-term memory over the steps of `[N,T,features]`. Of an input, `x * kernel + h * recurrent_kernel +
    /// bias` gives `i`, `f`, `g` and `o`, each `units` wide and in this order as in Keras. The next cell is `c =
    /// sigmoid(f) * c + sigmoid(i) * tanh(g)`, the next output `h = sigmoid(o) * tanh(c)`; both begin with 0. The
    /// result is the last output, `[N,units]`.
    pub struct Lstm as lstm(x) {
        /// Size of the output and of the cell.
        pub units: usize where Positive,
        /// Whether the result is the outputs of all steps, `[N,T,units]`.
        pub return_sequences: bool = false,
        /// Whether the last step of the sequence comes first; so do outputs of all steps, as in Keras.
        pub go_backwards: bool = false,
        /// Whether a bias is added.
        pub use_bias: bool = true,
        /// What cells pass through, and new contents: `tanh` above.
        pub activation: Activation = Activation::Tanh,
        /// What gates pass through: `sigmoid` above.
        pub recurrent_activation: Activation = Activation::Sigmoid,
        /// What the kernel begins with.
        pub kernel_initializer: Initializer = Initializer::KERNEL,
        /// What the kernel of the state begins with.
        pub recurrent_initializer: Initializer = Initializer::RECURRENT,
        /// What the bias begins with: Keras's `unit_forget_bias=True`. With `False` it is 0.
        pub bias_initializer: Initializer = Initializer::UNIT_FORGET,
    }
}

impl LayerRules for Lstm {
    const USAGE: Usage = Usage {
        purpose: "Sequences whose steps depend on what was long before: series, sensors, texts.",
        node: "memory",
        reads: &[SEQUENCE],
        attributes: || Lstm::new(8).attrs(),
        ..Usage::PLAIN
    };

    fn build(&self, cx: &mut LayerCx<'_>) -> BuildResult {
        let recurrent = Recurrent {
            layer: "lstm",
            units: self.units,
            n_gates: 4,
            kernel: &self.kernel_initializer,
            recurrent: &self.recurrent_initializer,
            return_sequences: self.return_sequences,
            go_backwards: self.go_backwards,
        };
        let [projected, kernel] = recurrent.project(cx)?;
        let bias = match self.use_bias {
            true => Some(cx.weight("bias", &[4 * self.units], self.bias_initializer.clone())?),
            false => None,
        };
        let projected = biased(cx, projected, bias)?;
        let [activation, gate] = [&self.activation, &self.recurrent_activation].map(|it| it.op().clone());
        recurrent.unroll(cx, [projected, kernel], |cx, step| {
            let gates = match step.state {
                Some(state) => {
                    let product = step.product(cx, "product", state.hidden, step.kernel)?;
                    step.add(cx, "gates", Add {}, &[step.projected, product])?
                }
                None => step.projected,
            };
            let [input, forget, content, output] = step.gates(cx, "gate", gates)?;
            let input = step.add(cx, "input_gate", gate.clone(), &[input])?;
            let content = step.add(cx, "content", activation.clone(), &[content])?;
            let added = step.add(cx, "added", Mul {}, &[input, content])?;
            let cell = match step.state.and_then(|state| state.cell) {
                Some(cell) => {
                    let forget = step.add(cx, "forget_gate", gate.clone(), &[forget])?;
                    let kept = step.add(cx, "kept", Mul {}, &[forget, cell])?;
                    step.add(cx, "cell", Add {}, &[kept, added])?
                }
                None => added,
            };
            let output = step.add(cx, "output_gate", gate.clone(), &[output])?;
            let shown = step.add(cx, "shown", activation.clone(), &[cell])?;
            Ok(Next { op: Mul {}.into(), operands: vec![output, shown], cell: Some(cell) })
        })
    }
}
