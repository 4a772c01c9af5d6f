//! Cuts a kernel into more tasks than it has chunks of samples.
//!
//! Where a batch has fewer chunks than there are threads, or few for each, every chunk is shared as well: along an
//! output axis of its nests. A nest that reads what other tasks have left must wait for all of them, so it begins a
//! new phase; one that reads only what its own task has left goes on in the same one. Both follow from the indices at
//! which it reads. A sum is never cut, so that results are the same bits however many threads there are.
//!
//! The phases are those that cost least: of every phase the work of the busiest thread, the lines that its tasks
//! fetch from other cores, what threads wait for the last of them, and a barrier. Threads are not equally fast, and
//! quick ones take tasks from slow ones, so that the wait is a part of one task ([`Threads::wait`]): it is short where
//! a thread has several. One phase with whole chunks is among the candidates; it is what one thread always gets.
//!
//! A nest that reads across the cut is not recomputed by every task instead: what is cheap to compute again is
//! recomputed in its readers already, by the fusion plan.

mod piece;

use crate::decide::summation::Groups;
use crate::machine::{FURTHER_TASK, LINE_FROM_ANOTHER_CORE, Threads};
use graphc_ir::graph::plan::Root;
pub(crate) use piece::Piece;
use piece::Way;
use std::collections::BTreeMap;

/// Tasks of a thread at most. More of them gain little, and each fetches what it reads for all samples alike.
const MOST_TASKS: usize = 6;

/// Part of the cost that must be saved: the model is rough.
const LEAST_GAIN: f64 = 0.1;

/// The share of a nest that a task computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cut {
    /// Position of the loop that is cut.
    pub(crate) position: usize,
    /// Blocks of a contraction's loop, turns of a sweep's, in every share but the last.
    pub(crate) per_share: usize,
    /// Coordinates of them.
    pub(crate) width: usize,
    /// Coordinates of all shares.
    pub(crate) extent: usize,
    /// Shares; some at the end may be empty.
    pub(crate) n_shares: usize,
}

/// Consecutive nests of a kernel that a task computes one after the other.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Segment {
    pub(crate) n_nests: usize,
    /// Shares of every chunk.
    pub(crate) n_shares: usize,
    /// One for each nest; none if chunks are whole.
    pub(crate) cuts: Vec<Cut>,
}

/// The phases of a kernel with that many tasks of whole chunks, which would be `joined` with its gradients by groups;
/// `None` if it is best to leave it so, and one phase that is not cut if only the gradients must be left out.
pub(crate) fn segments(
    threads: Threads,
    (n_tasks, joined): (usize, Option<Groups>),
    pieces: &[Piece<'_>],
) -> Option<Vec<Segment>> {
    let has_groups = joined.is_some_and(|groups| groups.n_groups >= threads.n);
    if threads.n < 2 || pieces.is_empty() || (has_groups && n_tasks.is_multiple_of(threads.n)) {
        return None;
    }
    let mut makers = BTreeMap::new();
    for (number, piece) in pieces.iter().enumerate() {
        makers.extend(piece.roots().map(|root| (root, number)));
    }
    Search { threads, n_tasks, pieces, makers, best: vec![None; pieces.len() + 1] }.run(joined)
}

/// Looks for the cheapest phases that end before each nest.
struct Search<'a, 'p> {
    threads: Threads,
    n_tasks: usize,
    pieces: &'a [Piece<'p>],
    /// The nest that leaves something.
    makers: BTreeMap<Root, usize>,
    /// By the number of nests in them: what phases cost, and the last of them.
    best: Vec<Option<(f64, Segment)>>,
}

impl<'p> Search<'_, 'p> {
    fn run(mut self, joined: Option<Groups>) -> Option<Vec<Segment>> {
        let n = self.pieces.len();
        for first in 0..n {
            self.whole_from(first);
            for way in self.pieces[first].ways.clone() {
                for per_share in self.sizes(way) {
                    self.cut_from(first, way, per_share);
                }
            }
        }
        let cycles: f64 = self.pieces.iter().map(|piece| self.whole_cost(piece, 0)).sum();
        let whole = match joined {
            Some(Groups { n_groups, chunks_per_group }) => self.cost(n_groups, cycles * chunks_per_group as f64),
            None => self.cost(self.n_tasks, cycles),
        };
        let cost = self.best[n].as_ref().expect("chunks may be whole").0;
        (cost < (1.0 - LEAST_GAIN) * whole).then(|| self.chosen())
    }

    /// The segments of the cheapest phases of all nests.
    fn chosen(&self) -> Vec<Segment> {
        let mut segments = Vec::new();
        let mut end = self.pieces.len();
        while end > 0 {
            let (_, segment) = self.best[end].clone().expect("phases begin where others end");
            end -= segment.n_nests;
            segments.push(segment);
        }
        segments.reverse();
        segments
    }

    /// Cycles of a phase whose tasks take `cycles` each.
    fn cost(&self, n_tasks: usize, cycles: f64) -> f64 {
        let n = self.threads.n;
        let most = n_tasks.div_ceil(n) as f64;
        let with_wait = (n_tasks as f64 / n as f64).max(1.0) + Threads::wait(n_tasks.min(n));
        with_wait.max(most) * cycles + (most - 1.0) * FURTHER_TASK + self.threads.barrier_cycles as f64
    }

    /// Cycles of a nest in a task that has begun with nest `first`, if it is not cut.
    fn whole_cost(&self, piece: &Piece<'_>, first: usize) -> f64 {
        piece.cycles + LINE_FROM_ANOTHER_CORE * piece.n_lines(None, |root| self.is_made_since(first, root))
    }

    fn is_made_since(&self, first: usize, root: Root) -> bool {
        self.makers.get(&root).is_some_and(|&maker| maker >= first)
    }

    /// Turns of a share that give threads as much to do as each other.
    fn sizes(&self, way: Way) -> Vec<usize> {
        let n_turns = way.extent.div_ceil(way.unit);
        let sizes = (1..=MOST_TASKS).map(|most| {
            let n_shares = (most * self.threads.n).div_ceil(self.n_tasks).clamp(1, n_turns);
            n_turns.div_ceil(n_shares)
        });
        let mut sizes: Vec<usize> = sizes.filter(|&size| size < n_turns && way.has_shares_of(size)).collect();
        sizes.dedup();
        sizes
    }

    /// Phases with whole chunks that begin with a nest.
    fn whole_from(&mut self, first: usize) {
        let mut cycles = 0.0;
        for last in first..self.pieces.len() {
            cycles += self.whole_cost(&self.pieces[last], first);
            let segment = Segment { n_nests: last + 1 - first, n_shares: 1, cuts: Vec::new() };
            self.offer(first, self.cost(self.n_tasks, cycles), segment);
        }
    }

    /// Phases that begin with a nest that is cut in that way.
    fn cut_from(&mut self, first: usize, way: Way, per_share: usize) {
        let n_shares = way.extent.div_ceil(way.unit * per_share);
        let (mut ways, mut cuts, mut cycles) = (vec![way], vec![way.cut(per_share, n_shares)], 0.0);
        for last in first..self.pieces.len() {
            if last > first {
                let Some((way, cut)) = self.next(first, (&ways, &cuts)) else { return };
                ways.push(way);
                cuts.push(cut);
            }
            cycles += self.share_cost(first, last, (ways[last - first], cuts[last - first]));
            let segment = Segment { n_nests: last + 1 - first, n_shares, cuts: cuts.clone() };
            self.offer(first, self.cost(self.n_tasks * n_shares, cycles), segment);
        }
    }

    /// The cheapest cut of the nest behind those from `first` on that lets it go on in their tasks.
    fn next(&self, first: usize, (ways, cuts): (&[Way], &[Cut])) -> Option<(Way, Cut)> {
        let number = first + cuts.len();
        let n_shares = cuts[0].n_shares;
        let producer = |root: Root| {
            let maker = *self.makers.get(&root)?;
            let position = maker.checked_sub(first).filter(|&position| position < cuts.len())?;
            Some((&self.pieces[maker], ways[position], cuts[position].width))
        };
        let cut = |&way: &Way| {
            let width = self.pieces[number].width_after(way, producer)?;
            let width = width.unwrap_or_else(|| way.extent.div_ceil(way.unit).div_ceil(n_shares) * way.unit);
            let per_share = width / way.unit;
            let fits = width.is_multiple_of(way.unit)
                && way.extent <= width * n_shares
                && (!way.is_even || way.extent == width * n_shares);
            fits.then(|| (way, way.cut(per_share, n_shares)))
        };
        let cuts = self.pieces[number].ways.iter().filter_map(cut);
        cuts.min_by(|&a, &b| self.share_cost(first, number, a).total_cmp(&self.share_cost(first, number, b)))
    }

    /// Cycles of a share of a nest in a task that has begun with nest `first`.
    fn share_cost(&self, first: usize, number: usize, (way, cut): (Way, Cut)) -> f64 {
        let piece = &self.pieces[number];
        let part = (cut.width as f64 / way.extent as f64).min(1.0);
        let n_lines = piece.n_lines(Some((way, cut.width)), |root| self.is_made_since(first, root));
        piece.cycles * part + LINE_FROM_ANOTHER_CORE * n_lines
    }

    /// Remembers a phase that begins with nest `first` if none before is cheaper.
    fn offer(&mut self, first: usize, cost: f64, segment: Segment) {
        let before = if first == 0 { 0.0 } else { self.best[first].as_ref().expect("every nest may end a phase").0 };
        let (end, cost) = (first + segment.n_nests, before + cost);
        if self.best[end].as_ref().is_none_or(|(known, _)| cost < *known) {
            self.best[end] = Some((cost, segment));
        }
    }
}

impl Way {
    fn has_shares_of(self, per_share: usize) -> bool {
        !self.is_even || self.extent.is_multiple_of(self.unit * per_share)
    }

    fn cut(self, per_share: usize, n_shares: usize) -> Cut {
        Cut { position: self.position, per_share, width: per_share * self.unit, extent: self.extent, n_shares }
    }
}

#[cfg(test)]
mod tests;
