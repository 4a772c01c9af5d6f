//! Tasks: how many chunks of samples one iteration of a kernel's parallel loop computes.
//!
//! Usually one. But a large dense layer reads all its weights for every chunk, and where they do not stay in a core's
//! own cache, sixteen samples are too few to pay for fetching them. Then a task is several chunks, and the layer takes
//! one block of weights after the other, each for all chunks of the task.

use crate::decide::choices::Aspect;
use crate::write::builder::Builder;
use crate::write::expr::Cx;
use graphc_ir::NodeId;
use graphc_ir::graph::plan::{Group, GroupKind, KernelPlan};
use graphc_ir::index::{Affine, Var};
use graphc_ir::loops::{Bound, LoopKind, Range};

/// Words that stay in a core's own cache while they are read again and again.
pub(crate) const NEAR_WORDS: usize = 1 << 17;

/// Tasks that a kernel is cut into at least if there are as many chunks, so that threads find work.
const FEWEST_TASKS: usize = 4;

/// More chunks than this gain little, and their samples must stay near in place of the weights.
const MOST_CHUNKS: usize = 8;

/// Consecutive chunks of a task.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Task {
    /// Number of the task.
    pub(crate) number: Var,
    /// Chunks of every task but the last.
    pub(crate) n_chunks: usize,
}

/// Chunks per task of a kernel.
pub(crate) fn chunks_per_task(cx: &Cx<'_>, kernel: &KernelPlan) -> usize {
    let n_chunks = cx.n_chunks();
    let groups = kernel.chunk.iter().filter(|group| group.kind == GroupKind::Contraction);
    let contractions = groups.flat_map(|group| contractions(cx, group));
    let Some((words, node)) = contractions.map(|node| (weight_words(cx, node), node)).max() else { return 1 };
    let by_cost = if words > NEAR_WORDS { (n_chunks / FEWEST_TASKS).clamp(1, MOST_CHUNKS) } else { 1 };
    let others = [1, 2, 4, MOST_CHUNKS].into_iter().filter(|&n| n != by_cost && n <= n_chunks);
    let options: Vec<usize> = [by_cost].into_iter().chain(others).collect();
    let words = options.iter().map(|n| format!("{n} chunks a task"));
    options[cx.chooser.pick(node, Aspect::Task, words.collect())]
}

fn contractions(cx: &Cx<'_>, group: &Group) -> impl Iterator<Item = NodeId> {
    let nodes = group.inlined.iter().copied().chain(group.roots.iter().map(|root| root.node()));
    nodes.filter(|node| cx.forms[node].as_contraction().is_some())
}

/// Words that a contraction reads for every sample alike.
fn weight_words(cx: &Cx<'_>, contraction: NodeId) -> usize {
    let operands = cx.graph.operands(contraction).into_iter();
    let weights = operands
        .filter(|&operand| cx.graph.ty(operand).shape.batch_axis().is_none())
        .map(|operand| cx.graph.sizes(operand).iter().product::<usize>());
    weights.max().unwrap_or(0)
}

impl Task {
    /// Writes something for every chunk.
    pub(crate) fn each_chunk(self, cx: &Cx<'_>, b: &mut Builder, write: impl FnOnce(&mut Builder, Var)) {
        if self.n_chunks == 1 {
            return write(b, self.number);
        }
        let chunk = b.var();
        b.for_range(self.chunks(cx, chunk), LoopKind::Serial, |b| write(b, chunk));
    }

    /// Its chunks.
    pub(crate) fn chunks(self, cx: &Cx<'_>, chunk: Var) -> Range {
        let low = Affine::var(self.number).times(self.n_chunks as i64);
        let mut high = vec![low.plus_constant(self.n_chunks as i64)];
        if !cx.n_chunks().is_multiple_of(self.n_chunks) {
            high.push(Affine::constant(cx.n_chunks() as i64));
        }
        Range { var: chunk, low: Bound(vec![low]), high: Bound(high) }
    }
}
