//! The JSON Schema of graph files, from the field tables.

use crate::data_fields::COLUMN;
use crate::field::{Default, Field, Kind, Range, Variants};
use crate::fields::{FILE, NODE, USE};
use crate::initializer::{self, INITIALIZERS};
use crate::limits::{MAX_LIST, MAX_NAME_CHARS};
use crate::loss_fields::LOSSES;
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
    let losses = json!({ "oneOf": one_of(&LOSSES) });
    let defs = json!({ "initializer": initializer, "formula": formula(), "nodes": nodes(), "loss": losses });
    result.insert("$defs".into(), defs);
    Value::Object(result)
}

/// Values with `$names`: formulas, and lists and objects that have one somewhere.
fn formula() -> Value {
    let formula = || json!({ "$ref": "#/$defs/formula" });
    json!({ "anyOf": [
        { "type": "string", "pattern": "\\$" },
        { "type": "array", "contains": formula() },
        { "type": "object", "not": { "additionalProperties": { "not": formula() } } },
    ] })
}

/// The nodes of the file or of a block, and uses of blocks, which may have any arguments.
fn nodes() -> Value {
    let ops = NODE_OPS.iter().map(|op| {
        let tables = [NODE.fields, op.section.fields];
        with_formulas(object(&tables, op.section.doc, Some(("op", op.section.name))))
    });
    let mut uses = with_formulas(object(&[USE.fields], USE.doc, None));
    uses["additionalProperties"] = json!(true);
    let mut of_argument = with_formulas(object(&[NODE.fields], "A node whose op is an argument of its block.", None));
    of_argument["properties"]["op"] = json!({ "type": "string", "pattern": "\\$" });
    of_argument["additionalProperties"] = json!(true);
    let all = ops.chain([of_argument, uses]).collect::<Vec<_>>();
    json!({ "type": "array", "items": { "oneOf": all }, "minItems": 1 })
}

/// The object with formulas in place of values, but for its name and what cannot be told apart without.
fn with_formulas(mut object: Value) -> Value {
    let properties = object["properties"].as_object_mut().expect("the schema of an object has properties");
    for (name, property) in properties {
        let is_text = property.get("const").is_some() || property["type"] == "string";
        if name != "name" && !is_text {
            let value = std::mem::take(property);
            let mut either = Map::new();
            let mut value = match value {
                Value::Object(value) => value,
                other => unreachable!("the schema of a property is no {other}"),
            };
            for kept in ["description", "default"] {
                either.extend(value.remove(kept).map(|text| (kept.to_string(), text)));
            }
            either.insert("anyOf".into(), json!([value, { "$ref": "#/$defs/formula" }]));
            *property = Value::Object(either);
        }
    }
    object
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
        Kind::Text | Kind::NodeName | Kind::Reference | Kind::Path => name(),
        Kind::Title => json!({ "type": "string", "minLength": 1, "maxLength": MAX_NAME_CHARS }),
        Kind::Name => json!({ "type": "string", "pattern": NAME_PATTERN, "maxLength": MAX_NAME_CHARS }),
        Kind::References | Kind::Paths => json!({ "anyOf": [name(), { "type": "array", "items": name() }] }),
        Kind::Int { min, max } if min == max => json!({ "const": min }),
        Kind::Int { min, max } => json!({ "type": "integer", "minimum": min, "maximum": max }),
        Kind::Number(range) => number(*range),
        Kind::Bool => json!({ "type": "boolean" }),
        Kind::Pair { min } => json!({ "anyOf": [size(*min as i64), list(size(*min as i64), 2)] }),
        Kind::Padding => json!({ "anyOf": [{ "enum": ["valid", "same"] }, size(0), list(size(0), 4)] }),
        Kind::Shape => shape(&json!([{ "const": "N" }, size(1)])),
        Kind::NewShape => shape(&json!([{ "const": "N" }, size(1), { "const": -1 }])),
        Kind::InputShape => shape(&json!([{ "type": "string" }, size(1)])),
        Kind::Axes => json!({ "type": "array", "items": size(0), "maxItems": MAX_RANK }),
        Kind::Sizes => json!({ "type": "array", "items": size(1), "minItems": 1, "maxItems": MAX_LIST }),
        Kind::Ascending => json!({ "type": "array", "items": size(1), "uniqueItems": true, "maxItems": MAX_LIST }),
        Kind::Numbers(range) => json!({ "type": "array", "items": number(*range), "maxItems": MAX_LIST }),
        Kind::DType => json!({ "enum": DType::NAMES }),
        Kind::Choice(choices) => json!({ "enum": choices }),
        Kind::Metrics => metrics(),
        Kind::Object(section) => object(&[section.fields], section.doc, None),
        // Without the tag an object may be any of several.
        Kind::OneOf(variants) if variants.otherwise.is_some() => json!({ "anyOf": one_of(variants) }),
        Kind::OneOf(variants) => json!({ "oneOf": one_of(variants) }),
        Kind::OneOrMore(variants) => one_or_more(variants),
        Kind::Map(section) => json!({
            "type": "object",
            "propertyNames": names(),
            "additionalProperties": object(&[section.fields], section.doc, None),
            "minProperties": 1,
        }),
        Kind::Files => json!({ "type": "object", "additionalProperties": name() }),
        Kind::Columns => columns(),
        Kind::Entries(section) => {
            json!({ "type": "array", "items": object(&[section.fields], section.doc, None) })
        }
        Kind::Initializer => json!({ "$ref": "#/$defs/initializer" }),
        Kind::Nodes => json!({ "$ref": "#/$defs/nodes" }),
        Kind::Names => {
            let name = json!({ "type": "string", "pattern": NAME_PATTERN, "maxLength": MAX_NAME_CHARS });
            json!({ "anyOf": [name, { "type": "array", "items": name }] })
        }
        Kind::Arguments => json!({ "type": "object", "propertyNames": names() }),
        Kind::SizesByName => {
            json!({ "type": "object", "propertyNames": names(), "additionalProperties": size(1) })
        }
    }
}

fn metrics() -> Value {
    let named: Vec<&str> = METRICS.iter().map(|metric| metric.name).filter(|name| *name != TOP_K).collect();
    let any = json!([{ "enum": named }, { "type": "string", "pattern": "^top_[1-9][0-9]*$" }]);
    json!({ "type": "array", "items": { "anyOf": any }, "uniqueItems": true })
}

fn columns() -> Value {
    let column = json!({ "anyOf": [{ "type": "string" }, object(&[COLUMN.fields], COLUMN.doc, None)] });
    let columns = json!({ "anyOf": [column, { "type": "array", "items": column, "minItems": 1 }] });
    json!({ "type": "object", "additionalProperties": columns })
}

fn one_or_more(variants: &Variants) -> Value {
    let one = json!({ "$ref": format!("#/$defs/{}", variants.name) });
    let several = json!({ "type": "array", "items": one, "minItems": 1, "maxItems": MAX_LIST });
    json!({ "anyOf": [one, several] })
}

/// A list of dimensions, each of which is any of these.
fn shape(dimension: &Value) -> Value {
    json!({ "type": "array", "items": { "anyOf": dimension }, "maxItems": MAX_RANK })
}

/// What keys must be that are names.
fn names() -> Value {
    json!({ "pattern": NAME_PATTERN, "maxLength": MAX_NAME_CHARS })
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
