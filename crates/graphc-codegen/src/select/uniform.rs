//! Which values differ from lane to lane, and which of the others are needed as vectors.
//!
//! A value that is the same in every lane is kept as one scalar. Where it meets a vector it must
//! be splat; that is done once, where the value is defined.

use crate::hash::QuickSet;
use graphc_ir::loops::{AccId, Access, Expr, Kernel, LaneVars, Stmt, TileInit, ValueId};
use graphc_ir::scalar::BinaryOp;

/// Lane dependence of one kernel's values.
#[derive(Debug, Default)]
pub(crate) struct Uniformity {
    lane_values: QuickSet<ValueId>,
    lane_accs: QuickSet<AccId>,
    splats: QuickSet<ValueId>,
}

impl Uniformity {
    /// Walks the kernel until nothing changes: an accumulator may become lane-dependent at the
    /// end of a loop that reads it at the start.
    pub(crate) fn of(kernel: &Kernel) -> Uniformity {
        let mut uniformity = Uniformity::default();
        loop {
            let before = (uniformity.lane_values.len(), uniformity.lane_accs.len());
            uniformity.block(&kernel.body, &mut LaneVars::default());
            if before == (uniformity.lane_values.len(), uniformity.lane_accs.len()) {
                return uniformity;
            }
        }
    }

    /// Whether the accumulator holds 8 lanes.
    pub(crate) fn acc_has_lanes(&self, acc: AccId) -> bool {
        self.lane_accs.contains(&acc)
    }

    /// Whether the value has a use as a vector though it is a scalar.
    pub(crate) fn needs_splat(&self, value: ValueId) -> bool {
        self.splats.contains(&value)
    }

    fn block(&mut self, stmts: &[Stmt], lanes: &mut LaneVars) {
        let outer = lanes.len();
        for stmt in stmts {
            self.stmt(stmt, lanes);
        }
        lanes.truncate(outer);
    }

    fn stmt(&mut self, stmt: &Stmt, lanes: &mut LaneVars) {
        match stmt {
            Stmt::Nest { body, .. } | Stmt::For { body, .. } => self.block(body, lanes),
            Stmt::Lanes { var, body } => {
                lanes.enter(*var);
                self.block(body, lanes);
                lanes.truncate(0);
            }
            Stmt::LoadIndex { var, from, .. } => _ = lanes.load(*var, from),
            Stmt::LetIndex { .. } | Stmt::ClampIndex { .. } | Stmt::Fetch { .. } => {}
            Stmt::Let { value, expr } => {
                if self.expr(expr, lanes) {
                    self.lane_values.insert(*value);
                    self.splat_operands(expr);
                }
            }
            Stmt::Set { acc, value } => {
                if self.lane_values.contains(value) {
                    self.lane_accs.insert(*acc);
                }
                if self.lane_accs.contains(acc) {
                    self.use_as_vector(*value);
                }
            }
            Stmt::Store { to, value } => {
                if lanes.are_in(&to.index) {
                    self.use_as_vector(*value);
                }
            }
            Stmt::Tile(tile) => {
                let init = matches!(&tile.init, TileInit::Load(access) if lanes.are_in(&access.index));
                let joins_lanes = tile.runs.is_some_and(|runs| runs.joins_lanes);
                if !joins_lanes && (init || lanes.are_in(&tile.a.index) || lanes.are_in(&tile.b.index)) {
                    self.lane_values.insert(tile.acc);
                }
                self.block(&tile.epilogue, lanes);
            }
        }
    }

    /// Whether the result has lanes.
    fn expr(&self, expr: &Expr, lanes: &LaneVars) -> bool {
        let has = |id: &ValueId| self.lane_values.contains(id);
        match expr {
            Expr::Load(Access { index, .. }) | Expr::Index(index) => lanes.are_in(index),
            Expr::Acc(acc) => self.lane_accs.contains(acc),
            Expr::Unary(_, a) => has(a),
            Expr::Binary(_, a, b) | Expr::Cmp(_, a, b) => has(a) || has(b),
            Expr::Fma(a, b, c) | Expr::Select(a, b, c) => has(a) || has(b) || has(c),
            Expr::F32(_) | Expr::I32(_) | Expr::JoinLanes(..) => false,
        }
    }

    fn splat_operands(&mut self, expr: &Expr) {
        match expr {
            // A shift takes its distance as a scalar.
            Expr::Binary(BinaryOp::IShl | BinaryOp::IShr, a, _) => self.use_as_vector(*a),
            Expr::Unary(_, a) => self.use_as_vector(*a),
            Expr::Binary(_, a, b) | Expr::Cmp(_, a, b) => [a, b].into_iter().for_each(|id| self.use_as_vector(*id)),
            Expr::Fma(a, b, c) | Expr::Select(a, b, c) => {
                [a, b, c].into_iter().for_each(|id| self.use_as_vector(*id));
            }
            _ => {}
        }
    }

    fn use_as_vector(&mut self, value: ValueId) {
        if !self.lane_values.contains(&value) {
            self.splats.insert(value);
        }
    }
}
