//! Whether eight neighbouring features can be computed at once.

use graphc_ir::graph::Graph;
use graphc_ir::index::{Affine, Atom, Var};
use graphc_ir::point::{ExprId, PointDag, PointExpr};
use graphc_ir::scalar::LANES;

/// Variables of a dag that stand for the lanes of one axis.
pub(crate) struct LaneAxis {
    /// The axis.
    pub(crate) axis: Var,
    /// Its value: a sum that contains the lane.
    pub(crate) value: Affine,
    /// The number of the lane.
    pub(crate) lane: Var,
}

impl LaneAxis {
    /// Whether every part of `roots` is either the same for all lanes or reads neighbouring words.
    ///
    /// A load may depend on the lane in the last of its indices, and moves by one word; words that are looked up at
    /// different places are gathered, whichever index that is. An index as a value may
    /// depend on it without a division; the bounds of loops may not.
    pub(crate) fn fits(&self, graph: &Graph, dag: &PointDag<'_>, roots: &[ExprId]) -> bool {
        dag.reachable(roots).into_iter().all(|id| match dag.expr(id) {
            PointExpr::Load { node, index } => {
                let sizes = graph.sizes(*node);
                index.iter().enumerate().all(|(position, value)| {
                    let is_last = position + 1 == sizes.len() && graph.ty(*node).shape.batch_axis() != Some(position);
                    self.reads(dag, value, is_last.then(|| sizes[position]))
                })
            }
            PointExpr::Index(value) if self.piece(dag, value).is_some() => self.reads(dag, value, Some(0)),
            PointExpr::Index(value) => !divides(&self.at_lane(dag, value), self.lane),
            PointExpr::Reduce { reds, .. } => {
                let bounds = reds.iter().flat_map(|red| red.low.iter().chain(&red.high));
                let is_fixed =
                    |bound: &Affine| self.piece(dag, bound).is_none() && !self.at_lane(dag, bound).uses(self.lane);
                bounds.into_iter().all(is_fixed)
            }
            _ => true,
        })
    }

    /// Whether an index is the same for all lanes, or that of neighbouring words of a row of `size`.
    pub(crate) fn reads(&self, dag: &PointDag<'_>, index: &Affine, size: Option<usize>) -> bool {
        if let Some(value) = self.piece(dag, index) {
            // The piece is apart from others by whole vectors: in each vector the index is what it is made of.
            let value = self.at_lane(dag, &value);
            let is_aligned = value.offset.rem_euclid(LANES as i64) == 0;
            // The vector's number and the lane are all there is, of the axis as well, so that one loop goes over its
            // vectors and can be cut.
            let is_whole = [&value, &self.value].iter().all(|value| value.terms.len() == 2 && value.is_affine());
            return size.is_some() && is_aligned && value.coefficient(self.lane) == 1 && is_whole;
        }
        let value = self.at_lane(dag, index);
        if !value.uses(self.lane) {
            return true;
        }
        let Some(size) = size else { return false };
        // Nothing but the padding of the row lies behind it.
        let (low, high) = value.range(&|var| dag.var_range(var));
        value.coefficient(self.lane) == 1
            && !divides(&value, self.lane)
            && low >= 0
            && high < size.next_multiple_of(LANES) as i64
    }

    /// Whether `roots` are made of pieces along the axis: then only loops that are cut can go over them.
    pub(crate) fn has_pieces(&self, dag: &PointDag<'_>, roots: &[ExprId]) -> bool {
        let mut found = false;
        for id in dag.reachable(roots) {
            dag.for_each_index(id, &mut |index| found |= self.piece(dag, index).is_some());
        }
        found
    }

    /// What an index is made of, if it is an index variable that stands for a piece of the lanes' axis.
    fn piece(&self, dag: &PointDag<'_>, index: &Affine) -> Option<Affine> {
        let mut pieces = Vec::new();
        index.for_each_var(&mut |var| match dag.source(var).map(|source| dag.expr(source)) {
            Some(PointExpr::Index(value)) if value.uses(self.axis) => pieces.push((var, value)),
            _ => {}
        });
        let (var, value) = pieces.pop()?;
        // Something more than the variable is no piece, and does not fit.
        Some(if index.as_var() == Some(var) { value.clone() } else { Affine::var(self.axis).div(LANES as i64) })
    }

    fn at_lane(&self, dag: &PointDag<'_>, index: &Affine) -> Affine {
        let value = index.substitute(&|var| if var == self.axis { self.value.clone() } else { Affine::var(var) });
        value.simplify(&|var| dag.var_range(var))
    }
}

/// Whether a division or remainder depends on `var`.
fn divides(index: &Affine, var: Var) -> bool {
    index.terms.iter().any(|(atom, _)| match atom {
        Atom::Var(_) => false,
        Atom::Div(inner, _) | Atom::Mod(inner, _) => inner.uses(var),
    })
}
