//! What the reference says of a field is what the reader accepts.

use super::*;
use crate::data_fields::{COLUMN, DATA, PREPROCESS};
use crate::fields::{BLOCK, FILE, INPUT, NODE, TRAIN, USE};
use crate::limits::MAX_LISTED;
use crate::loss_fields::LOSSES;
use crate::node_ops::NODE_OPS;
use crate::optimizer::OPTIMIZERS;
use crate::training::{EARLY_STOPPING, EMA, SCHEDULES};
use std::path::Path;

/// Every row of the reference.
fn rows() -> Vec<(&'static str, &'static Field)> {
    let mut sections: Vec<&'static Section> =
        vec![&FILE, &INPUT, &BLOCK, &NODE, &USE, &TRAIN, &EMA, &EARLY_STOPPING, &COLUMN, &PREPROCESS];
    sections.extend(NODE_OPS.iter().map(|op| &op.section));
    sections.extend(
        [&LOSSES, &OPTIMIZERS, &SCHEDULES, &DATA, &INITIALIZERS].iter().flat_map(|variants| (variants.sections)()),
    );
    sections.iter().flat_map(|section| section.fields.iter().map(|field| (section.name, field))).collect()
}

fn accepts(field: &Field, text: &str) -> bool {
    let mut diagnostics = Diagnostics::new(Path::new("x"), text);
    let json = crate::json::parse(text, &mut diagnostics).unwrap_or_else(|| panic!("{text}: {diagnostics}"));
    read_value(field, &json, &mut diagnostics).is_some()
}

/// Texts that are accepted, and texts that are not.
type Borders = (Vec<String>, Vec<String>);

fn texts(yes: &[&str], no: &[&str]) -> Borders {
    (yes.iter().map(ToString::to_string).collect(), no.iter().map(ToString::to_string).collect())
}

/// Values at the borders of what the words promise, on either side.
fn borders(kind: &Kind) -> Borders {
    match kind {
        Kind::Text => texts(&["\"\"", "\"\\u001b\""], &["1", "null"]),
        Kind::Title => {
            let text = |n: usize| format!("\"{}\"", "é".repeat(n));
            texts(&["\"a b/c\"", &text(200)], &["\"\"", "\"a\\nb\"", "\"\\u202e\"", &text(201), "1"])
        }
        Kind::Name => {
            let text = |n: usize| format!("\"{}\"", "n".repeat(n));
            texts(&["\"_1\"", &text(200)], &["\"1a\"", "\"a.b\"", "\"é\"", "\"\"", "\"a\\u0000\"", &text(201)])
        }
        Kind::NodeName | Kind::Reference => texts(&["\"a\""], &["[\"a\"]", "1"]),
        Kind::References => texts(&["\"a\"", "[]", "[\"a\", \"b\"]"], &["1", "[1]"]),
        Kind::Int { min, max } => {
            let yes = [min.to_string(), max.to_string()];
            let no = [(i128::from(*min) - 1).to_string(), (i128::from(*max) + 1).to_string(), format!("{min}.0")];
            (yes.to_vec(), no.to_vec())
        }
        Kind::Number(range) => number_borders(*range),
        Kind::Names => texts(&["\"a\"", "[]", "[\"a\", \"_1\"]"], &["1", "[1]", "\"a.b\"", "[\"$a\"]"]),
        Kind::Bool => texts(&["true", "false"], &["0", "\"true\"", "null"]),
        Kind::Pair { .. }
        | Kind::Padding
        | Kind::Shape
        | Kind::InputShape
        | Kind::NewShape
        | Kind::Axes
        | Kind::Sizes
        | Kind::Ascending => size_borders(kind),
        Kind::Numbers(range) => {
            let (yes, no) = number_borders(*range);
            let lists = |texts: Vec<String>| texts.iter().map(|text| format!("[1, {text}]")).collect();
            (lists(yes), lists(no))
        }
        Kind::DType => texts(&["\"f32\"", "\"i32\""], &["\"f64\"", "\"\"", "32"]),
        Kind::Choice(choices) => {
            let texts = choices.iter().map(|choice| serde_json::to_string(choice).expect("a string is JSON"));
            (texts.collect(), vec!["\"\"".into()])
        }
        Kind::Metrics => metric_borders(),
        Kind::Path => texts(&["\"a\""], &["[]", "1"]),
        Kind::Paths => texts(&["\"a\"", "[\"a\"]"], &["{}", "1", "[1]"]),
        Kind::Object(_)
        | Kind::OneOf(_)
        | Kind::Map(_)
        | Kind::Files
        | Kind::Columns
        | Kind::Arguments
        | Kind::SizesByName => texts(&["{}"], &["[]", "\"a\""]),
        Kind::OneOrMore(_) => texts(&["{}", "[{}]", "[{}, {}]"], &["[]", "\"a\"", "1"]),
        Kind::Initializer => initializer_borders(),
        Kind::Nodes | Kind::Entries(_) => texts(&["[]"], &["{}", "\"a\""]),
    }
}

fn metric_borders() -> Borders {
    let yes = ["[]", "[\"accuracy\", \"f1\", \"mae\"]", "[\"top_1\", \"top_2147483647\"]"];
    texts(
        &yes,
        &["\"f1\"", "[\"top_0\"]", "[\"top_05\"]", "[\"top_+5\"]", "[\"top_\"]", "[\"top_2147483648\"]", "[\"top_k\"]"],
    )
}

fn initializer_borders() -> Borders {
    texts(
        &["0", "-1e9", "\"he_normal\"", "{ \"op\": \"he_normal\" }", "{ \"limit\": 2, \"op\": \"random_uniform\" }"],
        &[
            "1e39",
            "\"random_uniform(limit=0.1)\"",
            "{}",
            "[\"he_normal\"]",
            "{ \"op\": \"he\" }",
            "{ \"op\": \"random_uniform\", \"limit\": 0 }",
            "{ \"op\": \"random_uniform\", \"stddev\": 1 }",
            "{ \"op\": \"random_normal\", \"stddev\": \"1\" }",
        ],
    )
}

fn number_borders(range: Range) -> Borders {
    let numbers = |yes: &[f64], no: &[&str]| {
        let yes = yes.iter().map(|value| format!("{value:e}")).collect();
        (yes, no.iter().map(ToString::to_string).collect())
    };
    let (least, most) = (f64::from(f32::MIN_POSITIVE), f64::from(f32::MAX));
    let below_1 = f64::from(1.0f32.next_down());
    match range {
        Range::Any => {
            numbers(&[0.0, -0.0, least, -least, most, -most], &["1e-46", "-1e-46", "1e-40", "1e39", "-1e39", "1e999"])
        }
        Range::Positive => numbers(&[least, most], &["0", "-1", "1e-46", "1e-40", "1e39", "1e999"]),
        Range::NotNegative => numbers(&[0.0, least, most], &["-1", "-1e-46", "1e-46", "1e-40", "1e39", "1e999"]),
        Range::Fraction => numbers(&[0.0, least, below_1], &["-1e-9", "1", "0.99999999", "1e-46", "1e-40", "1e999"]),
        Range::UpTo(most) => {
            let beyond = (most + 1e-9).to_string();
            numbers(&[0.0, least, most], &["-1e-9", &beyond, "1e-46", "1e-40", "1e999"])
        }
    }
}

fn size_borders(kind: &Kind) -> Borders {
    let list = |item: &str, n: usize| format!("[{}]", vec![item; n].join(","));
    match kind {
        Kind::Pair { min: 0 } => {
            texts(&["0", "2147483647", "[0, 2147483647]"], &["-1", "2147483648", "[0]", "[0, -1]"])
        }
        Kind::Pair { .. } => texts(
            &["1", "2147483647", "[1, 2147483647]"],
            &["0", "2147483648", "[1]", "[1, 1, 1]", "[1, 0]", "\"same\""],
        ),
        Kind::Padding => texts(
            &["\"valid\"", "\"same\"", "0", "2147483647", "[0, 1, 2, 3]"],
            &["\"full\"", "-1", "2147483648", "[0, 1]", "[0, 1, 2, -3]"],
        ),
        Kind::Shape | Kind::InputShape => texts(
            &["[]", "[\"N\"]", "[\"N\", 1, 2147483647]", "[3]", &list("1", 16)],
            &["[1, \"N\"]", "[\"N\", \"N\"]", "[0]", "[2147483648]", "1", &list("1", 17)],
        ),
        Kind::NewShape => texts(
            &["[]", "[\"N\", -1]", "[3, -1, 4]", &list("1", 16)],
            &["[-1, -1]", "[-2]", "[0]", "[1, \"N\"]", "-1", &list("1", 17)],
        ),
        Kind::Axes => texts(&["[]", "[0, 3]", &list("0", 16)], &["0", "[-1]", "[1.0]", &list("0", 17)]),
        Kind::Sizes => texts(&["[1]", "[3, 2147483647]", &list("1", 1000)], &["4", "[]", "[0]", &list("1", 1001)]),
        Kind::Ascending => texts(&["[]", "[1, 2147483647]"], &["0", "[0]", "[2, 2]", "[3, 1]", "[2147483648]"]),
        _ => unreachable!("no sizes"),
    }
}

#[test]
fn every_row_of_the_reference_says_what_is_accepted() {
    let rows = rows();
    assert!(rows.len() > 60, "only {} rows", rows.len());
    for (section, field) in rows {
        let (yes, no) = borders(&field.kind);
        for text in &yes {
            assert!(accepts(field, text), "{section}: `{}` refuses {text}", field.name);
        }
        for text in &no {
            assert!(!accepts(field, text), "{section}: `{}` accepts {text}", field.name);
        }
        if let Default::Json(text) = field.default {
            assert!(accepts(field, text), "{section}: the default of `{}`", field.name);
        }
    }
}

#[test]
fn long_lists_of_names_are_cut() {
    let names: Vec<String> = (0..MAX_LISTED + 2).map(|i| format!("n{i}")).collect();
    let text = list(names.iter().map(String::as_str));
    assert!(text.starts_with("`n0`, `n1`, ") && text.ends_with("`n39` and 2 more"), "{text}");
    assert_eq!(list(["a\u{1b}", "b"].into_iter()), "`a\\u{1b}`, `b`");
}
