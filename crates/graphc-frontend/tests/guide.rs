//! The JSON of the README and of `docs/guide/` is what graph files are made of, and the page of ops is fresh.
//!
//! A block that begins with ```` ```json ```` is one of three: a whole graph file, which has `"graphc": 1`; some of a
//! file's fields, `"train": { … }`; or a node, `{ "name": …, "op": … }`. Other JSON stands in ```` ```text ````.

use graphc_frontend::{ops_page, parse, schema};
use jsonschema::Validator;
use serde_json::{Map, Value};
use std::fs;
use std::path::{Path, PathBuf};

const README: &str = "../../README.md";
const GUIDE: &str = "../../docs/guide";
const OPS: &str = "../../docs/guide/ops.md";
const MARK: &str = "<!-- From here on written by the tests of graphc-frontend with GRAPHC_BLESS=1. -->\n";

/// A block of JSON and where it begins.
struct Block {
    place: String,
    text: String,
}

/// What a block is.
#[derive(PartialEq, Eq, Debug)]
enum Kind {
    File,
    Fields,
    Node,
}

fn pages() -> Vec<PathBuf> {
    let entries = fs::read_dir(GUIDE).expect("the guide");
    let mut pages: Vec<PathBuf> = entries.map(|entry| entry.expect("a file").path()).collect();
    pages.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    pages.sort();
    pages.push(README.into());
    pages
}

fn blocks(path: &Path) -> Vec<Block> {
    let text = fs::read_to_string(path).expect("a page");
    let (mut blocks, mut lines) = (Vec::new(), text.lines().enumerate());
    while let Some((number, line)) = lines.next() {
        if line.trim_start().starts_with("```json") {
            let body: Vec<&str> = lines.by_ref().map(|(_, line)| line).take_while(|line| *line != "```").collect();
            blocks.push(Block { place: format!("{}:{}", path.display(), number + 1), text: body.join("\n") });
        }
    }
    blocks
}

/// Knows what a block may be.
struct Checker {
    /// Some of the fields of a file.
    fields: Validator,
    node: Validator,
}

impl Checker {
    fn new() -> Checker {
        let mut fields = schema();
        let mut node = fields["$defs"]["nodes"]["items"].clone();
        node["$defs"] = fields["$defs"].clone();
        let node = jsonschema::validator_for(&node).expect("a schema");
        fields.as_object_mut().expect("an object").remove("required");
        Checker { fields: jsonschema::validator_for(&fields).expect("a schema"), node }
    }

    /// Reads a block as what it is; what is wrong with it otherwise.
    fn check(&self, block: &Block) -> Result<Kind, String> {
        let text = &block.text;
        let file = serde_json::from_str::<Value>(text);
        if file.as_ref().is_ok_and(|json| json.get("graphc").is_some()) {
            return parse(text, Path::new(&block.place)).map(|_| Kind::File).map_err(|found| found.to_string());
        }
        if let Ok(json) = file {
            return accepts(&self.node, &json).map(|()| Kind::Node);
        }
        let fields: Map<String, Value> =
            serde_json::from_str(&format!("{{ {text} }}")).map_err(|error| error.to_string())?;
        accepts(&self.fields, &fields.into()).map(|()| Kind::Fields)
    }
}

fn accepts(validator: &Validator, json: &Value) -> Result<(), String> {
    let errors: Vec<String> = validator.iter_errors(json).map(|error| error.to_string()).collect();
    if errors.is_empty() { Ok(()) } else { Err(errors.join("\n")) }
}

#[test]
fn graph_files_of_the_guide_are_accepted() {
    let (checker, mut kinds, mut wrong) = (Checker::new(), Vec::new(), Vec::new());
    for block in pages().iter().flat_map(|page| blocks(page)) {
        match checker.check(&block) {
            Ok(kind) => kinds.push(kind),
            Err(error) => wrong.push(format!("{}:\n{error}", block.place)),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    for kind in [Kind::File, Kind::Fields, Kind::Node] {
        assert!(kinds.contains(&kind), "no block is of the kind {kind:?}");
    }
}

#[test]
fn blocks_that_are_wrong_are_refused() {
    let checker = Checker::new();
    let wrong = |text: &str| checker.check(&Block { place: "page:1".into(), text: text.into() }).expect_err(text);
    assert!(wrong(r#"{ "graphc": 1, "inputs": {}, "nodes": [] }"#).contains("`loss`"));
    assert!(wrong(r#""train": { "epoch": 3 }"#).contains("epoch"));
    assert!(wrong(r#""training": {}"#).contains("training"));
    assert!(wrong(r#"{ "name": "a", "op": "dense", "unit": 3 }"#).contains("is not valid"));
    assert!(wrong(r#""train": { ... }"#).contains("key must be a string"));
}

#[test]
fn the_page_of_ops_is_fresh() {
    let text = fs::read_to_string(OPS).expect("the page");
    let (by_hand, _) = text.split_once(MARK).expect("the mark");
    let page = ops_page().unwrap_or_else(|diagnostics| panic!("{diagnostics}"));
    let expected = format!("{by_hand}{MARK}\n{page}");
    if std::env::var_os("GRAPHC_BLESS").is_some() {
        fs::write(OPS, &expected).expect("a writable page");
    }
    let shipped = fs::read_to_string(OPS).expect("the page");
    assert!(shipped == expected, "{OPS} is stale; run the tests with GRAPHC_BLESS=1");
}
