//! Evaluates a [`Compute`] in `f64`, straight from its definition.

use graphc_ir::compute::{Combine, Compute, IndexSource, LoadIndex, Nan, Order, ScalarExpr, Scan, Scatter, uniform};
use graphc_ir::index::Affine;
use graphc_ir::scalar::{BinaryOp, UnaryOp};
use graphc_ir::tensor::for_each_index;
use graphc_ir::types::{Shape, TensorType};
use graphc_ir::{Real, Tensor};

/// The result of `compute` at batch size `batch`. Fails if a load that no reduction guards is
/// out of range.
pub(crate) fn evaluate(compute: &Compute, operands: &[&Tensor<f64>], batch: usize) -> Tensor<f64> {
    let axes = Shape(compute.axes.clone()).sizes(Some(batch));
    let reds = Shape(compute.reds.clone()).sizes(Some(batch));
    Tensor::from_fn(&axes, |axis| {
        let mut point = Point { compute, operands, batch, vars: Vec::new(), acc: None };
        let acc = match (compute.combine, compute.order.and_then(Order::as_scan)) {
            (None, Some(scan)) => return scanned(&mut point, axis, axes[scan.axis], scan),
            (None, None) => {
                point.stand_at(axis.to_vec());
                point.value(&compute.body).expect("an op without reduction reads inside its operands")
            }
            (Some(combine), _) => reduced(&mut point, axis, &reds, combine),
        };
        point.vars = axis.to_vec();
        point.acc = Some(acc);
        point.value(&compute.finish).expect("the finish reads inside the operands")
    })
}

/// The value at a coordinate of a scan: from where it begins to there.
fn scanned(point: &mut Point<'_>, axis: &[usize], size: usize, scan: Scan) -> f64 {
    let own = axis[scan.axis];
    let (mut acc, mut order) = (scan.start, (0..size).collect::<Vec<_>>());
    if scan.reversed {
        order.reverse();
    }
    let n_steps = order.iter().position(|&at| at == own).expect("a coordinate") + usize::from(!scan.exclusive);
    for &at in &order[..n_steps] {
        let mut here = axis.to_vec();
        here[scan.axis] = at;
        point.stand_at(here);
        point.acc = Some(acc);
        acc = point.value(&point.compute.body).expect("a scan reads inside its operands");
    }
    acc
}

fn reduced(point: &mut Point<'_>, axis: &[usize], reds: &[usize], combine: Combine) -> f64 {
    let (mut sum, mut terms, mut position) = (0.0, Vec::new(), 0);
    for_each_index(reds, |red| {
        point.stand_at([axis, red].concat());
        let first = axis.len() + red.len();
        let goes_here = |scatter: Scatter| point.vars[first + scatter.index] == axis[scatter.axis];
        if point.compute.order.and_then(Order::as_scatter).is_none_or(goes_here)
            && let Some(term) = point.value(&point.compute.body)
        {
            sum += term;
            terms.push((position, term));
        }
        position += 1;
    });
    let max = terms.iter().fold(f64::NEG_INFINITY, |max, term| max.max(term.1));
    let mut nans = terms.iter().filter(|term| term.1.is_nan());
    let nan = match combine {
        Combine::ArgMax(Nan::Last) => nans.next_back(),
        _ => nans.next(),
    };
    match combine {
        Combine::Sum => sum,
        Combine::Max => nan.map_or(max, |term| term.1),
        Combine::ArgMax(_) => {
            let greatest = nan.or_else(|| terms.iter().find(|term| term.1 == max)).expect("at least one term");
            f64::from(greatest.0)
        }
    }
}

/// Where an expression is evaluated.
struct Point<'a> {
    compute: &'a Compute,
    operands: &'a [&'a Tensor<f64>],
    batch: usize,
    vars: Vec<usize>,
    acc: Option<f64>,
}

impl Point<'_> {
    /// Coordinates of axes and reductions; index variables follow.
    fn stand_at(&mut self, vars: Vec<usize>) {
        self.vars = vars;
        for index in &self.compute.indices {
            let at = |value: &Affine| value.eval(&|var| self.vars[var.0 as usize] as i64);
            let value = match &index.source {
                IndexSource::Value(value) => at(value) as f64,
                IndexSource::Word { operand, index } => {
                    let index: Vec<usize> = index.iter().map(|value| at(value) as usize).collect();
                    self.operands[*operand].at(&index)
                }
            };
            self.vars.push(value.clamp(0.0, index.extent as f64 - 1.0) as usize);
        }
    }

    /// The value, integers as exact reals; `None` if a load is to be skipped.
    fn value(&self, expr: &ScalarExpr) -> Option<f64> {
        Some(match expr {
            ScalarExpr::Load { operand, index } => self.load(self.operands[*operand], index)?,
            ScalarExpr::Const(value) => *value,
            ScalarExpr::BatchSize => self.batch as f64,
            ScalarExpr::Int(value) => f64::from(*value),
            ScalarExpr::Index(value) => value.eval(&|var| self.vars[var.0 as usize] as i64) as f64,
            ScalarExpr::Acc => self.acc.expect("`Acc` stands in `finish` only"),
            ScalarExpr::Unary(op, x) => unary(*op, self.value(x)?),
            ScalarExpr::Rounded(x) => self.value(x)?,
            ScalarExpr::Binary(op, a, b) => binary(*op, self.value(a)?, self.value(b)?),
            ScalarExpr::Select { cmp, a, b, then, otherwise } => {
                // A load that is skipped skips the term, whichever side it stands on.
                let [then, otherwise] = [self.value(then)?, self.value(otherwise)?];
                if cmp.eval(self.value(a)?, self.value(b)?) { then } else { otherwise }
            }
            ScalarExpr::Uniform { counter, key } => {
                f64::from(uniform(integer(self.value(counter)?), integer(self.value(key)?)))
            }
        })
    }

    fn load(&self, operand: &Tensor<f64>, index: &[LoadIndex]) -> Option<f64> {
        assert_eq!(index.len(), operand.shape.len(), "one index per dimension");
        let at = index.iter().zip(&operand.shape).map(|(i, &size)| {
            let value = i.value.eval(&|var| self.vars[var.0 as usize] as i64);
            let inside = value % i.exact == 0 && (0..size as i64).contains(&(value / i.exact));
            inside.then_some((value / i.exact) as usize)
        });
        Some(operand.at(&at.collect::<Option<Vec<usize>>>()?))
    }
}

fn integer(value: f64) -> i32 {
    assert_eq!(value, f64::from(value as i32), "an i32 is expected");
    value as i32
}

fn unary(op: UnaryOp, x: f64) -> f64 {
    match op {
        UnaryOp::Neg => -x,
        UnaryOp::Abs => x.abs(),
        UnaryOp::Sqrt => x.sqrt(),
        UnaryOp::Floor => x.floor(),
        UnaryOp::Ceil => x.ceil(),
        UnaryOp::Round => x.round_ties_even(),
        UnaryOp::Trunc => x.trunc(),
        UnaryOp::Exp => x.exp(),
        UnaryOp::Log => x.ln(),
        UnaryOp::Tanh => x.tanh(),
        UnaryOp::Erf => Real::erf(x),
        UnaryOp::Ndtr => Real::ndtr(x),
        UnaryOp::Sin => x.sin(),
        UnaryOp::Cos => x.cos(),
        UnaryOp::Expm1 => x.exp_m1(),
        UnaryOp::Log1p => x.ln_1p(),
        UnaryOp::ToI32 => x.trunc(),
        UnaryOp::ToF32 => f64::from(integer(x)),
        _ => panic!("{} stands in the loop IR only", op.name()),
    }
}

fn binary(op: BinaryOp, a: f64, b: f64) -> f64 {
    match op {
        BinaryOp::Add => a + b,
        BinaryOp::Sub => a - b,
        BinaryOp::Mul => a * b,
        BinaryOp::Div => a / b,
        BinaryOp::Max => a.max(b),
        BinaryOp::Min => a.min(b),
        op => f64::from(op.eval_i32(integer(a), integer(b))),
    }
}

/// Whether the dtype of every operand and result fits the expression's leaves: `i32` operands are
/// compared or hashed, never used as `f32`.
pub(crate) fn check_types(compute: &Compute, operands: &[&TensorType], out: &TensorType) {
    use graphc_ir::DType;
    let is_position = compute.combine.is_some_and(Combine::is_position);
    let acc = if is_position { DType::I32 } else { DType::F32 };
    let body = dtype(&compute.body, operands, acc);
    let reduced = if is_position { DType::I32 } else { body };
    assert_eq!(dtype(&compute.finish, operands, reduced), out.dtype, "type of the result");
}

fn dtype(expr: &ScalarExpr, operands: &[&TensorType], acc: graphc_ir::DType) -> graphc_ir::DType {
    use graphc_ir::DType::{F32, I32};
    let of = |x: &ScalarExpr| dtype(x, operands, acc);
    match expr {
        ScalarExpr::Load { operand, .. } => operands[*operand].dtype,
        ScalarExpr::Const(_) | ScalarExpr::BatchSize => F32,
        ScalarExpr::Int(_) | ScalarExpr::Index(_) => I32,
        ScalarExpr::Acc => acc,
        ScalarExpr::Unary(op, x) => {
            let [operand, result] = op.types();
            assert_eq!(of(x), operand, "operand of {}", op.name());
            result
        }
        ScalarExpr::Rounded(x) => of(x),
        ScalarExpr::Binary(op, a, b) => {
            let expected = if op.is_integer() { I32 } else { F32 };
            assert_eq!([of(a), of(b)], [expected; 2], "operands of {}", op.name());
            expected
        }
        ScalarExpr::Select { a, b, then, otherwise, .. } => {
            assert_eq!(of(a), of(b), "compared types");
            assert_eq!(of(then), of(otherwise), "selected types");
            of(then)
        }
        ScalarExpr::Uniform { counter, key } => {
            assert_eq!([of(counter), of(key)], [I32; 2], "counter and key");
            F32
        }
    }
}
