//! Decides about a scatter: a sum whose terms go where an index variable says.
//!
//! ```text
//! every element 0
//! for the reductions, in order { place; for the other axes { result[place] += term } }
//! ```
//!
//! Terms of an element are added in the order of the reductions, whoever adds them. So threads share the other axes,
//! and each goes through all terms: the result is owned by its destination. A result with a batch is computed chunk by
//! chunk with samples as lanes, since all samples go to the same place; one without a batch has neighbours along its
//! last axis as lanes, and where its terms stand apart, as those of one sample in a chunk do, they are gathered.

use crate::decide::lane_axis::LaneAxis;
use crate::decide::problem::Problem;
use graphc_ir::NodeId;
use graphc_ir::form::Forms;
use graphc_ir::graph::Graph;
use graphc_ir::graph::plan::Group;
use graphc_ir::index::{Affine, Var};
use graphc_ir::point::{BATCH, ExprId, PointDag};
use graphc_ir::scalar::LANES;
use std::collections::BTreeSet;
use std::fmt::{self, Display, Formatter};

/// Elements of a result from which on threads share it.
const WORTH_SHARING: usize = 4096;

/// Coordinates along the last axis that a share has at least: a cache line has one owner.
const FEWEST_NEIGHBOURS: usize = 16;

/// A scatter's term, and where it goes.
pub(crate) struct Scattered<'a> {
    pub(crate) dag: PointDag<'a>,
    /// By dimension of the result: the axis' variable, or that of the batch; 0 where terms say.
    pub(crate) axes: Vec<Affine>,
    /// Loops over terms: the variable, and the number of turns.
    pub(crate) reds: Vec<(Var, usize)>,
    pub(crate) term: ExprId,
    /// The dimension along which terms say where they go, and where that is.
    pub(crate) place: (usize, Affine),
}

impl<'a> Scattered<'a> {
    /// Those of a node; `None` if it is no scatter.
    pub(crate) fn of(
        graph: &'a Graph,
        forms: &'a Forms,
        stored: &'a BTreeSet<NodeId>,
        node: NodeId,
    ) -> Option<Scattered<'a>> {
        let form = forms[&node].as_point()?;
        let along = form.scatter()?.axis;
        let mut dag = PointDag::new(graph, forms, stored);
        let batch = graph.ty(node).shape.batch_axis();
        let mut axis = |(dimension, &extent): (usize, &usize)| match dimension {
            _ if Some(dimension) == batch => Affine::var(BATCH),
            _ if dimension == along => Affine::constant(0),
            _ => Affine::var(dag.new_var(extent)),
        };
        let axes: Vec<Affine> = form.extents.iter().enumerate().map(&mut axis).collect();
        let red = |is_batch: bool, extent: usize, dag: &mut PointDag<'_>| {
            (if is_batch { BATCH } else { dag.new_var(extent) }, extent)
        };
        let reds: Vec<(Var, usize)> = form.reds.iter().map(|r| red(r.is_batch, r.extent, &mut dag)).collect();
        let vars: Vec<Affine> = axes.iter().cloned().chain(reds.iter().map(|&(var, _)| Affine::var(var))).collect();
        let (term, at) = dag.scattered(node, &vars);
        Some(Scattered { dag, axes, reds, term, place: (along, at) })
    }
}

/// How a scatter is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ScatterPlan {
    pub(crate) name: String,
    pub(crate) nodes: Vec<NodeId>,
    pub(crate) node: NodeId,
    pub(crate) lanes: ScatterLanes,
    /// The dimension that threads share, and in how many equal parts, if they do.
    pub(crate) shares: Option<(usize, usize)>,
}

/// What is added at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ScatterLanes {
    /// One number.
    None,
    /// Terms of the samples of a chunk, which all go to the same place.
    Samples,
    /// Terms that are neighbours along the last dimension.
    Neighbours,
}

impl ScatterPlan {
    /// The plan of a group that is a scatter.
    ///
    /// # Panics
    /// If it is none.
    pub(crate) fn of(problem: &Problem<'_>, group: &Group) -> ScatterPlan {
        let node = group.roots[0].node();
        let (graph, stored) = (problem.graph, &problem.fusion.stored);
        let scattered = Scattered::of(graph, problem.forms, stored, node).expect("it is a scatter");
        let has_batch = graph.ty(node).shape.batch_axis().is_some();
        let (extents, along) = (graph.sizes(node), scattered.place.0);
        let lanes = match (has_batch, problem.samples_are_lanes()) {
            (true, true) => ScatterLanes::Samples,
            _ if has_neighbours(problem, scattered, has_batch) => ScatterLanes::Neighbours,
            _ => ScatterLanes::None,
        };
        let shares = if has_batch { None } else { shares(problem, &extents, along, lanes) };
        ScatterPlan { name: group.name.clone(), nodes: group.nodes(), node, lanes, shares }
    }
}

/// Whether eight neighbours along the last dimension can be added at once.
fn has_neighbours(problem: &Problem<'_>, scattered: Scattered<'_>, has_batch: bool) -> bool {
    let Scattered { mut dag, axes, term, place: (along, _), .. } = scattered;
    let Some((last, axis)) = axes.len().checked_sub(1).and_then(|last| Some((last, axes[last].as_var()?))) else {
        return false;
    };
    let extent = dag.var_range(axis).1 as usize + 1;
    // Terms of a chunk of samples stand apart by 16 words; their words are gathered.
    let fills_rows = has_batch || extent.is_multiple_of(LANES);
    if last == along || axis == BATCH || extent < 2 || !fills_rows {
        return false;
    }
    let (vector, lane) = (dag.new_var(extent.div_ceil(LANES)), dag.new_var(LANES));
    let value = Affine::var(vector).times(LANES as i64).plus(&Affine::var(lane));
    let lanes = LaneAxis { axis, value, lane };
    lanes.fits(problem.graph, &dag, &[term]) && !lanes.has_pieces(&dag, &[term])
}

/// The dimension that threads share, and the number of their shares.
fn shares(problem: &Problem<'_>, extents: &[usize], along: usize, lanes: ScatterLanes) -> Option<(usize, usize)> {
    let last = extents.len() - 1;
    let units = |dimension: usize| match dimension == last {
        true if lanes == ScatterLanes::Neighbours => extents[dimension] / FEWEST_NEIGHBOURS.max(LANES),
        true => extents[dimension].div_ceil(FEWEST_NEIGHBOURS),
        false => extents[dimension],
    };
    if extents.iter().product::<usize>() < WORTH_SHARING {
        return None;
    }
    let others = (0..extents.len()).filter(|&dimension| dimension != along);
    let fits = |dimension: usize, n: usize| {
        let unit = if dimension == last && lanes == ScatterLanes::Neighbours { LANES } else { 1 };
        n <= units(dimension) && extents[dimension].is_multiple_of(n * unit)
    };
    let most = |dimension: usize| (2..=problem.machine.threads.n).rev().find(|&n| fits(dimension, n));
    others.filter_map(|dimension| Some((dimension, most(dimension)?))).max_by_key(|&(_, n)| n)
}

impl Display for ScatterPlan {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let lanes = match self.lanes {
            ScatterLanes::None => "none".to_string(),
            ScatterLanes::Samples => format!("samples, {LANES} at once"),
            ScatterLanes::Neighbours => format!("{LANES} neighbours along the last dimension"),
        };
        writeln!(f, "scatter {:?}", self.name)?;
        writeln!(f, "  lanes     {lanes}")?;
        if let Some((dimension, n)) = self.shares {
            writeln!(f, "  shares    {n} along dimension {dimension}")?;
        }
        writeln!(f, "  results   store {}", self.node)
    }
}
