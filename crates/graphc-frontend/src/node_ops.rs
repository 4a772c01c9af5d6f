//! The one list of layers and operations a graph file can use. Operations are the ops that say how a network uses them
//! ([`graphc_ir::ops::OpRules::USAGE`]).

use crate::field::{Default, Field, Kind, Range, SEED, SIZE, Section};
use crate::read::{Record, Value};
use graphc_ir::attrs::{AttrField, AttrKind, AttrValue, Attrs, FieldInfo};
use graphc_ir::graph::NodeId;
use graphc_ir::graph::builder::{BuildError, GraphBuilder, MAX_SIZE};
use graphc_ir::layers::LayerInfo;
use graphc_ir::ops::facts::{Given, Usage};
use graphc_ir::ops::{ANY_NUMBER, OpInfo, RESULT};
use graphc_ir::{Dim, Op};
use std::sync::LazyLock;

/// A layer or operation of the graph file.
#[derive(Clone, Debug)]
pub(crate) struct NodeOp {
    pub(crate) section: Section,
    /// What it is for and how it is written, in `docs/guide/ops.md`.
    pub(crate) example: Example,
    what: What,
    /// Whether a node may have several results.
    has_results: bool,
}

/// A node of the op, which the frontend reads when the guide is made.
#[derive(Clone, Debug)]
pub(crate) struct Example {
    /// What one takes the op for.
    pub(crate) purpose: &'static str,
    /// What the node reads.
    pub(crate) inputs: &'static [Given],
    /// The node as JSON.
    pub(crate) node: &'static str,
}

/// What is added for a node, its fields being those of the layer or the op's attributes.
#[derive(Clone, Copy, Debug)]
enum What {
    Layer(&'static LayerInfo),
    Op(&'static OpInfo),
}

/// Layers first, then activations, then the other operations.
pub(crate) static NODE_OPS: LazyLock<Vec<NodeOp>> = LazyLock::new(|| {
    let of = |is_activation: bool| Op::ALL.iter().filter(move |info| info.is_activation == is_activation);
    let operations = of(true).chain(of(false)).filter_map(operation);
    LayerInfo::ALL.iter().map(layer).chain(operations).collect()
});

impl NodeOp {
    /// How many inputs a node has.
    pub(crate) fn n_inputs(&self) -> Inputs {
        match self.what {
            What::Op(info) if info.n_optional == ANY_NUMBER => Inputs::AtLeast(info.arity),
            What::Op(info) => Inputs::between(info.arity, info.n_optional),
            What::Layer(info) => Inputs::between(info.inputs.len() - info.n_optional, info.n_optional),
        }
    }

    /// Whether it may have parameters.
    pub(crate) fn is_layer(&self) -> bool {
        matches!(self.what, What::Layer(_))
    }

    /// How many results a node with these fields has, if they are as they should be.
    pub(crate) fn n_results(&self, record: &Record<'_>) -> usize {
        match self.what {
            What::Op(info) if record.ok && self.has_results => {
                (info.from_attrs)(&attrs(&(info.fields)(), record)).map_or(1, |op| op.n_results())
            }
            What::Op(_) | What::Layer(_) => 1,
        }
    }

    /// Adds the node `name` that reads `inputs`. Every field of the record is as it should be.
    pub(crate) fn build(
        &self,
        builder: &mut GraphBuilder,
        name: &str,
        record: &Record<'_>,
        inputs: &[NodeId],
    ) -> Result<Vec<NodeId>, BuildError> {
        match self.what {
            What::Layer(info) => {
                (info.build)(builder, name, inputs, &attrs(&(info.fields)(), record)).map(|node| vec![node])
            }
            What::Op(info) => {
                let op = (info.from_attrs)(&attrs(&(info.fields)(), record));
                builder.results(name, op.expect("the kind of a field is that of the attribute"), inputs)
            }
        }
    }
}

/// How many inputs a node may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Inputs {
    Exactly(usize),
    AtLeast(usize),
    Between(usize, usize),
}

impl Inputs {
    fn between(least: usize, n_optional: usize) -> Inputs {
        if n_optional == 0 { Inputs::Exactly(least) } else { Inputs::Between(least, least + n_optional) }
    }

    pub(crate) fn contains(self, n: usize) -> bool {
        match self {
            Inputs::Exactly(expected) => n == expected,
            Inputs::AtLeast(least) => n >= least,
            Inputs::Between(least, most) => (least..=most).contains(&n),
        }
    }

    /// In words, such as "2 inputs".
    pub(crate) fn in_words(self) -> String {
        match self {
            Inputs::Exactly(0) => "no input".into(),
            Inputs::Exactly(1) => "1 input".into(),
            Inputs::Exactly(n) => format!("{n} inputs"),
            Inputs::AtLeast(1) => "at least 1 input".into(),
            Inputs::AtLeast(n) => format!("at least {n} inputs"),
            Inputs::Between(least, most) => format!("{least} to {most} inputs"),
        }
    }
}

/// The fields of a record as attributes.
pub(crate) fn attrs(fields: &[FieldInfo], record: &Record<'_>) -> Attrs {
    let given = |field: &FieldInfo| Some((field.name.to_string(), attribute(record, field.name)?));
    Attrs(fields.iter().filter_map(given).collect())
}

/// The value of a field as that of an attribute; none if it is left out.
fn attribute(record: &Record<'_>, name: &str) -> Option<AttrValue> {
    Some(match &record.find(name)?.value {
        Value::Text(value) => AttrValue::Str(value.clone()),
        Value::Int(value) => AttrValue::Int(*value),
        Value::Number(value) => AttrValue::Float(*value),
        Value::Bool(value) => AttrValue::Bool(*value),
        Value::Shape(shape) => AttrValue::Shape(shape.clone()),
        Value::Axes(sizes) => sizes.to_attr(),
        Value::DType(dtype) => dtype.to_attr(),
        Value::Pair(sizes) => sizes.to_attr(),
        Value::Numbers(numbers) => AttrValue::Floats(numbers.clone().into()),
        Value::Padding(padding) => padding.to_attr(),
        Value::Initializer(initializer) => initializer.to_attr(),
        other => unreachable!("no field of an op is {other:?}"),
    })
}

/// The layer as an entry of the list. Its texts are made once and stay.
fn layer(info: &'static LayerInfo) -> NodeOp {
    let fields = (info.fields)();
    entry(info.name, info.summary, fields, info.usage, What::Layer(info))
}

/// The op as an entry of the list, if networks use it.
fn operation(info: &'static OpInfo) -> Option<NodeOp> {
    let usage = info.usage?;
    Some(entry(info.name, sentence(info.summary).leak(), (info.fields)(), usage, What::Op(info)))
}

fn entry(name: &'static str, doc: &'static str, fields: Vec<FieldInfo>, usage: Usage, what: What) -> NodeOp {
    let example = Example { purpose: usage.purpose, inputs: usage.reads, node: node(name, &fields, &usage).leak() };
    let has_results = fields.iter().any(|field| field.name == RESULT);
    // A network has all results of a node, each with a name of its own.
    let fields = fields.iter().filter(|attribute| attribute.name != RESULT);
    let fields: Vec<Field> = fields.map(|attribute| field(attribute, usage.optional)).collect();
    NodeOp { section: Section { name, doc, fields: fields.leak() }, example, what, has_results }
}

/// With a capital letter and a full stop.
fn sentence(text: &str) -> String {
    let rest = text.chars().skip(1);
    text.chars().next().into_iter().flat_map(char::to_uppercase).chain(rest).chain(['.']).collect()
}

/// An attribute as a field; those in `optional` may be left out, though the attribute has no default.
pub(crate) fn field(attribute: &FieldInfo, optional: &[(&'static str, AttrValue)]) -> Field {
    let &FieldInfo { name, doc, kind, range, meaning, .. } = attribute;
    let kind = match kind {
        AttrKind::Int if range == Range::NotNegative => SEED,
        AttrKind::Int => Kind::Int { min: i64::MIN, max: i64::MAX },
        AttrKind::Int32 => Kind::Int { min: i32::MIN.into(), max: i32::MAX.into() },
        AttrKind::Size if range == Range::Positive => SIZE,
        AttrKind::Size => Kind::Int { min: 0, max: MAX_SIZE as i64 },
        AttrKind::Float => Kind::Number(range),
        AttrKind::Bool => Kind::Bool,
        AttrKind::Sizes if range == Range::Positive => Kind::Sizes,
        AttrKind::Sizes => Kind::Axes,
        AttrKind::SizesOf(2) if range == Range::Positive => Kind::Pair { min: 1 },
        AttrKind::SizesOf(2) => Kind::Pair { min: 0 },
        AttrKind::Shape => Kind::Shape,
        AttrKind::NewShape => Kind::NewShape,
        AttrKind::Padding => Kind::Padding,
        AttrKind::Activation => Kind::Choice(Op::ACTIVATIONS),
        AttrKind::Choice(names) => Kind::Choice(names),
        AttrKind::Initializer => Kind::Initializer,
        AttrKind::Numbers => Kind::Numbers(Range::Any),
        AttrKind::DType => Kind::DType,
        AttrKind::Text => Kind::Text,
        AttrKind::SizesOf(_) | AttrKind::Other => panic!("`{name}` is no field of a graph file"),
    };
    let optional = optional.iter().find(|(field, _)| *field == name).map(|(_, value)| value);
    let default = match (meaning, optional.or(attribute.default.as_ref())) {
        (Some(meaning), _) => Default::Absent(meaning),
        (None, Some(value)) => Default::Json(json(attribute.kind, value).leak()),
        (None, None) => Default::Required,
    };
    Field { name, kind, default, doc }
}

/// The example as JSON.
fn node(name: &str, fields: &[FieldInfo], usage: &Usage) -> String {
    let quoted = |name: &str| format!("\"{name}\"");
    let inputs: Vec<String> = usage.reads.iter().map(|(name, ..)| quoted(name)).collect();
    let mut members = vec![("name", quoted(usage.node)), ("op", quoted(name))];
    match inputs.as_slice() {
        [] => {}
        [one] => members.push(("inputs", one.clone())),
        several => members.push(("inputs", format!("[{}]", several.join(", ")))),
    }
    let attributes = (usage.attributes)();
    let is_left_out =
        |name: &str, value: &AttrValue| usage.optional.iter().any(|other| *other == (name, value.clone()));
    let written = attributes.0.iter().filter(|(name, value)| !is_left_out(name, value));
    let kind = |name: &str| fields.iter().find(|field| field.name == name).map_or(AttrKind::Other, |field| field.kind);
    members.extend(written.map(|(name, value)| (name.as_str(), json(kind(name), value))));
    let members: Vec<String> = members.iter().map(|(name, value)| format!("\"{name}\": {value}")).collect();
    format!("{{ {} }}", members.join(", "))
}

/// The value of an attribute of that kind as JSON.
fn json(kind: AttrKind, value: &AttrValue) -> String {
    match (kind, value) {
        (AttrKind::SizesOf(2), AttrValue::Ints(sizes)) if sizes[0] == sizes[1] => sizes[0].to_string(),
        (_, AttrValue::Ints(values)) => {
            let values: Vec<String> = values.iter().map(i64::to_string).collect();
            format!("[{}]", values.join(", "))
        }
        (_, AttrValue::DType(dtype)) => format!("\"{dtype}\""),
        (_, AttrValue::Shape(shape)) => {
            let dims = shape.0.iter().map(|dim| match dim {
                Dim::Batch => "\"N\"".to_string(),
                Dim::Fixed(0) if kind == AttrKind::NewShape => "-1".to_string(),
                Dim::Fixed(size) => size.to_string(),
            });
            format!("[{}]", dims.collect::<Vec<_>>().join(", "))
        }
        (_, other) => other.to_string(),
    }
}
