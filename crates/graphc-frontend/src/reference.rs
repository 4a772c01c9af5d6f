//! The reference part of `docs/graph-file.md`, from the field tables.

use crate::fields::{DATA, Default, FILE, Field, INPUT, LOSSES, NODE, OPTIMIZERS, Section, TRAIN};
use crate::node_ops::NODE_OPS;
use crate::read::expected;

/// Every section, node field and op of a graph file, as Markdown.
pub fn reference() -> String {
    let mut text = String::new();
    section(&mut text, "## The file", &FILE);
    section(&mut text, "## `inputs`", &INPUT);
    section(&mut text, "## `nodes`", &NODE);
    for op in NODE_OPS {
        let n_inputs = match op.n_inputs {
            0 => "no input".to_string(),
            1 => "1 input".to_string(),
            n => format!("{n} inputs"),
        };
        section(&mut text, &format!("### `{}` ({n_inputs})", op.section.name), &op.section);
    }
    text.push_str("## `loss`\n\nAn object whose `op` is one of the following.\n\n");
    LOSSES.iter().for_each(|loss| section(&mut text, &format!("### `{}`", loss.name), loss));
    text.push_str("## `optimizer`\n\nAn object whose `op` is one of the following.\n\n");
    OPTIMIZERS.iter().for_each(|optimizer| section(&mut text, &format!("### `{}`", optimizer.name), optimizer));
    section(&mut text, "## `train`", &TRAIN);
    section(&mut text, "## `data`", &DATA);
    text
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
