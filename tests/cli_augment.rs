//! Samples that are changed at random in training: the same bytes however it runs, and what `show` makes of them.

use crate::common::folder::{Folder, text};
use serde_json::Value;
use std::fs;

/// Every transform, and mixing.
const GRAPH: &str = r#"{ "graphc": 1, "name": "augmented",
  "inputs": { "image": { "shape": ["N", 9, 7, 1] }, "label": { "shape": ["N", 4] } },
  "nodes": [
    { "name": "conv", "op": "conv2d", "inputs": "image", "filters": 4, "kernel": 3, "activation": "relu" },
    { "name": "flat", "op": "flatten" },
    { "name": "probabilities", "op": "dense", "units": 4, "activation": "softmax" } ],
  "loss": { "op": "categorical_crossentropy", "prediction": "probabilities", "target": "label" },
  "metrics": ["accuracy", "top_2", "confusion_matrix"],
  "optimizer": { "op": "adam", "learning_rate": 0.01 },
  "train": { "batch_size": 24, "epochs": 3, "validation_split": 0.2, "seed": 5 },
  "data": { "scale": 0.00392156862745098,
    "train": { "image": "images-ubyte", "label": "labels-ubyte" }, "test": { "image": "images-ubyte", "label": "labels-ubyte" },
    "preprocess": { "label": { "one_hot": true } },
    "augment": { "image": {
      "flip": "horizontal", "shift": 1, "crop": 1, "rotate": 15, "zoom": 0.1,
      "contrast": 0.2, "brightness": 0.1, "noise": 0.05, "erase": { "probability": 0.3 } } },
    "mixup": { "alpha": 0.3 } } }
"#;

const N: usize = 250;

fn idx(sizes: &[u32], bytes: &[u8]) -> Vec<u8> {
    let mut file = vec![0, 0, 8, sizes.len() as u8];
    sizes.iter().for_each(|size| file.extend(size.to_be_bytes()));
    file.extend(bytes);
    file
}

/// Pictures of four classes: a bright row, column, frame or spot on a ground that varies.
fn folder() -> Folder {
    let pixel = |sample: usize, y: usize, x: usize| {
        let is_bright = match sample % 4 {
            0 => y == 2 + sample / 4 % 4,
            1 => x == 2 + sample / 4 % 3,
            2 => y == 0 || y == 8 || x == 0 || x == 6,
            _ => y.abs_diff(4) + x.abs_diff(3) < 3,
        };
        if is_bright { 230 } else { (sample * 31 + y * 17 + x * 43) as u8 % 90 }
    };
    let images: Vec<u8> = (0..N)
        .flat_map(|s| (0..9).flat_map(move |y| (0..7).map(move |x| (s, y, x))))
        .map(|(s, y, x)| pixel(s, y, x))
        .collect();
    let labels: Vec<u8> = (0..N).map(|sample| (sample % 4) as u8).collect();
    Folder::with(&[
        ("net.graph.json", GRAPH.as_bytes()),
        ("images-ubyte", &idx(&[N as u32, 9, 7], &images)),
        ("labels-ubyte", &idx(&[N as u32], &labels)),
    ])
}

/// With one thread batches are loaded ahead where a core is free, else between the steps.
#[test]
fn threads_loading_and_instructions_change_no_bit() {
    let folder = folder();
    let train = |name: &str, options: &[&str]| {
        folder.ok(&[&["train", "net.graph.json", "--quiet", "--out", name], options].concat());
        fs::read(folder.path(name).join("model.safetensors")).unwrap()
    };
    let expected = train("whole", &["--threads", "2"]);
    let runs = [("1", "native"), ("3", "native"), ("1", "portable"), ("2", "portable"), ("2", "fma")];
    for (number, (threads, isa)) in runs.into_iter().enumerate() {
        let found = train(&number.to_string(), &["--threads", threads, "--isa", isa]);
        assert!(found == expected, "{threads} threads, {isa}");
    }
    assert!(train("seed", &["--seed", "6"]) != expected);
    fs::write(folder.path("net.graph.json"), GRAPH.replace("\"rotate\": 15", "\"rotate\": 16")).unwrap();
    assert!(train("other", &[]) != expected, "augmentation reaches the training");
}

/// Validation and test see samples as they are, and metrics of shares of classes are right for them.
#[test]
fn what_is_measured_is_not_augmented() {
    let folder = folder();
    let output = folder.ok(&["train", "net.graph.json", "--json", "--out", "run", "--epochs", "12"]);
    let results: Value = serde_json::from_str(output.lines().last().unwrap()).unwrap();
    let accuracy = results["test_accuracy"].as_f64().unwrap();
    assert!(accuracy > 0.8, "{output}");
    assert!(results["test_metrics"]["top_2"].as_f64().is_none_or(|top| top >= accuracy), "{output}");
    let plain = GRAPH.lines().filter(|line| !line.contains("mixup")).collect::<Vec<_>>().join("\n");
    let start = plain.find("    \"augment\"").unwrap();
    let plain = format!("{} }} }}\n", plain[..start].trim_end().trim_end_matches(','));
    fs::write(folder.path("plain.graph.json"), plain).unwrap();
    let eval = |file: &str| -> Value {
        serde_json::from_str(&folder.ok(&["eval", file, "--weights", "run/model.safetensors", "--json"])).unwrap()
    };
    assert_eq!(eval("net.graph.json"), eval("plain.graph.json"));
    assert_eq!(eval("plain.graph.json")["test_accuracy"].as_f64(), Some(accuracy));
}

#[test]
fn samples_are_shown() {
    let folder = folder();
    let said = folder.ok(&["show", "net.graph.json"]);
    assert_eq!(said, "sheet.png: 40 samples of `image`, 9x7, enlarged 10 times\n");
    let said =
        folder.ok(&["show", "net.graph.json", "--augmented", "3", "--samples", "1", "--out", "a.png", "--epoch", "2"]);
    assert_eq!(said, "a.png: 1 sample of `image`, 9x7, enlarged 10 times\n");
    let png = fs::read(folder.path("a.png")).unwrap();
    assert!(png.starts_with(b"\x89PNG") && png != fs::read(folder.path("sheet.png")).unwrap());
    folder.ok(&["show", "net.graph.json", "--augmented", "3", "--samples", "1", "--out", "b.png", "--epoch", "2"]);
    assert!(fs::read(folder.path("b.png")).unwrap() == png);
    folder.ok(&["show", "net.graph.json", "--augmented", "3", "--samples", "1", "--out", "b.png", "--seed", "6"]);
    assert!(fs::read(folder.path("b.png")).unwrap() != png);
    assert_eq!(
        folder.fails(1, &["show", "net.graph.json", "--input", "label"]),
        "error: `--input label`: there is no such input to show; expected one of `image`\n"
    );
    assert_eq!(
        folder.fails(1, &["show", "net.graph.json", "--out", "no/such.png"]),
        "error: no/such.png: cannot write into the folder no: No such file or directory (os error 2)\n"
    );
    assert!(folder.fails(2, &["show", "net.graph.json", "--augmented", "0"]).contains("at least 1"));
}

/// Of what is no picture there is a table.
#[test]
fn tables_are_shown() {
    let graph = r#"{ "graphc": 1,
      "inputs": { "x": { "shape": ["N", 2] }, "y": { "shape": ["N"] } },
      "nodes": [ { "name": "p", "op": "dense", "inputs": "x", "units": 1 }, { "name": "flat", "op": "reshape", "shape": ["N"] } ],
      "loss": { "op": "mean_squared_error", "prediction": "flat", "target": "y" },
      "data": { "train": "t.csv", "columns": { "x": ["a", "b"], "y": "y" }, "augment": { "x": { "noise": 0.5 } } } }"#;
    let folder = Folder::with(&[("net.graph.json", graph.as_bytes()), ("t.csv", b"a,b,y\n1,2,3\n4,5.5,6\n7,8,-9\n")]);
    let lines = |args: &[&str]| -> Vec<Vec<String>> {
        let table = folder.ok(args);
        let rows = table.lines().filter(|line| line.contains(|c: char| c.is_ascii_digit()));
        rows.map(|line| line.split_whitespace().map(String::from).collect()).collect()
    };
    let plain = lines(&["show", "net.graph.json", "--samples", "2"]);
    assert_eq!(plain, [vec!["0", "as", "it", "is", "1,", "2", "3"], vec!["1", "as", "it", "is", "4,", "5.5", "6"]]);
    let augmented = lines(&["show", "net.graph.json", "--samples", "1", "--augmented", "2"]);
    assert_eq!(augmented.len(), 3);
    assert_eq!(augmented[0], plain[0]);
    assert_eq!((&*augmented[2][1], &*augmented[2][2], &*augmented[2][5]), ("epoch", "2", "3"));
    assert_ne!(augmented[1][3..5], augmented[2][3..5]);
}

#[test]
fn what_does_not_fit_is_told() {
    let folder = folder();
    fs::write(folder.path("net.graph.json"), GRAPH.replace("\"shift\": 1", "\"shift\": 7")).unwrap();
    let output = folder.run(&["train", "net.graph.json", "--out", "run"]);
    assert_eq!(
        text(&output.stderr),
        "error: `augment` of the input `image`: `shift` is 7 pixels, but pictures are 9x7\n"
    );
}
