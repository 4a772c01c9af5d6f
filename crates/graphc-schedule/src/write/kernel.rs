//! Writes kernels: their phases in order, with the loops that threads share.

use crate::decide::kernel::{ChunkNest, GradientPlan, KernelSchedule, NestPlan, PhasePlan};
use crate::decide::summation::Groups;
use crate::write::builder::Builder;
use crate::write::contraction;
use crate::write::contraction::gradient::{self, Gradient};
use crate::write::copies::{rows, weights};
use crate::write::expr::Cx;
use crate::write::scatter;
use crate::write::sweep::nest::{self, Place};
use crate::write::task::{Share, Task};
use graphc_ir::index::{Affine, Var};
use graphc_ir::loops::{LoopKind, Stmt};

/// Writes the phases of a kernel into the open block.
pub(crate) fn write(cx: &Cx<'_>, b: &mut Builder, kernel: &KernelSchedule) {
    for phase in &kernel.phases {
        match phase {
            PhasePlan::Once(nest) => once(cx, b, nest),
            PhasePlan::Copy(copy, name) => weights::write(cx, b, name, *copy),
            PhasePlan::Chunks { per_task, n_shares, nests, is_alone } => {
                tasks(cx, b, (*per_task, *n_shares), |b, task, share| {
                    chunk_nests(cx, b, nests, (task, share), *is_alone);
                });
            }
            PhasePlan::Rows(rows) => tasks(cx, b, (1, 1), |b, task, _| {
                rows.iter().for_each(|(copy, name)| rows::write(cx, b, name, *copy, task));
            }),
            PhasePlan::Joined { groups, nests, gradients, is_alone } => {
                joined(cx, b, *groups, (nests, *is_alone), gradients);
            }
            PhasePlan::Gradient(gradient) => gradient::write(cx, b, gradient),
        }
    }
}

/// Writes something for the chunks of every task, and the number of its share of them if they are cut. Tasks of one
/// share follow one another: what it reads for all samples alike stays near.
fn tasks(
    cx: &Cx<'_>,
    b: &mut Builder,
    (n_chunks, n_shares): (usize, usize),
    write: impl FnOnce(&mut Builder, Task, Option<Var>),
) {
    let n_tasks = cx.n_chunks().div_ceil(n_chunks);
    b.for_extent(n_tasks * n_shares, LoopKind::Parallel, |b, both| {
        if n_shares == 1 {
            return write(b, Task { number: both, n_chunks }, None);
        }
        let part = |b: &mut Builder, value: Affine| {
            let var = b.var();
            b.push(Stmt::LetIndex { var, value });
            var
        };
        if n_tasks == 1 {
            let number = part(b, Affine::default());
            return write(b, Task { number, n_chunks }, Some(both));
        }
        let number = part(b, Affine::var(both).modulo(n_tasks as i64));
        let share = part(b, Affine::var(both).div(n_tasks as i64));
        write(b, Task { number, n_chunks }, Some(share));
    });
}

fn once(cx: &Cx<'_>, b: &mut Builder, nest: &NestPlan) {
    match nest {
        NestPlan::Contraction(plan) => contraction::write(cx, b, plan, None),
        NestPlan::Sweep(plan) => nest::write(cx, b, plan, Place::Once),
        NestPlan::Scatter(plan) => scatter::write(cx, b, plan, None),
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
            chunk_nests(cx, b, nests, (Task { number: chunk, n_chunks: 1 }, None), is_alone);
            gradients.iter().for_each(|gradient| gradient.add(b, chunk));
        });
        gradients.iter().for_each(|gradient| gradient.after(b));
    });
}

/// What is computed for every sample of a task, or a share of it.
fn chunk_nests(cx: &Cx<'_>, b: &mut Builder, nests: &[ChunkNest], (task, share): (Task, Option<Var>), is_alone: bool) {
    for ChunkNest { nest, fetches, rows, cut } in nests {
        let share = share.zip(*cut).map(|(number, cut)| Share { number, cut });
        match nest {
            NestPlan::Contraction(plan) => contraction::write(cx, b, plan, Some((task, share, fetches))),
            NestPlan::Sweep(plan) => nest::write(cx, b, plan, Place::Chunks { task, share, fetches, is_alone }),
            NestPlan::Scatter(plan) => scatter::write(cx, b, plan, Some(task)),
        }
        for &copy in rows {
            rows::write(cx, b, nest.name(), copy, task);
        }
    }
}
