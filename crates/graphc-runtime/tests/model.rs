//! The meeting of a team in every order of the steps of its threads, and with every value that a load may see.
//!
//! `meeting` and what it needs are compiled here a second time, from the same files, with atomics, cells and parking
//! of the model checker `loom` in place of those in `src/team/sync.rs`. Threads and tasks are two or three, or there
//! would be too many orders. Then the protocol is made wrong, one thing at a time, and that must be found: faults
//! which the code names, and every order of memory in it that is weakened to none.

#[path = "../src/team/claims.rs"]
mod claims;
#[path = "../src/team/line.rs"]
mod line;
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
use std::num::NonZero;
use std::ops::Range;
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
    /// Iterations of a task; those of more than there are members are claimed.
    n_iterations: usize,
    /// Iterations before the first that fails; all behind it do as well.
    n_fine: usize,
    /// How often threads are interrupted in one order at most; without a bound, in every order.
    n_interruptions: Option<usize>,
}

/// One member beside the caller, in every order.
const PAIR: Case = Case {
    n_members: 2,
    fan: 4,
    patience: Patience::NONE,
    n_tasks: 1,
    n_iterations: 2,
    n_fine: 1,
    n_interruptions: None,
};
const SHORT_PAIR: Case = Case { n_interruptions: Some(3), ..PAIR };
const LONG_PAIR: Case = Case { n_tasks: 3, n_interruptions: Some(3), ..PAIR };
/// A caller with two children.
const FLAT: Case = Case { n_members: 3, fan: 2, n_iterations: 3, n_interruptions: Some(2), ..PAIR };
const LONG_FLAT: Case = Case { n_tasks: 2, n_interruptions: Some(1), ..FLAT };
/// A member that waits for another before it reports.
const CHAIN: Case = Case { fan: 1, ..FLAT };
const LONG_CHAIN: Case = Case { fan: 1, ..LONG_FLAT };
const CASES: [Case; 6] = [PAIR, LONG_PAIR, FLAT, LONG_FLAT, CHAIN, LONG_CHAIN];

/// Both claim iterations, and relieve each other.
const CLAIMS: Case = Case { n_iterations: 4, n_fine: 4, n_interruptions: Some(2), ..PAIR };
const LONG_CLAIMS: Case = Case { n_iterations: 3, n_fine: 3, n_tasks: 2, ..CLAIMS };
/// All of the other's share fails, whoever runs it.
const FAILING_CLAIMS: Case = Case { n_fine: 2, ..CLAIMS };
/// Three claim.
const CLAIMS_OF_THREE: Case = Case { n_iterations: 4, n_fine: 4, n_interruptions: Some(0), ..FLAT };
const CLAIMING: [Case; 4] = [CLAIMS, LONG_CLAIMS, FAILING_CLAIMS, CLAIMS_OF_THREE];

/// Each case with threads that look once more before they sleep.
fn with_looks(cases: &[Case]) -> Vec<Case> {
    let looking = |case: &Case| [*case, Case { patience: Patience::ONE_LOOK, ..*case }];
    cases.iter().flat_map(looking).collect()
}

/// What tasks work on; `loom` finds accesses that nothing orders.
struct Words {
    /// Two of each iteration.
    words: Vec<UnsafeCell<u64>>,
    /// The number of the task, which the caller writes.
    task: UnsafeCell<usize>,
    n_fine: usize,
}

/// [`rotate`], as code of a phase: what `loom` finds must not unwind through it.
unsafe extern "C" fn rotate_or_race(arena: *mut u8, _: *mut u8, low: i64, high: i64) -> i32 {
    // SAFETY: `run` gives such a pointer and waits.
    let words = unsafe { &*arena.cast_const().cast::<Words>() };
    catch_unwind(AssertUnwindSafe(|| rotate(words, low as usize..high as usize))).unwrap_or(RACE)
}

/// The code of accesses that nothing orders.
const RACE: i32 = -1;

/// Writes the words of some iterations: from the word that the iteration before has made in the task before.
fn rotate(Words { words, task, n_fine }: &Words, iterations: Range<usize>) -> i32 {
    // SAFETY: `loom` watches these accesses.
    let parity = task.with(|task| unsafe { *task }) % 2;
    let n = words.len() / 2;
    for i in iterations.clone() {
        // SAFETY: as above.
        let before = words[parity * n + (i + n - 1) % n].with(|word| unsafe { *word });
        // SAFETY: as above.
        words[(1 - parity) * n + i].with_mut(|word| unsafe { *word = 31 * before + i as u64 });
    }
    if iterations.start >= *n_fine { code_of(iterations.start, parity) } else { 0 }
}

/// What an iteration that fails returns.
fn code_of(iteration: usize, task: usize) -> i32 {
    (10 * iteration + task % 2) as i32
}

/// Some tasks on a team, then its end; panics if a word or a result is wrong.
fn run(case: Case) {
    let waking = sync::begin();
    let Case { n_members, n_iterations: n, n_fine, .. } = case;
    let meeting = Arc::new(Meeting::with_fan(n_members - 1, case.patience, case.fan));
    let attend = |member| {
        let (meeting, waking) = (Arc::clone(&meeting), waking.clone());
        loom::thread::spawn(move || {
            meeting.attend(member);
            drop(waking);
        })
    };
    let workers: Vec<_> = (1..n_members).map(attend).collect();
    let wake = || workers.iter().for_each(|worker| sync::Thread::of(worker.thread()).unpark());
    let words = (0..2 * n).map(|_| UnsafeCell::new(0)).collect();
    let mut words = Words { words, task: UnsafeCell::new(0), n_fine };
    let mut expected = vec![0; 2 * n];
    let is_claimed = n > n_members;
    for task in 0..case.n_tasks {
        // SAFETY: the caller's own word; `loom` watches.
        words.task.with_mut(|word| unsafe { *word = task });
        let arena = (&raw mut words).cast::<u8>();
        let rooms = Rooms { first: std::ptr::null_mut(), stride: 0 };
        let round = NonZero::new(task as u16 + 1).filter(|_| is_claimed);
        let task_of_all = Task { function: rotate_or_race, arena, rooms, low: 0, high: n as i64, timed: None, round };
        // SAFETY: one caller, epochs and rounds in order; iterations write disjoint words, and `loom` watches.
        let code = unsafe { meeting.lead(task + 1, task_of_all, wake) };
        let expected_code = if n_fine < n { code_of(n_fine, task) } else { 0 };
        assert_eq!(code, expected_code, "the result of the lowest iteration that failed");
        let (from, to) = if task % 2 == 0 { (0, n) } else { (n, 0) };
        for i in 0..n {
            expected[to + i] = 31 * expected[from + (i + n - 1) % n] + i as u64;
            // SAFETY: everybody has reported; `loom` watches.
            let word = words.words[to + i].with(|word| unsafe { *word });
            // Who has failed claims no more.
            assert!(word == expected[to + i] || (is_claimed && i > n_fine), "iteration {i} of task {task}");
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
fn iterations_are_claimed_in_every_order() {
    for case in CLAIMING {
        assert!(holds(case, Plan::default()).0, "{case:?}");
    }
}

#[test]
fn planted_faults_are_found() {
    let of_meeting =
        [Fault::NoSecondLook, Fault::EpochBeforeTask, Fault::SleepersBeforeEpoch, Fault::ReportBeforeChildren];
    let of_claims = [Fault::ClaimsByStores, Fault::WordsOfAnyRound, Fault::OutcomesOfMembers];
    let cases = [(of_meeting.as_slice(), [PAIR, CHAIN]), (of_claims.as_slice(), [LONG_CLAIMS, FAILING_CLAIMS])];
    for (faults, cases) in cases {
        for &fault in faults {
            let plan = Plan { fault: Some(fault), ..Plan::default() };
            assert!(cases.iter().any(|&case| !holds(case, plan).0), "nobody notices {fault:?}");
        }
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
