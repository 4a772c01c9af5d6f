//! The ops of the graph file for people who write one: `docs/guide/ops.md`.
//!
//! The example of every op is read as a file's node is, so the shapes in the page are what a network would have.

use crate::blocks::{Blocks, Values};
use crate::diagnostic::Diagnostics;
use crate::expand::expand;
use crate::field::{Default, Field};
use crate::json::{JsonValue, Member, parse};
use crate::network::Network;
use crate::node_ops::{NODE_OPS, NodeOp};
use crate::read::expected;
use graphc_ir::graph::builder::GraphBuilder;
use graphc_ir::{DType, Op, TensorType};
use std::path::Path;

/// Columns of a line; code and links stand on longer ones if they must.
const WIDTH: usize = 120;

/// An overview, then what each op is for, an example with the shapes of what it reads and gives, and its fields, as
/// Markdown.
///
/// # Errors
/// What is wrong with an example.
pub fn ops_page() -> Result<String, Diagnostics> {
    let mut text = String::new();
    for NodeOp { section, example, .. } in NODE_OPS.iter() {
        let link = format!("[`{}`](#{}): ", section.name, section.name);
        item(&mut text, &format!("{link}{}", example.purpose));
    }
    for op in NODE_OPS.iter() {
        entry(&mut text, op)?;
    }
    Ok(text)
}

fn entry(text: &mut String, op: &NodeOp) -> Result<(), Diagnostics> {
    let NodeOp { section, example, .. } = op;
    text.push_str(&format!("\n## `{}`\n\n", section.name));
    paragraph(text, &format!("{} {}", example.purpose, section.doc));
    text.push_str(&format!("\n```json\n{}\n```\n\n", example.node));
    paragraph(text, &shapes(op)?);
    if !section.fields.is_empty() {
        text.push('\n');
    }
    section.fields.iter().for_each(|field| item(text, &field_in_words(field)));
    Ok(())
}

fn field_in_words(field: &Field) -> String {
    let Field { name, kind, default, doc } = field;
    let default = match default {
        Default::Required => "required".to_string(),
        Default::Json(json) => format!("`{json}` unless given"),
        Default::Absent(otherwise) => format!("{otherwise} unless given"),
    };
    let kind = expected(kind);
    let (first, rest) = kind.split_at(1);
    format!("`{name}`, {default}: {doc} {}{rest}.", first.to_uppercase())
}

/// What the example reads, gives, and keeps between steps, from the network that the file's reader makes of it.
fn shapes(op: &NodeOp) -> Result<String, Diagnostics> {
    let inputs: Vec<String> = op
        .example
        .inputs
        .iter()
        .map(|(name, dtype, sizes)| {
            let sizes: String = sizes.iter().map(|size| format!(", {size}")).collect();
            format!(r#""{name}": {{ "shape": ["N"{sizes}], "dtype": "{dtype}" }}"#)
        })
        .collect();
    let file = format!(r#"{{ "inputs": {{ {} }}, "nodes": [{}] }}"#, inputs.join(", "), op.example.node);
    let mut diagnostics = Diagnostics::new(Path::new(op.section.name), &file);
    let json = parse(&file, &mut diagnostics);
    let mut builder = GraphBuilder::new("example");
    let mut results = Vec::new();
    if let Some(JsonValue::Object(members)) = json.as_ref().map(|json| &json.value)
        && let [Member { value: inputs, .. }, Member { value: nodes, .. }] = members.as_slice()
        && let (JsonValue::Object(inputs), JsonValue::Array(nodes)) = (&inputs.value, &nodes.value)
    {
        let (blocks, sizes) = (Blocks::default(), Values::default());
        if let Some(expansion) = expand(nodes, &blocks, &sizes, inputs.len(), &mut diagnostics) {
            results = Network::read(inputs, &expansion, &sizes, &mut builder, &mut diagnostics).unread_nodes();
        }
    }
    if !diagnostics.is_empty() {
        return Err(diagnostics);
    }
    let graph = builder.graph();
    let tensors = |wanted: fn(&Op) -> bool| {
        let ids = graph.ids().into_iter().filter(|&id| wanted(graph.op(id)));
        listed(&ids.map(|id| tensor(&graph.node(id).name, graph.ty(id))).collect::<Vec<_>>())
    };
    let read = tensors(|op| matches!(op, Op::Input(input) if !input.shape.0.is_empty()));
    let kept = tensors(|op| matches!(op, Op::Parameter(_)));
    let given: Vec<String> = results.iter().map(|&id| tensor(&graph.node(id).name, graph.ty(id))).collect();
    let verb = if op.example.inputs.len() > 1 { "give" } else { "gives" };
    let begin = if read.is_empty() { "It gives".to_string() } else { format!("{read} {verb}") };
    let end = if kept.is_empty() { String::new() } else { format!(" It has {kept}.") };
    Ok(format!("{begin} {}.{end}", listed(&given)))
}

/// `a, b and c`.
fn listed(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [others @ .., last] => format!("{} and {last}", others.join(", ")),
    }
}

/// Name, shape and, unless it is `f32`, element type.
fn tensor(name: &str, ty: &TensorType) -> String {
    let sizes: Vec<String> = ty.shape.0.iter().map(ToString::to_string).collect();
    let dtype = if ty.dtype == DType::F32 { String::new() } else { format!(" of `{}`", ty.dtype) };
    format!("`{name}` [{}]{dtype}", sizes.join(", "))
}

fn paragraph(text: &mut String, words: &str) {
    wrap(text, words, "");
}

fn item(text: &mut String, words: &str) {
    text.push_str("- ");
    wrap(text, words, "  ");
}

/// Adds words in lines of [`WIDTH`] columns, all but the first behind `indent`.
fn wrap(text: &mut String, words: &str, indent: &str) {
    let mut column = indent.len();
    for (position, word) in words.split(' ').enumerate() {
        let len = word.chars().count();
        if position > 0 && column + 1 + len > WIDTH {
            text.push('\n');
            text.push_str(indent);
            column = indent.len();
        } else if position > 0 {
            text.push(' ');
            column += 1;
        }
        text.push_str(word);
        column += len;
    }
    text.push('\n');
}
