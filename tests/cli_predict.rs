//! `graphc predict`, and what `eval` and `run` do with data, on networks whose weights are written here.

use crate::common::folder::{Folder, text};
use graphc_train::weights::{read_tensors, write_tensors};
use graphc_train::{NamedTensor, TensorData};
use serde_json::Value;

/// Images of 2x3 pixels to 6 classes; with the identity as kernel, the brightest pixel is the class.
const CLASSIFIER: &str = r#"{ "graphc": 1, "name": "net",
  "inputs": { "image": { "shape": ["N", 2, 3, 1] }, "label": { "shape": ["N"], "dtype": "i32" } },
  "nodes": [
    { "name": "flat", "op": "flatten", "inputs": "image" },
    { "name": "p", "op": "dense", "units": 6, "activation": "softmax" } ],
  "loss": { "op": "categorical_crossentropy", "prediction": "p", "target": "label" },
  "metrics": ["accuracy"],
  "data": { "format": "idx", "scale": 0.0625,
    "train": { "image": "images", "label": "labels" }, "test": { "image": "images", "label": "labels" } } }
"#;

/// Images to the sum of their pixels.
const REGRESSION: &str = r#"{ "graphc": 1, "name": "sum",
  "inputs": { "image": { "shape": ["N", 2, 3, 1] }, "y": { "shape": ["N", 1] } },
  "nodes": [
    { "name": "flat", "op": "flatten", "inputs": "image" },
    { "name": "sum", "op": "dense", "units": 1 } ],
  "loss": { "op": "mean_squared_error", "prediction": "sum", "target": "y" },
  "data": { "format": "idx", "scale": 0.5,
    "train": { "image": "images", "y": "sums" }, "test": { "image": "images", "y": "sums" } } }
"#;

/// Light on dark.
const IMAGES: [[u8; 6]; 3] = [[0, 0, 0, 64, 0, 0], [0, 128, 0, 0, 0, 0], [16, 0, 0, 0, 0, 240]];

fn idx(shape: &[u32], data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, shape.len() as u8];
    shape.iter().for_each(|size| bytes.extend(size.to_be_bytes()));
    bytes.extend(data);
    bytes
}

fn tensor(name: &str, shape: &[usize], data: Vec<f32>) -> NamedTensor {
    NamedTensor { name: name.into(), shape: shape.to_vec(), data: TensorData::F32(data) }
}

/// Both networks with their data and weights.
fn folder() -> Folder {
    let folder = Folder::with(&[
        ("net.graph.json", CLASSIFIER.as_bytes()),
        ("sum.graph.json", REGRESSION.as_bytes()),
        ("images", &idx(&[3, 2, 3], &IMAGES.concat())),
        ("labels", &idx(&[3], &[3, 1, 5])),
        ("sums", &idx(&[3], &[32, 64, 128])),
    ]);
    let identity = (0..36).map(|i| if i % 7 == 0 { 1.0 } else { 0.0 }).collect();
    let of_net = [tensor("p.kernel", &[6, 6], identity), tensor("p.bias", &[6], vec![0.0; 6])];
    write_tensors(&folder.path("net.safetensors"), &of_net).unwrap();
    let of_sum = [tensor("sum.kernel", &[6, 1], vec![1.0; 6]), tensor("sum.bias", &[1], vec![0.0])];
    write_tensors(&folder.path("sum.safetensors"), &of_sum).unwrap();
    folder
}

fn args<'a>(net: &'a str, weights: &'a str, rest: &[&'a str]) -> Vec<&'a str> {
    [&["predict", net, "--weights", weights][..], rest].concat()
}

fn of_net<'a>(rest: &[&'a str]) -> Vec<&'a str> {
    args("net.graph.json", "net.safetensors", rest)
}

fn grey(folder: &Folder, name: &str, width: u32, height: u32, pixels: &[u8]) {
    image::GrayImage::from_raw(width, height, pixels.to_vec()).unwrap().save(folder.path(name)).unwrap();
}

#[test]
fn pictures_samples_and_numbers() {
    let folder = folder();
    grey(&folder, "first.png", 3, 2, &[240, 0, 0, 0, 0, 0]);
    image::GrayImage::from_fn(24, 16, |x, y| image::Luma([if x > 15 && y > 7 { 255 } else { 0 }]))
        .save(folder.path("last.jpg"))
        .unwrap();
    let (stdout, stderr) = folder.both(&of_net(&["0", "images#1", "first.png", "--json"]));
    assert_eq!(stderr, "");
    let lines: Vec<Value> = stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let keys: Vec<_> = lines[0].as_object().unwrap().keys().collect();
    assert_eq!(keys, ["image", "class", "probabilities"]);
    assert_eq!(lines.iter().map(|line| line["class"].as_u64().unwrap()).collect::<Vec<_>>(), [3, 1, 0]);
    let sum: f64 = lines[0]["probabilities"].as_array().unwrap().iter().map(|p| p.as_f64().unwrap()).sum();
    assert!((sum - 1.0).abs() < 1e-5);

    let (stdout, stderr) = folder.both(&of_net(&["last.jpg"]));
    assert!(stdout.starts_with("last.jpg: class 5 (") && stdout.lines().count() == 7, "{stdout}");
    assert_eq!(stderr, "warning: last.jpg: the picture is 24x16 pixels, the network takes 3x2; resized\n");

    let fails = |image: &str| folder.fails(1, &of_net(&[image]));
    assert_eq!(fails("3"), "error: images: no sample 3: there are 3\n");
    assert_eq!(fails("images#3"), "error: images: no sample 3: there are 3\n");
    assert_eq!(fails("no.png"), "error: no.png: cannot read the picture: No such file or directory (os error 2)\n");
    assert_eq!(fails("labels"), "error: labels: not a PNG or JPEG picture: The image format could not be determined\n");
    assert_eq!(fails("."), "error: .: cannot read the picture: it is not a regular file but a directory\n");
}

#[test]
fn a_sample_of_another_shape_is_refused() {
    let folder = folder();
    std::fs::write(folder.path("t.idx"), idx(&[1, 3, 2], &[0, 50, 100, 150, 200, 250])).unwrap();
    assert_eq!(
        folder.fails(1, &of_net(&["t.idx#0"])),
        "error: t.idx: samples of shape 3x2, but the input `image` takes 2x3x1\n"
    );
}

/// The network's own samples are light on dark, so ink on white paper is told, and turned on request.
#[test]
fn ink_on_paper() {
    let folder = folder();
    let ink = [[0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 255], [0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]].concat();
    image::RgbaImage::from_raw(3, 2, ink).unwrap().save(folder.path("ink.png")).unwrap();
    let (_, stderr) = folder.both(&of_net(&["ink.png"]));
    let transparent = "warning: ink.png: the picture has transparent pixels; laid on white\n";
    let told =
        "warning: ink.png: the picture is dark on light, the network's samples are light on dark; --invert turns it\n";
    assert_eq!(stderr, format!("{transparent}{told}"));
    let (stdout, stderr) = folder.both(&of_net(&["ink.png", "--invert", "--json"]));
    assert_eq!(stderr, transparent);
    assert!(stdout.starts_with(r#"{"image":"ink.png","class":2,"#), "{stdout}");
    // Samples of data files are what the network learns from, so they are never turned.
    assert_eq!(folder.ok(&of_net(&["images#1", "--invert"])), folder.ok(&of_net(&["images#1"])));
}

#[test]
fn the_best_classes_first() {
    let folder = folder();
    let stdout = folder.ok(&of_net(&["2", "--top", "2"]));
    let classes: Vec<&str> = stdout.lines().skip(1).filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(classes, ["5", "0"]);
    let json: Value = serde_json::from_str(&folder.ok(&of_net(&["2", "--top", "2", "--json"]))).unwrap();
    assert_eq!(json["top"][1]["class"], 0);
    assert_eq!(json["top"][1]["probability"], json["probabilities"][0]);
    let of_sum = args("sum.graph.json", "sum.safetensors", &["0", "--top", "2"]);
    assert_eq!(folder.fails(1, &of_sum), "error: --top: the output `sum` is no list of classes\n");
    assert!(folder.fails(2, &of_net(&["0", "--top", "0"])).contains("--top"));
}

#[test]
fn a_regression_gives_values() {
    let folder = folder();
    let of_sum = |rest: &[&'static str]| folder.ok(&args("sum.graph.json", "sum.safetensors", rest));
    assert_eq!(of_sum(&["0", "images#2"]), "0: 32\nimages#2: 128\n");
    assert_eq!(of_sum(&["1", "--json"]), "{\"image\":\"1\",\"values\":[64.0]}\n");
}

/// Images are halved, sums are not: the network that adds halved pixels is right.
#[test]
fn scale_does_not_touch_the_target() {
    let folder = folder();
    let eval = ["eval", "sum.graph.json", "--weights", "sum.safetensors"];
    assert_eq!(folder.ok(&eval), "Test loss 0.0000 (3 samples)\n");
}

#[test]
fn what_is_not_finite_is_told() {
    let folder = folder();
    let kernel: Vec<f32> = (0..36).map(|i| if i % 9 == 0 { f32::NAN } else { 0.0 }).collect();
    let weights = [tensor("p.kernel", &[6, 6], kernel), tensor("p.bias", &[6], vec![f32::INFINITY; 6])];
    write_tensors(&folder.path("nan.safetensors"), &weights).unwrap();
    let predict = args("net.graph.json", "nan.safetensors", &["0", "1"]);
    let eval = ["eval", "net.graph.json", "--weights", "nan.safetensors", "--json"];
    let weights = "warning: nan.safetensors: 4 of 36 weights in `p.kernel` are not finite, and some in 1 tensor more\n";
    for (args, what, head) in [
        (
            &predict[..],
            "the predictions for 2 of 2 pictures are not finite",
            "0: no prediction, 6 of 6 values are not finite\n",
        ),
        (&eval, "the test loss is NaN, no finite number", "{\"test_loss\":null,"),
    ] {
        let output = folder.run(args);
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(text(&output.stderr), format!("{weights}error: {what}\n`--allow-nonfinite` makes this a warning\n"));
        assert!(text(&output.stdout).starts_with(head), "{}", text(&output.stdout));
        let (stdout, stderr) = folder.both(&[args, &["--allow-nonfinite"]].concat());
        assert_eq!(stderr, format!("{weights}warning: {what}\n"));
        assert_eq!(stdout, text(&output.stdout));
    }
    // Finite weights may be too large.
    let weights = [tensor("sum.kernel", &[6, 1], vec![3e38; 6]), tensor("sum.bias", &[1], vec![0.0])];
    write_tensors(&folder.path("large.safetensors"), &weights).unwrap();
    let output = folder.run(&args("sum.graph.json", "large.safetensors", &["0", "1"]));
    assert_eq!(text(&output.stdout), "0: inf\n1: inf\n");
    assert_eq!(
        text(&output.stderr),
        "error: the predictions for 2 of 2 pictures are not finite\n`--allow-nonfinite` makes this a warning\n"
    );
}

/// `run` takes tensors as the step gets them; `--preprocess` does what is done to data, and gives what `predict` gives.
#[test]
fn run_preprocesses_on_request() {
    let folder = folder();
    let pixels: Vec<f32> = IMAGES.concat().iter().map(|&byte| f32::from(byte)).collect();
    let scaled = pixels.iter().map(|pixel| pixel * 0.5).collect();
    let y = || tensor("y", &[3, 1], vec![32.0, 64.0, 128.0]);
    write_tensors(&folder.path("pixels"), &[tensor("image", &[3, 2, 3, 1], pixels), y()]).unwrap();
    write_tensors(&folder.path("scaled"), &[tensor("image", &[3, 2, 3, 1], scaled), y()]).unwrap();
    let run = |inputs: &str, extra: &[&str]| {
        let args = ["run", "sum.graph.json", "--weights", "sum.safetensors", "--inputs", inputs, "--outputs", "out"];
        folder.ok(&[&args[..], extra].concat());
        read_tensors(&folder.path("out")).unwrap()
    };
    for engine in ["jit", "loops", "graph-f32", "graph-f64"] {
        let engine = ["--engine", engine];
        let with = run("pixels", &[&engine[..], &["--preprocess"]].concat());
        assert_eq!(with, run("scaled", &engine));
        assert_eq!(with["sum"].data.to_f32(), [32.0, 64.0, 128.0]);
        assert_eq!(with["loss"].data.to_f32(), [0.0], "the target is as it was");
        assert_eq!(run("pixels", &engine)["sum"].data.to_f32(), [64.0, 128.0, 256.0]);
    }
    std::fs::write(
        folder.path("bare.graph.json"),
        REGRESSION.split_once(",\n  \"data\"").unwrap().0.to_string() + " }",
    )
    .unwrap();
    assert_eq!(
        folder.fails(
            1,
            &[
                "run",
                "bare.graph.json",
                "--weights",
                "sum.safetensors",
                "--inputs",
                "pixels",
                "--outputs",
                "out",
                "--preprocess"
            ]
        ),
        "error: bare.graph.json: no `data`, so --preprocess has nothing to apply\n"
    );
    let help = folder.ok(&["run", "--help"]);
    let words = help.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("the step gets them as they are"), "{help}");
}

/// Another file than data is not quoted, and what is no regular file is not opened.
#[test]
fn data_paths_of_a_graph_file_from_somebody_else() {
    let folder = folder();
    let eval = ["eval", "net.graph.json", "--weights", "net.safetensors"];
    let with = |path: &str| {
        let graph = CLASSIFIER.replace("\"images\"", &format!("{path:?}"));
        std::fs::write(folder.path("net.graph.json"), graph).unwrap();
        let error = folder.fails(1, &eval);
        // `predict` does not need the data; it only looks how bright their edges are.
        grey(&folder, "first.png", 3, 2, &[240, 0, 0, 0, 0, 0]);
        assert_eq!(folder.both(&of_net(&["first.png"])).1, "");
        error
    };
    std::fs::write(folder.path("secret"), "root:x:0:0").unwrap();
    assert_eq!(
        with("secret"),
        "error: secret: not an IDX file: expected two zero bytes and an element type (08, 09 or 0b to 0e) at its start\n"
    );
    let fifo = folder.path("fifo");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    for (path, what) in [("/dev/zero", "a device or a pipe"), ("fifo", "a device or a pipe"), (".", "a directory")] {
        with(path);
        assert_eq!(
            folder.fails(1, &of_net(&[&format!("{path}#0")])),
            format!("error: {path}: cannot read the data file: it is not a regular file but {what}\n")
        );
        assert_eq!(
            folder.fails(1, &of_net(&[path])),
            format!("error: {path}: cannot read the picture: it is not a regular file but {what}\n")
        );
    }
}

#[test]
fn weights_with_a_name_twice_are_refused() {
    let folder = folder();
    let entry =
        |at: usize| format!(r#""p.bias": {{"dtype": "F32", "shape": [6], "data_offsets": [{at}, {}]}}"#, at + 24);
    let header = format!("{{{}, {}}}", entry(0), entry(24));
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.extend([0; 48]);
    std::fs::write(folder.path("twice"), bytes).unwrap();
    let twice = "error: twice: not a safetensors file: two tensors are called `p.bias`\n";
    assert_eq!(folder.fails(1, &args("net.graph.json", "twice", &["0"])), twice);
    assert_eq!(folder.fails(1, &["eval", "net.graph.json", "--weights", "twice"]), twice);
    let run = ["run", "net.graph.json", "--weights", "net.safetensors", "--inputs", "twice", "--outputs", "out"];
    assert_eq!(folder.fails(1, &run), twice);
}
