//! What must be absent from the source, and what documents name must exist.
//!
//! Each test names the rule it keeps; `docs/architecture.md` and the house rules of the code give reasons.

#[path = "tidy/house.rs"]
mod house;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask is a folder of the workspace")
}

/// Files under a folder of the project whose name ends in `.extension`, sorted.
fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Every Rust file of the project with its path from the root.
fn sources() -> Vec<(String, String)> {
    let folders = ["crates", "tests", "examples", "benches", "xtask", "fuzz/src", "fuzz/fuzz_targets"];
    let paths = folders.iter().filter(|folder| root().join(folder).is_dir()).flat_map(|folder| files(folder, "rs"));
    paths.map(|path| (relative(&path), fs::read_to_string(&path).unwrap())).collect()
}

fn relative(path: &Path) -> String {
    path.strip_prefix(root()).unwrap().to_string_lossy().replace('\\', "/")
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[track_caller]
fn assert_none(findings: &[String], rule: &str) {
    assert!(findings.is_empty(), "{rule}\n  {}", findings.join("\n  "));
}

/// Names under `[dependencies]` (not `[dev-dependencies]`) of each crate's manifest.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let crates = fs::read_dir(root().join("crates")).unwrap();
    crates
        .map(|entry| {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let manifest = read(&format!("crates/{name}/Cargo.toml"));
            let section =
                manifest.split("\n[").find(|section| section.starts_with("dependencies]")).unwrap_or_default();
            let keys = section.lines().skip(1).filter_map(|line| line.split(['.', '=', ' ']).next());
            (name, keys.filter(|key| !key.is_empty() && !key.starts_with('#')).map(String::from).collect())
        })
        .collect()
}

/// What each crate of ours may depend on. A new edge is a decision: it belongs in docs/architecture.md too.
const MAY_DEPEND_ON: &[(&str, &[&str])] = &[
    ("graphc-ir", &[]),
    ("graphc-frontend", &["graphc-ir"]),
    ("graphc-autodiff", &["graphc-ir"]),
    ("graphc-passes", &["graphc-ir"]),
    ("graphc-schedule", &["graphc-ir"]),
    ("graphc-codegen", &["graphc-ir"]),
    ("graphc-interp", &["graphc-ir"]),
    ("graphc-testing", &["graphc-ir"]),
    ("graphc-runtime", &["graphc-ir", "graphc-codegen"]),
    (
        "graphc-driver",
        &[
            "graphc-ir",
            "graphc-autodiff",
            "graphc-passes",
            "graphc-schedule",
            "graphc-codegen",
            "graphc-runtime",
            "graphc-interp",
        ],
    ),
    ("graphc-measure", &["graphc-ir", "graphc-codegen", "graphc-runtime", "graphc-driver"]),
    ("graphc-train", &["graphc-ir", "graphc-driver"]),
    (
        "graphc",
        &[
            "graphc-ir",
            "graphc-frontend",
            "graphc-autodiff",
            "graphc-passes",
            "graphc-schedule",
            "graphc-codegen",
            "graphc-runtime",
            "graphc-interp",
            "graphc-driver",
            "graphc-measure",
            "graphc-train",
        ],
    ),
    (
        "graphc-cli",
        &[
            "graphc",
            "graphc-ir",
            "graphc-frontend",
            "graphc-driver",
            "graphc-measure",
            "graphc-train",
            "graphc-interp",
            "graphc-runtime",
        ],
    ),
];

#[test]
fn dependencies_go_one_way() {
    let allowed: BTreeMap<&str, &[&str]> = MAY_DEPEND_ON.iter().copied().collect();
    let mut findings = Vec::new();
    for (name, dependencies) in dependencies() {
        let Some(allowed) = allowed.get(name.as_str()) else {
            findings.push(format!("{name} is not listed in MAY_DEPEND_ON"));
            continue;
        };
        let ours = dependencies.iter().filter(|dependency| dependency.starts_with("graphc"));
        findings.extend(ours.filter(|d| !allowed.contains(&d.as_str())).map(|d| format!("{name} depends on {d}")));
    }
    assert_none(&findings, "these edges between crates must not exist:");
}

#[test]
fn each_kind_of_dependency_stays_where_it_belongs() {
    let places: &[(&str, &[&str])] = &[
        ("cranelift", &["graphc-codegen"]),
        ("iced-x86", &["graphc-codegen"]),
        ("smallvec", &["graphc-ir"]),
        ("serde", &["graphc-frontend", "graphc-train", "graphc-cli"]),
        ("safetensors", &["graphc-train"]),
        ("sha2", &["graphc-train"]),
        ("clap", &["graphc-cli"]),
        ("proptest", &["graphc-testing"]),
    ];
    let mut findings = Vec::new();
    for (name, dependencies) in dependencies() {
        for (prefix, homes) in places {
            let strays = dependencies.iter().filter(|d| d.starts_with(prefix) && !homes.contains(&name.as_str()));
            findings.extend(strays.map(|stray| format!("{name} depends on {stray}")));
        }
    }
    assert_none(&findings, "these dependencies belong to another crate:");
}

#[test]
fn unsafe_code_lives_in_two_places() {
    let keyword = concat!("un", "safe");
    let mut findings = Vec::new();
    for (path, text) in sources() {
        let home = path == "crates/graphc-codegen/src/jit.rs" || path.starts_with("crates/graphc-runtime/");
        let uses = |line: &&str| {
            let code = line.split("//").next().unwrap_or_default();
            [" {", " fn ", " impl ", " extern "].iter().any(|next| code.contains(&format!("{keyword}{next}")))
        };
        if !home {
            findings.extend(text.lines().filter(uses).map(|line| format!("{path}: {}", line.trim())));
        }
    }
    assert_none(&findings, "unsafe code outside graphc-codegen/src/jit.rs and graphc-runtime:");
}

#[test]
fn every_other_crate_forbids_unsafe_code() {
    let mut findings = Vec::new();
    for name in dependencies().into_keys().filter(|name| !["graphc-codegen", "graphc-runtime"].contains(&name.as_str()))
    {
        let library = format!("crates/{name}/src/lib.rs");
        let path = if root().join(&library).exists() { library } else { format!("crates/{name}/src/main.rs") };
        if !read(&path).contains("#![forbid(unsafe_code)]") {
            findings.push(path);
        }
    }
    assert_none(&findings, "these crates do not forbid unsafe code:");
}

/// Lines of the crates outside tests that hold one of the marks.
fn uses(marks: &[&str], homes: &[&str]) -> Vec<String> {
    let mut findings = Vec::new();
    for (path, text) in sources() {
        let is_test = !path.starts_with("crates/") || path.contains("/tests") || path.contains("graphc-testing");
        if is_test || homes.contains(&path.as_str()) {
            continue;
        }
        let code = text.split("mod tests {").next().unwrap_or_default();
        let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
        let found = lines.filter(|line| marks.iter().any(|mark| line.contains(mark)));
        findings.extend(found.map(|line| format!("{path}: {}", line.trim())));
    }
    findings
}

#[test]
fn files_are_written_in_one_place() {
    let marks = ["fs::write(", "File::create", "File::options", "fs::rename(", "OpenOptions", ".persist("];
    let findings = uses(&marks, &["crates/graphc-train/src/files.rs"]);
    assert_none(
        &findings,
        "use graphc_train::write_file, which replaces files as a whole and leaves devices and links:",
    );
}

#[test]
fn output_that_fails_does_not_panic() {
    let findings = uses(&["println!(", "print!(", "eprintln!(", "eprint!("], &[]);
    assert_none(&findings, "these macros panic when nobody reads; `output` of the command line does not:");
}

#[test]
fn nothing_is_left_for_later() {
    let words = [
        concat!("to", "do!("),
        concat!("unimple", "mented!("),
        concat!("#[ig", "nore"),
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
    ];
    let mut findings = Vec::new();
    for (path, text) in sources() {
        for (number, line) in text.lines().enumerate() {
            if words.iter().any(|word| line.contains(word)) {
                findings.push(format!("{path}:{}: {}", number + 1, line.trim()));
            }
        }
    }
    assert_none(&findings, "left for later, or tests that do not run:");
}

/// A file that no binary names compiles and runs never.
#[test]
fn every_test_file_is_run() {
    let manifests: String = ["crates", "xtask"]
        .iter()
        .flat_map(|folder| files(folder, "toml"))
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    let binaries = ["command_line", "compiler"].map(|name| read(&format!("tests/{name}.rs"))).concat();
    let mut findings = Vec::new();
    for (path, _) in sources() {
        let Some(name) = path.strip_prefix("tests/").and_then(|path| path.strip_suffix(".rs")) else { continue };
        let is_module = binaries.lines().any(|line| line == format!("mod {name};"));
        if !name.contains('/') && !is_module && !manifests.contains(&format!("tests/{name}.rs\"")) {
            findings.push(path);
        }
    }
    assert_none(&findings, "no binary has these files: add a `mod` line to tests/compiler.rs or tests/command_line.rs");
}

#[test]
fn lints_are_only_switched_off_where_expected_and_with_a_reason() {
    let mut findings = Vec::new();
    for (path, text) in sources() {
        let allows = text.lines().filter(|line| line.trim_start().starts_with(concat!("#", "[allow(")));
        findings.extend(allows.map(|line| format!("{path}: {}", line.trim())));
    }
    assert_none(&findings, "use #[expect(…, reason = \"…\")], which tells when it is no longer needed:");
}

#[test]
fn no_file_knows_the_machine_it_was_written_on() {
    let marks = [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/"), concat!("../sha", "red")];
    let mut texts = sources();
    let documents = ["docs", "examples", "data", "tests"]
        .iter()
        .flat_map(|folder| ["md", "json", "gir", "txt"].iter().flat_map(|extension| files(folder, extension)));
    texts.extend(documents.map(|path| (relative(&path), fs::read_to_string(&path).unwrap())));
    for path in ["README.md", "CHANGELOG.md", "Cargo.toml", ".ci/run"] {
        texts.push((path.to_string(), read(path)));
    }
    let mut findings = Vec::new();
    for (path, text) in texts {
        let lines = text.lines().enumerate().filter(|(_, line)| marks.iter().any(|mark| line.contains(mark)));
        findings.extend(lines.map(|(number, line)| format!("{path}:{}: {}", number + 1, line.trim())));
    }
    assert_none(&findings, "paths of one machine:");
}

/// `](path#heading)` of a Markdown text without web addresses: path and heading, of which one may be empty.
fn links(text: &str) -> Vec<(String, String)> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let targets = targets.filter(|target| !target.contains("://"));
    targets.map(|target| target.split_once('#').unwrap_or((target, ""))).map(|(a, b)| (a.into(), b.into())).collect()
}

/// What links call the headings of a Markdown text.
fn headings(text: &str) -> BTreeSet<String> {
    let kept = |c: &char| c.is_alphanumeric() || [' ', '-', '_'].contains(c);
    let lines = text.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    lines.map(|line| line.to_lowercase().chars().filter(kept).collect::<String>().replace(' ', "-")).collect()
}

#[test]
fn links_between_documents_lead_somewhere() {
    let mut documents = files("docs", "md");
    documents.extend(files("data", "md"));
    documents.extend(files("benches", "md"));
    documents.extend(["README.md", "CHANGELOG.md"].map(|path| root().join(path)));
    let mut findings = Vec::new();
    for document in documents {
        let folder = document.parent().unwrap();
        for (path, heading) in links(&fs::read_to_string(&document).unwrap()) {
            let target = if path.is_empty() { document.clone() } else { folder.join(&path) };
            let there = match heading.is_empty() {
                true => target.exists(),
                false => fs::read_to_string(&target).is_ok_and(|text| headings(&text).contains(&heading)),
            };
            if !there {
                findings.push(format!("{} links {path}#{heading}", relative(&document)));
            }
        }
    }
    assert_none(&findings, "dead links:");
}

/// People who train nets are not sent to pages for people who work on graphc.
#[test]
fn the_guide_links_pages_for_users() {
    let references = ["data", "training", "graph-file", "limits", "nonfinite", "data-files", "winograd"];
    let references: Vec<String> = references.iter().map(|page| format!("../{page}.md")).collect();
    let mut findings = Vec::new();
    for page in files("docs/guide", "md") {
        let links = links(&fs::read_to_string(&page).unwrap()).into_iter().map(|(path, _)| path);
        let out = links.filter(|path| path.starts_with("..") && path.ends_with(".md") && !references.contains(path));
        findings.extend(out.map(|path| format!("{} links {path}", relative(&page))));
    }
    assert_none(&findings, "pages for people who work on graphc:");
}

/// Paths of the project between backticks, which documents name instead of linking.
#[test]
fn files_that_documents_name_exist() {
    let mut documents: Vec<PathBuf> =
        files("docs", "md").into_iter().filter(|p| !relative(p).contains("notes/")).collect();
    documents.push(root().join("README.md"));
    let mut findings = Vec::new();
    for document in documents {
        let text = fs::read_to_string(&document).unwrap();
        for word in text.split('`').skip(1).step_by(2) {
            let ours = ["crates/", "tests/", "docs/", "examples/", "xtask/", "data/", "benches/"];
            let is_path =
                ours.iter().any(|folder| word.starts_with(folder)) && !word.contains(['*', '<', '…', ' ', '{']);
            // What `cargo run --example make_data` makes.
            let is_made = word.starts_with("examples/made/");
            if is_path && !is_made && !root().join(word).exists() {
                findings.push(format!("{} names {word}", relative(&document)));
            }
        }
    }
    assert_none(&findings, "files that do not exist:");
}
