//! `scaled_dot_product_attention`: what each place takes from the others (Vaswani and others 2017).

use super::draw::{Draw, Drawn};
use super::facts::Usage;
use super::winograd::value;
use super::{AttentionWeights, Expand, MatMul, OpRules};
use crate::attrs::OpAttrs;
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::tensor::{Real, Tensor};
use crate::types::{DType, Shape, TensorType, TypeError};

op_struct! {
    /// `attention_weights(query, key) * value`, as PyTorch's: queries `[..,T,D]`, keys `[..,S,D]` and values `[..,S,V]`
    /// give `[..,T,V]`; leading dimensions, such as the heads, broadcast. A fourth operand is the mask of
    /// `attention_weights`.
    pub struct ScaledDotProductAttention {
        /// Whether a place takes from those up to itself alone.
        pub causal: bool = false,
        /// What the products are multiplied by.
        pub scale: Option<f64> = None => "1 / sqrt(D)",
        /// Whether the mask is added to the scores; otherwise those at which it is 0 are left out.
        pub added_mask: bool = false,
    }
}

/// Weights by values.
const TAKEN: MatMul = MatMul { transpose_a: false, transpose_b: false };

impl ScaledDotProductAttention {
    fn weights(&self) -> AttentionWeights {
        AttentionWeights { causal: self.causal, scale: self.scale, added_mask: self.added_mask }
    }
}

/// What the weights are made of: everything but the values.
fn of_weights<T: Copy>(operands: &[T]) -> Vec<T> {
    operands.iter().enumerate().filter(|(slot, _)| *slot != 2).map(|(_, operand)| *operand).collect()
}

impl OpRules for ScaledDotProductAttention {
    const NAME: &'static str = "scaled_dot_product_attention";
    const ARITY: usize = 3;
    const N_OPTIONAL: usize = 1;
    const SUMMARY: &'static str = "`softmax(scale * query * key^T) * value`, from these three and perhaps a mask";
    const USAGE: Option<Usage> = Some(Usage {
        purpose: "Attention without weights of its own. The layer with all four products is `multi_head_attention`.",
        node: "heads",
        reads: &[
            ("query", DType::F32, &[4, 10, 8]),
            ("key", DType::F32, &[4, 10, 8]),
            ("value", DType::F32, &[4, 10, 8]),
        ],
        attributes: || ScaledDotProductAttention { causal: true, scale: None, added_mask: false }.attrs(),
        ..Usage::PLAIN
    });

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        let weights = self.weights().infer(&of_weights(operands)).map_err(|error| TypeError {
            operand: error.operand.map(|slot| if slot == 2 { 3 } else { slot }),
            ..error
        })?;
        TAKEN.infer(&[&weights, operands[2]])
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], _: &[usize]) -> Tensor<R> {
        value(&TAKEN, &[&value(&self.weights(), &of_weights(operands)), operands[2]])
    }

    fn composite(&self, _: &[&TensorType]) -> Option<Expand> {
        Some(Expand::BeforeAutodiff)
    }

    fn expand(&self, cx: &mut OpCx<'_>) -> NodeId {
        let (values, of_weights) = (cx.operands[2], of_weights(&cx.operands));
        let weights = cx.add(self.weights(), &of_weights);
        cx.add(TAKEN, &[weights, values])
    }

    fn draw(draw: &mut dyn Draw) -> Option<Drawn<Self>> {
        let Drawn { op, mut operands, .. } = AttentionWeights::draw(draw)?;
        let AttentionWeights { causal, scale, added_mask } = op;
        let mut dims = operands[1].shape().0.clone();
        *dims.last_mut()? = draw.size().into();
        operands.insert(2, draw.numbers(Shape(dims)));
        Some(Drawn::of(ScaledDotProductAttention { causal, scale, added_mask }, operands))
    }
}
