//! Texts of graphs and loop programs that are damaged or made to cost much: an error or a result, never a panic, and
//! messages stay short.

use graphc_ir::graph::{self, verify};
use graphc_ir::loops;
use graphc_ir::text::{MAX_MESSAGE_CHARS, MAX_RANK, ParseError, is_hidden};
use std::path::Path;

/// Every file of a folder of the project, by name.
fn texts(folder: &str) -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(folder);
    let entries = std::fs::read_dir(folder).expect("a folder of the project");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("a readable entry").path()).collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read_to_string(path).expect("a text")).collect()
}

/// Numbers that look random (Knuth's multiplier).
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % n.max(1)
    }
}

/// Damaged texts of each file; `GRAPHC_CASES` asks for more.
fn n_cases() -> usize {
    std::env::var("GRAPHC_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(60)
}

const PIECES: [&str; 30] = [
    "0",
    "-1",
    "1",
    "2",
    "16",
    "17",
    "99999999999",
    "18446744073709551615",
    "9223372036854775807",
    "1e999",
    "-1e-400",
    "NaN",
    "inf",
    "N",
    "%0",
    "%1",
    "b0",
    "i0",
    "v0",
    "[",
    "]",
    "{",
    "}",
    "(",
    ")",
    "\"",
    "\\u{1b}",
    "\u{1b}",
    "é",
    ",",
];

/// Replaces, removes or doubles words of the text.
fn damage(text: &str, random: &mut Random) -> String {
    let is_word = |c: char| c.is_ascii_alphanumeric() || "%._-".contains(c);
    let mut pieces: Vec<String> = Vec::new();
    for c in text.chars() {
        match pieces.last_mut() {
            Some(last) if is_word(c) && last.ends_with(is_word) => last.push(c),
            _ => pieces.push(c.to_string()),
        }
    }
    for _ in 0..=random.below(3) {
        let (at, other) = (random.below(pieces.len()), random.below(pieces.len()));
        match random.below(6) {
            0 => drop(pieces.remove(at)),
            1 => pieces.insert(at, pieces[other].clone()),
            2 => pieces.swap(at, other),
            _ => pieces[at] = PIECES[random.below(PIECES.len())].to_string(),
        }
    }
    pieces.concat()
}

#[track_caller]
fn check_message(error: &ParseError) {
    assert!(error.message.chars().count() <= MAX_MESSAGE_CHARS + 1, "{} characters", error.message.len());
    assert!(!error.message.contains(is_hidden), "{:?}", error.message);
}

#[test]
fn damaged_graphs() {
    let mut random = Random(1);
    let mut n_accepted = 0;
    for text in texts("tests/cases/ops") {
        for _ in 0..n_cases() {
            match graph::parse::parse(&damage(&text, &mut random)) {
                Ok(graph) => {
                    n_accepted += 1;
                    verify::verify(&graph);
                    assert_eq!(
                        graph::parse::parse(&graph.to_string()).map(|read| read.to_string()),
                        Ok(graph.to_string())
                    );
                }
                Err(error) => check_message(&error),
            }
        }
    }
    assert!(n_accepted > 100, "only {n_accepted} damaged graphs are graphs");
}

#[test]
fn damaged_programs() {
    let mut random = Random(2);
    let all = texts("tests/filetests/dump");
    let programs: Vec<&str> = all.iter().filter_map(|text| text.find("program \"").map(|at| &text[at..])).collect();
    assert!(!programs.is_empty());
    let mut n_accepted = 0;
    for text in programs {
        // A program of LeNet-5 is long: its buffers, and one kernel.
        let lines: Vec<&str> = text.lines().collect();
        let is_kernel = |line: &&str| line.starts_with("  kernel ");
        let first = lines.iter().position(is_kernel).expect("a kernel");
        let second = first + 1 + lines[first + 1..].iter().position(is_kernel).expect("another kernel");
        let short = format!("{}\n}}\n", lines[..second].join("\n"));
        for _ in 0..2 * n_cases() {
            match loops::parse(&damage(&short, &mut random)) {
                Ok(program) => {
                    n_accepted += 1;
                    loops::verify(&program);
                    assert_eq!(
                        loops::parse(&program.to_string()).map(|read| read.to_string()),
                        Ok(program.to_string())
                    );
                }
                Err(error) => check_message(&error),
            }
        }
    }
    assert!(n_accepted > 20, "only {n_accepted} damaged programs are programs");
}

#[test]
fn large_graphs() {
    let refused = |text: &str| {
        let error = graph::parse::parse(text).expect_err("something is wrong");
        check_message(&error);
        error.to_string()
    };
    let constant = "%0: f32[] = constant() {value=1.0, shape=[]}";
    let long = "n".repeat(1_000_000);
    let cut = "n".repeat(60);
    assert_eq!(refused(&long), format!("line 1, column 1: expected `graph`, found `{cut}…`"));
    assert_eq!(
        refused(&format!("graph g {{ %0: f32[] = {long}() }}")),
        format!("line 1, column 23: expected an operation, found `{cut}…`")
    );
    let attrs: Vec<String> = (0..100_000).map(|i| format!("a{i}=1")).collect();
    assert_eq!(
        refused(&format!("graph g {{ %0: f32[] = constant() {{{}}} }}", attrs.join(", "))),
        "line 1, column 249: more than 32 attributes"
    );
    let ones = vec!["1"; 100_000].join(",");
    assert_eq!(
        refused(&format!("graph g {{ %0: f32[{ones}] = constant() {{value=1.0, shape=[{ones}]}} }}")),
        format!("line 1, column 18: expected a shape of at most {MAX_RANK} dimensions, found 100000")
    );
    refused(&format!("graph g {{ {constant} %1: f32[] = reduce_sum(%0) {{axes=[{ones}], keep_dims=false}} }}"));
    refused(&format!("graph g {{ {constant} %1: f32[] = add({}) }}", vec!["%0"; 100_000].join(", ")));
    refused(&"(".repeat(1_000_000));
    refused(&format!("graph \"{}", "\\".repeat(1_000_001)));
    assert_eq!(
        refused("graph g(batch=2147483648) {}"),
        "line 1, column 15: expected a batch size of at most 2147483647, found `2147483648`"
    );
    assert_eq!(
        refused("graph g(batch=2147483647) { %0: f32[N,1099511627776] = input() }"),
        "line 1, column 36: [N,1099511627776] has more than 1099511627776 elements at batch size 2147483647"
    );
    assert_eq!(
        refused("graph g { %0: f32[] = constant() {value=1e400, shape=[]} }"),
        "line 1, column 41: expected a value: a number, true, false, f32, i32, a string or a list, found `1e400`"
    );
    assert_eq!(
        refused("graph \"a\\u{1b}[31m\" {}"),
        "line 1, column 7: expected the name of the graph, without control characters, found \"a\\u{1b}[31m\""
    );
    // A chain of many nodes in one line is read in one pass.
    let chain: Vec<String> = (1..100_000).map(|i| format!("%{i}: f32[] = neg(%{})", i - 1)).collect();
    let graph = graph::parse::parse(&format!("graph g {{ {constant} {} }}", chain.join(" "))).expect("a graph");
    assert_eq!((graph.len(), verify::verify(&graph).len()), (100_000, 0));
}

#[test]
fn large_programs() {
    let refused = |text: &str| {
        let error = loops::parse(text).expect_err("something is wrong");
        check_message(&error);
        error.to_string()
    };
    let long = "n".repeat(1_000_000);
    assert_eq!(refused(&long), format!("line 1, column 1: expected `program`, found `{}…`", "n".repeat(60)));
    assert_eq!(
        refused("program \"a\\u{1b}[31m\" (batch=1, arena=16) {}"),
        "line 1, column 9: the name \"a\\u{1b}[31m\" has control characters"
    );
    let program =
        |body: &str| format!("program \"p\" (batch=1, arena=16) {{ kernel \"k\" {{ nest \"n\" {{ {body} }} }} }}");
    refused(&program(&"for i0 in 0..1 { ".repeat(100_000)));
    refused(&program(&format!("i0 = {}0", "((".repeat(100_000))));
    let sums: Vec<String> = (0..100_000).map(|i| format!("i{i}")).collect();
    assert!(loops::parse(&program(&format!("i100000 = {}", sums.join(" + ")))).is_ok());
    // Many statements in one line are read in one pass.
    let statements: Vec<String> = (0..100_000).map(|i| format!("v{i} = f32 1.0")).collect();
    let read = loops::parse(&program(&statements.join(" "))).expect("a program");
    assert!(loops::verify(&read).is_empty());
}

#[test]
fn bytes_have_a_place() {
    let graph = |bytes: &[u8]| graph::parse::parse_bytes(bytes).map(|_| ()).map_err(|error| error.to_string());
    assert_eq!(graph(b"graph g {}"), Ok(()));
    assert_eq!(
        graph(b"graph g {\n ; \xc3\xa4\xff }"),
        Err("line 2, column 5: expected UTF-8, found the byte 0xff".into())
    );
    let error = loops::parse::parse_bytes(b"\x80").expect_err("it is no text");
    assert_eq!(error.to_string(), "line 1, column 1: expected UTF-8, found the byte 0x80");
}
