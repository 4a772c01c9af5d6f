//! The shipped examples, the schema and the reference.

use graphc_frontend::data::{ArrayFormat, Parts};
use graphc_frontend::{
    CheckData, DataSource, Experiment, Totals, load, load_with, parse, reference, schema, summary, totals,
};
use graphc_ir::Optimizer;
use graphc_ir::graph::verify;
use std::collections::BTreeMap;
use std::path::Path;

const EXAMPLES: [&str; 8] =
    ["lenet5", "lenet5-classic", "mlp", "mlp-1024", "next-character", "strided", "topics", "vgg32"];

/// Other examples, most of whose data is made or fetched first.
const OF_OTHER_DATA: [&str; 14] = [
    "cifar10",
    "cifar100",
    "digits-images",
    "digits-npy",
    "digits-npz",
    "digits-safetensors",
    "fashion-mnist",
    "houses",
    "mnist-augmented",
    "mnist-fast",
    "mobilenet-mnist",
    "resnet20-mnist",
    "stripes-grey",
    "towns",
];

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

/// Numbers of parameters are those of Keras's layers, blocks written out by hand.
#[test]
fn nets_of_blocks_have_their_parameters() {
    for (name, trainable, fixed) in [("resnet20-mnist", 272_186, 1568), ("mobilenet-mnist", 136_202, 2944)] {
        assert_eq!(totals(&example(name).graph), Totals { trainable, fixed }, "{name}");
        let text = std::fs::read_to_string(example_path(name)).expect("the example");
        assert!(text.lines().count() < 60, "{name}");
    }
    let graph = example("resnet20-mnist").graph;
    let convolution = graph.find("stage3.1.residual.conv2.conv2d").expect("the last convolution");
    assert_eq!(graph.node(convolution).origin.to_string(), "stage3.1.residual.conv2.conv2d, line 10");
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
    let dense = |n_inputs: usize, n_outputs: usize| (n_inputs + 1) * n_outputs;
    let trainable = 200 * 16 + dense(16 + 16 + 4, 32) + dense(32, 10);
    assert_eq!(totals(&example("topics").graph), Totals { trainable, fixed: 0 });
    let trainable = dense(784, 1024) + dense(1024, 1024) + dense(1024, 10);
    assert_eq!(totals(&example("mlp-1024").graph), Totals { trainable, fixed: 0 });
    // A convolution with bias, and gamma and beta behind it, which also has two moving statistics.
    let conv = |size: usize, n_inputs: usize, n_outputs: usize| (size * size * n_inputs + 3) * n_outputs;
    let trainable = conv(3, 3, 32) + conv(3, 32, 64) + conv(1, 64, 64) + conv(3, 64, 128) + conv(1, 128, 128);
    let trainable = trainable + conv(3, 128, 256) + dense(256, 10);
    let fixed = 2 * (32 + 64 + 64 + 128 + 128 + 256);
    assert_eq!(totals(&example("strided").graph), Totals { trainable, fixed });
    let trainable = conv(3, 3, 64) + conv(3, 64, 64) + conv(3, 64, 128) + conv(3, 128, 128) + conv(3, 128, 256);
    let trainable = trainable + conv(3, 256, 256) + dense(4 * 4 * 256, 256) + dense(256, 10);
    assert_eq!(totals(&example("vgg32").graph), Totals { trainable, fixed: 4 * (64 + 128 + 256) });
}

#[test]
fn data_is_files_or_synthetic() {
    let data = |name: &str| example(name).data.expect("every example can be trained");
    assert_eq!(data("mlp-1024").source, DataSource::Synthetic { samples: 16_384, test_samples: Some(512), seed: 1 });
    assert_eq!(data("mlp-1024").scale, 1.0 / 255.0);
    let DataSource::Arrays(ArrayFormat::Idx, Parts { train, test, .. }) = data("lenet5").source else {
        panic!("LeNet-5 is trained on MNIST")
    };
    for files in [train, test.expect("MNIST has test samples")] {
        assert_eq!(files.0.iter().map(|(input, _)| input.as_str()).collect::<Vec<_>>(), ["image", "label"]);
        assert!(files.get("label").is_some_and(|file| file.path.starts_with("../../examples/../data/mnist")));
    }
}

/// A seed and a scale may be given, and test samples left out.
#[test]
fn synthetic_data_has_defaults() {
    let text = std::fs::read_to_string(example_path("mlp-1024")).expect("the example");
    let (before, _) = text.split_once("\"data\":").expect("the example has data");
    let source = |data: &str| {
        let text = format!("{before}\"data\": {data} }}");
        let data = parse(&text, Path::new("x")).unwrap_or_else(|diagnostics| panic!("{diagnostics}")).data;
        data.map(|data| (data.scale, data.source))
    };
    assert_eq!(
        source(r#"{ "format": "synthetic", "samples": 1 }"#),
        Some((1.0 / 255.0, DataSource::Synthetic { samples: 1, test_samples: None, seed: 1 }))
    );
    assert_eq!(
        source(r#"{ "format": "synthetic", "scale": -2, "seed": 9223372036854775807, "samples": 10000000 }"#),
        Some((-2.0, DataSource::Synthetic { samples: 10_000_000, test_samples: None, seed: i64::MAX as u64 }))
    );
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
    for name in EXAMPLES.into_iter().chain(OF_OTHER_DATA) {
        let experiment = load_with(Path::new(&example_path(name)), CheckData::No);
        let graph = experiment.unwrap_or_else(|diagnostics| panic!("{diagnostics}")).graph;
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
    for name in EXAMPLES.into_iter().chain(OF_OTHER_DATA) {
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
    let cases = "unknown_field unknown_op kernel_zero strides padding train version missing_fields data_format_misspelt \
                 synthetic_fields_of_idx idx_fields_of_synthetic synthetic_missing_fields \
                 synthetic_numbers too_many_dimensions name_of_network names_too_long";
    for case in cases.split(' ') {
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
