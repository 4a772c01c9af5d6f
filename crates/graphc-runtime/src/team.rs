//! A persistent team of threads that runs a step together.
//!
//! The caller is member 0. It walks the phases of the program; a phase that is one parallel loop goes to all members
//! in contiguous shares ([`share_of`]), of which quick members relieve slow ones (`claims`); any other phase runs on
//! the caller alone while the others wait for the next parallel one. So there is a barrier before and after a parallel
//! phase and none between serial ones, and one that stands between two parallel phases makes a single barrier:
//! everybody reports, up a tree, to the caller, and the caller starts the next phase. With free cores that costs two
//! transfers of a cache line, some hundred nanoseconds, and one more for every further level of the tree.
//!
//! Rejected: members that walk the program by themselves and meet in symmetric barriers. That saves one transfer
//! between two parallel phases, costs one more around each serial phase, and needs every member to agree on where a
//! failed step ends.
//!
//! A team made by [`Team::adaptive`] steps alone while that is faster, for example on a machine with other work: see
//! `pace`.
//!
//! Nobody allocates or locks during a step. Who waits spins at first, then offers its core to others, then sleeps:
//! see `meeting`, which also says why no wake-up is missed.

mod claims;
mod each;
mod line;
mod meeting;
mod pace;
mod patience;
mod rooms;
mod shares;
mod sync;

use crate::RuntimeError;
use claims::Round;
use graphc_codegen::PhaseFn;
use meeting::{Meeting, Note, Task};
use memmap2::MmapMut;
use pace::{Pace, Way};
use patience::Patience;
pub(crate) use rooms::Rooms;
use shares::share_of;

use std::hint::black_box;
use std::num::NonZero;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Bytes of addresses that are left for everything else when threads are started.
const ROOM: usize = 512 << 20;

/// Bytes of a member's stack.
const STACK: usize = 2 << 20;

/// Bytes of addresses that a thread takes: its stack, guard pages, and the stack of its signal handlers.
const ADDRESSES_OF_THREAD: usize = STACK + (1 << 20);

/// Bytes of addresses that a heap of glibc takes while it is made.
const ADDRESSES_OF_HEAP: usize = 128 << 20;

/// Heaps that glibc makes at most for so many further threads: eight a core.
fn n_heaps(n_threads: usize) -> usize {
    n_threads.min(8 * std::thread::available_parallelism().map_or(1, usize::from))
}

/// Whether the process may have so many more bytes of addresses.
fn has_addresses(n_bytes: usize) -> bool {
    MmapMut::map_anon(n_bytes).is_ok()
}

/// Members of a team at most.
pub const MAX_MEMBERS: usize = 1024;

/// Threads that run steps together: the caller and the ones kept waiting here, which end when the team is dropped.
pub struct Team {
    meeting: Arc<Meeting>,
    workers: Vec<JoinHandle<()>>,
    /// Tasks posted so far.
    epoch: usize,
    /// Number of the last phase whose iterations were claimed.
    round: NonZero<u16>,
    /// How steps are made at present; nothing if that is always together.
    verdict: Option<Verdict>,
}

/// What the program that asked last has found out. Others begin with it.
#[derive(Clone, Copy, Debug)]
struct Verdict {
    way: Way,
    /// Number of changes so far.
    serial: u64,
}

/// How one program's steps are made on an adaptive team.
#[derive(Clone, Debug)]
pub(crate) struct ProgramPace {
    pace: Pace,
    /// The verdict that it has begun with or made.
    serial: u64,
}

impl Default for ProgramPace {
    fn default() -> ProgramPace {
        ProgramPace { pace: Pace::new(Way::Together), serial: 0 }
    }
}

/// What a member has run of one phase, as it was timed: nothing if others have run its share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimedShare {
    /// Position of the phase among those of all kernels.
    pub phase: usize,
    /// The member, from 1: the caller's times are those of the phases.
    pub member: usize,
    /// When it began.
    pub start: Instant,
    /// When it ended.
    pub end: Instant,
}

/// A phase to be shared.
#[derive(Clone, Debug)]
pub(crate) struct SharedPhase {
    pub(crate) function: PhaseFn,
    pub(crate) arena: *mut u8,
    /// Of as many members as the team has, or none if the function needs none.
    pub(crate) rooms: Rooms,
    pub(crate) range: Range<i64>,
    /// The number under which members note their times, if they shall.
    pub(crate) timed: Option<usize>,
}

impl Team {
    /// A team of `n_members`, the caller included; 0 means 1. It has fewer if the system gives no more threads, see
    /// [`Team::n_members`].
    ///
    /// # Errors
    /// If that is more than [`MAX_MEMBERS`].
    pub fn new(n_members: usize) -> Result<Team, RuntimeError> {
        let shares_cores = n_members > std::thread::available_parallelism().map_or(n_members, usize::from);
        let patience = if shares_cores { Patience::CROWDED } else { Patience::FREE };
        Team::with(n_members, |n_workers| Meeting::new(n_workers, patience, shares_cores))
    }

    /// A team that makes steps on the caller alone while that takes less time. Which members run a step changes none of
    /// its bits.
    ///
    /// # Errors
    /// As [`Team::new`].
    pub fn adaptive(n_members: usize) -> Result<Team, RuntimeError> {
        let mut team = Team::new(n_members)?;
        // A caller without others has no choice.
        team.verdict = (team.n_members() > 1).then_some(Verdict { way: Way::Together, serial: 0 });
        Ok(team)
    }

    fn with(n_members: usize, meeting: impl FnOnce(usize) -> Meeting) -> Result<Team, RuntimeError> {
        if n_members > MAX_MEMBERS {
            return Err(RuntimeError::Threads(format!("a team has at most {MAX_MEMBERS} threads, got {n_members}")));
        }
        let n_workers = n_members.saturating_sub(1);
        let meeting = Arc::new(meeting(n_workers));
        let mut team = Team {
            meeting,
            workers: Vec::with_capacity(n_workers),
            epoch: 0,
            round: NonZero::<u16>::MIN,
            verdict: None,
        };
        // Threads must not take the last addresses of a process with a limit of them.
        let Some(room) = (n_workers > 0).then(|| MmapMut::map_anon(ROOM)).transpose().unwrap_or(None) else {
            team.meeting.seat_only(0);
            return Ok(team);
        };
        // Where there are few, members begin one after the other: a thread that finds none when it begins ends the
        // process.
        let is_scarce = !has_addresses(n_workers * ADDRESSES_OF_THREAD + n_heaps(n_workers) * ADDRESSES_OF_HEAP);
        let n_begun = Arc::new(AtomicUsize::new(0));
        for member in 1..=n_workers {
            if is_scarce && !has_addresses(ADDRESSES_OF_THREAD) {
                break;
            }
            let (meeting, begun) = (Arc::clone(&team.meeting), Arc::clone(&n_begun));
            let builder = std::thread::Builder::new().name(format!("graphc-{member}")).stack_size(STACK);
            let work = move || {
                // With its first allocation a thread may get a heap of its own.
                drop(black_box(Box::new(member)));
                begun.fetch_add(1, Ordering::Relaxed);
                meeting.attend(member);
            };
            // Where the system gives no more threads, a smaller team does the same.
            let Ok(worker) = builder.spawn(work) else { break };
            team.workers.push(worker);
            while is_scarce && n_begun.load(Ordering::Relaxed) < member {
                std::thread::yield_now();
            }
        }
        drop(room);
        team.meeting.seat_only(team.workers.len());
        Ok(team)
    }

    /// Number of members, the caller included.
    pub fn n_members(&self) -> usize {
        self.workers.len() + 1
    }

    /// Whether the next step of a program is to be made by the caller alone, and what else is done between steps as
    /// well.
    pub(crate) fn is_alone(&self, program: &mut ProgramPace) -> bool {
        let Some(verdict) = self.verdict else { return false };
        if program.serial != verdict.serial {
            *program = ProgramPace { pace: Pace::new(verdict.way), serial: verdict.serial };
        }
        program.pace.next() == Way::Alone
    }

    /// Takes in the time of a step that was made as [`Team::is_alone`] said.
    pub(crate) fn note(&mut self, program: &mut ProgramPace, took: Duration) {
        if let Some(verdict) = &mut self.verdict
            && program.pace.note(took)
        {
            verdict.way = program.pace.preferred();
            verdict.serial += 1;
            program.serial = verdict.serial;
        }
    }

    /// Whether the clock must be read for [`Team::note`].
    pub(crate) fn is_adaptive(&self) -> bool {
        self.verdict.is_some()
    }

    /// Whether the caller does what is done between steps alone.
    fn works_alone(&self) -> bool {
        self.verdict.is_some_and(|verdict| verdict.way == Way::Alone)
    }

    /// Runs a phase on all members and waits for them. The result is that of the lowest iteration that failed, which is
    /// the result of running the whole range on one thread.
    ///
    /// # Safety
    /// As for [`PhaseFn`], with the memory of every member. Calls for disjoint ranges must be allowed to run at once.
    pub(crate) unsafe fn run(&mut self, phase: &SharedPhase) -> i32 {
        let SharedPhase { function, arena, rooms, ref range, timed } = *phase;
        let n_members = self.n_members();
        let own = share_of(range, n_members, 0);
        if n_members == 1 || own == *range {
            // SAFETY: the caller's promise.
            return unsafe { function(arena, rooms.of(0), range.start, range.end) };
        }
        self.epoch = self.epoch.wrapping_add(1);
        let is_claimed = Round::is_for(range.end - range.start, n_members);
        if is_claimed {
            self.round = self.round.checked_add(1).unwrap_or(NonZero::<u16>::MIN);
        }
        let round = is_claimed.then_some(self.round);
        let timed = timed.map(|phase| NonZero::<u32>::MIN.saturating_add(phase as u32));
        let task = Task { function, arena, rooms, low: range.start, high: range.end, timed, round };
        // SAFETY: `&mut self` admits one caller at a time, and its promise is about disjoint ranges.
        unsafe { self.meeting.lead(self.epoch, task, || self.wake()) }
    }

    fn wake(&self) {
        self.workers.iter().for_each(|worker| worker.thread().unpark());
    }

    /// Forgets the times noted and makes room for those of `n_phases` phases.
    pub(crate) fn clear_notes(&mut self, n_phases: usize) {
        for member in 1..self.n_members() {
            let empty = |notes: &mut Vec<Note>| {
                notes.clear();
                notes.reserve(n_phases);
            };
            // SAFETY: all members have reported, see `run`; `&mut self` is exclusive.
            unsafe { self.meeting.with_notes(member, empty) };
        }
    }

    /// Adds the times noted since they were cleared, member after member.
    pub(crate) fn add_noted(&mut self, all: &mut Vec<TimedShare>) {
        for member in 1..self.n_members() {
            let share = |&Note { phase, start, end }: &Note| TimedShare { phase: phase as usize, member, start, end };
            // SAFETY: as in `clear_notes`.
            unsafe { self.meeting.with_notes(member, |notes| all.extend(notes.iter().map(share))) };
        }
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        // SAFETY: all members have reported, see `run`; `&mut self` is exclusive.
        unsafe { self.meeting.end(self.epoch.wrapping_add(1), || self.wake()) };
        for worker in self.workers.drain(..) {
            // A member cannot panic, and if it did, there would be nothing to do about it here.
            _ = worker.join();
        }
    }
}

impl std::fmt::Debug for Team {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Team").field("n_members", &self.n_members()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use claims::Claims;

    /// Adds, to the words of its share, the word that the member before has made in the phase before: a wrong order of
    /// phases, a share left out or run twice changes the sums.
    extern "C" fn rotate(arena: *mut u8, _: *mut u8, low: i64, high: i64) -> i32 {
        let words = arena.cast::<u64>();
        // SAFETY: the tests give arenas of `2 * N` words and ranges inside `0..N`; a phase reads one half and
        // writes its share of the other.
        unsafe {
            let even = *words.add(2 * N as usize);
            let (from, to) = if even.is_multiple_of(2) { (0, N) } else { (N, 0) };
            for i in low..high {
                let before = words.add((from + (i + N - 1) % N) as usize).read();
                words.add((to + i) as usize).write(before.wrapping_mul(31).wrapping_add(i as u64));
            }
        }
        0
    }

    const N: i64 = 5;

    /// `n` phases on a team, the parity word raised by the caller between them; all words at the end.
    fn rotate_on(team: &mut Team, n: u64, pause: impl Fn(u64)) -> Vec<u64> {
        let mut words = vec![1_u64; 2 * N as usize + 1];
        words[2 * N as usize] = 0;
        let arena = words.as_mut_ptr().cast::<u8>();
        for i in 0..n {
            let phase = SharedPhase { function: rotate, arena, rooms: Rooms::NONE, range: 0..N, timed: None };
            // SAFETY: `rotate` gets what it wants; nobody else has the words, and shares write disjoint ones.
            assert_eq!(unsafe { team.run(&phase) }, 0);
            // SAFETY: the last of the words; all members have reported.
            unsafe { arena.cast::<u64>().add(2 * N as usize).write(i + 1) };
            pause(i);
        }
        words
    }

    /// Times stand for a machine on which steps together take 1 ms, alone 0.01 ms.
    #[test]
    fn an_adaptive_team_does_what_is_faster() {
        let mut team = Team::adaptive(3).unwrap();
        let mut program = ProgramPace::default();
        assert!(!team.is_alone(&mut program), "the first steps are made together");
        for _ in 0..2_000 {
            let took = if team.is_alone(&mut program) { 10 } else { 1_000 };
            team.note(&mut program, Duration::from_micros(took));
        }
        assert!(team.is_alone(&mut program));
        assert!(team.is_alone(&mut ProgramPace::default()), "others begin with what has been found out");
        let caller = std::thread::current().id();
        let mut words = [0; 6];
        team.for_each_part(&mut words, 1, &|number, part| {
            assert_eq!(std::thread::current().id(), caller, "packing is not worth a meeting either");
            part.fill(number as u32);
        });
        assert_eq!(words, [0, 1, 2, 3, 4, 5]);
        // Two seconds of steps that together are faster again.
        for _ in 0..20_000 {
            let took = if team.is_alone(&mut program) { 200 } else { 100 };
            team.note(&mut program, Duration::from_micros(took));
        }
        assert!(!team.is_alone(&mut ProgramPace::default()));
        assert!(!Team::new(3).unwrap().is_adaptive(), "measurements are of all members");
    }

    #[test]
    fn many_phases_meet() {
        let expected = rotate_on(&mut Team::new(1).unwrap(), 20_000, |_| ());
        // Also more members than iterations, and surely more than cores.
        for n_members in [2, 3, 7, 40] {
            let n = if n_members > 7 { 2_000 } else { 20_000 };
            let expected =
                if n == 20_000 { expected.clone() } else { rotate_on(&mut Team::new(1).unwrap(), n, |_| ()) };
            assert_eq!(rotate_on(&mut Team::new(n_members).unwrap(), n, |_| ()), expected, "{n_members} members");
        }
    }

    fn impatient(n_members: usize, fan: usize, patience: Patience) -> Team {
        Team::with(n_members, |n_workers| Meeting::with_fan(n_workers, patience, fan)).unwrap()
    }

    /// Without patience everybody goes to sleep at once, so that sleeping and waking cross in every order.
    #[test]
    fn no_wake_up_is_missed() {
        let expected = rotate_on(&mut Team::new(1).unwrap(), 5_000, |_| ());
        for n_members in [2, 3, 5] {
            for (fan, patience) in [(1, Patience::NONE), (2, Patience::ONE_LOOK), (n_members, Patience::NONE)] {
                let mut team = impatient(n_members, fan, patience);
                assert_eq!(rotate_on(&mut team, 5_000, |_| ()), expected);
                let work = |i: u64| (0..(i * 37) % 400).for_each(|_| std::hint::spin_loop());
                assert_eq!(rotate_on(&mut team, 5_000, work), expected);
            }
        }
    }

    #[test]
    fn a_team_can_be_dropped_while_it_sleeps_or_before_it_works() {
        for n_members in [1, 2, 5] {
            drop(Team::new(n_members).unwrap());
            let mut team = Team::new(n_members).unwrap();
            rotate_on(&mut team, 10, |_| ());
            std::thread::sleep(std::time::Duration::from_millis(5));
            rotate_on(&mut team, 10, |_| ());
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    }

    #[test]
    fn a_team_can_move_to_another_thread() {
        let mut team = impatient(3, 2, Patience::NONE);
        let expected = rotate_on(&mut Team::new(1).unwrap(), 200, |_| ());
        for _ in 0..20 {
            team = std::thread::spawn(move || {
                assert_eq!(rotate_on(&mut team, 200, |_| ()), expected_of_moved());
                team
            })
            .join()
            .unwrap();
            assert_eq!(rotate_on(&mut team, 200, |_| ()), expected);
        }
    }

    fn expected_of_moved() -> Vec<u64> {
        rotate_on(&mut Team::new(1).unwrap(), 200, |_| ())
    }

    /// Fails with the number of its first odd iteration.
    extern "C" fn fail_at_odd(_: *mut u8, _: *mut u8, low: i64, high: i64) -> i32 {
        (low..high).find(|i| i % 2 == 1).unwrap_or(0) as i32
    }

    #[test]
    fn the_first_failure_is_that_of_one_thread() {
        let new = |n_members| Team::new(n_members).unwrap();
        let teams =
            [1, 2, 3, 8, 20, 64].map(new).into_iter().chain([1, 2, 3].map(|fan| impatient(20, fan, Patience::NONE)));
        for mut team in teams {
            let n_members = team.n_members();
            for (range, expected) in [(0..9, 1), (2..3, 0), (4..9, 5), (0..0, 0), (6..8, 7)] {
                let arena = std::ptr::null_mut();
                let phase = SharedPhase { function: fail_at_odd, arena, rooms: Rooms::NONE, range, timed: None };
                // SAFETY: the function touches no memory.
                assert_eq!(unsafe { team.run(&phase) }, expected, "{n_members} members, {:?}", phase.range);
            }
        }
    }

    #[test]
    fn every_member_notes_its_shares() {
        let mut team = Team::new(3).unwrap();
        for _ in 0..2 {
            team.clear_notes(2);
            for (number, range) in [(4, 0..3), (5, 0..1), (6, 0..3), (7, 0..9)] {
                let (function, arena, rooms) = (fail_at_odd, std::ptr::null_mut(), Rooms::NONE);
                // SAFETY: the function touches no memory.
                unsafe { team.run(&SharedPhase { function, arena, rooms, range, timed: Some(number) }) };
            }
            // One iteration is the caller's; there was room for two.
            let mut notes: Vec<TimedShare> = Vec::new();
            team.add_noted(&mut notes);
            let names: Vec<_> = notes.iter().map(|note| (note.member, note.phase)).collect();
            assert_eq!(names[..2], [(1, 4), (1, 6)]);
            assert!(names.contains(&(2, 4)) && names.contains(&(2, 6)), "{names:?}");
            assert!(notes.iter().all(|note| note.start <= note.end));
        }
    }

    /// Adds 1 to the word of each iteration, 1,000 for each member's room in turn; who has the first room sleeps.
    extern "C" fn count(arena: *mut u8, room: *mut u8, low: i64, high: i64) -> i32 {
        if room.addr() == 0 {
            std::thread::sleep(Duration::from_millis(20));
        }
        for i in low..high {
            // SAFETY: the test gives a word for each iteration.
            unsafe { *arena.cast::<u64>().add(i as usize) += 1 + 1_000 * room.addr() as u64 };
        }
        0
    }

    #[test]
    fn quick_members_relieve_slow_ones() {
        for n_members in [2, 4] {
            let mut team = Team::new(n_members).unwrap();
            let mut words = vec![0_u64; 10 * n_members];
            let (arena, range) = (words.as_mut_ptr().cast(), 0..words.len() as i64);
            let rooms = Rooms { first: std::ptr::null_mut(), stride: 1 };
            let start = Instant::now();
            // SAFETY: `count` gets what it wants.
            unsafe { team.run(&SharedPhase { function: count, arena, rooms, range, timed: None }) };
            assert!(start.elapsed() < Duration::from_millis(150), "the caller sleeps once or twice, not ten times");
            assert!(words.iter().all(|word| word % 1_000 == 1), "{words:?}");
            let n_own = words.iter().filter(|&&word| word == 1).count();
            assert!((1..=3).contains(&n_own) && words[0] == 1, "{words:?}");
        }
    }

    /// All that a member gets if nobody else takes anything.
    fn all_of(claims: &Claims, round: Round, member: usize) -> Vec<Range<u32>> {
        let mut owner = member;
        std::iter::from_fn(|| claims.next(round, member, &mut owner)).collect()
    }

    #[test]
    fn a_member_begins_with_its_own_share_and_goes_on_at_the_end_of_others() {
        let claims = Claims::new(3);
        // Also behind the last number.
        for number in [u16::MAX, 1, 2] {
            let round = Round { number, n_iterations: 7, n_members: 3 };
            assert_eq!(claims.next(round, 2, &mut 2), Some(5..6));
            // The second member's share is 3..5.
            let expected: Vec<_> = [3, 4, 2, 1, 0, 6].map(|i| i..i + 1).into();
            assert_eq!(all_of(&claims, round, 1), expected);
            assert!([0, 2].iter().all(|&other| all_of(&claims, round, other).is_empty()));
        }
    }

    #[test]
    fn long_shares_are_taken_in_few_parts() {
        let claims = Claims::new(2);
        let all = all_of(&claims, Round { number: 1, n_iterations: 10_000, n_members: 2 }, 0);
        let mut iterations: Vec<u32> = all.iter().cloned().flatten().collect();
        iterations.sort_unstable();
        assert!(iterations.into_iter().eq(0..10_000));
        assert!(all.len() < 250 && all[0] == (0..312), "{} parts", all.len());
        assert_eq!(all.last().unwrap().len(), 1);
    }

    /// Rounds are counted in 16 bits; phases without claims between them have none.
    #[test]
    fn rounds_are_counted_in_a_circle() {
        let mut team = Team::new(2).unwrap();
        team.round = NonZero::new(u16::MAX - 3).unwrap();
        for n in 0..20 {
            let mut words = vec![0; if n % 3 == 0 { 2 } else { 7 }];
            team.for_each_part(&mut words, 1, &|number, part| part[0] += 1 + number as u32);
            assert!(words.iter().copied().eq(1..=words.len() as u32), "{words:?}");
        }
    }

    #[test]
    fn too_many_members() {
        let error = Team::new(MAX_MEMBERS + 1).unwrap_err();
        assert_eq!(error.to_string(), "a team has at most 1024 threads, got 1025");
        assert_eq!(Team::new(0).unwrap().n_members(), 1);
    }
}
