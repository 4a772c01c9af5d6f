//! The reference part of `docs/graph-file.md`, from the field tables.

use crate::augment::{AUGMENT, ERASE, MIXUP};
use crate::data_fields::{COLUMN, DATA, PREPROCESS};
use crate::field::{Default, Field, Section, Variants};
use crate::fields::{FILE, INPUT, LOSSES, NODE, TRAIN};
use crate::initializer::INITIALIZERS;
use crate::metrics::{METRICS, Metric};
use crate::node_ops::NODE_OPS;
use crate::optimizer::OPTIMIZERS;
use crate::parameters::PARAMETERS;
use crate::read::expected;
use crate::training::{EARLY_STOPPING, EMA, SCHEDULES};

/// Every section, node field and op of a graph file, as Markdown.
pub fn reference() -> String {
    let mut text = String::new();
    section(&mut text, "## The file", &FILE);
    section(&mut text, "## `inputs`", &INPUT);
    section(&mut text, "## `nodes`", &NODE);
    for op in NODE_OPS.iter() {
        let n_inputs = op.n_inputs().in_words();
        section(&mut text, &format!("### `{}` ({n_inputs})", op.section.name), &op.section);
    }
    one_of(&mut text, &INITIALIZERS);
    one_of(&mut text, &LOSSES);
    metrics(&mut text);
    one_of(&mut text, &OPTIMIZERS);
    section(&mut text, "## An entry of `parameters`", &PARAMETERS);
    section(&mut text, "## `train`", &TRAIN);
    one_of(&mut text, &SCHEDULES);
    section(&mut text, "## `ema`", &EMA);
    section(&mut text, "## `early_stopping`", &EARLY_STOPPING);
    one_of(&mut text, &DATA);
    section(&mut text, "### An entry of `preprocess`", &PREPROCESS);
    section(&mut text, "### An entry of `augment`", &AUGMENT);
    section(&mut text, "#### `erase`", &ERASE);
    section(&mut text, "### `mixup`", &MIXUP);
    section(&mut text, "### An entry of `columns`", &COLUMN);
    text
}

fn metrics(text: &mut String) {
    text.push_str(&format!("## `metrics`\n\n{}\n\n| metric | of | meaning |\n|---|---|---|\n", crate::metrics::DOC));
    for Metric { name, of, doc, .. } in METRICS {
        text.push_str(&format!("| `{name}` | {} | {doc} |\n", of.in_words()));
    }
    text.push('\n');
}

fn one_of(text: &mut String, variants: &Variants) {
    let Variants { name, tag, otherwise, sections } = variants;
    let otherwise = otherwise.map_or(String::new(), |otherwise| format!(" Without a `{tag}`, it is {otherwise}."));
    text.push_str(&format!("## `{name}`\n\nAn object whose `{tag}` is one of the following.{otherwise}\n\n"));
    sections().iter().for_each(|variant| section(text, &format!("### `{}`", variant.name), variant));
}

fn section(text: &mut String, title: &str, section: &Section) {
    text.push_str(&format!("{title}\n\n{}\n\n", section.doc));
    if section.fields.is_empty() {
        return;
    }
    text.push_str("| field | value | default | meaning |\n|---|---|---|---|\n");
    for field in section.fields {
        let kind = expected(&field.kind);
        text.push_str(&format!("| `{}` | {kind} | {} | {} |\n", field.name, default(field), field.doc));
    }
    text.push('\n');
}

fn default(field: &Field) -> String {
    match field.default {
        Default::Required => "required".into(),
        Default::Json(json) => format!("`{json}`"),
        Default::Absent(otherwise) => otherwise.into(),
    }
}
