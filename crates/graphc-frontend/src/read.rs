//! Reads one object by its field table.

use crate::diagnostic::{Diagnostic, Diagnostics, Span};
use crate::field::{Default, Field, Kind, Range, Section, Variants};
use crate::initializer::{self, INITIALIZERS};
use crate::json::{Json, JsonValue, Member, Spanned};
use crate::limits::{MAX_LIST, MAX_NAME_CHARS};
use crate::metrics;
use crate::number::number;
use crate::wording::{label_for, unfit_title};
use graphc_ir::attrs::{AttrValue, Attrs};
use graphc_ir::graph::builder::MAX_SIZE;
use graphc_ir::initializers::Initializer;
use graphc_ir::layers::Padding;
use graphc_ir::text::{MAX_RANK, shown};
use graphc_ir::{DType, Dim, Shape};

pub(crate) use crate::wording::{expected, list};

/// The value of a field, of the kind its table states.
#[derive(Clone, Debug)]
pub(crate) enum Value<'a> {
    Text(String),
    Names(Vec<Spanned<String>>),
    Int(i64),
    Number(f64),
    Bool(bool),
    Pair([usize; 2]),
    Padding(Padding),
    Shape(Shape),
    Axes(Vec<usize>),
    DType(DType),
    Numbers(Vec<f64>),
    Initializer(Initializer),
    /// A list or an object, to be read by another table.
    Members(&'a [Member]),
    Items(&'a [Json]),
    Object,
}

/// The fields of one object.
#[derive(Debug)]
pub(crate) struct Record<'a> {
    values: Vec<(&'static str, Spanned<Value<'a>>, Option<&'a Json>)>,
    /// Fields that are there but not acceptable, which has been reported.
    refused: Vec<&'static str>,
    /// Whether every field is there and as it should be.
    pub(crate) ok: bool,
    /// The whole object, or where a missing field would belong.
    pub(crate) span: Span,
}

macro_rules! getters {
    ($($getter:ident: $variant:ident -> $ty:ty),* $(,)?) => {
        $(
            /// The value of a field of this kind; `None` if it is absent or was not acceptable.
            pub(crate) fn $getter(&self, name: &str) -> Option<$ty> {
                match &self.find(name)?.value {
                    Value::$variant(value) => Some(value.clone()),
                    other => unreachable!("the table says that `{name}` is another kind than {other:?}"),
                }
            }
        )*
    };
}

impl<'a> Record<'a> {
    pub(crate) fn find(&self, name: &str) -> Option<&Spanned<Value<'a>>> {
        self.values.iter().find(|(field, ..)| *field == name).map(|(_, value, _)| value)
    }

    /// The JSON of a field; `None` if it is absent, a default, or was not acceptable.
    pub(crate) fn json(&self, name: &str) -> Option<&'a Json> {
        self.values.iter().find(|(field, ..)| *field == name).and_then(|(.., json)| *json)
    }

    /// Whether the field is there but not acceptable.
    pub(crate) fn is_refused(&self, name: &str) -> bool {
        self.refused.contains(&name)
    }

    /// Where the field stands, or the object if it does not.
    pub(crate) fn span_of(&self, name: &str) -> Span {
        self.json(name).map_or(self.span.clone(), |json| json.span.clone())
    }

    getters! {
        text: Text -> String, names: Names -> Vec<Spanned<String>>, int: Int -> i64, number: Number -> f64,
        bool: Bool -> bool, shape: Shape -> Shape, axes: Axes -> Vec<usize>, dtype: DType -> DType,
        numbers: Numbers -> Vec<f64>, members: Members -> &'a [Member], items: Items -> &'a [Json],
    }

    /// A size, of which the table says that it is at least 1.
    pub(crate) fn size(&self, name: &str) -> Option<usize> {
        self.int(name).and_then(|value| usize::try_from(value).ok())
    }
}

/// Reads `json` as an object with the fields of `tables` (such as those of a node and of its op);
/// `what` names the object in messages. Unknown, missing and unacceptable fields are reported.
pub(crate) fn read<'a>(
    what: &str,
    tables: &[&[Field]],
    json: &'a Json,
    diagnostics: &mut Diagnostics,
) -> Option<Record<'a>> {
    read_fields(what, tables, json, true, diagnostics)
}

/// Like [`read`], but other fields are left alone: for an object whose tables are not all known.
pub(crate) fn read_known<'a>(
    what: &str,
    tables: &[&[Field]],
    json: &'a Json,
    diagnostics: &mut Diagnostics,
) -> Option<Record<'a>> {
    read_fields(what, tables, json, false, diagnostics)
}

fn read_fields<'a>(
    what: &str,
    tables: &[&[Field]],
    json: &'a Json,
    refuse_unknown: bool,
    diagnostics: &mut Diagnostics,
) -> Option<Record<'a>> {
    let JsonValue::Object(members) = &json.value else {
        wrong_kind(what, "an object", json, diagnostics);
        return None;
    };
    let fields: Vec<&Field> = tables.iter().flat_map(|table| table.iter()).collect();
    let mut record = Record { values: Vec::new(), refused: Vec::new(), ok: true, span: json.span.clone() };
    let mut misspelt: Vec<&str> = Vec::new();
    for member in members {
        let name = member.key.value.as_str();
        let Some(field) = fields.iter().find(|field| field.name == name) else {
            if !refuse_unknown {
                continue;
            }
            record.ok = false;
            misspelt.extend(unknown_field(what, &member.key, &fields, diagnostics));
            continue;
        };
        match read_value(field, &member.value, diagnostics) {
            Some(value) => {
                record.values.push((
                    field.name,
                    Spanned { value, span: member.value.span.clone() },
                    Some(&member.value),
                ));
            }
            None => {
                record.ok = false;
                record.refused.push(field.name);
            }
        }
    }
    let given =
        |field: &Field| members.iter().any(|member| member.key.value == field.name) || misspelt.contains(&field.name);
    let missing: Vec<&Field> = fields.into_iter().filter(|field| !given(field)).collect();
    for field in missing {
        match field.default {
            Default::Required => {
                record.ok = false;
                let open = json.span.start..json.span.start + 1;
                let label = format!("`{}` must be {}", field.name, expected(&field.kind));
                diagnostics.push(Diagnostic::new(format!("{what} lacks the field `{}`", field.name), open, label));
            }
            Default::Json(text) => {
                if let Some(value) = default_value(field, text) {
                    record.values.push((field.name, Spanned { value, span: json.span.clone() }, None));
                }
            }
            Default::Absent(_) => {}
        }
    }
    Some(record)
}

/// The value of a default; lists and objects are left to the reader of that section.
fn default_value<'a>(field: &Field, text: &str) -> Option<Value<'a>> {
    let mut none = Diagnostics::new(std::path::Path::new(""), text);
    let json = crate::json::parse(text, &mut none)?;
    let value = match read_value(field, &json, &mut none)? {
        Value::Text(x) => Value::Text(x),
        Value::Names(x) => Value::Names(x),
        Value::Int(x) => Value::Int(x),
        Value::Number(x) => Value::Number(x),
        Value::Bool(x) => Value::Bool(x),
        Value::Pair(x) => Value::Pair(x),
        Value::Padding(x) => Value::Padding(x),
        Value::Shape(x) => Value::Shape(x),
        Value::Axes(x) => Value::Axes(x),
        Value::DType(x) => Value::DType(x),
        Value::Numbers(x) => Value::Numbers(x),
        Value::Initializer(x) => Value::Initializer(x),
        Value::Members(_) | Value::Items(_) | Value::Object => return None,
    };
    Some(value)
}

/// Reads an object one of whose fields chooses its table.
pub(crate) fn read_one_of<'a>(
    variants: &'static Variants,
    json: &'a Json,
    diagnostics: &mut Diagnostics,
) -> Option<(&'static Section, Record<'a>)> {
    let section = read_tag(variants, json, diagnostics)?;
    let what = format!("{} `{}`", variants.name, section.name);
    let record = read(&what, &[&[variants.tag_field()], section.fields], json, diagnostics)?;
    Some((section, record))
}

/// The same of an object without that field, whose table is known otherwise.
pub(crate) fn read_as<'a>(
    variants: &'static Variants,
    section: &'static Section,
    json: &'a Json,
    diagnostics: &mut Diagnostics,
) -> Option<Record<'a>> {
    read(&format!("{} `{}`", variants.name, section.name), &[section.fields], json, diagnostics)
}

/// The table that the tag names; if there is none, that is reported and nothing else is.
fn read_tag(variants: &'static Variants, json: &Json, diagnostics: &mut Diagnostics) -> Option<&'static Section> {
    let Variants { name: what, tag, sections, .. } = variants;
    let JsonValue::Object(members) = &json.value else {
        wrong_kind(what, "an object", json, diagnostics);
        return None;
    };
    let names = || sections().iter().map(|section| section.name);
    let Some(chosen) = members.iter().find(|member| member.key.value == *tag) else {
        let open = json.span.start..json.span.start + 1;
        let label = format!("`{tag}` must be one of {}", list(names()));
        diagnostics.push(Diagnostic::new(format!("{what} lacks the field `{tag}`"), open, label));
        return None;
    };
    let JsonValue::String(name) = &chosen.value.value else {
        wrong_kind(&format!("`{tag}`"), "a string", &chosen.value, diagnostics);
        return None;
    };
    let found = sections().iter().find(|section| section.name == name);
    if found.is_none() {
        let span = chosen.value.span.clone();
        let label = format!("expected one of {}", list(names()));
        let close = diagnostics.closest(name, names());
        let message = format!("unknown {tag} `{}`", shown(name));
        diagnostics.push(Diagnostic::new(message, span, label).did_you_mean(close));
    }
    found
}

/// Reports a field that is not in the tables, and gives the one that was probably meant.
fn unknown_field(
    what: &str,
    key: &Spanned<String>,
    fields: &[&Field],
    diagnostics: &mut Diagnostics,
) -> Option<&'static str> {
    let names = || fields.iter().map(|field| field.name);
    let label = format!("expected one of {}", list(names()));
    let message = format!("{what} has no field `{}`", shown(&key.value));
    let close = diagnostics.closest(&key.value, names());
    diagnostics.push(Diagnostic::new(message, key.span.clone(), label).did_you_mean(close));
    close
}

/// Reports that a value has the wrong kind.
pub(crate) fn wrong_kind(what: &str, expected: &str, json: &Json, diagnostics: &mut Diagnostics) {
    let message = format!("{what} must be {expected}");
    diagnostics.push(Diagnostic::new(message, json.span.clone(), format!("this is {}", json.value.kind())));
}

/// The value, if it is of the field's kind; otherwise that is reported.
fn read_value<'a>(field: &Field, json: &'a Json, diagnostics: &mut Diagnostics) -> Option<Value<'a>> {
    accept(&field.kind, json, &mut |bad| {
        let message = format!("`{}` must be {}", field.name, expected(&field.kind));
        let close = match (&field.kind, &bad.value) {
            (Kind::Choice(choices), JsonValue::String(text)) => diagnostics.closest(text, choices.iter().copied()),
            (Kind::Metrics, JsonValue::String(text)) => diagnostics.closest(text, metrics::names()),
            (Kind::Initializer, JsonValue::String(text)) => diagnostics.closest(text, initializer::names()),
            _ => None,
        };
        let is_no_list = is_list(&field.kind) && std::ptr::eq(bad, json) && !matches!(bad.value, JsonValue::Array(_));
        let label = if is_no_list { format!("this is {}", bad.value.kind()) } else { label_for(&field.kind, bad) };
        let diagnostic = Diagnostic::new(message, bad.span.clone(), label);
        diagnostics.push(diagnostic.did_you_mean(close));
    })
}

/// Whether nothing but a list is of that kind.
fn is_list(kind: &Kind) -> bool {
    matches!(kind, Kind::Shape | Kind::NewShape | Kind::Axes | Kind::Sizes | Kind::Ascending | Kind::Numbers(_))
}

/// How [`accept`] reports the part of a value that is not acceptable.
type Refuse<'r, 'a> = dyn FnMut(&'a Json) + 'r;

/// The value, if it is of the kind; otherwise what is wrong in it is refused.
fn accept<'a>(kind: &Kind, json: &'a Json, refuse: &mut Refuse<'_, 'a>) -> Option<Value<'a>> {
    let value = match (kind, &json.value) {
        (Kind::Text | Kind::Path, JsonValue::String(text)) => Some(Value::Text(text.clone())),
        (Kind::Title, JsonValue::String(text)) if unfit_title(text).is_none() => Some(Value::Text(text.clone())),
        (Kind::Name, JsonValue::String(text)) if is_name(text) => Some(Value::Text(text.clone())),
        (Kind::NodeName | Kind::Reference | Kind::References | Kind::Paths, JsonValue::String(_)) => {
            name_of(json).map(|name| Value::Names(vec![name]))
        }
        (Kind::Int { min, max }, JsonValue::Number(text)) => {
            text.parse().ok().filter(|value| (min..=max).contains(&value)).map(Value::Int)
        }
        (Kind::Number(range), JsonValue::Number(text)) => number(*range, text).ok().map(Value::Number),
        (Kind::Bool, JsonValue::Bool(value)) => Some(Value::Bool(*value)),
        (Kind::Pair { min }, JsonValue::Number(_)) => size_of(json, *min).map(|size| Value::Pair([size, size])),
        (Kind::Padding, JsonValue::String(text)) => match text.as_str() {
            "valid" => Some(Value::Padding(Padding::Valid)),
            "same" => Some(Value::Padding(Padding::Same)),
            _ => None,
        },
        (Kind::Padding, JsonValue::Number(_)) => {
            size_of(json, 0).map(|size| Value::Padding(Padding::Explicit([size; 4])))
        }
        (Kind::DType, JsonValue::String(text)) => DType::from_name(text).map(Value::DType),
        (Kind::Choice(choices), JsonValue::String(text)) if choices.contains(&text.as_str()) => {
            Some(Value::Text(text.clone()))
        }
        (Kind::Initializer, JsonValue::Number(text)) => {
            number(Range::Any, text).ok().map(|value| Value::Initializer(Initializer::Constant(value)))
        }
        (Kind::Initializer, JsonValue::String(name)) => {
            Initializer::from_name(name, &Attrs::default()).map(Value::Initializer)
        }
        (Kind::Initializer, JsonValue::Object(members)) => return accept_initializer(json, members, refuse),
        (kind, JsonValue::Array(items)) => return accept_list(kind, json, items, refuse),
        (Kind::Names, JsonValue::String(text)) if is_name(text) => name_of(json).map(|name| Value::Names(vec![name])),
        (
            Kind::Map(_) | Kind::Files | Kind::Columns | Kind::Arguments | Kind::SizesByName,
            JsonValue::Object(members),
        ) => Some(Value::Members(members)),
        (Kind::Object(_) | Kind::OneOf(_) | Kind::OneOrMore(_), JsonValue::Object(_)) => Some(Value::Object),
        _ => None,
    };
    if value.is_none() {
        refuse(json);
    }
    value
}

/// The value of the list `json`, if the kind may be one of that length and its entries fit; otherwise it is refused, or
/// those that do not fit.
fn accept_list<'a>(kind: &Kind, json: &'a Json, items: &'a [Json], refuse: &mut Refuse<'_, 'a>) -> Option<Value<'a>> {
    match kind {
        Kind::References | Kind::Paths => Some(Value::Names(each(items, refuse, name_of)?)),
        Kind::Names => {
            let names = each(items, refuse, |item| name_of(item).filter(|name| is_name(&name.value)))?;
            Some(Value::Names(names))
        }
        Kind::Pair { min } if items.len() == 2 => {
            let sizes = each(items, refuse, |item| size_of(item, *min))?;
            Some(Value::Pair([sizes[0], sizes[1]]))
        }
        Kind::Padding if items.len() == 4 => {
            let sizes = each(items, refuse, |item| size_of(item, 0))?;
            Some(Value::Padding(Padding::Explicit([sizes[0], sizes[1], sizes[2], sizes[3]])))
        }
        Kind::Shape | Kind::InputShape | Kind::NewShape if items.len() <= MAX_RANK => {
            let first = items.first().map(|item| item.span.clone());
            let mut may_follow = matches!(kind, Kind::NewShape);
            let dims = each(items, refuse, |item| match &item.value {
                JsonValue::String(name) if name == "N" && Some(&item.span) == first.as_ref() => Some(Dim::Batch),
                // What follows from the other sizes is none itself.
                JsonValue::Number(text) if text == "-1" && std::mem::take(&mut may_follow) => Some(Dim::Fixed(0)),
                _ => size_of(item, 1).map(Dim::Fixed),
            })?;
            Some(Value::Shape(Shape(dims)))
        }
        Kind::Axes if items.len() <= MAX_RANK => Some(Value::Axes(each(items, refuse, |item| size_of(item, 0))?)),
        Kind::Sizes if (1..=MAX_LIST).contains(&items.len()) => {
            Some(Value::Axes(each(items, refuse, |item| size_of(item, 1))?))
        }
        Kind::Ascending if items.len() <= MAX_LIST => {
            let sizes = each(items, refuse, |item| size_of(item, 1))?;
            if let Some(at) = sizes.windows(2).position(|pair| pair[0] >= pair[1]) {
                refuse(&items[at + 1]);
                return None;
            }
            Some(Value::Axes(sizes))
        }
        Kind::Numbers(range) if items.len() <= MAX_LIST => {
            let number_of = |item: &Json| match &item.value {
                JsonValue::Number(text) => number(*range, text).ok(),
                _ => None,
            };
            Some(Value::Numbers(each(items, refuse, number_of)?))
        }
        Kind::Metrics => {
            let known = |item: &Json| name_of(item).filter(|name| metrics::is_metric(&name.value));
            Some(Value::Names(each(items, refuse, known)?))
        }
        Kind::OneOrMore(_) if (1..=MAX_LIST).contains(&items.len()) => Some(Value::Items(items)),
        Kind::Nodes | Kind::Entries(_) => Some(Value::Items(items)),
        _ => {
            refuse(json);
            None
        }
    }
}

/// The initializer that an object names, with the settings that it gives; otherwise what is wrong in it is refused.
fn accept_initializer<'a>(json: &'a Json, members: &'a [Member], refuse: &mut Refuse<'_, 'a>) -> Option<Value<'a>> {
    let (tags, settings): (Vec<_>, Vec<_>) = members.iter().partition(|member| member.key.value == INITIALIZERS.tag);
    let Some(tag) = tags.first().map(|member| &member.value) else {
        refuse(json);
        return None;
    };
    let name = name_of(tag).map(|name| name.value);
    let Some(section) = (INITIALIZERS.sections)().iter().find(|section| Some(section.name) == name.as_deref()) else {
        refuse(tag);
        return None;
    };
    let mut attrs = Attrs::default();
    for setting in settings {
        let Some(field) = section.fields.iter().find(|field| field.name == setting.key.value) else {
            refuse(json);
            return None;
        };
        let value = match accept(&field.kind, &setting.value, refuse)? {
            Value::Int(value) => AttrValue::Int(value),
            Value::Text(word) => AttrValue::Str(word),
            Value::Number(value) => AttrValue::Float(value),
            other => unreachable!("no setting of an initializer is {other:?}"),
        };
        attrs.0.push((field.name.to_string(), value));
    }
    let initializer = Initializer::from_name(section.name, &attrs);
    if initializer.is_none() {
        refuse(json);
    }
    initializer.map(Value::Initializer)
}

/// Accepts every item, or reports each that is not acceptable.
fn each<'a, T>(
    items: &'a [Json],
    refuse: &mut Refuse<'_, 'a>,
    mut accept: impl FnMut(&'a Json) -> Option<T>,
) -> Option<Vec<T>> {
    let mut values = Vec::with_capacity(items.len());
    for item in items {
        match accept(item) {
            Some(value) => values.push(value),
            None => refuse(item),
        }
    }
    (values.len() == items.len()).then_some(values)
}

fn name_of(json: &Json) -> Option<Spanned<String>> {
    match &json.value {
        JsonValue::String(text) => Some(Spanned { value: text.clone(), span: json.span.clone() }),
        _ => None,
    }
}

fn size_of(json: &Json, min: usize) -> Option<usize> {
    match &json.value {
        JsonValue::Number(text) => text.parse().ok().filter(|size| (min..=MAX_SIZE).contains(size)),
        _ => None,
    }
}

/// Whether `text` can name an input or node: also in the text form of the IR, where `.` separates a layer
/// from its parts.
pub(crate) fn is_name(text: &str) -> bool {
    text.len() <= MAX_NAME_CHARS
        && text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests;
