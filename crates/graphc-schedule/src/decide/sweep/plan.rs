//! Decides about a sweep: which loops it has, what its lanes are, and where its partial results start and end.
//!
//! There are four kinds of nests:
//!
//! ```text
//! samples as lanes     lanes { for kept axes { sums start; for reduced axes { for halves { .. } }; sums end } }
//! features as lanes    lanes { for samples { for axes in the order of rows { .. } } }           values
//!                      lanes { for kept axes { a sum starts; for samples { for reduced axes { .. } }; it ends } }
//! no batch             lanes { for vectors of elements { .. } }, or lanes { for axes, the last in vectors { .. } },
//!                      or scalars: for axes { .. }
//! ```
//!
//! Pieces that have most of what they compute in common ([`graphc_ir::compute::Compute::joint`]) are computed together:
//! the digits that choose among them are innermost, and their turns stand one after another.
//!
//! A scan is one of these, too, with its axis innermost and not along the lanes. Where selections compare an axis with
//! numbers (the parts of `concat`, the border of `pad`) its loop is cut at these, so that in each piece there is
//! nothing to be chosen.
//!
//! With features as lanes, what does not move along the last axis as its operands do is a nest of scalars. All
//! samples are one chunk there, so that its partial result, joined with no other, is the sum: one chain, samples
//! outermost.

use super::nest::{
    Coordinate, Loop, Nest, PartialResult, ResultKind, Start, SweepPlan, SweepResult, Terms, Walk, define,
};
use crate::decide::lane_axis::LaneAxis;
use crate::decide::samples;
use graphc_ir::NodeId;
use graphc_ir::compute::Combine;
use graphc_ir::digits;
use graphc_ir::form::{Form, Forms};
use graphc_ir::graph::Graph;
use graphc_ir::graph::plan::{FusionPlan, Group, Root};
use graphc_ir::index::{Affine, Var};
use graphc_ir::loops::{Layout, LoopKind};
use graphc_ir::point::{ExprId, PointDag, PointExpr};
use graphc_ir::scalar::{CmpOp, LANES};
use std::collections::BTreeSet;

/// Terms of an innermost axis from which on a sum has two chains: half as many are still worth a loop.
const FEWEST_CHAINED: usize = 8;

/// Most turns of the last digit of an axis that are written as copied code.
const MOST_UNROLLED: usize = 4;

/// Most pieces that the loops of a nest are cut into: each is code of its own.
const MOST_PIECES: usize = 1024;

/// Vectors per parallel block of a long sweep over elements, at most.
const BLOCK: usize = 256;

/// The same at least.
const LEAST_BLOCK: usize = 16;

/// What the sweeps of a program are planned from.
pub(crate) struct Sources<'a> {
    pub(crate) graph: &'a Graph,
    pub(crate) forms: &'a Forms,
    /// Values that have a buffer.
    pub(crate) stored: &'a BTreeSet<NodeId>,
    /// Whether the lanes of the program are features, not samples.
    pub(crate) features_are_lanes: bool,
    /// Threads that share the blocks of a sweep.
    pub(crate) n_threads: usize,
}

impl Sources<'_> {
    /// Vectors of a block of so many: as many blocks for each thread.
    fn block(&self, n_vectors: usize) -> usize {
        if self.n_threads == 1 {
            return BLOCK;
        }
        let n_blocks = n_vectors.div_ceil(BLOCK).next_multiple_of(self.n_threads);
        n_vectors.div_ceil(n_blocks).max(LEAST_BLOCK)
    }
}

impl SweepPlan {
    /// The plan of a group that is a sweep.
    pub(crate) fn of(sources: &Sources<'_>, group: &Group) -> SweepPlan {
        let is_value = |root: &Root| matches!(root, Root::Value(_));
        let first = group.roots[0];
        let nests = if is_value(&first) && sources.graph.ty(first.node()).shape.batch_axis().is_none() {
            vec![Space::new(sources, &group.roots).without_batch()]
        } else if sources.features_are_lanes {
            let (values, partials): (Vec<Root>, Vec<Root>) = group.roots.iter().partition(|root| is_value(root));
            let values = (!values.is_empty()).then(|| Space::new(sources, &values).values_by_features());
            let space = |root: &Root| PointDag::space(sources.graph, sources.forms, *root);
            let alike = partials.chunk_by(|a, b| space(a) == space(b));
            values.into_iter().chain(alike.flat_map(|roots| SweepPlan::partials_by_features(sources, roots))).collect()
        } else {
            vec![Space::new(sources, &group.roots).by_samples()]
        };
        SweepPlan { name: group.name.clone(), nodes: group.nodes(), nests }
    }
}

impl SweepPlan {
    /// Partial results over the same space, whose lanes are features: in one nest unless its lanes cannot be.
    fn partials_by_features(sources: &Sources<'_>, roots: &[Root]) -> Vec<Nest> {
        let of = |roots: &[Root]| Space::new(sources, roots).partials_by_features();
        let all = of(roots);
        if all.lanes.is_some() || roots.len() == 1 { vec![all] } else { roots.chunks(1).map(of).collect() }
    }
}

/// Where the means of a variance's chunks come from: a partial result, and how many terms it has for each sample.
pub(crate) fn mean_source(
    graph: &Graph,
    forms: &Forms,
    stored: &BTreeSet<NodeId>,
    variance: NodeId,
    axes: &[usize],
) -> (Root, usize) {
    let space = PointDag::space(graph, forms, Root::PartialSum(variance));
    let per_sample = space.extents[space.n_kept..].iter().product();
    (FusionPlan::sum_source(graph, forms, stored, variance, axes), per_sample)
}

/// The points at which some results are computed.
struct Space<'a> {
    sources: &'a Sources<'a>,
    roots: Vec<Root>,
    /// Extents of its axes.
    extents: Vec<usize>,
    dag: PointDag<'a>,
    /// The axes in the dag.
    axes: Vec<Var>,
    /// Values of the roots at a point.
    exprs: Vec<ExprId>,
    /// The axis that must be innermost, if the only root is a scan.
    scan: Option<usize>,
}

impl<'a> Space<'a> {
    fn new(sources: &'a Sources<'a>, roots: &[Root]) -> Space<'a> {
        let mut dag = PointDag::new(sources.graph, sources.forms, sources.stored);
        let extents = PointDag::space(sources.graph, sources.forms, roots[0]).extents;
        let (axes, exprs) = define(&mut dag, &extents, roots);
        let node = roots[0].node();
        let scan = sources.forms[&node].as_point().and_then(|form| form.scan()).map(|scan| {
            let ty = sources.graph.ty(node);
            let dimensions = Layout::order(ty.rank(), ty.shape.batch_axis());
            dimensions.iter().position(|&dimension| dimension == scan.axis).expect("a scan is not over the batch")
        });
        Space { sources, roots: roots.to_vec(), extents, dag, axes, exprs, scan }
    }

    /// Loops in the order in which they are written, with what they are cut at.
    fn in_order(&mut self, mut loops: Vec<Loop>) -> Vec<Loop> {
        if let Some(axis) = self.scan {
            let is_scan = |some: &mut Loop| some.over == Coordinate::Axis(axis);
            let digits: Vec<Loop> = loops.extract_if(.., is_scan).collect();
            if !digits.is_empty() {
                let known = digits.into_iter().flat_map(|digit| digit.known).collect();
                loops.push(Loop { known, ..Loop::over(Coordinate::Axis(axis), self.extents[axis]) });
            }
        }
        if self.dag.has_pieces() {
            self.cut(&mut loops);
            self.join_pieces(&mut loops);
        }
        loops
    }

    /// Lets digits that choose among joint pieces be innermost. A sum goes in the order of its axes: where there is
    /// one, they stay.
    fn join_pieces(&mut self, loops: &mut Vec<Loop>) {
        let digits: Vec<(usize, Affine)> = self.roots.iter().flat_map(|root| self.joint_digits(*root)).collect();
        if digits.is_empty() || self.roots.iter().any(|&root| self.terms(root).is_some()) {
            return;
        }
        let values = self.values_of_digits(loops);
        let is_joint = |position: usize| {
            let Coordinate::Axis(axis) = loops[position].over else { return false };
            let (of_axis, of_digit) = &values[position];
            let range = |var: Var| self.dag.var_range(var);
            let chosen = |value: &Affine| {
                let at = value.substitute(&|_| of_axis.clone()).simplify(&range);
                at.as_var() == Some(*of_digit)
            };
            digits.iter().any(|(joint, value)| *joint == axis && chosen(value))
        };
        let positions: Vec<usize> = (0..loops.len()).filter(|&position| is_joint(position)).collect();
        let mut joint = Vec::new();
        for position in positions.into_iter().rev() {
            let walk = Walk::Jointly;
            joint.insert(0, Loop { walk, cuts: Vec::new(), ..loops.remove(position) });
        }
        loops.extend(joint);
        // What digits decide is known inside the last of them.
        for position in 0..loops.len() {
            let over = loops[position].over;
            if loops[position + 1..].iter().any(|inner| inner.over == over && inner.walk == Walk::Jointly) {
                let known = std::mem::take(&mut loops[position].known);
                let last = loops.iter_mut().rfind(|inner| inner.over == over).expect("there is one further in");
                last.known.extend(known);
            }
        }
    }

    /// Whether there are joint pieces.
    fn is_joint(&self) -> bool {
        self.roots.iter().any(|root| self.sources.forms[&root.node()].is_joint())
    }

    /// Axes of the space, and the digits of each that choose among joint pieces of a root; over any variable.
    fn joint_digits(&self, root: Root) -> Vec<(usize, Affine)> {
        let ty = self.sources.graph.ty(root.node());
        let order = Layout::order(ty.rank(), ty.shape.batch_axis());
        let joint = self.sources.forms[&root.node()].as_point().map_or(&[][..], |form| &form.joint);
        let of_axis = |value: &Affine| {
            let axis = order.iter().position(|&dimension| value.uses(Var(dimension as u32)))?;
            Some((axis, value.clone()))
        };
        joint.iter().filter_map(of_axis).collect()
    }

    /// For every loop over an axis that axis over its digits, and the loop's own digit.
    fn values_of_digits(&mut self, loops: &[Loop]) -> Vec<(Affine, Var)> {
        let digits: Vec<Var> = loops.iter().map(|some| self.dag.new_var(some.extent)).collect();
        let lane = self.dag.new_var(LANES);
        let of_axis = |over: Coordinate| {
            let own = loops.iter().zip(&digits).filter(|(some, _)| some.over == over);
            let value = own.clone().fold(Affine::default(), |value, (some, &digit)| {
                value.add_scaled(&Affine::var(digit), some.weight as i64)
            });
            let is_in_lanes = own.map(|(some, _)| some.weight).min().is_some_and(|weight| weight >= LANES);
            if is_in_lanes { value.plus(&Affine::var(lane)) } else { value }
        };
        loops.iter().zip(&digits).map(|(some, &digit)| (of_axis(some.over), digit)).collect()
    }

    /// Cuts loops where selections come out otherwise.
    fn cut(&self, loops: &mut [Loop]) {
        let mut n_pieces = 1;
        for position in 0..loops.len() {
            let Loop { over: Coordinate::Axis(axis), weight, extent, .. } = loops[position] else { continue };
            let is_alone = loops.iter().filter(|other| other.over == loops[position].over).count() == 1;
            let is_plain = matches!(loops[position].walk, Walk::Iterate(LoopKind::Serial | LoopKind::Unroll));
            if !is_alone || !is_plain || loops[position].in_all.is_some() {
                continue;
            }
            let coordinates = cuts(&self.dag, &self.exprs, self.axes[axis]);
            // A vector in which a piece ends is one of that piece; what is beyond its end is not used.
            let turns: BTreeSet<usize> = coordinates.into_iter().map(|cut| cut.div_ceil(weight)).collect();
            let turns: Vec<usize> = turns.into_iter().filter(|turn| (1..extent).contains(turn)).collect();
            // Neighbours that are lanes are always of one piece.
            if n_pieces * (turns.len() + 1) <= MOST_PIECES || weight == LANES {
                n_pieces *= turns.len() + 1;
                loops[position].cuts = turns;
            }
        }
    }

    /// Lanes are samples.
    fn by_samples(mut self) -> Nest {
        let digits = (0..self.extents.len()).flat_map(|axis| self.digits(axis));
        let mut loops = without_single_turns(digits);
        self.deal_to_chains(&mut loops);
        // Sums of the halves need not wait for each other.
        let n_halves = samples::n_halves(self.batch());
        let is_summed = self.roots.iter().any(|&root| self.terms(root).is_some());
        let walk = match is_summed || n_halves == 1 {
            true => Walk::WrittenOut,
            false => Walk::Iterate(LoopKind::Unroll),
        };
        loops.push(Loop { weight: LANES, walk, ..Loop::over(Coordinate::Sample, n_halves) });
        let mut loops = self.in_order(loops);
        halves_around_joint(&mut loops);
        let (results, hoisted) = (self.results(&loops), 0..loops.len());
        let lanes = Some(Coordinate::Sample);
        Nest { axes: self.extents, over_batch: true, joins: Vec::new(), lanes, loops, hoisted, results }
    }

    /// Values whose lanes are features.
    fn values_by_features(mut self) -> Nest {
        let lane_axis = self.lane_axis();
        let mut loops = vec![Loop::over(Coordinate::Sample, self.batch())];
        // Rows end with the last dimension.
        let ty = self.sources.graph.ty(self.roots[0].node());
        let dimensions = Layout::order(ty.rank(), ty.shape.batch_axis());
        let mut axes: Vec<usize> = (0..self.extents.len()).collect();
        axes.sort_by_key(|&axis| dimensions[axis]);
        for axis in axes {
            let mut digits = self.digits(axis);
            if let (true, Some(last)) = (lane_axis == Some(axis), digits.last_mut()) {
                last.take_vectors();
            }
            loops.extend(digits);
        }
        let loops = self.in_order(without_single_turns(loops));
        let (results, hoisted) = (self.results(&loops), 0..loops.len() + 1);
        let lanes = lane_axis.map(Coordinate::Axis);
        Nest { axes: self.extents, over_batch: true, joins: Vec::new(), lanes, loops, hoisted, results }
    }

    /// Partial results over the same space whose lanes are features, which need no joining.
    fn partials_by_features(mut self) -> Nest {
        let n_kept = self.n_kept(self.roots[0]);
        let whole = |axis: usize| Loop::over(Coordinate::Axis(axis), self.extents[axis]);
        let mut kept: Vec<Loop> = (0..n_kept).map(whole).collect();
        let reduced = (n_kept..self.extents.len()).flat_map(|axis| self.digits(axis));
        let inside: Vec<Loop> = [Loop::over(Coordinate::Sample, self.batch())].into_iter().chain(reduced).collect();
        let mut lanes = None;
        if let Some(last) = kept.last_mut().filter(|last| last.extent > 1)
            && self.neighbours_are_lanes(n_kept - 1, &[last.extent])
        {
            lanes = Some(last.over);
            last.take_vectors();
        }
        let loops = self.in_order(kept.into_iter().chain(inside).collect());
        let results = self.results(&loops);
        let hoisted = n_kept..loops.len() + 1;
        Nest { axes: self.extents, over_batch: true, joins: Vec::new(), lanes, loops, hoisted, results }
    }

    /// Lanes are consecutive elements, if every operand has the swept shape or is a single number; or neighbours
    /// along the last axis, if that is whole vectors.
    fn without_batch(mut self) -> Nest {
        let len: usize = self.extents.iter().product();
        let point: Vec<Affine> = self.axes.iter().map(|&axis| Affine::var(axis)).collect();
        let is_flat = len > 1 && self.scan.is_none() && self.dag.is_flat(&self.exprs, &point, &self.extents);
        let joined = |expr: ExprId| match *self.dag.expr(expr) {
            PointExpr::Joined(node) if self.scan.is_none() => Some(node),
            _ => None,
        };
        let joins: Vec<NodeId> = self.dag.reachable(&self.exprs).into_iter().filter_map(joined).collect();
        let axes = self.extents.iter().enumerate();
        let mut axes: Vec<Loop> = axes.map(|(axis, &extent)| Loop::over(Coordinate::Axis(axis), extent)).collect();
        let (lanes, loops, hoisted) = if is_flat {
            let loops = vectors_of_elements(self.sources, len, self.extents.len());
            // What is the same for all elements is computed once.
            let innermost = loops.len() - 1;
            (Some(Coordinate::Element), loops, innermost..innermost + 1)
        } else if joins.is_empty() && self.ends_in_vectors() {
            let lanes = Some(Coordinate::Axis(self.extents.len() - 1));
            if self.is_joint() {
                axes = without_single_turns((0..self.extents.len()).flat_map(|axis| self.digits(axis)));
            }
            axes.last_mut().expect("it has vectors").take_vectors();
            self.join_pieces(&mut axes);
            let loops = in_blocks_of_rows(self.sources, axes);
            let hoisted = 0..loops.len() + 1;
            (lanes, loops, hoisted)
        } else {
            (None, axes, 0..0)
        };
        let loops = self.in_order(loops);
        let results = self.results(&loops);
        Nest { axes: self.extents, over_batch: false, joins, lanes, loops, hoisted, results }
    }

    /// Whether the last axis is whole vectors of neighbours that can be computed at once.
    fn ends_in_vectors(&mut self) -> bool {
        let Some(axis) = self.extents.len().checked_sub(1).filter(|&axis| self.scan != Some(axis)) else {
            return false;
        };
        let digits: Vec<usize> = match self.is_joint() {
            true => self.digits(axis).iter().map(|digit| digit.extent).collect(),
            false => vec![self.extents[axis]],
        };
        digits.last().is_some_and(|last| last.is_multiple_of(LANES)) && self.neighbours_are_lanes(axis, &digits)
    }

    fn batch(&self) -> usize {
        self.sources.graph.batch.expect("the graph is specialised")
    }

    /// Axes that a root keeps.
    fn n_kept(&self, root: Root) -> usize {
        PointDag::space(self.sources.graph, self.sources.forms, root).n_kept
    }

    /// Loops over the digits of an axis.
    fn digits(&self, axis: usize) -> Vec<Loop> {
        let mut indices = Vec::new();
        for id in self.dag.reachable(&self.exprs) {
            self.dag.for_each_index(id, &mut |index| indices.push(index));
        }
        let digits = digits::digits(indices.into_iter(), self.axes[axis], self.extents[axis]);
        let mut weight = self.extents[axis];
        let digit = |&extent: &usize| {
            weight /= extent.max(1);
            let is_short = weight == 1 && digits.len() > 1 && extent <= MOST_UNROLLED;
            let walk = Walk::Iterate(if is_short { LoopKind::Unroll } else { LoopKind::Serial });
            let over = Coordinate::Axis(axis);
            let known = if weight == 1 { vec![over] } else { Vec::new() };
            Loop { weight, walk, known, ..Loop::over(over, extent) }
        };
        digits.iter().map(digit).collect()
    }

    /// The axis that is the last dimension of every root, if its coordinates can be lanes.
    fn lane_axis(&mut self) -> Option<usize> {
        let graph = self.sources.graph;
        let last_of = |root: &Root| {
            let (rank, batch) = (graph.ty(root.node()).rank(), graph.ty(root.node()).shape.batch_axis());
            Layout::order(rank, batch).iter().position(|&axis| axis + 1 == rank)
        };
        let axis = last_of(&self.roots[0])?;
        if self.scan == Some(axis) || self.roots.iter().any(|root| last_of(root) != Some(axis)) {
            return None;
        }
        let digits: Vec<usize> = self.digits(axis).iter().map(|digit| digit.extent).collect();
        let &last = digits.last()?;
        let fills_vectors = last > 1 && (digits.len() == 1 || last.is_multiple_of(LANES));
        (fills_vectors && self.neighbours_are_lanes(axis, &digits)).then_some(axis)
    }

    /// Whether eight neighbours along an axis with these digits can be computed at once.
    fn neighbours_are_lanes(&mut self, axis: usize, digits: &[usize]) -> bool {
        let (&last, others) = digits.split_last().expect("an axis has digits");
        let (vector, lane) = (self.dag.new_var(last.div_ceil(LANES)), self.dag.new_var(LANES));
        let mut value = Affine::var(vector).times(LANES as i64).plus(&Affine::var(lane));
        let mut weight = last;
        for &extent in others.iter().rev() {
            value = value.add_scaled(&Affine::var(self.dag.new_var(extent)), weight as i64);
            weight *= extent;
        }
        LaneAxis { axis: self.axes[axis], value, lane }.fits(self.sources.graph, &self.dag, &self.exprs)
    }

    /// What becomes of the values of the roots.
    fn results(&self, loops: &[Loop]) -> Vec<SweepResult> {
        let result = |&root: &Root| {
            let form = self.sources.forms[&root.node()].as_point();
            let kind = match self.terms(root) {
                None if let Some((scan, axis)) = form.and_then(|form| form.scan()).zip(self.scan) => {
                    let depth = loops.iter().position(|some| some.over == Coordinate::Axis(axis));
                    let (depth, exclusive) = (depth.unwrap_or(loops.len()), scan.exclusive);
                    ResultKind::Scanned { depth, exclusive, start: Start::of(scan.start) }
                }
                None => ResultKind::Stored,
                Some(terms) => {
                    let n_kept = self.n_kept(root);
                    let is_outside = |outer: &&Loop| matches!(outer.over, Coordinate::Axis(axis) if axis < n_kept);
                    let depth = loops.iter().take_while(is_outside).count();
                    ResultKind::Partial(PartialResult { terms, n_kept, depth })
                }
            };
            SweepResult { root, kind }
        };
        self.roots.iter().map(result).collect()
    }

    /// How the terms of a root are combined; none if it is a value.
    fn terms(&self, root: Root) -> Option<Terms> {
        let (graph, forms) = (self.sources.graph, self.sources.forms);
        match (root, &forms[&root.node()]) {
            (Root::Value(_), _) => None,
            // A variance is no sole reader of terms: it reads them twice.
            (Root::PartialSum(_), _) => Some(Terms::Sum { contracted: false }),
            (Root::PartialDeviations(node), Form::Variance { axes }) => {
                let (sum, per_sample) = mean_source(graph, forms, self.sources.stored, node, axes);
                Some(Terms::Deviations { sum, per_sample })
            }
            (Root::Partial(_), Form::Point(form)) => match form.combine {
                Some(Combine::Sum) => {
                    // Padding samples are taken out between a product and its sum.
                    let rounds_products = !self.sources.features_are_lanes && samples::is_ragged(self.batch());
                    let sums_products = form.sums_products(forms);
                    Some(Terms::Sum { contracted: sums_products && !rounds_products })
                }
                Some(Combine::Max) => Some(Terms::Max),
                other @ (Some(Combine::ArgMax(_)) | None) => unreachable!("{other:?} does not reduce the batch"),
            },
            (root, _) => unreachable!("{root:?} is no partial result"),
        }
    }

    /// Gives sums two chains where they run over an even number of at least [`FEWEST_CHAINED`] neighbours: even and
    /// odd coordinates of their innermost axis. That follows from the sum alone, not from what it shares its
    /// loops with.
    fn deal_to_chains(&self, loops: &mut Vec<Loop>) {
        let Some(Loop { over: Coordinate::Axis(axis), extent: digit, .. }) = loops.last().cloned() else { return };
        let is_summed = |result: &SweepResult| match result.kind {
            ResultKind::Stored | ResultKind::Scanned { .. } => false,
            ResultKind::Partial(partial) => partial.n_kept <= axis,
        };
        let extent = self.extents[axis];
        if !self.results(loops).iter().any(is_summed) || !extent.is_multiple_of(2) || extent < FEWEST_CHAINED {
            return;
        }
        if !digit.is_multiple_of(2) {
            // Neighbours would not be told apart by the last digit: then the axis stays whole.
            let first =
                loops.iter().position(|some| some.over == Coordinate::Axis(axis)).expect("the last one at least");
            let known = loops.drain(first..).flat_map(|digit| digit.known).collect();
            loops.push(Loop { known, ..Loop::over(Coordinate::Axis(axis), extent) });
        }
        let last = loops.last_mut().expect("it was there above");
        last.walk = if last.extent == 2 { Walk::WrittenOut } else { Walk::Chains(2) };
    }
}

impl Loop {
    /// A serial loop over all of a coordinate.
    fn over(over: Coordinate, extent: usize) -> Loop {
        let walk = Walk::Iterate(LoopKind::Serial);
        Loop { over, extent, weight: 1, walk, in_all: None, cuts: Vec::new(), known: vec![over] }
    }

    /// Lets a turn be eight neighbours.
    fn take_vectors(&mut self) {
        self.extent = self.extent.div_ceil(LANES);
        self.weight *= LANES;
        self.walk = Walk::Iterate(LoopKind::Serial);
    }
}

/// Coordinates of an axis from which on a selection comes out otherwise than before, ascending.
fn cuts(dag: &PointDag<'_>, exprs: &[ExprId], axis: Var) -> BTreeSet<usize> {
    let mut cuts = BTreeSet::new();
    for id in dag.reachable(exprs) {
        let PointExpr::Select { cmp, args } = dag.expr(id) else { continue };
        let (PointExpr::Index(index), PointExpr::I32(number)) = (dag.expr(args[0]), dag.expr(args[1])) else {
            continue;
        };
        let rest = index.add_scaled(&Affine::var(axis), -1).as_constant();
        let Some(at) = rest.map(|rest| i64::from(*number) - rest) else { continue };
        let first = match cmp {
            CmpOp::Lt | CmpOp::Ge => [at, at],
            CmpOp::Le | CmpOp::Gt => [at + 1; 2],
            CmpOp::Eq | CmpOp::Ne => [at, at + 1],
        };
        cuts.extend(first.into_iter().filter_map(|cut| usize::try_from(cut).ok()));
    }
    cuts
}

/// Lets a loop go over the halves around joint pieces, which are too long to be written out for each.
fn halves_around_joint(loops: &mut [Loop]) {
    let Some(joint) = loops.iter().position(|some| some.walk == Walk::Jointly) else { return };
    if let Some(halves @ Loop { over: Coordinate::Sample, .. }) = loops[..joint].last_mut() {
        halves.walk = Walk::Iterate(LoopKind::Serial);
    }
}

/// Leaves out loops of one turn: what they would decide is known inside of the loop before.
fn without_single_turns(loops: impl IntoIterator<Item = Loop>) -> Vec<Loop> {
    let mut others: Vec<Loop> = Vec::new();
    for single in loops {
        match others.last_mut() {
            Some(before) if single.extent == 1 => before.known.extend(single.known),
            None if single.extent == 1 => {}
            _ => others.push(single),
        }
    }
    others
}

/// The same loops, the outermost in blocks for threads if there are many vectors.
fn in_blocks_of_rows(sources: &Sources<'_>, mut loops: Vec<Loop>) -> Vec<Loop> {
    let n_vectors: usize = loops.iter().map(|some| some.extent).product();
    let [rows, _, ..] = loops.as_mut_slice() else { return loops };
    if n_vectors <= BLOCK {
        return loops;
    }
    let n_rows = rows.extent;
    let per_block = (sources.block(n_vectors) * n_rows / n_vectors).max(1);
    let walk = Walk::Iterate(LoopKind::Parallel);
    let n_blocks = n_rows.div_ceil(per_block);
    let blocks = Loop { weight: per_block * rows.weight, walk, known: Vec::new(), ..Loop::over(rows.over, n_blocks) };
    rows.extent = per_block;
    rows.in_all = (!n_rows.is_multiple_of(per_block)).then_some(n_rows);
    loops.insert(0, blocks);
    loops
}

/// Loops over all elements, eight by eight; in blocks for threads if there are many.
fn vectors_of_elements(sources: &Sources<'_>, len: usize, n_axes: usize) -> Vec<Loop> {
    let n_vectors = len.div_ceil(LANES);
    let known = (0..n_axes).map(Coordinate::Axis).collect();
    let mut vectors = Loop { known, ..Loop::over(Coordinate::Element, len) };
    vectors.take_vectors();
    if n_vectors <= BLOCK {
        return vec![vectors];
    }
    let (walk, block) = (Walk::Iterate(LoopKind::Parallel), sources.block(n_vectors));
    let blocks = Loop::over(Coordinate::Element, n_vectors.div_ceil(block));
    vectors.extent = block;
    vectors.in_all = (!n_vectors.is_multiple_of(block)).then_some(n_vectors);
    vec![Loop { weight: block * LANES, walk, ..blocks }, vectors]
}
