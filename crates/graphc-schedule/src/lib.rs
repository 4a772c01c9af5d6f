//! Schedules a specialised graph with its fusion plan into a loop program.
//!
//! Takes a [`Graph`] without composites and the [`FusionPlan`] made for it; gives a [`Program`]: loops,
//! buffers, and the arena plan. Knows tensor ops only through their index notation, and the machine only as a
//! [`Hardware`].
//!
//! Reading order: `decide`, what follows from the graph and the machine before anything is written; `memory`,
//! which buffer holds what and where it stands in the arena; `write`, how nests are written as loop IR.
#![forbid(unsafe_code)]

mod decide;
mod machine;
mod memory;
mod write;

use decide::choices::Chooser;
use decide::kernel::{KernelSchedule, Schedule};
use decide::layout::ProgramLanes;
use decide::problem::Problem;
use decide::prologue::Prologue;
use graphc_ir::form::Form;
use graphc_ir::graph::Graph;
use graphc_ir::graph::plan::FusionPlan;
use graphc_ir::loops::{Kernel, Program};
use memory::buffers::Buffers;
use memory::{arena, gradients, in_place, roles, unread};
use std::fmt::{self, Display, Formatter};
use write::builder::Builder;
use write::expr::Cx;
use write::{kernel, updates};

pub use decide::choices::{Aspect, Candidates, Choices, REVISION};
pub use machine::{Caches, Hardware, Threads, VectorUnit};

/// A loop program, and what else it could have been.
#[derive(Clone, Debug)]
pub struct Scheduled {
    /// The program.
    pub program: Program,
    /// Wherever there was more than one option, kernel by kernel.
    pub candidates: Vec<Candidates>,
    /// What was decided.
    pub plan: Plan,
}

/// What was decided about a program before its loops were written. Its text has the options that were refused, too,
/// and what they would cost.
#[derive(Clone, Debug)]
pub struct Plan(Schedule);

impl Display for Plan {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The loop program of a graph, as the cost model chooses it.
///
/// # Panics
/// If the plan was not made for this graph.
pub fn schedule(graph: &Graph, plan: &FusionPlan, machine: Hardware) -> Program {
    schedule_with(graph, plan, machine, &Choices::default()).program
}

/// The loop program of a graph with some things chosen otherwise than the cost model would. Results are the same
/// bits.
///
/// # Panics
/// As [`schedule`].
pub fn schedule_with(graph: &Graph, plan: &FusionPlan, machine: Hardware, choices: &Choices) -> Scheduled {
    let chooser = Chooser::new(graph, choices);
    let forms = Form::with_views(graph, &plan.views);
    let lanes = ProgramLanes::of(graph);
    let readers = forms.readers(graph);
    let problem = Problem { graph, forms: &forms, readers: &readers, fusion: plan, machine, chooser: &chooser, lanes };
    let prologue = Prologue::of(graph, &forms, plan);
    let schedule = Schedule::of(&problem, &prologue);
    let in_place = in_place::find(graph, &forms, plan);
    let mut buffers = Buffers::new(&problem, &schedule, &in_place);
    let cx = Cx { graph, forms: &forms, plan, buffers: &buffers, copies: &schedule.copies, machine };
    let written = |schedule: &KernelSchedule, is_last: bool| {
        let mut b = Builder::new();
        kernel::write(&cx, &mut b, schedule);
        if is_last {
            updates::write(&cx, &mut b, &in_place);
        }
        Kernel { name: schedule.name.clone(), role: schedule.role, sources: schedule.sources.clone(), body: b.finish() }
    };
    let first = Some(written(&schedule.prologue, false)).filter(|kernel| !kernel.body.is_empty());
    let n_kernels = schedule.kernels.len();
    let others = schedule.kernels.iter().enumerate().map(|(number, kernel)| written(kernel, number + 1 == n_kernels));
    let mut kernels: Vec<Kernel> = first.into_iter().chain(others).collect();
    let gradients = gradients::find(graph, &buffers);
    unread::remove(&buffers.list, &mut kernels);
    roles::mark_updates(&buffers.list, &mut kernels);
    let [arena_words, member_words] = arena::run(&mut buffers.list, &mut kernels, &gradients);
    let batch = graph.batch.expect("the graph is specialised");
    let name = graph.name.clone();
    let program = Program { name, batch, buffers: buffers.list, kernels, arena_words, member_words };
    Scheduled { program, candidates: chooser.into_candidates(plan), plan: Plan(schedule) }
}
