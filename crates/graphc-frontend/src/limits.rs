//! Every limit of a graph file, in one place; the table in `docs/limits.md` is made from it.
//!
//! They keep a file from someone else from costing more than its size: reading takes time and memory in proportion to
//! the file, and what is said about it is a few kilobytes. Networks that are meant come near none of them.

use graphc_ir::graph::builder::{MAX_SIZE, MAX_TENSOR_BYTES};
use graphc_ir::graph::parse::{MAX_ATTRS, MAX_ELEMENTS};
use graphc_ir::loops::parse::MAX_DEPTH;
use graphc_ir::text::{MAX_MESSAGE_CHARS, MAX_RANK, MAX_SHOWN_CHARS, MAX_TEXT_BYTES};

/// Largest graph file, in bytes.
pub const MAX_FILE_BYTES: usize = 16 << 20;

/// Lists and objects may stand this deep in each other.
pub const MAX_NESTING: usize = 32;

/// Most JSON values (numbers, strings, lists, objects) in a file.
pub const MAX_VALUES: usize = 1 << 20;

/// Most inputs and nodes together.
pub const MAX_NODES: usize = 50_000;

/// Blocks may be used this deep in each other.
pub const MAX_BLOCKS: usize = 16;

/// Longest name of a network, input or node, in characters; that of a node in a block has those of the uses before it.
pub const MAX_NAME_CHARS: usize = 200;

/// Most mistakes that are shown; the others are counted.
pub const MAX_MISTAKES: usize = 20;

/// Most other places that one message points at.
pub const MAX_NOTES: usize = 8;

/// Most entries of a list of numbers.
pub const MAX_LIST: usize = 1000;

/// Most names that one message lists.
pub const MAX_LISTED: usize = 40;

/// Characters of a long line that are shown on either side of the offending text, and of that text.
pub const MAX_CONTEXT_CHARS: usize = 60;

/// Most searches for a name that was probably meant, in one file.
pub const MAX_SUGGESTIONS: usize = 20;

/// Names longer than this are not searched for, nor found.
pub const MAX_SUGGESTED_CHARS: usize = 64;

/// Most names that one search compares letter by letter.
pub const MAX_COMPARED: usize = 200;

/// The table of `docs/limits.md`, as Markdown.
pub fn limits() -> String {
    let mut text = String::new();
    table(
        &mut text,
        "Graph files",
        &[
            ("size of the file", bytes(MAX_FILE_BYTES as u64)),
            ("lists and objects in each other", MAX_NESTING.to_string()),
            ("JSON values in the file", MAX_VALUES.to_string()),
            ("inputs and nodes, those of blocks as often as they are used", MAX_NODES.to_string()),
            ("JSON values and text of the nodes when blocks are written out", "as in a file".into()),
            ("uses of blocks in each other", MAX_BLOCKS.to_string()),
            ("a name of a network, input or node", format!("{MAX_NAME_CHARS} characters")),
            ("dimensions of a tensor; entries of a list of dimensions", MAX_RANK.to_string()),
            ("numbers in a list (a `literal`, the parts of a schedule)", MAX_LIST.to_string()),
            ("a size, stride or number of zeros", MAX_SIZE.to_string()),
            ("a tensor at the batch size of the file", bytes(MAX_TENSOR_BYTES)),
            ("a number that `f32` holds", format!("0, or {:e} to {:e} in size", f32::MIN_POSITIVE, f32::MAX)),
        ],
    );
    table(
        &mut text,
        "What is said about a graph file",
        &[
            ("mistakes that are shown; the others are counted", MAX_MISTAKES.to_string()),
            ("other places that one message points at", MAX_NOTES.to_string()),
            ("names that one message lists", MAX_LISTED.to_string()),
            ("letters of a name from the file", MAX_SHOWN_CHARS.to_string()),
            ("a line before and behind the place, and the place itself", format!("{MAX_CONTEXT_CHARS} characters")),
            ("searches for \"did you mean\"", MAX_SUGGESTIONS.to_string()),
            ("letters of a name that is searched for", MAX_SUGGESTED_CHARS.to_string()),
            ("names that a search compares letter by letter", MAX_COMPARED.to_string()),
        ],
    );
    table(
        &mut text,
        "Text of graphs and loop programs (`.gir`)",
        &[
            ("size of the text", bytes(MAX_TEXT_BYTES as u64)),
            ("elements of a tensor", MAX_ELEMENTS.to_string()),
            ("batch size", MAX_SIZE.to_string()),
            ("dimensions of a tensor", MAX_RANK.to_string()),
            ("attributes of an operation", MAX_ATTRS.to_string()),
            ("blocks and divisions in each other", MAX_DEPTH.to_string()),
            ("letters of a message", MAX_MESSAGE_CHARS.to_string()),
        ],
    );
    text
}

fn table(text: &mut String, title: &str, rows: &[(&str, String)]) {
    text.push_str(&format!("## {title}\n\n| what | at most |\n|---|---|\n"));
    rows.iter().for_each(|(what, most)| text.push_str(&format!("| {what} | {most} |\n")));
    text.push('\n');
}

/// A power of two in words.
fn bytes(n: u64) -> String {
    let units = [(1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    let unit = units.into_iter().find(|(size, _)| n.is_multiple_of(*size));
    unit.map_or(format!("{n} bytes"), |(size, name)| format!("{} {name}", n / size))
}
