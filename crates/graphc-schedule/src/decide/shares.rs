//! How threads share a contraction that is a phase of its own: a sum over the batch, or a product without one.
//!
//! Groups of chunks are tasks, each of which leaves a partial result, or there is one result that all groups are
//! joined in. Either is cut along one or two loops over outputs where groups alone would leave threads idle: no sum is
//! cut, so that results are the same bits. All tasks are in one phase, those of blocks that are not full as well.
//!
//! A product without a batch, and a sum that has no such loop, are shared along one loop by blocks, and what is left
//! beside them along another one.
//!
//! Every way to cut is tried with the same model: whoever is free takes the next task, a task computes its part of
//! the multiply-adds and fetches its part of the factors from other cores. The phase takes as long as its busiest
//! thread, and a part of a task longer: cores are not equally fast.

use crate::decide::axes::Move;
use crate::decide::contraction::ContractionPlan;
use crate::decide::cut::Cut;
use crate::decide::loops::{Coordinate, Loop};
use crate::decide::problem::Problem;
use crate::machine::{Hardware, LINE_FROM_ANOTHER_CORE, LINE_WORDS, TASK, Threads};
use graphc_ir::index::Var;

/// Tasks of a thread at most.
const MOST_TASKS: usize = 4;

/// Part of the largest task that is lost at the end, for every doubling of the threads: one of many cores is slower
/// than the others. (Measured on 16: of equal tasks the slowest takes a sixth longer.)
const SPREAD: f64 = 0.04;

/// Barriers that what is left beside shared blocks must take to be shared as well.
const LEAST_REST: f64 = 4.0;

/// Part of the cost that must be saved by cutting: the model is rough.
const LEAST_GAIN: f64 = 0.1;

/// A loop over outputs that a task may have a share of.
#[derive(Clone, Copy, Debug)]
struct Way {
    /// Its position among the loops of the nest; the axes whose taps share strips follow them.
    position: usize,
    extent: usize,
    block: usize,
    /// For each factor, whether a share reads but its part of it.
    parts: [bool; 2],
}

/// What the cost of tasks follows from.
struct Work {
    threads: Threads,
    n_groups: usize,
    /// Cycles of a group.
    cycles: f64,
    /// Lines of each factor that a group reads.
    lines: [f64; 2],
}

/// The cuts of a sum over the batch; none if its groups are shared as they are, or blocks of one loop.
pub(crate) fn cuts(problem: &Problem<'_>, plan: &ContractionPlan) -> Vec<Cut> {
    let threads = problem.machine.threads;
    if threads.n == 1 {
        return Vec::new();
    }
    let work = Work::of(problem, plan);
    let ways = ways(plan);
    let whole = if plan.shares_groups() { work.cost(&[], f64::INFINITY) } else { work.cost_of_blocks(problem, plan) };
    let (mut best, mut least) = (Vec::new(), (1.0 - LEAST_GAIN) * whole);
    for (number, &way) in ways.iter().enumerate() {
        for cut in way.cuts() {
            let others = ways[number + 1..].iter().flat_map(|&other| other.cuts().map(move |cut| (other, cut)));
            let pairs = others.map(|other| vec![(way, cut), other]);
            for cuts in [vec![(way, cut)]].into_iter().chain(pairs) {
                let cost = work.cost(&cuts, least);
                if cost < least {
                    (best, least) = (cuts.into_iter().map(|(_, cut)| cut).collect(), cost);
                }
            }
        }
    }
    best
}

/// Cycles that threads lose if they share the groups of a sum as they are, against shares of equal size.
pub(crate) fn lost_by_groups(threads: Threads, plan: &ContractionPlan) -> f64 {
    let n_groups = plan.groups().n_groups;
    let busiest = n_groups.div_ceil(threads.n) as f64 / n_groups as f64;
    plan.kilocycles * 1000.0 * (busiest - 1.0 / threads.n as f64)
}

impl ContractionPlan {
    /// The loop whose blocks threads share where the shared loop has something left beside its full blocks, if that
    /// takes long enough: what fills no block of 6 of 64 channels is a sixteenth of the work, as much as each of 16
    /// threads has of the rest.
    pub(crate) fn shared_beside(&self, machine: Hardware) -> Option<usize> {
        let shared = self.loops.iter().position(|walk| walk.is_shared)?;
        let walk = &self.loops[shared];
        let part = 1.0 - (walk.n_full_blocks() * walk.block) as f64 / walk.extent as f64;
        let is_short = self.kilocycles * 1000.0 * part < LEAST_REST * machine.threads.barrier_cycles as f64;
        if machine.threads.n == 1 || is_short || self.terms.is_some() || self.panels.is_some() || self.taps.is_some() {
            return None;
        }
        let n_blocks = |&position: &usize| self.loops[position].n_full_blocks();
        let can_be = |&position: &usize| {
            let walk = &self.loops[position];
            let is_kind = matches!(walk.coordinate, Coordinate::Axis(_) | Coordinate::Vector);
            let is_whole = walk.inner == [0, walk.extent] && walk.end.is_none() && walk.tail.is_none();
            position != shared && is_kind && is_whole
        };
        (0..self.loops.len()).rev().filter(can_be).max_by_key(n_blocks).filter(|position| n_blocks(position) > 1)
    }
}

/// The loops of a sum that can be cut: what its panels walk is divided already, and a last vector overlaps others.
fn ways(plan: &ContractionPlan) -> Vec<Way> {
    let parts = |axis: Var| {
        let moves = plan.axes.get(axis).moves;
        let is_window = plan.split.form.is_window(axis.0 as usize);
        moves.map(|moved| moved != Move::No && !is_window)
    };
    let of_loop = |(position, walk): (usize, &Loop)| {
        let axis = match walk.coordinate {
            Coordinate::Axis(axis) => axis,
            Coordinate::Vector => plan.lane_axis()?,
            Coordinate::Chunk | Coordinate::Half => return None,
        };
        let is_whole = walk.tail.is_none() && walk.end.is_none() && walk.inner == [0, walk.extent];
        let is_panel = plan.panels.is_some_and(|panels| panels.of == walk.coordinate);
        let way = Way { position, extent: walk.extent, block: walk.block, parts: parts(axis) };
        (is_whole && !is_panel && walk.n_blocks() > 1).then_some(way)
    };
    let strips = plan.strips.iter().flat_map(|strips| &strips.axes).enumerate();
    let of_strips = strips.map(|(number, &(axis, extent))| Way {
        position: plan.loops.len() + number,
        extent,
        block: 1,
        parts: parts(axis),
    });
    plan.loops.iter().enumerate().filter_map(of_loop).chain(of_strips).collect()
}

impl Way {
    /// Shares of every number of blocks that makes another number of shares, large ones first.
    fn cuts(self) -> impl Iterator<Item = Cut> {
        let n_blocks = self.extent.div_ceil(self.block);
        let sizes = (1..n_blocks).rev().filter(move |&size| {
            let n_shares = n_blocks.div_ceil(size);
            n_blocks.div_ceil(n_shares) == size
        });
        sizes.map(move |per_share| Cut {
            position: self.position,
            per_share,
            width: per_share * self.block,
            extent: self.extent,
            n_shares: n_blocks.div_ceil(per_share),
        })
    }
}

impl Work {
    fn of(problem: &Problem<'_>, plan: &ContractionPlan) -> Work {
        let n_groups = plan.n_parts();
        let contraction = plan.split.form.as_contraction().expect("a contraction");
        let n_lines = |(node, _)| (problem.layout(node).len() / LINE_WORDS) as f64;
        Work {
            threads: problem.machine.threads,
            n_groups,
            cycles: plan.kilocycles * 1000.0 / n_groups as f64,
            lines: [contraction.a, contraction.b].map(|read| n_lines(read) / n_groups as f64),
        }
    }

    /// Cycles of a phase whose groups are cut in that way; it need not be exact if it is more than `most`.
    fn cost(&self, cuts: &[(Way, Cut)], most: f64) -> f64 {
        let n_shares: usize = cuts.iter().map(|(_, cut)| cut.n_shares).product();
        let n_tasks = self.n_groups * n_shares;
        if n_shares > 1 && n_tasks > MOST_TASKS * self.threads.n {
            return f64::INFINITY;
        }
        let tasks: Vec<f64> = (0..n_shares).map(|share| self.task(cuts, share)).collect();
        let even = self.n_groups as f64 * tasks.iter().sum::<f64>() / self.threads.n as f64;
        if even >= most {
            return even;
        }
        let mut busy: Vec<f64> = vec![0.0; self.threads.n];
        for task in (0..self.n_groups).flat_map(|_| &tasks) {
            let first = busy.iter_mut().min_by(|a, b| a.total_cmp(b)).expect("a thread");
            *first += task;
        }
        let [busiest, largest] = [&busy, &tasks].map(|cycles| cycles.iter().copied().fold(0.0, f64::max));
        busiest + SPREAD * f64::from(self.threads.n.ilog2()) * largest
    }

    /// Cycles if threads share the blocks of one loop, and then what is left beside the full ones.
    fn cost_of_blocks(&self, problem: &Problem<'_>, plan: &ContractionPlan) -> f64 {
        let walk = plan.loops.iter().find(|walk| walk.is_shared).expect("groups are joined where blocks are shared");
        let per_share = plan.blocks_per_share(problem.machine, walk);
        let share = (per_share * walk.block) as f64 / walk.extent as f64;
        let n_rounds = walk.n_full_blocks().div_ceil(per_share).div_ceil(self.threads.n);
        let cycles = self.cycles * self.n_groups as f64;
        let left = cycles * (1.0 - (walk.n_full_blocks() * walk.block) as f64 / walk.extent as f64);
        let is_shared = plan.shared_beside(problem.machine).is_some();
        let rest = match left > 0.0 {
            true if is_shared => left / self.threads.n as f64 + self.threads.barrier_cycles as f64,
            true => left + self.threads.barrier_cycles as f64,
            false => 0.0,
        };
        cycles * share * (n_rounds as f64 + SPREAD * f64::from(self.threads.n.ilog2())) + rest
    }

    /// Cycles of share number `share` of a group.
    fn task(&self, cuts: &[(Way, Cut)], share: usize) -> f64 {
        let (mut cycles, mut lines, mut left) = (self.cycles, self.lines, share);
        for (way, cut) in cuts.iter().rev() {
            let first = left % cut.n_shares * cut.width;
            left /= cut.n_shares;
            let part = cut.width.min(cut.extent - first) as f64 / cut.extent as f64;
            cycles *= part;
            for (lines, is_part) in lines.iter_mut().zip(way.parts) {
                *lines *= if is_part { part } else { 1.0 };
            }
        }
        TASK + cycles + LINE_FROM_ANOTHER_CORE * (lines[0] + lines[1])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn work(n_threads: usize, n_groups: usize) -> Work {
        Work { threads: Threads::of(n_threads), n_groups, cycles: 1e6 / n_groups as f64, lines: [100.0; 2] }
    }

    fn way(position: usize, extent: usize, block: usize) -> Way {
        Way { position, extent, block, parts: [position == 0, position == 1] }
    }

    #[test]
    fn shares_are_as_many_as_blocks_allow() {
        let shares: Vec<(usize, usize)> = way(0, 64, 9).cuts().map(|cut| (cut.per_share, cut.n_shares)).collect();
        assert_eq!(shares, [(4, 2), (3, 3), (2, 4), (1, 8)]);
        assert_eq!(way(0, 6, 6).cuts().count(), 0);
    }

    /// The last of eight blocks has one of 64 coordinates.
    #[test]
    fn a_phase_takes_as_long_as_its_busiest_thread() {
        let channels = way(0, 64, 9);
        let cuts: Vec<Cut> = channels.cuts().collect();
        let cost = |n_threads: usize, cut: Cut| work(n_threads, 4).cost(&[(channels, cut)], f64::INFINITY);
        let whole = work(16, 4).cost(&[], f64::INFINITY);
        assert!((whole - (252_000.0 + TASK) * (1.0 + 4.0 * SPREAD)).abs() < 1.0, "{whole}");
        let parts: [(usize, Cut, f64, f64); 3] =
            [(16, cuts[2], 18.0, 18.0), (16, cuts[0], 36.0, 36.0), (2, cuts[0], 128.0, 36.0)];
        for (n_threads, cut, busiest, largest) in parts {
            let expected = 250_000.0 / 64.0 * (busiest + SPREAD * f64::from(n_threads.ilog2()) * largest);
            assert!((cost(n_threads, cut) / expected - 1.0).abs() < 0.05, "{n_threads} threads: {cut:?}");
        }
        assert_eq!(cost(1, cuts[3]), f64::INFINITY, "too many tasks");
    }

    #[test]
    fn every_block_is_in_one_share() {
        for extent in 1..40 {
            for block in 1..=extent {
                for cut in way(0, extent, block).cuts() {
                    let covered = cut.width * cut.n_shares;
                    assert!(covered >= extent && covered - cut.width < extent, "{extent} in {block}: {cut:?}");
                }
            }
        }
    }
}
