//! Which iterations of a phase a member runs, where there are more of them than members.
//!
//! Cores are not equally fast from one moment to the next: measured on 16 quiet ones of a rented machine, members with
//! equal shares took from 0.8 to 1.4 of their mean. So shares are where members begin, and not what they are bound to.
//! A member takes iterations from the *front* of its own share, which is the same in every step, so that what they
//! touch is in its cache. When there are none left it takes some from the *back* of the share of which most is left,
//! then of another, until nothing is left anywhere. A phase then ends within about one iteration of the mean, and a
//! member that comes late, because its thread slept or its core does something else, is relieved of its share.
//!
//! What is left of a share is one word, changed by compare-exchange alone, so that no iteration is taken twice. The
//! word names its *round*, the number of the phase among those with claims. One of the round before stands for the
//! whole share: nobody has to write words before a round begins, and also the share of a member that has not begun
//! can be taken from. Words are never older. A member goes on until it has found its own share empty, or has taken
//! something of it and failed; either way its word is of this round before it reports, and no round begins before
//! everybody has reported the last one.
//!
//! Every access is relaxed. Who takes what follows from the order of the changes of one word. What iterations read and
//! write is ordered by the task's posting and the reports, as are rounds: who knows of a round sees all words as the
//! round before has left them, or newer.
//!
//! **Failures.** A member that fails takes nothing more, others go on. The lowest iteration that fails is always run:
//! its owner goes through its share from the front, and nothing there fails before it, or somebody else has taken it.
//! So the result is that of one thread, whoever runs what.
//!
//! Rejected: one counter for all, of which everybody takes the next iteration. Its line wanders with every claim, and
//! members touch other memory in every step.

use super::line::Line;
use super::shares::share_of;
use super::sync::{self, AtomicU64, Fault, Ordering};
use std::ops::Range;

/// The part of what is left of a share that is taken at once: of long shares several iterations, so that short ones
/// cost little, of others one.
const PART: u32 = 16;

/// Bits of a number of iterations in a word.
const BITS: u32 = 24;

/// A phase whose iterations are claimed.
#[derive(Clone, Copy)]
pub(super) struct Round {
    /// Its number, which is that of the round before and one, or 1 behind the last.
    pub(super) number: u16,
    pub(super) n_iterations: u32,
    pub(super) n_members: usize,
}

/// What is left of a share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Left {
    round: u16,
    low: u32,
    high: u32,
}

#[derive(Clone, Copy)]
enum End {
    Front,
    Back,
}

/// What is left of all members' shares.
pub(super) struct Claims {
    words: Box<[Line<AtomicU64>]>,
}

impl Round {
    /// Whether members claim so many iterations: else each has one at most, or they are too many for a word.
    pub(super) fn is_for(n_iterations: i64, n_members: usize) -> bool {
        n_iterations > n_members as i64 && n_iterations < 1 << BITS
    }

    /// What a word says that is of this round or the one before.
    fn left(self, word: u64, member: usize) -> Left {
        let left = Left::of(word);
        if left.round == self.number || sync::is_planted(Fault::WordsOfAnyRound) {
            return left;
        }
        let share = share_of(&(0..i64::from(self.n_iterations)), self.n_members, member);
        Left { round: self.number, low: share.start as u32, high: share.end as u32 }
    }
}

impl Left {
    fn of(word: u64) -> Left {
        let number = |shift: u32| (word >> shift) as u32 & ((1 << BITS) - 1);
        Left { round: (word >> (2 * BITS)) as u16, low: number(BITS), high: number(0) }
    }

    fn word(self) -> u64 {
        u64::from(self.round) << (2 * BITS) | u64::from(self.low) << BITS | u64::from(self.high)
    }

    fn len(self) -> u32 {
        self.high - self.low
    }

    /// Some of it, and what is left then.
    fn take(self, end: End) -> (Range<u32>, Left) {
        let n_taken = (self.len() / PART).max(1);
        match end {
            End::Front => {
                let low = self.low + n_taken;
                (self.low..low, Left { low, ..self })
            }
            End::Back => {
                let high = self.high - n_taken;
                (high..self.high, Left { high, ..self })
            }
        }
    }
}

impl Claims {
    pub(super) fn new(n_members: usize) -> Claims {
        Claims { words: (0..n_members).map(|_| Line(AtomicU64::new(0))).collect() }
    }

    /// The iterations that a member runs next; none if all are taken. `owner` is whose they are: at first the member
    /// itself.
    pub(super) fn next(&self, round: Round, member: usize, owner: &mut usize) -> Option<Range<u32>> {
        loop {
            let end = if *owner == member { End::Front } else { End::Back };
            if let Some(taken) = self.take(round, *owner, end) {
                return Some(taken);
            }
            // What is left there may be taken by others meanwhile, so this ends.
            *owner = self.fullest(round, member)?;
        }
    }

    /// The other member of whose share most is left, if anything is; of several the next one.
    fn fullest(&self, round: Round, member: usize) -> Option<usize> {
        let others = (0..member).rev().chain((member + 1..round.n_members).rev());
        let lens = others.map(|other| (self.left(round, other).1.len(), other));
        lens.max_by_key(|&(len, _)| len).filter(|&(len, _)| len > 0).map(|(_, other)| other)
    }

    /// A member's word, and what it says.
    fn left(&self, round: Round, member: usize) -> (u64, Left) {
        let word = self.words[member].0.load(Ordering::Relaxed);
        (word, round.left(word, member))
    }

    fn take(&self, round: Round, member: usize, end: End) -> Option<Range<u32>> {
        let (mut word, mut left) = self.left(round, member);
        while left.len() > 0 {
            let (taken, rest) = left.take(end);
            match self.change(member, word, rest.word()) {
                Ok(_) => return Some(taken),
                Err(other) => (word, left) = (other, round.left(other, member)),
            }
        }
        None
    }

    fn change(&self, member: usize, before: u64, after: u64) -> Result<u64, u64> {
        let word = &self.words[member].0;
        if sync::is_planted(Fault::ClaimsByStores) {
            word.store(after, Ordering::Relaxed);
            return Ok(before);
        }
        word.compare_exchange(before, after, Ordering::Relaxed, Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_say_what_is_left() {
        for left in [(0, 0, 0), (1, 0, 1), (u16::MAX, (1 << BITS) - 2, (1 << BITS) - 1)] {
            let left = Left { round: left.0, low: left.1, high: left.2 };
            assert_eq!(Left::of(left.word()), left);
        }
    }

    #[test]
    fn iterations_are_claimed_where_members_have_several() {
        let is_for = |n_iterations| Round::is_for(n_iterations, 4);
        assert_eq!([0, 4, 5, (1 << BITS) - 1, 1 << BITS].map(is_for), [false, false, true, true, false]);
    }
}
