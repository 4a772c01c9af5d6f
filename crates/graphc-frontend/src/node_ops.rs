//! The one list of layers and operations a graph file can use. Layers are in `layers`; operations are the ops that say
//! how a network uses them ([`graphc_ir::ops::OpRules::USAGE`]).

use crate::field::{Default, Field, Kind, Range, SIZE, Section};
use crate::layers::LAYERS;
use crate::node_op::{Build, Example, NodeCx, NodeOp};
use crate::read::{Record, Value};
use graphc_ir::attrs::{AttrKind, AttrValue, Attrs, FieldInfo};
use graphc_ir::graph::builder::{BuildResult, MAX_SIZE};
use graphc_ir::ops::OpInfo;
use graphc_ir::ops::facts::Usage;
use graphc_ir::{Dim, Op};
use std::sync::LazyLock;

/// Layers first, then activations, then the other operations.
pub(crate) static NODE_OPS: LazyLock<Vec<NodeOp>> = LazyLock::new(|| {
    let of = |is_activation: bool| Op::ALL.iter().filter(move |info| info.is_activation == is_activation);
    let operations = of(true).chain(of(false)).filter_map(operation);
    LAYERS.iter().cloned().chain(operations).collect()
});

/// Adds the node; `None` only if a field is missing from the record, which has been reported.
pub(crate) fn build(op: &NodeOp, cx: &mut NodeCx<'_>) -> Option<BuildResult> {
    match op.build {
        Build::Layer(build) => build(cx),
        Build::Op(info) => {
            let attribute = |field: &FieldInfo| Some((field.name.to_string(), attribute(cx.record, field.name)?));
            let attrs = Attrs((info.fields)().iter().map(attribute).collect::<Option<_>>()?);
            let op = (info.from_attrs)(&attrs).expect("the kind of a field is that of the attribute");
            Some(cx.builder.op(cx.name, op, cx.inputs))
        }
    }
}

/// The value of a field as that of an attribute.
fn attribute(record: &Record<'_>, name: &str) -> Option<AttrValue> {
    Some(match &record.find(name)?.value {
        Value::Int(value) => AttrValue::Int(*value),
        Value::Number(value) => AttrValue::Float(*value),
        Value::Bool(value) => AttrValue::Bool(*value),
        Value::Shape(shape) => AttrValue::Shape(shape.clone()),
        Value::Axes(sizes) => AttrValue::Ints(sizes.iter().map(|&size| size as i64).collect()),
        Value::Pair(sizes) => AttrValue::Ints(sizes.map(|size| size as i64).to_vec()),
        other => unreachable!("no field of an op is {other:?}"),
    })
}

/// The op as an entry of the list, if networks use it. Its texts are made once and stay.
fn operation(info: &'static OpInfo) -> Option<NodeOp> {
    let usage = info.usage?;
    let fields: Vec<Field> = (info.fields)().iter().map(|attribute| field(attribute, &usage)).collect();
    let section = Section { name: info.name, doc: sentence(info.summary).leak(), fields: fields.leak() };
    let example = Example { purpose: usage.purpose, inputs: usage.reads, node: node(info, &usage).leak() };
    Some(NodeOp { section, example, build: Build::Op(info) })
}

/// With a capital letter and a full stop.
fn sentence(text: &str) -> String {
    let rest = text.chars().skip(1);
    text.chars().next().into_iter().flat_map(char::to_uppercase).chain(rest).chain(['.']).collect()
}

fn field(attribute: &FieldInfo, usage: &Usage) -> Field {
    let &FieldInfo { name, doc, kind, range, .. } = attribute;
    let kind = match kind {
        AttrKind::Int => Kind::Int { min: i64::MIN, max: i64::MAX },
        AttrKind::Size if range == Range::Positive => SIZE,
        AttrKind::Size => Kind::Int { min: 0, max: MAX_SIZE as i64 },
        AttrKind::Float => Kind::Number(range),
        AttrKind::Bool => Kind::Bool,
        AttrKind::Sizes => Kind::Axes,
        AttrKind::SizesOf(2) => Kind::Pair,
        AttrKind::Shape => Kind::Shape,
        AttrKind::SizesOf(_) | AttrKind::DType | AttrKind::Other => panic!("`{name}` is no field of a graph file"),
    };
    let optional = usage.optional.iter().find(|(field, _)| *field == name).map(|(_, value)| value);
    let default = match optional.or(attribute.default.as_ref()) {
        Some(value) => Default::Json(json(value).leak()),
        None => Default::Required,
    };
    Field { name, kind, default, doc }
}

/// The example as JSON.
fn node(info: &OpInfo, usage: &Usage) -> String {
    let quoted = |name: &str| format!("\"{name}\"");
    let inputs: Vec<String> = usage.reads.iter().map(|(name, ..)| quoted(name)).collect();
    let mut members = vec![("name", quoted(usage.node)), ("op", quoted(info.name))];
    match inputs.as_slice() {
        [] => {}
        [one] => members.push(("inputs", one.clone())),
        several => members.push(("inputs", format!("[{}]", several.join(", ")))),
    }
    let attributes = (usage.attributes)();
    let is_left_out =
        |name: &str, value: &AttrValue| usage.optional.iter().any(|other| *other == (name, value.clone()));
    let written = attributes.0.iter().filter(|(name, value)| !is_left_out(name, value));
    members.extend(written.map(|(name, value)| (name.as_str(), json(value))));
    let members: Vec<String> = members.iter().map(|(name, value)| format!("\"{name}\": {value}")).collect();
    format!("{{ {} }}", members.join(", "))
}

/// The value of an attribute as JSON.
fn json(value: &AttrValue) -> String {
    match value {
        AttrValue::Ints(values) => {
            let values: Vec<String> = values.iter().map(i64::to_string).collect();
            format!("[{}]", values.join(", "))
        }
        AttrValue::Shape(shape) => {
            let dims = shape.0.iter().map(|dim| match dim {
                Dim::Batch => "\"N\"".to_string(),
                Dim::Fixed(size) => size.to_string(),
            });
            format!("[{}]", dims.collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}
