//! Damaged graph files are refused or accepted, but nothing panics, and the message can be written.

use graphc_frontend::{Diagnostics, parse, parse_bytes};
use graphc_ir::text::is_hidden;
use proptest::prelude::*;
use std::path::Path;

/// The message, which is short and harmless to a terminal.
fn said(diagnostics: &Diagnostics) -> Result<String, TestCaseError> {
    let text = diagnostics.to_string();
    prop_assert!(text.len() < 64 << 10, "{} bytes of messages", text.len());
    prop_assert!(!text.contains(|c: char| is_hidden(c) && c != '\n'), "hidden characters in {text:?}");
    prop_assert!(text.contains("error: ") && !diagnostics.is_empty());
    Ok(text)
}

fn examples() -> Vec<String> {
    let read = |path: &str| std::fs::read_to_string(format!("../../{path}")).expect("the file");
    let examples = ["lenet5", "lenet5-classic", "mlp", "strided", "resnet20-mnist"];
    let networks = ["blocks", "shared"].map(|name| read(&format!("tests/cases/networks/{name}.json")));
    examples.map(|name| read(&format!("examples/{name}.graph.json"))).into_iter().chain(networks).collect()
}

/// One piece of damage, placed by numbers that are taken modulo what there is.
#[derive(Clone, Debug)]
enum Damage {
    Delete { at: usize, len: usize },
    Insert { at: usize, text: String },
    SwapValues { first: usize, second: usize },
    ReplaceValue { at: usize, with: String },
}

fn damage() -> impl Strategy<Value = Damage> {
    let values = prop::sample::select(vec![
        "0",
        "-1",
        "1",
        "2.5",
        "1e400",
        "99999999999999999999",
        "2147483647",
        "4294967296",
        "null",
        "true",
        "\"\"",
        "\"N\"",
        "[]",
        "{}",
        "[0]",
        "[2147483647, 2147483647]",
        "[\"N\"]",
        "[\"N\", 2147483647, 2147483647]",
        "\"image\"",
        "\"label\"",
        "\"conv1\"",
        "\"dense3\"",
        "\"loss\"",
        "\"add\"",
        "\"matmul\"",
        "\"reshape\"",
        "\"layer\"",
        "\"left\"",
        "\"left.layers.1\"",
        "\"vectors.embeddings\"",
        "\"x\"",
        "\"$D\"",
        "\"$width / 3\"",
        "\"$\"",
        "\"ß→\"",
        "\"\\u001b[31m\"",
        "\"\u{1b}\"",
        "\"\u{202e}\"",
        "1e-46",
        "1e39",
        "0.99999999",
        "[[[[[]]]]]",
    ]);
    prop_oneof![
        (any::<usize>(), 1..40_usize).prop_map(|(at, len)| Damage::Delete { at, len }),
        (any::<usize>(), "\\PC{1,4}").prop_map(|(at, text)| Damage::Insert { at, text }),
        (any::<usize>(), any::<usize>()).prop_map(|(first, second)| Damage::SwapValues { first, second }),
        (any::<usize>(), values).prop_map(|(at, with)| Damage::ReplaceValue { at, with: with.to_string() }),
    ]
}

/// Numbers, strings and short lists of the text, as byte ranges that do not nest.
fn values(text: &str) -> Vec<std::ops::Range<usize>> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let end = match bytes[at] {
            b'"' => text[at + 1..].find('"').map_or(bytes.len(), |len| at + len + 2),
            b'0'..=b'9' | b'-' => text[at..]
                .find(|c: char| !c.is_ascii_digit() && !"-.eE".contains(c))
                .map_or(bytes.len(), |len| at + len),
            b'[' if text[at..].find(']').is_some_and(|len| len < 30) => at + text[at..].find(']').unwrap_or(0) + 1,
            _ => {
                at += 1;
                continue;
            }
        };
        found.push(at..end);
        at = end;
    }
    found
}

fn apply(text: &str, damage: &Damage) -> String {
    let boundary = |at: usize| text.floor_char_boundary(at % (text.len() + 1));
    let values = values(text);
    let mut damaged = text.to_string();
    match damage {
        Damage::Delete { at, len } => {
            let start = boundary(*at);
            let end = text.floor_char_boundary((start + len).min(text.len())).max(start);
            damaged.replace_range(start..end, "");
        }
        Damage::Insert { at, text } => damaged.insert_str(boundary(*at), text),
        Damage::ReplaceValue { at, with } if !values.is_empty() => {
            damaged.replace_range(values[at % values.len()].clone(), with);
        }
        Damage::SwapValues { first, second } if !values.is_empty() => {
            let (mut a, mut b) = (values[first % values.len()].clone(), values[second % values.len()].clone());
            if b.start < a.start {
                std::mem::swap(&mut a, &mut b);
            }
            if a != b {
                let (early, late) = (text[a.clone()].to_string(), text[b.clone()].to_string());
                damaged.replace_range(b, &early);
                damaged.replace_range(a, &late);
            }
        }
        _ => {}
    }
    damaged
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, ..ProptestConfig::default() })]

    #[test]
    fn damaged_examples_do_not_panic(which in 0..4_usize, damages in prop::collection::vec(damage(), 1..5)) {
        let text = damages.iter().fold(examples()[which].clone(), |text, damage| apply(&text, damage));
        if let Err(diagnostics) = parse(&text, Path::new("damaged.graph.json")) {
            said(&diagnostics)?;
        }
    }

    #[test]
    fn any_text_does_not_panic(text in "(?s).{0,300}") {
        let quoted = format!("{{ \"graphc\": 1, \"name\": \"{text}\", \"{text}\": {text} }}");
        for text in [text, quoted] {
            said(&parse(&text, Path::new("any.graph.json")).expect_err("no network"))?;
        }
    }

    #[test]
    fn any_bytes_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        said(&parse_bytes(&bytes, Path::new("any\u{1b}.graph.json")).expect_err("no network"))?;
    }
}

#[test]
fn deep_nesting_is_refused() {
    let text = "[".repeat(100_000);
    assert!(parse(&text, Path::new("deep.graph.json")).is_err());
}
