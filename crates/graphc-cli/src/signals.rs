//! Signals that ask a training to stop.
//!
//! Ctrl-C (SIGINT), `kill` (SIGTERM) and a terminal that closes (SIGHUP) ask alike: the current step is finished and
//! the run folder written. A second Ctrl-C stops at once; a second one of the others does not, since service managers,
//! `timeout` and shells send them twice. What the parent process wants ignored (`nohup`) stays ignored.

use crate::error::CliError;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

/// Whether to stop, and who asked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stop {
    asked: Arc<AtomicBool>,
    signal: Arc<AtomicI32>,
}

impl Stop {
    /// Set when the training is to stop, by a signal or by anybody else.
    pub(crate) fn flag(&self) -> &AtomicBool {
        &self.asked
    }

    /// The first signal that came, if one did.
    pub(crate) fn signal(&self) -> Option<i32> {
        Some(self.signal.load(Ordering::Relaxed)).filter(|&signal| signal != 0)
    }
}

/// What shells report for a program that a signal ended.
pub(crate) fn exit_code(signal: i32) -> u8 {
    128u8.saturating_add(u8::try_from(signal).unwrap_or(u8::MAX))
}

/// What shells report for a program that wrote to a pipe nobody reads (SIGPIPE).
pub(crate) const CLOSED_PIPE: u8 = 128 + 13;

#[cfg(unix)]
pub(crate) use unix::{name, outlive_size_limit, stop_on_signals};

#[cfg(unix)]
mod unix {
    use super::{AtomicBool, CliError, Ordering, Stop, exit_code};
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
    use signal_hook::iterator::Signals;
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    /// A second Ctrl-C sooner than this is one that was sent twice.
    const TWICE: Duration = Duration::from_millis(300);

    /// Listens on a thread of its own from now on.
    pub(crate) fn stop_on_signals() -> Result<Stop, CliError> {
        let stop = Stop::default();
        let ignored = ignored();
        let wanted = [SIGINT, SIGTERM, SIGHUP].into_iter().filter(|signal| (ignored >> (signal - 1)) & 1 == 0);
        let error = |error: std::io::Error| CliError::new(format!("cannot handle signals: {error}"));
        let mut signals = Signals::new(wanted).map_err(error)?;
        let told = stop.clone();
        let listen = move || {
            let mut interrupted: Option<Instant> = None;
            for signal in signals.forever() {
                if signal == SIGINT {
                    if interrupted.is_some_and(|first| first.elapsed() > TWICE) {
                        std::process::exit(exit_code(SIGINT).into());
                    }
                    interrupted.get_or_insert_with(Instant::now);
                }
                let _ = told.signal.compare_exchange(0, signal, Ordering::Relaxed, Ordering::Relaxed);
                told.asked.store(true, Ordering::Relaxed);
            }
        };
        std::thread::Builder::new().name("signals".into()).spawn(listen).map_err(error)?;
        Ok(stop)
    }

    /// Writing beyond the limit of `ulimit -f` ends a program; from now on it is an error as any other of writing.
    pub(crate) fn outlive_size_limit() {
        // Nothing but the limit itself is lost where this fails.
        let _ = signal_hook::flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false)));
    }

    /// `SIGTERM` and so on.
    pub(crate) fn name(signal: i32) -> &'static str {
        signal_hook::low_level::signal_name(signal).unwrap_or("a signal")
    }

    /// Signals that were ignored when the program started, a bit for each; none where the system does not say.
    fn ignored() -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
        mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
    }
}

#[cfg(not(unix))]
pub(crate) use other::{name, outlive_size_limit, stop_on_signals};

#[cfg(not(unix))]
mod other {
    use super::{CliError, Stop};
    use signal_hook::consts::SIGINT;
    use std::sync::Arc;

    /// Ctrl-C; a second one stops at once.
    pub(crate) fn stop_on_signals() -> Result<Stop, CliError> {
        let stop = Stop::default();
        let error = |error: std::io::Error| CliError::new(format!("cannot handle signals: {error}"));
        signal_hook::flag::register_conditional_default(SIGINT, Arc::clone(&stop.asked)).map_err(error)?;
        signal_hook::flag::register(SIGINT, Arc::clone(&stop.asked)).map_err(error)?;
        Ok(stop)
    }

    pub(crate) fn outlive_size_limit() {}

    pub(crate) fn name(_: i32) -> &'static str {
        "Ctrl-C"
    }
}
