//! Graph files as commands read them: what may be a mistake in one is told on stderr.

use crate::error::CliError;
use crate::{messages, terminal};
use graphc::experiment;
use graphc_frontend::Experiment;
use std::path::Path;

/// The bytes of a graph file that stands, or stood, at `path`, for what needs no data.
pub(crate) fn parse(bytes: &[u8], path: &Path) -> Result<Experiment, CliError> {
    Ok(told(graphc_frontend::parse_bytes(bytes, path)?))
}

/// The same for what trains or evaluates.
pub(crate) fn parse_with_data(bytes: &[u8], path: &Path) -> Result<Experiment, CliError> {
    Ok(told(experiment::parse_with_data(bytes, path)?))
}

fn told(experiment: Experiment) -> Experiment {
    let warnings = experiment.warnings.iter().flat_map(|found| found.render_warnings(terminal::stderr_has_color()));
    warnings.for_each(|text| messages::message(&text));
    experiment
}
