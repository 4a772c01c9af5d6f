//! [`CliError`]: the one place where errors of all crates become a message and an exit code.

use crate::{messages, terminal, words};
use graphc_driver::DriverError;
use graphc_driver::memory::MemoryError;
use graphc_frontend::Diagnostics;
use graphc_train::{NetworkError, TrainError};
use std::io::ErrorKind;
use std::process::ExitCode;

/// Why a command failed.
#[derive(Debug)]
pub(crate) enum CliError {
    /// The graph file is wrong.
    Graph(Diagnostics),
    /// Anything else, as one message.
    Message(String),
    /// Whoever reads our output has closed it: not a failure, but a reason to stop.
    ClosedPipe,
}

impl CliError {
    pub(crate) fn new(message: impl Into<String>) -> CliError {
        CliError::Message(message.into())
    }

    /// The message without an excerpt of the file that it is about.
    pub(crate) fn brief(&self) -> String {
        match self {
            CliError::Graph(diagnostics) => diagnostics.render(false).lines().next().unwrap_or_default().into(),
            CliError::Message(message) => message.clone(),
            CliError::ClosedPipe => "the output is closed".into(),
        }
    }

    /// Prints the message and gives the exit code.
    pub(crate) fn report(&self) -> ExitCode {
        self.print();
        if matches!(self, CliError::ClosedPipe) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }

    /// Prints the message.
    pub(crate) fn print(&self) {
        let color = terminal::stderr_has_color();
        match self {
            CliError::ClosedPipe => {}
            CliError::Graph(diagnostics) => messages::message(&diagnostics.render(color)),
            CliError::Message(message) => {
                let text = format!("error: {}", words::printable(message));
                let text = messages::on_stderr(&text);
                let colored = text.strip_prefix("error").map(|rest| format!("\x1b[1;31merror\x1b[0m{rest}"));
                messages::message(&colored.filter(|_| color).unwrap_or_else(|| text.into_owned()));
            }
        }
    }
}

impl From<Diagnostics> for CliError {
    fn from(diagnostics: Diagnostics) -> CliError {
        CliError::Graph(diagnostics)
    }
}

impl From<graphc::Error> for CliError {
    fn from(error: graphc::Error) -> CliError {
        match error {
            graphc::Error::Graph(diagnostics) => CliError::Graph(diagnostics),
            other => CliError::Message(other.to_string()),
        }
    }
}

impl From<TrainError> for CliError {
    fn from(error: TrainError) -> CliError {
        CliError::Message(error.to_string())
    }
}

impl From<NetworkError> for CliError {
    fn from(error: NetworkError) -> CliError {
        CliError::Message(error.to_string())
    }
}

impl From<DriverError> for CliError {
    fn from(error: DriverError) -> CliError {
        CliError::Message(error.to_string())
    }
}

impl From<MemoryError> for CliError {
    fn from(error: MemoryError) -> CliError {
        CliError::Message(error.to_string())
    }
}

impl From<std::io::Error> for CliError {
    fn from(error: std::io::Error) -> CliError {
        match error.kind() {
            ErrorKind::BrokenPipe => CliError::ClosedPipe,
            _ => CliError::Message(format!("cannot write the output: {error}")),
        }
    }
}
