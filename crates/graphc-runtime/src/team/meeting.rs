//! How members meet: a board where the caller posts tasks, and a seat for every other member, where it reports them.
//!
//! **Posting.** Tasks are counted; the number of the last one, the *epoch*, stands beside it in one cache line, which
//! all members look at. The caller writes the task, then the epoch (release); a member that reads the new epoch
//! (acquire) sees the task and everything the caller and, through it, all members have written before. The next task is
//! posted only after every member's report of this one, so nobody reads a task that is being overwritten, and no epoch
//! is skipped.
//!
//! **Reporting.** Members form a tree, the caller its root. A member reports when its share is done and its children
//! have reported. A parent looks at the lines of all its children at once, without asking after the first whether to
//! go on: measured between two cores, lines that the other core has written take 98 ns and 8 ns each that way (15
//! lines 218 ns, 63 lines 598 ns), one after the other 43 ns each (683 and 2,669 ns). A further level costs the time
//! to write a line, about 100 ns, and to read some. So up to [`FLAT`] members are children of the caller, and with
//! more every member has [`FAN`] at most. Where members share cores everybody is a child of the caller: a member that
//! waits for others before it reports is one more turn on a core. A member's `finished` is twice the epoch that it has
//! reported last, odd while its parent sleeps until the next report. Results are written before it (release) and read
//! after it (acquire).
//!
//! **Sleeping.** Members that wait for a task count themselves in `n_sleepers` (acquire), then look at the epoch once
//! more, then park. The caller raises the epoch, then takes its place among the changes of `n_sleepers` (release) by an
//! exchange that changes nothing. All changes of one word have an order. If the caller's comes before a member's, the
//! member sees what the caller has written before, the epoch, and does not park. If it comes behind, the exchange finds
//! a sleeper, and the caller unparks everybody; an unpark before a park makes that park return.
//!
//! A parent that waits for a report leaves its thread handle at the seat and makes `finished` odd, which succeeds only
//! if the report is still missing. The member makes its report by the opposite exchange, which fails only if the parent
//! sleeps; then it takes the handle, reports and unparks. The parent leaves the handle alone until it has seen that
//! report, so the two never touch the handle at the same time.
//!
//! `tests/model.rs` tries this file in every order of the steps of a few threads, and finds each order of memory that
//! is named here to be needed.

use super::claims::{Claims, Round};
use super::line::Line;
use super::patience::Patience;
use super::rooms::Rooms;
use super::shares::share_of;
use super::sync::{self, AtomicU64, AtomicUsize, Fault, Ordering, Shared, Thread};
use graphc_codegen::PhaseFn;
use std::num::NonZero;
use std::sync::atomic;
use std::time::Instant;

/// Members of a team that is no tree, at most.
const FLAT: usize = 32;

/// Children of a member of a larger one.
const FAN: usize = 8;

/// What all members run.
#[derive(Clone, Copy)]
pub(super) struct Task {
    pub(super) function: PhaseFn,
    pub(super) arena: *mut u8,
    pub(super) rooms: Rooms,
    pub(super) low: i64,
    pub(super) high: i64,
    /// One more than the number under which members note their times, if they shall.
    pub(super) timed: Option<NonZero<u32>>,
    /// The number of its round, if iterations are claimed; else every member runs its share.
    pub(super) round: Option<NonZero<u16>>,
}

// With the epoch it fills one cache line.
const _: () = assert!(size_of::<Option<Task>>() <= 56);

/// When a share was run.
#[derive(Clone, Copy)]
pub(super) struct Note {
    pub(super) phase: u32,
    pub(super) start: Instant,
    pub(super) end: Instant,
}

/// What the lowest iteration that failed has returned: its place and its code, or [`Outcome::FINE`], which is greater
/// than all others. Places are numbers of iterations where those are claimed, else of members.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Outcome(u64);

impl Outcome {
    const FINE: Outcome = Outcome(u64::MAX);

    fn of(place: u32, code: i32) -> Outcome {
        if code == 0 { Outcome::FINE } else { Outcome(u64::from(place) << 32 | u64::from(code.cast_unsigned())) }
    }

    fn code(self) -> i32 {
        if self == Outcome::FINE { 0 } else { (self.0 as u32).cast_signed() }
    }
}

struct Board {
    epoch: AtomicUsize,
    /// None ends the members.
    task: Shared<Option<Task>>,
}

struct Seat {
    finished: AtomicUsize,
    /// The [`Outcome`] of the last task for this member and those below it.
    outcome: AtomicU64,
    /// The parent, while it sleeps.
    parent: Shared<Option<Thread>>,
    notes: Shared<Vec<Note>>,
}

/// What the members of a team share.
pub(super) struct Meeting {
    board: Line<Board>,
    n_sleepers: Line<AtomicUsize>,
    /// Of member 1 and those behind it.
    seats: Box<[Line<Seat>]>,
    claims: Claims,
    /// Seats that are taken: the first ones. Written before the first task is posted, and ordered by that.
    n_workers: atomic::AtomicUsize,
    /// Children of a member at most.
    fan: usize,
    /// Whether members have no cores of their own.
    shares_cores: bool,
    patience: Patience,
}

// SAFETY: the protocol above orders all accesses to `task`, `parent` and `notes`: each is written by one thread at a
// time, and read by others only after they have acquired what the writer released. Pointers of a task may be used by
// any thread: `Team::run` wants that of its caller.
unsafe impl Sync for Meeting {}
// SAFETY: as above; there are no thread-local resources inside.
unsafe impl Send for Meeting {}

impl Meeting {
    /// Of a caller and so many others. The tree is flat where they share cores.
    pub(super) fn new(n_workers: usize, patience: Patience, shares_cores: bool) -> Meeting {
        let is_flat = shares_cores || n_workers < FLAT;
        Meeting { shares_cores, ..Meeting::with_fan(n_workers, patience, if is_flat { n_workers.max(1) } else { FAN }) }
    }

    pub(super) fn with_fan(n_workers: usize, patience: Patience, fan: usize) -> Meeting {
        let seat = |_| {
            Line(Seat {
                finished: AtomicUsize::new(0),
                outcome: AtomicU64::new(Outcome::FINE.0),
                parent: Shared::new(None),
                notes: Shared::new(Vec::new()),
            })
        };
        Meeting {
            board: Line(Board { epoch: AtomicUsize::new(0), task: Shared::new(None) }),
            n_sleepers: Line(AtomicUsize::new(0)),
            seats: (0..n_workers).map(seat).collect(),
            claims: Claims::new(n_workers + 1),
            n_workers: atomic::AtomicUsize::new(n_workers),
            fan,
            shares_cores: false,
            patience,
        }
    }

    /// Lets the seats behind the first `n_workers` stay empty. No task may have been posted.
    pub(super) fn seat_only(&self, n_workers: usize) {
        self.n_workers.store(n_workers.min(self.seats.len()), Ordering::Relaxed);
    }

    /// Members beside the caller.
    fn n_workers(&self) -> usize {
        self.n_workers.load(Ordering::Relaxed)
    }

    /// The caller's part of a task: posts it, runs its share, and waits for everybody. The result is that of the lowest
    /// iteration that failed. `wake` unparks all other members.
    ///
    /// # Safety
    /// One caller at a time. `epoch` is one more than that of the task before, and a task's round follows that of the
    /// last task with one. The task's function must be safe to call
    /// for disjoint parts of its range at once, until this returns.
    pub(super) unsafe fn lead(&self, epoch: usize, task: Task, wake: impl FnOnce()) -> i32 {
        // SAFETY: every member has reported the task before, as this function ends by waiting for that. The caller's
        // promise holds until this function returns, and no member touches the task after its report.
        unsafe { self.post(epoch, Some(task), wake) };
        // SAFETY: the caller's promise.
        let own = unsafe { self.run_share(&task, 0) };
        self.await_children(0, epoch, own).code()
    }

    /// Ends the members.
    ///
    /// # Safety
    /// As for [`Meeting::lead`].
    pub(super) unsafe fn end(&self, epoch: usize, wake: impl FnOnce()) {
        // SAFETY: as in `lead`.
        unsafe { self.post(epoch, None, wake) };
    }

    /// # Safety
    /// As for [`Meeting::lead`]; every member must have reported the task before.
    unsafe fn post(&self, epoch: usize, task: Option<Task>, wake: impl FnOnce()) {
        let Board { epoch: posted, task: place } = &self.board.0;
        let has_sleepers = || self.n_sleepers.0.compare_exchange(0, 0, Ordering::Release, Ordering::Relaxed).is_err();
        let saw_sleepers_too_early = sync::is_planted(Fault::SleepersBeforeEpoch).then(has_sleepers);
        if sync::is_planted(Fault::EpochBeforeTask) {
            posted.store(epoch, Ordering::Release);
        }
        // SAFETY: members read the task only between seeing its epoch and reporting it.
        unsafe { place.with_mut(|place| *place = task) };
        posted.store(epoch, Ordering::Release);
        if saw_sleepers_too_early.unwrap_or_else(has_sleepers) {
            wake();
        }
    }

    /// The life of a member, which is not the caller.
    pub(super) fn attend(&self, member: usize) {
        for epoch in 1_usize.. {
            self.await_task(epoch);
            // SAFETY: the epoch has been read; the task is not overwritten before the report below.
            let Some(task) = (unsafe { self.board.0.task.with(|task| *task) }) else { return };
            // SAFETY: `lead` wants that of its caller; members' own memory is disjoint.
            let own = unsafe { self.run_share(&task, member) };
            let all = if sync::is_planted(Fault::ReportBeforeChildren) {
                own
            } else {
                self.await_children(member, epoch, own)
            };
            self.report(member, epoch, all);
        }
    }

    /// What a member does of a task, and when.
    ///
    /// # Safety
    /// The task's function must be safe to call for disjoint ranges at once.
    unsafe fn run_share(&self, task: &Task, member: usize) -> Outcome {
        // Those of the caller are the times of the phases.
        let timed = task.timed.filter(|_| member > 0);
        let start = timed.map(|_| Instant::now());
        let done = match task.round {
            // SAFETY: the caller's promise.
            Some(number) => unsafe { self.run_claims(task, number.get(), member) },
            // SAFETY: as above.
            None => unsafe { self.run_static(task, member) },
        };
        if let (Some(phase), Some(start), Some(_)) = (timed, start, done) {
            let note = Note { phase: phase.get() - 1, start, end: Instant::now() };
            let push = |notes: &mut Vec<Note>| {
                if notes.len() < notes.capacity() {
                    notes.push(note);
                }
            };
            // SAFETY: notes are this member's until it reports.
            unsafe { self.seats[member - 1].0.notes.with_mut(push) };
        }
        done.unwrap_or(Outcome::FINE)
    }

    /// Runs a member's whole share, if it has any.
    ///
    /// # Safety
    /// As for [`Meeting::run_share`].
    unsafe fn run_static(&self, task: &Task, member: usize) -> Option<Outcome> {
        let share = share_of(&(task.low..task.high), self.n_workers() + 1, member);
        if share.is_empty() {
            return None;
        }
        // SAFETY: the caller's promise; members' shares are disjoint.
        let code = unsafe { (task.function)(task.arena, task.rooms.of(member), share.start, share.end) };
        Some(Outcome::of(member as u32, code))
    }

    /// Runs what a member claims until nothing is left or something fails, if it gets anything.
    ///
    /// # Safety
    /// As for [`Meeting::run_share`].
    unsafe fn run_claims(&self, task: &Task, number: u16, member: usize) -> Option<Outcome> {
        let n_iterations = (task.high - task.low) as u32;
        let round = Round { number, n_iterations, n_members: self.n_workers() + 1 };
        let (mut done, mut owner) = (None, member);
        while let Some(taken) = self.claims.next(round, member, &mut owner) {
            let [low, high] = [taken.start, taken.end].map(|i| task.low + i64::from(i));
            // SAFETY: the caller's promise; nothing is claimed twice.
            let code = unsafe { (task.function)(task.arena, task.rooms.of(member), low, high) };
            let place = if sync::is_planted(Fault::OutcomesOfMembers) { member as u32 } else { taken.start };
            done = Some(Outcome::of(place, code));
            if code != 0 {
                break;
            }
        }
        done
    }

    fn await_task(&self, epoch: usize) {
        let is_posted = || self.board.0.epoch.load(Ordering::Acquire) == epoch;
        if self.patience.wait(is_posted) {
            return;
        }
        self.n_sleepers.0.fetch_add(1, Ordering::Acquire);
        if sync::is_planted(Fault::NoSecondLook) {
            sync::park();
        }
        while !is_posted() {
            sync::park();
        }
        self.n_sleepers.0.fetch_sub(1, Ordering::Relaxed);
    }

    fn children(&self, member: usize) -> &[Line<Seat>] {
        let n_workers = self.n_workers();
        let first = member.saturating_mul(self.fan).min(n_workers);
        &self.seats[first..(first + self.fan).min(n_workers)]
    }

    /// Waits for the reports of a member's children; gives what has come of the task so far.
    fn await_children(&self, member: usize, epoch: usize, own: Outcome) -> Outcome {
        let children = self.children(member);
        let has_reported = |seat: &Line<Seat>| seat.0.finished.load(Ordering::Acquire) == reported(epoch);
        let have_reported = || match self.shares_cores {
            true => children.iter().all(has_reported),
            // Not one line after the other.
            false => children.iter().fold(true, |all, seat| all & has_reported(seat)),
        };
        if !self.patience.wait(have_reported) {
            children.iter().for_each(|seat| seat.0.sleep_until_report(epoch));
        }
        let outcomes = children.iter().map(|seat| Outcome(seat.0.outcome.load(Ordering::Relaxed)));
        outcomes.fold(own, Outcome::min)
    }

    fn report(&self, member: usize, epoch: usize, all: Outcome) {
        let Seat { finished, outcome, parent, .. } = &self.seats[member - 1].0;
        outcome.store(all.0, Ordering::Relaxed);
        let (now, before) = (reported(epoch), reported(epoch.wrapping_sub(1)));
        if finished.compare_exchange(before, now, Ordering::Release, Ordering::Acquire).is_ok() {
            return;
        }
        // SAFETY: the parent sleeps; it has written the handle before it made `finished` odd, which has been acquired,
        // and leaves it alone until the store below.
        let sleeping = unsafe { parent.with_mut(Option::take) };
        finished.store(now, Ordering::Release);
        if let Some(parent) = sleeping {
            parent.unpark();
        }
    }

    /// Gives the notes of a member that is not the caller.
    ///
    /// # Safety
    /// The member must have reported the last task, no other may be posted, and nobody else may ask for these notes
    /// meanwhile.
    pub(super) unsafe fn with_notes<R>(&self, member: usize, change: impl FnOnce(&mut Vec<Note>) -> R) -> R {
        // SAFETY: the caller's promise; members write notes only while they have a task.
        unsafe { self.seats[member - 1].0.notes.with_mut(change) }
    }
}

impl Seat {
    /// Sleeps until the member has reported that task.
    fn sleep_until_report(&self, epoch: usize) {
        let (now, before) = (reported(epoch), reported(epoch.wrapping_sub(1)));
        let has_reported = || self.finished.load(Ordering::Acquire) == now;
        if has_reported() {
            return;
        }
        // SAFETY: the member takes the handle only when it finds `finished` odd, and it is made so below.
        unsafe { self.parent.with_mut(|parent| *parent = Some(sync::current())) };
        // If the exchange fails, the report is there.
        if self.finished.compare_exchange(before, before + 1, Ordering::Release, Ordering::Acquire).is_ok() {
            while !has_reported() {
                sync::park();
            }
        }
    }
}

/// `finished` of a member that has reported up to that epoch.
fn reported(epoch: usize) -> usize {
    epoch.wrapping_mul(2)
}
