//! Everything that is tested with the built program, in one binary, since linking takes longer than most tests of one
//! file: `cargo test --workspace --test command_line cli_stop::` runs those of a file.

mod common {
    pub(crate) mod folder;
    #[cfg(unix)]
    pub(crate) mod tiny_run;
    pub(crate) mod watching;
}

mod bits;
mod cli;
mod cli_augment;
mod cli_blocks;
mod cli_columns;
mod cli_data;
mod cli_files;
mod cli_generate;
mod cli_hostile;
mod cli_limits;
mod cli_losses;
mod cli_measure;
mod cli_metrics;
mod cli_nonfinite;
mod cli_predict;
mod cli_report;
mod cli_resume;
mod cli_stop;
mod cli_synthetic;
mod cli_tune;
mod cli_verify;
mod facade;
mod fuzz_seeds;
