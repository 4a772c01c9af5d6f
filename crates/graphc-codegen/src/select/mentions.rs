//! Which ids a part of a kernel mentions: what decides whether it can be a function of its own.

use crate::hash::{QuickMap, QuickSet};
use graphc_ir::index::{Affine, Var};
use graphc_ir::loops::{AccId, Access, Expr, Range, Stmt, TileInit, ValueId};

/// Ids of some statements. Values and accumulators are counted, definitions included.
#[derive(Debug, Default)]
pub(crate) struct Mentions {
    used_vars: QuickSet<Var>,
    bound_vars: QuickSet<Var>,
    values: QuickMap<ValueId, usize>,
    accs: QuickMap<AccId, usize>,
}

impl Mentions {
    pub(crate) fn of(stmts: &[Stmt]) -> Mentions {
        let mut mentions = Mentions::default();
        mentions.block(stmts);
        mentions
    }

    /// Index variables that come from outside, ascending.
    pub(crate) fn free_vars(&self) -> Vec<Var> {
        let mut free: Vec<Var> = self.used_vars.difference(&self.bound_vars).copied().collect();
        free.sort_unstable();
        free
    }

    /// Whether `kernel` mentions these values and accumulators nowhere else.
    pub(crate) fn are_all_of(&self, kernel: &Mentions) -> bool {
        self.values.iter().all(|(id, n)| kernel.values.get(id) == Some(n))
            && self.accs.iter().all(|(id, n)| kernel.accs.get(id) == Some(n))
    }

    /// Whether `kernel` mentions the accumulator nowhere else.
    pub(crate) fn is_all_of_acc(&self, acc: AccId, kernel: &Mentions) -> bool {
        self.accs.get(&acc) == kernel.accs.get(&acc)
    }

    fn block(&mut self, stmts: &[Stmt]) {
        for stmt in stmts {
            self.stmt(stmt);
        }
    }

    fn stmt(&mut self, stmt: &Stmt) {
        match stmt {
            Stmt::Nest { body, .. } => self.block(body),
            Stmt::For { range, body, .. } => {
                self.range(range);
                self.block(body);
            }
            Stmt::Lanes { var, body } => {
                self.bound_vars.insert(*var);
                self.block(body);
            }
            Stmt::LetIndex { var, value } | Stmt::ClampIndex { var, value, .. } => {
                self.affine(value);
                self.bound_vars.insert(*var);
            }
            Stmt::LoadIndex { var, from, .. } => {
                self.access(from);
                self.bound_vars.insert(*var);
            }
            Stmt::Let { value, expr } => {
                self.value(*value);
                self.expr(expr);
            }
            Stmt::Set { acc, value } => {
                self.acc(*acc);
                self.value(*value);
            }
            Stmt::Store { to, value } => {
                self.access(to);
                self.value(*value);
            }
            Stmt::Fetch { from, .. } => self.access(from),
            Stmt::Tile(tile) => {
                self.bound_vars.extend(tile.grid.iter().map(|&(var, _)| var));
                tile.reds.iter().for_each(|range| self.range(range));
                self.access(&tile.a);
                self.access(&tile.b);
                if let TileInit::Load(access) = &tile.init {
                    self.access(access);
                }
                self.value(tile.acc);
                self.block(&tile.epilogue);
            }
        }
    }

    fn expr(&mut self, expr: &Expr) {
        match expr {
            Expr::Load(access) => self.access(access),
            Expr::Index(index) => self.affine(index),
            Expr::Acc(acc) => self.acc(*acc),
            Expr::Unary(_, a) | Expr::JoinLanes(_, a) => self.value(*a),
            Expr::Binary(_, a, b) | Expr::Cmp(_, a, b) => [a, b].into_iter().for_each(|id| self.value(*id)),
            Expr::Fma(a, b, c) | Expr::Select(a, b, c) => [a, b, c].into_iter().for_each(|id| self.value(*id)),
            Expr::F32(_) | Expr::I32(_) => {}
        }
    }

    fn range(&mut self, range: &Range) {
        self.bound_vars.insert(range.var);
        range.low.0.iter().chain(&range.high.0).for_each(|bound| self.affine(bound));
    }

    fn access(&mut self, access: &Access) {
        self.affine(&access.index);
    }

    fn affine(&mut self, affine: &Affine) {
        affine.for_each_var(&mut |var| {
            self.used_vars.insert(var);
        });
    }

    fn value(&mut self, id: ValueId) {
        *self.values.entry(id).or_insert(0) += 1;
    }

    fn acc(&mut self, id: AccId) {
        *self.accs.entry(id).or_insert(0) += 1;
    }
}
