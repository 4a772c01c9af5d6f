//! The op table of the documentation, made from the ops themselves.

use super::{ANY_NUMBER, Op};
use crate::attrs::{AttrKind, FieldInfo};
use crate::range::Range;

/// Every op as a row of a Markdown table, in the order of the list: mnemonic, number of operands,
/// attributes, summary.
pub fn ops_table() -> String {
    let mut table = String::from("| op | operands | attributes | summary |\n|---|---|---|---|\n");
    for op in Op::ALL {
        let attributes: Vec<String> = (op.fields)().iter().map(attribute).collect();
        let count = match op.n_optional {
            0 => op.arity.to_string(),
            ANY_NUMBER => format!("at least {}", op.arity),
            more => format!("{} to {}", op.arity, op.arity + more),
        };
        // A bar would end the cell.
        let row = [format!("`{}`", op.name), count, attributes.join("; "), op.summary.to_string()];
        let cells: Vec<String> = row.iter().map(|cell| cell.replace('|', "\\|")).collect();
        table.push_str(&format!("| {} |\n", cells.join(" | ")));
    }
    table
}

/// `groups`: an integer of at least 1, 1 unless it is written
fn attribute(field: &FieldInfo) -> String {
    let default = field.default.as_ref().map_or(String::new(), |value| format!(", {value} unless it is written"));
    let expected = match (field.kind, field.range) {
        (AttrKind::Size, Range::Positive) => "an integer of at least 1".to_string(),
        (AttrKind::SizesOf(n), Range::Positive) => format!("a list of {n} integers of at least 1"),
        (_, range) => format!("{}{}", field.expected, range.in_words()),
    };
    format!("`{}`: {expected}{default}", field.name)
}
