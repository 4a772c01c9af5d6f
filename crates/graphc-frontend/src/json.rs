//! Strict JSON with the place of every value, from `jsonc-parser`'s syntax tree.

use crate::diagnostic::{Diagnostic, Diagnostics, Span};
use jsonc_parser::ast::{ObjectPropName, Value};
use jsonc_parser::{CollectOptions, ParseOptions};

/// A value of type `T` and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Spanned<T> {
    pub(crate) value: T,
    pub(crate) span: Span,
}

/// A JSON value and where it stands.
pub(crate) type Json = Spanned<JsonValue>;

/// A JSON value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum JsonValue {
    Null,
    Bool(bool),
    /// As written.
    Number(String),
    String(String),
    Array(Vec<Json>),
    Object(Vec<Member>),
}

/// A key and its value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Member {
    pub(crate) key: Spanned<String>,
    pub(crate) value: Json,
}

impl JsonValue {
    /// What kind of value this is, with an article.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            JsonValue::Null => "null",
            JsonValue::Bool(_) => "a boolean",
            JsonValue::Number(_) => "a number",
            JsonValue::String(_) => "a string",
            JsonValue::Array(_) => "a list",
            JsonValue::Object(_) => "an object",
        }
    }
}

/// Parses the whole text; `None` if it is not JSON, which has then been reported.
pub(crate) fn parse(text: &str, diagnostics: &mut Diagnostics) -> Option<Json> {
    let strict = ParseOptions {
        allow_comments: false,
        allow_loose_object_property_names: false,
        allow_trailing_commas: false,
        allow_missing_commas: false,
        allow_single_quoted_strings: false,
        allow_hexadecimal_numbers: false,
        allow_unary_plus_numbers: false,
        allow_bare_decimal_point_numbers: false,
        allow_non_finite_numbers: false,
        allow_extended_string_escapes: false,
    };
    match jsonc_parser::parse_to_ast(text, &CollectOptions::default(), &strict) {
        Ok(parsed) => match parsed.value {
            Some(value) => Some(convert(value, diagnostics)),
            None => {
                diagnostics.push(Diagnostic::new("the file is empty", 0..0, "expected a JSON object"));
                None
            }
        },
        Err(error) => {
            let range = error.range();
            let message = error.kind().to_string();
            let label = format!("{}{}", message[..1].to_lowercase(), &message[1..]);
            diagnostics.push(Diagnostic::new("this is not JSON", range.start..range.end, label));
            None
        }
    }
}

/// Keeps the first of several members of the same name and reports the others.
fn convert(value: Value<'_>, diagnostics: &mut Diagnostics) -> Json {
    let range = jsonc_parser::common::Ranged::range(&value);
    let value = match value {
        Value::NullKeyword(_) => JsonValue::Null,
        Value::BooleanLit(literal) => JsonValue::Bool(literal.value),
        Value::NumberLit(literal) => JsonValue::Number(literal.value.to_string()),
        Value::StringLit(literal) => JsonValue::String(literal.value.into_owned()),
        Value::Array(array) => {
            JsonValue::Array(array.elements.into_iter().map(|element| convert(element, diagnostics)).collect())
        }
        Value::Object(object) => {
            let mut members: Vec<Member> = Vec::new();
            for property in object.properties {
                let (name, range) = match property.name {
                    ObjectPropName::String(name) => (name.value.into_owned(), name.range),
                    ObjectPropName::Word(word) => (word.value.to_string(), word.range),
                };
                let key = Spanned { value: name, span: range.start..range.end };
                let value = convert(property.value, diagnostics);
                match members.iter().find(|member| member.key.value == key.value) {
                    Some(first) => diagnostics.push(
                        Diagnostic::new(format!("the field `{}` stands twice", key.value), key.span, "again here")
                            .note(first.key.span.clone(), "first here"),
                    ),
                    None => members.push(Member { key, value }),
                }
            }
            JsonValue::Object(members)
        }
    };
    Spanned { value, span: range.start..range.end }
}
