//! Weights and results of `eval` and `predict` that are not finite numbers: told, and such a result is a failure unless
//! it is allowed.

use crate::error::CliError;
use crate::output;
use graphc_driver::Session;
use std::path::Path;
use std::process::ExitCode;

/// `--allow-nonfinite`, for commands that only compute.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct AllowNonfiniteArg {
    /// Warn of results that are NaN or infinite, and succeed; without it they are an error.
    #[arg(long)]
    allow_nonfinite: bool,
}

impl AllowNonfiniteArg {
    /// Says that results are not finite.
    ///
    /// # Errors
    /// Just that, unless it is allowed.
    pub(crate) fn tell(self, what: &str) -> Result<ExitCode, CliError> {
        if self.allow_nonfinite {
            output::warning(what);
            return Ok(ExitCode::SUCCESS);
        }
        Err(CliError::new(format!("{what}\n`--allow-nonfinite` makes this a warning")))
    }
}

/// Warns of weights, read from `path`, that are not finite: results need not show it.
pub(crate) fn warn_of_weights(session: &mut Session, path: &Path) -> Result<(), CliError> {
    let parameters = session.parameters()?;
    let counts = parameters.iter().map(|(name, value)| {
        let n_bad = value.data.iter().filter(|value| !value.is_finite()).count();
        (name, n_bad, value.data.len())
    });
    let bad: Vec<_> = counts.filter(|(_, n_bad, _)| *n_bad > 0).collect();
    if let Some((name, n_bad, len)) = bad.first() {
        let others = match bad.len() {
            1 => String::new(),
            n => format!(", and some in {} more", output::counted(n - 1, "tensor")),
        };
        output::warning(&format!("{}: {n_bad} of {len} weights in `{name}` are not finite{others}", path.display()));
    }
    Ok(())
}
