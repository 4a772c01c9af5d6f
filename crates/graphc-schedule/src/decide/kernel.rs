//! The phases of a kernel: what runs once, what is shared by threads chunk by chunk, what sums over the batch.
//!
//! **Joined phases.** A kernel computes its samples chunk by chunk, and then sums weight gradients of convolutions
//! over groups of chunks. In a large batch, what the first part wrote has left the caches when the second comes to
//! read it. So both parts are joined where the accumulators of a group may wait in memory meanwhile: threads share
//! the groups, and a group takes one chunk after the other, first its samples and then what they add to the
//! gradients. Rows of a group are read by the gradients of dense layers when all its chunks have been computed: then
//! what they read is that of a group, and not of a batch.
//!
//! **Cut phases.** Where chunks are too few for the threads, tasks are parts of chunks ([`cut`]); then a kernel has
//! several phases, and its gradients are phases of their own.

use crate::decide::contraction::{Batch, Contraction, ContractionPlan, Planner};
use crate::decide::copies::{Copies, CopyId, When};
use crate::decide::cut::{self, Cut, Piece, Segment};
use crate::decide::layout::ProgramLanes;
use crate::decide::next_chunk::NextChunk;
use crate::decide::problem::Problem;
use crate::decide::prologue::Prologue;
use crate::decide::scatter::ScatterPlan;
use crate::decide::shares;
use crate::decide::summation::{Groups, Summation};
use crate::decide::sweep::nest::SweepPlan;
use crate::decide::sweep::plan::Sources;
use crate::decide::task;
use crate::decide::updates;
use graphc_ir::NodeId;
use graphc_ir::graph::plan::{Group, GroupKind, KernelPlan, Root};
use graphc_ir::loops::KernelRole;
use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};

/// Barriers' time that threads may lose by sharing groups of chunks, so that the kernel remains a single phase.
const MOST_BARRIERS_LOST: usize = 2;

/// The same as a part of the time of shares of equal size.
const MOST_LOST: f64 = 0.3;

/// What one nest does.
#[derive(Clone, Debug)]
pub(crate) enum NestPlan {
    Contraction(Box<ContractionPlan>),
    Sweep(SweepPlan),
    Scatter(ScatterPlan),
}

impl NestPlan {
    /// What its nests are called.
    pub(crate) fn name(&self) -> &str {
        match self {
            NestPlan::Contraction(plan) => &plan.name,
            NestPlan::Sweep(plan) => &plan.name,
            NestPlan::Scatter(plan) => &plan.name,
        }
    }
}

/// A nest that is run for every chunk of samples.
#[derive(Clone, Debug)]
pub(crate) struct ChunkNest {
    pub(crate) nest: NestPlan,
    /// Tensors of whose next chunk it asks for some words with every step.
    pub(crate) fetches: Vec<NodeId>,
    /// Copies of what it has stored.
    pub(crate) rows: Vec<CopyId>,
    /// The share of it that a task computes, if tasks are parts of chunks.
    pub(crate) cut: Option<Cut>,
}

/// A weight gradient that is summed over groups of chunks.
#[derive(Clone, Debug)]
pub(crate) struct GradientPlan {
    pub(crate) nest: ContractionPlan,
    /// As [`ChunkNest::fetches`].
    pub(crate) fetches: Vec<NodeId>,
    /// What every task computes of a group, or of the result as a whole, if they are cut.
    pub(crate) cuts: Vec<Cut>,
}

impl GradientPlan {
    /// Tasks that may run at the same time.
    pub(crate) fn n_tasks(&self) -> usize {
        let n_shares = self.cuts.iter().map(|cut| cut.n_shares).product::<usize>();
        if self.cuts.is_empty() { self.nest.n_shares() } else { self.nest.n_parts() * n_shares }
    }
}

/// A part of a kernel; there is a barrier behind each.
#[derive(Clone, Debug)]
pub(crate) enum PhasePlan {
    /// Something without a batch, or with the batch as an axis like any other.
    Once(NestPlan),
    /// A copy, and whose it is.
    Copy(CopyId, String),
    /// Everything for some chunks of samples, which are shared as tasks.
    Chunks {
        per_task: usize,
        /// Tasks that every so many chunks are cut into; 1 if they are whole.
        n_shares: usize,
        nests: Vec<ChunkNest>,
        /// Whether no nest asks for the next chunk, so that each asks for what it touches itself.
        is_alone: bool,
    },
    /// Copies of what cut nests of those names have stored, in tasks of one chunk.
    Rows(Vec<(CopyId, String)>),
    /// Group by group, which are shared: for every chunk its samples and then what they add to the gradients.
    Joined { groups: Groups, nests: Vec<ChunkNest>, gradients: Vec<GradientPlan>, is_alone: bool },
    /// A sum over the batch by itself.
    Gradient(Box<GradientPlan>),
}

/// A kernel: its name, what it computes, and its parts in order.
#[derive(Clone, Debug)]
pub(crate) struct KernelSchedule {
    pub(crate) name: String,
    pub(crate) role: KernelRole,
    pub(crate) sources: Vec<String>,
    pub(crate) phases: Vec<PhasePlan>,
}

/// What is decided so far about a program.
struct Decider<'a> {
    problem: &'a Problem<'a>,
    prologue: &'a Prologue,
    copies: Copies,
    /// Sums over the batch that no kernel has taken yet. They are decided first: whoever stores what they read makes
    /// their copies.
    gradients: BTreeMap<Root, ContractionPlan>,
    /// Values that are computed before the gradients of the kernel at hand.
    known: BTreeSet<NodeId>,
}

/// Everything that is decided about a program.
#[derive(Clone, Debug)]
pub(crate) struct Schedule {
    /// May have no phase.
    pub(crate) prologue: KernelSchedule,
    pub(crate) kernels: Vec<KernelSchedule>,
    pub(crate) copies: Copies,
}

impl Schedule {
    /// The schedule of a graph.
    pub(crate) fn of(problem: &Problem<'_>, prologue: &Prologue) -> Schedule {
        let mut decider = Decider {
            problem,
            prologue,
            copies: Copies::default(),
            gradients: BTreeMap::new(),
            known: BTreeSet::new(),
        };
        let gradients = problem.fusion.kernels.iter().flat_map(|kernel| &kernel.batch);
        for group in gradients.filter(|_| problem.lanes == ProgramLanes::Samples) {
            let summation = Summation::of(problem, group.roots[0]);
            let plan = decider.contraction(group).over_batch(summation, &mut decider.copies);
            decider.gradients.insert(group.roots[0], plan);
        }
        let (prologue, kernels) = decider.kernels();
        Schedule { prologue, kernels, copies: decider.copies }
    }

    /// Every contraction that is no sum over chunks.
    pub(crate) fn contractions(&self) -> impl Iterator<Item = &ContractionPlan> {
        let phases = [&self.prologue].into_iter().chain(&self.kernels).flat_map(|kernel| &kernel.phases);
        phases.flat_map(nests).filter_map(|nest| match nest {
            NestPlan::Contraction(plan) => Some(&**plan),
            NestPlan::Sweep(_) | NestPlan::Scatter(_) => None,
        })
    }

    /// Sums over the batch that are no results, since updates are made of them at once.
    pub(crate) fn updating(&self) -> impl Iterator<Item = Root> {
        let plans = self.contractions().chain(self.gradients().map(|gradient| &gradient.nest));
        plans.filter(|plan| plan.update.is_some()).map(|plan| plan.root)
    }

    /// Every sum over the batch that is a contraction.
    pub(crate) fn gradients(&self) -> impl Iterator<Item = &GradientPlan> {
        self.kernels.iter().flat_map(|kernel| &kernel.phases).flat_map(|phase| {
            match phase {
                PhasePlan::Joined { gradients, .. } => gradients.as_slice(),
                PhasePlan::Gradient(gradient) => std::slice::from_ref(&**gradient),
                PhasePlan::Once(_) | PhasePlan::Copy(..) | PhasePlan::Chunks { .. } | PhasePlan::Rows(..) => &[],
            }
            .iter()
        })
    }
}

impl<'a> Decider<'a> {
    fn kernels(&mut self) -> (KernelSchedule, Vec<KernelSchedule>) {
        let prologue = self.prologue;
        let heads = self.problem.fusion.kernels.iter().flat_map(|kernel| &kernel.head);
        let sources: Vec<&Group> = heads.filter(|group| prologue.has(group)).collect();
        let heads: Vec<PhasePlan> = sources.iter().map(|group| PhasePlan::Once(self.once(group))).collect();
        // A copy may be one of what the prologue itself computes.
        let mut first = Vec::new();
        for head in heads {
            let mut copies = Vec::new();
            let phases = self.after_copies(vec![head], &mut copies);
            first.extend(copies.into_iter().chain(phases));
        }
        let mut copies = Vec::new();
        let kernels = self.problem.fusion.kernels.iter().enumerate();
        let kernels = kernels.map(|(number, kernel)| self.kernel(number, kernel, &mut copies)).collect();
        first.extend(copies);
        (
            KernelSchedule {
                name: "prologue".to_string(),
                role: KernelRole::Prologue,
                sources: names(sources),
                phases: first,
            },
            kernels,
        )
    }

    /// The phases of a kernel; copies for the prologue go to `first`.
    fn kernel(&mut self, number: usize, kernel: &'a KernelPlan, first: &mut Vec<PhasePlan>) -> KernelSchedule {
        let prologue = self.prologue;
        let head = kernel.head.iter().filter(|group| !prologue.has(group));
        let mut phases: Vec<PhasePlan> = head.map(|group| PhasePlan::Once(self.once(group))).collect();
        match self.problem.lanes {
            ProgramLanes::Features => phases.extend(self.over_rows(kernel)),
            ProgramLanes::Samples => phases.extend(self.over_chunks(kernel)),
        }
        self.known.extend(values(kernel.head.iter().chain(&kernel.chunk)));
        let readers = OnceCell::new();
        for group in &kernel.tail {
            if let Some(nest) = self.behind_gradients((kernel, &readers), group, &mut phases) {
                phases.push(PhasePlan::Once(nest));
            }
        }
        self.known.extend(values(kernel.groups()));
        let groups = kernel.groups().filter(|group| !prologue.has(group));
        let sources = names(groups);
        KernelSchedule {
            name: format!("k{number}"),
            role: KernelRole::Step,
            sources,
            phases: self.after_copies(phases, first),
        }
    }

    /// What gradients of the phases so far leave of a group behind them.
    fn behind_gradients(
        &mut self,
        (kernel, readers): (&KernelPlan, &OnceCell<updates::Readers>),
        group: &'a Group,
        phases: &mut [PhasePlan],
    ) -> Option<NestPlan> {
        if group.kind != GroupKind::Sweep {
            return Some(self.once(group));
        }
        let gradients: Vec<&mut ContractionPlan> = phases.iter_mut().filter_map(gradient_of).collect();
        let sweep = updates::Sweep { kernel, group, known: &self.known, readers };
        sweep.share_out(self.problem, gradients).map(|left| self.sweep(&left))
    }

    /// The phases of a kernel whose lanes are features, without head and tail.
    fn over_rows(&mut self, kernel: &'a KernelPlan) -> Vec<PhasePlan> {
        let mut phases = Vec::new();
        for group in &kernel.chunk {
            phases.push(PhasePlan::Once(match group.kind {
                GroupKind::Sweep | GroupKind::Ordered => self.uncontracted(group),
                GroupKind::Contraction => self.by_neighbours(group, Batch::Rows),
            }));
        }
        for group in &kernel.batch {
            phases.push(PhasePlan::Once(self.by_neighbours(group, Batch::SummedRows)));
        }
        phases
    }

    fn once(&mut self, group: &'a Group) -> NestPlan {
        match group.kind {
            GroupKind::Contraction => self.by_neighbours(group, Batch::None),
            GroupKind::Sweep | GroupKind::Ordered => self.uncontracted(group),
        }
    }

    fn by_neighbours(&mut self, group: &'a Group, batch: Batch) -> NestPlan {
        let planner = |of: Contraction<'_>, copies: &mut Copies| of.by_neighbours(batch, copies);
        self.planned(group, &planner)
    }

    /// The contraction of a group as `planner` makes its plan.
    fn planned(&mut self, group: &'a Group, planner: &Planner<'_>) -> NestPlan {
        let cheaper = Contraction::cheaper(self.problem, group, &self.copies, planner);
        contraction(planner(cheaper, &mut self.copies))
    }

    fn sweep(&self, group: &Group) -> NestPlan {
        let problem = self.problem;
        let sources = Sources {
            graph: problem.graph,
            forms: problem.forms,
            stored: &problem.fusion.stored,
            features_are_lanes: problem.lanes == ProgramLanes::Features,
            n_threads: problem.machine.threads.n,
        };
        NestPlan::Sweep(SweepPlan::of(&sources, group))
    }

    /// A sweep, a scan or a scatter.
    fn uncontracted(&self, group: &Group) -> NestPlan {
        let node = group.roots[0].node();
        match self.problem.forms[&node].as_point().and_then(|form| form.scatter()) {
            Some(_) => NestPlan::Scatter(ScatterPlan::of(self.problem, group)),
            None => self.sweep(group),
        }
    }

    fn contraction(&self, group: &'a Group) -> Contraction<'a> {
        Contraction::of(self.problem, group)
    }

    /// The phases, each behind the copies that it reads; those of what no step changes go to `first`.
    fn after_copies(&mut self, phases: Vec<PhasePlan>, first: &mut Vec<PhasePlan>) -> Vec<PhasePlan> {
        let mut all = Vec::new();
        for phase in phases {
            for (copy, name) in copies_of(&phase) {
                if matches!(self.copies.get(copy).when, When::Block { .. }) {
                    continue;
                }
                let is_fixed = self.prologue.is_fixed(self.copies.get(copy).source);
                if is_fixed {
                    self.copies.make_in_prologue(copy);
                }
                let before = if is_fixed { &mut *first } else { &mut all };
                before.push(PhasePlan::Copy(copy, name));
            }
            all.push(phase);
        }
        all
    }

    /// The phases of a kernel whose lanes are samples, without head and tail.
    fn over_chunks(&mut self, kernel: &'a KernelPlan) -> Vec<PhasePlan> {
        let problem = self.problem;
        let mut gradients: Vec<(&'a Group, ContractionPlan)> = Vec::new();
        for group in &kernel.batch {
            gradients.push((group, self.gradients.remove(&group.roots[0]).expect("it was decided at first")));
        }
        let per_task = task::chunks_per_task(problem, kernel);
        let mut nests: Vec<ChunkNest> = kernel.chunk.iter().map(|group| self.chunk_nest(group, per_task)).collect();
        let joined = gradients.iter().map(|(_, plan)| plan).find(|plan| self.can_join(plan));
        let joined = joined.filter(|_| !kernel.chunk.is_empty() && per_task == 1).map(ContractionPlan::groups);
        let segments = self.segments((per_task, joined), &nests);
        let joined = joined.filter(|_| segments.is_none());
        if let Some(segments) = segments.filter(|segments| segments.iter().any(|segment| segment.n_shares > 1)) {
            let gradients = gradients.into_iter().map(|(_, nest)| gradient_alone(problem, nest));
            return cut_phases(per_task, segments, nests).into_iter().chain(gradients).collect();
        }
        let (mut with, alone): (Vec<_>, Vec<_>) =
            gradients.into_iter().partition(|(_, plan)| joined.is_some() && self.can_join(plan));
        with.iter_mut()
            .for_each(|(_, plan)| plan.rows_are_far &= self.rows_of_group(plan) > problem.machine.near_words());
        let groups: Vec<&Group> = kernel.chunk.iter().chain(with.iter().map(|(group, _)| *group)).collect();
        let next = NextChunk::of(problem, &groups);
        let is_alone = !next.has_carrier();
        for (position, nest) in nests.iter_mut().enumerate() {
            // Tiles ask for a share of one next chunk.
            if matches!(nest.nest, NestPlan::Sweep(_)) || per_task == 1 {
                nest.fetches = next.carried_by(position);
            }
        }
        let gradient = |(number, (_, nest))| GradientPlan {
            nest,
            fetches: next.carried_by(nests.len() + number),
            cuts: Vec::new(),
        };
        let gradients: Vec<GradientPlan> = with.into_iter().enumerate().map(gradient).collect();
        let mut phases = Vec::new();
        if let Some(groups) = joined {
            phases.push(PhasePlan::Joined { groups, nests, gradients, is_alone });
        } else if !nests.is_empty() {
            phases.push(PhasePlan::Chunks { per_task, n_shares: 1, nests, is_alone });
        }
        phases.extend(alone.into_iter().map(|(_, nest)| gradient_alone(problem, nest)));
        phases
    }

    /// Whether a weight gradient may take a chunk as soon as it has been computed, and groups are enough for the
    /// threads.
    fn can_join(&self, plan: &ContractionPlan) -> bool {
        let Batch::Summed(groups) = plan.batch else { return false };
        let stays_near = groups.chunks_per_group == 1 || plan.accumulators_wait;
        let threads = self.problem.machine.threads;
        let lost = shares::lost_by_groups(threads, plan);
        let are_enough = lost < (MOST_BARRIERS_LOST * threads.barrier_cycles) as f64
            || lost < MOST_LOST * plan.kilocycles * 1000.0 / threads.n as f64;
        plan.shares_groups() && (stays_near || plan.rows_are_far) && are_enough
    }

    /// Words of the rows that a group of a gradient's chunks reads.
    fn rows_of_group(&self, plan: &ContractionPlan) -> usize {
        let rows = plan.copy().map_or(0, |(_, copy)| self.copies.get(copy).layout().len());
        rows / self.problem.n_chunks() * plan.groups().chunks_per_group
    }

    fn chunk_nest(&mut self, group: &'a Group, per_task: usize) -> ChunkNest {
        let nest = match group.kind {
            GroupKind::Contraction => {
                self.planned(group, &|of: Contraction<'_>, copies: &mut Copies| of.per_sample(per_task, copies))
            }
            GroupKind::Sweep | GroupKind::Ordered => self.uncontracted(group),
        };
        let stored = group.roots.iter().filter_map(|root| match root {
            Root::Value(node) => self.copies.rows_of(*node),
            _ => None,
        });
        ChunkNest { nest, fetches: Vec::new(), rows: stored.collect(), cut: None }
    }

    /// The phases of nests if their chunks are cut.
    fn segments(&self, (per_task, joined): (usize, Option<Groups>), nests: &[ChunkNest]) -> Option<Vec<Segment>> {
        let problem = self.problem;
        let n_tasks = problem.n_chunks().div_ceil(per_task);
        if problem.machine.threads.n == 1 {
            return None;
        }
        let piece = |nest: &ChunkNest| match &nest.nest {
            NestPlan::Contraction(plan) => Piece::of_contraction(problem, plan, n_tasks),
            NestPlan::Sweep(plan) => Piece::of_sweep(problem, plan, n_tasks),
            NestPlan::Scatter(plan) => Piece::of_scatter(problem, plan, n_tasks),
        };
        cut::segments(problem.machine.threads, (n_tasks, joined), &nests.iter().map(piece).collect::<Vec<_>>())
    }
}

/// Phases of nests whose chunks are cut. Nothing is asked for ahead of time: the chunks are few. Rows are copied
/// behind them all, by squares that know nothing of shares.
fn cut_phases(per_task: usize, segments: Vec<Segment>, nests: Vec<ChunkNest>) -> Vec<PhasePlan> {
    let (mut phases, mut rows, mut nests) = (Vec::new(), Vec::new(), nests.into_iter());
    for Segment { n_nests, n_shares, cuts } in segments {
        let mut nests: Vec<ChunkNest> = nests.by_ref().take(n_nests).collect();
        for (nest, cut) in nests.iter_mut().zip(cuts) {
            nest.cut = Some(cut);
            let name = nest.nest.name().to_string();
            rows.extend(nest.rows.drain(..).map(|copy| (copy, name.clone())));
        }
        let is_alone = nests.iter().all(|nest| matches!(nest.nest, NestPlan::Sweep(_)));
        phases.push(PhasePlan::Chunks { per_task, n_shares, nests, is_alone });
    }
    if !rows.is_empty() {
        phases.push(PhasePlan::Rows(rows));
    }
    phases
}

/// A sum over the batch that is a phase of its own. A task of a group that is cut goes from chunk to chunk by itself.
fn gradient_alone(problem: &Problem<'_>, mut nest: ContractionPlan) -> PhasePlan {
    let cuts = shares::cuts(problem, &nest);
    nest.accumulators_wait &= cuts.is_empty();
    PhasePlan::Gradient(Box::new(GradientPlan { nest, fetches: Vec::new(), cuts }))
}

/// The contraction of a phase that is a sum over the batch by itself.
fn gradient_of(phase: &mut PhasePlan) -> Option<&mut ContractionPlan> {
    match phase {
        PhasePlan::Gradient(gradient) => Some(&mut gradient.nest),
        PhasePlan::Once(NestPlan::Contraction(plan)) if plan.batch == Batch::SummedRows => Some(plan),
        PhasePlan::Once(_)
        | PhasePlan::Copy(..)
        | PhasePlan::Chunks { .. }
        | PhasePlan::Rows(..)
        | PhasePlan::Joined { .. } => None,
    }
}

/// Values that groups compute.
fn values<'a>(groups: impl Iterator<Item = &'a Group>) -> impl Iterator<Item = NodeId> {
    groups.flat_map(|group| &group.roots).filter(|root| matches!(root, Root::Value(_))).map(|root| root.node())
}

/// Copies of weights that a phase reads, each with the name of its nest. Rows are copied chunk by chunk.
fn copies_of(phase: &PhasePlan) -> Vec<(CopyId, String)> {
    let copy = |nest: &NestPlan| match nest {
        NestPlan::Contraction(plan) => plan.copy().map(|(_, copy)| (copy, plan.name.clone())),
        NestPlan::Sweep(_) | NestPlan::Scatter(_) => None,
    };
    nests(phase).into_iter().filter_map(copy).collect()
}

/// The nests of a phase that are no sums over chunks.
fn nests(phase: &PhasePlan) -> Vec<&NestPlan> {
    match phase {
        PhasePlan::Once(nest) => vec![nest],
        PhasePlan::Chunks { nests, .. } | PhasePlan::Joined { nests, .. } => {
            nests.iter().map(|chunk| &chunk.nest).collect()
        }
        PhasePlan::Gradient(_) | PhasePlan::Copy(..) | PhasePlan::Rows(..) => Vec::new(),
    }
}

fn contraction(plan: ContractionPlan) -> NestPlan {
    NestPlan::Contraction(Box::new(plan))
}

fn names<'a>(groups: impl IntoIterator<Item = &'a Group>) -> Vec<String> {
    groups.into_iter().map(|group| group.name.clone()).collect()
}
