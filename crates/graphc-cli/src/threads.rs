//! `--threads`, for every command that runs many steps.

use crate::numbers::{at_least_one, several_at_least_one};
use crate::{messages, words};
use graphc_driver::default_threads;
use graphc_train::Loading;
use std::fmt;
use std::str::FromStr;

/// How many threads run a step.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct ThreadsArg {
    /// Threads that run a step together; one per physical core that may be used unless given. While the machine is
    /// busy with other work, training and evaluation step on one if that is faster. Results are the same bits with
    /// any number.
    #[arg(long, value_name = "N", value_parser = at_least_one, default_value_t = default_threads())]
    pub(crate) threads: usize,
}

impl ThreadsArg {
    /// When batches are prepared.
    pub(crate) fn loading(self) -> Loading {
        Loading::beside(self.threads)
    }
}

/// Numbers of threads that a step is measured with in turn, at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ThreadCounts(pub(crate) Vec<usize>);

impl Default for ThreadCounts {
    fn default() -> ThreadCounts {
        ThreadCounts(vec![default_threads()])
    }
}

impl FromStr for ThreadCounts {
    type Err = String;

    fn from_str(text: &str) -> Result<ThreadCounts, String> {
        several_at_least_one(text).map(ThreadCounts)
    }
}

impl fmt::Display for ThreadCounts {
    /// As it is given: `1,2,4`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts: Vec<String> = self.0.iter().map(usize::to_string).collect();
        f.write_str(&counts.join(","))
    }
}

/// Says that the system gave fewer threads than asked for.
pub(crate) fn warn_if_fewer(asked: usize, got: usize) {
    if got < asked {
        let asked = words::counted(asked, "thread");
        messages::warning(&format!("the system gives no more than {got} of {asked} (see `ulimit -u` and `ulimit -v`)"));
    }
}
