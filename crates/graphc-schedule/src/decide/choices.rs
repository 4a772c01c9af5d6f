//! What the cost model chooses, and what else it might have chosen.
//!
//! Wherever a schedule can go several ways that compute the same bits, it asks the [`Chooser`]: with the options in
//! order, the cost model's own first. [`Choices`] name other options; without any, the cost model decides everything.
//! What was asked comes back as [`Candidates`], so that a tuner tries alternatives without knowing what they mean.
//!
//! Choices are numbers of options, which mean something for one graph, target and [`REVISION`] only. A number beyond
//! the options is taken for the cost model's: stale choices cost time, never results.

use crate::decide::grid::{Grid, Sides, Width, best_grids};
use crate::decide::loops::Coordinate;
use crate::machine::VectorUnit;
use graphc_ir::NodeId;
use graphc_ir::graph::Graph;
use graphc_ir::graph::plan::{FusionPlan, Group, GroupKind, KernelPlan};
use rustc_hash::FxBuildHasher;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Changes whenever options do: their order, or what they mean. Stored choices of another revision are void.
pub const REVISION: u32 = 9;

/// Register grids to choose from.
const MOST_GRIDS: usize = 8;

/// What about a contraction is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Aspect {
    /// The outputs that are held in registers at once.
    Grid,
    /// Which output coordinates are walked outermost.
    Order,
    /// Strips that the rows of a weight gradient are cut into.
    Strips,
    /// Whether weights are copied into the order in which they are read.
    Packing,
    /// Chunks of samples per task of the kernel; asked of its contraction with the most weights.
    Task,
    /// Whether the terms of long sums are walked in blocks.
    Terms,
    /// Whether a gradient does the update of its parameter.
    Update,
}

impl Aspect {
    /// All of them.
    pub const ALL: [Aspect; 7] =
        [Aspect::Grid, Aspect::Order, Aspect::Strips, Aspect::Packing, Aspect::Task, Aspect::Terms, Aspect::Update];

    /// One word for people and files.
    pub fn name(self) -> &'static str {
        match self {
            Aspect::Grid => "grid",
            Aspect::Order => "order",
            Aspect::Strips => "strips",
            Aspect::Packing => "packing",
            Aspect::Task => "task",
            Aspect::Terms => "terms",
            Aspect::Update => "update",
        }
    }

    /// The aspect of that name.
    pub fn from_name(name: &str) -> Option<Aspect> {
        Aspect::ALL.into_iter().find(|aspect| aspect.name() == name)
    }
}

/// Options other than the cost model's, by contraction and aspect.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choices(BTreeMap<(String, Aspect), usize>);

impl Choices {
    /// The option for an aspect of a contraction; 0 is the cost model's.
    pub fn get(&self, contraction: &str, aspect: Aspect) -> usize {
        self.0.get(&(contraction.to_string(), aspect)).copied().unwrap_or(0)
    }

    /// Chooses an option.
    pub fn set(&mut self, contraction: &str, aspect: Aspect, option: usize) {
        let key = (contraction.to_string(), aspect);
        match option {
            0 => self.0.remove(&key),
            _ => self.0.insert(key, option),
        };
    }

    /// Whether the cost model decides everything.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Every choice that is not the cost model's, in order of contraction and aspect.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Aspect, usize)> {
        self.0.iter().map(|((contraction, aspect), &option)| (contraction.as_str(), *aspect, option))
    }
}

/// The options there were for one aspect of one contraction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidates {
    /// The contraction: the name of its node, or its number where that is not unique.
    pub contraction: String,
    /// What is chosen.
    pub aspect: Aspect,
    /// Position in the fusion plan of the kernel that contains it.
    pub kernel: usize,
    /// The options in words, the cost model's first; at least two.
    pub options: Vec<String>,
    /// Position of the one that was taken.
    pub chosen: usize,
}

/// Answers the questions of one schedule, and remembers them.
pub(crate) struct Chooser<'a> {
    graph: &'a Graph,
    choices: &'a Choices,
    /// Nodes that are the first of their name.
    named: BTreeSet<NodeId>,
    /// The same question may be asked again, and has the same answer.
    asked: RefCell<BTreeMap<(NodeId, Aspect), Asked>>,
    /// The grids there are for what they depend on: layers of one shape lead to the same question.
    grids: RefCell<HashMap<GridQuestion, Grids, FxBuildHasher>>,
}

/// All that grids depend on.
type GridQuestion = (VectorUnit, Sides<Coordinate>, [Width; 2]);

/// Register grids, the cost model's first.
type Grids = Vec<Grid<Coordinate>>;

/// Options in words, and which was taken.
struct Asked {
    options: Vec<String>,
    chosen: usize,
}

impl<'a> Chooser<'a> {
    pub(crate) fn new(graph: &'a Graph, choices: &'a Choices) -> Chooser<'a> {
        let mut names = BTreeSet::new();
        let mut is_named = |&id: &NodeId| !graph.node(id).name.is_empty() && names.insert(graph.node(id).name.as_str());
        let named = graph.ids().into_iter().filter(|id| is_named(id)).collect();
        Chooser { graph, choices, named, asked: RefCell::default(), grids: RefCell::default() }
    }

    /// Position of the option to take; the first is the cost model's.
    pub(crate) fn pick(&self, node: NodeId, aspect: Aspect, options: Vec<String>) -> usize {
        let wanted = if self.choices.is_empty() { 0 } else { self.choices.get(&self.name(node), aspect) };
        let chosen = if wanted < options.len() { wanted } else { 0 };
        if options.len() > 1 {
            self.asked.borrow_mut().insert((node, aspect), Asked { options, chosen });
        }
        chosen
    }

    /// Whether to do something that the cost model would do or leave; `words` are for doing and leaving it.
    pub(crate) fn is_wanted(&self, node: NodeId, aspect: Aspect, by_cost: bool, words: [&str; 2]) -> bool {
        let [done, left] = words.map(String::from);
        let options = if by_cost { vec![done, left] } else { vec![left, done] };
        by_cost == (self.pick(node, aspect, options) == 0)
    }

    /// One of some options, each with its words; the cost model's is the first.
    pub(crate) fn pick_of<T>(&self, node: NodeId, aspect: Aspect, options: Vec<(T, String)>) -> T {
        let (mut options, words): (Vec<T>, Vec<String>) = options.into_iter().unzip();
        options.swap_remove(self.pick(node, aspect, words))
    }

    /// The register grid of a contraction, and those that were not taken, the cheapest first.
    pub(crate) fn grid(
        &self,
        node: NodeId,
        unit: VectorUnit,
        sides: Sides<Coordinate>,
        widths: [Width; 2],
    ) -> (Grid<Coordinate>, Grids) {
        let best = |(unit, sides, widths): &GridQuestion| best_grids(*unit, sides, *widths, MOST_GRIDS);
        let mut known = self.grids.borrow_mut();
        let mut grids = known.entry((unit, sides, widths)).or_insert_with_key(best).clone();
        let chosen = self.pick(node, Aspect::Grid, grids.iter().map(Grid::words).collect());
        (grids.remove(chosen), grids)
    }

    /// What was asked, kernel by kernel of the plan.
    pub(crate) fn into_candidates(self, plan: &FusionPlan) -> Vec<Candidates> {
        let kernels = kernels_of_contractions(plan);
        let asked = self.asked.take().into_iter().map(|((node, aspect), Asked { options, chosen })| {
            let contraction = self.name(node);
            Candidates { contraction, aspect, kernel: kernels[&node], options, chosen }
        });
        let mut candidates: Vec<Candidates> = asked.collect();
        candidates.sort_by_key(|candidates| candidates.kernel);
        candidates
    }

    /// The node's name if it is the first that has it, else its number.
    fn name(&self, node: NodeId) -> String {
        if self.named.contains(&node) { self.graph.node(node).name.clone() } else { node.to_string() }
    }
}

/// Position of the kernel that computes each contraction, and whatever stands in its nest.
fn kernels_of_contractions(plan: &FusionPlan) -> BTreeMap<NodeId, usize> {
    let of_kernel = |(position, kernel): (usize, &KernelPlan)| {
        let contractions = kernel.groups().filter(|group| group.kind == GroupKind::Contraction);
        contractions.flat_map(Group::nodes).map(|node| (node, position)).collect::<Vec<_>>()
    };
    // Of several kernels the first counts.
    plan.kernels.iter().enumerate().rev().flat_map(of_kernel).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::grid::Candidate;
    use graphc_ir::index::Var;

    /// What was asked before changes no answer: every part of the question is a part of the key.
    #[test]
    fn grids_depend_on_the_question_alone() {
        let (graph, choices) = (Graph::new("g"), Choices::default());
        let chooser = Chooser::new(&graph, &choices);
        let axis = |axis: u32, extent: usize, n_single: usize, chain: Option<usize>| {
            let axis = Coordinate::Axis(Var(axis));
            Candidate { axis, extent, n_single, most: extent.min(6), are_neighbours: false, chain }
        };
        let half = Candidate { axis: Coordinate::Half, ..axis(0, 2, 0, None) };
        let sides = [axis(1, 24, 0, None), axis(2, 24, 0, None), axis(1, 22, 2, None), axis(1, 24, 0, Some(3))]
            .map(|channel| Sides { alone: [vec![half], vec![channel]], both: Vec::new(), shared: None });
        let both = sides.clone().map(|Sides { alone: [one, other], shared, .. }| Sides {
            alone: [one, vec![]],
            both: other,
            shared,
        });
        let units = [VectorUnit::AVX2, VectorUnit { assembled: false, ..VectorUnit::AVX2 }];
        let widths = [[Width::Vector, Width::Splat], [Width::Splat, Width::Vector], [Width::FarVector, Width::Splat]];
        for _ in 0..2 {
            for (sides, unit) in sides.iter().chain(&both).flat_map(|sides| units.map(|unit| (sides, unit))) {
                for widths in widths {
                    let (first, others) = chooser.grid(NodeId(0), unit, sides.clone(), widths);
                    let known: Grids = [first].into_iter().chain(others).collect();
                    assert_eq!(known, best_grids(unit, sides, widths, MOST_GRIDS));
                }
            }
        }
        assert_eq!(chooser.grids.borrow().len(), 8 * 2 * 3);
    }
}
