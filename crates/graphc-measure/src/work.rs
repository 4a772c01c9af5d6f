//! Floating-point operations of a graph: those of its contractions, 2 per multiply-add.
//!
//! Everything else (activations, pooling, statistics, the optimizer) is what a training step spends time on
//! besides, and is not counted, so that speeds compare with the multiply-add peak and with other
//! frameworks. Taps of a convolution that fall into the padding are counted, as is usual, although they
//! are left out of the loops.

use crate::ranges::Ranges;
use graphc_ir::graph::plan::{FusionPlan, GroupKind};
use graphc_ir::graph::{Graph, NodeId};
use graphc_ir::loops::{BufId, Program, Stmt, Tile};
use graphc_ir::ops::Op;
use std::collections::BTreeSet;

/// Operations of one node of a specialised graph; 0 unless it is a contraction.
///
/// # Panics
/// If the graph has a batch dimension and no batch size.
pub fn node_flops(graph: &Graph, node: NodeId) -> u64 {
    let product = |sizes: &[usize]| sizes.iter().map(|&size| size as u64).product::<u64>();
    let (operands, out) = (graph.operands(node), graph.sizes(node));
    let size = |operand: usize| graph.sizes(operands[operand]);
    // A convolution and its gradients run over the same n p q k r s c: the image on the small side,
    // times the window r s c.
    let multiply_adds = match graph.op(node) {
        Op::Conv2d(_) => product(&out) * product(&size(1)[..3]),
        Op::Conv2dInputGrad(_) => product(&size(0)) * product(&size(1)[..3]),
        Op::Conv2dKernelGrad(_) => product(&size(1)) * product(&out[..3]),
        Op::MatMul(matmul) => {
            let a = size(0);
            product(&out) * a[if matmul.transpose_a { a.len() - 2 } else { a.len() - 1 }] as u64
        }
        _ => 0,
    };
    2 * multiply_adds
}

/// Operations of a whole specialised graph.
///
/// # Panics
/// As [`node_flops`].
pub fn graph_flops(graph: &Graph) -> u64 {
    graph.ids().into_iter().map(|node| node_flops(graph, node)).sum()
}

/// Operations of every phase of every kernel of a program that was scheduled from this graph and plan, the prologue
/// left out.
///
/// A contraction counts where its tiles are. Each has a buffer of its own to store to, and they come in the order of
/// the plan, which tells whose tiles are whose. One in two phases (full blocks of its result, then the rest) is split
/// in proportion to the multiply-adds of both. Some have no multiply-adds in tiles: the product of two 1 x 1 matrices
/// is a sweep, and a window can lie in the padding alone. They count where they are computed first. Those of parameters
/// alone, which the prologue computes, do not count: no step runs them.
///
/// # Panics
/// As [`node_flops`], or if the program was not made from them.
pub fn phase_flops(graph: &Graph, plan: &FusionPlan, program: &Program) -> Vec<Vec<u64>> {
    let mut counted = BTreeSet::new();
    let prologue: BTreeSet<&str> =
        program.prologue().iter().flat_map(|kernel| &kernel.sources).map(String::as_str).collect();
    let kernels = plan.kernels.iter().zip(&program.kernels[program.n_prologue..]);
    kernels
        .map(|(plan, kernel)| {
            let phases: Vec<&[Stmt]> = graphc_codegen::phases(kernel).collect();
            let mut tiles = Tiles::of(&phases);
            let mut flops = vec![0; phases.len()];
            for group in plan.groups() {
                let nodes = group.inlined.iter().copied().chain(group.roots.iter().map(|root| root.node()));
                let total = nodes.filter(|&node| counted.insert(node)).map(|node| node_flops(graph, node)).sum();
                // Only what comes before the samples may have moved there.
                let is_head = plan.head.iter().any(|head| std::ptr::eq(head, group));
                if is_head && prologue.contains(group.name.as_str()) {
                    continue;
                }
                let mut weights = match group.kind {
                    GroupKind::Contraction => {
                        // Gradients may run in another order than that of the plan; what their tiles store has their
                        // names.
                        let root = group.roots[0].node();
                        let names = ["partial products", "accumulators"].map(|what| format!("{what} of {root}"));
                        let own = tiles.iter().position(|(buffer, _)| names.contains(&program.buffer(*buffer).name));
                        assert!(!tiles.is_empty(), "every contraction has tiles");
                        tiles.remove(own.unwrap_or(0)).1
                    }
                    GroupKind::Sweep => Vec::new(),
                };
                if weights.iter().all(|&weight| weight == 0) {
                    weights = first_with(&phases, &group.name);
                }
                flops.iter_mut().zip(shares(total, &weights)).for_each(|(sum, share)| *sum += share);
            }
            assert!(tiles.is_empty(), "kernel {}: every tile is a contraction's", kernel.name);
            flops
        })
        .collect()
}

/// 1 for the first phase with a nest of that name, 0 for the others.
fn first_with(phases: &[&[Stmt]], nest: &str) -> Vec<u64> {
    let first = phases.iter().position(|stmts| nests(stmts).iter().any(|name| name == nest));
    (0..phases.len()).map(|phase| u64::from(Some(phase) == first)).collect()
}

/// Parts of `total` in proportion to `weights`, whose sum is `total`.
fn shares(total: u64, weights: &[u64]) -> Vec<u64> {
    let of_all = u128::from(weights.iter().sum::<u64>().max(1));
    let mut weight = 0;
    let mut before = 0;
    let share = |&next: &u64| {
        weight += u128::from(next);
        let up_to = (u128::from(total) * weight / of_all) as u64;
        up_to - std::mem::replace(&mut before, up_to)
    };
    weights.iter().map(share).collect()
}

/// Multiply-adds of tiles by the buffer they store to, in the order in which these first appear, phase by phase. They
/// serve as weights only: loops count as often as they can run at most.
struct Tiles {
    ranges: Ranges,
    n_phases: usize,
    found: Vec<(BufId, Vec<u64>)>,
}

impl Tiles {
    fn of(phases: &[&[Stmt]]) -> Vec<(BufId, Vec<u64>)> {
        let mut tiles = Tiles { ranges: Ranges::default(), n_phases: phases.len(), found: Vec::new() };
        for (phase, stmts) in phases.iter().enumerate() {
            tiles.block(stmts, phase, 1);
        }
        tiles.found
    }

    /// `n_runs` is how often the block runs.
    fn block(&mut self, stmts: &[Stmt], phase: usize, n_runs: u64) {
        for stmt in stmts {
            match stmt {
                Stmt::Nest { body, .. } | Stmt::Lanes { body, .. } => self.block(body, phase, n_runs),
                Stmt::For { range, body, .. } => {
                    let n_runs = n_runs * self.ranges.enter(range);
                    self.block(body, phase, n_runs);
                }
                Stmt::LetIndex { var, value } => self.ranges.define(*var, value),
                Stmt::Tile(tile) => self.tile(tile, phase, n_runs),
                Stmt::Let { .. } | Stmt::Set { .. } | Stmt::Store { .. } | Stmt::Fetch { .. } => {}
            }
        }
    }

    fn tile(&mut self, tile: &Tile, phase: usize, n_runs: u64) {
        let target = stored(&tile.epilogue).expect("a tile stores its result");
        let cells: u64 = tile.grid.iter().map(|&(_, extent)| extent as u64).product();
        let terms: u64 = tile.reds.iter().map(|range| self.ranges.enter(range)).product();
        let position = self.found.iter().position(|(buffer, _)| *buffer == target).unwrap_or_else(|| {
            self.found.push((target, vec![0; self.n_phases]));
            self.found.len() - 1
        });
        self.found[position].1[phase] += n_runs * cells * terms;
    }
}

/// The first buffer that something other than a tile stores to.
fn stored(stmts: &[Stmt]) -> Option<BufId> {
    stmts.iter().find_map(|stmt| match stmt {
        Stmt::Store { to, .. } => Some(to.buffer),
        Stmt::Nest { body, .. } | Stmt::For { body, .. } | Stmt::Lanes { body, .. } => stored(body),
        Stmt::Let { .. } | Stmt::LetIndex { .. } | Stmt::Set { .. } | Stmt::Fetch { .. } | Stmt::Tile(_) => None,
    })
}

/// Names of the nests among statements, in order.
pub(crate) fn nests(stmts: &[Stmt]) -> Vec<String> {
    let of_stmt = |stmt: &Stmt| match stmt {
        Stmt::Nest { name, .. } => vec![name.clone()],
        Stmt::For { body, .. } => nests(body),
        _ => Vec::new(),
    };
    stmts.iter().flat_map(of_stmt).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_add_up() {
        assert_eq!(shares(100, &[0, 1, 2]), [0, 33, 67]);
        assert_eq!(shares(7, &[5]), [7]);
        assert_eq!(shares(0, &[3, 4]), [0, 0]);
    }
}
