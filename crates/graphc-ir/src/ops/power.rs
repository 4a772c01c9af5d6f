//! `power`: numbers to the power of a given exponent.

use super::facts::{Domain, Elementwise, FEATURES, Usage};
use super::{Exp, Expand, Log, OpRules, Reciprocal, Sqrt, elementwise};
use crate::attrs::OpAttrs;
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::tensor::{Real, Tensor};
use crate::types::{TensorType, TypeError};

op_struct! {
    /// `x^exponent`. Integer exponents are products (`x^0` is 1, even of NaN), of which negative ones take the
    /// reciprocal; 0.5 is `sqrt`, -0.5 its reciprocal. Any other is `exp(exponent * log(x))`: NaN below 0, at 0 its
    /// limit, elsewhere with a relative error of some `2e-7 * (1 + |exponent * log(x)|)`.
    pub struct Power {
        /// The exponent.
        pub exponent: f64,
    }
}

/// How a power is computed.
enum Way {
    /// As a product of so many factors.
    Product(u64),
    /// As the reciprocal of one.
    OverProduct(u64),
    Root,
    OverRoot,
    /// By `exp` and `log`.
    Exponential,
}

impl Power {
    fn way(&self) -> Way {
        // Every number of this size is an even integer.
        const MOST: f64 = 9e15;
        let n_factors = self.exponent.abs().min(MOST) as u64;
        match self.exponent {
            0.5 => Way::Root,
            -0.5 => Way::OverRoot,
            exponent if exponent.fract() != 0.0 => Way::Exponential,
            exponent if exponent < 0.0 => Way::OverProduct(n_factors),
            _ => Way::Product(n_factors),
        }
    }
}

/// The product of `n` factors `x`, at least one, by squaring.
fn product<T: Copy>(n: u64, x: T, times: &mut impl FnMut(T, T) -> T) -> T {
    if n == 1 {
        return x;
    }
    let half = product(n / 2, x, times);
    let even = times(half, half);
    if n % 2 == 1 { times(even, x) } else { even }
}

impl OpRules for Power {
    const NAME: &'static str = "power";
    const ARITY: usize = 1;
    const SUMMARY: &'static str = "`x` to the power of `exponent`";
    const USAGE: Option<Usage> = Some(Usage {
        purpose: "Cubes, roots and other powers; of values below 0 integer ones alone, others give NaN.",
        node: "cube",
        reads: &[FEATURES],
        attributes: || Power { exponent: 3.0 }.attrs(),
        ..Usage::PLAIN
    });
    const ELEMENTWISE: Option<Elementwise> = Some(Elementwise::of(&[Domain::AtLeast(0.25)]));

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        if self.exponent.is_finite() {
            return elementwise::infer(operands);
        }
        Err(TypeError::new(format!("power expects a finite `exponent`, got {}", self.exponent)))
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        let exponent = R::from_f64(self.exponent);
        match self.way() {
            Way::Product(0) => Tensor::full(out, 1.0),
            Way::Product(n) => elementwise::eval(operands, out, |[x]| product(n, x, &mut |a, b| a * b)),
            Way::OverProduct(n) => {
                elementwise::eval(operands, out, |[x]| R::one() / product(n, x, &mut |a, b| a * b))
            }
            Way::Root => elementwise::eval(operands, out, |[x]| x.sqrt()),
            Way::OverRoot => elementwise::eval(operands, out, |[x]| R::one() / x.sqrt()),
            Way::Exponential => elementwise::eval(operands, out, |[x]| (exponent * x.ln()).exp()),
        }
    }

    fn vjp(&self, cx: &mut OpCx<'_>, dy: NodeId) -> Vec<Option<NodeId>> {
        // dx = dy * exponent * x^(exponent - 1), 0 for an exponent of 0
        if self.exponent == 0.0 {
            return vec![None];
        }
        let power = cx.add(Power { exponent: self.exponent - 1.0 }, &[cx.operands[0]]);
        let slope = cx.scaled(power, self.exponent);
        vec![Some(cx.times(dy, slope))]
    }

    fn composite(&self, _: &[&TensorType]) -> Option<Expand> {
        Some(Expand::AfterAutodiff)
    }

    fn expand(&self, cx: &mut OpCx<'_>) -> NodeId {
        let x = cx.operands[0];
        match self.way() {
            Way::Product(0) => {
                let one = cx.constant(1.0);
                let shape = cx.ty(x).shape;
                cx.broadcast_to(one, &shape)
            }
            Way::Product(n) => product(n, x, &mut |a, b| cx.times(a, b)),
            Way::OverProduct(n) => {
                let product = product(n, x, &mut |a, b| cx.times(a, b));
                cx.add(Reciprocal {}, &[product])
            }
            Way::Root => cx.add(Sqrt {}, &[x]),
            Way::OverRoot => {
                let root = cx.add(Sqrt {}, &[x]);
                cx.add(Reciprocal {}, &[root])
            }
            Way::Exponential => {
                let log = cx.add(Log {}, &[x]);
                let scaled = cx.scaled(log, self.exponent);
                cx.add(Exp {}, &[scaled])
            }
        }
    }

    fn domain(&self, _: usize, _: &[&TensorType]) -> Domain {
        match self.way() {
            Way::Product(_) => Domain::Any,
            _ => Domain::AtLeast(0.25),
        }
    }
}
