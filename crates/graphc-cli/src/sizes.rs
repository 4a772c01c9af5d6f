//! `--size`: other sizes than those of the graph file.

use crate::error::CliError;
use crate::graph_file;
use crate::numbers::at_least_one;
use graphc_frontend::Experiment;
use std::path::Path;

#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct SizeArgs {
    /// Take N for a size that the graph file names in its `sizes`; may be given for several.
    #[arg(long = "size", value_name = "NAME=N", value_parser = size)]
    sizes: Vec<(String, usize)>,
}

impl SizeArgs {
    pub(crate) fn is_given(&self) -> bool {
        !self.sizes.is_empty()
    }

    /// The bytes of a graph file with these sizes.
    ///
    /// # Errors
    /// If it cannot be read, or does not have these sizes.
    pub(crate) fn read(&self, file: &Path) -> Result<Vec<u8>, CliError> {
        Ok(graphc_frontend::with_sizes(&graphc_frontend::read_file(file)?, file, &self.sizes)?)
    }

    /// Reads a graph file for what needs no data.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub(crate) fn load(&self, file: &Path) -> Result<Experiment, CliError> {
        graph_file::parse(&self.read(file)?, file)
    }

    /// Reads a graph file for what trains or evaluates.
    ///
    /// # Errors
    /// If something is wrong with the file, or it says no data.
    pub(crate) fn load_with_data(&self, file: &Path) -> Result<Experiment, CliError> {
        graph_file::parse_with_data(&self.read(file)?, file)
    }
}

/// A name and a number.
fn size(text: &str) -> Result<(String, usize), String> {
    let (name, number) = text.split_once('=').ok_or("expected a name and a number, such as T=128")?;
    Ok((name.to_string(), at_least_one(number)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_names_with_numbers() {
        assert_eq!(size("T=128"), Ok(("T".to_string(), 128)));
        for wrong in ["T", "T=", "T=0", "T=x", "128", "T=1=2"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }
}
