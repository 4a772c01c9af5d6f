//! The op table of the documentation, made from the ops themselves.

use super::Op;
use crate::attrs::FieldInfo;

/// Every op as a row of a Markdown table, in the order of the list: mnemonic, number of operands,
/// attributes, summary.
pub fn ops_table() -> String {
    let mut table = String::from("| op | operands | attributes | summary |\n|---|---|---|---|\n");
    for &(name, arity, summary) in Op::ALL {
        let fields = Op::fields(name).expect("every op of the list has fields");
        let attributes: Vec<String> = fields.iter().map(attribute).collect();
        let count = match Op::n_optional(name) {
            0 => arity.to_string(),
            more => format!("{arity} to {}", arity + more),
        };
        // A bar would end the cell.
        let row = [format!("`{name}`"), count, attributes.join("; "), summary.to_string()];
        let cells: Vec<String> = row.iter().map(|cell| cell.replace('|', "\\|")).collect();
        table.push_str(&format!("| {} |\n", cells.join(" | ")));
    }
    table
}

/// `groups`: an integer of at least 0, 1 unless it is written
fn attribute(field: &FieldInfo) -> String {
    let default = field.default.as_ref().map_or(String::new(), |value| format!(", {value} unless it is written"));
    format!("`{}`: {}{default}", field.name, field.expected)
}
