//! Blocks: what is written out of them is what one would write by hand, and mistakes in them are told once.

use graphc_frontend::{Diagnostics, Experiment, SummaryRow, parse, summary, summary_of, summary_of_parts, with_sizes};
use std::path::Path;

/// A network of these members that ends with a node `p` of 4 numbers.
fn file(members: &str, nodes: &str) -> String {
    format!(
        r#"{{ "graphc": 1, {members}
        "inputs": {{ "x": {{ "shape": ["N", 4] }}, "t": {{ "shape": ["N", 4] }} }},
        "nodes": [{nodes}],
        "loss": {{ "op": "mean_squared_error", "prediction": "p", "target": "t" }} }}"#
    )
}

fn network(members: &str, nodes: &str) -> Experiment {
    parse(&file(members, nodes), Path::new("blocks")).unwrap_or_else(|diagnostics| panic!("{diagnostics}"))
}

fn refused(members: &str, nodes: &str) -> Diagnostics {
    parse(&file(members, nodes), Path::new("blocks")).expect_err("something is wrong with it")
}

/// The nodes with their operands, without places in the file, names with `_` in place of dots.
fn shape_of(experiment: &Experiment) -> Vec<String> {
    let graph = &experiment.graph;
    let line = |id| {
        let operands = graph.operands(id);
        let operands: Vec<&str> = operands.iter().map(|&id| graph.node(id).name.as_str()).collect();
        format!("{} = {} {operands:?} {}", graph.node(id).name, graph.op(id).name(), graph.ty(id)).replace('.', "_")
    };
    let mut lines: Vec<String> = graph.ids().into_iter().map(line).collect();
    lines.sort();
    lines
}

const TWO: &str = r#""blocks": {
    "pair": {
      "arguments": { "units": null, "activation": "relu" },
      "nodes": [
        { "name": "a", "op": "dense", "units": "$units", "activation": "$activation" },
        { "name": "b", "op": "dense", "units": "$units / 2" } ] },
    "deep": {
      "arguments": { "n": 2 },
      "inputs": ["x", "y"],
      "nodes": [
        { "name": "first", "block": "pair", "inputs": "y", "units": 8, "activation": "tanh" },
        { "name": "sum", "op": "add", "inputs": ["first", "x"] },
        { "name": "more", "block": "pair", "repeat": "$n", "units": 8 } ],
      "outputs": ["more", "first"] } },"#;

#[test]
fn blocks_are_what_one_writes_by_hand() {
    let blocks = network(
        TWO,
        r#"{ "name": "body", "block": "deep", "inputs": ["x", "t"] },
           { "name": "p", "op": "add", "inputs": ["body.0", "body.1"] }"#,
    );
    let by_hand = network(
        "",
        r#"{ "name": "body_first_a", "op": "dense", "inputs": "t", "units": 8, "activation": "tanh" },
           { "name": "body_first_b", "op": "dense", "units": 4 },
           { "name": "body_sum", "op": "add", "inputs": ["body_first_b", "x"] },
           { "name": "body_more_0_a", "op": "dense", "units": 8, "activation": "relu" },
           { "name": "body_more_0_b", "op": "dense", "units": 4 },
           { "name": "body_more_1_a", "op": "dense", "units": 8, "activation": "relu" },
           { "name": "body_more_1_b", "op": "dense", "units": 4 },
           { "name": "p", "op": "add", "inputs": ["body_more_1_b", "body_first_b"] }"#,
    );
    assert_eq!(shape_of(&blocks), shape_of(&by_hand));
    // The file says in which line a node stands, the name in which use.
    let node = blocks.graph.find("body.more.1.b").expect("the last dense layer");
    assert_eq!(blocks.graph.node(node).origin.to_string(), "body.more.1.b, line 6");
}

#[test]
fn copies_hand_on_as_many_results_as_there_are() {
    let block = r#""blocks": { "step": { "inputs": ["a", "b", "c"], "nodes": [
        { "name": "s", "op": "add", "inputs": ["a", "c"] }, { "name": "d", "op": "sub", "inputs": ["b", "c"] } ],
        "outputs": ["s", "d"] } },"#;
    let blocks = network(
        block,
        r#"{ "name": "steps", "block": "step", "inputs": ["x", "x", "t"], "repeat": 2 },
           { "name": "p", "op": "mul", "inputs": ["steps.1.0", "steps.1.d"] }"#,
    );
    let by_hand = network(
        "",
        r#"{ "name": "steps_0_s", "op": "add", "inputs": ["x", "t"] },
           { "name": "steps_0_d", "op": "sub", "inputs": ["x", "t"] },
           { "name": "steps_1_s", "op": "add", "inputs": ["steps_0_s", "t"] },
           { "name": "steps_1_d", "op": "sub", "inputs": ["steps_0_d", "t"] },
           { "name": "p", "op": "mul", "inputs": ["steps_1_s", "steps_1_d"] }"#,
    );
    assert_eq!(shape_of(&blocks), shape_of(&by_hand));
}

#[test]
fn a_use_of_one_result_is_an_output_as_its_node() {
    let block = r#""blocks": { "end": { "nodes": [ { "name": "y", "op": "dense", "units": 4 } ] } },"#;
    let text = file(block, r#"{ "name": "p", "block": "end", "inputs": "x" }"#);
    let experiment = parse(&text, Path::new("blocks")).unwrap_or_else(|diagnostics| panic!("{diagnostics}"));
    assert_eq!(experiment.prediction, "p.y");
    assert!(experiment.graph.output("p.y").is_some());
}

#[test]
fn parameters_are_shared_by_use_and_by_node() {
    let nodes = r#"{ "name": "left", "block": "pair", "inputs": "x", "units": 8 },
           { "name": "right", "block": "pair", "inputs": "t", "units": 8, "shares": "left" },
           { "name": "end", "op": "dense", "inputs": "right", "units": 8, "shares": "left.a" },
           { "name": "back", "op": "matmul", "inputs": ["end", "right.b.kernel"] },
           { "name": "p", "op": "add", "inputs": ["left", "back"] }"#;
    let experiment = network(TWO, nodes);
    let rows = summary(&experiment.graph);
    let of = |layer: &str| rows.iter().find(|row| row.layer == layer).expect("the layer").parameters;
    assert_eq!(["left.a", "left.b", "right.a", "right.b", "end"].map(of), [40, 36, 0, 0, 0]);
}

/// Nine uses of a block with two mistakes have two mistakes, and what they have in the uses themselves.
#[test]
fn mistakes_are_told_once() {
    let block = r#""blocks": { "wrong": { "arguments": { "units": 4 }, "nodes": [
        { "name": "a", "op": "dense", "units": "$unit" },
        { "name": "b", "op": "dense", "inputs": "x", "units": "$units", "activation": "rely" },
        { "name": "c", "op": "relu" } ] } },"#;
    let uses: Vec<String> =
        (0..9).map(|i| format!("{{ \"name\": \"u{i}\", \"block\": \"wrong\", \"inputs\": \"x\" }}")).collect();
    let diagnostics = refused(block, &format!("{}, {{ \"name\": \"p\", \"op\": \"relu\" }}", uses.join(",\n")));
    assert_eq!(diagnostics.len(), 2, "{diagnostics}");
    assert_eq!(diagnostics.to_string().matches("in this use of block `wrong`").count(), 2, "{diagnostics}");
    let zero = r#"{ "name": "u", "block": "wrong", "inputs": "x", "units": 0 },
        { "name": "v", "block": "wrong", "inputs": "x", "units": 0 }, { "name": "p", "op": "relu" }"#;
    let good = block.replace("$unit\"", "$units\"").replace("rely", "relu");
    let diagnostics = refused(&good, zero);
    assert_eq!(diagnostics.len(), 2, "{diagnostics}");
    assert!(diagnostics.to_string().contains("for this node of block `wrong`"), "{diagnostics}");
}

/// In the order of the file, whatever reads what and whichever line a block stands in.
#[test]
fn the_summary_has_a_line_a_use() {
    let nodes = r#"{ "name": "late", "op": "relu", "inputs": "body.1" },
           { "name": "body", "block": "deep", "inputs": ["x", "t"] },
           { "name": "p", "block": "pair", "inputs": "late", "units": 8, "repeat": 3 }"#;
    let experiment = network(TWO, nodes);
    let row = |row: &SummaryRow| format!("{} ({}) {} {}", row.layer, row.op, row.shape, row.parameters);
    let rows: Vec<String> = summary_of_parts(&experiment).iter().map(row).collect();
    let expected = [
        "x (input) [N,4] 0",
        "t (input) [N,4] 0",
        "late (relu) [N,4] 0",
        "body (deep) [N,4] 228",
        "p (3 x pair) [N,4] 228",
    ];
    assert_eq!(rows, expected);
    let all: Vec<String> = summary_of(&experiment).into_iter().map(|row| row.layer).collect();
    let expected = [
        "x",
        "t",
        "late",
        "body.first.a",
        "body.first.b",
        "body.sum",
        "body.more.0.a",
        "body.more.0.b",
        "body.more.1.a",
        "body.more.1.b",
        "p.0.a",
        "p.0.b",
        "p.1.a",
        "p.1.b",
        "p.2.a",
        "p.2.b",
    ];
    assert_eq!(all, expected);
}

#[test]
fn other_sizes_are_other_numbers_in_the_text() {
    let text = file(
        r#""sizes": { "H": 8, "D" : 4 },"#,
        r#"{ "name": "h", "op": "dense", "inputs": "x", "units": "$H" }, { "name": "p", "op": "dense", "units": "$D" }"#,
    );
    let with = |sizes: &[(&str, usize)]| {
        let sizes: Vec<(String, usize)> = sizes.iter().map(|(name, size)| (name.to_string(), *size)).collect();
        with_sizes(text.as_bytes(), Path::new("sizes"), &sizes).map(|bytes| String::from_utf8(bytes).expect("text"))
    };
    let changed = with(&[("D", 4), ("H", 100), ("H", 16)]).expect("there are these sizes");
    assert_eq!(changed, text.replace("\"H\": 8", "\"H\": 16"));
    let graph = parse(&changed, Path::new("sizes")).expect("nothing is wrong").graph;
    assert_eq!(graph.ty(graph.find("h").expect("the layer")).to_string(), "f32[N,16]");
    let message = with(&[("T", 1)]).expect_err("there is no such size").to_string();
    assert_eq!(message, "error: sizes has no size `T`: it has the sizes `H`, `D`\n\n1 mistake in sizes");
}
