//! What the kinds of fields accept, and what a value is instead, in words.

use crate::field::{Kind, Range};
use crate::initializer;
use crate::json::{Json, JsonValue};
use crate::limits::{MAX_LIST, MAX_LISTED, MAX_NAME_CHARS};
use crate::metrics;
use crate::number::{NotANumber, narrowing_label, number};
use graphc_ir::DType;
use graphc_ir::graph::builder::MAX_SIZE;
use graphc_ir::text::{MAX_RANK, is_hidden, shown};

/// `a, b, c` in backquotes, at most [`MAX_LISTED`] of them.
pub(crate) fn list<'a>(mut names: impl Iterator<Item = &'a str>) -> String {
    let quoted: Vec<String> = names.by_ref().take(MAX_LISTED).map(|name| format!("`{}`", shown(name))).collect();
    match names.count() {
        0 => quoted.join(", "),
        more => format!("{} and {more} more", quoted.join(", ")),
    }
}

/// What a kind accepts, in words.
pub(crate) fn expected(kind: &Kind) -> String {
    match kind {
        Kind::Text => "a string".into(),
        Kind::Title => format!("a text of 1 to {MAX_NAME_CHARS} characters, none of them a control character"),
        Kind::Name => {
            format!("a name of at most {MAX_NAME_CHARS} letters, digits and `_` that does not start with a digit")
        }
        Kind::NodeName => "the name of a node".into(),
        Kind::Reference => "the name of an input or node".into(),
        Kind::References => "the name of an input or node, or a list of such names".into(),
        Kind::Int { min, max } if min == max => format!("{min}"),
        Kind::Int { min, max } => format!("an integer from {min} to {max}"),
        Kind::Number(range) => format!("a number{}", range.in_words()),
        Kind::Bool => "true or false".into(),
        Kind::Pair { min } => format!("a size of at least {min} or a list of two such sizes, [height, width]"),
        Kind::Padding => "\"valid\", \"same\", a number of zeros, or a list of four, [top, bottom, left, right]".into(),
        Kind::Shape => format!("a list of at most {MAX_RANK} sizes of at least 1, in which \"N\" may stand first"),
        Kind::InputShape => {
            format!(
                "a list of at most {MAX_RANK} sizes of at least 1 or names of sizes, in which \"N\" may stand first"
            )
        }
        Kind::NewShape => format!("{}, and one of them may be -1", expected(&Kind::Shape)),
        Kind::Axes => format!("a list of at most {MAX_RANK} dimension numbers, counted from 0"),
        Kind::Sizes => format!("a list of 1 to {MAX_LIST} sizes of at least 1"),
        Kind::Ascending => {
            format!("a list of at most {MAX_LIST} sizes of at least 1, each greater than the one before")
        }
        Kind::Numbers(Range::Any) => format!("a list of at most {MAX_LIST} numbers"),
        Kind::Numbers(range) => {
            format!("a list of at most {MAX_LIST} numbers, each {}", expected(&Kind::Number(*range)))
        }
        Kind::DType => format!("one of {}", list(DType::NAMES.iter().copied())),
        Kind::Choice(choices) => format!("one of {}", list(choices.iter().copied())),
        Kind::Metrics => format!("a list of any of {}", list(metrics::names())),
        Kind::Object(_) | Kind::OneOf(_) => "an object".into(),
        Kind::OneOrMore(_) => format!("an object, or a list of 1 to {MAX_LIST} objects"),
        Kind::Map(_) => "an object whose keys are names".into(),
        Kind::Files => "an object from input names to file names".into(),
        Kind::Path => "the name of a file or folder".into(),
        Kind::Paths => "the name of a file, or a list of such names".into(),
        Kind::Columns => "an object from input names to columns: a name, an object, or a list of these".into(),
        Kind::Initializer => {
            format!("a number, one of {}, or an object of such an `op` and its settings", list(initializer::names()))
        }
        Kind::Nodes => "a list of nodes".into(),
        Kind::Names => "a name, or a list of names".into(),
        Kind::Arguments => "an object from names to values".into(),
        Kind::SizesByName => "an object from names to sizes".into(),
        Kind::Entries(_) => "a list of objects".into(),
    }
}

/// What stands under the offending text: its kind, or that its size is wrong.
pub(crate) fn label_for(kind: &Kind, bad: &Json) -> String {
    match (kind, &bad.value) {
        (Kind::Int { min, max }, JsonValue::Number(_)) if min == max => format!("expected {min}"),
        (Kind::Shape | Kind::InputShape | Kind::NewShape, JsonValue::String(_)) => "expected a size here".into(),
        (Kind::Ascending, JsonValue::Number(text))
            if text.parse::<usize>().is_ok_and(|size| (1..=MAX_SIZE).contains(&size)) =>
        {
            "this is not greater than the one before".into()
        }
        (
            Kind::Int { .. }
            | Kind::Pair { .. }
            | Kind::Padding
            | Kind::Shape
            | Kind::InputShape
            | Kind::NewShape
            | Kind::Axes
            | Kind::Sizes
            | Kind::Ascending,
            JsonValue::Number(text),
        ) => match text.parse::<i64>() {
            Ok(value) if value < 0 => "this is negative".into(),
            Ok(0) => "this is zero".into(),
            Ok(_) => "this is out of range".into(),
            Err(_) if text.contains(['.', 'e', 'E']) => "this is not an integer".into(),
            Err(_) => "this is out of range".into(),
        },
        (Kind::Number(range) | Kind::Numbers(range), JsonValue::Number(text)) => match number(*range, text) {
            Err(NotANumber::InF32(narrowing)) => narrowing_label(*range, narrowing),
            _ => "this is out of range".into(),
        },
        (Kind::Title, JsonValue::String(text)) => unfit_title(text).unwrap_or("this is none").into(),
        (Kind::Name, JsonValue::String(text)) if text.len() > MAX_NAME_CHARS => {
            format!("this has {} characters", text.chars().count())
        }
        (
            Kind::Pair { .. }
            | Kind::Padding
            | Kind::Shape
            | Kind::InputShape
            | Kind::NewShape
            | Kind::Axes
            | Kind::Sizes
            | Kind::Ascending
            | Kind::Numbers(_),
            JsonValue::Array(items),
        ) => match items.len() {
            1 => "this list has 1 entry".into(),
            n => format!("this list has {n} entries"),
        },
        (Kind::DType, JsonValue::String(name)) => DType::refusal(name).unwrap_or("this is none of them".into()),
        (Kind::Initializer, JsonValue::Number(_)) => "this is out of range".into(),
        (Kind::Initializer, JsonValue::Object(_)) => "this lacks `op`, or has settings that do not fit".into(),
        (Kind::Choice(_) | Kind::Metrics | Kind::Padding | Kind::Name | Kind::Initializer, JsonValue::String(_)) => {
            "this is none of them".into()
        }
        (_, value) => format!("this is {}", value.kind()),
    }
}

/// Why the name of a network is not acceptable.
pub(crate) fn unfit_title(text: &str) -> Option<&'static str> {
    match text {
        "" => Some("this is empty"),
        _ if text.contains(is_hidden) => Some("this has control characters"),
        _ if text.chars().nth(MAX_NAME_CHARS).is_some() => Some("this is longer"),
        _ => None,
    }
}
