//! The meeting of a team in every order of the steps of its threads, and with every value that a load may see.
//!
//! `meeting` and what it needs are compiled here a second time, from the same files, with atomics, cells and parking
//! of the model checker `loom` in place of those in `src/team/sync.rs`. Threads and tasks are two or three, or there
//! would be too many orders. Then the protocol is made wrong, one thing at a time, and that must be found: faults
//! which the code names, and every order of memory in it that is weakened to none.

#[path = "../src/team/meeting.rs"]
#[expect(dead_code, reason = "the model chooses its tree, and reads no times")]
mod meeting;
#[path = "../src/team/patience.rs"]
#[expect(dead_code, reason = "the model has little patience")]
mod patience;
#[path = "../src/team/rooms.rs"]
#[expect(dead_code, reason = "tasks of the model have no memory of their own")]
mod rooms;
#[path = "../src/team/shares.rs"]
mod shares;
#[path = "model/sync.rs"]
mod sync;

use loom::cell::UnsafeCell;
use meeting::{Meeting, Task};
use patience::Patience;
use rooms::Rooms;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use sync::{Fault, Plan, Site};

/// What is tried in all orders.
#[derive(Clone, Copy, Debug)]
struct Case {
    n_members: usize,
    fan: usize,
    patience: Patience,
    n_tasks: usize,
    /// How often threads are interrupted in one order at most; without a bound, in every order.
    n_interruptions: Option<usize>,
}

/// One member beside the caller, in every order.
const PAIR: Case = Case { n_members: 2, fan: 4, patience: Patience::NONE, n_tasks: 1, n_interruptions: None };
const SHORT_PAIR: Case = Case { n_interruptions: Some(3), ..PAIR };
const LONG_PAIR: Case = Case { n_tasks: 3, n_interruptions: Some(3), ..PAIR };
/// A caller with two children.
const FLAT: Case = Case { n_members: 3, fan: 2, n_interruptions: Some(2), ..PAIR };
const LONG_FLAT: Case = Case { n_tasks: 2, n_interruptions: Some(1), ..FLAT };
/// A member that waits for another before it reports.
const CHAIN: Case = Case { fan: 1, ..FLAT };
const LONG_CHAIN: Case = Case { fan: 1, ..LONG_FLAT };
const CASES: [Case; 6] = [PAIR, LONG_PAIR, FLAT, LONG_FLAT, CHAIN, LONG_CHAIN];

/// Each case with threads that look once more before they sleep.
fn with_looks(cases: &[Case]) -> Vec<Case> {
    let looking = |case: &Case| [*case, Case { patience: Patience::ONE_LOOK, ..*case }];
    cases.iter().flat_map(looking).collect()
}

/// A word for each member; `loom` finds accesses that nothing orders.
struct Words(Vec<UnsafeCell<u64>>);

/// Writes the words of a share: from the word that the member before has made in the task before.
unsafe extern "C" fn rotate(arena: *mut u8, _: *mut u8, low: i64, high: i64) -> i32 {
    // SAFETY: `run` gives such a pointer and waits.
    let Words(words) = unsafe { &*arena.cast_const().cast::<Words>() };
    let n = (words.len() - 1) / 2;
    // SAFETY: `loom` watches these accesses.
    let parity = words[2 * n].with(|word| unsafe { *word }) as usize % 2;
    for i in low as usize..high as usize {
        // SAFETY: as above.
        let before = words[parity * n + (i + n - 1) % n].with(|word| unsafe { *word });
        // SAFETY: as above.
        words[(1 - parity) * n + i].with_mut(|word| unsafe { *word = 31 * before + i as u64 });
    }
    // Every member but the caller fails, with another code each time.
    if low == 0 { 0 } else { 10 * low as i32 + parity as i32 }
}

/// Some tasks on a team, then its end; panics if a word or a result is wrong.
fn run(case: Case) {
    let waking = sync::begin();
    let n = case.n_members;
    let meeting = Arc::new(Meeting::with_fan(n - 1, case.patience, case.fan));
    let attend = |member| {
        let (meeting, waking) = (Arc::clone(&meeting), waking.clone());
        loom::thread::spawn(move || {
            meeting.attend(member);
            drop(waking);
        })
    };
    let workers: Vec<_> = (1..n).map(attend).collect();
    let wake = || workers.iter().for_each(|worker| sync::Thread::of(worker.thread()).unpark());
    let mut words = Words((0..=2 * n).map(|_| UnsafeCell::new(0)).collect());
    let mut expected = vec![0; 2 * n];
    for task in 0..case.n_tasks {
        // SAFETY: the caller's own word; `loom` watches.
        words.0[2 * n].with_mut(|word| unsafe { *word = task as u64 });
        let arena = (&raw mut words).cast::<u8>();
        let rooms = Rooms { first: std::ptr::null_mut(), stride: 0 };
        let task_of_all = Task { function: rotate, arena, rooms, low: 0, high: n as i64, timed: None };
        // SAFETY: one caller, epochs in order; shares write disjoint words, and `loom` watches.
        let code = unsafe { meeting.lead(task + 1, task_of_all, wake) };
        assert_eq!(code, 10 + task as i32 % 2, "the result of the lowest member that failed");
        let (from, to) = if task % 2 == 0 { (0, n) } else { (n, 0) };
        for i in 0..n {
            expected[to + i] = 31 * expected[from + (i + n - 1) % n] + i as u64;
            // SAFETY: everybody has reported; `loom` watches.
            assert_eq!(words.0[to + i].with(|word| unsafe { *word }), expected[to + i]);
        }
    }
    // SAFETY: as above.
    unsafe { meeting.end(case.n_tasks + 1, wake) };
    // `loom` waits for the members; in a `join` a late `unpark` would disturb it.
}

/// Whether all orders of a case are right with what is planned; then the sites at which memory is ordered.
fn holds(case: Case, plan: Plan) -> (bool, BTreeSet<Site>) {
    sync::set(plan);
    let mut model = loom::model::Builder::new();
    model.preemption_bound = case.n_interruptions;
    let found = catch_unwind(AssertUnwindSafe(|| model.check(move || run(case))));
    (found.is_ok(), sync::sites())
}

#[test]
fn members_meet_in_every_order() {
    for case in with_looks(&CASES) {
        assert!(holds(case, Plan::default()).0, "{case:?}");
    }
    let plan = Plan { waking_is_a_step: true, ..Plan::default() };
    assert!(holds(SHORT_PAIR, plan).0, "{plan:?}");
}

#[test]
fn planted_faults_are_found() {
    let faults = [Fault::NoSecondLook, Fault::EpochBeforeTask, Fault::SleepersBeforeEpoch, Fault::ReportBeforeChildren];
    for fault in faults {
        let plan = Plan { fault: Some(fault), ..Plan::default() };
        assert!([PAIR, CHAIN].iter().any(|&case| !holds(case, plan).0), "nobody notices {fault:?}");
    }
}

/// Every acquire and release is needed.
#[test]
fn weaker_orders_are_found() {
    let (is_right, sites) = holds(LONG_PAIR, Plan::default());
    assert!(is_right && sites.len() == 11, "{sites:?}");
    for weak in sites {
        let plan = Plan { weak: Some(weak), ..Plan::default() };
        let is_found = !holds(PAIR, plan).0 || !holds(SHORT_PAIR, Plan { waking_is_a_step: true, ..plan }).0;
        assert!(is_found, "nobody notices {weak:?}");
    }
}
