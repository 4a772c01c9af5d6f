//! Elementwise ops as steps of random graphs, all of them, by what they say of themselves.

use super::builder::Builder;
use graphc_ir::graph::NodeId;
use graphc_ir::ops::facts::{Domain, Jumps};
use graphc_ir::ops::*;
use graphc_ir::types::DType;
use graphc_ir::{Op, Tensor};

/// What a layer takes for its activation.
pub(super) fn activation(builder: &mut Builder) -> Option<NodeId> {
    draw(builder, |info| info.is_activation)
}

/// Any function of one number.
pub(super) fn unary(builder: &mut Builder) -> Option<NodeId> {
    draw(builder, |info| info.arity == 1)
}

/// Any function of several numbers.
pub(super) fn combination(builder: &mut Builder) -> Option<NodeId> {
    draw(builder, |info| info.arity > 1)
}

fn draw(builder: &mut Builder, fits: impl Fn(&OpInfo) -> bool) -> Option<NodeId> {
    let of_elements = |info: &&OpInfo| info.elementwise.is_some() && fits(info);
    let ops: Vec<&OpInfo> = Op::ALL.iter().filter(of_elements).collect();
    let info = ops[builder.pick(ops.len())];
    let samples = info.samples();
    let op = samples[builder.pick(samples.len())].clone();
    let x = builder.tensor(|_| true)?;
    let mut operands = vec![x];
    while operands.len() < info.arity {
        operands.push(builder.partner(x)?);
    }
    if info.arity > 1 && builder.pick(2) == 1 {
        operands.swap(0, 1);
    }
    apply(builder, op, &operands)
}

/// The op on these tensors, or on something of them that lies in its domains; a function of steps on inputs of
/// their shapes, times the first of them.
fn apply(builder: &mut Builder, op: Op, tensors: &[NodeId]) -> Option<NodeId> {
    let nature = op.elementwise()?;
    let (mut operands, mut intervals) = (Vec::new(), Vec::new());
    for (&tensor, &domain) in tensors.iter().zip(nature.domains) {
        let shape = builder.shape(tensor);
        let given = if nature.jumps == Jumps::InValue { builder.input(DType::F32, shape)? } else { tensor };
        let operand = confined(builder, given, domain)?;
        intervals.push(domain.interval(builder.bound(operand)));
        operands.push(operand);
    }
    let bound = greatest(&op, &intervals);
    let result = builder.add(op, &operands, bound)?;
    match nature.jumps {
        Jumps::InValue => {
            let bound = builder.bound(result) * builder.bound(tensors[0]);
            builder.add(Mul {}, &[result, tensors[0]], bound)
        }
        _ => Some(result),
    }
}

/// `x`, or something of it that lies in the domain.
fn confined(builder: &mut Builder, x: NodeId, domain: Domain) -> Option<NodeId> {
    let tame = |builder: &mut Builder, most| match builder.bound(x) > most {
        true => builder.add(Tanh {}, &[x], 1.0),
        false => Some(x),
    };
    match domain {
        Domain::Any => Some(x),
        Domain::Within(most) => {
            let x = tame(builder, most)?;
            if builder.bound(x) <= most {
                return Some(x);
            }
            let factor = builder.constant(most)?;
            builder.add(Mul {}, &[x, factor], most)
        }
        // The square of what is larger would be scaled down, and its least value with it.
        Domain::AtLeast(least) => {
            let x = tame(builder, 5.0)?;
            builder.square_plus(x, least)
        }
    }
}

/// The greatest magnitude of the op's results on operands in these intervals: on a grid, ends included.
fn greatest(op: &Op, intervals: &[[f64; 2]]) -> f64 {
    let n_points: usize = if intervals.len() == 1 { 33 } else { 9 };
    let len = n_points.pow(intervals.len() as u32);
    let operand = |(axis, [low, high]): (usize, &[f64; 2])| {
        let share = |i: usize| (i / n_points.pow(axis as u32) % n_points) as f64 / (n_points - 1) as f64;
        Tensor::from_fn(&[len], |index| low + (high - low) * share(index[0]))
    };
    let operands: Vec<Tensor<f64>> = intervals.iter().enumerate().map(operand).collect();
    let results = op.eval(&operands.iter().collect::<Vec<_>>(), &[len]).data;
    assert!(results.iter().all(|x| x.is_finite()), "{op:?} on {intervals:?}: its domains are smaller than it says");
    results.iter().fold(0.0, |greatest, x| greatest.max(x.abs()))
}
