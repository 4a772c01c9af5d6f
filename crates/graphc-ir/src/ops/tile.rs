//! `tile`: a tensor again and again along its axes.

use super::draw::{Draw, Drawn};
use super::facts::Usage;
use super::repetition::{Copies, repeated};
use super::{Expand, OpRules};
use crate::attrs::OpAttrs;
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::tensor::{Real, Tensor};
use crate::types::{DType, Dim, Shape, TensorType, TypeError};

op_struct! {
    /// `y[i, j, ..] = x[i mod size, j mod size, ..]`: NumPy's `tile`. Gradients of copies add up.
    pub struct Tile {
        /// How often along each dimension; 1 for the batch.
        pub repeats: Vec<usize> where Positive,
    }
}

impl OpRules for Tile {
    const NAME: &'static str = "tile";
    const ARITY: usize = 1;
    const SUMMARY: &'static str = "the whole tensor again and again along its dimensions";
    const USAGE: Option<Usage> = Some(Usage {
        purpose: "Repeats a pattern. Where sizes are 1, arithmetic does so by itself.",
        node: "pattern",
        reads: &[("row", DType::F32, &[1, 8])],
        attributes: || Tile { repeats: vec![1, 20, 2] }.attrs(),
        ..Usage::PLAIN
    });
    const IS_EXACT: bool = true;

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        let (x, repeats) = (operands[0], &self.repeats);
        if repeats.len() != x.rank() {
            let message = format!("tile expects {} repeats, one for each dimension of {x}, got {repeats:?}", x.rank());
            return Err(TypeError::new(message));
        }
        let size = |(dim, &n): (&Dim, &usize)| match dim {
            Dim::Batch if n == 1 => Ok(Dim::Batch),
            Dim::Batch => Err(TypeError::operand(0, format!("tile cannot repeat the batch dimension N of {x}"))),
            Dim::Fixed(size) => Ok(Dim::Fixed(size.saturating_mul(n))),
        };
        let dims = x.shape.0.iter().zip(repeats).map(size).collect::<Result<_, _>>()?;
        Ok(TensorType { dtype: x.dtype, shape: Shape(dims) })
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        let x = operands[0];
        Tensor::from_fn(out, |index| {
            let from: Vec<usize> = index.iter().zip(&x.shape).map(|(i, size)| i % size).collect();
            x.at(&from)
        })
    }

    fn composite(&self, _: &[&TensorType]) -> Option<Expand> {
        Some(Expand::BeforeAutodiff)
    }

    fn expand(&self, cx: &mut OpCx<'_>) -> NodeId {
        let repeats = self.repeats.iter().enumerate().filter(|&(_, &n)| n > 1);
        repeats.fold(cx.operands[0], |x, (axis, &n)| repeated(cx, x, axis, n, Copies::Whole))
    }

    fn draw(draw: &mut dyn Draw) -> Option<Drawn<Self>> {
        let x = draw.any()?;
        let mut repeats = vec![1; x.ty.rank()];
        for (n, dim) in repeats.iter_mut().zip(&x.shape().0) {
            *n = if *dim == Dim::Batch { 1 } else { [1, 2, 1, 3][draw.pick(4)] };
        }
        let bound = x.bound;
        Some(Drawn::of(Tile { repeats }, [x]).within(bound))
    }
}
