//! Graph files: `.graph.json` to [`Experiment`], and what is wrong with one.
//!
//! Takes the text of a graph file; gives a graph of layers and operations, the training
//! configuration and where the data comes from, or [`Diagnostics`]: every mistake with file, line, column, the
//! offending text underlined and what was expected. It knows nothing of gradients, passes or
//! machine code, and reads no data.
//!
//! `fields`, the layers and the ops themselves say everything a file may contain; the reader, the JSON Schema
//! ([`schema()`]), the reference ([`reference()`]) and the guide's page of ops ([`ops_page()`]) follow from them. A
//! JSON field is added there and nowhere else.
//!
//! A file may be someone else's: [`mod@limits`] says what it may cost. [`parse_bytes`] is the whole reader without any
//! access to files.
//!
//! Reading order: [`mod@limits`], `source_text`, `excerpt`, `place`, [`diagnostic`], `json`, `field`, `initializer`,
//! `metrics`, `number`, `wording`, `read`, `fields` and `data_fields`, `node_ops`, `formula`, `names`, `blocks`,
//! `expand`, `parts`, `misfit`, `network`, `loss_fields`, `mixups`, `loss`, `optimizer`, `parameters`, `training`,
//! [`augment`], [`data`], [`experiment`], `schema`, `reference`, `ops_page`, [`mod@summary`], `sizes`.
#![forbid(unsafe_code)]

pub mod augment;
mod blocks;
pub mod data;
mod data_fields;
pub mod diagnostic;
mod excerpt;
mod expand;
pub mod experiment;
mod field;
mod fields;
mod formula;
mod initializer;
mod json;
pub mod limits;
mod loss;
mod loss_fields;
mod metrics;
mod misfit;
mod mixups;
mod names;
mod network;
mod node_ops;
mod number;
mod ops_page;
mod optimizer;
mod parameters;
mod parts;
mod place;
mod read;
mod reference;
mod schema;
mod sizes;
mod source_text;
pub mod summary;
mod training;
mod wording;

pub use data::{CheckData, DataConfig, DataSource};
pub use diagnostic::{Diagnostic, Diagnostics};
pub use experiment::{Experiment, SAMPLE_WEIGHT, TrainConfig};
pub use limits::limits;
pub use metrics::n_classes;
pub use ops_page::ops_page;
pub use parts::Part;
pub use reference::reference;
pub use schema::schema;
pub use summary::{SummaryRow, Totals, n_elements, summary, summary_of, summary_of_parts, totals};
pub use training::EmaConfig;

use limits::MAX_FILE_BYTES;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

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
    let bytes = read_file(path)?;
    text_of(&bytes, path).and_then(|text| parse_with(text, path, check_data))
}

/// The bytes of a graph file, for whoever reads it with [`load_bytes`] and keeps them.
///
/// # Errors
/// If it cannot be read.
pub fn read_file(path: &Path) -> Result<Vec<u8>, Diagnostics> {
    read_bytes(path).map_err(|error| of_file(path, format!("cannot read {}: {error}", path.display())))
}

/// Reads the bytes of a graph file that stands, or stood, at `path`, and looks whether its data files exist.
///
/// # Errors
/// Everything that is wrong with it.
pub fn load_bytes(bytes: &[u8], path: &Path) -> Result<Experiment, Diagnostics> {
    text_of(bytes, path).and_then(|text| parse_with(text, path, CheckData::Yes))
}

/// The file, or one byte more than it may have.
fn read_bytes(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(MAX_FILE_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Reads the bytes of a graph file that stands, or would stand, at `path`; no file is looked at.
///
/// # Errors
/// Everything that is wrong with it.
pub fn parse_bytes(bytes: &[u8], path: &Path) -> Result<Experiment, Diagnostics> {
    text_of(bytes, path).and_then(|text| parse_with(text, path, CheckData::No))
}

/// Reads the text of a graph file that stands, or would stand, at `path`; no file is looked at.
///
/// # Errors
/// Everything that is wrong with it.
pub fn parse(text: &str, path: &Path) -> Result<Experiment, Diagnostics> {
    parse_bytes(text.as_bytes(), path)
}

/// The bytes of a graph file that stands at `path` with other numbers for some of its `sizes`; all else stays as it
/// is.
///
/// # Errors
/// If it is no JSON, or has no size of that name.
///
/// ```
/// let file = br#"{ "sizes": { "T": 64 } }"#;
/// let other = graphc_frontend::with_sizes(file, "net.graph.json".as_ref(), &[("T".into(), 128)]).unwrap();
/// assert_eq!(other, br#"{ "sizes": { "T": 128 } }"#);
/// ```
pub fn with_sizes(bytes: &[u8], path: &Path, sizes: &[(String, usize)]) -> Result<Vec<u8>, Diagnostics> {
    if sizes.is_empty() {
        return Ok(bytes.to_vec());
    }
    text_of(bytes, path).and_then(|text| sizes::replaced(text, path, sizes)).map(String::into_bytes)
}

/// The text of a file in UTF-8; a byte order mark in front of it, as some editors write one, is passed over.
fn text_of<'a>(bytes: &'a [u8], path: &Path) -> Result<&'a str, Diagnostics> {
    if bytes.len() > MAX_FILE_BYTES {
        let limit = MAX_FILE_BYTES >> 20;
        return Err(of_file(
            path,
            format!("{} is larger than {limit} MiB, too large for a graph file", path.display()),
        ));
    }
    let text = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    std::str::from_utf8(text).map_err(|error| {
        let at = error.valid_up_to();
        // The text up to the wrong byte, and what stands behind it, for the excerpt.
        let end = text.len().min(at + 200);
        let source = String::from_utf8_lossy(&text[..end]);
        let mut diagnostics = Diagnostics::new(path, &source);
        let label = format!("expected UTF-8, found the byte 0x{:02x}", text[at]);
        let diagnostic = Diagnostic::new("this is not UTF-8 text", at..at + 1, label);
        diagnostics.push(match text {
            [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => diagnostic.help("this looks like UTF-16; save the file as UTF-8"),
            _ => diagnostic,
        });
        diagnostics
    })
}

fn of_file(path: &Path, message: String) -> Diagnostics {
    let mut diagnostics = Diagnostics::new(path, "");
    diagnostics.push(Diagnostic::of_file(message));
    diagnostics
}

fn parse_with(text: &str, path: &Path, check_data: CheckData) -> Result<Experiment, Diagnostics> {
    let mut diagnostics = Diagnostics::new(path, text);
    let json = json::parse(text, &mut diagnostics);
    let experiment = json.and_then(|json| experiment::read_experiment(&json, path, check_data, &mut diagnostics));
    match experiment {
        Some(experiment) if diagnostics.is_empty() => {
            Ok(Experiment { warnings: Some(Arc::new(diagnostics)), ..experiment })
        }
        _ => Err(diagnostics),
    }
}
