//! `attention_weights`: how much each place takes from every other, the softmax of scaled products.

use super::draw::{Draw, Drawn};
use super::facts::Usage;
use super::winograd::value;
use super::{Add, Expand, MatMul, OpRules, Softmax, Tril, Where, softmax};
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::tensor::{Real, Tensor};
use crate::types::{DType, Dim, Shape, TensorType, TypeError};

op_struct! {
    /// `softmax(scale * query * key^T)` of queries `[..,T,D]` and keys `[..,S,D]`, whose leading dimensions broadcast:
    /// `[..,T,S]`, of which each row sums to 1. A third operand is a mask that broadcasts to that shape. A row in which
    /// everything is left out is NaN, as PyTorch's.
    pub struct AttentionWeights {
        /// Whether a place takes from those up to itself alone.
        pub causal: bool = false,
        /// What the products are multiplied by.
        pub scale: Option<f64> = None => "1 / sqrt(D)",
        /// Whether the mask is added to the scores; otherwise those at which it is 0 are left out.
        pub added_mask: bool = false,
    }
}

/// Products of queries with keys.
const SCORES: MatMul = MatMul { transpose_a: false, transpose_b: true };

/// Nothing is taken from there.
const NOTHING: f64 = f64::NEG_INFINITY;

impl AttentionWeights {
    fn scale_of(&self, size: usize) -> f64 {
        self.scale.unwrap_or(1.0 / (size as f64).sqrt())
    }

    /// Leaves out what comes later.
    fn earlier() -> Tril {
        Tril { k: 0, value: NOTHING }
    }
}

impl OpRules for AttentionWeights {
    const NAME: &'static str = "attention_weights";
    const ARITY: usize = 2;
    const N_OPTIONAL: usize = 1;
    const SUMMARY: &'static str = "`softmax(scale * query * key^T)`, from (query, key) and perhaps a mask";
    const USAGE: Option<Usage> = Some(Usage {
        purpose: "The weights of attention by themselves, to look at them or to multiply by them. \
                  `scaled_dot_product_attention` is both.",
        node: "weights",
        reads: &[("query", DType::F32, &[4, 10, 8]), ("key", DType::F32, &[4, 12, 8])],
        ..Usage::PLAIN
    });

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        let scores = SCORES.infer(&operands[..2])?;
        let n = scores.rank();
        operands[0].fixed_dim(operands[0].rank() - 1, "the size of queries")?;
        if self.causal && scores.shape.0[n - 2..].contains(&Dim::Batch) {
            return Err(TypeError::new(format!("causal attention expects places of fixed number, got scores {scores}")));
        }
        if let Some(mask) = operands.get(2) {
            let fits = mask.dtype == DType::F32 && mask.shape.broadcast(&scores.shape).is_ok_and(|s| s == scores.shape);
            if !fits {
                let message = format!("a mask of attention broadcasts to the scores, {scores}, got {mask}");
                return Err(TypeError::operand(2, message));
            }
        }
        softmax::infer(Self::NAME, &scores, -1)
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], _: &[usize]) -> Tensor<R> {
        let scale = R::from_f64(self.scale_of(*operands[0].shape.last().expect("a matrix")));
        let mut query = operands[0].clone();
        query.data.iter_mut().for_each(|x| *x = *x * scale);
        let mut scores = value(&SCORES, &[&query, operands[1]]);
        if self.causal {
            scores = value(&AttentionWeights::earlier(), &[&scores]);
        }
        if let Some(mask) = operands.get(2) {
            scores = match self.added_mask {
                true => value(&Add {}, &[&scores, mask]),
                false => value(&Where {}, &[mask, &scores, &Tensor::scalar(NOTHING)]),
            };
        }
        value(&Softmax { axis: -1 }, &[&scores])
    }

    fn composite(&self, _: &[&TensorType]) -> Option<Expand> {
        Some(Expand::BeforeAutodiff)
    }

    fn expand(&self, cx: &mut OpCx<'_>) -> NodeId {
        let [query, key] = [cx.operands[0], cx.operands[1]];
        let ty = cx.ty(query);
        let size = ty.fixed_dim(ty.rank() - 1, "the size of queries").expect("infer has checked it");
        // Queries are scaled, which are fewer than scores.
        let query = cx.scaled(query, self.scale_of(size));
        let mut scores = cx.add(SCORES, &[query, key]);
        if self.causal {
            scores = cx.add(AttentionWeights::earlier(), &[scores]);
        }
        if let Some(&mask) = cx.operands.get(2) {
            scores = match self.added_mask {
                true => cx.plus(scores, mask),
                false => {
                    let nothing = cx.constant(NOTHING);
                    cx.add(Where {}, &[mask, scores, nothing])
                }
            };
        }
        cx.add(Softmax { axis: -1 }, &[scores])
    }

    fn draw(draw: &mut dyn Draw) -> Option<Drawn<Self>> {
        let fits = |dims: &[Dim]| matches!(dims, [.., Dim::Fixed(_), Dim::Fixed(_)]);
        let query = draw.tensor(&|shape| shape.rank() < 5 && fits(&shape.0))?;
        let mut dims = query.shape().0.clone();
        let places = dims.len() - 2;
        dims[places] = draw.size().into();
        let key = draw.numbers(Shape(dims));
        let op = AttentionWeights { causal: draw.flag(), scale: [None, Some(0.5)][draw.pick(2)], added_mask: true };
        let mut operands = vec![query, key];
        if draw.flag() {
            // Numbers that leave something of every row.
            let sizes = [operands[0].shape().0[places], operands[1].shape().0[places]];
            operands.push(draw.learned(Shape(sizes.to_vec())));
        }
        Some(Drawn::of(op, operands).within(1.0))
    }
}
