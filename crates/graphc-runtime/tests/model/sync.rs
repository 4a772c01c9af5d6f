//! The names of `src/team/sync.rs`, for the model checker, and what is planted.

pub(crate) use loom::hint::spin_loop;
pub(crate) use loom::sync::atomic::Ordering;
pub(crate) use loom::thread::{park, yield_now};

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::panic::Location;
use std::rc::{Rc, Weak};

/// As in `src/team/sync.rs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    NoSecondLook,
    EpochBeforeTask,
    SleepersBeforeEpoch,
    ReportBeforeChildren,
    ClaimsByStores,
    WordsOfAnyRound,
    OutcomesOfMembers,
}

/// An order of memory in the source: line, column, and which one of an exchange's two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Site(u32, u32, &'static str);

/// What is wrong.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Plan {
    pub(crate) fault: Option<Fault>,
    /// There, nothing is ordered.
    pub(crate) weak: Option<Site>,
    /// `loom` takes a store and the waking behind it for one step, and what is waked for somebody who has seen the
    /// store. Here, loads are tried before and behind every waking.
    pub(crate) waking_is_a_step: bool,
}

// The threads of a model are coroutines of one thread.
thread_local! {
    static PLAN: Cell<Plan> = const { Cell::new(Plan { fault: None, weak: None, waking_is_a_step: false }) };
    static WAKING: RefCell<Weak<loom::sync::atomic::AtomicUsize>> = const { RefCell::new(Weak::new()) };
    static SITES: RefCell<BTreeSet<Site>> = const { RefCell::new(BTreeSet::new()) };
}

pub(crate) fn set(plan: Plan) {
    PLAN.set(plan);
    SITES.take();
}

/// Where memory was ordered since the plan was set.
pub(crate) fn sites() -> BTreeSet<Site> {
    SITES.take()
}

pub(crate) fn is_planted(fault: Fault) -> bool {
    PLAN.get().fault == Some(fault)
}

/// Begins one order of steps, all of whose threads keep what this gives.
pub(crate) fn begin() -> Option<Rc<loom::sync::atomic::AtomicUsize>> {
    let waking = PLAN.get().waking_is_a_step.then(|| Rc::new(loom::sync::atomic::AtomicUsize::new(0)));
    WAKING.set(waking.as_ref().map(Rc::downgrade).unwrap_or_default());
    waking
}

/// A step of its own whose place among all others like it is tried.
fn touch_waking() {
    let waking = WAKING.with_borrow(Weak::upgrade);
    if let Some(waking) = waking {
        waking.fetch_add(1, Ordering::Relaxed);
    }
}

pub(crate) struct Thread(loom::thread::Thread);

impl Thread {
    pub(crate) fn of(thread: &loom::thread::Thread) -> Thread {
        Thread(thread.clone())
    }

    pub(crate) fn unpark(&self) {
        touch_waking();
        self.0.unpark();
    }
}

pub(crate) fn current() -> Thread {
    Thread(loom::thread::current())
}

/// The order to be used at a place.
fn planned(order: Ordering, place: &Location<'_>, which: &'static str) -> Ordering {
    if order == Ordering::Relaxed {
        return order;
    }
    let site = Site(place.line(), place.column(), which);
    SITES.with_borrow_mut(|sites| sites.insert(site));
    if PLAN.get().weak == Some(site) { Ordering::Relaxed } else { order }
}

macro_rules! atomic {
    ($name:ident, $word:ty) => {
        pub(crate) struct $name(loom::sync::atomic::$name);

        impl $name {
            pub(crate) fn new(word: $word) -> $name {
                $name(loom::sync::atomic::$name::new(word))
            }

            #[track_caller]
            pub(crate) fn load(&self, order: Ordering) -> $word {
                touch_waking();
                self.0.load(planned(order, Location::caller(), "load"))
            }

            #[track_caller]
            pub(crate) fn store(&self, word: $word, order: Ordering) {
                self.0.store(word, planned(order, Location::caller(), "store"));
            }

            #[track_caller]
            pub(crate) fn compare_exchange(
                &self,
                before: $word,
                after: $word,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$word, $word> {
                let place = Location::caller();
                let (success, failure) = (planned(success, place, "success"), planned(failure, place, "failure"));
                self.0.compare_exchange(before, after, success, failure)
            }
        }
    };
}

atomic!(AtomicUsize, usize);
atomic!(AtomicU64, u64);

impl AtomicUsize {
    #[track_caller]
    pub(crate) fn fetch_add(&self, word: usize, order: Ordering) -> usize {
        self.0.fetch_add(word, planned(order, Location::caller(), "add"))
    }

    #[track_caller]
    pub(crate) fn fetch_sub(&self, word: usize, order: Ordering) -> usize {
        self.0.fetch_sub(word, planned(order, Location::caller(), "subtract"))
    }
}

/// A value that threads share by a protocol of their own; accesses that nothing orders are found.
pub(crate) struct Shared<T>(loom::cell::UnsafeCell<T>);

impl<T> Shared<T> {
    pub(crate) fn new(value: T) -> Shared<T> {
        Shared(loom::cell::UnsafeCell::new(value))
    }

    pub(crate) unsafe fn with<R>(&self, read: impl FnOnce(&T) -> R) -> R {
        // SAFETY: the caller's promise, which `loom` watches.
        self.0.with(|value| read(unsafe { &*value }))
    }

    pub(crate) unsafe fn with_mut<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        // SAFETY: the caller's promise, which `loom` watches.
        self.0.with_mut(|value| change(unsafe { &mut *value }))
    }
}
