//! How members meet: a board where the caller posts tasks, and a seat for every other member, where it reports them.
//!
//! **Posting.** Tasks are counted; the number of the last one, the *epoch*, stands beside it in one cache line. The
//! caller writes the task, then the epoch (release); a member that reads the new epoch (acquire) sees the task and
//! everything the caller and, through it, all members have written before. The next task is posted only after every
//! member's report of this one, so nobody reads a task that is being overwritten, and no epoch is skipped.
//!
//! **Reporting.** A member's `finished` is twice the epoch that it has reported last, odd while the caller sleeps until
//! the next report. Results are written before it (release) and read after it (acquire).
//!
//! **Sleeping.** Members that wait for a task count themselves in `sleepers`, then look at the epoch once more, then
//! park. The caller writes the epoch, then looks at `sleepers`. All four are sequentially consistent: if the caller
//! sees no sleeper, its look comes before the member's count in their single order, so its epoch comes before the
//! member's second look, and the member does not park. If it sees one, it unparks everybody; an unpark before a park
//! makes that park return.
//!
//! A caller that waits for a report leaves its thread handle at the seat and makes `finished` odd, which succeeds only
//! if the report is still missing. The member makes its report by the opposite exchange, which fails only if the caller
//! sleeps; then it takes the handle, reports and unparks. The caller leaves the handle alone until it has seen that
//! report, so the two never touch the handle at the same time.

use super::rooms::Rooms;
use super::shares::share_of;
use graphc_codegen::PhaseFn;
use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};
use std::thread::Thread;
use std::time::{Duration, Instant};

/// What all members run.
#[derive(Clone, Copy)]
pub(super) struct Task {
    pub(super) function: PhaseFn,
    pub(super) arena: *mut u8,
    pub(super) rooms: Rooms,
    pub(super) low: i64,
    pub(super) high: i64,
    pub(super) n_members: usize,
    /// The number under which members note their times, if they shall.
    pub(super) timed: Option<usize>,
}

/// When a share was run.
#[derive(Clone, Copy)]
pub(super) struct Note {
    pub(super) phase: usize,
    pub(super) start: Instant,
    pub(super) end: Instant,
}

/// How long to wait before sleeping.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// Looks before the clock is read at all.
    n_looks: u32,
    /// Time of doing nothing else.
    spin: Duration,
    /// Time of offering the core to other threads between looks.
    offer: Duration,
}

impl Patience {
    /// There is a core for every member.
    pub(super) const FREE: Patience =
        Patience { n_looks: 64, spin: Duration::from_micros(50), offer: Duration::from_micros(150) };
    /// Members share cores: who spins keeps another from working.
    pub(super) const CROWDED: Patience =
        Patience { n_looks: 16, spin: Duration::ZERO, offer: Duration::from_micros(50) };
    /// Sleep at once.
    #[cfg(test)]
    pub(super) const NONE: Patience = Patience { n_looks: 0, spin: Duration::ZERO, offer: Duration::ZERO };

    /// Waits until `is_done`; false if that took too long.
    fn wait(self, is_done: impl Fn() -> bool) -> bool {
        let look = |n_looks: u32| {
            (0..n_looks).any(|_| {
                std::hint::spin_loop();
                is_done()
            })
        };
        if is_done() || look(self.n_looks) {
            return true;
        }
        let start = Instant::now();
        loop {
            let waited = start.elapsed();
            if waited < self.spin {
                if look(32) {
                    return true;
                }
            } else if waited < self.spin + self.offer {
                std::thread::yield_now();
                if is_done() {
                    return true;
                }
            } else {
                return false;
            }
        }
    }
}

/// Keeps what different threads write in different cache lines; processors fetch them in pairs.
#[repr(align(128))]
struct Line<T>(T);

struct Board {
    epoch: AtomicUsize,
    /// None ends the members.
    task: UnsafeCell<Option<Task>>,
}

struct Seat {
    finished: AtomicUsize,
    /// What the last task returned.
    failure: AtomicI32,
    /// The caller, while it sleeps.
    caller: UnsafeCell<Option<Thread>>,
    notes: UnsafeCell<Vec<Note>>,
}

/// What the members of a team share.
pub(super) struct Meeting {
    board: Line<Board>,
    sleepers: Line<AtomicUsize>,
    seats: Box<[Line<Seat>]>,
    patience: Patience,
}

// SAFETY: the protocol above orders all accesses to `task`, `caller` and `notes`: each is written by one thread at a
// time, and read by others only after they have acquired what the writer released. Pointers of a task may be used by
// any thread: `Team::run` wants that of its caller.
unsafe impl Sync for Meeting {}
// SAFETY: as above; there are no thread-local resources inside.
unsafe impl Send for Meeting {}

impl Meeting {
    pub(super) fn new(n_workers: usize, patience: Patience) -> Meeting {
        let seat = |_| {
            Line(Seat {
                finished: AtomicUsize::new(0),
                failure: AtomicI32::new(0),
                caller: UnsafeCell::new(None),
                notes: UnsafeCell::new(Vec::new()),
            })
        };
        Meeting {
            board: Line(Board { epoch: AtomicUsize::new(0), task: UnsafeCell::new(None) }),
            sleepers: Line(AtomicUsize::new(0)),
            seats: (0..n_workers).map(seat).collect(),
            patience,
        }
    }

    /// Posts a task, or the end. Sleepers must be unparked afterwards, if there are any.
    ///
    /// # Safety
    /// One caller at a time; every member must have reported the task before. `epoch` is one more than that of the task
    /// before. A task's function must be safe to call for disjoint parts of its range at once, until all members
    /// have reported it.
    pub(super) unsafe fn post(&self, epoch: usize, task: Option<Task>) {
        // SAFETY: members read the task only between seeing its epoch and reporting it.
        unsafe { *self.board.0.task.get() = task };
        self.board.0.epoch.store(epoch, Ordering::SeqCst);
    }

    /// Whether somebody sleeps or is about to.
    pub(super) fn has_sleepers(&self) -> bool {
        self.sleepers.0.load(Ordering::SeqCst) > 0
    }

    /// The life of the member on that seat.
    pub(super) fn attend(&self, seat: usize) {
        for epoch in 1_usize.. {
            self.await_task(epoch);
            // SAFETY: the epoch has been read; the task is not overwritten before the report below.
            let Some(task) = (unsafe { *self.board.0.task.get() }) else { return };
            let share = share_of(&(task.low..task.high), task.n_members, seat + 1);
            let start = task.timed.map(|_| Instant::now());
            let mut failure = 0;
            if !share.is_empty() {
                let room = task.rooms.of(seat + 1);
                // SAFETY: `post` wants that of its caller; members' shares are disjoint, and so is their memory.
                failure = unsafe { (task.function)(task.arena, room, share.start, share.end) };
            }
            if let (Some(phase), Some(start)) = (task.timed, start) {
                // SAFETY: notes are this member's until it reports.
                let notes = unsafe { &mut *self.seats[seat].0.notes.get() };
                if !share.is_empty() && notes.len() < notes.capacity() {
                    notes.push(Note { phase, start, end: Instant::now() });
                }
            }
            self.report(seat, epoch, failure);
        }
    }

    fn await_task(&self, epoch: usize) {
        if self.patience.wait(|| self.board.0.epoch.load(Ordering::Acquire) == epoch) {
            return;
        }
        self.sleepers.0.fetch_add(1, Ordering::SeqCst);
        while self.board.0.epoch.load(Ordering::SeqCst) != epoch {
            std::thread::park();
        }
        self.sleepers.0.fetch_sub(1, Ordering::SeqCst);
    }

    fn report(&self, seat: usize, epoch: usize, failure: i32) {
        let Seat { finished, failure: result, caller, .. } = &self.seats[seat].0;
        result.store(failure, Ordering::Relaxed);
        let (now, before) = (reported(epoch), reported(epoch.wrapping_sub(1)));
        if finished.compare_exchange(before, now, Ordering::Release, Ordering::Acquire).is_ok() {
            return;
        }
        // SAFETY: the caller sleeps; it has written the handle before it made `finished` odd, which has been acquired,
        // and leaves it alone until the store below.
        let sleeping = unsafe { (*caller.get()).take() };
        finished.store(now, Ordering::Release);
        if let Some(caller) = sleeping {
            caller.unpark();
        }
    }

    /// Waits for the report of a task; gives its result.
    pub(super) fn await_report(&self, seat: usize, epoch: usize) -> i32 {
        let Seat { finished, failure, caller, .. } = &self.seats[seat].0;
        let (now, before) = (reported(epoch), reported(epoch.wrapping_sub(1)));
        let is_done = || finished.load(Ordering::Acquire) == now;
        if !self.patience.wait(is_done) {
            // SAFETY: the member takes the handle only when it finds `finished` odd, and it is made so below.
            unsafe { *caller.get() = Some(std::thread::current()) };
            // If the exchange fails, the report is there.
            if finished.compare_exchange(before, before + 1, Ordering::Release, Ordering::Acquire).is_ok() {
                while !is_done() {
                    std::thread::park();
                }
            }
        }
        failure.load(Ordering::Relaxed)
    }

    /// The notes of a member.
    ///
    /// # Safety
    /// The member must have reported the last task, no other may be posted, and nobody else may ask for these notes
    /// while the reference lives.
    #[expect(clippy::mut_from_ref, reason = "the caller promises exclusive access")]
    pub(super) unsafe fn notes(&self, seat: usize) -> &mut Vec<Note> {
        // SAFETY: the caller's promise; members write notes only while they have a task.
        unsafe { &mut *self.seats[seat].0.notes.get() }
    }
}

/// `finished` of a member that has reported up to that epoch.
fn reported(epoch: usize) -> usize {
    epoch.wrapping_mul(2)
}
