//! Contractions with features as lanes: vectors of outputs times splats of activations.
//!
//! ```text
//! lanes { for blocks of vectors { for samples, rows, blocks of pixels { tile [pixels, vectors] reds [...] } } }
//! ```
//!
//! The register grid is vectors of outputs by coordinates of the splats: pixels of a row, or samples. Each element is
//! one chain over the reductions in their order, as with samples as lanes. What does not fit
//! ([`contraction`](super::contraction)) is computed one element at a time.
//!
//! Beside the border of a padded image a window has fewer taps. Pixels of one grid need the same ones, so a row is
//! walked in three parts: the left border pixel by pixel, blocks of inner pixels, the right border.

use super::contraction::{Contraction, axes, epilogue};
use super::packed::Block;
use crate::builder::{Builder, bounded};
use crate::emit::{BatchAt, Cx, Emitter};
use crate::registers::{Candidate, RegisterFile, Width};
use crate::sweep::no_join;
use graphc_ir::NodeId;
use graphc_ir::compute::LoadIndex;
use graphc_ir::form::PointForm;
use graphc_ir::graph::plan::Group;
use graphc_ir::index::{Affine, Var};
use graphc_ir::loops::{Access, LoopKind, Stmt, Tile, TileInit, ValueId};
use graphc_ir::point::BATCH;
use graphc_ir::scalar::LANES;
use std::fmt::{self, Display, Formatter};

/// Weights that stay in the nearest cache.
const NEAREST_WORDS: usize = 1 << 12;

impl Contraction<'_> {
    /// Coordinates in the order of the loops, with blocks for the register grid.
    fn walks(&self, cx: &Cx<'_>, registers: RegisterFile) -> Vec<Walk> {
        let features = Walk::new(Axis::Features, self.n_features().div_ceil(LANES));
        let n_outputs = self.form.extents.len() - 1;
        let outputs = (0..n_outputs).map(|axis| {
            let walk = Walk::new(Axis::Output(axis), self.form.extents[axis]);
            Walk { inner: inner_coordinates(self.form, axis), ..walk }
        });
        let mut walks: Vec<Walk> = [features].into_iter().chain(outputs).collect();
        let candidate = |walk: &Walk| {
            let extent = walk.inner[1] - walk.inner[0];
            Candidate { axis: walk.axis, extent, most: extent }
        };
        // Innermost first: among equals the one that touches neighbouring words wins.
        let splats = walks.iter().rev().filter(|walk| self.moves_splats(walk.axis)).map(candidate).collect();
        let sides = [splats, vec![candidate(&walks[0])]];
        let n_terms: usize = self.form.reds.iter().map(|red| red.extent).product();
        let is_far = self.n_features() * n_terms > NEAREST_WORDS;
        let vectors = if is_far { Width::FarVector } else { Width::Vector };
        for (axis, block) in cx.chooser.grid(self.node, registers, &sides, [Width::Splat, vectors]) {
            walks.iter_mut().filter(|walk| walk.axis == axis).for_each(|walk| walk.block = block);
        }
        walks
    }

    /// Vectors that a block of packed weights holds.
    pub(crate) fn vectors_per_block(&self, cx: &Cx<'_>, registers: RegisterFile) -> usize {
        self.walks(cx, registers)[0].block
    }

    /// Whether an output coordinate moves the splats alone.
    fn moves_splats(&self, axis: Axis) -> bool {
        let Axis::Output(axis) = axis else { return false };
        let var = Var(axis as u32);
        let contraction = self.form.as_contraction().expect("a contraction");
        let (vectors, splats) = match self.vectors_first {
            true => (contraction.a.1, contraction.b.1),
            false => (contraction.b.1, contraction.a.1),
        };
        let uses = |index: &[LoadIndex]| index.iter().any(|i| i.value.uses(var));
        let is_plain = splats.iter().all(|i| !i.value.uses(var) || i.value.is_affine());
        uses(splats) && !uses(vectors) && is_plain
    }
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

/// An output coordinate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Axis {
    /// An output axis of the contraction.
    Output(usize),
    /// Which vector of features.
    Features,
}

impl Display for Axis {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Axis::Output(axis) => write!(f, "of axis {axis}"),
            Axis::Features => f.write_str("vectors of features"),
        }
    }
}

/// How an output coordinate is walked.
#[derive(Clone, Copy, Debug)]
struct Walk {
    axis: Axis,
    extent: usize,
    /// Coordinates held in registers at once.
    block: usize,
    /// The coordinates that blocks are made of; the others are walked one by one.
    inner: [usize; 2],
}

impl Walk {
    fn new(axis: Axis, extent: usize) -> Walk {
        Walk { axis, extent, block: 1, inner: [0, extent] }
    }
}

struct Nest<'a> {
    em: Emitter<'a>,
    node: NodeId,
    end: NodeId,
    form: &'a PointForm,
    /// None if elements are computed one at a time.
    lanes: Option<(&'a Contraction<'a>, Var)>,
    grid: Vec<(Var, usize)>,
    /// Axes whose coordinates at hand leave all reductions whole.
    inner: Vec<Var>,
    /// The block of features at hand, and the feature within it.
    block: (Block, Affine),
}

/// Writes the copy of the weights of a contraction, if it has one and they are `wanted`.
pub(crate) fn pack(
    cx: &Cx<'_>,
    b: &mut Builder,
    registers: RegisterFile,
    group: &Group,
    wanted: impl Fn(NodeId) -> bool,
) {
    let node = group.contraction(cx.forms);
    let Some((weights, copy)) = cx.buffers.vector_weights(node).filter(|(weights, _)| wanted(weights.weights)) else {
        return;
    };
    let contraction = Contraction::of(cx.graph, cx.forms, cx.plan, group).expect("weights are packed for vectors");
    weights.write(cx, b, &group.name, *copy, contraction.vectors_per_block(cx, registers));
}

/// Writes the nest of a contraction.
pub(crate) fn write(cx: &Cx<'_>, b: &mut Builder, registers: RegisterFile, group: &Group) {
    let node = group.contraction(cx.forms);
    let form = cx.forms[&node].as_point().expect("a contraction is a point form");
    let mut em = Emitter::new(cx);
    axes(&mut em.dag, form);
    let block = (Block { first: Affine::default(), width: LANES }, Affine::default());
    let end = group.roots[0].node();
    let contraction = Contraction::of(cx.graph, cx.forms, cx.plan, group);
    let mut nest = Nest { em, node, end, form, lanes: None, grid: Vec::new(), inner: Vec::new(), block };
    b.nest_of(group, |b| match &contraction {
        Some(contraction) => {
            let walks = contraction.walks(cx, registers);
            b.lanes(|b, lane| {
                let mut nest = Nest { lanes: Some((contraction, lane)), ..nest };
                nest.em.ranges.insert(lane, (0, LANES as i64 - 1));
                nest.walk(b, &walks);
            });
        }
        None => {
            let outputs = form.extents.iter().enumerate();
            let walks: Vec<Walk> = outputs.map(|(axis, &extent)| Walk::new(Axis::Output(axis), extent)).collect();
            nest.walk(b, &walks);
        }
    });
}

impl Nest<'_> {
    /// Loops over the remaining output coordinates, then the tile.
    fn walk(&mut self, b: &mut Builder, walks: &[Walk]) {
        let Some((&walk, rest)) = walks.split_first() else { return self.tile(b) };
        if walk.block == 1 {
            return self.blocks(b, walk, walk.extent, 0, rest);
        }
        let ([first, end], single) = (walk.inner, Walk { block: 1, ..walk });
        let (n_blocks, left) = ((end - first) / walk.block, (end - first) % walk.block);
        self.blocks(b, single, first, 0, rest);
        if let Axis::Output(axis) = walk.axis {
            self.inner.push(Var(axis as u32));
        }
        self.blocks(b, walk, n_blocks, first, rest);
        if left > 0 {
            self.blocks(b, Walk { block: left, ..walk }, 1, first + n_blocks * walk.block, rest);
        }
        if let Axis::Output(_) = walk.axis {
            self.inner.pop();
        }
        self.blocks(b, single, walk.extent - end, end, rest);
    }

    /// Blocks of the coordinates from `first` on.
    fn blocks(&mut self, b: &mut Builder, walk: Walk, n_blocks: usize, first: usize, rest: &[Walk]) {
        let cell = (walk.block > 1).then(|| b.var());
        if let Some(var) = cell {
            self.grid.push((var, walk.block));
            self.em.ranges.insert(var, (0, walk.block as i64 - 1));
        }
        let cell = cell.map_or(Affine::default(), Affine::var);
        if n_blocks == 1 {
            self.at(b, walk, Affine::constant(first as i64), &cell, rest);
        } else if n_blocks > 1 {
            b.for_extent(n_blocks, LoopKind::Serial, |b, var| {
                self.em.ranges.insert(var, (0, n_blocks as i64 - 1));
                let start = Affine::var(var).times(walk.block as i64).plus_constant(first as i64);
                self.at(b, walk, start, &cell, rest);
            });
        }
        if walk.block > 1 {
            self.grid.pop();
        }
    }

    /// The rest of the nest with a block's start and the cell within it set.
    fn at(&mut self, b: &mut Builder, walk: Walk, start: Affine, cell: &Affine, rest: &[Walk]) {
        let index = start.plus(cell);
        match (walk.axis, self.lanes) {
            (Axis::Output(axis), _) => {
                if self.form.batch_axis == Some(axis) {
                    self.em.batch = Some(BatchAt { chunk: Affine::default(), sample: index.clone() });
                }
                self.em.bind(Var(axis as u32), index);
            }
            (Axis::Features, Some((contraction, lane))) => {
                let words = |vectors: &Affine| vectors.times(LANES as i64);
                self.em.bind(contraction.lane_axis(), words(&index).plus(&Affine::var(lane)));
                let block = Block { first: words(&start), width: walk.block * LANES };
                self.block = (block, words(cell).plus(&Affine::var(lane)));
            }
            (Axis::Features, None) => unreachable!("only lanes are features"),
        }
        self.em.open_scope();
        self.walk(b, rest);
        self.em.close_scope();
    }

    fn tile(&mut self, b: &mut Builder) {
        let mut reds = Vec::new();
        for red in &self.form.reds {
            let [low, high] = [&red.low, &red.high].map(|bounds| {
                let binds = |bound: &&Affine| !self.inner.iter().any(|&var| bound.uses(var));
                let bounds: Vec<&Affine> = bounds.iter().filter(binds).collect();
                bounds.into_iter().map(|bound| self.em.index(b, bound)).collect()
            });
            let var = b.var();
            self.em.ranges.insert(var, (0, red.extent as i64 - 1));
            self.em.bind(red.var, Affine::var(var));
            reds.push(bounded(var, red.extent, low, high));
        }
        let contraction = self.form.as_contraction().expect("a contraction");
        let [a, b_access] = [(contraction.a, true), (contraction.b, false)]
            .map(|((slot, index), is_first)| self.factor(b, slot, index, is_first));
        let acc = b.new_value();
        let epilogue = b.block(|b| {
            self.em.open_scope();
            self.epilogue(b, acc);
            self.em.close_scope();
        });
        let tile =
            Tile { grid: self.grid.clone(), reds, a, b: b_access, ahead: [0, 0], init: TileInit::Zero, acc, epilogue };
        b.push(Stmt::Tile(tile));
    }

    fn factor(&mut self, b: &mut Builder, slot: usize, index: &[LoadIndex], is_first: bool) -> Access {
        let packed = self.em.cx.buffers.vector_weights(self.node);
        if let (Some((weights, copy)), Some((contraction, _))) = (packed, self.lanes)
            && contraction.vectors_first == is_first
        {
            let word = weights.word(&self.block.0, &self.block.1, |term| self.em.vars[&term].clone());
            return Access { buffer: *copy, index: word };
        }
        let batch = self.form.batch_axis.map(|axis| Var(axis as u32));
        let at = |var: Var| Affine::var(if Some(var) == batch { BATCH } else { var });
        let index: Vec<Affine> = index.iter().map(|i| i.value.substitute(&at)).collect();
        let node = self.em.cx.graph.operands(self.node)[slot];
        self.em.access(b, node, &index)
    }

    /// What happens to a finished accumulator.
    fn epilogue(&mut self, b: &mut Builder, acc: ValueId) {
        let (result, value) = epilogue(&mut self.em.dag, self.form, self.node, self.end);
        self.em.define(result, acc);
        let value = self.em.emit(b, value, &no_join);
        let axes: Vec<Affine> = (0..self.form.extents.len() as u32).map(|axis| Affine::var(Var(axis))).collect();
        let index = self.em.dag.own_index(self.end, &axes);
        self.em.store(b, self.end, &index, value);
    }
}
