//! The page of `graphc report`: whether it is well-formed and holds what the runs' files say, what it makes of names
//! from outside and of runs whose data is gone, and what it refuses.

use crate::common::folder::{Folder, text};
use graphc_train::{EpochRecord, History};
use roxmltree::{Document, Node, ParsingOptions};
use serde_json::{Value, json};
use std::fs;
use std::io::Cursor;
use std::path::Path;

fn idx(shape: &[usize], data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, shape.len() as u8];
    shape.iter().for_each(|&size| bytes.extend((size as u32).to_be_bytes()));
    bytes.extend(data);
    bytes
}

const N: usize = 40;

/// A picture of 9 x 9 pixels that is bright in the row of its class, more or less; every eighth is labelled wrongly.
fn picture(sample: usize) -> Vec<u8> {
    let class = sample % 3;
    (0..81).map(|i| if i / 9 == 2 * class { 200 } else { ((i * 37 + sample * 11) % 60) as u8 }).collect()
}

fn label(sample: usize) -> u8 {
    ((sample + usize::from(sample % 8 == 5)) % 3) as u8
}

/// Pictures of three classes, with a graph file of that name.
fn pictures(name: &str) -> Folder {
    let graph = json!({
        "graphc": 1, "name": name,
        "inputs": { "image": { "shape": ["N", 9, 9, 1] }, "label": { "shape": ["N"], "dtype": "i32" } },
        "nodes": [
            { "name": "flat", "op": "flatten", "inputs": "image" },
            { "name": "scores", "op": "dense", "units": 3 },
            { "name": "p", "op": "softmax" }],
        "loss": { "prediction": "p", "target": "label", "op": "categorical_crossentropy" },
        "metrics": ["accuracy"],
        "optimizer": { "op": "adam", "learning_rate": 0.01 },
        "train": { "epochs": 4, "batch_size": 8, "validation_split": 0.25 },
        "data": { "format": "idx", "scale": 0.01,
            "train": { "image": "image", "label": "label" }, "test": { "image": "image", "label": "label" } },
    });
    let pixels: Vec<u8> = (0..N).flat_map(picture).collect();
    let labels: Vec<u8> = (0..N).map(label).collect();
    Folder::with(&[
        ("net.graph.json", graph.to_string().as_bytes()),
        ("image", &idx(&[N, 9, 9], &pixels)),
        ("label", &idx(&[N], &labels)),
    ])
}

/// The page of some runs, which it must be possible to write twice with the same bytes.
fn page(folder: &Folder, runs: &[&str]) -> String {
    let said = folder.ok(&[&["report"], runs, &["--out", "page.html"]].concat());
    let n = if runs.len() == 1 { "1 run".into() } else { format!("{} runs", runs.len()) };
    assert_eq!(said, format!("Report of {n}: page.html\n"));
    let page = fs::read_to_string(folder.path("page.html")).unwrap();
    folder.ok(&[&["report"], runs, &["-o", "again.html"]].concat());
    assert_eq!(page, fs::read_to_string(folder.path("again.html")).unwrap());
    // No script, and nothing from elsewhere.
    for forbidden in ["<script", "javascript:", " onload", "src=\"http", "url(", "@import", "<link", "<iframe"] {
        assert!(!page.contains(forbidden), "{forbidden} in {page}");
    }
    assert!(page.contains("prefers-color-scheme:dark"));
    assert!(page.len() < 500_000, "{} bytes", page.len());
    page
}

/// Parses as strictly as XML is.
fn parsed(page: &str) -> Document<'_> {
    let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
    let document = Document::parse_with_options(page, options).unwrap_or_else(|error| panic!("{error}: {page}"));
    let ids: Vec<&str> = document.descendants().filter_map(|node| node.attribute("id")).collect();
    assert!(ids.is_empty(), "pictures of several runs would share them: {ids:?}");
    document
}

fn words(node: Node<'_, '_>) -> String {
    let texts: Vec<&str> = node.descendants().filter(Node::is_text).filter_map(|node| node.text()).collect();
    texts.join(" ").split_whitespace().collect::<Vec<_>>().join(" ")
}

fn body<'a>(document: &'a Document<'_>) -> Node<'a, 'a> {
    document.root_element().last_element_child().expect("a page has a body")
}

/// The part under a heading.
fn section<'a>(document: &'a Document<'_>, heading: &str) -> Option<Node<'a, 'a>> {
    let mut sections =
        document.descendants().filter(|node| node.has_tag_name(("http://www.w3.org/1999/xhtml", "section")));
    sections.find(|node| node.first_element_child().is_some_and(|first| words(first) == heading))
}

/// The rows of the first table of a part, cell by cell.
fn rows(part: Node<'_, '_>) -> Vec<Vec<String>> {
    let name = |node: &Node<'_, '_>| node.tag_name().name().to_string();
    let table = part.descendants().find(|node| name(node) == "table").expect("a table");
    let rows = table.descendants().filter(|node| name(node) == "tr");
    let cells = |row: Node<'_, '_>| row.children().filter(Node::is_element).map(words).collect();
    rows.map(cells).collect()
}

fn history(folder: &Folder, run: &str) -> Vec<EpochRecord> {
    History::read_csv(&folder.path(run).join("history.csv")).unwrap().records
}

fn record(folder: &Folder, run: &str) -> Value {
    serde_json::from_slice(&fs::read(folder.path(run).join("run.json")).unwrap()).unwrap()
}

#[test]
fn a_page_of_one_run() {
    let folder = pictures("net");
    folder.ok(&["train", "net.graph.json", "--quiet", "--out", "runs/first"]);
    let page = page(&folder, &["runs/first"]);
    let document = parsed(&page);
    let all = words(body(&document));
    let (epochs, record) = (history(&folder, "runs/first"), record(&folder, "runs/first"));
    let accuracy = format!("{:.4}", record["results"]["test_accuracy"].as_f64().unwrap());
    assert!(
        all.contains("Trained 4 epochs in ") && all.contains(&format!("test accuracy {accuracy} , loss ")),
        "{all}"
    );
    let row = &rows(section(&document, "Summary").unwrap())[2];
    let value = |value: f64| format!("{value:.4}");
    let last = &epochs[3];
    let best = epochs.iter().min_by(|a, b| a.val_loss.unwrap().total_cmp(&b.val_loss.unwrap())).unwrap();
    let loss = value(record["results"]["test_loss"].as_f64().unwrap());
    let (val_loss, val_accuracy) = (value(last.val_loss.unwrap()), value(last.val_accuracy.unwrap()));
    let expected = ["first", "net", "246", "4", &best.epoch.to_string(), &val_loss, &val_accuracy, &loss, &accuracy];
    assert_eq!(row[..9], expected.map(String::from));
    assert_eq!(row[10], "1", "the seed");

    // A curve ends where its history does, under its name; the rate, which is always the same, is a setting.
    let curves = words(section(&document, "Curves").unwrap());
    for end in [
        format!("training {}", value(last.loss)),
        format!("validation {val_loss}"),
        format!("best epoch {}", best.epoch),
    ] {
        assert!(curves.contains(&end), "{end} in {curves}");
    }
    assert!(!curves.contains("Learning rate"), "{curves}");
    let settings = words(section(&document, "Settings").unwrap());
    for setting in ["learning_rate 0.01", "batch_size 8", "optimizer.op adam", "nodes.scores.units 3", "seed 1"] {
        assert!(settings.contains(setting), "{setting} in {settings}");
    }
}

/// Of base64.
fn bytes_of(base64: &str) -> Vec<u8> {
    const DIGITS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = base64.trim_end_matches('=').chars().map(|c| DIGITS.find(c).unwrap() as u32);
    let (mut bits, mut n_bits, mut bytes) = (0u32, 0, Vec::new());
    for digit in digits {
        (bits, n_bits) = (bits << 6 | digit, n_bits + 6);
        if n_bits >= 8 {
            n_bits -= 8;
            bytes.push((bits >> n_bits) as u8);
        }
    }
    bytes
}

#[test]
fn the_worst_samples_are_pictures() {
    let folder = pictures("net");
    folder.ok(&["train", "net.graph.json", "--quiet", "--out", "run", "--epochs", "30"]);
    let page = page(&folder, &["run"]);
    let document = parsed(&page);
    let worst = section(&document, "Worst samples").unwrap();
    let mut seen = Vec::new();
    for item in worst.descendants().filter(|node| node.tag_name().name() == "li") {
        let image = item.first_element_child().unwrap();
        let number: usize = image.attribute("alt").unwrap().strip_prefix("sample ").unwrap().parse().unwrap();
        let url = image.attribute("src").unwrap().strip_prefix("data:image/png;base64,").unwrap();
        let png = image::load(Cursor::new(bytes_of(url)), image::ImageFormat::Png).unwrap();
        assert_eq!(png.into_luma8().into_raw(), picture(number), "sample {number}");
        seen.push((number, words(item)));
    }
    assert_eq!(seen.len(), 24);
    // Those whose label is another than what they look like.
    for sample in (5..N).step_by(8) {
        let (_, caption) = seen[..5].iter().find(|(number, _)| *number == sample).expect("a wrong label is bad");
        assert!(caption.starts_with(&format!("{} taken for {} ", label(sample), sample % 3)), "{caption}");
    }
    let classes = words(section(&document, "Classes").unwrap());
    assert!(classes.contains("35 of 40 test samples are predicted right."), "{classes}");
    let row = &rows(section(&document, "Classes").unwrap())[1];
    let n = (0..N).filter(|&sample| label(sample) == 0).count();
    assert_eq!(row[..2], ["0", &n.to_string()]);
}

#[test]
fn several_runs_over_each_other() {
    let folder = pictures("net");
    for (run, args) in [("a/run", ["--lr", "0.01"]), ("b/run", ["--lr", "0.02"]), ("c", ["--epochs", "6"])] {
        folder.ok(&[&["train", "net.graph.json", "--quiet", "--out", run][..], &args].concat());
    }
    let page = page(&folder, &["a/run", "b/run", "c"]);
    let document = parsed(&page);
    let summary = rows(section(&document, "Summary").unwrap());
    assert_eq!(summary[2..].iter().map(|row| row[0].as_str()).collect::<Vec<_>>(), ["a/run", "b/run", "c"]);
    let curves = words(section(&document, "Curves").unwrap());
    for (run, name) in [("a/run", "a/run"), ("b/run", "b/run"), ("c", "c")] {
        let end = format!("{name} {:.4}", history(&folder, run).last().unwrap().val_loss.unwrap());
        assert!(curves.contains(&end), "{end} in {curves}");
    }
    let settings = section(&document, "Settings").unwrap();
    assert_eq!(
        rows(settings),
        [["setting", "a/run", "b/run", "c"], ["epochs", "4", "4", "6"], ["learning_rate", "0.01", "0.02", "0.01"],]
    );
    let folded = settings.descendants().find(|node| node.tag_name().name() == "details").unwrap();
    assert!(words(folded).contains(" settings that are the same ") && words(folded).contains("batch_size 8"));
    for run in ["a/run", "b/run", "c"] {
        assert!(section(&document, &format!("Worst samples of {run}")).is_some());
    }
}

#[test]
fn names_are_text() {
    let graph = r#"{ "graphc": 1, "name": "<script>alert(1)</script>&\"'",
        "inputs": { "x": { "shape": ["N", 3] }, "kind": { "shape": ["N"], "dtype": "i32" } },
        "nodes": [{ "name": "scores", "op": "dense", "inputs": "x", "units": 2 }, { "name": "p", "op": "softmax" }],
        "loss": { "prediction": "p", "target": "kind", "op": "categorical_crossentropy" },
        "metrics": ["accuracy"], "train": { "epochs": 1, "batch_size": 4, "validation_split": 0 },
        "data": { "train": "t.csv", "test": "t.csv", "columns": {
            "x": ["<b>size", { "name": "c", "categories": "one_hot" }], "kind": "kind" } } }"#;
    let mut table = "<b>size,c,kind\n".to_string();
    for i in 0..12 {
        let (category, kind) = ([["<i>", "&amp;"][i % 2], ["<script>x</script>", "</section>"][i / 6]]).into();
        table += &format!("{i},{category},{kind}\n");
    }
    let folder = Folder::with(&[("net.graph.json", graph.as_bytes()), ("t.csv", table.as_bytes())]);
    folder.ok(&["train", "net.graph.json", "--quiet", "--out", "<u>&run"]);
    let page = page(&folder, &["<u>&run"]);
    assert!(!page.contains("<i>") && !page.contains("<u>") && page.contains("&lt;u&gt;&amp;run"), "{page}");
    let document = parsed(&page);
    let all = words(body(&document));
    assert!(all.contains("network <script>alert(1)</script>&\"'"), "{all}");
    assert!(all.contains("</section> (0)") && all.contains("<script>x</script> (1)"), "{all}");
    let rows = rows(section(&document, "Worst samples").unwrap());
    assert_eq!(rows[0], ["row", "is", "taken for", "probability", "<b>size", "c"]);
    for row in &rows[1..] {
        let number: usize = row[0].parse().unwrap();
        assert_eq!(row[1], ["<script>x</script>", "</section>"][number / 6]);
        assert_eq!(row[4..], [number.to_string(), ["<i>", "&amp;"][number % 2].to_string()]);
    }
    // Nothing was validated: what there is to see is the training.
    assert!(!all.contains("validation ") && all.contains("Worst samples"), "{all}");
}

#[test]
fn regressions_show_what_is_true_and_what_was_predicted() {
    let graph = r#"{ "graphc": 1, "name": "line", "inputs": { "x": { "shape": ["N", 2] }, "y": { "shape": ["N", 1] } },
        "nodes": [{ "name": "p", "op": "dense", "inputs": "x", "units": 1 }],
        "loss": { "prediction": "p", "target": "y", "op": "mean_squared_error" }, "metrics": ["mae"],
        "optimizer": { "op": "adam", "learning_rate": 0.05 }, "train": { "epochs": 20, "batch_size": 16, "validation_split": 0.2 },
        "data": { "train": "t.csv", "columns": { "x": ["a", "b"], "y": "y" },
            "preprocess": { "x": { "standardise": true }, "y": { "standardise": true } } } }"#;
    let mut table = "a,b,y\n".to_string();
    for i in 0..60u32 {
        let (a, b) = (i * 7 % 20, i * 13 % 31);
        table += &format!("{a},{b},{}\n", 1000 + 30 * a - 10 * b + if i == 57 { 400 } else { 0 });
    }
    let folder = Folder::with(&[("net.graph.json", graph.as_bytes()), ("t.csv", table.as_bytes())]);
    folder.ok(&["train", "net.graph.json", "--quiet", "--out", "run"]);
    let predict =
        ["predict", "net.graph.json", "--weights", "run/model.safetensors", "--data", "t.csv", "--out", "p.csv"];
    folder.ok(&predict);
    let predictions = fs::read_to_string(folder.path("p.csv")).unwrap();
    let page = page(&folder, &["run"]);
    let document = parsed(&page);
    let part = section(&document, "Predictions").unwrap();
    // There is no test data: those that validate, a fifth.
    assert_eq!(part.descendants().filter(|node| node.tag_name().name() == "circle").count(), 12);
    assert!(words(part).contains("The 12 validation samples, the highest loss first"), "{}", words(part));
    let rows = rows(part);
    assert_eq!(rows[0], ["row", "true", "predicted", "error", "a", "b"]);
    let number = |text: &str| text.replace('−', "-").parse::<f64>().unwrap();
    let errors: Vec<f64> = rows[1..].iter().map(|row| number(&row[3]).abs()).collect();
    assert!(errors.windows(2).all(|pair| pair[0] >= pair[1]), "{errors:?}");
    for row in &rows[1..] {
        let i: usize = row[0].parse().unwrap();
        let line = table.lines().nth(i + 1).unwrap();
        assert_eq!(line, format!("{},{},{}", row[4], row[5], number(&row[1])));
        let predicted: f64 = predictions.lines().nth(i + 1).unwrap().split(',').nth(1).unwrap().parse().unwrap();
        assert!((number(&row[2]) - predicted).abs() < 0.6, "{row:?} {predicted}");
        assert!((number(&row[2]) - number(&row[1]) - number(&row[3])).abs() <= 1.0, "{row:?}");
    }
    assert!(words(section(&document, "Curves").unwrap()).contains("Validation mae"));
}

#[test]
fn what_cannot_be_computed_is_said() {
    let folder = pictures("net");
    folder.ok(&["train", "net.graph.json", "--quiet", "--out", "run"]);
    let not_shown = |folder: &Folder| {
        let page = page(folder, &["run"]);
        let document = parsed(&page);
        assert!(section(&document, "Curves").is_some() && section(&document, "Settings").is_some());
        words(section(&document, "Worst samples").unwrap())
    };
    // Another label: the accuracy is no longer what it was.
    let labels: Vec<u8> = (0..N).map(|sample| (label(sample) + u8::from(sample < 9)) % 3).collect();
    fs::write(folder.path("label"), idx(&[N], &labels)).unwrap();
    let accuracy = record(&folder, "run")["results"]["test_accuracy"].as_f64().unwrap();
    let text = not_shown(&folder);
    assert!(
        text.contains(&format!(
            "Data or weights have changed since the run: its test accuracy was {accuracy:.4}, now it is"
        )),
        "{text}"
    );

    fs::remove_file(folder.path("image")).unwrap();
    let text = not_shown(&folder);
    assert!(text.starts_with("Worst samples Not shown: ") && text.contains("image: cannot "), "{text}");

    // A run that was killed: the last checkpoint is what there is.
    fs::remove_file(folder.path("run/model.safetensors")).unwrap();
    let mut record = record(&folder, "run");
    record["results"]["status"] = "running".into();
    record["results"]["test_accuracy"] = Value::Null;
    record["results"]["test_loss"] = Value::Null;
    record["config"]["epochs"] = 9.into();
    fs::write(folder.path("run/run.json"), record.to_string()).unwrap();
    let text = not_shown(&folder);
    let expected = "Worst samples Not shown: the run has not come to its end, so there is no `model.safetensors` yet.";
    assert_eq!(text, expected);
    let page = page(&folder, &["run"]);
    assert!(page.contains("Interrupted after 4 of 9 epochs: validation accuracy <b>"), "{page}");
}

#[test]
fn a_run_before_its_first_epoch_has_a_page() {
    let folder = pictures("net");
    folder.ok(&["train", "net.graph.json", "--quiet", "--out", "run"]);
    let header = fs::read_to_string(folder.path("run/history.csv")).unwrap();
    fs::write(folder.path("run/history.csv"), header.lines().next().unwrap().to_string() + "\n").unwrap();
    fs::remove_file(folder.path("run/model.safetensors")).unwrap();
    let page = page(&folder, &["run"]);
    let document = parsed(&page);
    assert_eq!(words(section(&document, "Curves").unwrap()), "Curves No epoch was finished.");
}

#[test]
fn the_receipt_is_shown() {
    let folder = pictures("net");
    folder.ok(&["train", "net.graph.json", "--quiet", "--out", "run"]);
    let receipt: Value = serde_json::from_slice(&fs::read(folder.path("run/receipt.json")).unwrap()).unwrap();
    let row = |what: &str, name: &str, file: &Value| {
        let bytes = file["bytes"].as_u64().expect("a file has a size");
        let bytes = if bytes < 1000 { bytes.to_string() } else { format!("{},{:03}", bytes / 1000, bytes % 1000) };
        [what.to_string(), name.to_string(), bytes, file["sha256"].as_str().unwrap().to_string()]
    };
    let (begin, end) = (&receipt["begin"], &receipt["end"]);
    let mut expected = vec![row("graph file", "", &begin["graph"])];
    for data in begin["data"].as_array().unwrap() {
        let part = if data["part"] == "train" { "training data" } else { "test data" };
        expected.push(row(part, data["path"].as_str().unwrap(), data));
    }
    assert_eq!(expected.len(), 5, "pictures and labels of both parts");
    expected.push(row("weights", "model.safetensors", &end["files"]["model.safetensors"]));
    let chain = end["chain"].as_str().unwrap();
    expected.push(["last chain", "", "", chain].map(String::from));
    let document = page(&folder, &["run"]);
    assert_eq!(rows(section(&parsed(&document), "Receipt").unwrap())[1..], expected);

    fs::remove_file(folder.path("run/receipt.json")).unwrap();
    let document = page(&folder, &["run"]);
    assert!(section(&parsed(&document), "Receipt").is_none());
}

#[test]
fn what_is_no_run_is_refused() {
    let folder = pictures("net");
    folder.ok(&["train", "net.graph.json", "--quiet", "--out", "run"]);
    let message = |run: &str| folder.fails(1, &["report", "run", run]);
    assert_eq!(message("no"), "error: no: there is no `run.json`; expected the folder of a run that has begun\n");
    assert_eq!(message("image"), "error: image: there is no `run.json`; expected the folder of a run that has begun\n");
    let broken = |name: &str, content: &[u8]| {
        fs::create_dir_all(folder.path("broken")).unwrap();
        for file in ["run.json", "history.csv"] {
            fs::copy(folder.path("run").join(file), folder.path("broken").join(file)).unwrap();
        }
        fs::write(folder.path("broken").join(name), content).unwrap();
        message("broken")
    };
    let half = fs::read(folder.path("run/run.json")).unwrap();
    let torn = broken("run.json", &half[..half.len() / 2]);
    assert!(torn.starts_with("error: broken/run.json: not JSON: EOF while parsing "), "{torn}");
    assert_eq!(
        broken("run.json", b"[]"),
        "error: broken/run.json: expected what a run writes: `config` and `results`\n"
    );
    assert_eq!(
        broken("history.csv", b"epoch,loss\n1,x\n"),
        "error: broken/history.csv: expected a number, found `x`\n"
    );
    fs::remove_file(folder.path("broken/history.csv")).unwrap();
    assert_eq!(
        folder.fails(1, &["report", "broken"]),
        "error: broken/history.csv: cannot read the history: No such file or directory (os error 2)\n"
    );
    assert!(!folder.path("report.html").exists());
    let usage = folder.fails(2, &["report"]);
    assert!(
        usage.contains("required arguments were not provided:\n  <RUN>...") && usage.contains("Usage: "),
        "{usage}"
    );
}

/// What a run's folder has are pictures for light and dark surroundings, too.
#[test]
fn pictures_of_a_run_are_well_formed() {
    let folder = pictures("a<b>&c");
    folder.ok(&["train", "net.graph.json", "--quiet", "--out", "run"]);
    for name in ["loss.svg", "accuracy.svg"] {
        let svg = text(&fs::read(Path::new(&folder.path("run")).join(name)).unwrap());
        let document = Document::parse(&svg).unwrap_or_else(|error| panic!("{error}: {svg}"));
        assert!(words(document.root_element()).contains("of a<b>&c"), "{svg}");
        assert!(svg.contains("prefers-color-scheme:dark"));
    }
}
