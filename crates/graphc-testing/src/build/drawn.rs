//! Any op as a step of random graphs, by what it says of itself.

use super::builder::{Builder, Source};
use crate::op_cases::Random;
use graphc_ir::graph::NodeId;
use graphc_ir::ops::draw::{Draw, Drawn, Operand};
use graphc_ir::ops::facts::{Domain, Jumps};
use graphc_ir::ops::*;
use graphc_ir::types::{DType, Dim, Shape, TensorType};
use graphc_ir::{Op, Tensor};

/// What a layer takes for its activation.
pub(super) fn activation(builder: &mut Builder) -> Option<NodeId> {
    any_of(builder, |info| info.is_activation)
}

/// Any function of one number.
pub(super) fn unary(builder: &mut Builder) -> Option<NodeId> {
    any_of(builder, |info| info.elementwise.is_some() && info.arity == 1)
}

/// Any function of several numbers.
pub(super) fn combination(builder: &mut Builder) -> Option<NodeId> {
    any_of(builder, |info| info.elementwise.is_some() && info.arity > 1)
}

/// Any op that is no elementwise op; what depends on the mode has steps of its own.
pub(super) fn other(builder: &mut Builder) -> Option<NodeId> {
    any_of(builder, |info| info.elementwise.is_none() && info.not_drawn.is_none() && !info.depends_on_mode)
}

/// Any loss.
pub(super) fn loss(builder: &mut Builder) -> Option<NodeId> {
    any_of(builder, |info| info.loss.is_some())
}

/// Any op that depends on the mode.
pub(super) fn layer(builder: &mut Builder) -> Option<NodeId> {
    any_of(builder, |info| info.depends_on_mode)
}

/// One of these.
pub(super) fn one_of(builder: &mut Builder, names: &[&str]) -> Option<NodeId> {
    any_of(builder, |info| names.contains(&info.name))
}

fn any_of(builder: &mut Builder, fits: impl Fn(&OpInfo) -> bool) -> Option<NodeId> {
    let ops: Vec<&OpInfo> = Op::ALL.iter().filter(|info| fits(info)).collect();
    let info = ops[builder.pick(ops.len())];
    builder.chosen.clear();
    let drawn = info.draw(builder)?;
    apply(builder, drawn)
}

/// The op on its operands, or on something of them that lies in its domains.
fn apply(builder: &mut Builder, drawn: Drawn<Op>) -> Option<NodeId> {
    let Drawn { op, operands, bound, jumps } = drawn;
    let is_step = jumps || op.elementwise().is_some_and(|nature| nature.jumps == Jumps::InValue);
    let types: Vec<TensorType> = operands.iter().map(|operand| operand.ty.clone()).collect();
    let types: Vec<&TensorType> = types.iter().collect();
    op.infer(&types).ok()?;
    let is_integer = |op: &Op| op.infer(&types).is_ok_and(|ty| ty.dtype == DType::I32);
    let gives_integers = op.results().iter().any(is_integer);
    let (mut nodes, mut intervals) = (Vec::new(), Vec::new());
    for (i, operand) in operands.iter().enumerate() {
        let domain = op.domain(i, &types);
        let mut node = match &builder.chosen[operand.key] {
            // What is computed may be on the other side of a step in another engine.
            Source::Node(_) if is_step => builder.input(DType::F32, operand.ty.shape.clone())?,
            _ => made(builder, operand, domain)?,
        };
        if gives_integers && operand.ty.dtype == DType::F32 && !is_step {
            node = parted(builder, node)?;
        }
        let node = confined(builder, node, domain)?;
        intervals.push(domain.interval(builder.bound(node)));
        nodes.push(node);
    }
    let bound = bound.unwrap_or_else(|| greatest(builder, &op, &nodes, &intervals));
    let mut result = None;
    for part in op.results() {
        // Others than the drawn one may be read by later steps.
        let is_drawn = part == op;
        let node = builder.add(part, &nodes, bound)?;
        match is_drawn {
            true => result = Some(node),
            false if is_integer(&builder.graph.op(node).clone()) => builder.integers.push(node),
            false => builder.tensors.push(node),
        }
    }
    let mut result = result?;
    if is_integer(&op) {
        builder.integers.push(result);
        result = told(builder, result)?;
    }
    let reads_computed = operands.iter().any(|operand| matches!(builder.chosen[operand.key], Source::Node(_)));
    if reads_computed && !is_step { Some(result) } else { as_factor(builder, result) }
}

/// What depends on nothing that is learned, times something, if there is anything that fits.
fn as_factor(builder: &mut Builder, x: NodeId) -> Option<NodeId> {
    let shape = builder.shape(x);
    match builder.node(|other| other.broadcast(&shape).is_ok()) {
        Some(other) => builder.add(Mul {}, &[x, other], builder.bound(x) * builder.bound(other)),
        None => Some(x),
    }
}

/// The node of an operand. Given numbers may be computed by others.
fn made(builder: &mut Builder, operand: &Operand, domain: Domain) -> Option<NodeId> {
    match builder.chosen[operand.key].clone() {
        Source::Node(id) => Some(id),
        Source::Learned(shape) => builder.parameter(shape),
        Source::Kept(shape) => builder.parameter_of(shape, false),
        Source::Given(ty) => {
            let is_below = |bound: f64| match domain {
                Domain::Below(end) | Domain::BelowOr { end, .. } => bound < end as f64,
                _ => true,
            };
            let computed = if ty.dtype == DType::I32 { &builder.integers } else { &builder.tensors };
            let mut computed = computed.iter().rev().copied();
            let same = computed.find(|&id| *builder.graph.ty(id) == ty && is_below(builder.bound(id)));
            match same.filter(|_| builder.pick(2) == 1) {
                Some(id) => Some(id),
                None => builder.input(ty.dtype, ty.shape),
            }
        }
    }
}

/// `x` and something learned along its last dimension: after this, ties between values that differ by rounding only
/// are unlikely.
fn parted(builder: &mut Builder, x: NodeId) -> Option<NodeId> {
    let Some(&Dim::Fixed(size)) = builder.shape(x).0.last() else { return None };
    let offsets = builder.parameter(Shape::fixed(&[size]))?;
    let bound = builder.bound(x) + builder.bound(offsets);
    builder.add(Add {}, &[x, offsets], bound)
}

/// Numbers that tell integers: rows with a one at each, or where they are the same as others.
fn told(builder: &mut Builder, integers: NodeId) -> Option<NodeId> {
    let (shape, depth) = (builder.shape(integers), builder.bound(integers) as usize + 1);
    if shape.rank() < 4 && builder.pick(2) == 0 {
        return builder.add(OneHot { depth }, &[integers], 1.0);
    }
    let others = builder.input(DType::I32, shape)?;
    builder.add(Equal {}, &[integers, others], 1.0)
}

/// `x`, or something of it that lies in the domain.
fn confined(builder: &mut Builder, x: NodeId, domain: Domain) -> Option<NodeId> {
    let tame = |builder: &mut Builder, most| match builder.bound(x) > most {
        true => builder.add(Tanh {}, &[x], 1.0),
        false => Some(x),
    };
    match domain {
        Domain::Any | Domain::Below(_) | Domain::BelowOr { .. } => Some(x),
        Domain::Within(most) => {
            let x = tame(builder, most)?;
            if builder.bound(x) <= most {
                return Some(x);
            }
            let factor = builder.constant(most)?;
            builder.add(Mul {}, &[x, factor], most)
        }
        Domain::AtLeast(least) if least <= 0.25 && is_kept(builder, x) => Some(x),
        // The square of what is larger would be scaled down, and its least value with it.
        Domain::AtLeast(least) => {
            let x = tame(builder, 5.0)?;
            builder.square_plus(x, least)
        }
        Domain::Share => {
            let is_row = matches!(builder.shape(x).0.last(), Some(Dim::Fixed(2..)));
            if builder.pick(2) == 0 || !is_row {
                return builder.add(Sigmoid {}, &[x], 1.0);
            }
            // Probabilities so small that a logarithm is infinite would not be tame.
            let tame = tame(builder, 2.0)?;
            builder.add(Softmax { axis: -1 }, &[tame], 1.0)
        }
    }
}

fn is_kept(builder: &Builder, id: NodeId) -> bool {
    matches!(builder.graph.op(id), Op::Parameter(parameter) if !parameter.trainable)
}

/// Operands whose ends are tried in every combination, at most.
const MOST_CHOSEN: usize = 3;

/// The greatest magnitude of the op's results on operands in these intervals. An elementwise op is computed on a grid,
/// ends included, any other on ends by chance, and with few operands on every choice of an end for each: a product may
/// be greatest where one factor is at its lower end.
fn greatest(builder: &Builder, op: &Op, operands: &[NodeId], intervals: &[[f64; 2]]) -> f64 {
    if matches!(op, Op::BatchSize(_)) {
        return builder.batch as f64;
    }
    let types: Vec<&TensorType> = operands.iter().map(|&id| builder.graph.ty(id)).collect();
    let Ok(ty) = op.infer(&types) else { return 0.0 };
    let of = |operands: Vec<Tensor<f64>>, out: &[usize]| {
        let results = op.eval(&operands.iter().collect::<Vec<_>>(), out).data;
        assert!(results.iter().all(|x| x.is_finite()), "{op:?} on {intervals:?}: its domains are smaller than it says");
        results.iter().fold(0.0, |greatest: f64, x| greatest.max(x.abs()))
    };
    if op.elementwise().is_some() {
        let (operands, len) = grid(intervals);
        return of(operands, &[len]);
    }
    let with = |is_high: &mut dyn FnMut(usize) -> bool| {
        let tensor = |(at, (&id, &[low, high])): (usize, (&NodeId, &[f64; 2]))| {
            Tensor::from_fn(&builder.graph.sizes(id), |_| if is_high(at) { high } else { low })
        };
        let operands = operands.iter().zip(intervals).enumerate().map(tensor).collect();
        of(operands, &ty.shape.sizes(Some(builder.batch)))
    };
    let by_chance = [1, 2].map(|seed| {
        let mut random = Random::new(seed);
        with(&mut |_| random.below(1 + seed) == 0)
    });
    let n_choices = if operands.len() <= MOST_CHOSEN { 1 << operands.len() } else { 1 };
    let chosen = (0..n_choices).map(|lower: usize| with(&mut |at| lower >> at & 1 == 0));
    chosen.chain(by_chance).fold(0.0, f64::max)
}

/// Operands with every combination of a few numbers of these intervals, and how many that are.
fn grid(intervals: &[[f64; 2]]) -> (Vec<Tensor<f64>>, usize) {
    let n_points: usize = if intervals.len() == 1 { 33 } else { 9 };
    let len = n_points.pow(intervals.len() as u32);
    let operand = |(axis, [low, high]): (usize, &[f64; 2])| {
        let share = |i: usize| (i / n_points.pow(axis as u32) % n_points) as f64 / (n_points - 1) as f64;
        Tensor::from_fn(&[len], |index| low + (high - low) * share(index[0]))
    };
    (intervals.iter().enumerate().map(operand).collect(), len)
}
