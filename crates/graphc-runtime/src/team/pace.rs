//! Whether steps run on all members of a team or on the caller alone: whichever takes less time.
//!
//! Where other processes want cores too, a member loses its core for milliseconds in the middle of a step of
//! microseconds, and all others wait for it: two threads on two cores beside a single busy process take twice as long
//! as one thread, with four such processes five times as long. A program without enough work for two is slower
//! together, too. So steps are timed, and now and then some are made the other way. Results are the same bits either
//! way.
//!
//! [`Pace`] is a function of the times of steps alone: it reads no clock, so that its decisions can be tested.
//!
//! - Together, the mean of a window of steps is compared with what a step alone took last, which is asked every second
//!   by making a few that way. If that was less in three windows in a row, steps are made alone from then on.
//! - Alone, some steps are made together after a tenth of a second, then after twice that, up to a second: most loads
//!   last a moment, and one that stays shall not cost much. The tenth holds again once together has lasted for a
//!   second.
//! - Back together, the first slow window ends it, and the next question is a longer one: members that have slept are
//!   given cores readily at first.
//! - Together is left only for steps alone that take less than three quarters of its time; alone for less than 95%.
//!
//! Rejected: looking at the load of the machine or at lost cores. Neither says whether steps would be faster alone, and
//! a step of many milliseconds is not, on two cores with three threads that want them.

use std::time::Duration;

/// Who runs a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// All members of the team.
    Together,
    /// The caller.
    Alone,
}

impl Way {
    fn other(self) -> Way {
        match self {
            Way::Together => Way::Alone,
            Way::Alone => Way::Together,
        }
    }
}

/// Some steps.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    n_steps: u32,
    time: Duration,
}

impl Tally {
    fn add(&mut self, took: Duration) {
        self.n_steps += 1;
        self.time += took;
    }

    fn mean(&self) -> f64 {
        self.time.as_secs_f64() / f64::from(self.n_steps.max(1))
    }

    fn has(&self, n_steps: u32, time: Duration) -> bool {
        self.n_steps >= n_steps && self.time >= time
    }
}

/// The first question is asked after so many steps that took [`FIRST_TIME`], or as soon as they take
/// [`FIRST_LONG_TIME`]; as much is let pass before.
const FIRST_STEPS: u32 = 4;
const FIRST_TIME: Duration = Duration::from_millis(20);
const FIRST_LONG_TIME: Duration = Duration::from_millis(20);

/// Steps together are compared in windows of so much time, be it a single step: longer than the turns that processes
/// are given.
const WINDOW_TIME: Duration = Duration::from_millis(40);

/// So many windows in a row must be slower than steps alone before together is left: a core that is lost once is soon
/// back.
const BAD_WINDOWS: u32 = 3;

/// A trial takes the time of so many steps of the way that is kept, and at least [`ALONE_TIME`] alone, or
/// [`TOGETHER_TIME`] together, doubled as often as together has soon turned out slower than its trial.
const TRIAL_STEPS: f64 = 3.0;
const ALONE_TIME: Duration = Duration::from_millis(2);
const TOGETHER_TIME: Duration = Duration::from_millis(10);
const MOST_DOUBLINGS: u32 = 3;
/// A trial that takes so long has an answer, unless it takes longer for being fast.
const LONGEST_TRIAL: Duration = Duration::from_millis(30);

/// Time between questions, and together the time after which nothing is left of an earlier load.
const INTERVAL: Duration = Duration::from_secs(1);
/// The same in steps, for steps that are long themselves.
const FEWEST_BETWEEN: f64 = 50.0;
/// The first questions of steps alone are asked sooner.
const SHORTEST_RETREAT: Duration = Duration::from_millis(100);
/// An answer is too old to leave together for after so long; a return to together is judged by single windows until
/// then.
const FRESH: Duration = Duration::from_millis(250);

/// A way is left for one that takes less than this part of its time: together for alone only where much is gained,
/// since one core lost for a moment makes it seem slower, and a core that is taken for good costs half and more.
const WORTH_ALONE: f64 = 0.75;
const WORTH_TOGETHER: f64 = 0.95;

/// What the steps of one program have taken, and what follows for the next one.
#[derive(Clone, Debug)]
pub(crate) struct Pace {
    way: Way,
    /// Steps of that way in this window.
    window: Tally,
    /// Steps of the other way, while it is tried.
    trial: Option<Tally>,
    /// Mean seconds of the last window.
    reference: f64,
    /// Mean seconds of a step alone when last asked.
    alone: Option<f64>,
    /// Time of steps since the last answer, and since this way was taken.
    since_answer: Duration,
    since_change: Duration,
    /// Time of steps alone before together is tried again.
    retreat: Duration,
    /// Whether the first steps are over: they take memory and fill caches, and say nothing.
    is_warm: bool,
    /// Whether steps are together again after some alone.
    is_back: bool,
    /// Windows in a row that were slower than steps alone.
    n_bad: u32,
    /// How often together has soon turned out slower than its trial.
    n_fooled: u32,
}

impl Pace {
    /// Of a program that has made no step, on a team that makes them that way.
    pub(crate) fn new(way: Way) -> Pace {
        Pace {
            way,
            window: Tally::default(),
            trial: None,
            reference: 0.0,
            alone: None,
            since_answer: Duration::ZERO,
            since_change: Duration::ZERO,
            retreat: SHORTEST_RETREAT,
            is_warm: false,
            is_back: false,
            n_bad: 0,
            n_fooled: 0,
        }
    }

    /// How the next step is to be made.
    pub(crate) fn next(&self) -> Way {
        if self.trial.is_some() { self.way.other() } else { self.way }
    }

    /// The way that has been found to be better.
    pub(crate) fn preferred(&self) -> Way {
        self.way
    }

    /// Takes in the time of a step that was made as [`Pace::next`] said; true if another way is preferred from now on.
    pub(crate) fn note(&mut self, took: Duration) -> bool {
        if let Some(mut trial) = self.trial {
            trial.add(took);
            self.trial = Some(trial);
            return self.judge(trial);
        }
        self.window.add(took);
        self.since_answer += took;
        self.since_change += took;
        match self.way {
            Way::Together => self.look_together(),
            Way::Alone => {
                if self.since_answer >= self.no_sooner(self.retreat) {
                    self.ask();
                }
                false
            }
        }
    }

    fn look_together(&mut self) -> bool {
        let Some(alone) = self.alone else {
            if self.window.has(FIRST_STEPS, FIRST_TIME) || self.window.time >= FIRST_LONG_TIME {
                if self.is_warm {
                    self.ask();
                } else {
                    self.is_warm = true;
                    self.window = Tally::default();
                }
            }
            return false;
        };
        if self.window.time < WINDOW_TIME {
            return false;
        }
        if WORTH_ALONE * self.window.mean() > alone {
            self.n_bad += 1;
            let is_fooled = self.is_back && self.since_change < FRESH;
            if is_fooled {
                self.n_fooled = MOST_DOUBLINGS.min(self.n_fooled + 1);
            }
            if is_fooled || self.n_bad >= BAD_WINDOWS {
                if self.since_answer < FRESH {
                    self.take(Way::Alone);
                    return true;
                }
                self.ask();
                return false;
            }
        } else {
            self.n_bad = 0;
        }
        if self.since_change >= INTERVAL {
            (self.retreat, self.n_fooled) = (SHORTEST_RETREAT, 0);
        }
        if self.since_answer >= self.no_sooner(INTERVAL) {
            self.ask();
        } else {
            self.window = Tally::default();
        }
        false
    }

    /// That time, or that of [`FEWEST_BETWEEN`] steps.
    fn no_sooner(&self, time: Duration) -> Duration {
        time.max(Duration::from_secs_f64(FEWEST_BETWEEN * self.window.mean()))
    }

    /// Has the next steps made the other way.
    fn ask(&mut self) {
        self.reference = self.window.mean();
        self.trial = Some(Tally::default());
        self.window = Tally::default();
    }

    fn judge(&mut self, trial: Tally) -> bool {
        let (mean, reference) = (trial.mean(), self.reference);
        let (least, worth_it) = match self.way {
            Way::Together => (ALONE_TIME, WORTH_ALONE * reference),
            Way::Alone => (TOGETHER_TIME * 2_u32.pow(self.n_fooled), WORTH_TOGETHER * reference),
        };
        let enough = least.max(Duration::from_secs_f64(TRIAL_STEPS * reference));
        let is_lost = trial.time >= LONGEST_TRIAL && mean >= worth_it;
        if trial.time < enough && !is_lost {
            return false;
        }
        self.trial = None;
        self.since_answer = Duration::ZERO;
        match self.way {
            // Windows of steps together decide.
            Way::Together => self.alone = Some(mean),
            Way::Alone => {
                self.alone = Some(reference);
                self.retreat = INTERVAL.min(2 * self.retreat);
                if mean < worth_it {
                    self.take(Way::Together);
                    return true;
                }
            }
        }
        false
    }

    fn take(&mut self, way: Way) {
        self.way = way;
        self.is_back = way == Way::Together;
        self.window = Tally::default();
        self.since_answer = Duration::ZERO;
        self.since_change = Duration::ZERO;
        self.n_bad = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Steps of a machine that takes so many microseconds together and alone, for that many milliseconds; the share of
    /// their time that was spent alone.
    fn run(pace: &mut Pace, together: u64, alone: u64, ms: u64) -> f64 {
        let (mut time, mut time_alone) = (Duration::ZERO, Duration::ZERO);
        while time < Duration::from_millis(ms) {
            let way = pace.next();
            let took = Duration::from_micros(if way == Way::Together { together } else { alone });
            time += took;
            time_alone += if way == Way::Alone { took } else { Duration::ZERO };
            pace.note(took);
        }
        time_alone.as_secs_f64() / time.as_secs_f64()
    }

    #[test]
    fn an_idle_machine_steps_together() {
        let mut pace = Pace::new(Way::Together);
        let alone = run(&mut pace, 560, 1040, 1_000);
        assert!(alone > 0.0 && alone < 0.005, "a few steps are made alone: {alone}");
        let alone = run(&mut pace, 560, 1040, 60_000);
        assert!(alone > 0.0 && alone < 0.005, "it is asked rarely: {alone}");
        assert_eq!(pace.preferred(), Way::Together);
    }

    #[test]
    fn a_busy_machine_steps_alone_from_the_first_steps_on() {
        for (together, alone) in [(2_100, 1_060), (12_000, 2_500), (40_000, 2_500)] {
            let mut pace = Pace::new(Way::Together);
            run(&mut pace, together, alone, 8 * together / 1_000 + 170);
            assert_eq!(pace.preferred(), Way::Alone, "{together} {alone}");
            // Asked every second, at last: at most 30 ms and the step that exceeds them.
            let share = run(&mut pace, together, alone, 20_000);
            assert!(share < 0.999 && share > 0.92, "{together} {alone}: {share}");
        }
    }

    #[test]
    fn load_that_comes_and_goes_is_followed() {
        let mut pace = Pace::new(Way::Together);
        run(&mut pace, 560, 1_040, 30_000);
        run(&mut pace, 2_100, 1_060, 90);
        assert_eq!(pace.preferred(), Way::Together, "it may be gone at once");
        run(&mut pace, 2_100, 1_060, 130);
        assert_eq!(pace.preferred(), Way::Alone, "three windows suffice, and one after the answer, which was old");
        run(&mut pace, 2_100, 1_060, 3_000);
        assert_eq!(pace.preferred(), Way::Alone);
        run(&mut pace, 560, 1_040, 1_100);
        assert_eq!(pace.preferred(), Way::Together, "asked after a second");
        // Steps alone would be slower than they were, but not as slow as together.
        run(&mut pace, 1_600, 900, 800);
        assert_eq!(pace.preferred(), Way::Alone, "steps have become slower, so it is asked again");
    }

    /// Bursts of another process are waited out alone, and steps are together again soon after each.
    #[test]
    fn bursts_cost_little_more_than_they_take() {
        let mut pace = Pace::new(Way::Together);
        run(&mut pace, 560, 1_040, 5_000);
        for _ in 0..10 {
            run(&mut pace, 2_100, 1_060, 150);
            let alone = run(&mut pace, 560, 1_040, 850);
            assert!(alone < 0.2, "{alone}");
        }
        for _ in 0..100 {
            let alone = run(&mut pace, 2_100, 1_060, 20) + run(&mut pace, 560, 1_040, 80);
            assert!(alone < 0.1, "short ones are not noticed: {alone}");
        }
    }

    /// A few steps together are fast by chance each time: the cost is a window every second.
    #[test]
    fn a_lucky_trial_is_soon_found_out() {
        let mut pace = Pace::new(Way::Alone);
        let (mut time, mut n_lucky) = (Duration::ZERO, 0);
        let mut time_together = Duration::ZERO;
        while time < Duration::from_secs(20) {
            let is_trial = pace.next() != pace.preferred();
            let took = Duration::from_micros(match (pace.next(), is_trial) {
                (Way::Together, true) => 600,
                (Way::Together, false) => 2_100,
                (Way::Alone, _) => 1_060,
            });
            time += took;
            time_together += if pace.next() == Way::Together { took } else { Duration::ZERO };
            n_lucky += u32::from(pace.note(took) && pace.preferred() == Way::Together);
        }
        assert!(n_lucky >= 15, "{n_lucky}");
        // 80 ms of trial and a window of 40 ms, at last.
        assert!(time_together < Duration::from_millis(2_400), "{time_together:?}");
    }

    #[test]
    fn steps_too_short_for_two_are_made_alone() {
        let mut pace = Pace::new(Way::Together);
        run(&mut pace, 15, 9, 200);
        assert_eq!(pace.preferred(), Way::Alone);
    }

    #[test]
    fn what_makes_no_difference_is_left_as_it_is() {
        for way in [Way::Together, Way::Alone] {
            let mut pace = Pace::new(way);
            run(&mut pace, 1_000, 980, 5_000);
            assert!(pace.preferred() == way || pace.preferred() == Way::Alone, "no way back for 2%");
            run(&mut pace, 980, 1_000, 5_000);
            assert!(pace.preferred() == Way::Alone || way == Way::Together);
        }
    }

    #[test]
    fn long_steps_are_judged_one_by_one() {
        let mut pace = Pace::new(Way::Together);
        let share = run(&mut pace, 500_000, 1_000_000, 60_000);
        assert!(share < 0.06, "{share}");
        assert_eq!(pace.preferred(), Way::Together);
    }
}
