//! Contractions whose lanes are neighbours along the last axis of the result: eight channels of a convolution, units
//! of a dense layer, columns of a product.
//!
//! Along that axis each factor must stay where it is, as a splat, or move by one word: because it stands so, or by
//! way of a copy of what is the same for every sample. The register grid is vectors of the result by coordinates of
//! the splats: pixels of a row, samples, rows of a matrix. Each element is one chain over the reductions in their
//! order, samples included. What does not fit is computed one element at a time.
//!
//! Beside the border of a padded image a window has fewer taps. Pixels of one grid need the same ones, so a row is
//! walked in three parts: the left border pixel by pixel, blocks of inner pixels, the right border.

use super::epilogue::{declare_axes, epilogue};
use super::{Batch, Contraction, ContractionPlan, Lanes, Read};
use crate::decide::axes::Move;
use crate::decide::copies::{Copies, CopyPlan};
use crate::decide::grid::Width;
use crate::decide::lane_axis::LaneAxis;
use crate::decide::loops::{Coordinate, Loop, Tail};
use graphc_ir::compute::LoadIndex;
use graphc_ir::form::PointForm;
use graphc_ir::index::{Affine, Var};
use graphc_ir::point::PointDag;
use graphc_ir::scalar::LANES;

/// Weights that are read less often than this in a step are not worth a copy if they stand in vectors as they are.
const FEWEST_USES: usize = 16;

/// The same for rows without a batch that push each other out of the nearest cache: about ten tiles.
const FEWEST_USES_OF_ROWS: usize = 64;

/// The same for weights of which axes of the result choose some: otherwise lanes are single elements.
const FEWEST_GATHERED_USES: usize = 4;

/// Multiply-adds from which on the rows of a product without a batch are shared by threads.
const FEWEST_SHARED: usize = 1 << 18;

/// How a factor moves along the axis of the lanes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    /// Not at all.
    Splat,
    /// By one word, where it stands.
    Vectors,
    /// By one word in a copy.
    Copy,
}

impl Contraction<'_> {
    /// The result's last axis is the lanes, if that fits; otherwise it is computed one element at a time.
    pub(crate) fn by_neighbours(self, batch: Batch, copies: &mut Copies) -> ContractionPlan {
        let last = self.form().extents.len().checked_sub(1);
        let Some((last, sources)) = last.and_then(|last| Some((last, self.sources(last, batch)?))) else {
            let loops = (0..self.form().extents.len()).map(|axis| self.inner_loop(axis)).collect();
            let mut plan = self.plan(Lanes::None, batch, loops);
            self.choose_grid(&mut plan, [0, 1], [Width::Word; 2]);
            self.remainders_first(&mut plan);
            return plan;
        };
        let (lane, extent) = (Var(last as u32), self.form().extents[last]);
        // Splats first: among equal grids the one with more of them wins.
        let splats = usize::from(sources[0] != Source::Splat);
        let vectors = self.vectors(extent, batch);
        // What else moves the vectors along the result's last axis is walked outside of them.
        let digits = self.split.digits(self.split.extents.len() - 1);
        let is_outside = |&axis: &usize| digits.contains(&axis) && self.axes.output(axis).moves_only(1 - splats);
        let (outside, inside): (Vec<usize>, Vec<usize>) = (0..last).partition(is_outside);
        let n_neighbours = extent * outside.iter().map(|&axis| self.form().extents[axis]).product::<usize>();
        let [outside, inside] = [outside, inside].map(|axes| axes.into_iter().map(|axis| self.inner_loop(axis)));
        let mut plan = self.plan(Lanes::Axis(lane), batch, outside.chain([vectors]).chain(inside).collect());
        let n_terms: usize = self.form().reds.iter().map(|red| red.extent).product();
        let is_far = n_neighbours * n_terms > self.problem.machine.nearest_half_words();
        let vector = if is_far { Width::FarVector } else { Width::Vector };
        let widths = sources.map(|source| if source == Source::Splat { Width::Splat } else { vector });
        self.choose_grid(&mut plan, [splats, 1 - splats], widths);
        let is_vector = |walk: &&Loop| walk.coordinate == Coordinate::Vector;
        if let Some(factor) = sources.iter().position(|&source| source == Source::Copy) {
            let contraction = self.form().as_contraction().expect("a contraction");
            let index = [contraction.a, contraction.b][factor].1;
            let copy = CopyPlan::vectors(self.problem, (self.operands[factor], self.node), (index, self.form()), lane);
            let walk = plan.loops.iter().find(is_vector).expect("a loop over vectors");
            let (block, tail) = (walk.block * LANES, walk.tail.map(|_| walk.extent * LANES));
            plan.reads[factor] = Read::Copy(copies.add(CopyPlan { tail, ..copy }.in_blocks(self.problem, block)));
        }
        if batch == Batch::None && self.n_multiply_adds() >= FEWEST_SHARED {
            // The first axis that is left beside the vectors; its rows are apart.
            let first = plan.loops.iter_mut().find(|walk| !is_vector(&&**walk));
            first.into_iter().for_each(|walk| walk.is_shared = walk.inner == [0, walk.extent]);
        }
        self.remainders_first(&mut plan);
        plan
    }

    fn n_multiply_adds(&self) -> usize {
        self.axes.outputs().chain(self.axes.reductions()).map(|axis| axis.extent).product()
    }

    /// Vectors along the axis of the lanes. Rows of the batch are padded to whole vectors, others are not.
    fn vectors(&self, extent: usize, batch: Batch) -> Loop {
        let (n_full, left) = (extent / LANES, extent % LANES);
        if batch == Batch::Rows || left == 0 {
            return Loop::new(Coordinate::Vector, extent.div_ceil(LANES));
        }
        let tail = if n_full > 0 { Tail::Overlaps(extent - LANES) } else { Tail::Blends(0, left) };
        Loop { tail: Some(tail), ..Loop::new(Coordinate::Vector, n_full) }
    }

    /// How the factors move along axis `last` of the result, if its coordinates can be lanes.
    fn sources(&self, last: usize, batch: Batch) -> Option<[Source; 2]> {
        let form = self.form();
        let contraction = form.as_contraction()?;
        if form.batch_axis == Some(last) || form.extents[last] == 1 || self.axes.output(last).bounds {
            return None;
        }
        // Behind the end of a digit its next turn begins.
        if self.split.splits_last() && !form.extents[last].is_multiple_of(LANES) {
            return None;
        }
        let mut dag = PointDag::new(self.problem.graph, self.problem.forms, &self.problem.fusion.stored);
        declare_axes(&mut dag, form);
        let lanes = lane_axis(&mut dag, form);
        let a = self.source(&dag, &lanes, (0, contraction.a.1), batch)?;
        let b = self.source(&dag, &lanes, (1, contraction.b.1), batch)?;
        if matches!([a, b], [Source::Splat, Source::Splat] | [Source::Copy, Source::Copy]) {
            return None;
        }
        // Words behind the end of a row are not there to be read, or to be kept.
        if batch == Batch::None && form.extents[last] < LANES {
            return None;
        }
        let has_epilogue = !matches!(batch, Batch::SummedRows);
        if has_epilogue {
            let (_, value) = epilogue(&mut dag, &self.split, self.node, self.root.node());
            if !lanes.fits(self.problem.graph, &dag, &[value]) {
                return None;
            }
        }
        Some([a, b])
    }

    fn source(
        &self,
        dag: &PointDag<'_>,
        lanes: &LaneAxis,
        (factor, index): (usize, &[LoadIndex]),
        batch: Batch,
    ) -> Option<Source> {
        if !index.iter().any(|i| i.value.uses(lanes.axis)) {
            return Some(Source::Splat);
        }
        let operand = self.operands[factor];
        let has_batch = self.problem.graph.ty(operand).shape.batch_axis().is_some();
        let is_term = |var: Var| var == lanes.axis || self.form().reds.iter().any(|red| red.var == var);
        let stands_in_vectors = self.stands_in_vectors(dag, lanes, (factor, index));
        let uses_terms_only = index.iter().all(|i| i.value.is_affine_over(is_term));
        let is_gathered = CopyPlan::is_gathered(index, lanes.axis)
            && !stands_in_vectors
            && self.n_uses_of_a_word(factor, lanes.axis) >= FEWEST_GATHERED_USES;
        let can_copy = !has_batch && (uses_terms_only || is_gathered);
        let n_uses = self.n_uses(lanes.axis);
        let is_worth_a_copy = match batch {
            // A step that updates parameters has to copy them anew.
            Batch::Rows => self.problem.graph.updates.is_empty() || n_uses >= FEWEST_USES,
            Batch::None => n_uses >= FEWEST_USES_OF_ROWS && !self.rows_stay(factor),
            Batch::Chunks { .. } | Batch::Summed(_) | Batch::SummedRows => false,
        };
        match (can_copy, stands_in_vectors) {
            (true, true) if !is_worth_a_copy => Some(Source::Vectors),
            (true, _) => Some(Source::Copy),
            (false, true) => Some(Source::Vectors),
            (false, false) => None,
        }
    }

    /// Whether a line of every row of a factor stays in the nearest cache while a tile goes through its terms.
    fn rows_stay(&self, factor: usize) -> bool {
        let Some(red) = self.form().reds.last() else { return true };
        self.problem.machine.stay_apart(red.extent, self.step(factor, red.var))
    }

    /// How often each element of what moves along the lanes' axis is read: once for every coordinate of the other
    /// axes.
    fn n_uses(&self, lane: Var) -> usize {
        self.axes.outputs().filter(|axis| axis.var != lane).map(|axis| axis.extent).product()
    }

    /// The same if other axes choose among its elements: only those count along which it stays where it is.
    fn n_uses_of_a_word(&self, factor: usize, lane: Var) -> usize {
        let others = self.axes.outputs().filter(|axis| axis.var != lane && axis.moves[factor] == Move::No);
        others.map(|axis| axis.extent).product()
    }

    /// Whether a factor moves by one word, within a row, as it stands.
    fn stands_in_vectors(&self, dag: &PointDag<'_>, lanes: &LaneAxis, (factor, index): (usize, &[LoadIndex])) -> bool {
        let operand = self.operands[factor];
        let batch_axis = self.problem.graph.ty(operand).shape.batch_axis();
        let Some((last, others)) = index.split_last() else { return false };
        let size = self.problem.graph.sizes(operand).last().copied();
        let is_row = last.value.coefficient(lanes.axis) == 1 && batch_axis != Some(others.len());
        let is_fixed = others.iter().all(|i| !i.value.uses(lanes.axis));
        is_row && is_fixed && lanes.reads(dag, &last.value, size)
    }
}

fn lane_axis(dag: &mut PointDag<'_>, form: &PointForm) -> LaneAxis {
    let last = form.extents.len() - 1;
    let (vector, lane) = (dag.new_var(form.extents[last].div_ceil(LANES)), dag.new_var(LANES));
    let value = Affine::var(vector).times(LANES as i64).plus(&Affine::var(lane));
    LaneAxis { axis: Var(last as u32), value, lane }
}
