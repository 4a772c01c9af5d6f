//! Every format of data and every preprocessing, from the examples, and what is said of data that does not fit.

use crate::common::folder::Folder;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

#[path = "../examples/make_data.rs"]
#[expect(dead_code, reason = "the example has a `main`")]
mod make_data;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A folder with the made data and the example graph files, as in the project.
fn examples() -> Folder {
    let folder = Folder::with(&[]);
    make_data::make(&root().join("data/mnist"), &folder.path("made")).unwrap();
    // What is published has its own place; here stands what was made in its format.
    for published in ["cifar-10-batches-bin", "cifar-100-binary"] {
        fs::create_dir(folder.path(published)).unwrap();
        for entry in fs::read_dir(folder.path("made").join(published)).unwrap() {
            let path = entry.unwrap().path();
            fs::copy(&path, folder.path(published).join(path.file_name().unwrap())).unwrap();
        }
    }
    let of_made =
        ["stripes-grey", "houses", "towns", "digits-npy", "digits-npz", "digits-safetensors", "digits-images"];
    for name in of_made.into_iter().chain(["cifar10", "cifar100"]) {
        let file = format!("{name}.graph.json");
        fs::copy(root().join("examples").join(&file), folder.path(&file)).unwrap();
    }
    folder
}

/// The last line of `train --json`.
fn train(folder: &Folder, name: &str, options: &[&str]) -> Value {
    let file = format!("{name}.graph.json");
    let args = [&["train", &file, "--json", "--out", name], options].concat();
    let output = folder.ok(&args);
    serde_json::from_str(output.lines().last().unwrap()).unwrap()
}

#[test]
fn digits_in_every_format() {
    let folder = examples();
    let accuracy = |name: &str, options: &[&str]| train(&folder, name, options)["test_accuracy"].as_f64().unwrap();
    for name in ["digits-npy", "digits-npz", "digits-safetensors", "digits-images"] {
        let accuracy = accuracy(name, &["--epochs", "4"]);
        assert!(accuracy > 0.88, "{name}: {accuracy}");
        let weights = format!("{name}/model.safetensors");
        // What `eval` finds is what the training found.
        let file = format!("{name}.graph.json");
        let eval: Value = serde_json::from_str(&folder.ok(&["eval", &file, "--weights", &weights, "--json"])).unwrap();
        assert_eq!(eval["test_accuracy"].as_f64(), Some(accuracy), "{name}");
        folder.ok(&["verify", name, "--epochs", "1"]);
    }
    for name in ["cifar10", "cifar100", "stripes-grey"] {
        let accuracy = accuracy(name, &["--epochs", "6"]);
        assert!(accuracy > 0.4, "{name}: {accuracy}");
        folder.ok(&["verify", name, "--epochs", "1"]);
    }
    // Classes have their folders' names.
    let said = folder.ok(&[
        "predict",
        "digits-images.graph.json",
        "--weights",
        "digits-images/model.safetensors",
        "--top",
        "1",
        "made/digits/test/four/0004.png",
    ]);
    assert!(said.starts_with("made/digits/test/four/0004.png: class four ("), "{said}");
    fs::remove_file(folder.path("made/digits/test/four/0004.png")).unwrap();
    let message = folder.fails(1, &["train", "--resume", "digits-images", "--epochs", "9"]);
    let expected = "error: test data: made/digits/test has changed since the run began (";
    assert!(message.starts_with(expected) && message.contains(" pictures, "), "{message}");
}

/// Prices are a known function plus noise: the network finds the function, and predictions are in the unit of prices.
#[test]
fn a_regression_on_a_table_reaches_the_noise_floor() {
    let folder = examples();
    train(&folder, "houses", &[]);
    let table = fs::read_to_string(folder.path("made/houses-test.csv")).unwrap();
    // The new table lacks the target.
    let without_price = |line: &str| line.rsplit_once(',').unwrap().0.to_string();
    let new: Vec<String> = table.lines().map(without_price).collect();
    fs::write(folder.path("new.csv"), new.join("\n")).unwrap();
    let args = ["predict", "houses.graph.json", "--weights", "houses/model.safetensors", "--data", "new.csv"];
    folder.ok(&[&args[..], &["--out", "predictions.csv"]].concat());
    let predictions = fs::read_to_string(folder.path("predictions.csv")).unwrap();
    let mut lines = predictions.lines();
    assert_eq!(lines.next(), Some("row,y"));
    let mut sum = 0.0;
    for (row, (line, truth)) in lines.zip(table.lines().skip(1)).enumerate() {
        let (number, predicted) = line.split_once(',').unwrap();
        assert_eq!(number, row.to_string());
        let price: f64 = truth.rsplit_once(',').unwrap().1.parse().unwrap();
        sum += (predicted.parse::<f64>().unwrap() - price).powi(2);
    }
    assert_eq!(predictions.lines().count(), 5_001);
    let rmse = (sum / 5_000.0).sqrt();
    assert!(rmse < 1.05 * make_data::NOISE, "{rmse}");
}

#[test]
fn a_table_with_gaps_and_names_of_classes() {
    let folder = examples();
    let summary = train(&folder, "towns", &["--epochs", "2"]);
    assert!(summary["test_accuracy"].as_f64().unwrap() > 0.2);
    let args =
        ["predict", "towns.graph.json", "--weights", "towns/model.safetensors", "--data", "made/houses-gaps.csv"];
    folder.ok(&[&args[..], &["--out", "y.csv"]].concat());
    let table = fs::read_to_string(folder.path("y.csv")).unwrap();
    assert!(table.starts_with("row,class,probabilities[0],probabilities[1],"), "{table}");
    let class = table.lines().nth(1).unwrap().split(',').nth(1).unwrap();
    assert!(["Ashford", "Birchwood", "Cedar Hill", "Elmham", "Firth"].contains(&class), "{class}");
}

/// The same pictures give the same weights, whatever the format, where the split is the same.
#[test]
fn formats_make_no_difference() {
    let folder = examples();
    let weights = |name: &str| {
        train(&folder, name, &["--epochs", "1", "--limit", "500"]);
        fs::read(folder.path(&format!("{name}/model.safetensors"))).unwrap()
    };
    let npy = fs::read_to_string(folder.path("digits-npy.graph.json")).unwrap();
    let npz = npy.replace("-images.npy", ".npz#images").replace("-labels.npy", ".npz#labels");
    fs::write(folder.path("other.graph.json"), npz).unwrap();
    assert!(weights("digits-npy") == weights("other"));
}

/// A file, and what training on it says.
fn refused(files: &[(&str, &[u8])], graph: &str) -> String {
    let folder = Folder::with(files);
    fs::write(folder.path("net.graph.json"), graph).unwrap();
    folder.fails(1, &["train", "net.graph.json", "--epochs", "1", "--out", "run"]).replace("error: ", "")
}

const TABLE: &str = r#"{ "graphc": 1, "inputs": { "x": { "shape": ["N", 2] }, "y": { "shape": ["N"], "dtype": "i32" } },
  "nodes": [ { "name": "p", "op": "dense", "inputs": "x", "units": 2, "activation": "softmax" } ],
  "loss": { "op": "categorical_crossentropy", "prediction": "p", "target": "y" },
  "data": { "train": "t.csv", "columns": { "x": ["a", "b"], "y": "y" } } }"#;

#[test]
fn tables_that_do_not_fit() {
    let message = |text: &str| refused(&[("t.csv", text.as_bytes())], TABLE);
    assert_eq!(message("a,y\n1,0\n"), "t.csv: no column `b` among the 2 columns of the first line\n");
    assert_eq!(message("a,b,y\n1,2,0\n1,2\n"), "t.csv: line 3: 2 cells, expected 3\n");
    assert_eq!(message("a,b,y\n1,two,0\n"), "t.csv: line 2: column `b`: `two` is no number\n");
    assert_eq!(message("a,b,y\n1,NaN,0\n"), "t.csv: line 2: column `b`: the value is missing\n");
    assert_eq!(
        message("a,b,y\n1,2,0\n1,2,2\n"),
        "t.csv: label out of range: sample 1 has label 2, but `y` has 2 classes (0 to 1)\n"
    );
    assert_eq!(
        message("a,b,y\n1,2,x\n1,2,y\n1,2,z\n"),
        "t.csv: 3 classes (`x`, `y`, `z`), but the network tells 2 apart for `y`\n"
    );
    assert_eq!(
        message("a,b,y\n1e300,2,1\n"),
        "t.csv: sample 0 of the input `x` has an element that is more than f32 holds\n"
    );
    let one_hot = TABLE.replace(r#"["a", "b"]"#, r#"["a", { "name": "b", "categories": "one_hot" }]"#);
    assert_eq!(
        refused(&[("t.csv", b"a,b,y\n1,u,0\n1,v,1\n1,w,1\n")], &one_hot),
        "t.csv: the input `x` takes 2 elements, but its columns give 4: `a` 1, `b` 3\n"
    );
}

/// What is looked up in a table of learnt vectors is refused where it is read, and counts its categories as classes do.
#[test]
fn rows_that_a_table_does_not_have() {
    let graph = TABLE
        .replace(r#""x": { "shape": ["N", 2] }"#, r#""x": { "shape": ["N", 2], "dtype": "i32" }"#)
        .replace(
            r#""nodes": ["#,
            r#""nodes": [ { "name": "v", "op": "embedding", "inputs": "x", "input_dim": 3, "output_dim": 2 },
                { "name": "f", "op": "flatten" }, "#,
        )
        .replace(r#""inputs": "x", "units""#, r#""units""#);
    let message = |text: &str| refused(&[("t.csv", text.as_bytes())], &graph);
    let expected = |sample: usize, number: i64| {
        let table = "but `x` is looked up in a table of 3 rows (0 to 2)";
        format!("t.csv: number out of range: sample {sample} has {number}, {table}\n")
    };
    assert_eq!(message("a,b,y\n1,2,0\n0,3,1\n"), expected(1, 3));
    assert_eq!(message("a,b,y\n1,2,0\n0,1,1\n-1,0,1\n"), expected(2, -1));
    let named = graph
        .replace(r#""shape": ["N", 2], "dtype""#, r#""shape": ["N", 1], "dtype""#)
        .replace(r#"["a", "b"]"#, r#"{ "name": "a", "categories": "number" }"#);
    assert_eq!(
        refused(&[("t.csv", b"a,b,y\nk,0,0\nl,0,1\nm,0,1\nn,0,1\n")], &named),
        "t.csv: 4 classes (`k`, `l`, `m`, `n`), but the network tells 3 apart for `x`\n"
    );
}

#[test]
fn arrays_that_do_not_fit() {
    let graph = TABLE.replace(
        r#""train": "t.csv", "columns": { "x": ["a", "b"], "y": "y" }"#,
        r#""train": { "x": "x.npy", "y": "y.npy" }"#,
    );
    let array = |descr: &str, shape: &[usize], bytes: &[u8]| make_data::npy(descr, shape, bytes);
    let floats = |values: &[f32]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
    let y = array("|u1", &[2], &[0, 1]);
    let message = |x: &[u8], y: &[u8]| refused(&[("x.npy", x), ("y.npy", y)], &graph);
    assert_eq!(
        message(&array("<f4", &[2, 3], &floats(&[0.0; 6])), &y),
        "x.npy: samples of shape 3, but the input `x` takes 2\n"
    );
    assert_eq!(
        message(&array("<f4", &[2, 2], &floats(&[0.0, 1.0, f32::NAN, 0.0])), &y),
        "x.npy: sample 1 of the input `x` has an element that is NaN\n"
    );
    let x = array("<f4", &[2, 2], &floats(&[0.0; 4]));
    assert_eq!(
        message(&x, &array("<f4", &[2], &floats(&[0.0, 0.5]))),
        "y.npy: sample 1 of the input `y` is 0.5, expected an integer of 32 bits\n"
    );
    let truncated = message(&x[..x.len() - 1], &y);
    assert!(truncated.starts_with("x.npy: truncated: "), "{truncated}");
    assert_eq!(message(&x, &array("|u1", &[3], &[0, 1, 0])), "y.npy: 3 samples, but x.npy has 2\n");
}
