//! The JSON Schema of graph files, from the field tables.

use crate::data_fields::COLUMN;
use crate::field::{Default, Field, Kind, Range, Variants};
use crate::fields::{FILE, NODE};
use crate::initializer::{self, INITIALIZERS};
use crate::limits::{MAX_LIST, MAX_NAME_CHARS};
use crate::metrics::{METRICS, TOP_K};
use crate::node_ops::NODE_OPS;
use graphc_ir::DType;
use graphc_ir::text::MAX_RANK;
use serde_json::{Map, Value, json};

/// The JSON Schema (draft 2020-12) of graph files, for editors and other tools.
pub fn schema() -> Value {
    let mut schema = object(&[FILE.fields], FILE.doc, None);
    let top = schema.as_object_mut().expect("an object schema is an object");
    let mut result = Map::new();
    result.insert("$schema".into(), "https://json-schema.org/draft/2020-12/schema".into());
    result.insert("title".into(), "graphc graph file".into());
    result.append(top);
    let names: Vec<&str> = initializer::names().collect();
    let initializer = json!({ "anyOf": [number(Range::Any), { "enum": names }, { "oneOf": one_of(&INITIALIZERS) }] });
    result.insert("$defs".into(), json!({ "initializer": initializer }));
    Value::Object(result)
}

/// Schema of an object with these fields; `tag` is the name of one and its fixed value.
fn object(tables: &[&[Field]], doc: &str, tag: Option<(&str, &str)>) -> Value {
    let mut properties = Map::new();
    let mut required: Vec<&str> = Vec::new();
    for field in tables.iter().flat_map(|table| table.iter()) {
        let value = match tag {
            Some((tag, name)) if field.name == tag => json!({ "const": name, "description": doc }),
            _ => property(field),
        };
        properties.insert(field.name.into(), value);
        if matches!(field.default, Default::Required) {
            required.push(field.name);
        }
    }
    json!({
        "description": doc,
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

fn property(field: &Field) -> Value {
    let mut value = kind(&field.kind);
    let map = value.as_object_mut().expect("the schema of a kind is an object");
    map.insert("description".into(), field.doc.into());
    if let Default::Json(text) = field.default {
        let default = serde_json::from_str(text).expect("defaults in the tables are JSON");
        map.insert("default".into(), default);
    }
    value
}

fn kind(kind: &Kind) -> Value {
    let name = || json!({ "type": "string" });
    let size = |min: i64| json!({ "type": "integer", "minimum": min, "maximum": i32::MAX });
    match kind {
        Kind::Text | Kind::InputName | Kind::NodeName | Kind::Path => name(),
        Kind::Title => json!({ "type": "string", "minLength": 1, "maxLength": MAX_NAME_CHARS }),
        Kind::Name => json!({ "type": "string", "pattern": NAME_PATTERN, "maxLength": MAX_NAME_CHARS }),
        Kind::References | Kind::Paths => json!({ "anyOf": [name(), { "type": "array", "items": name() }] }),
        Kind::Int { min, max } if min == max => json!({ "const": min }),
        Kind::Int { min, max } => json!({ "type": "integer", "minimum": min, "maximum": max }),
        Kind::Number(range) => number(*range),
        Kind::Bool => json!({ "type": "boolean" }),
        Kind::Pair { min } => json!({ "anyOf": [size(*min as i64), list(size(*min as i64), 2)] }),
        Kind::Padding => json!({ "anyOf": [{ "enum": ["valid", "same"] }, size(0), list(size(0), 4)] }),
        Kind::Shape => {
            json!({ "type": "array", "items": { "anyOf": [{ "const": "N" }, size(1)] }, "maxItems": MAX_RANK })
        }
        Kind::Axes => json!({ "type": "array", "items": size(0), "maxItems": MAX_RANK }),
        Kind::Sizes => json!({ "type": "array", "items": size(1), "minItems": 1, "maxItems": MAX_LIST }),
        Kind::Ascending => json!({ "type": "array", "items": size(1), "uniqueItems": true, "maxItems": MAX_LIST }),
        Kind::Numbers(range) => json!({ "type": "array", "items": number(*range), "maxItems": MAX_LIST }),
        Kind::DType => json!({ "enum": DType::NAMES }),
        Kind::Choice(choices) => json!({ "enum": choices }),
        Kind::Metrics => {
            let named: Vec<&str> = METRICS.iter().map(|metric| metric.name).filter(|name| *name != TOP_K).collect();
            let any = json!([{ "enum": named }, { "type": "string", "pattern": "^top_[1-9][0-9]*$" }]);
            json!({ "type": "array", "items": { "anyOf": any }, "uniqueItems": true })
        }
        Kind::Object(section) => object(&[section.fields], section.doc, None),
        // Without the tag an object may be any of several.
        Kind::OneOf(variants) if variants.otherwise.is_some() => json!({ "anyOf": one_of(variants) }),
        Kind::OneOf(variants) => json!({ "oneOf": one_of(variants) }),
        Kind::Map(section) => json!({
            "type": "object",
            "propertyNames": { "pattern": NAME_PATTERN, "maxLength": MAX_NAME_CHARS },
            "additionalProperties": object(&[section.fields], section.doc, None),
            "minProperties": 1,
        }),
        Kind::Files => json!({ "type": "object", "additionalProperties": name() }),
        Kind::Columns => {
            let column = json!({ "anyOf": [name(), object(&[COLUMN.fields], COLUMN.doc, None)] });
            let columns = json!({ "anyOf": [column, { "type": "array", "items": column, "minItems": 1 }] });
            json!({ "type": "object", "additionalProperties": columns })
        }
        Kind::Entries(section) => {
            json!({ "type": "array", "items": object(&[section.fields], section.doc, None) })
        }
        Kind::Initializer => json!({ "$ref": "#/$defs/initializer" }),
        Kind::Nodes => {
            let nodes = NODE_OPS
                .iter()
                .map(|op| object(&[NODE.fields, op.section.fields], op.section.doc, Some(("op", op.section.name))));
            json!({ "type": "array", "items": { "oneOf": nodes.collect::<Vec<_>>() }, "minItems": 1 })
        }
    }
}

fn number(range: Range) -> Value {
    match range {
        Range::Any => json!({ "type": "number", "minimum": f32::MIN, "maximum": f32::MAX }),
        Range::Positive => json!({ "type": "number", "minimum": f32::MIN_POSITIVE, "maximum": f32::MAX }),
        Range::NotNegative => json!({ "type": "number", "minimum": 0, "maximum": f32::MAX }),
        Range::Fraction => json!({ "type": "number", "minimum": 0, "exclusiveMaximum": 1 }),
        Range::UpTo(most) => json!({ "type": "number", "minimum": 0, "maximum": most }),
    }
}

const NAME_PATTERN: &str = "^[A-Za-z_][A-Za-z0-9_]*$";

fn one_of(variants: &Variants) -> Vec<Value> {
    let sections = (variants.sections)().iter();
    let schema = sections.map(|section| {
        let tables = [&[variants.tag_field()], section.fields];
        object(&tables, section.doc, Some((variants.tag, section.name)))
    });
    schema.collect()
}

fn list(item: Value, len: usize) -> Value {
    json!({ "type": "array", "items": item, "minItems": len, "maxItems": len })
}
