//! Looks for better choices than the cost model's by measuring.
//!
//! Kernels of a step are measured one by one, so every round tries one alternative in each of them at once: the step
//! is compiled with all of these alternatives and runs against the best step so far (see `duel`). Alternatives that
//! win are measured a second time, since the best of many measurements is often a lucky one; those that win again are
//! kept, and later rounds build on them.

use crate::duel::Duel;
use crate::options::MeasureOptions;
use crate::spread::Spread;
use crate::workload::prepare;
use graphc_driver::DriverError;
use graphc_driver::pipeline::Compiled;
use graphc_driver::tuning::{Aspect, Candidates, Choices, Tuning, TuningKey};
use graphc_ir::graph::Graph;
use graphc_ir::loops::Kernel;
use graphc_runtime::Team;
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

/// How many times faster an alternative must be.
const LEAST_SPEEDUP: f64 = 1.02;

/// Part of the time that the last comparison, of the whole step, takes.
const LAST_PART: f64 = 0.15;

/// What was found.
#[derive(Clone, Debug)]
pub struct Tuned {
    /// What the choices are good for.
    pub key: TuningKey,
    /// Choices that are faster than the cost model's; empty if nothing is.
    pub choices: Choices,
    /// The kernels in the order they run.
    pub kernels: Vec<TunedKernel>,
    /// Time of the step with the cost model's choices, in ms.
    pub before_ms: Spread,
    /// Time of the step with [`Tuned::choices`], measured in turn with the other.
    pub after_ms: Spread,
    /// Alternatives tried.
    pub n_tried: usize,
    /// Alternatives that there was no time for.
    pub n_left: usize,
    /// Threads that ran the steps.
    pub threads: usize,
}

/// One kernel of the step.
#[derive(Clone, Debug)]
pub struct TunedKernel {
    /// Its name in `graphc dump --stage loops`.
    pub name: String,
    /// What it computes: names of the fused groups.
    pub sources: Vec<String>,
    /// Its smallest time with the cost model's choices, in ms.
    pub before_ms: f64,
    /// Its smallest time with [`Tuned::choices`], in ms.
    pub after_ms: f64,
    /// What was chosen otherwise.
    pub changes: Vec<Change>,
}

/// One choice that is not the cost model's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The contraction it is about.
    pub contraction: String,
    /// What was chosen.
    pub aspect: Aspect,
    /// The cost model's option in words.
    pub before: String,
    /// The faster option in words.
    pub after: String,
}

/// Measures alternatives for about `options.time`, compilations included. After every round `observe` gets the number
/// of those tried so far, and of those left.
///
/// # Errors
/// If the graph cannot be compiled, or there cannot be as many threads.
pub fn tune(
    graph: &Graph,
    options: &MeasureOptions,
    observe: &mut dyn FnMut(usize, usize),
) -> Result<Tuned, DriverError> {
    let begin = Instant::now();
    let mut search = Search::new(graph, options)?;
    observe(0, search.n_left());
    search.run(begin, options.time.mul_f64(1.0 - LAST_PART), observe)?;
    let mut by_cost = search.prepare(&Choices::default())?;
    let programs = [&mut by_cost.executable, &mut search.best.executable];
    let last = Duel::run(programs, &mut search.team, options.time.mul_f64(LAST_PART))?;
    Ok(search.finish(&by_cost, &last))
}

/// One alternative.
struct Trial {
    contraction: String,
    aspect: Aspect,
    option: usize,
}

struct Search<'a> {
    graph: &'a Graph,
    options: &'a MeasureOptions,
    team: Team,
    /// The best choices so far.
    choices: Choices,
    /// The step made of them.
    best: Compiled,
    /// What is to be tried in every kernel that has anything, by its position behind the prologue, the most promising
    /// first.
    trials: BTreeMap<usize, VecDeque<Trial>>,
    n_tried: usize,
}

impl<'a> Search<'a> {
    fn new(graph: &'a Graph, options: &'a MeasureOptions) -> Result<Search<'a>, DriverError> {
        let choices = Choices::default();
        let best = prepare(graph, &with(options, &choices))?;
        let trials = trials(&best.lowered.candidates);
        Ok(Search { graph, options, team: Team::new(options.threads)?, choices, best, trials, n_tried: 0 })
    }

    fn prepare(&self, choices: &Choices) -> Result<Compiled, DriverError> {
        prepare(self.graph, &with(self.options, choices))
    }

    /// Rounds until nothing is left to try or the time since `begin` is over; at least one.
    fn run(
        &mut self,
        begin: Instant,
        time: Duration,
        observe: &mut dyn FnMut(usize, usize),
    ) -> Result<(), DriverError> {
        loop {
            let n_rounds = self.trials.values().map(VecDeque::len).max().unwrap_or(0);
            if n_rounds == 0 {
                return Ok(());
            }
            let slot = time.saturating_sub(begin.elapsed()) / n_rounds as u32;
            self.round(slot)?;
            observe(self.n_tried, self.n_left());
            if begin.elapsed() >= time {
                return Ok(());
            }
        }
    }

    fn n_left(&self) -> usize {
        self.trials.values().map(VecDeque::len).sum()
    }

    /// Tries the next alternative of every kernel. A round takes about `slot`, half of it if nothing wins.
    fn round(&mut self, slot: Duration) -> Result<(), DriverError> {
        let next: Vec<_> = self.trials.iter_mut().filter_map(|(&k, trials)| Some((k, trials.pop_front()?))).collect();
        self.n_tried += next.len();
        let winners = self.winners(next, slot / 2)?;
        if winners.is_empty() {
            return Ok(());
        }
        let winners = self.winners(winners, slot / 2)?;
        if winners.is_empty() {
            return Ok(());
        }
        for (_, trial) in winners {
            self.choices.set(&trial.contraction, trial.aspect, trial.option);
        }
        self.best = self.prepare(&self.choices)?;
        Ok(())
    }

    /// Those of some alternatives that make their kernels faster, measured for `time` with the compilation.
    fn winners(&mut self, trials: Vec<(usize, Trial)>, time: Duration) -> Result<Vec<(usize, Trial)>, DriverError> {
        let begin = Instant::now();
        let mut choices = self.choices.clone();
        for (_, trial) in &trials {
            choices.set(&trial.contraction, trial.aspect, trial.option);
        }
        let mut tried = self.prepare(&choices)?;
        let programs = [&mut self.best.executable, &mut tried.executable];
        let duel = Duel::run(programs, &mut self.team, time.saturating_sub(begin.elapsed()))?;
        Ok(trials.into_iter().filter(|(kernel, _)| duel.speedup(*kernel) > LEAST_SPEEDUP).collect())
    }

    /// What was found; nothing if the step as a whole is no faster for it.
    fn finish(self, by_cost: &Compiled, last: &Duel) -> Tuned {
        let is_faster = last.step_speedup() > 1.0;
        let n_left = self.n_left();
        let choices = if is_faster { self.choices } else { Choices::default() };
        let [before_ms, after_ms] = last.step_ms();
        let tuned_kernel = |(position, kernel): (usize, &Kernel)| {
            let [before_ms, after_ms] = last.kernel_ms(position);
            let after_ms = if is_faster { after_ms } else { before_ms };
            let candidates = self.best.lowered.candidates.iter().filter(|_| is_faster);
            let changes = candidates.filter(|c| c.kernel == position && c.chosen != 0).map(Change::of).collect();
            TunedKernel { name: kernel.name.clone(), sources: kernel.sources.clone(), before_ms, after_ms, changes }
        };
        let kernels = by_cost.lowered.program.each_step().iter().enumerate();
        Tuned {
            key: TuningKey::of_fused(&by_cost.lowered.fused, &by_cost.target),
            choices,
            kernels: kernels.map(tuned_kernel).collect(),
            before_ms,
            after_ms: if is_faster { after_ms } else { before_ms },
            n_tried: self.n_tried,
            n_left,
            threads: self.team.n_members(),
        }
    }
}

impl Change {
    fn of(candidates: &Candidates) -> Change {
        Change {
            contraction: candidates.contraction.clone(),
            aspect: candidates.aspect,
            before: candidates.options[0].clone(),
            after: candidates.options[candidates.chosen].clone(),
        }
    }
}

fn with(options: &MeasureOptions, choices: &Choices) -> MeasureOptions {
    MeasureOptions { tuning: Tuning::fixed(choices.clone()), ..options.clone() }
}

/// Every option but the cost model's, kernel by kernel: the second of everything, then the third, and so on.
fn trials(candidates: &[Candidates]) -> BTreeMap<usize, VecDeque<Trial>> {
    let mut trials: BTreeMap<usize, VecDeque<Trial>> = BTreeMap::new();
    let most = candidates.iter().map(|candidates| candidates.options.len()).max().unwrap_or(0);
    for option in 1..most {
        for candidates in candidates.iter().filter(|candidates| option < candidates.options.len()) {
            let (contraction, aspect) = (candidates.contraction.clone(), candidates.aspect);
            trials.entry(candidates.kernel).or_default().push_back(Trial { contraction, aspect, option });
        }
    }
    trials
}
