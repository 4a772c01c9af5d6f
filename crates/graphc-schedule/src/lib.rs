//! Schedules a specialised graph with its fusion plan into a loop program.
//!
//! Takes a [`Graph`] without composites and the [`FusionPlan`] made for it; gives a [`Program`]: loops,
//! buffers, and the arena plan. Knows tensor ops only through their index notation, and no machine
//! beyond the number and width of its vector registers.
//!
//! Reading order: [`decide`], what follows from the graph and the machine before anything is written; [`memory`], which
//! buffer holds what and where it stands in the arena; [`write`], how nests are written as loop IR.
#![forbid(unsafe_code)]

mod decide;
mod memory;
mod write;

use decide::choices::Chooser;
use decide::joined;
use decide::prologue::Prologue;
use decide::task::{self, Task};
use graphc_ir::NodeId;
use graphc_ir::form::Form;
use graphc_ir::graph::Graph;
use graphc_ir::graph::plan::{FusionPlan, Group, GroupKind, KernelPlan};
use graphc_ir::loops::{Kernel, LoopKind, Program};
use memory::buffers::Buffers;
use memory::{arena, in_place, unread};
use std::collections::BTreeMap;
use write::builder::Builder;
use write::contraction::over_batch::{self, Gradient};
use write::copies::rows;
use write::expr::Cx;
use write::fetch::NextChunk;
use write::sweep::{flat, samples};
use write::{contraction, features};

pub use decide::choices::{Aspect, Candidates, Choices, REVISION};
pub use decide::grid::RegisterFile;

/// A loop program, and what else it could have been.
#[derive(Clone, Debug)]
pub struct Scheduled {
    /// The program.
    pub program: Program,
    /// Wherever there was more than one option, kernel by kernel.
    pub candidates: Vec<Candidates>,
}

/// The loop program of a graph, as the cost model chooses it.
///
/// # Panics
/// If the plan was not made for this graph.
pub fn schedule(graph: &Graph, plan: &FusionPlan, registers: RegisterFile) -> Program {
    schedule_with(graph, plan, registers, &Choices::default()).program
}

/// The loop program of a graph with some things chosen otherwise than the cost model would. Results are the same bits.
///
/// # Panics
/// As [`schedule`].
pub fn schedule_with(graph: &Graph, plan: &FusionPlan, registers: RegisterFile, choices: &Choices) -> Scheduled {
    let chooser = Chooser::new(graph, choices);
    let forms = Form::all(graph);
    let in_place = in_place::find(graph, &forms, plan);
    let mut buffers = Buffers::new(graph, &forms, plan, &in_place, &chooser);
    let cx = Cx { graph, forms: &forms, plan, buffers: &buffers, chooser: &chooser };
    let prologue = Prologue::of(graph, &forms, plan);
    let first = prologue_kernel(&cx, plan, registers, &prologue);
    let n_prologue = usize::from(first.is_some());
    let last = plan.kernels.len().saturating_sub(1);
    let others = plan.kernels.iter().enumerate().map(|(number, kernel)| {
        let mut b = Builder::new();
        kernel_body(&cx, &mut b, kernel, registers, &prologue);
        if number == last {
            in_place::copy_others(&cx, &mut b, &in_place);
        }
        let groups = kernel.groups().filter(|group| !prologue.has(group));
        Kernel { name: format!("k{number}"), sources: names(groups), body: b.finish() }
    });
    let mut kernels: Vec<Kernel> = first.into_iter().chain(others).collect();
    unread::remove(&buffers.list, &mut kernels);
    let arena_words = arena::run(&mut buffers.list, &kernels, n_prologue);
    let batch = graph.batch.expect("the graph is specialised");
    let program = Program { name: graph.name.clone(), batch, buffers: buffers.list, kernels, n_prologue, arena_words };
    let kernels = kernels_of_contractions(plan);
    Scheduled { program, candidates: chooser.into_candidates(|node| kernels[&node]) }
}

/// Position of the kernel that computes each contraction, and whatever stands in its nest.
fn kernels_of_contractions(plan: &FusionPlan) -> BTreeMap<NodeId, usize> {
    let of_kernel = |(position, kernel): (usize, &KernelPlan)| {
        let contractions = kernel.groups().filter(|group| group.kind == GroupKind::Contraction);
        let nodes = contractions.flat_map(|group| {
            group.inlined.iter().copied().chain(group.roots.iter().map(|root| root.node())).collect::<Vec<_>>()
        });
        nodes.map(|node| (node, position)).collect::<Vec<_>>()
    };
    // Of several kernels the first counts.
    plan.kernels.iter().enumerate().rev().flat_map(of_kernel).collect()
}

fn names<'a>(groups: impl Iterator<Item = &'a Group>) -> Vec<String> {
    groups.map(|group| group.name.clone()).collect()
}

/// What depends on parameters alone, if there is anything of the kind.
fn prologue_kernel(cx: &Cx<'_>, plan: &FusionPlan, registers: RegisterFile, prologue: &Prologue) -> Option<Kernel> {
    let mut b = Builder::new();
    let groups = || plan.kernels.iter().flat_map(|kernel| &kernel.head).filter(|group| prologue.has(group));
    groups().for_each(|group| no_batch(cx, &mut b, registers, group));
    for group in plan.kernels.iter().flat_map(|kernel| &kernel.chunk) {
        pack(cx, &mut b, registers, group, |weights| prologue.is_fixed(weights));
    }
    let body = b.finish();
    (!body.is_empty()).then(|| Kernel { name: "prologue".to_string(), sources: names(groups()), body })
}

/// Writes the copy of the weights of a group, if it has one and they are `wanted`.
fn pack(cx: &Cx<'_>, b: &mut Builder, registers: RegisterFile, group: &Group, wanted: impl Fn(NodeId) -> bool) {
    if group.kind == GroupKind::Contraction {
        contraction::pack(cx, b, registers, group, &wanted);
        features::contract::pack(cx, b, registers, group, &wanted);
    }
}

fn no_batch(cx: &Cx<'_>, b: &mut Builder, registers: RegisterFile, group: &Group) {
    match group.kind {
        GroupKind::Contraction => contraction::no_batch(cx, b, registers, group),
        GroupKind::Sweep => flat::sweep(cx, b, group),
    }
}

fn kernel_body(cx: &Cx<'_>, b: &mut Builder, kernel: &KernelPlan, registers: RegisterFile, prologue: &Prologue) {
    for group in kernel.head.iter().filter(|group| !prologue.has(group)) {
        no_batch(cx, b, registers, group);
    }
    for group in &kernel.chunk {
        pack(cx, b, registers, group, |weights| !prologue.is_fixed(weights));
    }
    if cx.buffers.features_are_lanes() {
        for group in &kernel.chunk {
            match group.kind {
                GroupKind::Contraction => features::contract::write(cx, b, registers, group),
                GroupKind::Sweep => features::sweep::write(cx, b, group),
            }
        }
        return tail(cx, b, kernel, registers);
    }
    let joined = joined::groups(cx, kernel);
    let is_joined = |group: &&Group| joined.is_some() && joined::groups_of(cx, group) == joined;
    let gradients = kernel.batch.iter().filter(is_joined);
    let next = NextChunk::of(cx, &kernel.chunk.iter().chain(gradients.clone()).collect::<Vec<_>>());
    if let Some(groups) = joined {
        b.for_extent(groups.n_groups, LoopKind::Parallel, |b, number| {
            let gradient = |group| Gradient { cx, group, registers, groups, number, next: &next };
            let gradients: Vec<Gradient<'_>> = gradients.map(gradient).collect();
            gradients.iter().for_each(|gradient| gradient.before(b));
            let task = Task { number, n_chunks: groups.chunks_per_group };
            task.each_chunk(cx, b, |b, chunk| {
                chunk_groups(cx, b, kernel, registers, Task { number: chunk, n_chunks: 1 }, &next);
                gradients.iter().for_each(|gradient| gradient.add(b, chunk));
            });
            gradients.iter().for_each(|gradient| gradient.after(b));
        });
    } else if !kernel.chunk.is_empty() {
        let n_chunks = task::chunks_per_task(cx, kernel);
        b.for_extent(cx.n_chunks().div_ceil(n_chunks), LoopKind::Parallel, |b, number| {
            chunk_groups(cx, b, kernel, registers, Task { number, n_chunks }, &next);
        });
    }
    for group in kernel.batch.iter().filter(|group| !is_joined(group)) {
        over_batch::write(cx, b, registers, group);
    }
    tail(cx, b, kernel, registers);
}

/// What is computed for every sample of a task.
fn chunk_groups(
    cx: &Cx<'_>,
    b: &mut Builder,
    kernel: &KernelPlan,
    registers: RegisterFile,
    task: Task,
    next: &NextChunk<'_>,
) {
    for group in &kernel.chunk {
        match group.kind {
            GroupKind::Contraction => contraction::per_sample(cx, b, registers, group, task, next),
            GroupKind::Sweep => samples::batch_sweep(cx, b, group, task, next),
        }
        rows::write(cx, b, group, task);
    }
}

/// What is computed once the batch is done.
fn tail(cx: &Cx<'_>, b: &mut Builder, kernel: &KernelPlan, registers: RegisterFile) {
    for group in &kernel.tail {
        no_batch(cx, b, registers, group);
    }
}
