//! Losses with weights and metrics, through the built program: what `eval` prints, what a run folder holds, and that
//! neither depends on batches or threads.

use crate::common::folder::Folder;
use graphc_train::weights::write_tensors;
use graphc_train::{NamedTensor, TensorData};
use serde_json::{Value, json};
use std::fs;

fn idx(shape: &[usize], data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, shape.len() as u8];
    shape.iter().for_each(|&size| bytes.extend((size as u32).to_be_bytes()));
    bytes.extend(data);
    bytes
}

/// A graph file of one layer without bias on `x`.
struct Net<'a> {
    inputs: &'a str,
    units: usize,
    activation: &'a str,
    loss: &'a str,
    metrics: &'a str,
    train: &'a str,
    files: &'a str,
}

fn graph(net: &Net<'_>) -> String {
    let Net { inputs, units, activation, loss, metrics, train, files } = net;
    format!(
        r#"{{ "graphc": 1, "name": "net", "inputs": {{ {inputs} }},
  "nodes": [ {{ "name": "p", "op": "dense", "inputs": "x", "units": {units}, "use_bias": false, "activation": "{activation}" }} ],
  "loss": {{ "prediction": "p", "target": "label", "op": {loss} }},
  "metrics": {metrics}, "optimizer": {{ "op": "sgd", "learning_rate": 0.1 }},
  "train": {{ {train} }},
  "data": {{ "format": "idx", "scale": 0.01, "train": {{ {files} }}, "test": {{ {files} }} }} }}
"#
    )
}

const CLASSES: &str = r#""x": { "shape": ["N", 3] }, "label": { "shape": ["N"], "dtype": "i32" }"#;
const FILES: &str = r#""x": "x", "label": "label""#;

/// 22 samples: what they are, and what their largest number is.
const ACTUAL: [u8; 22] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2];
const LARGEST: [u8; 22] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 1, 1, 0, 2, 2, 2, 2, 2, 1, 1, 1];

/// A network that predicts the largest of three numbers.
fn of_classes(loss: &str, metrics: &str) -> Folder {
    let train = r#""epochs": 2, "batch_size": 4, "validation_split": 0.25"#;
    let graph = graph(&Net { inputs: CLASSES, units: 3, activation: "softmax", loss, metrics, train, files: FILES });
    let x: Vec<u8> =
        LARGEST.iter().flat_map(|&class| (0..3).map(move |i| 100 * u8::from(i == class) + 20 * i)).collect();
    let folder = Folder::with(&[
        ("net.graph.json", graph.as_bytes()),
        ("x", &idx(&[22, 3], &x)),
        ("label", &idx(&[22], &ACTUAL)),
    ]);
    identity(&folder, 3);
    folder
}

fn identity(folder: &Folder, n: usize) {
    let kernel = (0..n * n).map(|i| f32::from(u8::from(i / n == i % n))).collect();
    let kernel = NamedTensor { name: "p.kernel".into(), shape: vec![n, n], data: TensorData::F32(kernel) };
    write_tensors(&folder.path("weights"), &[kernel]).unwrap();
}

const CROSSENTROPY: &str = r#""categorical_crossentropy""#;

#[test]
fn eval_tells_of_the_classes() {
    let folder = of_classes(CROSSENTROPY, r#"["accuracy", "top_2", "precision", "recall", "f1", "confusion_matrix"]"#);
    let text = folder.ok(&["eval", "net.graph.json", "--weights", "weights"]);
    let (first, rest) = text.split_once('\n').unwrap();
    assert!(first.starts_with("Test loss ") && first.ends_with(", accuracy 0.7273 (22 samples)"), "{first}");
    let expected = "\
top_2 0.9091
precision 0.6586
recall 0.6602
f1 0.6563
───────────────────────────────────────────────
 Class   Samples   Precision   Recall       F1
═══════════════════════════════════════════════
 0            11      0.9091   0.9091   0.9091
 1             4      0.4000   0.5000   0.4444
 2             7      0.6667   0.5714   0.6154
───────────────────────────────────────────────

Confusion matrix: rows are what samples are, columns what was predicted
  │  0  1  2
──┼─────────
0 │ 10  ·  1
1 │  1  2  1
2 │  ·  3  4
";
    assert_eq!(rest, expected, "{rest}");
}

#[test]
fn eval_as_json_does_not_depend_on_batches_or_threads() {
    let folder = of_classes(CROSSENTROPY, r#"["top_2", "precision", "f1"]"#);
    let eval = |extra: &[&str]| -> Value {
        let args = [&["eval", "net.graph.json", "--weights", "weights", "--json"], extra].concat();
        let mut all: Value = serde_json::from_str(&folder.ok(&args)).unwrap();
        // A mean of batches, whose rounding depends on them.
        all.as_object_mut().unwrap().remove("test_loss");
        all
    };
    let expected = json!({
        "test_accuracy": null, "samples": 22, "test_top_2": 20.0 / 22.0,
        "test_precision": (10.0 / 11.0 + 2.0 / 5.0 + 4.0 / 6.0) / 3.0,
        "test_f1": (20.0 / 22.0 + 4.0 / 9.0 + 8.0 / 13.0) / 3.0,
        "classes": [
            { "class": 0, "samples": 11, "precision": 10.0 / 11.0, "recall": 10.0 / 11.0, "f1": 20.0 / 22.0 },
            { "class": 1, "samples": 4, "precision": 0.4, "recall": 0.5, "f1": 4.0 / 9.0 },
            { "class": 2, "samples": 7, "precision": 4.0 / 6.0, "recall": 4.0 / 7.0, "f1": 8.0 / 13.0 }],
        "confusion_matrix": [[10, 0, 1], [1, 2, 1], [0, 3, 4]]
    });
    // Read as the output is: numbers of 17 digits may be another in the last one.
    let expected: Value = serde_json::from_str(&expected.to_string()).unwrap();
    assert_eq!(eval(&[]), expected);
    for extra in [["--batch-size", "1"], ["--batch-size", "22"], ["--batch-size", "5"], ["--threads", "2"]] {
        assert_eq!(eval(&extra), expected, "{extra:?}");
    }
}

#[test]
fn a_run_folder_holds_the_metrics() {
    let folder = of_classes(CROSSENTROPY, r#"["accuracy", "recall", "top_2"]"#);
    let lines = folder.ok(&["train", "net.graph.json", "--json", "--out", "run", "--init", "weights", "--lr", "0"]);
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    // The last six samples: three of class 2 are right and three are taken for 1, so that recalls of 0.5 and 0 are
    // averaged.
    assert_eq!([&lines[0]["val_recall"], &lines[0]["val_top_2"]], [&json!(0.25), &json!(1.0)]);
    assert!(lines[2]["test_top_2"].as_f64().is_some_and(|share| (share - 20.0 / 22.0).abs() < 1e-12));
    assert_eq!(lines[2]["confusion_matrix"][2], json!([0, 3, 4]));
    let history = fs::read_to_string(folder.path("run/history.csv")).unwrap();
    assert!(
        history.starts_with("epoch,loss,accuracy,val_loss,val_accuracy,seconds,learning_rate,val_recall,val_top_2\n"),
        "{history}"
    );
    assert!(history.lines().nth(1).is_some_and(|line| line.ends_with(",0.25,1")), "{history}");
    let run: Value = serde_json::from_slice(&fs::read(folder.path("run/run.json")).unwrap()).unwrap();
    assert_eq!(run["results"]["test_top_2"], lines[2]["test_top_2"]);
    let svg = fs::read_to_string(folder.path("run/confusion.svg")).unwrap();
    assert!(svg.contains("Confusion matrix of net (test samples)"), "{svg}");
    let text = folder.ok(&["train", "net.graph.json", "--out", "other", "--init", "weights", "--lr", "0"]);
    assert!(text.contains("  recall 0.2500"), "{text}");
    assert!(text.contains("(22 samples)\nrecall 0.6602\ntop_2 0.9091\n"), "{text}");

    // What is asked for must fit the predictions.
    let unfit = of_classes(CROSSENTROPY, r#"["mae"]"#).fails(1, &["eval", "net.graph.json", "--weights", "weights"]);
    assert!(unfit.contains("`mae`: mae expects a target of the prediction's type f32[N,3], got i32[N]"), "{unfit}");

    // Nothing of it where nothing is asked for.
    let folder = of_classes(CROSSENTROPY, r#"["accuracy"]"#);
    folder.ok(&["train", "net.graph.json", "--out", "run"]);
    assert!(!folder.path("run/confusion.svg").exists());
}

/// Losses of training and validation of every epoch.
fn losses(folder: &Folder) -> Vec<[f64; 2]> {
    let lines = folder.ok(&["train", "net.graph.json", "--json", "--out", "run", "--init", "weights"]);
    let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let epochs = lines.filter(|line| line.get("epoch").is_some());
    epochs.map(|line| [&line["loss"], &line["val_loss"]].map(|loss| loss.as_f64().unwrap())).collect()
}

#[test]
fn weights_of_classes_are_weights_of_samples_in_training() {
    let plain = losses(&of_classes(CROSSENTROPY, "[]"));
    let of_classes_folder = of_classes(r#""categorical_crossentropy", "class_weights": [1, 5, 2.0]"#, "[]");
    let weighted = losses(&of_classes_folder);
    // The same with an input that has them.
    let inputs = format!(r#"{CLASSES}, "w": {{ "shape": ["N"] }}"#);
    let files = format!(r#"{FILES}, "w": "w""#);
    let loss = r#""categorical_crossentropy", "weights": "w""#;
    let train = r#""epochs": 2, "batch_size": 4, "validation_split": 0.25"#;
    let folder = of_classes(CROSSENTROPY, "[]");
    let net = Net { inputs: &inputs, units: 3, activation: "softmax", loss, metrics: "[]", train, files: &files };
    fs::write(folder.path("net.graph.json"), graph(&net)).unwrap();
    let w: Vec<u8> = ACTUAL.iter().map(|&class| [1, 5, 2][usize::from(class)]).collect();
    fs::write(folder.path("w"), idx(&[22], &w)).unwrap();
    let given = losses(&folder);
    for epoch in 0..2 {
        assert_eq!(weighted[epoch][0].to_bits(), given[epoch][0].to_bits(), "epoch {epoch}");
        assert!(weighted[epoch][0] > plain[epoch][0] * 1.2, "epoch {epoch}: {weighted:?}, {plain:?}");
        // All validation samples are of class 2, whose weight is 2.
        assert!((given[epoch][1] / weighted[epoch][1] - 2.0).abs() < 1e-6, "epoch {epoch}: {given:?}, {weighted:?}");
    }
    // Evaluation and inference need no weights.
    let weights = of_classes_folder.path("run/model.safetensors").display().to_string();
    of_classes_folder.ok(&["eval", "net.graph.json", "--weights", &weights]);
    of_classes_folder.ok(&["check", "net.graph.json", "--batch", "4"]);
}

/// Yes where the first of two numbers is larger by more than chance.
fn of_yes_and_no(loss: &str, metrics: &str) -> Folder {
    let inputs = r#""x": { "shape": ["N", 2] }, "label": { "shape": ["N", 1] }"#;
    let train = r#""epochs": 30, "batch_size": 8"#;
    let graph = graph(&Net { inputs, units: 1, activation: "sigmoid", loss, metrics, train, files: FILES });
    let x: Vec<u8> = (0..64u32).flat_map(|i| [(i * 37 % 200) as u8, (i * 91 % 200) as u8]).collect();
    let label: Vec<u8> = x.chunks(2).map(|pair| u8::from(pair[0] > pair[1])).collect();
    Folder::with(&[("net.graph.json", graph.as_bytes()), ("x", &idx(&[64, 2], &x)), ("label", &idx(&[64, 1], &label))])
}

#[test]
fn yes_and_no_can_be_learnt() {
    let folder = of_yes_and_no(r#""binary_crossentropy""#, r#"["accuracy", "precision", "recall", "f1", "mae"]"#);
    let lines = folder.ok(&["train", "net.graph.json", "--json", "--out", "run", "--lr", "1"]);
    let end: Value = serde_json::from_str(lines.lines().last().unwrap()).unwrap();
    let number = |name: &str| end[name].as_f64().unwrap();
    assert!(number("test_accuracy") > 0.9 && number("test_f1") > 0.9 && number("test_mae") < 0.3, "{end}");
    let counts: Vec<u64> = serde_json::from_value(end["confusion_matrix"][1].clone()).unwrap();
    assert_eq!(number("test_recall"), counts[1] as f64 / (counts[0] + counts[1]) as f64);
    let hits = end["confusion_matrix"][0][0].as_u64().unwrap() + counts[1];
    assert!((number("test_accuracy") - hits as f64 / 64.0).abs() < 1e-7, "{end}");

    // More weight for yes, more yes.
    let folder = of_yes_and_no(r#""binary_crossentropy", "class_weights": [1, 20]"#, r#"["precision", "recall"]"#);
    let lines = folder.ok(&["train", "net.graph.json", "--json", "--out", "run", "--lr", "0.1"]);
    let weighted: Value = serde_json::from_str(lines.lines().last().unwrap()).unwrap();
    assert!(weighted["test_recall"].as_f64() > weighted["test_precision"].as_f64(), "{weighted}");
}

#[test]
fn many_classes_are_told_of_by_their_confusions() {
    let n = 40;
    let inputs = r#""x": { "shape": ["N", 40] }, "label": { "shape": ["N"], "dtype": "i32" }"#;
    let (loss, metrics, train) = (CROSSENTROPY, r#"["confusion_matrix"]"#, r#""batch_size": 64"#);
    let graph = graph(&Net { inputs, units: n, activation: "softmax", loss, metrics, train, files: FILES });
    // Every class once, every second one once more as the class before it, and three of 7 as 9.
    let mut pairs: Vec<(usize, usize)> = (0..n).map(|class| (class, class)).collect();
    pairs.extend((1..n).step_by(2).map(|class| (class, class - 1)));
    pairs.extend([(7, 9); 3]);
    let x: Vec<u8> = pairs.iter().flat_map(|&(_, found)| (0..n).map(move |i| 200 * u8::from(i == found))).collect();
    let label: Vec<u8> = pairs.iter().map(|&(class, _)| class as u8).collect();
    let folder = Folder::with(&[
        ("net.graph.json", graph.as_bytes()),
        ("x", &idx(&[pairs.len(), n], &x)),
        ("label", &idx(&[pairs.len()], &label)),
    ]);
    identity(&folder, n);
    let text = folder.ok(&["eval", "net.graph.json", "--weights", "weights"]);
    let (_, list) = text.split_once("Most frequent confusions:\n").expect("the list");
    let lines: Vec<&str> = list.lines().collect();
    assert_eq!(lines.len(), 11, "{list}");
    assert_eq!(lines[..2], ["class 7 taken for 9: 3 samples", "class 1 taken for 0: 1 sample"]);
    assert_eq!(lines[10], "and 11 pairs more");
}
