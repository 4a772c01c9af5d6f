//! `gemm`: a matrix product, scaled, and another matrix, as BLAS and ONNX have it.

use super::draw::{Draw, Drawn};
use super::facts::Usage;
use super::winograd::value;
use super::{Expand, MatMul, OpRules, elementwise};
use crate::attrs::OpAttrs;
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::tensor::{Real, Tensor};
use crate::types::{DType, Shape, TensorType, TypeError};

op_struct! {
    /// `alpha * a b + beta * c` of matrices, either of the first two transposed, and a third that broadcasts to their
    /// product and may be left out.
    pub struct Gemm {
        /// What the product is multiplied by.
        pub alpha: f64 = 1.0,
        /// What the third operand is multiplied by.
        pub beta: f64 = 1.0,
        /// Whether the first is transposed.
        pub transpose_a: bool = false,
        /// Whether the second is transposed.
        pub transpose_b: bool = false,
    }
}

impl Gemm {
    fn product(&self) -> MatMul {
        MatMul { transpose_a: self.transpose_a, transpose_b: self.transpose_b }
    }
}

impl OpRules for Gemm {
    const NAME: &'static str = "gemm";
    const ARITY: usize = 2;
    const N_OPTIONAL: usize = 1;
    const SUMMARY: &'static str = "`alpha * a b + beta * c` of matrices, from (a, b) and perhaps c";
    const USAGE: Option<Usage> = Some(Usage {
        purpose: "Products of matrices as ONNX writes them. `matmul` is the plain product, `dense` a layer.",
        node: "product",
        reads: &[("a", DType::F32, &[8]), ("b", DType::F32, &[8])],
        attributes: || Gemm { alpha: 0.5, beta: 1.0, transpose_a: true, transpose_b: false }.attrs(),
        ..Usage::PLAIN
    });

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        if let Some(i) = operands[..2].iter().position(|operand| operand.rank() != 2) {
            return Err(TypeError::operand(i, format!("gemm expects matrices, got {}", operands[i])));
        }
        let product = self.product().infer(&operands[..2])?;
        match operands.get(2) {
            Some(c) if elementwise::infer(&[&product, c])? != product => {
                Err(TypeError::operand(2, format!("gemm adds what broadcasts to the product, {product}, got {c}")))
            }
            _ => Ok(product),
        }
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        let product = value(&self.product(), &operands[..2]);
        let [alpha, beta] = [self.alpha, self.beta].map(R::from_f64);
        match operands.get(2) {
            None => elementwise::eval(&[&product], out, |[y]| alpha * y),
            Some(c) => elementwise::eval(&[&product, c], out, |[y, c]| alpha * y + beta * c),
        }
    }

    fn composite(&self, _: &[&TensorType]) -> Option<Expand> {
        Some(Expand::BeforeAutodiff)
    }

    fn expand(&self, cx: &mut OpCx<'_>) -> NodeId {
        let scaled = |cx: &mut OpCx<'_>, x: NodeId, factor: f64| if factor == 1.0 { x } else { cx.scaled(x, factor) };
        let [a, b] = [cx.operands[0], cx.operands[1]];
        let product = cx.add(self.product(), &[a, b]);
        let product = scaled(cx, product, self.alpha);
        let Some(&c) = cx.operands.get(2) else { return product };
        let c = scaled(cx, c, self.beta);
        cx.plus(product, c)
    }

    fn draw(draw: &mut dyn Draw) -> Option<Drawn<Self>> {
        let a = draw.tensor(&|shape| shape.rank() == 2)?;
        let [transpose_a, transpose_b] = [draw.flag(), draw.flag()];
        let inner = a.shape().0[usize::from(!transpose_a)];
        let mut dims = vec![inner, draw.size().into()];
        let columns = dims[1];
        if transpose_b {
            dims.reverse();
        }
        let b = draw.numbers(Shape(dims));
        let op = Gemm { alpha: [1.0, 0.5][draw.pick(2)], beta: [1.0, -2.0][draw.pick(2)], transpose_a, transpose_b };
        let mut operands = vec![a, b];
        if draw.flag() {
            operands.push(draw.learned(Shape(vec![columns])));
        }
        Some(Drawn::of(op, operands))
    }
}
