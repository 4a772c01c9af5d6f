//! What the meeting of a team is made of: atomics, cells, parking, the clock's stand-in.
//!
//! The model checker compiles `meeting`, `claims` and `patience` a second time, with a module of the same names whose
//! atomics and cells try every order of steps and every value that a load may see: `tests/model.rs`. So what is
//! checked is what runs.

pub(super) use std::hint::spin_loop;
pub(super) use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
pub(super) use std::thread::{Thread, current, park, yield_now};

/// A value that threads share by a protocol of their own.
pub(super) struct Shared<T>(std::cell::UnsafeCell<T>);

impl<T> Shared<T> {
    pub(super) fn new(value: T) -> Shared<T> {
        Shared(std::cell::UnsafeCell::new(value))
    }

    /// Gives the value to read.
    ///
    /// # Safety
    /// Nobody may write it at the same time.
    pub(super) unsafe fn with<R>(&self, read: impl FnOnce(&T) -> R) -> R {
        // SAFETY: the caller's promise.
        read(unsafe { &*self.0.get() })
    }

    /// Gives the value to change.
    ///
    /// # Safety
    /// Nobody may read or write it at the same time.
    pub(super) unsafe fn with_mut<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        // SAFETY: the caller's promise.
        change(unsafe { &mut *self.0.get() })
    }
}

/// Faults that the model checker plants, to see that it finds them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// A member that has counted itself as a sleeper parks without looking at the epoch again.
    NoSecondLook,
    /// The epoch is raised before the task is written.
    EpochBeforeTask,
    /// The caller looks for sleepers before it raises the epoch.
    SleepersBeforeEpoch,
    /// A member reports before its children have.
    ReportBeforeChildren,
    /// What is left of a share is read and written in two steps.
    ClaimsByStores,
    /// What was left in an earlier round is taken for what is left in this one.
    WordsOfAnyRound,
    /// A member's result counts by its number, not by the iteration that failed.
    OutcomesOfMembers,
}

/// Whether there is that fault.
#[inline(always)]
pub(super) const fn is_planted(_: Fault) -> bool {
    false
}
