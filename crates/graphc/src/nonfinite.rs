//! Results that are not finite numbers: told, and a failure unless they are allowed.

use crate::error::CliError;
use crate::output;
use graphc_driver::Session;
use std::process::ExitCode;

/// `--allow-nonfinite`, for commands that only compute.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct AllowNonfiniteArg {
    /// Warn of results that are NaN or infinite, and succeed; without it they are an error.
    #[arg(long)]
    allow_nonfinite: bool,
}

impl AllowNonfiniteArg {
    /// Says that results are not finite, and why if it is the weights.
    ///
    /// # Errors
    /// Just that, unless it is allowed.
    pub(crate) fn tell(self, what: &str, session: &mut Session) -> Result<ExitCode, CliError> {
        let message = match weights_not_finite(session)? {
            Some(weights) => format!("{what}; neither are the weights: {weights}"),
            None => format!("{what}, though all weights are"),
        };
        if self.allow_nonfinite {
            output::warning(&message);
            return Ok(ExitCode::SUCCESS);
        }
        Err(CliError::new(format!("{message} (--allow-nonfinite makes this a warning)")))
    }
}

/// The first parameter that holds a number that is not finite, and how many more do.
fn weights_not_finite(session: &mut Session) -> Result<Option<String>, CliError> {
    let parameters = session.parameters()?;
    let counts = parameters.iter().map(|(name, value)| {
        let n_bad = value.data.iter().filter(|value| !value.is_finite()).count();
        (name, n_bad, value.data.len())
    });
    let bad: Vec<_> = counts.filter(|(_, n_bad, _)| *n_bad > 0).collect();
    let text = bad.first().map(|(name, n_bad, len)| {
        let others = match bad.len() {
            1 => String::new(),
            n => format!(", and {} more", output::counted(n - 1, "parameter")),
        };
        format!("{n_bad} of {len} in `{name}`{others}")
    });
    Ok(text)
}
