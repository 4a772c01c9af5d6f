//! Writes kernels: their phases in order, with the loops that threads share.

use crate::decide::kernel::{ChunkNest, GradientPlan, KernelSchedule, NestPlan, PhasePlan};
use crate::decide::summation::Groups;
use crate::write::builder::Builder;
use crate::write::contraction;
use crate::write::contraction::gradient::{self, Gradient};
use crate::write::copies::{rows, weights};
use crate::write::expr::Cx;
use crate::write::sweep::nest::{self, Place};
use crate::write::task::Task;
use graphc_ir::loops::LoopKind;

/// Writes the phases of a kernel into the open block.
pub(crate) fn write(cx: &Cx<'_>, b: &mut Builder, kernel: &KernelSchedule) {
    for phase in &kernel.phases {
        match phase {
            PhasePlan::Once(nest) => once(cx, b, nest),
            PhasePlan::Copy(copy, name) => weights::write(cx, b, name, *copy),
            PhasePlan::Chunks { per_task, nests, is_alone } => {
                let n_tasks = cx.n_chunks().div_ceil(*per_task);
                b.for_extent(n_tasks, LoopKind::Parallel, |b, number| {
                    chunk_nests(cx, b, nests, Task { number, n_chunks: *per_task }, *is_alone);
                });
            }
            PhasePlan::Joined { groups, nests, gradients, is_alone } => {
                joined(cx, b, *groups, (nests, *is_alone), gradients);
            }
            PhasePlan::Gradient(gradient) => gradient::write(cx, b, gradient),
        }
    }
}

fn once(cx: &Cx<'_>, b: &mut Builder, nest: &NestPlan) {
    match nest {
        NestPlan::Contraction(plan) => contraction::write(cx, b, plan, None, &[]),
        NestPlan::Sweep(plan) => nest::write(cx, b, plan, Place::Once),
    }
}

fn joined(
    cx: &Cx<'_>,
    b: &mut Builder,
    groups: Groups,
    (nests, is_alone): (&[ChunkNest], bool),
    gradients: &[GradientPlan],
) {
    b.for_extent(groups.n_groups, LoopKind::Parallel, |b, number| {
        let gradients: Vec<Gradient<'_>> = gradients.iter().map(|plan| Gradient { cx, plan, number }).collect();
        gradients.iter().for_each(|gradient| gradient.before(b));
        let task = Task { number, n_chunks: groups.chunks_per_group };
        task.each_chunk(cx, b, |b, chunk| {
            chunk_nests(cx, b, nests, Task { number: chunk, n_chunks: 1 }, is_alone);
            gradients.iter().for_each(|gradient| gradient.add(b, chunk));
        });
        gradients.iter().for_each(|gradient| gradient.after(b));
    });
}

/// What is computed for every sample of a task.
fn chunk_nests(cx: &Cx<'_>, b: &mut Builder, nests: &[ChunkNest], task: Task, is_alone: bool) {
    for ChunkNest { nest, fetches, rows } in nests {
        let name = match nest {
            NestPlan::Contraction(plan) => {
                contraction::write(cx, b, plan, Some(task), fetches);
                &plan.name
            }
            NestPlan::Sweep(plan) => {
                nest::write(cx, b, plan, Place::Chunks { task, fetches, is_alone });
                &plan.name
            }
        };
        for &copy in rows {
            rows::write(cx, b, name, copy, task);
        }
    }
}
