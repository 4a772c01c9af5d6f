//! Writes the statements of one kernel: fresh names and a stack of open blocks.

use graphc_ir::graph::NodeId;
use graphc_ir::index::{Affine, Var};
use graphc_ir::loops::{AccId, Access, Bound, BufId, Expr, Join, LoopKind, Range, Stmt, ValueId};
use graphc_ir::scalar::{BinaryOp, CmpOp, UnaryOp};
use rustc_hash::FxHasher;
use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};

/// Statements under construction.
pub(crate) struct Builder {
    n_vars: u32,
    n_values: u32,
    n_accs: u32,
    blocks: Vec<Vec<Stmt>>,
    /// What was computed in the open block, if equal values are one there.
    shared: Option<Shared>,
}

/// Values of straight-line code, by what they hash to.
#[derive(Default)]
struct Shared(BTreeMap<u64, Vec<(Expr, ValueId)>>);

impl Shared {
    fn find(&self, expr: &Expr) -> Option<ValueId> {
        let alike = self.0.get(&hash(expr))?;
        alike.iter().find(|(known, _)| known == expr).map(|(_, value)| *value)
    }

    /// Forgets what was loaded of a buffer.
    fn forget(&mut self, stored: BufId) {
        let is_stale = |expr: &Expr| matches!(expr, Expr::Load(from) if from.buffer == stored);
        self.0.values_mut().for_each(|alike| alike.retain(|(expr, _)| !is_stale(expr)));
    }
}

/// The same for equal expressions.
fn hash(expr: &Expr) -> u64 {
    let mut hasher = FxHasher::default();
    std::mem::discriminant(expr).hash(&mut hasher);
    match expr {
        Expr::Load(from) => (from.buffer, &from.index).hash(&mut hasher),
        Expr::F32(value) => value.to_bits().hash(&mut hasher),
        Expr::Binary(_, a, b) | Expr::Fma(a, b, _) | Expr::Cmp(_, a, b) => (a, b).hash(&mut hasher),
        _ => {}
    }
    hasher.finish()
}

impl Builder {
    pub(crate) fn new() -> Builder {
        Builder { n_vars: 0, n_values: 0, n_accs: 0, blocks: vec![Vec::new()], shared: None }
    }

    /// The statements of the outermost block.
    pub(crate) fn finish(mut self) -> Vec<Stmt> {
        assert_eq!(self.blocks.len(), 1, "every block is closed");
        self.blocks.pop().expect("the outermost block")
    }

    pub(crate) fn var(&mut self) -> Var {
        self.n_vars += 1;
        Var(self.n_vars - 1)
    }

    /// A value id that a tile will define.
    pub(crate) fn new_value(&mut self) -> ValueId {
        self.n_values += 1;
        ValueId(self.n_values - 1)
    }

    pub(crate) fn push(&mut self, stmt: Stmt) {
        self.blocks.last_mut().expect("a block is open").push(stmt);
    }

    /// Statements written by `f`, as a block of their own.
    pub(crate) fn block(&mut self, f: impl FnOnce(&mut Builder)) -> Vec<Stmt> {
        // What is computed inside is not known behind it, and it may store anything.
        let shared = self.shared.take();
        self.blocks.push(Vec::new());
        f(self);
        self.shared = shared.map(|_| Shared::default());
        self.blocks.pop().expect("the block opened above")
    }

    pub(crate) fn value(&mut self, expr: Expr) -> ValueId {
        if let Some(known) = self.shared.as_ref().and_then(|shared| shared.find(&expr)) {
            return known;
        }
        let value = self.new_value();
        if let Some(Shared(known)) = &mut self.shared
            && !matches!(expr, Expr::Acc(_))
        {
            known.entry(hash(&expr)).or_default().push((expr.clone(), value));
        }
        self.push(Stmt::Let { value, expr });
        value
    }

    /// Lets equal values that `f` writes into the open block be one. It opens no block.
    pub(crate) fn sharing(&mut self, f: impl FnOnce(&mut Builder)) {
        let is_outermost = self.shared.is_none();
        self.shared.get_or_insert_default();
        f(self);
        if is_outermost {
            self.shared = None;
        }
    }

    pub(crate) fn f32(&mut self, value: f32) -> ValueId {
        self.value(Expr::F32(value))
    }

    pub(crate) fn i32(&mut self, value: i32) -> ValueId {
        self.value(Expr::I32(value))
    }

    pub(crate) fn load(&mut self, from: Access) -> ValueId {
        self.value(Expr::Load(from))
    }

    /// The integer at a place, but at least 0 and below `extent`.
    pub(crate) fn load_index(&mut self, from: Access, extent: usize) -> Var {
        let var = self.var();
        self.push(Stmt::LoadIndex { var, from, extent });
        var
    }

    /// An index, but at least 0 and below `extent`.
    pub(crate) fn clamp_index(&mut self, value: Affine, extent: usize) -> Var {
        let var = self.var();
        self.push(Stmt::ClampIndex { var, value, extent });
        var
    }

    /// An index as a variable of its own, which may contain divisions.
    pub(crate) fn let_index(&mut self, value: Affine) -> Affine {
        let var = self.var();
        self.push(Stmt::LetIndex { var, value });
        Affine::var(var)
    }

    pub(crate) fn store(&mut self, to: Access, value: ValueId) {
        self.shared.iter_mut().for_each(|shared| shared.forget(to.buffer));
        self.push(Stmt::Store { to, value });
    }

    pub(crate) fn unary(&mut self, op: UnaryOp, x: ValueId) -> ValueId {
        self.value(Expr::Unary(op, x))
    }

    pub(crate) fn binary(&mut self, op: BinaryOp, a: ValueId, b: ValueId) -> ValueId {
        self.value(Expr::Binary(op, a, b))
    }

    pub(crate) fn add(&mut self, a: ValueId, b: ValueId) -> ValueId {
        self.binary(BinaryOp::Add, a, b)
    }

    pub(crate) fn sub(&mut self, a: ValueId, b: ValueId) -> ValueId {
        self.binary(BinaryOp::Sub, a, b)
    }

    pub(crate) fn mul(&mut self, a: ValueId, b: ValueId) -> ValueId {
        self.binary(BinaryOp::Mul, a, b)
    }

    pub(crate) fn div(&mut self, a: ValueId, b: ValueId) -> ValueId {
        self.binary(BinaryOp::Div, a, b)
    }

    /// The greater of both, NaN if either is. (`BinaryOp::Max` is the machine's: `b` if either is NaN.)
    pub(crate) fn maximum(&mut self, a: ValueId, b: ValueId) -> ValueId {
        let greater = self.binary(BinaryOp::Max, a, b);
        self.select(CmpOp::Ne, [a, a], a, greater)
    }

    /// Two partial results in one.
    pub(crate) fn combine(&mut self, join: Join, a: ValueId, b: ValueId) -> ValueId {
        match join {
            Join::Add => self.add(a, b),
            Join::Max => self.maximum(a, b),
        }
    }

    pub(crate) fn fma(&mut self, a: ValueId, b: ValueId, c: ValueId) -> ValueId {
        self.value(Expr::Fma(a, b, c))
    }

    /// `a <cmp> b ? then : otherwise`
    pub(crate) fn select(&mut self, cmp: CmpOp, [a, b]: [ValueId; 2], then: ValueId, otherwise: ValueId) -> ValueId {
        let condition = self.value(Expr::Cmp(cmp, a, b));
        self.value(Expr::Select(condition, then, otherwise))
    }

    /// A mutable scalar that starts at `value`.
    pub(crate) fn acc(&mut self, value: ValueId) -> AccId {
        self.n_accs += 1;
        let acc = AccId(self.n_accs - 1);
        self.set(acc, value);
        acc
    }

    pub(crate) fn set(&mut self, acc: AccId, value: ValueId) {
        self.push(Stmt::Set { acc, value });
    }

    pub(crate) fn get(&mut self, acc: AccId) -> ValueId {
        self.value(Expr::Acc(acc))
    }

    /// `for var in 0..extent`; a single iteration becomes a block without a loop only if the caller
    /// substitutes the variable, so it stays a loop here.
    pub(crate) fn for_extent(&mut self, extent: usize, kind: LoopKind, f: impl FnOnce(&mut Builder, Var)) {
        let var = self.var();
        self.for_range(Range::new(var, extent), kind, |b| f(b, var));
    }

    pub(crate) fn for_range(&mut self, range: Range, kind: LoopKind, f: impl FnOnce(&mut Builder)) {
        let body = self.block(f);
        self.push(Stmt::For { range, kind, body });
    }

    pub(crate) fn lanes(&mut self, f: impl FnOnce(&mut Builder, Var)) {
        let var = self.var();
        let body = self.block(|b| f(b, var));
        self.push(Stmt::Lanes { var, body });
    }

    /// A nest that computes some nodes.
    pub(crate) fn nest_of(&mut self, name: &str, nodes: &[NodeId], f: impl FnOnce(&mut Builder)) {
        let body = self.block(f);
        self.push(Stmt::Nest { name: name.to_string(), nodes: nodes.to_vec(), body });
    }

    /// A nest that copies what others have computed.
    pub(crate) fn nest(&mut self, name: &str, f: impl FnOnce(&mut Builder)) {
        let body = self.block(f);
        self.push(Stmt::Nest { name: name.to_string(), nodes: Vec::new(), body });
    }
}

/// `max(0, low..) <= var < min(extent, high..)`
pub(crate) fn bounded(var: Var, extent: usize, low: Vec<Affine>, high: Vec<Affine>) -> Range {
    let with = |first: i64, rest: Vec<Affine>| Bound([Affine::constant(first)].into_iter().chain(rest).collect());
    Range { var, low: with(0, low), high: with(extent as i64, high) }
}
