//! Sweeps over tensors without a batch: partial results joined, statistics, the optimizer.
//!
//! Where every operand has the swept shape (or is a single number) the sweep is *flat*: 8 lanes of
//! consecutive elements. Otherwise it is a loop nest of scalars.

use crate::builder::{Builder, bounded};
use crate::emit::{Cx, Emitter};
use crate::join;
use graphc_ir::graph::plan::{Group, Root};
use graphc_ir::index::{Affine, Var};
use graphc_ir::loops::LoopKind;
use graphc_ir::point::{ExprId, PointDag};
use graphc_ir::scalar::LANES;

/// Vectors per parallel block of a long flat sweep.
const BLOCK: usize = 256;

/// Writes the nest of `group` into the open block of a kernel.
pub(crate) fn sweep(cx: &Cx<'_>, b: &mut Builder, group: &Group) {
    let mut em = Emitter::new(cx);
    let space = PointDag::space(cx.graph, cx.forms, group.roots[0]);
    let axes: Vec<Affine> = space.extents.iter().map(|&extent| Affine::var(em.dag.new_var(extent))).collect();
    let exprs: Vec<ExprId> = group.roots.iter().map(|&root| em.dag.root(root, &axes)).collect();
    let len: usize = space.extents.iter().product();
    if len > 1 && em.dag.is_flat(&exprs, &axes, &space.extents) {
        flat(cx, b, em, group, &exprs, &axes, len);
    } else {
        b.nest_of(group, |b| scalar_level(b, &mut em, group, &exprs, &space.extents, 0));
    }
}

fn flat(
    cx: &Cx<'_>,
    b: &mut Builder,
    mut em: Emitter<'_>,
    group: &Group,
    exprs: &[ExprId],
    axes: &[Affine],
    len: usize,
) {
    let n_vectors = len.div_ceil(LANES);
    let mut vectors = |b: &mut Builder, first: Affine, extent: usize, high: Vec<Affine>| {
        b.lanes(|b, lane| {
            // What is the same for all elements is computed once.
            em.hoist(b, exprs, &|_| false, &|_, _| unreachable!("a joined value differs from element to element"));
            let var = b.var();
            b.for_range(bounded(var, extent, Vec::new(), high), LoopKind::Serial, |b| {
                let word = first.plus(&Affine::var(var)).times(LANES as i64).plus(&Affine::var(lane));
                em.flat = Some(word.clone());
                em.open_scope();
                let join = |b: &mut Builder, node| join::joined(cx, b, node, &word);
                let values: Vec<_> = exprs.iter().map(|&expr| em.emit(b, expr, &join)).collect();
                for (root, value) in group.roots.iter().zip(values) {
                    em.store(b, root.node(), axes, value);
                }
                em.close_scope();
                em.flat = None;
            });
        });
    };
    if n_vectors <= BLOCK {
        return b.nest_of(group, |b| vectors(b, Affine::constant(0), n_vectors, Vec::new()));
    }
    b.for_extent(n_vectors.div_ceil(BLOCK), LoopKind::Parallel, |b, block| {
        let first = Affine::var(block).times(BLOCK as i64);
        let left = first.times(-1).plus_constant(n_vectors as i64);
        let high = if n_vectors.is_multiple_of(BLOCK) { Vec::new() } else { vec![left] };
        b.nest_of(group, |b| vectors(b, first, BLOCK, high));
    });
}

fn scalar_level(
    b: &mut Builder,
    em: &mut Emitter<'_>,
    group: &Group,
    exprs: &[ExprId],
    extents: &[usize],
    depth: usize,
) {
    if depth == extents.len() {
        let axes: Vec<Affine> = (0..depth as u32).map(|axis| Affine::var(Var(axis))).collect();
        let linear = axes.iter().zip(extents).fold(Affine::constant(0), |sum, (axis, &extent)| {
            let axis = em.vars.get(&axis.as_var().expect("an axis")).cloned().unwrap_or_default();
            sum.times(extent as i64).plus(&axis)
        });
        let cx = em.cx;
        let join = |b: &mut Builder, node| join::joined(cx, b, node, &linear);
        let values: Vec<_> = exprs.iter().map(|&expr| em.emit(b, expr, &join)).collect();
        for (root, value) in group.roots.iter().zip(values) {
            assert!(matches!(root, Root::Value(_)), "partial results are those of a batch");
            em.store(b, root.node(), &axes, value);
        }
        return;
    }
    b.for_extent(extents[depth], LoopKind::Serial, |b, var| {
        em.ranges.insert(var, (0, extents[depth] as i64 - 1));
        em.bind(Var(depth as u32), Affine::var(var));
        em.open_scope();
        scalar_level(b, em, group, exprs, extents, depth + 1);
        em.close_scope();
    });
}
