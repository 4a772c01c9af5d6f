//! `dense`: a fully connected layer.

use super::activation::Activation;
use super::context::{Affine, LayerCx};
use super::rules::{LayerRules, layer_struct};
use crate::attrs::OpAttrs;
use crate::graph::builder::BuildResult;
use crate::ops::facts::{FEATURES, Usage};
use crate::ops::{Initializer, MatMul};
use crate::types::TypeError;

layer_struct! {
    /// Fully connected layer: `activation(x * kernel + bias)`; kernel (in, out). Of sequences and images it takes each
    /// vector along the last dimension by itself.
    pub struct Dense as dense(x) {
        /// Number of outputs.
        pub units: usize where Positive,
        /// Whether a bias is added.
        pub use_bias: bool = true,
        /// Applied to the result; short for a node of its own.
        pub activation: Option<Activation> = None => "none",
        /// What the kernel begins with.
        pub kernel_initializer: Initializer = Initializer::KERNEL,
        /// What the bias begins with.
        pub bias_initializer: Initializer = Initializer::ZEROS,
    }
}

impl LayerRules for Dense {
    const USAGE: Usage = Usage {
        purpose: "Layer of tables and vectors, and the last layer of nearly every net: one unit for each class or value.",
        node: "hidden",
        reads: &[FEATURES],
        attributes: || Dense { activation: Some(Activation::Relu), ..Dense::new(64) }.attrs(),
        ..Usage::PLAIN
    };

    fn build(&self, cx: &mut LayerCx<'_>) -> BuildResult {
        let x = cx.inputs[0];
        let ty = cx.ty(x);
        if ty.rank() < 2 {
            return cx.fail(TypeError::operand(0, format!("dense expects shape [N,…,features], got {}", ty.shape)));
        }
        let features = cx.fixed_dim(&ty, ty.rank() - 1, "the number of features")?;
        let kernel = cx.weight("kernel", &[features, self.units], self.kernel_initializer.clone())?;
        let bias = self.use_bias.then_some((self.units, &self.bias_initializer));
        let linear = MatMul { transpose_a: false, transpose_b: false };
        cx.affine(linear, [x, kernel], &Affine { bias, activation: &self.activation })
    }
}
