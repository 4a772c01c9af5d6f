//! What files say of single parameters, and what comes of it.

use graphc_frontend::{Experiment, n_elements, parse, summary, totals};
use graphc_ir::optimizers::{Accumulation, Clipping, ParameterSettings};
use graphc_ir::{Graph, Op};
use std::path::Path;

/// Two dense layers with a batch normalisation between them.
fn network(hidden: &str, norm: &str, rest: &str) -> Experiment {
    let text = format!(
        r#"{{ "graphc": 1,
        "inputs": {{ "x": {{ "shape": ["N", 4] }}, "t": {{ "shape": ["N", 3] }} }},
        "nodes": [
            {{ "name": "hidden", "op": "dense", "inputs": "x", "units": 8 {hidden} }},
            {{ "name": "bn1", "op": "batch_norm" {norm} }},
            {{ "name": "y", "op": "dense", "units": 3 }}
        ],
        "loss": {{ "op": "mean_squared_error", "prediction": "y", "target": "t" }} {rest} }}"#
    );
    parse(&text, Path::new("parameters")).unwrap_or_else(|diagnostics| panic!("{diagnostics}"))
}

fn trained(graph: &Graph) -> Vec<&str> {
    let trained = graph.ids().into_iter().filter(|&id| match graph.op(id) {
        Op::Parameter(parameter) => parameter.trainable,
        _ => false,
    });
    trained.map(|id| graph.node(id).name.as_str()).collect()
}

#[test]
fn the_last_entry_with_a_setting_wins() {
    let experiment = network(
        "",
        "",
        r#", "optimizer": { "op": "adamw" }, "parameters": [
            { "match": "*", "learning_rate_factor": 0.5, "weight_decay": 0.1 },
            { "match": "*.bias", "weight_decay": 0 },
            { "match": "y.*", "learning_rate_factor": 2 }
        ]"#,
    );
    let of = |learning_rate_factor, weight_decay| ParameterSettings {
        learning_rate_factor: Some(learning_rate_factor),
        weight_decay: Some(weight_decay),
    };
    let expected = [
        ("bn1.beta", of(0.5, 0.1)),
        ("bn1.gamma", of(0.5, 0.1)),
        ("hidden.bias", of(0.5, 0.0)),
        ("hidden.kernel", of(0.5, 0.1)),
        ("y.bias", of(2.0, 0.0)),
        ("y.kernel", of(2.0, 0.1)),
    ];
    let found = experiment.graph.parameter_settings.iter().map(|(name, settings)| (name.as_str(), *settings));
    assert_eq!(found.collect::<Vec<_>>(), expected);
}

#[test]
fn frozen_parameters_are_counted() {
    let experiment = network(
        r#", "trainable": false"#,
        "",
        r#", "parameters": [{ "match": "*.bias", "trainable": true }, { "match": "y.kernel", "trainable": false }]"#,
    );
    assert_eq!(trained(&experiment.graph), ["hidden.bias", "bn1.gamma", "bn1.beta", "y.bias"]);
    assert_eq!(experiment.frozen, ["hidden.kernel", "y.kernel"]);
    assert_eq!(n_elements(&experiment.graph, &experiment.frozen), 4 * 8 + 8 * 3);
    assert_eq!(totals(&experiment.graph).fixed, 4 * 8 + 8 * 3 + 2 * 8);
}

/// A batch normalisation that is not trained is that of inference.
#[test]
fn a_frozen_batch_norm_does_not_depend_on_the_mode() {
    let experiment = network("", r#", "trainable": false"#, "");
    let graph = &experiment.graph;
    let norm = graph.find("bn1").expect("the layer");
    assert!(matches!(graph.op(norm), Op::Normalize(_)), "{graph}");
    assert_eq!(trained(graph), ["hidden.kernel", "hidden.bias", "y.kernel", "y.bias"]);
    let rows: Vec<(String, String, bool)> =
        summary(graph).into_iter().skip(2).map(|row| (row.layer, row.op, row.is_frozen)).collect();
    let row = |layer: &str, op: &str, is_frozen| (layer.to_string(), op.to_string(), is_frozen);
    assert_eq!(rows, [row("hidden", "dense", false), row("bn1", "batch_norm", true), row("y", "dense", false)]);
}

/// What is not trained has no penalty, as in Keras.
#[test]
fn penalties_are_terms_of_the_loss() {
    let experiment = network(
        r#", "trainable": false"#,
        "",
        r#", "parameters": [{ "match": "*.kernel", "l2": 0.25 }, { "match": "y.bias", "l2": 0.5 }]"#,
    );
    let graph = &experiment.graph;
    let names: Vec<&str> = graph.ids().into_iter().map(|id| graph.node(id).name.as_str()).collect();
    let terms: Vec<&&str> = names.iter().filter(|name| name.ends_with(".l2")).collect();
    assert_eq!(terms, [&"y.kernel.l2", &"y.bias.l2"]);
    assert_eq!(graph.output("loss"), graph.loss);
    assert!(matches!(graph.op(graph.loss.expect("a loss")), Op::Add(_)));
}

#[test]
fn updates_are_as_the_file_says() {
    let plain = network("", "", "").graph;
    assert_eq!((plain.clipping, plain.accumulation, plain.parameter_settings.len()), (None, None, 0));
    let rest = r#", "optimizer": { "op": "lamb", "global_clipnorm": 0.5 }, "train": { "accumulate": 3 }"#;
    let graph = network("", "", rest).graph;
    assert_eq!(graph.clipping, Some(Clipping::GlobalNorm(0.5)));
    assert_eq!(graph.accumulation, Some(Accumulation { steps: 3 }));
}
