//! Tasks: how many chunks of samples one iteration of a kernel's parallel loop computes.
//!
//! Usually one. But a large dense layer reads all its weights for every chunk, and where they do not stay in a core's
//! own cache, sixteen samples are too few to pay for fetching them. Then a task is several chunks, and the layer
//! takes one block of weights after the other, each for all chunks of the task.

use crate::decide::choices::Aspect;
use crate::decide::problem::Problem;
use crate::decide::terms::TermBlocks;
use graphc_ir::NodeId;
use graphc_ir::graph::plan::{GroupKind, KernelPlan};

/// Tasks that a kernel is cut into at least if there are as many chunks, so that threads find work; one thread needs
/// no more than one.
const FEWEST_TASKS: usize = 4;

/// More chunks than this gain little.
const MOST_CHUNKS: usize = 8;

/// Chunks per task of a kernel.
pub(crate) fn chunks_per_task(problem: &Problem<'_>, kernel: &KernelPlan) -> usize {
    let n_chunks = problem.n_chunks();
    let groups = kernel.chunk.iter().filter(|group| group.kind == GroupKind::Contraction);
    let contractions = groups.map(|group| group.contraction(problem.forms));
    let most = contractions.map(|node| (weight_words(problem, node), node)).max();
    let Some((words, node)) = most else { return 1 };
    let is_far = words > problem.machine.near_words();
    let fewest = if problem.machine.threads.n == 1 { 1 } else { FEWEST_TASKS };
    let has_tasks = |per_task: usize| n_chunks.div_ceil(per_task) >= fewest;
    // Every block of weights reads all samples of the task, or those of a block of terms, so they stay near if a
    // chunk's do at all.
    let stay_near = |per_task: usize| {
        let form = problem.contraction(node);
        TermBlocks::of(problem, form, per_task, problem.machine.vectors.most_cells()).is_some()
            || per_task * words_of_chunk(problem, node) <= problem.machine.near_words()
    };
    let is_possible = |&per_task: &usize| has_tasks(per_task) && (stay_near(per_task) || !stay_near(1));
    let largest = (1..=MOST_CHUNKS).rev().find(is_possible).unwrap_or(1);
    // As many tasks of equal size.
    let by_cost = if is_far { n_chunks.div_ceil(n_chunks.div_ceil(largest)) } else { 1 };
    let others = [1, 2, 4, MOST_CHUNKS].into_iter().filter(|&n| n != by_cost && n <= n_chunks);
    let options = [by_cost].into_iter().chain(others).map(|n| (n, format!("{n} chunks a task")));
    problem.chooser.pick_of(node, Aspect::Task, options.collect())
}

/// Words that a contraction reads for the samples of a chunk.
fn words_of_chunk(problem: &Problem<'_>, contraction: NodeId) -> usize {
    let graph = problem.graph;
    let operands = problem.forms.operands(graph, contraction).into_iter();
    let samples = operands.filter(|&id| graph.ty(id).shape.batch_axis().is_some());
    samples.map(|operand| graph.sizes(operand).iter().product::<usize>()).max().unwrap_or(0) / problem.n_chunks()
}

/// Words that a contraction reads for every sample alike.
fn weight_words(problem: &Problem<'_>, contraction: NodeId) -> usize {
    let graph = problem.graph;
    let operands = problem.forms.operands(graph, contraction).into_iter();
    let weights = operands.filter(|&id| graph.ty(id).shape.batch_axis().is_none());
    weights.map(|operand| graph.sizes(operand).iter().product::<usize>()).max().unwrap_or(0)
}
