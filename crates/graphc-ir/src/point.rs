//! Fused scalar expressions: a node's value at an index, with producers that have no buffer
//! inlined by substituting the reader's index for their axes.
//!
//! Expressions are hash-consed, so a value read twice at the same index is one expression, and
//! children always have smaller ids than their parents. What an expression comes to does not depend on which
//! producers were inlined: only summands (see [`crate::summands`]) are rounded together with their reader, and these
//! always are.

mod indices;
mod sum;

use crate::compute::{Combine, ScalarExpr};
use crate::form::{Form, Forms, PointForm, Red};
use crate::graph::plan::Root;
use crate::graph::{Graph, NodeId};
use crate::index::{Affine, Atom, Var};
use crate::loops::Layout;
use crate::scalar::{BinaryOp, CmpOp, UnaryOp};
use crate::types::DType;
use rustc_hash::{FxBuildHasher, FxHasher};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{Hash, Hasher};

/// The index along the batch dimension, whichever position it has.
pub const BATCH: Var = Var(u32::MAX);

/// An expression of one [`PointDag`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ExprId(pub u32);

/// A fused scalar expression.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PointExpr {
    /// Element of a node that has a buffer.
    Load {
        /// The node.
        node: NodeId,
        /// One index per dimension.
        index: Vec<Affine>,
    },
    /// Bits of an `f32` constant.
    F32(u32),
    /// An `i32` constant.
    I32(i32),
    /// An index as `i32`.
    Index(Affine),
    /// One operand.
    Unary(UnaryOp, ExprId),
    /// Two operands. Sums are [`PointExpr::Sum`].
    Binary(BinaryOp, ExprId, ExprId),
    /// Terms, added in order, then products, each a fused multiply-add that goes on from the sum so far.
    Sum {
        /// At least one.
        terms: Vec<ExprId>,
        /// Two factors each.
        products: Vec<[ExprId; 2]>,
    },
    /// `a <cmp> b ? then : otherwise`.
    Select {
        /// The comparison.
        cmp: CmpOp,
        /// `a`, `b`, `then`, `otherwise`.
        args: [ExprId; 4],
    },
    /// Counter-based random number: counter, key.
    Uniform(ExprId, ExprId),
    /// A batch reduction's partial results, joined, or a scan's value so far; at the element the sweep is at.
    Joined(NodeId),
    /// A reduction over axes of one sample (or of a tensor without a batch).
    Reduce {
        /// Loops, outermost first.
        reds: Vec<PointRed>,
        /// How terms are combined.
        combine: Combine,
        /// The term.
        body: ExprId,
        /// Whether each term is a product, rounded together with the sum.
        contracted: bool,
    },
}

/// One loop of an inlined reduction.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PointRed {
    /// Variable, unique in the dag.
    pub var: Var,
    /// `0 <= var < extent`.
    pub extent: usize,
    /// Further lower bounds.
    pub low: Vec<Affine>,
    /// Further upper bounds, excluded.
    pub high: Vec<Affine>,
}

/// Expressions of one loop nest.
pub struct PointDag<'a> {
    graph: &'a Graph,
    forms: &'a Forms,
    stored: &'a BTreeSet<NodeId>,
    exprs: Vec<PointExpr>,
    /// By hash, or the next number that was free.
    ids: HashMap<u64, ExprId, FxBuildHasher>,
    /// By variable.
    extents: Vec<usize>,
    /// Reduction variables with bounds: their loop may have no turn at all, so what depends on them stays inside.
    bounded: BTreeSet<Var>,
    /// What index variables are the nearest possible values of: elements of stored nodes, or indices.
    sources: BTreeMap<Var, ExprId>,
    /// Whether pieces are chosen by indices.
    has_pieces: bool,
    /// Whether reads are of memory, whatever they were given as.
    reads_memory: bool,
    /// What reads of a node at some indices are.
    given: HashMap<NodeId, Vec<(Vec<Affine>, ExprId)>, FxBuildHasher>,
}

impl<'a> PointDag<'a> {
    /// An empty dag over a graph of which the nodes in `stored` have buffers.
    pub fn new(graph: &'a Graph, forms: &'a Forms, stored: &'a BTreeSet<NodeId>) -> PointDag<'a> {
        PointDag {
            graph,
            forms,
            stored,
            exprs: Vec::new(),
            ids: HashMap::default(),
            extents: Vec::new(),
            bounded: BTreeSet::new(),
            sources: BTreeMap::new(),
            has_pieces: false,
            reads_memory: false,
            given: HashMap::default(),
        }
    }

    /// A new variable of the iteration space.
    pub fn new_var(&mut self, extent: usize) -> Var {
        self.extents.push(extent);
        Var(self.extents.len() as u32 - 1)
    }

    /// Index with which a node is read at its own axes: `axes[i]` for dimension `i`, with the
    /// batch dimension read at [`BATCH`].
    pub fn own_index(&self, node: NodeId, axes: &[Affine]) -> Vec<Affine> {
        let batch = self.graph.ty(node).shape.batch_axis();
        let at = |(i, axis): (usize, &Affine)| if Some(i) == batch { Affine::var(BATCH) } else { axis.clone() };
        axes.iter().enumerate().map(at).collect()
    }

    /// Lets later reads of `node` at `index` be `expr`.
    pub fn give(&mut self, node: NodeId, index: Vec<Affine>, expr: ExprId) {
        let index = self.simplified(index);
        self.set_given(node, index, expr);
    }

    fn set_given(&mut self, node: NodeId, index: Vec<Affine>, expr: ExprId) {
        let given = self.given.entry(node).or_default();
        match given.iter_mut().find(|(known, _)| *known == index) {
            Some((_, known)) => *known = expr,
            None => given.push((index, expr)),
        }
    }

    /// The expression.
    pub fn expr(&self, id: ExprId) -> &PointExpr {
        &self.exprs[id.0 as usize]
    }

    /// Number of expressions.
    pub fn len(&self) -> usize {
        self.exprs.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.exprs.is_empty()
    }

    /// Smallest and largest value of a variable.
    pub fn var_range(&self, var: Var) -> (i64, i64) {
        (0, self.extent(var).map_or(0, |extent| extent as i64 - 1))
    }

    fn extent(&self, var: Var) -> Option<usize> {
        if var == BATCH { Some(self.graph.batch.unwrap_or(1)) } else { self.extents.get(var.0 as usize).copied() }
    }

    /// Adds an expression.
    pub fn intern(&mut self, expr: PointExpr) -> ExprId {
        let mut hasher = FxHasher::default();
        expr.hash(&mut hasher);
        let mut key = hasher.finish();
        while let Some(&id) = self.ids.get(&key) {
            if self.exprs[id.0 as usize] == expr {
                return id;
            }
            key = key.wrapping_add(1);
        }
        let id = ExprId(self.exprs.len() as u32);
        self.exprs.push(expr);
        self.ids.insert(key, id);
        id
    }

    /// Value of `node` at `index`: a load if it has a buffer, its definition otherwise.
    pub fn read(&mut self, node: NodeId, index: Vec<Affine>) -> ExprId {
        let index = self.simplified(index);
        let is_in_memory = self.stored.contains(&node) || matches!(self.forms[&node], Form::Leaf);
        let given = self.given.get(&node).and_then(|given| given.iter().find(|(known, _)| *known == index));
        if let Some(&(_, given)) = given.filter(|_| !self.reads_memory) {
            return given;
        }
        if is_in_memory {
            return self.intern(PointExpr::Load { node, index });
        }
        let value = self.define(node, index.clone());
        self.set_given(node, index, value);
        value
    }

    /// The definition of `node` at `index`, even if it has a buffer.
    ///
    /// # Panics
    /// On a leaf, a variance, or a reduction over several samples: those are never inlined.
    pub fn define(&mut self, node: NodeId, index: Vec<Affine>) -> ExprId {
        let forms = self.forms;
        let form = forms[&node].as_point().unwrap_or_else(|| panic!("{node} has no definition to inline"));
        assert!(!form.reduces_batch() || form.has_one_term(), "{node} reduces the batch");
        assert!(!form.is_ordered(), "{node} has an order of its own");
        let operands = &form.operands;
        let mut vars = index;
        if form.reds.is_empty() {
            self.bind_indices(form, &mut vars);
        }
        let term = match form.combine {
            None => self.scalar(&form.body, operands, &vars, None),
            Some(_) if form.has_one_term() => {
                vars.extend(form.reds.iter().map(|_| Affine::constant(0)));
                self.bind_indices(form, &mut vars);
                self.sum_of_one_term(form, &vars)
            }
            Some(combine) => self.reduction(form, combine, &mut vars),
        };
        self.scalar(&form.finish, operands, &vars, Some(term))
    }

    /// The term of a batch reduction at operand axes given by `vars` (its output axes, then its
    /// reduction variables).
    fn term(&mut self, node: NodeId, vars: &[Affine]) -> ExprId {
        let forms = self.forms;
        let form = forms[&node].as_point().unwrap_or_else(|| panic!("{node} has no term"));
        let mut vars = vars.to_vec();
        self.bind_indices(form, &mut vars);
        self.scalar(&form.body, &form.operands, &vars, None)
    }

    /// What a batch reduction makes of its joined sum.
    pub fn finish(&mut self, node: NodeId, index: &[Affine], joined: ExprId) -> ExprId {
        let forms = self.forms;
        let form = forms[&node].as_point().unwrap_or_else(|| panic!("{node} has no finish"));
        self.scalar(&form.finish, &form.operands, index, Some(joined))
    }

    fn reduction(&mut self, form: &PointForm, combine: Combine, vars: &mut Vec<Affine>) -> ExprId {
        let mut reds = Vec::new();
        for red in &form.reds {
            let var = self.new_var(red.extent);
            debug_assert_eq!(red.var.0 as usize, vars.len(), "reductions follow the axes");
            vars.push(Affine::var(var));
            if !(red.low.is_empty() && red.high.is_empty()) {
                self.bounded.insert(var);
            }
            let bound = |a: &Affine| self.simplified_one(&a.substitute(&|v| vars[v.0 as usize].clone()));
            let (low, high) = (red.low.iter().map(bound).collect(), red.high.iter().map(bound).collect());
            reds.push(PointRed { var, extent: red.extent, low, high });
        }
        self.bind_indices(form, vars);
        let body = self.scalar(&form.body, &form.operands, vars, None);
        let contracted = form.sums_products(self.forms);
        self.intern(PointExpr::Reduce { reds, combine, body, contracted })
    }

    fn scalar(&mut self, expr: &ScalarExpr, operands: &[NodeId], vars: &[Affine], acc: Option<ExprId>) -> ExprId {
        let substitute = |value: &Affine| value.substitute(&|v| vars[v.0 as usize].clone());
        let expr = match expr {
            ScalarExpr::Load { operand, index } => {
                let index = index.iter().map(|i| substitute(&i.value)).collect();
                return self.read(operands[*operand], index);
            }
            ScalarExpr::Acc => return acc.expect("`Acc` stands in `finish` only"),
            ScalarExpr::Const(value) => PointExpr::F32((*value as f32).to_bits()),
            ScalarExpr::BatchSize => {
                PointExpr::F32((self.graph.batch.expect("the graph is specialised") as f32).to_bits())
            }
            ScalarExpr::Int(value) => PointExpr::I32(*value),
            ScalarExpr::Index(value) => PointExpr::Index(self.simplified_one(&substitute(value))),
            ScalarExpr::Unary(op, x) => PointExpr::Unary(*op, self.scalar(x, operands, vars, acc)),
            ScalarExpr::Rounded(x) => return self.scalar(x, operands, vars, acc),
            ScalarExpr::Binary(BinaryOp::Add, ..) => {
                return self.sum(expr, operands, vars, acc);
            }
            ScalarExpr::Binary(op, a, b) => {
                let [a, b] = [a, b].map(|x| self.scalar(x, operands, vars, acc));
                PointExpr::Binary(*op, a, b)
            }
            ScalarExpr::Select { cmp, a, b, then, otherwise } => {
                let mut args = [a, b, then, otherwise].map(|x| self.scalar(x, operands, vars, acc));
                if matches!(cmp, CmpOp::Gt | CmpOp::Le) && self.is_zero(args[1]) {
                    args[0] = self.before_relu(args[0]);
                }
                if let Some(holds) = self.compares(*cmp, args[0], args[1], &|var| self.var_range(var)) {
                    return if holds { args[2] } else { args[3] };
                }
                let [a, b] = [args[0], args[1]].map(|arg| self.expr(arg));
                self.has_pieces |= matches!((a, b), (PointExpr::Index(_), PointExpr::I32(_)));
                PointExpr::Select { cmp: *cmp, args }
            }
            ScalarExpr::Uniform { counter, key } => {
                let [counter, key] = [counter, key].map(|x| self.scalar(x, operands, vars, acc));
                PointExpr::Uniform(counter, key)
            }
        };
        self.intern(expr)
    }

    /// Whether a comparison of an index with a number comes out the same wherever its variables are in their ranges.
    pub fn compares(&self, cmp: CmpOp, a: ExprId, b: ExprId, range: &impl Fn(Var) -> (i64, i64)) -> Option<bool> {
        let (PointExpr::Index(index), PointExpr::I32(number)) = (self.expr(a), self.expr(b)) else { return None };
        cmp.eval_range(index.range(range), i64::from(*number))
    }

    fn is_zero(&self, id: ExprId) -> bool {
        *self.expr(id) == PointExpr::F32(0)
    }

    /// What is compared with 0 instead of `relu(x)`, of which no value is at hand: `x > 0` and `x <= 0` are the same,
    /// for NaN too.
    fn before_relu(&self, id: ExprId) -> ExprId {
        match *self.expr(id) {
            PointExpr::Select { cmp: CmpOp::Le, args: [x, zero, then, otherwise] }
                if x == otherwise && self.is_zero(zero) && self.is_zero(then) =>
            {
                x
            }
            _ => id,
        }
    }

    /// Whether a variable has one value only.
    fn is_single(&self, var: Var) -> bool {
        var != BATCH && self.extent(var) == Some(1) && !self.bounded.contains(&var)
    }

    /// Removes divisions that the variables' ranges decide.
    /// A variable with a single value is that value, so that equal places have equal indices.
    pub fn simplified_one(&self, value: &Affine) -> Affine {
        let mut has_single = false;
        value.for_each_var(&mut |var| has_single |= self.is_single(var));
        let range = |var: Var| self.var_range(var);
        if !has_single {
            return value.simplify(&range);
        }
        let value = value.substitute(&|var| if self.is_single(var) { Affine::constant(0) } else { Affine::var(var) });
        value.simplify(&range)
    }

    fn simplified(&self, mut index: Vec<Affine>) -> Vec<Affine> {
        let is_simple = |(atom, _): &(Atom, i64)| matches!(atom, Atom::Var(var) if !self.is_single(*var));
        let others = index.iter_mut().filter(|value| !value.terms.iter().all(is_simple));
        others.for_each(|value| *value = self.simplified_one(value));
        index
    }

    /// Direct subexpressions.
    pub fn children(&self, id: ExprId) -> Vec<ExprId> {
        let mut children = Vec::new();
        self.for_each_child(id, |child| children.push(child));
        children
    }

    fn for_each_child(&self, id: ExprId, mut f: impl FnMut(ExprId)) {
        if !self.sources.is_empty() {
            self.for_each_index(id, &mut |index| {
                index.for_each_var(&mut |var| self.source(var).into_iter().for_each(&mut f))
            });
        }
        match self.expr(id) {
            PointExpr::Load { .. }
            | PointExpr::F32(_)
            | PointExpr::I32(_)
            | PointExpr::Index(_)
            | PointExpr::Joined(_) => {}
            PointExpr::Unary(_, x) => f(*x),
            PointExpr::Binary(_, a, b) | PointExpr::Uniform(a, b) => [*a, *b].into_iter().for_each(f),
            PointExpr::Sum { terms, products } => terms.iter().chain(products.as_flattened()).copied().for_each(f),
            PointExpr::Select { args, .. } => args.iter().copied().for_each(f),
            PointExpr::Reduce { body, .. } => f(*body),
        }
    }

    /// Calls `f` with every index expression that stands in `id` itself.
    pub fn for_each_index<'s>(&'s self, id: ExprId, f: &mut impl FnMut(&'s Affine)) {
        match self.expr(id) {
            PointExpr::Load { index, .. } => index.iter().for_each(f),
            PointExpr::Index(value) => f(value),
            PointExpr::Reduce { reds, .. } => {
                for red in reds {
                    red.low.iter().chain(&red.high).for_each(&mut *f);
                }
            }
            _ => {}
        }
    }

    /// All expressions that `roots` need, by id (children first).
    pub fn reachable(&self, roots: &[ExprId]) -> Vec<ExprId> {
        let n = roots.iter().map(|root| root.0 as usize + 1).max().unwrap_or(0);
        let mut is_needed = vec![false; n];
        roots.iter().for_each(|root| is_needed[root.0 as usize] = true);
        for id in (0..n).rev() {
            if is_needed[id] {
                self.for_each_child(ExprId(id as u32), |child| is_needed[child.0 as usize] = true);
            }
        }
        (0..n as u32).map(ExprId).filter(|id| is_needed[id.0 as usize]).collect()
    }

    /// Stored nodes that `roots` load, each with the indices it is loaded at.
    pub fn loads(&self, roots: &[ExprId]) -> Vec<(NodeId, &[Affine])> {
        let load = |id: ExprId| match self.expr(id) {
            PointExpr::Load { node, index } => Some((*node, index.as_slice())),
            _ => None,
        };
        self.reachable(roots).into_iter().filter_map(load).collect()
    }

    /// Whether an expression is an `i32` (conditions do not occur as expressions).
    pub fn dtype(&self, id: ExprId) -> DType {
        match self.expr(id) {
            PointExpr::Load { node, .. } | PointExpr::Joined(node) => self.graph.ty(*node).dtype,
            PointExpr::I32(_) | PointExpr::Index(_) => DType::I32,
            PointExpr::F32(_) | PointExpr::Uniform(..) | PointExpr::Sum { .. } => DType::F32,
            PointExpr::Unary(op, _) => op.types()[1],
            PointExpr::Binary(op, ..) => {
                if op.is_integer() {
                    DType::I32
                } else {
                    DType::F32
                }
            }
            PointExpr::Select { args, .. } => self.dtype(args[2]),
            PointExpr::Reduce { combine, .. } => {
                if combine.is_position() {
                    DType::I32
                } else {
                    DType::F32
                }
            }
        }
    }
}

impl PointDag<'_> {
    /// Whether `roots`, values at index `axes` of a tensor of `sizes` without a batch, can be computed
    /// position by position in row-major order: every load is at the same index of a tensor of the
    /// same sizes, or of a single-element tensor.
    pub fn is_flat(&self, roots: &[ExprId], axes: &[Affine], sizes: &[usize]) -> bool {
        let axes = self.simplified(axes.to_vec());
        self.reachable(roots).into_iter().all(|id| match self.expr(id) {
            PointExpr::Load { node, index } => {
                let load_sizes = || self.graph.ty(*node).shape.each_size(self.graph.batch);
                load_sizes().all(|size| size == 1) || (*index == axes && load_sizes().eq(sizes.iter().copied()))
            }
            PointExpr::Index(value) => value.as_constant().is_some(),
            PointExpr::Reduce { .. } => false,
            _ => true,
        })
    }
}

impl PointDag<'_> {
    /// Extents of the loops of a sweep that computes `root`, outermost first, the batch left out. A
    /// partial result's kept axes come first. Values of tensors with a batch go in the order of
    /// their layout.
    pub fn space(graph: &Graph, forms: &Forms, root: Root) -> Space {
        let node = root.node();
        match (root, &forms[&node]) {
            (Root::Value(_), _) => {
                let (sizes, batch) = (graph.sizes(node), graph.ty(node).shape.batch_axis());
                let order = Layout::order(sizes.len(), batch);
                Space { extents: order.iter().map(|&axis| sizes[axis]).collect(), n_kept: order.len() }
            }
            (_, Form::Variance { axes }) => {
                let operand = graph.operands(node)[0];
                let (sizes, batch) = (graph.sizes(operand), graph.ty(operand).shape.batch_axis());
                let (kept, reduced) = split_axes(sizes.len(), batch, axes);
                let extents = kept.iter().chain(&reduced).map(|&axis| sizes[axis]).collect();
                Space { extents, n_kept: kept.len() }
            }
            (_, form) => {
                let form = form.as_point().expect("a partial result is that of a reduction");
                let reds = form.reds.iter().filter(|red| !red.is_batch).map(|red| red.extent);
                Space { extents: form.extents.iter().copied().chain(reds).collect(), n_kept: form.extents.len() }
            }
        }
    }

    /// The value (or the term of the partial result) of `root` at the point `vars` of its space. Later
    /// reads of a value at that point reuse it.
    pub fn root(&mut self, root: Root, vars: &[Affine]) -> ExprId {
        let value = self.root_alone(root, vars);
        self.give_root(root, vars, value);
        value
    }

    /// Lets later reads of `root`, if it is a value, at the point `vars` of its space be `value`.
    pub fn give_root(&mut self, root: Root, vars: &[Affine], value: ExprId) {
        if let Root::Value(node) = root {
            self.give(node, self.index_at(node, vars), value);
        }
    }

    /// Index of an element of a node at a point of its space.
    fn index_at(&self, node: NodeId, vars: &[Affine]) -> Vec<Affine> {
        let shape = &self.graph.ty(node).shape;
        let order = Layout::order(shape.rank(), shape.batch_axis());
        let mut axes = vec![Affine::constant(0); shape.rank()];
        for (&axis, var) in order.iter().zip(vars) {
            axes[axis] = var.clone();
        }
        self.own_index(node, &axes)
    }

    /// As [`PointDag::root`], but later reads do not know of it.
    pub fn root_alone(&mut self, root: Root, vars: &[Affine]) -> ExprId {
        let node = root.node();
        let forms = self.forms;
        match (root, &forms[&node]) {
            (Root::Value(_), Form::Variance { .. }) => self.intern(PointExpr::Joined(node)),
            (Root::Value(_), Form::Point(form)) if form.scan().is_some() => {
                let index = self.scan_index(node, self.index_at(node, vars));
                self.scanned(node, &index)
            }
            (Root::Value(_), Form::Point(form)) if form.reduces_batch() => {
                let joined = self.intern(PointExpr::Joined(node));
                self.finish(node, &self.index_at(node, vars), joined)
            }
            (Root::Value(_), _) => self.define(node, self.index_at(node, vars)),
            (_, Form::Variance { axes }) => {
                let operand = self.graph.operands(node)[0];
                let (rank, batch) = (self.graph.ty(operand).rank(), self.graph.ty(operand).shape.batch_axis());
                let (kept, reduced) = split_axes(rank, batch, axes);
                let mut index = vec![Affine::var(BATCH); rank];
                for (&axis, var) in kept.iter().chain(&reduced).zip(vars) {
                    index[axis] = var.clone();
                }
                self.read(operand, index)
            }
            (_, form) => {
                let form = form.as_point().expect("a partial result is that of a reduction");
                let (kept, mut reduced) = (&vars[..form.extents.len()], vars[form.extents.len()..].iter().cloned());
                let of_red = |red: &Red| match red.is_batch {
                    true => Affine::var(BATCH),
                    false => reduced.next().expect("a space has the reductions of its root"),
                };
                let reds: Vec<Affine> = form.reds.iter().map(of_red).collect();
                self.term(node, &[kept, &reds].concat())
            }
        }
    }
}

/// Loops of a sweep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Space {
    /// Extents, outermost first.
    pub extents: Vec<usize>,
    /// The first of them are axes of the result.
    pub n_kept: usize,
}

/// Axes of a tensor that a reduction over `axes` keeps and reduces, the batch left out.
fn split_axes(rank: usize, batch: Option<usize>, axes: &[usize]) -> (Vec<usize>, Vec<usize>) {
    (0..rank).filter(|&axis| Some(axis) != batch).partition(|axis| !axes.contains(axis))
}
