//! A nest as the cut sees it: what it reads and leaves, element by element, and along which of its loops it can be
//! shared by tasks that know nothing of each other.

use crate::decide::contraction::ContractionPlan;
use crate::decide::contraction::epilogue::{declare_axes, epilogue};
use crate::decide::loops::Loop;
use crate::decide::problem::Problem;
use crate::decide::scatter::{ScatterPlan, Scattered};
use crate::decide::sweep::nest::{Coordinate, Nest, ResultKind, SweepPlan, SweepResult, Terms};
use crate::machine::LINE_WORDS;
use graphc_ir::graph::plan::Root;
use graphc_ir::index::{Affine, Atom, Var};
use graphc_ir::loops::Layout;
use graphc_ir::point::{BATCH, ExprId, PointDag, PointExpr};

/// Operations of an elementary function, or a random number.
const ELEMENTARY: usize = 16;

/// A loop along which a nest can be cut: every turn computes other elements of all its results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Way {
    /// Position of the loop in the nest.
    pub(super) position: usize,
    /// The axis that it walks.
    pub(super) axis: Var,
    /// Coordinates of the axis.
    pub(super) extent: usize,
    /// Coordinates of a turn.
    pub(super) unit: usize,
    /// Whether all shares must have as many turns: the loop is one of straight-line code, whose length is constant.
    pub(super) is_even: bool,
}

/// Where an element of a result of a nest of the kernel is read, or of anything else.
struct Read {
    root: Root,
    /// By dimension; of a partial result, by axis that it keeps, those of a single coordinate left out.
    index: Vec<Affine>,
    /// Lines of 16 words of what a task reads if it is not cut.
    n_lines: f64,
}

/// A nest of a kernel that is run for every task.
pub(crate) struct Piece<'a> {
    dag: PointDag<'a>,
    /// Cycles for the samples of one task.
    pub(super) cycles: f64,
    pub(super) ways: Vec<Way>,
    reads: Vec<Read>,
    /// What it leaves, each with the variables that its dimensions move with.
    leaves: Vec<(Root, Vec<Option<Var>>)>,
}

impl<'a> Piece<'a> {
    /// A contraction over samples, for one of `n_tasks` tasks.
    pub(crate) fn of_contraction(problem: &Problem<'a>, plan: &ContractionPlan, n_tasks: usize) -> Piece<'a> {
        let form = &plan.split.form;
        let contraction = form.as_contraction().expect("a contraction");
        let mut dag = PointDag::new(problem.graph, problem.forms, &problem.fusion.stored);
        declare_axes(&mut dag, form);
        let end = plan.root.node();
        let (_, value) = epilogue(&mut dag, &plan.split, plan.node, end);
        let leaves = vec![(plan.root, dag.own_index(end, &plan.split.result).iter().map(Affine::as_var).collect())];
        // Beside a border blocks are of several sizes, so that shares would not be known by their numbers; remainders
        // with taps of their own are no equal shares.
        let n_axes = plan.split.extents.len();
        let is_first = |axis: Var| (0..n_axes).any(|whole| plan.split.digits(whole).start == axis.0 as usize);
        let is_even = |axis: Var| !plan.axes.get(axis).bounds || is_first(axis);
        let is_plain = |(_, walk): &(usize, &Loop)| {
            let is_whole = walk.block == 1 || walk.inner == [0, walk.extent];
            walk.end.is_none() && is_whole && walk.axis().is_none_or(is_even)
        };
        let way = |(position, walk): (usize, &Loop)| {
            let (extent, unit) = (walk.extent, walk.block);
            Some(Way { position, axis: walk.axis()?, extent, unit, is_even: false })
        };
        let ways = plan.loops.iter().enumerate().filter(is_plain).filter_map(way).collect();
        let cycles = plan.kilocycles * 1000.0 / n_tasks as f64;
        let mut piece = Piece { dag, cycles, ways, reads: Vec::new(), leaves };
        for (read, index) in [contraction.a, contraction.b] {
            let index = index.iter().map(|i| i.value.clone()).collect();
            piece.read(problem, (Root::Value(read), index), n_tasks);
        }
        piece.read_all(problem, &[value], n_tasks);
        piece
    }

    /// A sweep over samples, for one of `n_tasks` tasks.
    pub(crate) fn of_sweep(problem: &Problem<'a>, plan: &SweepPlan, n_tasks: usize) -> Piece<'a> {
        let mut dag = PointDag::new(problem.graph, problem.forms, &problem.fusion.stored);
        let [nest] = plan.nests.as_slice() else { unreachable!("a sweep over samples is one nest") };
        let (axes, exprs) = nest.define(&mut dag);
        let n_vectors = problem.n_chunks() * problem.n_halves() * nest.axes.iter().product::<usize>();
        let cycles = (n_vectors * n_operations(&dag, &exprs)) as f64 / n_tasks as f64;
        let leaves =
            nest.results.iter().map(|result| (result.root, dimensions(problem, nest, result, &axes))).collect();
        let mut piece = Piece { dag, cycles, ways: ways_of_sweep(nest, &axes), reads: Vec::new(), leaves };
        piece.read_all(problem, &exprs, n_tasks);
        for result in &nest.results {
            if let ResultKind::Partial(partial) = result.kind
                && let Terms::Deviations { sum, .. } = partial.terms
            {
                let kept = kept(nest, partial.n_kept, &axes).map(Affine::var).collect();
                piece.read(problem, (sum, kept), n_tasks);
            }
        }
        piece
    }

    /// A scatter over samples, for one of `n_tasks` tasks, which is never cut.
    pub(crate) fn of_scatter(problem: &Problem<'a>, plan: &ScatterPlan, n_tasks: usize) -> Piece<'a> {
        let (graph, stored) = (problem.graph, &problem.fusion.stored);
        let scattered = Scattered::of(graph, problem.forms, stored, plan.node).expect("it was planned");
        let Scattered { dag, axes, reds, term, .. } = scattered;
        let n_turns: usize = reds.iter().map(|&(_, extent)| extent).product();
        let n_elements: usize = graph.sizes(plan.node).iter().product();
        let cycles = (n_elements * (1 + n_turns)) as f64 / n_tasks as f64;
        let leaves = vec![(Root::Value(plan.node), axes.iter().map(Affine::as_var).collect())];
        let mut piece = Piece { dag, cycles, ways: Vec::new(), reads: Vec::new(), leaves };
        piece.read_all(problem, &[term], n_tasks);
        piece
    }

    fn read_all(&mut self, problem: &Problem<'_>, exprs: &[ExprId], n_tasks: usize) {
        let loads = self.dag.loads(exprs).into_iter().map(|(node, index)| (Root::Value(node), index.to_vec()));
        let loads: Vec<_> = loads.collect();
        loads.into_iter().for_each(|load| self.read(problem, load, n_tasks));
    }

    fn read(&mut self, problem: &Problem<'_>, (root, index): (Root, Vec<Affine>), n_tasks: usize) {
        let is_known = self.reads.iter().any(|read| read.root == root);
        let n_words = match root {
            // What is read at several places of a tensor is fetched once.
            _ if is_known => 0,
            Root::Value(node) => {
                let n_tasks = if problem.graph.ty(node).shape.batch_axis().is_some() { n_tasks } else { 1 };
                problem.layout(node).len() / n_tasks
            }
            Root::Partial(_) | Root::PartialSum(_) | Root::PartialDeviations(_) => 0,
        };
        self.reads.push(Read { root, index, n_lines: n_words as f64 / LINE_WORDS as f64 });
    }

    /// What it leaves.
    pub(super) fn roots(&self) -> impl Iterator<Item = Root> {
        self.leaves.iter().map(|(root, _)| *root)
    }

    /// Lines that a share of so many coordinates along `way` reads of what `is_near` does not have; without a way, all.
    pub(super) fn n_lines(&self, way: Option<(Way, usize)>, is_near: impl Fn(Root) -> bool) -> f64 {
        let part = |read: &Read| way.map_or(1.0, |(way, width)| self.part_read(read, way, width));
        let far = self.reads.iter().filter(|read| !is_near(read.root));
        far.map(|read| read.n_lines * part(read)).sum()
    }

    /// The part of what a nest reads at a place that a share reads: neighbouring shares of a window overlap.
    fn part_read(&self, read: &Read, way: Way, width: usize) -> f64 {
        let part = |index: &Affine| {
            let step = index.coefficient(way.axis);
            let (low, high) = index.add_scaled(&Affine::var(way.axis), -step).range(&|var| self.dag.var_range(var));
            let of_all = |n: usize| (step.abs() * (n as i64 - 1) + high - low + 1) as f64;
            if step == 0 { width as f64 / way.extent as f64 } else { of_all(width) / of_all(way.extent) }
        };
        read.index.iter().find(|index| index.uses(way.axis)).map_or(1.0, part).min(1.0)
    }

    /// Coordinates of a share along `way`, if nests before it in the same task leave all that it reads of them:
    /// `producer` gives such a nest with its own way and the coordinates of its share. `None` if it would read what
    /// another task leaves; `Some(None)` if it reads nothing of theirs.
    pub(super) fn width_after<'p>(
        &self,
        way: Way,
        producer: impl Fn(Root) -> Option<(&'p Piece<'a>, Way, usize)>,
    ) -> Option<Option<usize>>
    where
        'a: 'p,
    {
        let mut all = None;
        for read in &self.reads {
            let Some((piece, its_way, its_width)) = producer(read.root) else { continue };
            let dimensions = piece.leaves.iter().find(|(root, _)| *root == read.root).map(|(_, vars)| vars)?;
            let dimension = dimensions.iter().position(|&var| var == Some(its_way.axis))?;
            let width = self.width_that_reads(read.index.get(dimension)?, way.axis, its_width)?;
            if all.is_some_and(|other| other != width) {
                return None;
            }
            all = Some(width);
        }
        Some(all)
    }

    /// Coordinates of `axis` whose index stays within `width` elements, share by share.
    fn width_that_reads(&self, index: &Affine, axis: Var, width: usize) -> Option<usize> {
        if let [(Atom::Div(inner, divisor), 1)] = index.terms.as_slice()
            && inner.as_var() == Some(axis)
            && index.offset == 0
        {
            return Some(width * usize::try_from(*divisor).ok()?);
        }
        let step = index.coefficient(axis);
        let rest = index.add_scaled(&Affine::var(axis), -step);
        let (low, high) = rest.range(&|var| self.dag.var_range(var));
        let is_within = step > 0 && !rest.uses(axis) && low >= 0 && high < step;
        let step = usize::try_from(step).ok()?;
        (is_within && width.is_multiple_of(step)).then(|| width / step)
    }
}

/// Loops over the outermost digits of axes that every result keeps.
fn ways_of_sweep(nest: &Nest, axes: &[Var]) -> Vec<Way> {
    let n_kept = nest.results.iter().filter_map(|result| match result.kind {
        ResultKind::Stored | ResultKind::Scanned { .. } => None,
        ResultKind::Partial(partial) => Some(partial.n_kept),
    });
    let is_scan = |position: usize| {
        nest.results.iter().any(|result| matches!(result.kind, ResultKind::Scanned { depth, .. } if depth == position))
    };
    let n_kept = n_kept.min().unwrap_or(nest.axes.len());
    let last = nest.loops.iter().rposition(|some| matches!(some.over, Coordinate::Axis(_)));
    let first_over = |axis: usize| nest.loops.iter().position(|some| some.over == Coordinate::Axis(axis));
    let way = |axis: usize| {
        let position = first_over(axis)?;
        let outermost = &nest.loops[position];
        let is_whole =
            !is_scan(position) && outermost.n_copies() == 1 && outermost.extent * outermost.weight == nest.axes[axis];
        is_whole.then_some(Way {
            position,
            axis: axes[axis],
            extent: nest.axes[axis],
            unit: outermost.weight,
            is_even: Some(position) == last,
        })
    };
    (0..n_kept).filter_map(way).collect()
}

/// Axes that a partial result keeps and that are more than one coordinate: there may be others among those of a
/// reduction that keeps its rank.
fn kept<'a>(nest: &'a Nest, n_kept: usize, axes: &'a [Var]) -> impl Iterator<Item = Var> + 'a {
    axes[..n_kept].iter().zip(&nest.axes).filter(|&(_, &extent)| extent > 1).map(|(&axis, _)| axis)
}

/// The variables that the dimensions of a result move with.
fn dimensions(problem: &Problem<'_>, nest: &Nest, result: &SweepResult, axes: &[Var]) -> Vec<Option<Var>> {
    match result.kind {
        ResultKind::Partial(partial) => kept(nest, partial.n_kept, axes).map(Some).collect(),
        ResultKind::Stored | ResultKind::Scanned { .. } => {
            let ty = problem.graph.ty(result.root.node());
            let mut dimensions = vec![Some(BATCH); ty.rank()];
            for (&dimension, &axis) in Layout::order(ty.rank(), ty.shape.batch_axis()).iter().zip(axes) {
                dimensions[dimension] = Some(axis);
            }
            dimensions
        }
    }
}

/// Operations at a point of a sweep, roughly: those of an inner sum as often as it has terms.
fn n_operations(dag: &PointDag<'_>, exprs: &[ExprId]) -> usize {
    let weight = |id: ExprId| match dag.expr(id) {
        PointExpr::Reduce { reds, .. } => 2 * reds.iter().map(|red| red.extent).product::<usize>(),
        PointExpr::Unary(op, _) if op.is_function() => ELEMENTARY,
        PointExpr::Uniform(..) => ELEMENTARY,
        _ => 1,
    };
    dag.reachable(exprs).into_iter().map(weight).sum()
}
