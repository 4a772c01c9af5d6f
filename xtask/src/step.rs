//! Running one command of a chore.

use std::fmt;
use std::path::Path;
use std::process::{Command, Stdio};

/// Why a chore stopped.
pub(crate) struct Failure(pub(crate) String);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A command in the root of the workspace, with the line to show for it.
pub(crate) struct Step {
    command: Command,
    line: String,
}

/// `cargo` with `arguments`, in the root of the workspace.
pub(crate) fn cargo(arguments: &[&str]) -> Step {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask is a folder of the workspace");
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(root);
    Step { command, line: format!("cargo {}", arguments.join(" ")) }
}

impl Step {
    /// The same with an environment variable set.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Step {
        self.command.env(name, value);
        self.line = format!("{name}={value} {}", self.line);
        self
    }

    /// Runs the command to its end; its output goes where ours goes.
    pub(crate) fn run(mut self) -> Result<(), Failure> {
        println!("xtask: {}", self.line);
        let status = self.command.status().map_err(|error| Failure(format!("`{}`: {error}", self.line)))?;
        if status.success() { Ok(()) } else { Err(Failure(format!("`{}` failed: {status}", self.line))) }
    }

    /// Runs the command to its end and gives what it wrote to stdout.
    pub(crate) fn stdout(mut self) -> Result<String, Failure> {
        println!("xtask: {}", self.line);
        self.command.stderr(Stdio::inherit());
        let output = self.command.output().map_err(|error| Failure(format!("`{}`: {error}", self.line)))?;
        if !output.status.success() {
            return Err(Failure(format!("`{}` failed: {}", self.line, output.status)));
        }
        String::from_utf8(output.stdout).map_err(|_| Failure(format!("`{}` did not write text", self.line)))
    }
}
