//! Graph files: `.graph.json` to [`Experiment`], and what is wrong with one.
//!
//! Takes the text of a graph file; gives a graph of layers and operations, the training
//! configuration and where the data comes from, or [`Diagnostics`]: every mistake with file, line, column, the
//! offending text underlined and what was expected. It knows nothing of gradients, passes or
//! machine code, and reads no data.
//!
//! `fields` and `node_ops` are the tables of everything a file may contain; the reader, the JSON
//! Schema ([`schema()`]) and the reference ([`reference()`]) follow from them. A JSON field is added
//! there and nowhere else.
//!
//! Reading order: [`diagnostic`], `json`, `fields`, `read`, `node_ops`, `network`, [`experiment`],
//! `schema`, `reference`, [`mod@summary`].
#![forbid(unsafe_code)]

pub mod diagnostic;
pub mod experiment;
mod fields;
mod json;
mod network;
mod node_ops;
mod read;
mod reference;
mod schema;
pub mod summary;

pub use diagnostic::{Diagnostic, Diagnostics};
pub use experiment::{CheckData, DataConfig, DataFiles, DataSource, Experiment, TrainConfig};
pub use reference::reference;
pub use schema::schema;
pub use summary::{SummaryRow, Totals, summary, totals};

use std::path::Path;

/// Reads a graph file and looks whether its data files exist.
///
/// # Errors
/// Everything that is wrong with it.
pub fn load(path: &Path) -> Result<Experiment, Diagnostics> {
    load_with(path, CheckData::Yes)
}

/// Reads a graph file, for commands that may do without its data.
///
/// # Errors
/// Everything that is wrong with it.
pub fn load_with(path: &Path, check_data: CheckData) -> Result<Experiment, Diagnostics> {
    let unreadable = |message: String| {
        let mut diagnostics = Diagnostics::new(path, "");
        diagnostics.push(Diagnostic {
            message: format!("cannot read {}: {message}", path.display()),
            span: None,
            label: String::new(),
            notes: Vec::new(),
            help: None,
        });
        diagnostics
    };
    let bytes = std::fs::read(path).map_err(|error| unreadable(error.to_string()))?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        unreadable(format!("it is not UTF-8 text (the first wrong byte is byte {at})"))
    })?;
    parse_with(&text, path, check_data)
}

/// Reads the text of a graph file that stands, or would stand, at `path`; data files are not
/// looked at.
///
/// # Errors
/// Everything that is wrong with it.
pub fn parse(text: &str, path: &Path) -> Result<Experiment, Diagnostics> {
    parse_with(text, path, CheckData::No)
}

fn parse_with(text: &str, path: &Path, check_data: CheckData) -> Result<Experiment, Diagnostics> {
    let mut diagnostics = Diagnostics::new(path, text);
    let json = json::parse(text, &mut diagnostics);
    let experiment = json.and_then(|json| experiment::read_experiment(&json, path, check_data, &mut diagnostics));
    match experiment {
        Some(experiment) if diagnostics.is_empty() => Ok(experiment),
        _ => Err(diagnostics),
    }
}
