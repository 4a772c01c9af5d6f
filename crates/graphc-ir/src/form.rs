//! Index notation resolved for one batch size: what fusion and scheduling reason about.
//!
//! [`Form::of`] takes a node's [`Compute`] and turns skipped terms into loop bounds, strided gathers
//! into plain accesses, and reductions with exactly one term into maps. A pooling gradient whose
//! windows do not overlap thereby becomes elementwise, `dx[h] = dy[h / 2] / 4`.

use crate::compute::{Combine, Compute, IndexSource, IndexVar, LoadIndex, Order, ScalarExpr, Scan, Scatter};
use crate::graph::{Graph, NodeId, NodeIds};
use crate::index::{Affine, Var};
use crate::ops::Lowering;
use crate::scalar::BinaryOp;
use crate::types::{Dim, TensorType};
use std::ops::Index;

/// A node's loop form.
#[derive(Clone, Debug, PartialEq)]
pub enum Form {
    /// Its value is given.
    Leaf,
    /// Index notation.
    Point(Box<PointForm>),
    /// Population variance over axes.
    Variance {
        /// Reduced axes, ascending.
        axes: Vec<usize>,
    },
}

/// Index notation with bounds.
#[derive(Clone, Debug, PartialEq)]
pub struct PointForm {
    /// What loads read, by operand.
    pub operands: NodeIds,
    /// Extents of the output axes `Var(0)..`.
    pub extents: Vec<usize>,
    /// Position of the batch among the output axes.
    pub batch_axis: Option<usize>,
    /// Reductions, outermost first.
    pub reds: Vec<Red>,
    /// `None` if there are no reductions.
    pub combine: Option<Combine>,
    /// The term; every load has `exact == 1` and is in range within the bounds.
    pub body: ScalarExpr,
    /// Result as a function of `Acc` (of the term itself if there are no reductions).
    pub finish: ScalarExpr,
    /// Index variables, each with its number.
    pub indices: Vec<(Var, IndexVar)>,
    /// The order in which elements are computed, if it matters.
    pub order: Option<Order>,
    /// Digits whose pieces are computed together, see [`Compute::joint`].
    pub joint: Vec<Affine>,
    /// Whether the value is a part of the sum that reads it; [`Form::all`] knows.
    pub is_summand: bool,
}

/// One reduction axis: `max(low) <= var < min(high)`, and `0 <= var < extent`.
#[derive(Clone, Debug, PartialEq)]
pub struct Red {
    /// The variable.
    pub var: Var,
    /// Upper limit of the extent.
    pub extent: usize,
    /// Further lower bounds, over output axes; may contain division and remainder.
    pub low: Vec<Affine>,
    /// Further upper bounds.
    pub high: Vec<Affine>,
    /// Whether this is the batch.
    pub is_batch: bool,
}

/// A product of two loads, summed.
#[derive(Clone, Copy, Debug)]
pub struct Contraction<'a> {
    /// What the first factor is read of, and its index.
    pub a: (NodeId, &'a [LoadIndex]),
    /// The same of the second factor.
    pub b: (NodeId, &'a [LoadIndex]),
}

/// Forms of all nodes of a specialised graph, by node.
#[derive(Clone, Debug)]
pub struct Forms(Vec<Option<Form>>);

impl Index<&NodeId> for Forms {
    type Output = Form;

    fn index(&self, node: &NodeId) -> &Form {
        self.0[node.0 as usize].as_ref().expect("a node of the graph has a form")
    }
}

impl Forms {
    /// What the form of a node reads.
    pub fn operands(&self, graph: &Graph, node: NodeId) -> NodeIds {
        self[&node].as_point().map_or_else(|| graph.operands(node), |point| point.operands.clone())
    }

    /// The form of a node, to be changed.
    pub(crate) fn get_mut(&mut self, node: NodeId) -> &mut Form {
        self.0[node.0 as usize].as_mut().expect("a node of the graph has a form")
    }
}

impl Form {
    /// The form of `node`.
    ///
    /// # Panics
    /// If the graph is not specialised or the node is an unexpanded composite.
    pub fn of(graph: &Graph, node: NodeId) -> Form {
        let types = graph.operand_types(node);
        match graph.op(node).lower(&types, graph.ty(node)) {
            Lowering::Leaf => Form::Leaf,
            Lowering::Variance { axes } => Form::Variance { axes },
            Lowering::Composite(_) => panic!("{node} ({}) was not expanded", graph.op(node).name()),
            Lowering::Compute(compute) => {
                let batch = graph.batch.expect("the graph is specialised");
                Form::Point(Box::new(PointForm::new(compute, (graph.operands(node), &types), batch)))
            }
        }
    }

    /// Forms of all nodes, each by itself.
    pub(crate) fn each(graph: &Graph) -> Forms {
        let form = |id: NodeId| graph.contains(id).then(|| Form::of(graph, id));
        Forms((0..graph.id_bound() as u32).map(|id| form(NodeId(id))).collect())
    }

    /// The point form, if it is one.
    pub fn as_point(&self) -> Option<&PointForm> {
        match self {
            Form::Point(point) => Some(&**point),
            _ => None,
        }
    }

    /// Whether each result element needs one term only.
    pub fn is_map(&self) -> bool {
        self.as_point().is_some_and(PointForm::is_map)
    }

    /// Whether pieces are computed together, see [`Compute::joint`].
    pub fn is_joint(&self) -> bool {
        self.as_point().is_some_and(|point| !point.joint.is_empty())
    }

    /// Whether elements are computed in an order of their own, by a nest that computes nothing else.
    pub fn is_ordered(&self) -> bool {
        self.as_point().is_some_and(PointForm::is_ordered)
    }

    /// Whether the value is a part of the sum that reads it, and never has a buffer.
    pub fn is_summand(&self) -> bool {
        self.as_point().is_some_and(|point| point.is_summand)
    }

    /// The contraction, if it is one.
    pub fn as_contraction(&self) -> Option<Contraction<'_>> {
        self.as_point().and_then(PointForm::as_contraction)
    }
}

impl PointForm {
    /// Whether an output axis moves a window over a reduction: `r` in `x[p + r]`, summed over `p`.
    pub fn is_window(&self, axis: usize) -> bool {
        let Some(contraction) = self.as_contraction() else { return false };
        let is_red = |var: Var| self.reds.iter().any(|red| red.var == var);
        [contraction.a.1, contraction.b.1].into_iter().flatten().any(|index| {
            let mut uses_red = false;
            index.value.for_each_var(&mut |var| uses_red |= is_red(var));
            uses_red && index.value.uses(Var(axis as u32))
        })
    }

    fn new(compute: Compute, (operands, types): (NodeIds, &[&TensorType]), batch: usize) -> PointForm {
        let size = |dim: &Dim| match dim {
            Dim::Batch => batch,
            Dim::Fixed(size) => *size,
        };
        let rank = compute.axes.len();
        let first_index = (rank + compute.reds.len()) as u32;
        let mut form = PointForm {
            operands,
            extents: compute.axes.iter().map(size).collect(),
            batch_axis: compute.axes.iter().position(|&dim| dim == Dim::Batch),
            reds: Vec::new(),
            combine: compute.combine,
            body: compute.body,
            finish: compute.finish,
            indices: (first_index..).map(Var).zip(compute.indices).collect(),
            order: compute.order,
            joint: compute.joint,
            is_summand: false,
        };
        for (r, dim) in compute.reds.iter().enumerate() {
            let var = Var((rank + r) as u32);
            form.reds.push(Red {
                var,
                extent: size(dim),
                low: Vec::new(),
                high: Vec::new(),
                is_batch: *dim == Dim::Batch,
            });
        }
        form.resolve_guards(|operand, axis| size(&types[operand].shape.0[axis]) as i64);
        form.drop_single_terms();
        form.drop_inner_indices();
        form
    }

    /// Replaces index variables by their values where these never lie outside.
    fn drop_inner_indices(&mut self) {
        for (var, IndexVar { source, extent }) in std::mem::take(&mut self.indices) {
            let inside = match &source {
                IndexSource::Value(value) => {
                    let (low, high) = value.range(&|var| self.var_range(var));
                    (low >= 0 && high < extent as i64).then_some(value)
                }
                IndexSource::Word { .. } => None,
            };
            match inside {
                Some(value) => {
                    let replaced = |index: &Affine| replace(index, var, value);
                    let load = |index: &LoadIndex| LoadIndex { value: replaced(&index.value), exact: index.exact };
                    self.body = map_loads(&self.body, &load);
                    self.finish = map_loads(&self.finish, &load);
                }
                None => self.indices.push((var, IndexVar { source, extent })),
            }
        }
    }

    /// Whether each element needs one term only, and no other element.
    pub fn is_map(&self) -> bool {
        self.reds.is_empty() && !self.is_ordered()
    }

    /// Whether elements are computed in an order of their own, by a nest that computes nothing else.
    pub fn is_ordered(&self) -> bool {
        self.order.is_some()
    }

    /// Where terms go, if that is computed.
    pub fn scatter(&self) -> Option<Scatter> {
        self.order.and_then(Order::as_scatter)
    }

    /// The axis along which values go on, if one is.
    pub fn scan(&self) -> Option<Scan> {
        self.order.and_then(Order::as_scan)
    }

    /// Every operand that is read, as often as it is.
    pub fn for_each_load(&self, f: &mut impl FnMut(usize)) {
        for (_, index) in &self.indices {
            if let IndexSource::Word { operand, .. } = index.source {
                f(operand);
            }
        }
        [&self.body, &self.finish].into_iter().for_each(|expr| expr.for_each_load(f));
    }

    /// Whether operand `slot` is read at an index that words of another one say.
    pub fn is_gathered(&self, slot: usize) -> bool {
        if self.indices.is_empty() {
            return false;
        }
        let is_word = |(_, index): &&(Var, IndexVar)| matches!(index.source, IndexSource::Word { .. });
        let words: Vec<Var> = self.indices.iter().filter(is_word).map(|(var, _)| *var).collect();
        let mut loads = Vec::new();
        [&self.body, &self.finish].into_iter().for_each(|expr| collect_loads(expr, &mut loads));
        let uses_word = |index: &LoadIndex| words.iter().any(|&word| index.value.uses(word));
        loads.iter().any(|(operand, index)| *operand == slot && index.iter().any(uses_word))
    }

    /// As how many pieces of this map `node` is read, if each of its reads is one: where it is not read, others are.
    pub fn n_pieces(&self, node: NodeId) -> Option<usize> {
        if self.indices.is_empty() {
            return None;
        }
        let values = self.indices.iter().filter(|(_, index)| matches!(index.source, IndexSource::Value(_)));
        let values: Vec<Var> = values.map(|(var, _)| *var).collect();
        let mut loads = Vec::new();
        [&self.body, &self.finish].into_iter().for_each(|expr| collect_loads(expr, &mut loads));
        loads.retain(|(operand, _)| self.operands[*operand] == node);
        let is_piece = |index: &LoadIndex| values.iter().any(|&var| index.value.uses(var));
        let are_pieces = loads.iter().all(|(_, index)| index.iter().any(is_piece));
        (self.is_map() && !loads.is_empty() && are_pieces).then_some(loads.len())
    }

    /// Whether an index variable is a word of operand `slot`.
    pub fn is_index(&self, slot: usize) -> bool {
        let is_word = |source: &IndexSource| matches!(source, IndexSource::Word { operand, .. } if *operand == slot);
        self.indices.iter().any(|(_, index)| is_word(&index.source))
    }

    /// Whether the sum runs over the batch.
    pub fn reduces_batch(&self) -> bool {
        self.reds.iter().any(|red| red.is_batch)
    }

    /// Whether it is a sum of one term, that of the only sample of the batch.
    pub fn has_one_term(&self) -> bool {
        if self.is_ordered() {
            return false;
        }
        let is_single = |red: &Red| red.extent == 1 && red.low.is_empty() && red.high.is_empty();
        self.combine == Some(Combine::Sum) && self.reds.iter().all(is_single)
    }

    /// The contraction, if it is one.
    pub fn as_contraction(&self) -> Option<Contraction<'_>> {
        if self.is_ordered() || !self.indices.is_empty() {
            return None;
        }
        match (&self.body, self.combine, &self.finish) {
            (ScalarExpr::Binary(BinaryOp::Mul, a, b), Some(Combine::Sum), ScalarExpr::Acc) => match (&**a, &**b) {
                (ScalarExpr::Load { operand: a, index: ai }, ScalarExpr::Load { operand: b, index: bi }) => {
                    Some(Contraction { a: (self.operands[*a], ai), b: (self.operands[*b], bi) })
                }
                _ => None,
            },
            _ => None,
        }
    }

    /// Smallest and largest value of a variable.
    pub fn var_range(&self, var: Var) -> (i64, i64) {
        let extent = match self.extents.get(var.0 as usize) {
            Some(&extent) => extent,
            None => {
                let red = self.reds.iter().find(|red| red.var == var).map(|red| red.extent);
                let index = || self.indices.iter().find(|(index, _)| *index == var).map(|(_, index)| index.extent);
                red.or_else(index).unwrap_or(1)
            }
        };
        (0, extent as i64 - 1)
    }

    /// Turns "skip the term unless the index is exact and in range" into bounds on the reduction
    /// variable of that index.
    fn resolve_guards(&mut self, size: impl Fn(usize, usize) -> i64) {
        let mut loads = Vec::new();
        collect_loads(&self.body, &mut loads);
        let mut guards: Vec<(LoadIndex, i64)> = Vec::new();
        for (operand, index) in loads {
            for (axis, i) in index.iter().enumerate() {
                let (low, high) = i.value.range(&|var| self.var_range(var));
                let size = size(operand, axis);
                let is_known = || guards.iter().any(|known| known.0 == *i && known.1 == size);
                if (i.exact > 1 || low < 0 || high >= size) && !is_known() {
                    guards.push((i.clone(), size));
                }
            }
        }
        for (index, size) in guards {
            self.guard(&index, size);
        }
    }

    fn guard(&mut self, index: &LoadIndex, size: i64) {
        let red = self
            .reds
            .iter()
            .position(|red| index.value.coefficient(red.var) != 0)
            .expect("an index that can be out of range contains a reduction variable");
        let var = self.reds[red].var;
        let coefficient = index.value.coefficient(var);
        let base = index.value.add_scaled(&Affine::var(var), -coefficient);
        if index.exact > 1 {
            self.gather(red, &base, Steps { tap: -coefficient, window: index.exact }, size);
        } else if coefficient > 0 {
            // 0 <= base + step * var < size  <=>  ceil(-base / step) <= var < floor((size - 1 - base) / step) + 1
            let low = self.floor_div(&base.times(-1).plus_constant(coefficient - 1), coefficient);
            let high = self.floor_div(&base.times(-1).plus_constant(size - 1), coefficient);
            self.reds[red].low.push(low);
            self.reds[red].high.push(high.plus_constant(1));
        } else {
            self.bound_from_above(red, &base, -coefficient, size);
        }
    }

    /// `0 <= base - step * var < size  <=>  ceil((base - size + 1) / step) <= var < floor(base / step) + 1`
    fn bound_from_above(&mut self, red: usize, base: &Affine, step: i64, size: i64) {
        let low = self.floor_div(&base.plus_constant(step - size), step);
        let high = self.floor_div(base, step);
        self.reds[red].low.push(low);
        self.reds[red].high.push(high.plus_constant(1));
    }

    /// `floor(value / divisor)` of a value that may be negative: moved up by a multiple of the divisor first.
    fn floor_div(&self, value: &Affine, divisor: i64) -> Affine {
        let (least, _) = value.range(&|var| self.var_range(var));
        let turns = (-least).max(0).div_euclid(divisor) + 1;
        let moved = if least < 0 {
            value.plus_constant(turns * divisor).div(divisor).plus_constant(-turns)
        } else {
            value.div(divisor)
        };
        moved.simplify(&|var| self.var_range(var))
    }

    /// `(base - e*r) / d` exact, `e` steps of a tap and `d` of a window. With `g = gcd(d, e)`, `base = g*base'`,
    /// `d = g*d'`, `e = g*e'` and `i` the inverse of `e'` modulo `d'`: `r = phase + d'*t` with
    /// `phase = base' * i % d'`, and the index is `(base' - e'*phase) / d' - e'*t`. With taps that step by one that
    /// is `base / d - t`.
    fn gather(&mut self, red: usize, base: &Affine, steps: Steps, size: i64) {
        let (var, n_taps) = (self.reds[red].var, self.reds[red].extent as i64);
        let common = gcd(steps.window, steps.tap);
        let (d, e) = (steps.window / common, steps.tap / common);
        let part = base.div(common);
        let range = |v: Var| self.var_range(v);
        let phase = part.times(inverse(e, d)).modulo(d).simplify(&range);
        let whole = match e {
            1 => part.div(d).simplify(&range),
            _ => self.floor_div(&part.add_scaled(&phase, -e), d),
        };
        let tap = phase.plus(&Affine::var(var).times(d));
        // r < n_taps  <=>  t < (n_taps - 1 - phase + d) / d
        let n_steps = self.floor_div(&phase.times(-1).plus_constant(n_taps - 1 + d), d);
        let exact = |index: &LoadIndex| {
            index.exact == steps.window && index.value == base.add_scaled(&Affine::var(var), -steps.tap)
        };
        self.body = map_loads(&self.body, &|index| {
            if exact(index) {
                LoadIndex::from(whole.add_scaled(&Affine::var(var), -e))
            } else {
                LoadIndex { value: replace(&index.value, var, &tap), exact: index.exact }
            }
        });
        self.body = map_indices(&self.body, &|value| replace(value, var, &tap));
        self.map_sources(&|value| replace(value, var, &tap));
        self.reds[red].extent = (n_taps as usize).div_ceil(d as usize);
        self.bound_from_above(red, &whole, e, size);
        self.reds[red].high.push(n_steps);
        if common > 1 {
            // No tap at all unless `base` is a multiple: 0 = extent - extent * 1.
            let extent = self.reds[red].extent as i64;
            let is_no_multiple = base.modulo(common).plus_constant(common - 1).div(common);
            self.reds[red].high.push(is_no_multiple.times(-extent).plus_constant(extent));
        }
    }

    /// Changes what index variables are made of.
    fn map_sources(&mut self, f: &impl Fn(&Affine) -> Affine) {
        for (_, index) in &mut self.indices {
            match &mut index.source {
                IndexSource::Word { index, .. } => index.iter_mut().for_each(|value| *value = f(value)),
                IndexSource::Value(value) => *value = f(value),
            }
        }
    }

    /// Drops bounds that never bind, then reductions that have exactly one term.
    fn drop_single_terms(&mut self) {
        for i in 0..self.reds.len() {
            let red = self.reds[i].clone();
            let range = |v: Var| self.var_range(v);
            let low: Vec<Affine> =
                red.low.iter().map(|a| a.simplify(&range)).filter(|a| a.range(&range).1 > 0).collect();
            let high: Vec<Affine> =
                red.high.iter().map(|a| a.simplify(&range)).filter(|a| a.range(&range).0 < red.extent as i64).collect();
            (self.reds[i].low, self.reds[i].high) = (low, high);
        }
        let single = |red: &Red| red.extent == 1 && red.low.is_empty() && red.high.is_empty() && !red.is_batch;
        let is_sum = self.combine == Some(Combine::Sum) && !self.is_ordered();
        if !self.reds.is_empty() && is_sum && self.reds.iter().all(single) {
            for red in std::mem::take(&mut self.reds) {
                let zero = Affine::constant(0);
                self.body = map_loads(&self.body, &|index| LoadIndex::from(replace(&index.value, red.var, &zero)));
                self.body = map_indices(&self.body, &|value| replace(value, red.var, &zero));
                self.map_sources(&|value| replace(value, red.var, &zero));
            }
            self.combine = None;
        }
    }
}

/// Pixels from one tap, and from one window, to the next.
#[derive(Clone, Copy)]
struct Steps {
    tap: i64,
    window: i64,
}

fn gcd(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// What `value` times it is 1 modulo `modulus`; they have no common divisor.
fn inverse(value: i64, modulus: i64) -> i64 {
    (1..modulus).find(|inverse| value * inverse % modulus == 1).unwrap_or(1)
}

fn replace(value: &Affine, var: Var, by: &Affine) -> Affine {
    value.substitute(&|v| if v == var { by.clone() } else { Affine::var(v) })
}

/// Every load of an expression: the operand and its index.
fn collect_loads<'a>(expr: &'a ScalarExpr, loads: &mut Vec<(usize, &'a [LoadIndex])>) {
    if let ScalarExpr::Load { operand, index } = expr {
        loads.push((*operand, index));
    }
    expr.for_each_child(&mut |child| collect_loads(child, loads));
}

pub(crate) fn map_loads(expr: &ScalarExpr, f: &impl Fn(&LoadIndex) -> LoadIndex) -> ScalarExpr {
    match expr {
        ScalarExpr::Load { operand, index } => {
            ScalarExpr::Load { operand: *operand, index: index.iter().map(f).collect() }
        }
        other => other.map_children(&mut |child| map_loads(child, f)),
    }
}

pub(crate) fn map_indices(expr: &ScalarExpr, f: &impl Fn(&Affine) -> Affine) -> ScalarExpr {
    match expr {
        ScalarExpr::Index(value) => ScalarExpr::Index(f(value)),
        other => other.map_children(&mut |child| map_indices(child, f)),
    }
}

impl ScalarExpr {
    /// Calls `f` with every direct subexpression.
    pub fn for_each_child<'a>(&'a self, f: &mut impl FnMut(&'a ScalarExpr)) {
        match self {
            ScalarExpr::Unary(_, x) | ScalarExpr::Rounded(x) => f(x),
            ScalarExpr::Binary(_, a, b) => [a, b].into_iter().for_each(|x| f(x)),
            ScalarExpr::Select { a, b, then, otherwise, .. } => [a, b, then, otherwise].into_iter().for_each(|x| f(x)),
            ScalarExpr::Uniform { counter, key } => [counter, key].into_iter().for_each(|x| f(x)),
            _ => {}
        }
    }

    /// Calls `f` with the operand of every load.
    pub fn for_each_load(&self, f: &mut impl FnMut(usize)) {
        if let ScalarExpr::Load { operand, .. } = self {
            f(*operand);
        }
        self.for_each_child(&mut |child| child.for_each_load(f));
    }

    /// The same expression with every direct subexpression replaced.
    pub fn map_children(&self, f: &mut impl FnMut(&ScalarExpr) -> ScalarExpr) -> ScalarExpr {
        let mut boxed = |x: &ScalarExpr| Box::new(f(x));
        match self {
            ScalarExpr::Unary(op, x) => ScalarExpr::Unary(*op, boxed(x)),
            ScalarExpr::Rounded(x) => ScalarExpr::Rounded(boxed(x)),
            ScalarExpr::Binary(op, a, b) => ScalarExpr::Binary(*op, boxed(a), boxed(b)),
            ScalarExpr::Select { cmp, a, b, then, otherwise } => ScalarExpr::Select {
                cmp: *cmp,
                a: boxed(a),
                b: boxed(b),
                then: boxed(then),
                otherwise: boxed(otherwise),
            },
            ScalarExpr::Uniform { counter, key } => ScalarExpr::Uniform { counter: boxed(counter), key: boxed(key) },
            other => other.clone(),
        }
    }
}
