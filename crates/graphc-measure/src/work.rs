//! Floating-point operations of a graph: those of its contractions, 2 per multiply-add.
//!
//! Everything else (activations, pooling, statistics, the optimizer) is what a training step spends time on
//! besides, and is not counted, so that speeds compare with the multiply-add peak and with other
//! frameworks. Taps of a convolution that fall into the padding are counted, as is usual, although they
//! are left out of the loops.

use crate::ranges::Ranges;
use graphc_ir::graph::{Graph, NodeId};
use graphc_ir::loops::{Program, Stmt};
use graphc_ir::ops::Op;
use std::collections::BTreeMap;

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
        Op::Einsum(einsum) => {
            let sizes: Vec<Vec<usize>> = operands.iter().map(|&operand| graph.sizes(operand)).collect();
            einsum.multiply_adds(&sizes.iter().map(Vec::as_slice).collect::<Vec<_>>())
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

/// Operations of every phase of every kernel of a program that was scheduled from this graph, the prologue left out.
///
/// A contraction counts where the tiles of its nests are, in the first kernel that computes it. One in two phases
/// (full blocks of its result, then the rest) is split in proportion to the multiply-adds of both. Some have no
/// multiply-adds in tiles: the product of two 1 x 1 matrices is a sweep, and a window can lie in the padding alone.
/// They count where they are computed first. Those of parameters alone, which the prologue computes, do not count: no
/// step runs them.
///
/// # Panics
/// As [`node_flops`], or if the program was not made from the graph.
pub fn phase_flops(graph: &Graph, program: &Program) -> Vec<Vec<u64>> {
    let kernels = program.kernels.iter();
    let mut flops: Vec<Vec<u64>> = kernels.map(|kernel| vec![0; graphc_codegen::phases(kernel).count()]).collect();
    for (node, place) in places(graph, program) {
        let shares = shares(node_flops(graph, node), &place.weights());
        flops[place.kernel].iter_mut().zip(shares).for_each(|(sum, share)| *sum += share);
    }
    flops.split_off(program.prologue().len())
}

/// Where a contraction is computed.
struct Place {
    /// Position of the first kernel that computes it.
    kernel: usize,
    /// The first phase there that does.
    first_phase: usize,
    /// Multiply-adds of its tiles in each phase.
    multiply_adds: Vec<u64>,
}

impl Place {
    /// What its operations are dealt out by.
    fn weights(&self) -> Vec<u64> {
        if self.multiply_adds.iter().any(|&n| n > 0) {
            return self.multiply_adds.clone();
        }
        (0..self.multiply_adds.len()).map(|phase| u64::from(phase == self.first_phase)).collect()
    }
}

/// The contractions of a program and where they are computed.
fn places(graph: &Graph, program: &Program) -> BTreeMap<NodeId, Place> {
    let mut places: BTreeMap<NodeId, Place> = BTreeMap::new();
    for (position, kernel) in program.kernels.iter().enumerate() {
        let phases: Vec<&[Stmt]> = graphc_codegen::phases(kernel).collect();
        let mut counter = TileCounter::default();
        for (phase, stmts) in phases.iter().enumerate() {
            for (nodes, multiply_adds) in counter.nests(stmts, 1) {
                for &node in nodes.iter().filter(|&&node| node_flops(graph, node) > 0) {
                    let place = places.entry(node).or_insert_with(|| Place {
                        kernel: position,
                        first_phase: phase,
                        multiply_adds: vec![0; phases.len()],
                    });
                    if place.kernel == position {
                        place.multiply_adds[phase] += multiply_adds;
                    }
                }
            }
        }
    }
    places
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

/// Counts the multiply-adds of tiles. They serve as weights only: loops count as often as they can run at most.
#[derive(Default)]
struct TileCounter {
    ranges: Ranges,
}

impl TileCounter {
    /// The nests among statements that run `n_runs` times: which nodes they compute, and the multiply-adds of their
    /// tiles.
    fn nests<'a>(&mut self, stmts: &'a [Stmt], n_runs: u64) -> Vec<(&'a [NodeId], u64)> {
        let mut found = Vec::new();
        for stmt in stmts {
            match stmt {
                Stmt::Nest { nodes, body, .. } => found.push((nodes.as_slice(), self.block(body, n_runs))),
                Stmt::For { range, body, .. } => {
                    let n_runs = n_runs * self.ranges.enter(range);
                    found.extend(self.nests(body, n_runs));
                }
                Stmt::LetIndex { var, value } => self.ranges.define(*var, value),
                Stmt::LoadIndex { var, extent, .. } | Stmt::ClampIndex { var, extent, .. } => {
                    self.ranges.count(*var, *extent)
                }
                Stmt::Lanes { .. }
                | Stmt::Tile(_)
                | Stmt::Let { .. }
                | Stmt::Set { .. }
                | Stmt::Store { .. }
                | Stmt::Fetch { .. } => {}
            }
        }
        found
    }

    /// Multiply-adds of the tiles in a block that runs `n_runs` times.
    fn block(&mut self, stmts: &[Stmt], n_runs: u64) -> u64 {
        let of_stmt = |stmt: &Stmt| match stmt {
            Stmt::Nest { body, .. } | Stmt::Lanes { body, .. } => self.block(body, n_runs),
            Stmt::For { range, body, .. } => {
                let n_runs = n_runs * self.ranges.enter(range);
                self.block(body, n_runs)
            }
            Stmt::LetIndex { var, value } => {
                self.ranges.define(*var, value);
                0
            }
            Stmt::LoadIndex { var, extent, .. } | Stmt::ClampIndex { var, extent, .. } => {
                self.ranges.count(*var, *extent);
                0
            }
            Stmt::Tile(tile) => {
                let cells: u64 = tile.grid.iter().map(|&(_, extent)| extent as u64).product();
                let terms: u64 = tile.reds.iter().map(|range| self.ranges.enter(range)).product();
                n_runs * cells * terms
            }
            Stmt::Let { .. } | Stmt::Set { .. } | Stmt::Store { .. } | Stmt::Fetch { .. } => 0,
        };
        stmts.iter().map(of_stmt).sum()
    }
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
