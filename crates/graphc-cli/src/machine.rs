//! How steps are run, for the commands that train.

use crate::isa::IsaArg;
use crate::threads::ThreadsArg;
use crate::tuned::TuningArg;
use graphc_driver::SessionOptions;

/// Results are the same bits whatever this says.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct MachineArgs {
    /// Which instructions to use; results are the same bits with each.
    #[arg(long, value_enum, default_value_t)]
    isa: IsaArg,
    #[command(flatten)]
    pub(crate) threads: ThreadsArg,
    #[command(flatten)]
    tuning: TuningArg,
    /// Compile with a bounds check on every memory access (slow).
    #[arg(long)]
    checked: bool,
}

impl MachineArgs {
    /// For a network with initial weights of that seed.
    pub(crate) fn session(self, seed: u64) -> SessionOptions {
        let MachineArgs { isa, threads, tuning, checked } = self;
        let (threads, tuning) = (threads.threads, tuning.tuning());
        SessionOptions { seed, checked, isa: isa.into(), threads, tuning, ..SessionOptions::default() }
    }
}
