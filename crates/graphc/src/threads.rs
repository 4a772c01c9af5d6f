//! `--threads`, for every command that runs many steps.

use graphc_train::Loading;

/// How many threads run a step.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct ThreadsArg {
    /// Threads that run a step together; one per physical core unless given. Results are the same bits with any number.
    #[arg(long, value_name = "N", value_parser = crate::numbers::at_least_one, default_value_t = n_cores())]
    pub(crate) threads: usize,
}

impl ThreadsArg {
    /// Batches are prepared on a core that runs no step, if there is one. Where all do, a thread that prepares them stops one
    /// of those in the middle of a step, and the others wait for it.
    pub(crate) fn loading(self) -> Loading {
        let usable = std::thread::available_parallelism().map_or(1, usize::from);
        if usable > self.threads { Loading::Ahead } else { Loading::Between }
    }
}

/// Physical cores, as far as this process may use them.
fn n_cores() -> usize {
    let usable = std::thread::available_parallelism().map_or(1, usize::from);
    num_cpus::get_physical().clamp(1, usable)
}
