//! Operations with several results: how they are named, read, shown and given out.

use graphc_frontend::{Experiment, SummaryRow, parse, summary};
use std::path::Path;

/// A network of these nodes, whose loss compares `prediction`.
fn network(nodes: &str, prediction: &str) -> Experiment {
    let text = format!(
        r#"{{ "graphc": 1,
        "inputs": {{ "x": {{ "shape": ["N", 8] }}, "t": {{ "shape": ["N", 5] }} }},
        "nodes": [{nodes}],
        "loss": {{ "op": "mean_squared_error", "prediction": "{prediction}", "target": "t" }} }}"#
    );
    parse(&text, Path::new("results")).unwrap_or_else(|diagnostics| panic!("{diagnostics}"))
}

const PARTS: &str = r#"{ "name": "parts", "op": "split", "inputs": "x", "axis": 1, "sizes": [2, 5, 1] }"#;

#[test]
fn the_loss_reads_a_result_and_the_others_are_outputs() {
    let experiment = network(PARTS, "parts.1");
    assert_eq!(experiment.prediction, "parts.1");
    let outputs: Vec<&str> = experiment.graph.outputs.iter().map(|output| output.name.as_str()).collect();
    assert_eq!(outputs, ["parts.1", "loss", "parts.0", "parts.2"]);
}

#[test]
fn the_summary_has_a_row_for_each_result() {
    let joined = r#"{ "name": "joined", "op": "concat", "inputs": ["parts.0", "parts.2", "parts.0"], "axis": 1 }"#;
    let graph = network(&format!("{PARTS}, {joined}"), "joined").graph;
    let row = |row: &SummaryRow| format!("{} {} {}", row.layer, row.op, row.shape);
    let rows: Vec<String> = summary(&graph).iter().map(row).collect();
    let expected = [
        "x input [N,8]",
        "t input [N,5]",
        "parts.0 split [N,2]",
        "parts.1 split [N,5]",
        "parts.2 split [N,1]",
        "joined concat [N,5]",
    ];
    assert_eq!(rows, expected);
}

/// One part is a node like any other.
#[test]
fn one_result_has_the_name_of_the_node() {
    let whole = r#"{ "name": "whole", "op": "split", "inputs": "x", "axis": 1, "sizes": [8] }"#;
    let slice = r#"{ "name": "y", "op": "slice", "axis": 1, "end": 5 }"#;
    let graph = network(&format!("{whole}, {slice}"), "y").graph;
    assert!(graph.find("whole").is_some() && graph.find("whole.0").is_none());
}

#[test]
fn literals_are_of_their_element_type() {
    let table = r#"{ "name": "i", "op": "literal", "dtype": "i32", "shape": [5], "values": [1, 2, 3, 4, 5] }"#;
    let slice = r#"{ "name": "y", "op": "slice", "inputs": "x", "axis": 1, "end": 5 }"#;
    let graph = network(&format!("{table}, {slice}"), "y").graph;
    assert_eq!(graph.ty(graph.find("i").expect("the literal")).to_string(), "i32[5]");
}
