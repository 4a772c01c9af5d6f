//! One file per subcommand: its arguments, its help and its `run`.

pub(crate) mod bench;
pub(crate) mod check;
pub(crate) mod completions;
pub(crate) mod dump;
pub(crate) mod eval;
pub(crate) mod generate;
pub(crate) mod predict;
mod predict_data;
pub(crate) mod profile;
pub(crate) mod report;
pub(crate) mod run;
pub(crate) mod runs;
pub(crate) mod schema;
pub(crate) mod show;
pub(crate) mod summary;
pub(crate) mod train;
pub(crate) mod tune;
pub(crate) mod verify;
