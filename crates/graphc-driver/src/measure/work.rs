//! Floating-point operations of a graph: those of its contractions, 2 per multiply-add.
//!
//! Everything else (activations, pooling, statistics, the optimizer) is what a training step spends time on
//! besides, and is not counted, so that speeds compare with the multiply-add peak and with other
//! frameworks. Taps of a convolution that fall into the padding are counted, as is usual, although they
//! are left out of the loops.

use graphc_ir::graph::plan::{FusionPlan, KernelPlan, Root};
use graphc_ir::graph::{Graph, NodeId};
use graphc_ir::ops::Op;

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

/// Operations of every kernel of a plan: those of the contractions whose values it stores. Kernels of a program's prologue
/// are not among them: their work is counted, if it is any, where the plan has it.
///
/// # Panics
/// As [`node_flops`].
pub fn kernel_flops(graph: &Graph, plan: &FusionPlan) -> Vec<u64> {
    let of_kernel = |kernel: &KernelPlan| {
        let values = kernel.groups().flat_map(|group| {
            let roots = group.roots.iter().filter_map(|root| match root {
                Root::Value(node) => Some(*node),
                _ => None,
            });
            roots.chain(group.inlined.iter().copied())
        });
        values.map(|node| node_flops(graph, node)).sum()
    };
    plan.kernels.iter().map(of_kernel).collect()
}
