//! The shipped examples, the schema and the reference.

use graphc_frontend::{Experiment, Totals, load, parse, reference, schema, summary, totals};
use graphc_ir::Optimizer;
use graphc_ir::graph::verify;
use std::collections::BTreeMap;
use std::path::Path;

const EXAMPLES: [&str; 3] = ["lenet5", "lenet5-classic", "mlp"];

fn example_path(name: &str) -> String {
    format!("../../examples/{name}.graph.json")
}

fn example(name: &str) -> Experiment {
    load(Path::new(&example_path(name))).unwrap_or_else(|diagnostics| panic!("{diagnostics}"))
}

/// Compares a shipped file with what it is made from, or writes it when blessing.
fn check_fresh(path: &str, expected: &str) {
    if std::env::var_os("GRAPHC_BLESS").is_some() {
        std::fs::write(path, expected).expect("a writable file");
    }
    let shipped = std::fs::read_to_string(path).unwrap_or_default();
    assert!(shipped == expected, "{path} is stale; run the tests with GRAPHC_BLESS=1");
}

#[test]
fn lenet5_has_its_parameters() {
    let experiment = example("lenet5");
    assert_eq!(totals(&experiment.graph), Totals { trainable: 44_922, fixed: 496 });
    assert_eq!(experiment.graph.optimizer, Some(Optimizer::adam(0.001)));
    assert_eq!((experiment.prediction.as_str(), experiment.target.as_str()), ("probabilities", "label"));
    let outputs: Vec<&str> = experiment.graph.outputs.iter().map(|output| output.name.as_str()).collect();
    assert_eq!(outputs, ["probabilities", "loss", "accuracy"]);
}

/// Names and shapes of the parameters are those of the reference's initial weights.
#[test]
fn lenet5_names_its_parameters_as_the_reference_does() {
    let bytes = std::fs::read("../../tests/fixtures/lenet5_reference.safetensors").expect("the fixture");
    let len = u64::from_le_bytes(bytes[..8].try_into().expect("8 bytes")) as usize;
    let header: serde_json::Value = serde_json::from_slice(&bytes[8..8 + len]).expect("a JSON header");
    let header = header.as_object().expect("an object");
    let reference: BTreeMap<String, String> = header
        .iter()
        .filter_map(|(name, tensor)| Some((name.strip_prefix("init.")?.to_string(), tensor["shape"].to_string())))
        .collect();
    let graph = example("lenet5").graph;
    let ours: BTreeMap<String, String> = graph
        .ids()
        .into_iter()
        .map(|id| graph.node(id))
        .filter(|node| node.op.name() == "parameter")
        .map(|node| (node.name.clone(), node.ty.shape.to_string()))
        .collect();
    assert_eq!(ours, reference);
}

#[test]
fn lenet5_summary() {
    let rows: Vec<String> = summary(&example("lenet5").graph)
        .iter()
        .map(|row| format!("{} {} {} {}", row.layer, row.op, row.shape, row.parameters))
        .collect();
    let expected = "image input [N,28,28,1] 0\nlabel input [N] 0\nconv1 conv2d [N,24,24,6] 156\n\
        bn1 batch_norm [N,24,24,6] 24\nrelu1 relu [N,24,24,6] 0\npool1 avg_pool2d [N,12,12,6] 0\n\
        bn2 batch_norm [N,12,12,6] 24\nconv2 conv2d [N,8,8,16] 2416\nbn3 batch_norm [N,8,8,16] 64\n\
        relu2 relu [N,8,8,16] 0\npool2 avg_pool2d [N,4,4,16] 0\nbn4 batch_norm [N,4,4,16] 64\n\
        flatten flatten [N,256] 0\ndense1 dense [N,120] 30840\nbn5 batch_norm [N,120] 480\n\
        dense2 dense [N,84] 10164\nbn6 batch_norm [N,84] 336\ndense3 dense [N,10] 850\n\
        probabilities softmax [N,10] 0";
    assert_eq!(rows.join("\n"), expected);
}

#[test]
fn the_other_examples_have_their_parameters() {
    assert_eq!(totals(&example("lenet5-classic").graph), Totals { trainable: 61_706, fixed: 0 });
    assert_eq!(totals(&example("mlp").graph), Totals { trainable: 235_146, fixed: 0 });
}

#[test]
fn nodes_know_their_lines() {
    let graph = example("lenet5").graph;
    let text = std::fs::read_to_string(example_path("lenet5")).expect("the example");
    let kernel = graph.find("conv2.kernel").expect("a parameter");
    let line = graph.node(kernel).origin.line as usize;
    assert!(text.lines().nth(line - 1).expect("a line of the file").contains("\"conv2\""));
    assert_eq!(&*graph.node(kernel).origin.layer, "conv2");
}

#[test]
fn examples_pass_the_verifier_and_print_with_their_names() {
    for name in EXAMPLES {
        let graph = example(name).graph;
        assert_eq!(graph.name, name);
        let findings = verify::verify(&graph);
        assert!(findings.is_empty(), "{name}: {findings:?}");
    }
}

#[test]
fn the_schema_is_fresh_and_accepts_the_examples() {
    let schema = schema();
    let text = serde_json::to_string_pretty(&schema).expect("a schema is JSON");
    check_fresh("../../docs/graph-file.schema.json", &format!("{text}\n"));
    let validator = jsonschema::validator_for(&schema).expect("the schema is one");
    for name in EXAMPLES {
        let text = std::fs::read_to_string(example_path(name)).expect("the example");
        let json: serde_json::Value = serde_json::from_str(&text).expect("the example is JSON");
        let errors: Vec<String> = validator.iter_errors(&json).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{name}: {errors:?}");
    }
}

/// What the schema refuses, the reader refuses too, on files whose mistake a schema can see.
#[test]
fn the_schema_refuses_what_the_reader_refuses() {
    let validator = jsonschema::validator_for(&schema()).expect("the schema is one");
    for case in
        ["unknown_field", "unknown_op", "kernel_zero", "strides", "padding", "train", "version", "missing_fields"]
    {
        let text = std::fs::read_to_string(format!("tests/bad_input/{case}.json")).expect("the case");
        let json: serde_json::Value = serde_json::from_str(&text).expect("the case is JSON");
        assert!(!validator.is_valid(&json), "{case} is accepted by the schema");
        assert!(parse(&text, Path::new(case)).is_err());
    }
}

#[test]
fn the_reference_is_fresh() {
    let path = "../../docs/graph-file.md";
    const MARK: &str = "<!-- From here on written by the tests of graphc-frontend with GRAPHC_BLESS=1. -->\n";
    let text = std::fs::read_to_string(path).expect("the page");
    let (by_hand, _) = text.split_once(MARK).expect("the mark");
    check_fresh(path, &format!("{by_hand}{MARK}\n{}\n", reference().trim_end()));
}
