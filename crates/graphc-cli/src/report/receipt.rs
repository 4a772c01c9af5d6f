//! What `receipt.json` says, if a run has one. It is read leniently: the page shows it, `graphc verify` checks it.

use super::html::{Cell, Head, note, table, text};
use super::run::Run;
use crate::words::grouped;
use serde_json::Value;

/// Hashes of the graph, the data and the weights, and the last chain.
pub(super) fn table_of(run: &Run) -> String {
    let Some(receipt) = &run.receipt else { return String::new() };
    let begin = &receipt["begin"];
    let mut rows = Vec::new();
    rows.extend(row("graph file", "", &begin["graph"]));
    for data in begin["data"].as_array().into_iter().flatten() {
        let part = match data["part"].as_str().unwrap_or_default() {
            "train" => "training",
            part => part,
        };
        rows.extend(row(&format!("{part} data"), data["path"].as_str().unwrap_or_default(), data));
    }
    rows.extend(row("initial weights", "", &begin["init"]));
    for (name, file) in receipt["end"]["files"].as_object().into_iter().flatten() {
        rows.extend(row("weights", name, file));
    }
    let epochs = receipt["epochs"].as_array();
    let last = epochs.and_then(|epochs| epochs.last());
    let chains = [&receipt["end"], last.unwrap_or(&Value::Null), begin];
    if let Some(chain) = chains.iter().find_map(|entry| entry["chain"].as_str()) {
        rows.push(vec![Cell::text("last chain"), Cell::text(""), Cell::text(""), hash(chain)]);
    }
    if rows.is_empty() {
        return String::new();
    }
    let mut head = Head::new(&["", "file"], &["bytes"]);
    head.columns.push(("SHA-256", false));
    table(&head, rows)
        + &note("The last chain speaks for everything in the receipt; graphc verify trains again and compares.")
}

/// A file with its hash, if that is known.
fn row(what: &str, name: &str, file: &Value) -> Option<Vec<Cell>> {
    let bytes = file["bytes"].as_u64().map_or_else(String::new, |bytes| grouped(bytes as usize));
    Some(vec![Cell::text(what), Cell::text(name), Cell::number(&bytes), hash(file["sha256"].as_str()?)])
}

fn hash(hash: &str) -> Cell {
    Cell::name(format!("<code class=\"hash\">{}</code>", text(hash)))
}
