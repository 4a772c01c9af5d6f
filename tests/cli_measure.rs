//! `graphc bench` and `graphc profile` as built: fields, types and messages, never times, which are the machine's.

use crate::common::folder::{Folder, text};
use serde_json::Value;

/// Of an experiment whose data files do not exist: measuring needs none.
const GRAPH: &str = r#"{ "graphc": 1, "name": "tiny",
  "inputs": { "image": { "shape": ["N", 2, 2, 1] }, "label": { "shape": ["N"], "dtype": "i32" } },
  "nodes": [
    { "name": "flat", "op": "flatten", "inputs": "image" },
    { "name": "hidden", "op": "dense", "units": 5, "activation": "tanh" },
    { "name": "scores", "op": "dense", "units": 3 },
    { "name": "probabilities", "op": "softmax" } ],
  "loss": { "op": "categorical_crossentropy", "prediction": "probabilities", "target": "label" },
  "metrics": ["accuracy"],
  "train": { "batch_size": 16 },
  "data": { "format": "idx", "train": { "image": "images", "label": "labels" } } }
"#;

fn tiny() -> Folder {
    Folder::with(&[("tiny.graph.json", GRAPH.as_bytes())])
}

fn keys(object: &Value) -> Vec<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

/// Fields and types of `bench --json`.
#[test]
fn bench_measures_a_step() {
    let tiny = tiny();
    for (extra, mode, batch) in
        [(&[][..], "train", 16), (&["--infer", "--batch", "3", "--isa", "portable"], "infer", 3)]
    {
        // No data files are needed.
        let args = ["bench", "tiny.graph.json", "--seconds", "0.02", "--threads", "2", "--json"];
        let stdout = tiny.ok(&[&args[..], extra].concat());
        let result: Value = serde_json::from_str(&stdout).unwrap();
        assert_eq!(result["graph"], "tiny");
        assert_eq!((result["mode"].as_str(), result["batch"].as_u64()), (Some(mode), Some(batch)));
        assert_eq!(result["threads"], 2);
        assert_eq!(result["isa"], if extra.is_empty() { "native" } else { "portable" });
        let numbers = "step_ms_median samples_per_s gflops peak_gflops peak_gflops_median peak_gflops_128_bit \
                       percent_of_peak compile_ms first_step_ms";
        for name in numbers.split_whitespace() {
            assert!(result[name].as_f64().is_some_and(|value| value > 0.0), "{name}: {result}");
        }
        check_peaks(&result, result["gflops"].as_f64().unwrap());
        if !extra.is_empty() {
            assert_eq!(result["peak_gflops"], result["peak_gflops_128_bit"], "what is portable has 128-bit vectors");
        }
        assert!(result["peak_rss_mb"].is_null() || result["peak_rss_mb"].as_f64().unwrap() > 0.0);
        assert_eq!(keys(&result["step_ms"]), ["min", "lower_quartile", "median", "upper_quartile", "max"]);
        assert_eq!(result["step_ms"]["median"], result["step_ms_median"]);
        // Two dense layers, 4 to 5 to 3: no input gradient of the first.
        assert_eq!(result["flops_per_sample"], if mode == "train" { 170.0 } else { 70.0 });
        assert!(keys(&result["compile_stages_ms"]).contains(&"codegen"));
    }
    let table = tiny.ok(&["bench", "tiny.graph.json", "--seconds", "0.02", "--threads", "1"]);
    assert!(table.starts_with("tiny: training step of 16 samples, 1 thread, "), "{table}");
    let table = tiny.ok(&["bench", "tiny.graph.json", "--seconds", "0.02"]);
    assert!(table.contains("Samples per second") && table.contains("% of the machine's peak"), "{table}");
}

/// The peaks of all units, and the shares of two of them that a speed is.
fn check_peaks(result: &Value, gflops: f64) {
    let number = |name: &str| result[name].as_f64().unwrap();
    let peaks = list(&result["peaks"]);
    let bits: Vec<u64> = peaks.iter().map(|peak| peak["bits"].as_u64().unwrap()).collect();
    assert!([&[128][..], &[128, 256], &[128, 256, 512]].contains(&bits.as_slice()), "{bits:?}");
    let speeds = || peaks.iter().map(|peak| peak["gflops"].as_f64().unwrap());
    assert_eq!(speeds().fold(0.0, f64::max), number("machine_peak_gflops"));
    assert!(speeds().any(|speed| speed == number("peak_gflops")));
    for (share, peak) in [("percent_of_peak", "peak_gflops"), ("percent_of_machine_peak", "machine_peak_gflops")] {
        assert!((number(share) * number(peak) / (100.0 * gflops) - 1.0).abs() < 1e-9, "{share}: {result}");
    }
}

/// Several numbers of threads: a table that fits, and one object with all runs.
#[test]
fn bench_shows_how_a_step_scales() {
    let tiny = tiny();
    let many = 1 + std::thread::available_parallelism().map_or(1, usize::from);
    let args = ["bench", "tiny.graph.json", "--seconds", "0.02", "--threads", &format!("1,{many}")];
    let output = tiny.command(&args).env("COLUMNS", "80").output().unwrap();
    let table = text(&output.stdout);
    assert!(table.starts_with(&format!("tiny: training step of 16 samples, 1, {many} threads, ")), "{table}");
    let row = |threads: &str| {
        let line = table.lines().find(|line| line.trim_start().starts_with(&format!("{threads} ")));
        line.unwrap_or_else(|| panic!("{threads}: {table}")).split_whitespace().collect::<Vec<_>>()
    };
    assert_eq!((row("1")[3], row("1")[5], row("1").len()), ("1.00", "100%", 7));
    assert_eq!(row(&format!("{many}*")).len(), 7);
    assert!(table.contains("* more threads than cores: this process may use "), "{table}");
    assert!(table.lines().all(|line| line.chars().count() <= 80), "{table}");

    let result = tiny.ok(&["bench", "tiny.graph.json", "--seconds", "0.02", "--threads", "2,1", "--json"]);
    let result: Value = serde_json::from_str(&result).unwrap();
    assert_eq!(keys(&result), ["graph", "mode", "batch", "isa", "target", "runs"]);
    let [first, second] = list(&result["runs"]) else { panic!("{result}") };
    assert_eq!([&first["threads"], &second["threads"]], [2, 1]);
    let number = |run: &Value, name: &str| run[name].as_f64().unwrap();
    for run in [first, second] {
        check_peaks(run, number(run, "gflops"));
        let speedup = number(first, "step_ms_median") / number(run, "step_ms_median");
        let peaks = number(run, "machine_peak_gflops") / number(first, "machine_peak_gflops");
        for (name, expected) in
            [("speedup", speedup), ("peak_ratio", peaks), ("efficiency_percent", 100.0 * speedup / peaks)]
        {
            assert!((number(run, name) / expected - 1.0).abs() < 1e-9, "{name}: {run}");
        }
        let minima = run["step_ms"]["min"].as_f64().unwrap() * number(run, "speedup_of_minima");
        assert!((minima / first["step_ms"]["min"].as_f64().unwrap() - 1.0).abs() < 1e-9);
        assert!(run["more_threads_than_cores"].is_boolean());
    }
}

/// Text of a graph is measured as it stands; what has no step says what is missing.
#[test]
fn bench_measures_graph_text() {
    let text = include_str!("../examples/matmul-512.gir").replace("512", "16");
    let without =
        |what: &str| text.lines().filter(|line| !line.trim().starts_with(what)).collect::<Vec<_>>().join("\n");
    let folder = Folder::with(&[
        ("product.gir", text.as_bytes()),
        ("no-loss.gir", without("loss").as_bytes()),
        ("no-optimizer.gir", without("optimizer").as_bytes()),
        ("step.gir", text.replace("(batch=1)", "(batch=1, mode=train)").as_bytes()),
        ("broken.gir", text.replace("matmul(", "matmull(").as_bytes()),
    ]);
    let options = ["--seconds", "0.02", "--threads", "1", "--json"];
    let result: Value = serde_json::from_str(&folder.ok(&[&["bench", "product.gir"], &options[..]].concat())).unwrap();
    assert_eq!((result["graph"].as_str(), result["batch"].as_u64()), (Some("matmul_16"), Some(1)));
    assert_eq!(result["flops_per_sample"], (3 * 2 * 16 * 16 * 16) as f64);
    assert!(folder.ok(&["profile", "product.gir", "--seconds", "0.02", "--json"]).contains("matmul_16"));
    for (file, message) in [
        ("no-loss.gir", "no-loss.gir: no `loss`, so there is no training step; `--infer` measures"),
        ("no-optimizer.gir", "no `optimizer`"),
        ("step.gir", "the graph of a step already"),
        ("broken.gir", "matmull"),
    ] {
        let said = folder.fails(1, &[&["bench", file], &options[..]].concat());
        assert!(said.contains(message), "{file}: {said}");
    }
    folder.ok(&[&["bench", "no-optimizer.gir", "--infer"], &options[..]].concat());
}

#[test]
fn bench_explains_wrong_options() {
    let tiny = tiny();
    for (option, value) in [("--seconds", "0"), ("--batch", "0"), ("--threads", "-1"), ("--isa", "mips")] {
        let message = tiny.fails(2, &["bench", "tiny.graph.json", option, value]);
        assert!(message.contains(option) && message.contains(value), "{message}");
    }
    for (threads, wrong) in [
        ("0", "expected an integer of at least 1"),
        ("a", "expected an integer of at least 1"),
        ("1,a", "entry 2 is no integer above 0"),
        ("0,1", "entry 1 is no integer above 0"),
        ("1,2,", "entry 3 is empty"),
    ] {
        let message = tiny.fails(2, &["bench", "tiny.graph.json", "--threads", threads]);
        let expected = format!("error: invalid value '{threads}' for '--threads <N>': {wrong}\n");
        assert!(message.starts_with(&expected) && expected.len() <= 81, "{message}");
    }
    assert!(tiny.fails(1, &["bench", "none.graph.json"]).contains("cannot read none.graph.json"));
}

/// Fields and types of `profile --json`, for the step, every kernel and every phase.
#[test]
fn profile_says_where_time_goes() {
    let tiny = tiny();
    for (extra, mode, flops) in [(&[][..], "train", 16 * 170), (&["--infer", "--isa", "portable"], "infer", 16 * 70)] {
        let args = ["profile", "tiny.graph.json", "--seconds", "0.02", "--threads", "2", "--json"];
        let stdout = tiny.ok(&[&args[..], extra].concat());
        let result: Value = serde_json::from_str(&stdout).unwrap();
        let fields = "graph mode batch threads isa target selected barriers steps peak_gflops peak_gflops_median \
                      peak_gflops_128_bit machine_peak_gflops peaks percent_of_peak percent_of_machine_peak memory \
                      step kernels";
        assert_eq!(keys(&result), fields.split_whitespace().collect::<Vec<_>>());
        check_peaks(&result, result["step"]["gflops"].as_f64().unwrap());
        assert_eq!((result["graph"].as_str(), result["mode"].as_str()), (Some("tiny"), Some(mode)));
        assert_eq!((result["batch"].as_u64(), result["threads"].as_u64()), (Some(16), Some(2)));
        let levels: Vec<&str> = list(&result["memory"]).iter().map(|level| level["name"].as_str().unwrap()).collect();
        assert_eq!(levels, ["L2", "L3", "memory"]);
        assert!(list(&result["memory"]).iter().all(|level| level["gb_per_s"].as_f64().unwrap() > 0.0));

        assert_eq!(keys(&result["selected"]), ["tiles", "epilogues", "loops"]);
        for (what, least) in [("tiles", 1), ("epilogues", 0), ("loops", 1)] {
            let tally = &result["selected"][what];
            assert_eq!(keys(tally), ["assembled", "plain", "reasons"]);
            assert!(tally["assembled"].as_u64().unwrap() + tally["plain"].as_u64().unwrap() >= least, "{tally}");
            let reasons = tally["reasons"].as_object().unwrap().values();
            assert_eq!(tally["plain"].as_u64(), reasons.map(Value::as_u64).sum::<Option<u64>>());
        }

        let kernels = list(&result["kernels"]);
        for kernel in kernels {
            assert_eq!(keys(kernel), [&["name", "sources"][..], PART, &["phases"]].concat());
            check_part(kernel);
            for (number, phase) in list(&kernel["phases"]).iter().enumerate() {
                assert_eq!(keys(phase), [&["name", "nests", "shared"][..], PART].concat());
                assert_eq!(phase["name"], format!("phase{number}"));
                assert!(!list(&phase["nests"]).is_empty() && phase["shared"].is_boolean(), "{phase}");
                check_part(phase);
            }
            let phases = list(&kernel["phases"]).iter();
            assert_eq!(kernel["flops"].as_u64(), phases.map(|phase| phase["flops"].as_u64()).sum::<Option<u64>>());
        }
        assert_eq!(keys(&result["step"]), PART);
        check_part(&result["step"]);
        assert_eq!(result["step"]["flops"], flops);
        assert_eq!(result["step"]["percent_of_step"], 100.0);
        let share = |part: &Value| part["percent_of_step"].as_f64().unwrap();
        let of_kernels: f64 = kernels.iter().map(share).sum();
        let of_phases: f64 = kernels.iter().flat_map(|kernel| list(&kernel["phases"])).map(share).sum();
        assert!((of_kernels - 100.0).abs() < 1e-6 && (of_phases - 100.0).abs() < 1e-6, "{of_kernels} {of_phases}");
        // The names of kernels are those of the dump.
        let dump = tiny.ok(&["dump", "tiny.graph.json", "--stage", "loops", "--mode", mode]);
        let dumped = dump.lines().filter_map(|line| line.trim().strip_prefix("kernel \"")?.split('"').next());
        assert_eq!(kernels.iter().map(|k| k["name"].as_str().unwrap()).collect::<Vec<_>>(), dumped.collect::<Vec<_>>());
    }
}

/// Fields that are said of the step, of kernels and of phases.
const PART: &[&str] = &[
    "ms_median",
    "ms",
    "flops",
    "bytes_read",
    "bytes_written",
    "gflops",
    "gb_per_s",
    "limit",
    "percent_of_limit",
    "percent_of_step",
];

fn check_part(part: &Value) {
    for name in ["ms_median", "bytes_read", "bytes_written", "gb_per_s", "percent_of_limit", "percent_of_step"] {
        assert!(part[name].as_f64().is_some_and(|value| value > 0.0), "{name}: {part}");
    }
    assert_eq!(keys(&part["ms"]), ["min", "lower_quartile", "median", "upper_quartile", "max"]);
    assert_eq!(part["ms"]["median"], part["ms_median"]);
    assert!(["compute", "L2", "L3", "memory"].contains(&part["limit"].as_str().unwrap()), "{part}");
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

#[test]
fn profile_prints_a_table() {
    let tiny = tiny();
    for (columns, threads) in [("80", "1"), ("160", "2")] {
        let args = ["profile", "tiny.graph.json", "--seconds", "0.02", "--threads", threads];
        let output = tiny.command(&args).env("COLUMNS", columns).output().unwrap();
        let table = text(&output.stdout);
        assert!(table.starts_with("tiny: training step of 16 samples, "), "{table}");
        for word in ["Code: ", "Machine: ", "GFLOP/s", "machine's", " k0 ", "  phase0", "hidden", " step "] {
            assert!(table.contains(word), "{word}: {table}");
        }
        assert_eq!(table.contains("* not shared"), threads == "2", "{table}");
        let mut rows = table.lines().skip_while(|line| !line.starts_with('─'));
        assert!(rows.all(|line| line.chars().count() <= columns.parse().unwrap()), "{table}");
    }
}

/// The trace is what Perfetto reads: steps hold kernels, kernels hold phases, threads have names.
#[test]
fn profile_writes_a_trace() {
    let tiny = tiny();
    std::fs::write(tiny.path("out.json"), "an older file").unwrap();
    tiny.ok(&["profile", "tiny.graph.json", "--seconds", "0.02", "--threads", "2", "--trace", "out.json"]);
    let trace: Value = serde_json::from_str(&std::fs::read_to_string(tiny.path("out.json")).unwrap()).unwrap();
    let events = list(&trace["traceEvents"]);
    let names = events.iter().filter(|event| event["name"] == "thread_name").map(|event| &event["args"]["name"]);
    assert_eq!(names.collect::<Vec<_>>(), ["thread 0", "thread 1"]);
    let of = |category: &str| events.iter().filter(|event| event["cat"] == category).collect::<Vec<_>>();
    let (steps, kernels, phases) = (of("step"), of("kernel"), of("phase"));
    assert_eq!(steps.len() + kernels.len() + phases.len(), events.iter().filter(|event| event["ph"] == "X").count());
    assert!(!steps.is_empty() && kernels.len().is_multiple_of(steps.len()) && phases.len() > kernels.len());
    let range = |event: &Value| {
        let [start, time] = ["ts", "dur"].map(|name| event[name].as_f64().unwrap());
        (start, start + time)
    };
    // Times have three decimals.
    let lies_in = |event: &Value, outer: &Value| {
        let ((start, end), (first, last)) = (range(event), range(outer));
        first <= start + 1e-4 && end <= last + 1e-4
    };
    for kernel in &kernels {
        assert!(steps.iter().any(|step| lies_in(kernel, step)), "{kernel}");
        assert_eq!(kernel["tid"], 0);
    }
    for phase in &phases {
        let kernel = kernels.iter().find(|kernel| lies_in(phase, kernel));
        let name = kernel.unwrap_or_else(|| panic!("{phase} is in no kernel"))["name"].as_str().unwrap();
        assert!(phase["name"].as_str().unwrap().starts_with(&format!("{name}.phase")), "{phase} in {name}");
        assert_eq!(keys(&phase["args"]), ["flops", "bytes", "bytes_read", "bytes_written", "sources"]);
        assert!(phase["tid"].as_u64().unwrap() < 2);
    }
    // Nothing is left beside the file.
    let files = std::fs::read_dir(tiny.path("")).unwrap().count();
    assert_eq!(files, 2);
}

#[test]
fn profile_explains_wrong_options() {
    let tiny = tiny();
    for (option, value) in [("--seconds", "0"), ("--batch", "none"), ("--threads", "0"), ("--isa", "mips")] {
        let message = tiny.fails(2, &["profile", "tiny.graph.json", option, value]);
        assert!(message.contains(option) && message.contains(value), "{message}");
    }
    assert!(tiny.fails(1, &["profile", "none.graph.json"]).contains("cannot read none.graph.json"));
    let message = tiny.fails(1, &["profile", "tiny.graph.json", "--seconds", "0.02", "--trace", "none/out.json"]);
    assert!(message.contains("none/out.json: cannot write into the folder none: "), "{message}");
}
