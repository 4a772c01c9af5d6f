//! Contractions: loops over blocks of output coordinates around a [`Tile`].
//!
//! Three kinds, told apart by where the batch is. Per sample (the batch is an output axis): lanes are
//! samples, weights are splats; forward passes and input gradients. Over the batch (the batch is a
//! reduction axis): both factors are vectors of samples, lanes are joined at the end; weight gradients.
//! Without a batch: scalars.
//!
//! The register grid is chosen among output axes that no loop bound depends on, so that every cell has
//! the same reduction range.

use crate::buffers::Groups;
use crate::builder::{Builder, bounded};
use crate::emit::{BatchAt, Cx, Emitter};
use crate::registers::{Candidate, RegisterFile, Width};
use crate::sweep::no_join;
use graphc_ir::NodeId;
use graphc_ir::form::PointForm;
use graphc_ir::graph::plan::{Group, Root};
use graphc_ir::index::{Affine, Var};
use graphc_ir::loops::{Access, Bound, Expr, Join, Layout, LoopKind, Range, Stmt, Tile, TileInit};
use graphc_ir::point::{BATCH, PointExpr};
use graphc_ir::scalar::LANES;

/// An output coordinate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Axis {
    /// An output axis of the contraction.
    Output(usize),
    /// Which 8 of the 16 samples of a chunk.
    Half,
}

/// How an output coordinate is walked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Walk {
    axis: Axis,
    extent: usize,
    /// Coordinates held in registers at once; 1 for an ordinary loop.
    block: usize,
}

struct Nest<'a> {
    em: Emitter<'a>,
    /// The contraction.
    node: NodeId,
    form: &'a PointForm,
    /// The node that is stored: the contraction or the end of its epilogue.
    end: NodeId,
    root: Root,
    /// Grid variables of the tile under construction.
    grid: Vec<(Var, usize)>,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Factor {
    A,
    B,
}

impl Factor {
    fn other(self) -> Factor {
        match self {
            Factor::A => Factor::B,
            Factor::B => Factor::A,
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    PerSample { chunk: Var, lane: Var },
    OverBatch { group: Var, groups: Groups, lane: Var },
    NoBatch,
}

/// Writes the nest of a contraction over chunk `chunk` of the batch.
pub(crate) fn per_sample(cx: &Cx<'_>, b: &mut Builder, registers: RegisterFile, group: &Group, chunk: Var) {
    let end = group.roots[0].node();
    b.nest(&group.name, |b| {
        b.lanes(|b, lane| {
            let mut nest = Nest::new(cx, group.roots[0], start_of(cx, group, end), Kind::PerSample { chunk, lane });
            nest.em.ranges.insert(chunk, (0, cx.n_chunks() as i64 - 1));
            let walks = nest.walks(registers);
            nest.walk(b, &walks);
        });
    });
}

/// Writes a contraction over the batch: partial results of each group of chunks.
pub(crate) fn over_batch(cx: &Cx<'_>, b: &mut Builder, registers: RegisterFile, group: &Group) {
    let root = group.roots[0];
    let partial = cx.buffers.partial(root);
    let groups = Groups::new(cx.n_chunks(), partial.part_len);
    b.for_extent(groups.n_groups, LoopKind::Parallel, |b, group_var| {
        b.nest(&group.name, |b| {
            b.lanes(|b, lane| {
                let mut nest = Nest::new(cx, root, root.node(), Kind::OverBatch { group: group_var, groups, lane });
                nest.em.ranges.insert(group_var, (0, groups.n_groups as i64 - 1));
                let walks = nest.walks(registers);
                nest.walk(b, &walks);
            });
        });
    });
}

/// Writes a contraction of tensors without a batch.
pub(crate) fn no_batch(cx: &Cx<'_>, b: &mut Builder, registers: RegisterFile, group: &Group) {
    let root = group.roots[0];
    b.nest(&group.name, |b| {
        let mut nest = Nest::new(cx, root, root.node(), Kind::NoBatch);
        let walks = nest.walks(registers);
        nest.walk(b, &walks);
    });
}

/// The contraction at the start of the chain that ends in `end`.
fn start_of(cx: &Cx<'_>, group: &Group, end: NodeId) -> NodeId {
    let is_start = |&&node: &&NodeId| cx.forms[&node].as_contraction().is_some();
    group.inlined.iter().find(is_start).copied().unwrap_or(end)
}

impl<'a> Nest<'a> {
    fn new(cx: &'a Cx<'a>, root: Root, node: NodeId, kind: Kind) -> Nest<'a> {
        let form = cx.forms[&node].as_point().expect("a contraction is a point form");
        let mut em = Emitter::new(cx);
        // Dag variables 0.. are the output axes and then the reductions, as in the form.
        for extent in form.extents.iter().copied().chain(form.reds.iter().map(|red| red.extent)) {
            em.dag.new_var(extent);
        }
        Nest { em, node, form, end: root.node(), root, grid: Vec::new(), kind }
    }

    /// Output coordinates in the order of the result's layout, with blocks for the register grid.
    fn walks(&self, registers: RegisterFile) -> Vec<Walk> {
        let order = Layout::order(self.form.extents.len(), self.form.batch_axis);
        let mut walks: Vec<Walk> = order
            .iter()
            .map(|&axis| Walk { axis: Axis::Output(axis), extent: self.form.extents[axis], block: 1 })
            .collect();
        if let Kind::PerSample { .. } = self.kind {
            walks.push(Walk { axis: Axis::Half, extent: self.em.cx.n_halves(), block: 1 });
        }
        let side = |factor: Factor| -> Vec<Candidate<Axis>> {
            let candidate = |walk: &Walk| Candidate { axis: walk.axis, extent: walk.extent };
            // Innermost first: among equals the one that touches neighbouring words wins.
            walks.iter().rev().filter(|walk| self.belongs_to(walk.axis, factor)).map(candidate).collect()
        };
        let widths = [Factor::A, Factor::B].map(|factor| self.width(factor));
        for (axis, block) in registers.best_grid(&[side(Factor::A), side(Factor::B)], widths) {
            walks.iter_mut().filter(|walk| walk.axis == axis).for_each(|walk| walk.block = block);
        }
        walks
    }

    /// Whether an output coordinate moves this factor alone, and the bounds of no reduction.
    fn belongs_to(&self, axis: Axis, factor: Factor) -> bool {
        let Axis::Output(axis) = axis else {
            return self.width(factor) == Width::Vector && self.width(factor.other()) == Width::Splat;
        };
        let var = Var(axis as u32);
        let contraction = self.form.as_contraction().expect("a contraction");
        let index = |factor| match factor {
            Factor::A => contraction.a.1,
            Factor::B => contraction.b.1,
        };
        let moves = |factor| index(factor).iter().any(|i| i.value.uses(var));
        let plainly = index(factor).iter().all(|i| !i.value.uses(var) || i.value.coefficient(var) != 0);
        let bounds = self.form.reds.iter().flat_map(|red| red.low.iter().chain(&red.high));
        moves(factor) && !moves(factor.other()) && plainly && bounds.clone().all(|bound| !bound.uses(var))
    }

    /// Whether a factor is loaded as vectors of samples, splats, or (without a batch) words.
    fn width(&self, factor: Factor) -> Width {
        let contraction = self.form.as_contraction().expect("a contraction");
        let operand = match factor {
            Factor::A => contraction.a.0,
            Factor::B => contraction.b.0,
        };
        let node = self.em.cx.graph.operands(self.node)[operand];
        match (self.kind, self.em.cx.graph.ty(node).shape.batch_axis()) {
            (Kind::NoBatch, _) => Width::Word,
            (_, Some(_)) => Width::Vector,
            (_, None) => Width::Splat,
        }
    }

    /// Loops over the remaining output coordinates, then the tile.
    fn walk(&mut self, b: &mut Builder, walks: &[Walk]) {
        let Some((&Walk { axis, extent, block }, rest)) = walks.split_first() else { return self.tile(b) };
        let n_blocks = extent / block;
        self.blocked_loop(b, axis, n_blocks, block, Affine::constant(0), rest);
        if extent % block > 0 {
            self.blocked_loop(b, axis, 1, extent % block, Affine::constant((n_blocks * block) as i64), rest);
        }
    }

    /// `n_blocks` iterations of `block` coordinates each, from `first` on.
    fn blocked_loop(
        &mut self,
        b: &mut Builder,
        axis: Axis,
        n_blocks: usize,
        block: usize,
        first: Affine,
        rest: &[Walk],
    ) {
        let cell = (block > 1).then(|| b.var());
        if let Some(var) = cell {
            self.grid.push((var, block));
            self.em.ranges.insert(var, (0, block as i64 - 1));
        }
        let cell_index = cell.map_or(Affine::constant(0), Affine::var);
        if n_blocks == 1 {
            self.at(b, axis, first.plus(&cell_index), rest);
        } else {
            b.for_extent(n_blocks, LoopKind::Serial, |b, var| {
                self.em.ranges.insert(var, (0, n_blocks as i64 - 1));
                self.at(b, axis, first.add_scaled(&Affine::var(var), block as i64).plus(&cell_index), rest);
            });
        }
        if cell.is_some() {
            self.grid.pop();
        }
    }

    /// The rest of the nest with a coordinate set.
    fn at(&mut self, b: &mut Builder, axis: Axis, index: Affine, rest: &[Walk]) {
        match (axis, self.kind) {
            (Axis::Output(axis), _) => self.em.bind(Var(axis as u32), index),
            (Axis::Half, Kind::PerSample { chunk, lane }) => {
                let sample = Affine::var(lane).add_scaled(&index, LANES as i64);
                self.em.batch = Some(BatchAt { chunk: Affine::var(chunk), sample });
            }
            (Axis::Half, _) => unreachable!("halves are walked per sample only"),
        }
        self.em.open_scope();
        self.walk(b, rest);
        self.em.close_scope();
    }

    fn tile(&mut self, b: &mut Builder) {
        let mut reds = Vec::new();
        let mut half = None;
        for red in &self.form.reds {
            let dag_var = red.var;
            if red.is_batch {
                let Kind::OverBatch { group, groups, lane } = self.kind else {
                    unreachable!("only a contraction over the batch sums over it")
                };
                let chunk = b.var();
                reds.push(self.chunk_range(chunk, group, groups));
                let half_var = b.var();
                let sample = Affine::var(lane).add_scaled(&Affine::var(half_var), LANES as i64);
                self.em.batch = Some(BatchAt { chunk: Affine::var(chunk), sample });
                half = Some(half_var);
                continue;
            }
            let low: Vec<Affine> = red.low.iter().map(|bound| self.em.index(b, bound)).collect();
            let high: Vec<Affine> = red.high.iter().map(|bound| self.em.index(b, bound)).collect();
            let var = b.var();
            self.em.ranges.insert(var, (0, red.extent as i64 - 1));
            self.em.bind(dag_var, Affine::var(var));
            reds.push(bounded(var, red.extent, low, high));
        }
        if let Some(half) = half {
            reds.push(Range::new(half, self.em.cx.n_halves()));
        }
        let [a, b_access] = self.factors(b);
        let acc = b.new_value();
        let epilogue = b.block(|b| {
            self.em.open_scope();
            self.epilogue(b, acc);
            self.em.close_scope();
        });
        let tile = Tile { grid: self.grid.clone(), reds, a, b: b_access, init: TileInit::Zero, acc, epilogue };
        b.push(Stmt::Tile(tile));
    }

    /// Chunks of one group.
    fn chunk_range(&self, chunk: Var, group: Var, groups: Groups) -> Range {
        let per_group = groups.chunks_per_group as i64;
        let low = Affine::var(group).times(per_group);
        let mut high = vec![low.plus_constant(per_group)];
        let n_chunks = self.em.cx.n_chunks();
        if !n_chunks.is_multiple_of(groups.chunks_per_group) {
            high.push(Affine::constant(n_chunks as i64));
        }
        Range { var: chunk, low: Bound(vec![low]), high: Bound(high) }
    }

    fn factors(&mut self, b: &mut Builder) -> [Access; 2] {
        let contraction = self.form.as_contraction().expect("a contraction");
        let operands = self.em.cx.graph.operands(self.node);
        let batch_vars: Vec<Var> = self
            .form
            .batch_axis
            .map(|axis| Var(axis as u32))
            .into_iter()
            .chain(self.form.reds.iter().filter(|red| red.is_batch).map(|red| red.var))
            .collect();
        [contraction.a, contraction.b].map(|(operand, index)| {
            let index: Vec<Affine> = index
                .iter()
                .map(|i| i.value.substitute(&|var| Affine::var(if batch_vars.contains(&var) { BATCH } else { var })))
                .collect();
            self.em.access(b, operands[operand], &index)
        })
    }

    /// What happens to a finished accumulator.
    fn epilogue(&mut self, b: &mut Builder, acc: graphc_ir::loops::ValueId) {
        let axes: Vec<Affine> = (0..self.form.extents.len() as u32).map(|axis| Affine::var(Var(axis))).collect();
        if let Kind::OverBatch { group, .. } = self.kind {
            let partial = self.em.cx.buffers.partial(self.root);
            let mut word = Affine::var(group).times(partial.part_len as i64);
            let strides = graphc_ir::tensor::row_major_strides(&self.form.extents);
            for (axis, stride) in axes.iter().zip(strides) {
                let index = self.em.index(b, axis);
                word = word.add_scaled(&index, stride as i64);
            }
            let joined = b.value(Expr::JoinLanes(Join::Add, acc));
            return b.store(Access { buffer: partial.buffer, index: word }, joined);
        }
        let index = self.em.dag.own_index(self.end, &axes);
        let result = self.em.dag.intern(PointExpr::Joined(self.node));
        self.em.define(result, acc);
        let value = if self.end == self.node {
            acc
        } else {
            let own = self.em.dag.own_index(self.node, &axes);
            self.em.dag.give(self.node, own, result);
            let value = self.em.dag.define(self.end, index.clone());
            self.em.emit(b, value, &no_join)
        };
        self.em.store(b, self.end, &index, value);
    }
}
