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
use crate::sweep::no_join;
use crate::RegisterFile;
use graphc_ir::NodeId;
use graphc_ir::form::PointForm;
use graphc_ir::graph::plan::{Group, Root};
use graphc_ir::index::{Affine, Var};
use graphc_ir::loops::{Access, Bound, Expr, Join, Layout, LoopKind, Range, Stmt, Tile, TileInit};
use graphc_ir::point::{BATCH, PointExpr};
use graphc_ir::scalar::LANES;

/// How an output axis is walked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Walk {
    axis: usize,
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

    /// Output axes in the order of the result's layout, with blocks for the register grid.
    fn walks(&self, registers: RegisterFile) -> Vec<Walk> {
        let order = Layout::order(self.form.extents.len(), self.form.batch_axis);
        let contraction = self.form.as_contraction().expect("a contraction");
        let uses = |index: &[graphc_ir::compute::LoadIndex], axis: usize| {
            index.iter().any(|i| i.value.uses(Var(axis as u32)))
        };
        let in_a = |axis: usize| uses(contraction.a.1, axis);
        let in_b = |axis: usize| uses(contraction.b.1, axis);
        let free = |axis: usize| {
            let var = Var(axis as u32);
            let bounds = self.form.reds.iter().flat_map(|red| red.low.iter().chain(&red.high));
            let indices = contraction.a.1.iter().chain(contraction.b.1).map(|i| &i.value);
            bounds.clone().all(|bound| !bound.uses(var))
                && indices.clone().all(|i| !i.uses(var) || i.coefficient(var) != 0)
        };
        let candidates = |only_in_a: bool| {
            let side = move |axis: &usize| if only_in_a { in_a(*axis) && !in_b(*axis) } else { in_b(*axis) && !in_a(*axis) };
            let list: Vec<usize> = order.iter().copied().filter(side).filter(|&axis| free(axis)).collect();
            list
        };
        let blocks = self.blocks(registers, &candidates(true), &candidates(false));
        let walk = |&axis: &usize| {
            let block = blocks.iter().find(|(a, _)| *a == axis).map_or(1, |&(_, block)| block);
            Walk { axis, extent: self.form.extents[axis], block }
        };
        order.iter().map(walk).collect()
    }

    /// Register blocks: at most one axis of each factor, so that every load serves several cells.
    fn blocks(&self, registers: RegisterFile, of_a: &[usize], of_b: &[usize]) -> Vec<(usize, usize)> {
        let extent = |axis: usize| self.form.extents[axis];
        let cells = match self.kind {
            Kind::NoBatch => 4,
            _ => registers.tile_cells(),
        };
        // A block that divides its axis leaves no remainder; else the largest that fits.
        let fit = |axis: usize, most: usize| {
            let most = most.min(extent(axis)).max(1);
            (most.div_ceil(2)..=most).rev().find(|block| extent(axis).is_multiple_of(*block)).unwrap_or(most)
        };
        let best = |axes: &[usize], most: usize| {
            axes.iter().rev().copied().max_by_key(|&axis| {
                let block = fit(axis, most);
                (block, extent(axis).is_multiple_of(block))
            })
        };
        let splat_side = match self.kind {
            Kind::PerSample { .. } => self.splat_side(),
            _ => None,
        };
        match (splat_side, of_a.is_empty(), of_b.is_empty()) {
            (_, true, true) => Vec::new(),
            (_, false, true) => best(of_a, cells).map(|axis| (axis, fit(axis, cells))).into_iter().collect(),
            (_, true, false) => best(of_b, cells).map(|axis| (axis, fit(axis, cells))).into_iter().collect(),
            (side, false, false) => {
                let (many, few) = if side == Some(false) { (of_a, of_b) } else { (of_b, of_a) };
                let few_axis = best(few, 2).expect("not empty");
                let few_block = fit(few_axis, 2);
                let many_axis = best(many, cells / few_block).expect("not empty");
                vec![(few_axis, few_block), (many_axis, fit(many_axis, cells / few_block))]
            }
        }
    }

    /// Which factor has no batch: `Some(true)` for the first, `Some(false)` for the second.
    fn splat_side(&self) -> Option<bool> {
        let operands = self.em.cx.graph.operands(self.node);
        let contraction = self.form.as_contraction().expect("a contraction");
        let has_batch =
            |operand: usize| self.em.cx.graph.ty(operands[operand]).shape.batch_axis().is_some();
        match (has_batch(contraction.a.0), has_batch(contraction.b.0)) {
            (false, true) => Some(true),
            (true, false) => Some(false),
            _ => None,
        }
    }

    /// Loops over the remaining output axes, then the tile.
    fn walk(&mut self, b: &mut Builder, walks: &[Walk]) {
        let Some((&Walk { axis, extent, block }, rest)) = walks.split_first() else { return self.halves(b) };
        let axis = Var(axis as u32);
        if block == 1 {
            return self.blocked_loop(b, axis, extent, 1, Affine::constant(0), rest);
        }
        let n_blocks = extent / block;
        self.blocked_loop(b, axis, n_blocks, block, Affine::constant(0), rest);
        if extent % block > 0 {
            self.blocked_loop(b, axis, 1, extent % block, Affine::constant((n_blocks * block) as i64), rest);
        }
    }

    /// `n_blocks` iterations of `block` coordinates each, from `first` on.
    fn blocked_loop(&mut self, b: &mut Builder, axis: Var, n_blocks: usize, block: usize, first: Affine, rest: &[Walk]) {
        let cell = (block > 1).then(|| b.var());
        if let Some(var) = cell {
            self.grid.push((var, block));
            self.em.ranges.insert(var, (0, block as i64 - 1));
        }
        let cell_index = cell.map_or(Affine::constant(0), Affine::var);
        if n_blocks == 1 {
            self.em.bind(axis, first.plus(&cell_index));
            self.em.open_scope();
            self.walk(b, rest);
            self.em.close_scope();
        } else {
            b.for_extent(n_blocks, LoopKind::Serial, |b, var| {
                self.em.ranges.insert(var, (0, n_blocks as i64 - 1));
                let index = first.add_scaled(&Affine::var(var), block as i64).plus(&cell_index);
                self.em.bind(axis, index);
                self.em.open_scope();
                self.walk(b, rest);
                self.em.close_scope();
            });
        }
        if cell.is_some() {
            self.grid.pop();
        }
    }

    /// Per sample: both vectors of a chunk, one after the other.
    fn halves(&mut self, b: &mut Builder) {
        let n_halves = self.em.cx.n_halves();
        match self.kind {
            Kind::PerSample { chunk, lane } if n_halves > 1 => {
                b.for_extent(n_halves, LoopKind::Serial, |b, half| {
                    self.em.ranges.insert(half, (0, n_halves as i64 - 1));
                    let sample = Affine::var(lane).add_scaled(&Affine::var(half), LANES as i64);
                    self.em.batch = Some(BatchAt { chunk: Affine::var(chunk), sample });
                    self.em.open_scope();
                    self.tile(b);
                    self.em.close_scope();
                });
            }
            Kind::PerSample { chunk, lane } => {
                self.em.batch = Some(BatchAt { chunk: Affine::var(chunk), sample: Affine::var(lane) });
                self.tile(b);
            }
            _ => self.tile(b),
        }
        self.em.batch = None;
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
