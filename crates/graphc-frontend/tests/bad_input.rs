//! Every mistake a graph file can have, with the whole message: `bad_input/*.json` and the message
//! in the `.txt` beside it. `GRAPHC_BLESS=1` writes the messages.

use graphc_frontend::{CheckData, load, load_with};
use std::path::{Path, PathBuf};

/// Cases whose only mistake is their data, which must be fine when data is not looked at.
const DATA_ONLY: &[&str] = &["missing_data_file"];

fn cases() -> Vec<PathBuf> {
    let entries = std::fs::read_dir("tests/bad_input").expect("the folder of cases");
    let paths = entries.map(|entry| entry.expect("a readable entry").path());
    let mut cases: Vec<PathBuf> = paths.filter(|path| path.extension().is_some_and(|ext| ext == "json")).collect();
    cases.sort();
    cases
}

/// Compares with the file, or writes it when blessing; gives the reason if they differ.
fn check(path: &Path, actual: &str) -> Option<String> {
    if std::env::var_os("GRAPHC_BLESS").is_some() {
        std::fs::write(path, actual).expect("a writable folder of cases");
        return None;
    }
    let expected = std::fs::read_to_string(path).unwrap_or_default();
    (expected != actual).then(|| format!("{}: expected\n{expected}\ngot\n{actual}\n", path.display()))
}

#[test]
fn every_mistake_gives_its_message() {
    let cases = cases();
    assert!(cases.len() >= 50, "only {} cases", cases.len());
    let mut failures = Vec::new();
    for case in &cases {
        match load(case) {
            Ok(_) => failures.push(format!("{} is accepted", case.display())),
            Err(diagnostics) => failures.extend(check(&case.with_extension("txt"), &format!("{diagnostics}\n"))),
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn data_files_need_not_exist_for_commands_without_data() {
    for case in DATA_ONLY {
        let path = PathBuf::from(format!("tests/bad_input/{case}.json"));
        let experiment = load_with(&path, CheckData::No).expect("nothing else is wrong");
        assert!(experiment.data.is_some());
    }
}

#[test]
fn a_missing_graph_file_is_named() {
    let message = load(Path::new("no/such.graph.json")).expect_err("there is no such file").to_string();
    let expected = "error: cannot read no/such.graph.json: No such file or directory (os error 2)\n\n\
                    1 mistake in no/such.graph.json";
    assert_eq!(message, expected);
}

#[test]
fn a_file_that_is_not_text_is_refused() {
    let path = std::env::temp_dir().join(format!("graphc-not-text-{}.json", std::process::id()));
    std::fs::write(&path, b"{ \"graphc\": \xff }").expect("a writable temporary folder");
    let message = load(&path).expect_err("not UTF-8").to_string();
    std::fs::remove_file(&path).expect("the file is there");
    assert!(message.starts_with("error: this is not UTF-8 text\n --> "), "{message}");
    assert!(message.contains(":1:13\n  |\n1 | { \"graphc\": \u{fffd} }\n"), "{message}");
    assert!(message.contains("  |             ^ expected UTF-8, found the byte 0xff\n"), "{message}");
}

#[test]
fn colour_is_given_when_asked_for() {
    let diagnostics = load(Path::new("tests/bad_input/unknown_op.json")).expect_err("a mistake");
    assert!(diagnostics.render(true).contains("\u{1b}["));
    assert!(!diagnostics.render(false).contains('\u{1b}'));
}

/// Files that may be mistaken, `doubtful/*.json`, with their warnings; those called `fine_…` have none.
#[test]
fn what_may_be_a_mistake_is_told() {
    let entries = std::fs::read_dir("tests/doubtful").expect("the folder of cases");
    let paths = entries.map(|entry| entry.expect("a readable entry").path());
    let mut failures = Vec::new();
    for path in paths.filter(|path| path.extension().is_some_and(|ext| ext == "json")) {
        let experiment = load_with(&path, CheckData::No).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let warnings = experiment.warnings.expect("it was read from a file").render_warnings(false);
        let is_fine = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("fine_"));
        match is_fine {
            true => assert!(warnings.is_empty(), "{}: {warnings:?}", path.display()),
            false => failures.extend(check(&path.with_extension("txt"), &format!("{}\n", warnings.join("\n\n")))),
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
