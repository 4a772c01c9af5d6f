//! What the tests of the command line share: the built program, run in a folder of its own.

use std::path::PathBuf;
use std::process::{Command, Output};
use tempfile::TempDir;

/// A temporary folder in which `graphc` runs, with a cache of its own.
pub(crate) struct Folder(TempDir);

impl Folder {
    /// With files of these names and bytes.
    pub(crate) fn with(files: &[(&str, &[u8])]) -> Folder {
        let folder = Folder(tempfile::tempdir().unwrap());
        files.iter().for_each(|(name, bytes)| std::fs::write(folder.path(name), bytes).unwrap());
        folder
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_graphc"));
        command.args(args).current_dir(self.0.path()).env("GRAPHC_CACHE_DIR", self.path("cache"));
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// Stdout and stderr of a command that must succeed.
    pub(crate) fn both(&self, args: &[&str]) -> (String, String) {
        let output = self.run(args);
        assert!(output.status.success(), "{args:?} failed:\n{}", text(&output.stderr));
        (text(&output.stdout), text(&output.stderr))
    }

    /// Stdout of a command that must succeed.
    pub(crate) fn ok(&self, args: &[&str]) -> String {
        self.both(args).0
    }

    /// Stderr of a command that must fail with `code` and print nothing else.
    pub(crate) fn fails(&self, code: i32, args: &[&str]) -> String {
        let output = self.run(args);
        assert_eq!(output.status.code(), Some(code), "{args:?}:\n{}", text(&output.stderr));
        assert_eq!(text(&output.stdout), "", "{args:?}");
        text(&output.stderr)
    }
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}
