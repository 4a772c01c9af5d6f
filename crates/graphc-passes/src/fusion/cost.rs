//! What computing a value costs: operations of one element.

use super::facts::Facts;
use graphc_ir::compute::ScalarExpr;
use graphc_ir::graph::NodeId;
use graphc_ir::graph::plan::Root;
use graphc_ir::scalar::{BinaryOp, UnaryOp};

/// Operations of an element, in additions; loads and constants are free. Functions count as many as the polynomials
/// that the schedule writes for them have, and divisions as many as they take the time of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Work {
    pub(super) n_operations: usize,
    /// Those of them that wait for one another: the longest chain.
    pub(super) depth: usize,
}

/// What a node's value takes if those of its operands are there. Where it reduces, one term is counted.
pub(super) fn of_node(facts: &Facts<'_>, node: NodeId) -> Work {
    let Some(point) = facts.forms[&node].as_point() else { return Work::default() };
    let [body, finish] = [&point.body, &point.finish].map(|expr| of_expr(expr, !point.joint.is_empty()));
    let n_indices = point.indices.len();
    Work { n_operations: n_indices, depth: n_indices.min(1) }.before(body).before(finish)
}

/// The same of a result. Terms of partial results are summed up in one place, and what becomes of the sum in another.
pub(super) fn of_root(facts: &Facts<'_>, root: Root) -> Work {
    let node = root.node();
    match (root, facts.forms[&node].as_point()) {
        (Root::Value(_), Some(point)) if point.reduces_batch() && !point.is_ordered() => of_expr(&point.finish, false),
        (Root::Value(_), _) | (_, None) => of_node(facts, node),
        (_, Some(point)) => of_expr(&point.body, false),
    }
}

impl Work {
    /// This, then `next`, which needs it.
    pub(super) fn before(self, next: Work) -> Work {
        Work { n_operations: self.n_operations + next.n_operations, depth: self.depth + next.depth }
    }

    /// Both, neither of which needs the other.
    pub(super) fn beside(self, other: Work) -> Work {
        Work { n_operations: self.n_operations + other.n_operations, depth: self.depth.max(other.depth) }
    }
}

/// Of the polynomial that the schedule writes for a function.
fn of_function(op: UnaryOp) -> Work {
    let (n_operations, depth) = match op {
        UnaryOp::ToI32 => (15, 12),
        UnaryOp::Exp => (20, 20),
        UnaryOp::Expm1 => (25, 22),
        UnaryOp::Sin | UnaryOp::Cos => (30, 20),
        UnaryOp::Erf | UnaryOp::Ndtr => (50, 30),
        UnaryOp::Log1p => (50, 35),
        _ => (35, 35),
    };
    Work { n_operations, depth }
}

/// Where pieces are computed together, none is computed to be left out.
fn of_expr(expr: &ScalarExpr, is_joint: bool) -> Work {
    if let (true, ScalarExpr::Select { a, b, then, otherwise, .. }) = (is_joint, expr)
        && matches!((&**a, &**b), (ScalarExpr::Index(_), ScalarExpr::Int(_)))
    {
        let [then, otherwise] = [then, otherwise].map(|piece| of_expr(piece, is_joint));
        return if then.n_operations < otherwise.n_operations { otherwise } else { then };
    }
    let chain = |n: usize| Work { n_operations: n, depth: n };
    let own = match expr {
        ScalarExpr::Unary(op, _) if op.is_function() => of_function(*op),
        ScalarExpr::Uniform { .. } => chain(18),
        ScalarExpr::Unary(UnaryOp::Sqrt, _) | ScalarExpr::Binary(BinaryOp::Div, ..) => chain(6),
        ScalarExpr::Unary(..) | ScalarExpr::Binary(..) | ScalarExpr::Select { .. } => chain(1),
        _ => chain(0),
    };
    let mut children = Work::default();
    expr.for_each_child(&mut |child| children = children.beside(of_expr(child, is_joint)));
    children.before(own)
}
