//! Contractions with features as lanes: vectors of outputs times splats of activations.
//!
//! The last output axis is the lanes: eight neighbouring channels of a convolution or units of a dense layer. The
//! factor that moves along it is loaded as vectors, from a copy of the weights or, if it is a tensor of the batch itself,
//! from its rows; the other factor must not move along it and is a splat. The register grid is vectors of outputs by
//! coordinates of the splats: pixels of a row, or samples. Each element is one chain over the reductions in their order,
//! as with samples as lanes. What does not fit is computed one element at a time.
//!
//! Beside the border of a padded image a window has fewer taps. Pixels of one grid need the same ones, so a row is
//! walked in three parts: the left border pixel by pixel, blocks of inner pixels, the right border.

use super::epilogue::{declare_axes, epilogue};
use super::{Batch, Contraction, ContractionPlan, Lanes, Read};
use crate::decide::copies::{Copies, CopyPlan};
use crate::decide::grid::Width;
use crate::decide::lane_axis::LaneAxis;
use crate::decide::loops::{Coordinate, Loop};
use graphc_ir::compute::LoadIndex;
use graphc_ir::form::PointForm;
use graphc_ir::index::{Affine, Var};
use graphc_ir::point::PointDag;
use graphc_ir::scalar::LANES;

/// Where a contraction's vectors come from.
enum Vectors {
    /// Weights, by way of a copy.
    Weights,
    /// The rows of a batch tensor.
    Rows,
}

impl Contraction<'_> {
    /// For all samples, which are an axis like any other.
    pub(crate) fn of_rows(self, copies: &mut Copies) -> ContractionPlan {
        let last = self.form.extents.len().checked_sub(1);
        let Some((factor, vectors)) = self.vectors() else {
            let loops = (0..self.form.extents.len()).map(|axis| self.loop_of(axis)).collect();
            return self.plan(Lanes::None, Batch::Rows, loops);
        };
        let last = last.expect("it has an axis for the lanes");
        let (lane, n_features) = (Var(last as u32), self.form.extents[last]);
        let outputs = (0..last).map(|axis| {
            let inner = inner_coordinates(self.form, axis);
            Loop { inner, ..self.loop_of(axis) }
        });
        let features = Loop::new(Coordinate::Vector, n_features.div_ceil(LANES));
        let mut plan = self.plan(Lanes::Axis(lane), Batch::Rows, [features].into_iter().chain(outputs).collect());
        let n_terms: usize = self.form.reds.iter().map(|red| red.extent).product();
        let is_far = n_features * n_terms > self.problem.machine.nearest_half_words();
        let mut widths = [Width::Splat; 2];
        widths[factor] = if is_far { Width::FarVector } else { Width::Vector };
        self.choose_grid(&mut plan, [1 - factor, factor], widths);
        if let Vectors::Weights = vectors {
            let contraction = self.form.as_contraction().expect("a contraction");
            let index = [contraction.a, contraction.b][factor].1;
            let copy = CopyPlan::vectors((self.operands[factor], self.node), index, self.form, lane);
            let block = plan.block_of(Coordinate::Vector) * LANES;
            plan.reads[factor] = Read::Copy(copies.add(copy.in_blocks(self.problem, block)));
        }
        plan
    }

    /// The factor that is loaded as vectors, and where they come from, if neighbours along the last axis can be lanes.
    fn vectors(&self) -> Option<(usize, Vectors)> {
        let form = self.form;
        let contraction = form.as_contraction()?;
        let last = form.extents.len().checked_sub(1)?;
        if form.batch_axis == Some(last) || form.extents[last] == 1 {
            return None;
        }
        let lane = Var(last as u32);
        if self.axes.output(last).bounds {
            return None;
        }
        let indices = [contraction.a.1, contraction.b.1];
        let moves = |index: &[LoadIndex]| index.iter().any(|i| i.value.uses(lane));
        let factor = match indices.map(moves) {
            [true, false] => 0,
            [false, true] => 1,
            _ => return None,
        };
        let mut dag = PointDag::new(self.problem.graph, self.problem.forms, &self.problem.fusion.stored);
        declare_axes(&mut dag, form);
        let lanes = lane_axis(&mut dag, form);
        let vectors = self.source(&dag, &lanes, (factor, indices[factor]))?;
        let (_, value) = epilogue(&mut dag, form, self.node, self.root.node());
        lanes.fits(self.problem.graph, &dag, &[value]).then_some((factor, vectors))
    }

    fn source(&self, dag: &PointDag<'_>, lanes: &LaneAxis, (factor, index): (usize, &[LoadIndex])) -> Option<Vectors> {
        let operand = self.operands[factor];
        let batch_axis = self.problem.graph.ty(operand).shape.batch_axis();
        let is_term = |var: Var| var == lanes.axis || self.form.reds.iter().any(|red| red.var == var);
        let uses_terms_only = |i: &LoadIndex| {
            let mut all = i.value.is_affine();
            i.value.for_each_var(&mut |var| all &= is_term(var));
            all
        };
        if batch_axis.is_none() && index.iter().all(uses_terms_only) {
            return Some(Vectors::Weights);
        }
        let (last, others) = index.split_last()?;
        let size = self.problem.graph.sizes(operand).last().copied();
        let is_row = last.value.as_var() == Some(lanes.axis) && batch_axis != Some(others.len());
        let is_fixed = others.iter().all(|i| !i.value.uses(lanes.axis));
        (is_row && is_fixed && lanes.reads(dag, &last.value, size)).then_some(Vectors::Rows)
    }
}

fn lane_axis(dag: &mut PointDag<'_>, form: &PointForm) -> LaneAxis {
    let last = form.extents.len() - 1;
    let (vector, lane) = (dag.new_var(form.extents[last].div_ceil(LANES)), dag.new_var(LANES));
    let value = Affine::var(vector).times(LANES as i64).plus(&Affine::var(lane));
    LaneAxis { axis: Var(last as u32), value, lane }
}

/// First and last, excluded, of the coordinates along an output axis that leave every reduction whole, as far as its
/// bounds depend on them; as good as none if they depend on others too.
fn inner_coordinates(form: &PointForm, axis: usize) -> [usize; 2] {
    let var = Var(axis as u32);
    let value = |bound: &Affine, coordinate: usize| {
        let mut is_alone = true;
        bound.for_each_var(&mut |other| is_alone &= other == var);
        is_alone.then(|| bound.eval(&|_| coordinate as i64))
    };
    let is_inner = |&coordinate: &usize| {
        form.reds.iter().all(|red| {
            let low = red.low.iter().filter(|bound| bound.uses(var)).map(|bound| value(bound, coordinate));
            let high = red.high.iter().filter(|bound| bound.uses(var)).map(|bound| value(bound, coordinate));
            let whole = red.extent as i64;
            low.into_iter().all(|low| low.is_some_and(|low| low <= 0))
                && high.into_iter().all(|high| high.is_some_and(|high| high >= whole))
        })
    };
    let first = (0..form.extents[axis]).find(is_inner).unwrap_or(0);
    let n = (first..form.extents[axis]).take_while(is_inner).count();
    [first, first + n]
}
