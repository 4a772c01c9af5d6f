//! Schedules a specialised graph with its fusion plan into a loop program.
//!
//! Takes a [`Graph`] without composites and the [`FusionPlan`] made for it; gives a [`Program`]: loops,
//! buffers, and the arena plan. Knows tensor ops only through their index notation, and no machine
//! beyond the number and width of its vector registers.
//!
//! Reading order: `lanes`, `pack`, `buffers`, `builder`, `emit`, `task`, `split`, `sweep`, `registers`, `walk`, `factor`, `contract`, `strips`, `flat`,
//! `join`, `math`, `in_place`, `plan_memory`.
#![forbid(unsafe_code)]

mod buffers;
mod builder;
mod contract;
mod emit;
mod factor;
mod flat;
mod in_place;
mod join;
mod lanes;
mod math;
mod pack;
mod plan_memory;
mod registers;
mod split;
mod strips;
mod sweep;
mod task;
mod walk;

use buffers::Buffers;
use builder::Builder;
use emit::Cx;
use graphc_ir::form::Form;
use graphc_ir::graph::Graph;
use graphc_ir::graph::plan::{FusionPlan, Group, GroupKind, KernelPlan};
use graphc_ir::loops::{Kernel, LoopKind, Program};
use task::Task;

pub use registers::RegisterFile;

/// The loop program of a graph.
///
/// # Panics
/// If the plan was not made for this graph.
pub fn schedule(graph: &Graph, plan: &FusionPlan, registers: RegisterFile) -> Program {
    let forms = Form::all(graph);
    let in_place = in_place::find(graph, &forms, plan);
    let mut buffers = Buffers::new(graph, &forms, plan, &in_place);
    let cx = Cx { graph, forms: &forms, plan, buffers: &buffers };
    let last = plan.kernels.len().saturating_sub(1);
    let kernels: Vec<Kernel> = plan
        .kernels
        .iter()
        .enumerate()
        .map(|(number, kernel)| {
            let mut b = Builder::new();
            kernel_body(&cx, &mut b, kernel, registers);
            if number == last {
                in_place::copy_others(&cx, &mut b, &in_place);
            }
            let sources = kernel.groups().map(|group| group.name.clone()).collect();
            Kernel { name: format!("k{number}"), sources, body: b.finish() }
        })
        .collect();
    let arena_words = plan_memory::run(&mut buffers.list, &kernels);
    let batch = graph.batch.expect("the graph is specialised");
    Program { name: graph.name.clone(), batch, buffers: buffers.list, kernels, arena_words }
}

fn kernel_body(cx: &Cx<'_>, b: &mut Builder, kernel: &KernelPlan, registers: RegisterFile) {
    let no_batch = |b: &mut Builder, group: &Group| match group.kind {
        GroupKind::Contraction => contract::no_batch(cx, b, registers, group),
        GroupKind::Sweep => flat::sweep(cx, b, group),
    };
    for group in &kernel.head {
        no_batch(b, group);
    }
    for group in kernel.chunk.iter().filter(|group| group.kind == GroupKind::Contraction) {
        contract::pack(cx, b, registers, group);
    }
    if !kernel.chunk.is_empty() {
        let n_chunks = task::chunks_per_task(cx, kernel);
        b.for_extent(cx.n_chunks().div_ceil(n_chunks), LoopKind::Parallel, |b, number| {
            let task = Task { number, n_chunks };
            for group in &kernel.chunk {
                match group.kind {
                    GroupKind::Contraction => contract::per_sample(cx, b, registers, group, task),
                    GroupKind::Sweep => sweep::batch_sweep(cx, b, group, task),
                }
            }
        });
    }
    for group in &kernel.batch {
        contract::over_batch(cx, b, registers, group);
    }
    for group in &kernel.tail {
        no_batch(b, group);
    }
}
