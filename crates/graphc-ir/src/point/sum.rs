//! Sums of an expression: what is rounded together follows from the graph ([`crate::summands`]).

use super::{ExprId, PointDag, PointExpr};
use crate::compute::ScalarExpr;
use crate::form::PointForm;
use crate::graph::NodeId;
use crate::index::Affine;
use crate::scalar::BinaryOp;

/// What a sum is made of.
#[derive(Default)]
struct Sum {
    terms: Vec<ExprId>,
    products: Vec<[ExprId; 2]>,
}

impl PointDag<'_> {
    /// Adds the terms of an expression, and of summands among them, to a sum.
    fn add_terms(
        &mut self,
        expr: &ScalarExpr,
        operands: &[NodeId],
        vars: &[Affine],
        acc: Option<ExprId>,
        sum: &mut Sum,
    ) {
        match expr {
            ScalarExpr::Binary(BinaryOp::Add, a, b) => {
                [a, b].into_iter().for_each(|term| self.add_terms(term, operands, vars, acc, sum));
            }
            ScalarExpr::Binary(BinaryOp::Mul, a, b) => {
                sum.products.push([a, b].map(|x| self.scalar(x, operands, vars, acc)));
            }
            ScalarExpr::Load { operand, index } if self.is_summand(operands[*operand]) => {
                let index = index.iter().map(|i| i.value.substitute(&|v| vars[v.0 as usize].clone())).collect();
                self.take_in(operands[*operand], index, sum);
            }
            _ => sum.terms.push(self.scalar(expr, operands, vars, acc)),
        }
    }

    /// Whether a node is a part of the sum that reads it. Where it is taken for stored, loads are all that is asked
    /// for.
    fn is_summand(&self, node: NodeId) -> bool {
        self.forms[&node].is_summand() && !self.stored.contains(&node)
    }

    /// Adds a product, or the terms of a sum, at an index to the sum that reads it.
    fn take_in(&mut self, node: NodeId, index: Vec<Affine>, sum: &mut Sum) {
        let forms = self.forms;
        let form = forms[&node].as_point().expect("products and sums are point forms");
        let (operands, mut vars) = (&form.operands, self.simplified(index));
        self.bind_indices(form, &mut vars);
        if form.finish == ScalarExpr::Acc {
            return self.add_terms(&form.body, operands, &vars, None, sum);
        }
        let term = self.scalar(&form.body, operands, &vars, None);
        self.add_terms(&form.finish, operands, &vars, Some(term), sum);
    }

    /// A reduction of one term, which is added to zero like any first term.
    pub(super) fn sum_of_one_term(&mut self, form: &PointForm, vars: &[Affine]) -> ExprId {
        let mut sum = Sum { terms: vec![self.intern(PointExpr::F32(0))], products: Vec::new() };
        if form.sums_products(self.forms) {
            self.add_terms(&form.body, &form.operands, vars, None, &mut sum);
        } else {
            sum.terms.push(self.scalar(&form.body, &form.operands, vars, None));
        }
        self.intern(PointExpr::Sum { terms: sum.terms, products: sum.products })
    }

    /// An expression that is a sum at the outside. It goes on from a term: the first product, rounded, if there is no
    /// other.
    pub(super) fn sum(
        &mut self,
        expr: &ScalarExpr,
        operands: &[NodeId],
        vars: &[Affine],
        acc: Option<ExprId>,
    ) -> ExprId {
        let mut sum = Sum::default();
        self.add_terms(expr, operands, vars, acc, &mut sum);
        let Sum { mut terms, mut products } = sum;
        if terms.is_empty() {
            let [a, b] = products.remove(0);
            terms.push(self.intern(PointExpr::Binary(BinaryOp::Mul, a, b)));
        }
        self.intern(PointExpr::Sum { terms, products })
    }
}
