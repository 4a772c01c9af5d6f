//! Results of a few networks, bit for bit, in a golden file with the revision of the bits: whoever changes results
//! changes that.

use crate::common::folder::Folder;
use graphc_driver::BITS_REVISION;
use serde_json::Value;
use std::fmt::Write;
use std::fs;
use std::path::Path;

/// Convolutions, moving statistics, dropout, averages, a rate with memory; synthetic samples, of which the last
/// validate.
const PICTURES: &str = r#"{ "graphc": 1, "name": "pictures",
  "inputs": { "image": { "shape": ["N", 9, 9, 2] }, "label": { "shape": ["N"], "dtype": "i32" } },
  "nodes": [
    { "name": "conv", "op": "conv2d", "inputs": "image", "filters": 5, "kernel": 3, "padding": "same" },
    { "name": "norm", "op": "batch_norm", "momentum": 0.9 },
    { "name": "act", "op": "relu" },
    { "name": "pool", "op": "max_pool2d", "pool": 2 },
    { "name": "conv2", "op": "conv2d", "filters": 6, "kernel": 2, "strides": 2 },
    { "name": "squash", "op": "tanh" },
    { "name": "mean", "op": "avg_pool2d", "pool": 2 },
    { "name": "flat", "op": "flatten" },
    { "name": "drop", "op": "dropout", "rate": 0.3 },
    { "name": "scores", "op": "dense", "units": 4 },
    { "name": "probabilities", "op": "softmax" } ],
  "loss": { "op": "categorical_crossentropy", "prediction": "probabilities", "target": "label" },
  "metrics": ["accuracy", "top_2", "f1"],
  "optimizer": { "op": "adamw", "learning_rate": 0.02 },
  "train": { "batch_size": 24, "epochs": 5, "validation_split": 0.2, "ema": { "decay": 0.95 }, "keep": "best",
    "schedule": { "op": "plateau", "monitor": "val_accuracy", "factor": 0.5, "patience": 1, "warmup_steps": 15 } },
  "data": { "format": "synthetic", "samples": 440, "test_samples": 40, "seed": 3 } }
"#;

/// A regression on a table with categories and gaps, standardised; the validation rows are drawn.
const TABLE: &str = r#"{ "graphc": 1, "name": "table",
  "inputs": { "x": { "shape": ["N", 4] }, "price": { "shape": ["N", 1] } },
  "nodes": [
    { "name": "hidden", "op": "dense", "inputs": "x", "units": 16, "activation": "sigmoid" },
    { "name": "y", "op": "dense", "units": 1 } ],
  "loss": { "op": "huber", "prediction": "y", "target": "price" },
  "metrics": ["mae", "mse"],
  "optimizer": { "op": "sgd", "learning_rate": 0.05, "momentum": 0.9, "nesterov": true },
  "train": { "batch_size": 16, "epochs": 4, "validation_split": 0.25, "schedule": { "op": "one_cycle" } },
  "data": { "format": "csv", "train": "houses.csv",
    "columns": { "x": ["area", { "name": "rooms", "missing": "median" }, { "name": "town", "categories": "one_hot" }], "price": "price" },
    "preprocess": { "x": { "standardise": true }, "price": { "standardise": true } } } }
"#;

/// Pictures in colour in an array, made grey and of another size; the validation samples are drawn by class.
const RESIZED: &str = r#"{ "graphc": 1, "name": "resized",
  "inputs": { "image": { "shape": ["N", 5, 6, 1] }, "label": { "shape": ["N", 1] } },
  "nodes": [
    { "name": "flat", "op": "flatten", "inputs": "image" },
    { "name": "hidden", "op": "dense", "units": 7, "activation": "relu" },
    { "name": "norm", "op": "batch_norm" },
    { "name": "score", "op": "dense", "units": 1 },
    { "name": "yes", "op": "sigmoid" } ],
  "loss": { "op": "binary_crossentropy", "prediction": "yes", "target": "label" },
  "metrics": ["accuracy"],
  "optimizer": { "op": "adam", "learning_rate": 0.01 },
  "train": { "batch_size": 32, "epochs": 4, "validation_split": 0.2, "schedule": { "op": "exponential", "gamma": 0.7 } },
  "data": { "format": "npy", "scale": 0.00392156862745098, "train": { "image": "image.npy", "label": "label.npy" },
    "preprocess": { "image": { "resize": true, "grayscale": true } } } }
"#;

fn npy(shape: &str, bytes: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}");
    let padded = format!("{header:<117}\n");
    [b"\x93NUMPY\x01\x00", (padded.len() as u16).to_le_bytes().as_slice(), padded.as_bytes(), bytes].concat()
}

/// Bytes that look random and are the same for ever.
fn bytes(n: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..n).map(next).collect()
}

fn folder() -> Folder {
    let graphs = [("pictures.json", PICTURES), ("table.json", TABLE), ("resized.json", RESIZED)];
    let folder = Folder::with(&graphs.map(|(name, text)| (name, text.as_bytes())));
    let mut csv = String::from("area,rooms,town,price\n");
    for row in bytes(4 * 120).chunks(4) {
        let (area, rooms, town) =
            (20.0 + f64::from(row[0]) / 2.0, row[1] % 6, ["north", "south"][usize::from(row[2] % 2)]);
        let rooms = if row[1] < 20 { String::new() } else { rooms.to_string() };
        writeln!(csv, "{area},{rooms},{town},{}", area * 3.0 + f64::from(row[3])).unwrap();
    }
    fs::write(folder.path("houses.csv"), csv).unwrap();
    let image = bytes(150 * 7 * 9 * 3);
    let label: Vec<u8> = image.chunks(7 * 9 * 3).map(|image| u8::from(image[0] > 127)).collect();
    fs::write(folder.path("image.npy"), npy("(150, 7, 9, 3)", &image)).unwrap();
    fs::write(folder.path("label.npy"), npy("(150, 1)", &label)).unwrap();
    folder
}

/// The last chain of each network's receipt.
fn chains() -> Vec<(&'static str, String)> {
    let folder = folder();
    let chain = |name: &'static str| {
        let said = folder.ok(&["train", &format!("{name}.json"), "--json", "--out", name]);
        let end: Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
        (name, end["receipt"].as_str().unwrap().to_string())
    };
    ["pictures", "table", "resized"].map(chain).to_vec()
}

#[test]
fn results_are_those_of_their_revision() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/bits.txt");
    let golden = fs::read_to_string(&path).unwrap_or_default();
    let of = |name: &str| golden.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    let is_same_revision = of("revision") == Some(&BITS_REVISION.to_string());
    let found = chains();
    let changed: Vec<&str> = found
        .iter()
        .filter(|(name, chain)| of(name).is_some_and(|known| known != chain))
        .map(|(name, _)| *name)
        .collect();
    assert!(
        !is_same_revision || changed.is_empty(),
        "results of {} have changed, so that receipts of earlier versions cannot be verified any more: if that is wanted, raise \
         BITS_REVISION (crates/graphc-driver/src/bits.rs) by 1, then bless",
        changed.join(", ")
    );
    let mut text = format!("revision {BITS_REVISION}\n");
    found.iter().for_each(|(name, chain)| writeln!(text, "{name} {chain}").unwrap());
    if std::env::var_os("GRAPHC_BLESS").is_some() {
        fs::write(&path, text).unwrap();
    } else {
        assert_eq!(golden, text, "tests/bits.txt: `GRAPHC_BLESS=1` writes it anew");
    }
}
