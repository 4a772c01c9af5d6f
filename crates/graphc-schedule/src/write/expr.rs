//! Writes fused scalar expressions as loop-IR values.

use crate::decide::copies::Copies;
use crate::decide::samples;
use crate::machine::Hardware;
use crate::memory::buffers::Buffers;
use crate::write::builder::{Builder, bounded};
use crate::write::math;
use graphc_ir::compute::{Combine, Nan};
use graphc_ir::form::Forms;
use graphc_ir::graph::plan::FusionPlan;
use graphc_ir::graph::{Graph, NodeId};
use graphc_ir::index::{Affine, Atom, Var};
use graphc_ir::loops::{Access, Expr, LoopKind, Stmt, ValueId};
use graphc_ir::point::{BATCH, ExprId, PointDag, PointExpr, PointRed};
use graphc_ir::scalar::{CHUNK, CmpOp, LANES};
use graphc_ir::types::DType;
use std::collections::{BTreeMap, BTreeSet};

/// What all nests of a program share.
pub(crate) struct Cx<'a> {
    pub(crate) graph: &'a Graph,
    pub(crate) forms: &'a Forms,
    pub(crate) plan: &'a FusionPlan,
    pub(crate) buffers: &'a Buffers,
    pub(crate) copies: &'a Copies,
    pub(crate) machine: Hardware,
}

impl Cx<'_> {
    /// Samples per step.
    pub(crate) fn batch(&self) -> usize {
        self.graph.batch.expect("the graph is specialised")
    }

    /// Chunks of samples.
    pub(crate) fn n_chunks(&self) -> usize {
        samples::n_chunks(self.batch())
    }

    /// Vectors per chunk; a batch of at most 8 samples leaves the second half untouched.
    pub(crate) fn n_halves(&self) -> usize {
        samples::n_halves(self.batch())
    }

    /// Whether the last vector of samples has padding lanes.
    pub(crate) fn is_ragged(&self) -> bool {
        !self.buffers.features_are_lanes() && samples::is_ragged(self.batch())
    }
}

/// Where along the batch a nest is.
#[derive(Clone, Debug)]
pub(crate) struct BatchAt {
    /// Chunk number.
    pub(crate) chunk: Affine,
    /// Sample within the chunk: `8 * half + lane`.
    pub(crate) sample: Affine,
}

impl BatchAt {
    /// Sample number.
    pub(crate) fn index(&self) -> Affine {
        self.chunk.times(CHUNK as i64).plus(&self.sample)
    }
}

/// What no scope knows: the value so far of a scan.
const SO_FAR: Var = Var(u32::MAX - 1);

/// How a sweep finds a value that is joined from partial results.
pub(crate) type JoinFn<'a> = dyn Fn(&mut Builder, NodeId) -> ValueId + 'a;

/// Nests that join nothing.
pub(crate) fn no_join(_: &mut Builder, node: NodeId) -> ValueId {
    panic!("{node} is joined in a sweep without a batch")
}

/// Writes expressions of one dag into the open block of a builder.
pub(crate) struct Emitter<'a> {
    pub(crate) cx: &'a Cx<'a>,
    pub(crate) dag: PointDag<'a>,
    /// Loop-IR index of every variable of the dag that is in scope.
    pub(crate) vars: BTreeMap<Var, Affine>,
    /// Smallest and largest value of loop variables.
    pub(crate) ranges: BTreeMap<Var, (i64, i64)>,
    /// Where along the batch; `None` in nests without one.
    pub(crate) batch: Option<BatchAt>,
    /// The number of the lane, in a region whose lanes are neighbours along an axis.
    pub(crate) lane: Option<Var>,
    /// In a flat sweep the word index that stands for every index of the swept shape.
    pub(crate) flat: Option<Affine>,
    /// By expression, as far as it is known in the open scope.
    values: Vec<Option<ValueId>>,
    /// What was known of expressions before they got another value, the latest last.
    before: Vec<(ExprId, Option<ValueId>)>,
    /// Index variables known in the open scope.
    indices: Vec<(Affine, Var)>,
    /// Those of the dag, which are in `vars`.
    bound: Vec<Var>,
    /// How much of each was there when each scope was opened.
    scopes: Vec<[usize; 3]>,
    /// By expression, ascending, if it was asked for.
    free_vars: Vec<Option<Vec<Var>>>,
}

impl<'a> Emitter<'a> {
    pub(crate) fn new(cx: &'a Cx<'a>) -> Emitter<'a> {
        Emitter {
            cx,
            dag: PointDag::new(cx.graph, cx.forms, &cx.plan.stored),
            vars: BTreeMap::new(),
            ranges: BTreeMap::new(),
            batch: None,
            lane: None,
            flat: None,
            values: Vec::new(),
            before: Vec::new(),
            indices: Vec::new(),
            bound: Vec::new(),
            scopes: Vec::new(),
            free_vars: Vec::new(),
        }
    }

    /// Runs `f` inside a block: what it computes is forgotten afterwards.
    pub(crate) fn scope<T>(&mut self, f: impl FnOnce(&mut Self) -> T) -> T {
        self.open_scope();
        let result = f(self);
        self.close_scope();
        result
    }

    /// Enters a block.
    pub(crate) fn open_scope(&mut self) {
        self.scopes.push([self.before.len(), self.indices.len(), self.bound.len()]);
    }

    /// Leaves a block; what was computed in it is forgotten.
    pub(crate) fn close_scope(&mut self) {
        let [n_values, n_indices, n_bound] = self.scopes.pop().expect("a scope is open");
        for (id, value) in self.before.drain(n_values..).rev() {
            self.values[id.0 as usize] = value;
        }
        self.indices.truncate(n_indices);
        self.bound.drain(n_bound..).for_each(|var| _ = self.vars.remove(&var));
    }

    /// Declares the loop variable of a dag variable.
    pub(crate) fn bind(&mut self, var: Var, loop_index: Affine) {
        self.vars.insert(var, loop_index);
    }

    /// Lets `id` be an existing value within the current scope.
    pub(crate) fn define(&mut self, id: ExprId, value: ValueId) {
        let number = id.0 as usize;
        if number >= self.values.len() {
            self.values.resize(self.dag.len().max(number + 1), None);
        }
        self.before.push((id, self.values[number].replace(value)));
    }

    /// Finds the variables an expression depends on, those of its own reductions excluded.
    fn find_free_vars(&mut self, id: ExprId) {
        self.free_vars.resize(self.dag.len(), None);
        if self.free_vars[id.0 as usize].is_some() {
            return;
        }
        let mut vars = Vec::new();
        // An index variable is known where what it is made of is, which is among the children.
        let is_own = |var: &Var| self.dag.source(*var).is_none();
        self.dag.for_each_index(id, &mut |index| index.for_each_var(&mut |var| vars.extend(Some(var).filter(is_own))));
        for child in self.dag.children(id) {
            self.find_free_vars(child);
            vars.extend(self.free_vars[child.0 as usize].iter().flatten());
        }
        match self.dag.expr(id) {
            PointExpr::Reduce { reds, .. } => vars.retain(|&var| reds.iter().all(|red| red.var != var)),
            // A scan's value so far is known at its own point alone; joined values differ from element to element,
            // whatever the sweep's variables are called.
            PointExpr::Joined(node) => vars.push(if self.cx.forms[node].is_ordered() { SO_FAR } else { BATCH }),
            _ => {}
        }
        vars.sort_unstable();
        vars.dedup();
        self.free_vars[id.0 as usize] = Some(vars);
    }

    /// An index over dag variables as an affine index over loop variables; divisions and remainders
    /// that remain become index variables of their own.
    pub(crate) fn index(&mut self, b: &mut Builder, index: &Affine) -> Affine {
        let mut unbound = Vec::new();
        index.for_each_var(&mut |var| {
            unbound.extend(self.dag.source(var).filter(|_| !self.vars.contains_key(&var)).map(|_| var))
        });
        unbound.into_iter().for_each(|var| self.bind_index(b, var));
        let over_loops = index.substitute(&|var| match var {
            BATCH => self.batch.as_ref().expect("a batch index stands in a nest over the batch").index(),
            var => self.vars.get(&var).unwrap_or_else(|| panic!("{var} is not in scope")).clone(),
        });
        self.flatten(b, over_loops)
    }

    /// Gives an index variable of the dag its value in the open scope.
    fn bind_index(&mut self, b: &mut Builder, var: Var) {
        let source = self.dag.source(var).expect("it has a value of its own");
        let last = self.dag.var_range(var).1;
        let extent = last as usize + 1;
        let value = match self.dag.expr(source).clone() {
            PointExpr::Load { node, index } => {
                let from = self.access(b, node, &index);
                let var = b.load_index(from, extent);
                self.ranges.insert(var, (0, last));
                Affine::var(var)
            }
            PointExpr::Index(value) => {
                let value = self.index(b, &value);
                let ranges = &self.ranges;
                let (low, high) = value.range(&|var| ranges.get(&var).copied().unwrap_or((0, i64::from(i32::MAX))));
                // Behind the end of a row there is padding.
                let most = match self.lane.filter(|&lane| value.uses(lane)) {
                    Some(_) => extent.next_multiple_of(LANES) as i64 - 1,
                    None => last,
                };
                if low >= 0 && high <= most {
                    value
                } else {
                    let var = b.clamp_index(value, extent);
                    self.ranges.insert(var, (0, last));
                    Affine::var(var)
                }
            }
            other => unreachable!("{other:?} is no place to look for an index"),
        };
        self.vars.insert(var, value);
        self.bound.push(var);
    }

    /// An index over loop variables without divisions and remainders.
    fn flatten(&mut self, b: &mut Builder, index: Affine) -> Affine {
        if index.is_affine() {
            return index;
        }
        let ranges = &self.ranges;
        let range = |var: Var| ranges.get(&var).copied().unwrap_or((0, i64::from(i32::MAX)));
        let simple = index.simplify(&range);
        let mut sum = Affine::constant(simple.offset);
        for (atom, coefficient) in &simple.terms {
            let value = match atom {
                Atom::Var(var) => Affine::var(*var),
                Atom::Div(inner, divisor) => self.let_index(b, inner, |inner| inner.div(*divisor)),
                Atom::Mod(inner, divisor) => self.let_index(b, inner, |inner| inner.modulo(*divisor)),
            };
            sum.accumulate(&value, *coefficient);
        }
        sum
    }

    fn let_index(&mut self, b: &mut Builder, inner: &Affine, f: impl FnOnce(Affine) -> Affine) -> Affine {
        let inner = self.flatten(b, inner.clone());
        let value = f(inner);
        if let Some((_, var)) = self.indices.iter().find(|(known, _)| *known == value) {
            return Affine::var(*var);
        }
        let var = b.var();
        let ranges = &self.ranges;
        let range = value.range(&|var| ranges.get(&var).copied().unwrap_or((0, i64::from(i32::MAX))));
        self.ranges.insert(var, range);
        b.push(Stmt::LetIndex { var, value: value.clone() });
        self.indices.push((value, var));
        Affine::var(var)
    }

    /// Where a stored node's element stands.
    pub(crate) fn access(&mut self, b: &mut Builder, node: NodeId, index: &[Affine]) -> Access {
        let cx = self.cx;
        let buffer = cx.buffers.node(node);
        let layout = cx.buffers.layout(buffer);
        if let (Some(flat), false) = (&self.flat, layout.len() == 1) {
            return Access { buffer, index: flat.clone() };
        }
        let mut word = Affine::constant(0);
        for (axis, i) in index.iter().enumerate() {
            if layout.batch_axis == Some(axis) {
                assert_eq!(i.as_var(), Some(BATCH), "samples are never mixed by an index");
                let at = self.batch.as_ref().expect("a batch tensor is read in a nest over the batch");
                word.accumulate(&at.chunk, layout.chunk_stride as i64);
                word.accumulate(&at.sample, 1);
            } else if layout.shape[axis] > 1 {
                let i = self.index(b, i);
                word.accumulate(&i, layout.strides[axis] as i64);
            }
        }
        Access { buffer, index: word }
    }

    /// The value of an expression, computed in the open block unless it is already known.
    pub(crate) fn emit(&mut self, b: &mut Builder, id: ExprId, join: &JoinFn<'_>) -> ValueId {
        if let Some(&Some(value)) = self.values.get(id.0 as usize) {
            return value;
        }
        let value = match self.dag.expr(id).clone() {
            PointExpr::Load { node, index } => {
                let from = self.access(b, node, &index);
                b.load(from)
            }
            PointExpr::F32(bits) => b.f32(f32::from_bits(bits)),
            PointExpr::I32(value) => b.i32(value),
            PointExpr::Index(value) => {
                let value = self.index(b, &value);
                b.value(Expr::Index(value))
            }
            PointExpr::Joined(node) => join(b, node),
            PointExpr::Unary(op, x) => {
                let x = self.emit(b, x, join);
                math::function(b, op, x).unwrap_or_else(|| b.unary(op, x))
            }
            PointExpr::Sum { terms, products } => self.emit_sum(b, &terms, &products, join),
            PointExpr::Binary(op, x, y) => {
                let [x, y] = [x, y].map(|id| self.emit(b, id, join));
                b.binary(op, x, y)
            }
            PointExpr::Select { cmp, args } if self.comes_out(cmp, args).is_some() => {
                let chosen = if self.comes_out(cmp, args) == Some(true) { args[2] } else { args[3] };
                self.emit(b, chosen, join)
            }
            PointExpr::Select { cmp, args } => {
                let [x, y, then, otherwise] = args.map(|id| self.emit(b, id, join));
                b.select(cmp, [x, y], then, otherwise)
            }
            PointExpr::Uniform(counter, key) => {
                let [counter, key] = [counter, key].map(|id| self.emit(b, id, join));
                math::uniform(b, counter, key)
            }
            PointExpr::Reduce { .. } => self.emit_reduce(b, id, join),
        };
        self.define(id, value);
        value
    }

    /// How the comparison of a selection comes out in the open scope, if it is the same for all that is computed there.
    fn comes_out(&self, cmp: CmpOp, args: [ExprId; 4]) -> Option<bool> {
        let PointExpr::Index(index) = self.dag.expr(args[0]) else { return None };
        let mut is_known = true;
        let over_loops = index.substitute(&|var| {
            let value = self.vars.get(&var).cloned().filter(|_| var != BATCH);
            is_known.then_some(value).flatten().unwrap_or_else(|| Affine::var(BATCH))
        });
        over_loops.for_each_var(&mut |var| is_known &= self.ranges.contains_key(&var));
        let range = |var: Var| self.ranges.get(&var).copied().unwrap_or((0, 0));
        match self.dag.expr(args[1]) {
            PointExpr::I32(number) if is_known => {
                cmp.eval_range(over_loops.simplify(&range).range(&range), i64::from(*number))
            }
            _ => None,
        }
    }

    /// Whether a selection compares an index with a number.
    fn is_piece(&self, args: [ExprId; 4]) -> bool {
        matches!((self.dag.expr(args[0]), self.dag.expr(args[1])), (PointExpr::Index(_), PointExpr::I32(_)))
    }

    /// What of `roots` is computed in the open scope, children first: not what selections leave out there.
    fn needed(&self, roots: &[ExprId]) -> Vec<ExprId> {
        if !self.dag.has_pieces() {
            return self.dag.reachable(roots);
        }
        let (mut needed, mut left) = (BTreeSet::new(), roots.to_vec());
        while let Some(id) = left.pop() {
            if !needed.insert(id) {
                continue;
            }
            match *self.dag.expr(id) {
                PointExpr::Select { cmp, args } => match self.comes_out(cmp, args) {
                    Some(holds) => left.push(if holds { args[2] } else { args[3] }),
                    // An index that chooses a piece is no value until it is known that it does not.
                    None => left.extend(args.into_iter().skip(if self.is_piece(args) { 2 } else { 0 })),
                },
                // What an index variable is made of is an index where it is used, and no value.
                PointExpr::Load { .. } | PointExpr::Index(_) => {
                    let is_value = |id: &ExprId| !matches!(self.dag.expr(*id), PointExpr::Index(_));
                    left.extend(self.dag.children(id).into_iter().filter(is_value));
                }
                _ => left.extend(self.dag.children(id)),
            }
        }
        needed.into_iter().collect()
    }

    /// Terms added in order, then products, each rounded together with the sum.
    fn emit_sum(&mut self, b: &mut Builder, terms: &[ExprId], products: &[[ExprId; 2]], join: &JoinFn<'_>) -> ValueId {
        let terms: Vec<ValueId> = terms.iter().map(|&term| self.emit(b, term, join)).collect();
        let (&first, others) = terms.split_first().expect("a sum has terms");
        let sum = others.iter().fold(first, |sum, &term| b.add(sum, term));
        products.iter().fold(sum, |sum, factors| {
            let [x, y] = factors.map(|factor| self.emit(b, factor, join));
            b.fma(x, y, sum)
        })
    }

    /// Computes, in the open block, whatever part of `roots` depends only on variables in scope and
    /// `allowed`.
    pub(crate) fn hoist(
        &mut self,
        b: &mut Builder,
        roots: &[ExprId],
        allowed: &dyn Fn(Var) -> bool,
        join: &JoinFn<'_>,
    ) {
        for id in self.needed(roots) {
            self.find_free_vars(id);
            if self.free_vars[id.0 as usize].iter().flatten().copied().all(allowed) {
                self.emit(b, id, join);
            }
        }
    }

    /// A reduction within one sample (or without a batch), as loops around an accumulator.
    fn emit_reduce(&mut self, b: &mut Builder, id: ExprId, join: &JoinFn<'_>) -> ValueId {
        let PointExpr::Reduce { reds, combine, body, contracted } = self.dag.expr(id).clone() else {
            unreachable!("a reduction is asked for")
        };
        // Of a product that is not rounded by itself only the factors.
        let parts = if contracted { self.dag.children(body) } else { vec![body] };
        let known: BTreeSet<Var> = self.vars.keys().copied().chain(self.batch.as_ref().map(|_| BATCH)).collect();
        self.hoist(b, &parts, &|var| known.contains(&var), join);
        let start = match combine {
            Combine::Sum => b.f32(0.0),
            Combine::Max | Combine::ArgMax(_) => b.f32(f32::NEG_INFINITY),
        };
        let acc = b.acc(start);
        let position = combine.is_position().then(|| {
            let none = b.i32(-1);
            b.acc(none)
        });
        let fixed = reds.iter().all(|red| red.low.is_empty() && red.high.is_empty());
        let small = reds.iter().map(|red| red.extent).product::<usize>() <= 16;
        let kind = if fixed && small { LoopKind::Unroll } else { LoopKind::Serial };
        self.reduce_loops(b, &reds, kind, &mut |this, b| {
            let parts: Vec<ValueId> = parts.iter().map(|&part| this.emit(b, part, join)).collect();
            let before = b.get(acc);
            match combine {
                Combine::Sum => {
                    let sum = match parts[..] {
                        [x, y] => b.fma(x, y, before),
                        _ => b.add(before, parts[0]),
                    };
                    b.set(acc, sum);
                }
                Combine::Max => {
                    let greater = b.maximum(parts[0], before);
                    b.set(acc, greater);
                }
                Combine::ArgMax(nan) => {
                    let (position, term) = (position.expect("made above"), parts[0]);
                    let linear = reds
                        .iter()
                        .fold(Affine::constant(0), |sum, red| sum.times(red.extent as i64).plus(&this.vars[&red.var]));
                    let here = b.value(Expr::Index(linear));
                    let best = b.get(position);
                    let value = b.maximum(term, before);
                    let index = b.select(CmpOp::Gt, [term, before], here, best);
                    let at_nan = match nan {
                        Nan::First => b.select(CmpOp::Ne, [before, before], best, here),
                        Nan::Last => here,
                    };
                    let index = b.select(CmpOp::Ne, [term, term], at_nan, index);
                    // The first term is the greatest so far, even if it is minus infinity.
                    let zero = b.i32(0);
                    let index = b.select(CmpOp::Lt, [best, zero], here, index);
                    b.set(acc, value);
                    b.set(position, index);
                }
            }
        });
        b.get(position.unwrap_or(acc))
    }

    /// Loops over `reds`, outermost first, each body in a scope of its own.
    pub(crate) fn reduce_loops(
        &mut self,
        b: &mut Builder,
        reds: &[PointRed],
        kind: LoopKind,
        f: &mut dyn FnMut(&mut Self, &mut Builder),
    ) {
        let Some((red, rest)) = reds.split_first() else { return f(self, b) };
        let low = red.low.iter().map(|bound| self.index(b, bound)).collect();
        let high = red.high.iter().map(|bound| self.index(b, bound)).collect();
        let var = b.var();
        self.ranges.insert(var, (0, red.extent as i64 - 1));
        self.bind(red.var, Affine::var(var));
        b.for_range(bounded(var, red.extent, low, high), kind, |b| {
            self.scope(|this| this.reduce_loops(b, rest, kind, f));
        });
        self.vars.remove(&red.var);
    }

    /// Stores a node's element; padding samples of a batch tensor are stored as zero.
    pub(crate) fn store(&mut self, b: &mut Builder, node: NodeId, index: &[Affine], value: ValueId) {
        let is_batch = self.cx.graph.ty(node).shape.batch_axis().is_some();
        let value = if is_batch { self.masked(b, value, self.cx.graph.ty(node).dtype, 0.0) } else { value };
        let to = self.access(b, node, index);
        b.store(to, value);
    }

    /// `value` in lanes that hold a sample, `otherwise` in padding lanes.
    pub(crate) fn masked(&mut self, b: &mut Builder, value: ValueId, dtype: DType, otherwise: f32) -> ValueId {
        let (true, Some(at)) = (self.cx.is_ragged(), &self.batch) else { return value };
        let sample = b.value(Expr::Index(at.index()));
        let batch = b.i32(self.cx.batch() as i32);
        let otherwise = match dtype {
            DType::F32 => b.f32(otherwise),
            DType::I32 => b.i32(otherwise as i32),
        };
        b.select(CmpOp::Lt, [sample, batch], value, otherwise)
    }
}
