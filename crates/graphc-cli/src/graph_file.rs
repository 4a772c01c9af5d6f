//! Graph files as commands read them: what may be a mistake in one is told on stderr.

use crate::error::CliError;
use crate::{messages, terminal};
use graphc::experiment;
use graphc_frontend::Experiment;
use std::path::Path;

/// For what needs no data.
pub(crate) fn load(path: &Path) -> Result<Experiment, CliError> {
    Ok(told(experiment::load(path)?))
}

/// For what trains or evaluates.
pub(crate) fn load_with_data(path: &Path) -> Result<Experiment, CliError> {
    Ok(told(experiment::load_with_data(path)?))
}

/// The bytes of a graph file that stands, or stood, at `path`.
pub(crate) fn parse_with_data(bytes: &[u8], path: &Path) -> Result<Experiment, CliError> {
    Ok(told(experiment::parse_with_data(bytes, path)?))
}

fn told(experiment: Experiment) -> Experiment {
    let warnings = experiment.warnings.iter().flat_map(|found| found.render_warnings(terminal::stderr_has_color()));
    warnings.for_each(|text| messages::message(&text));
    experiment
}
