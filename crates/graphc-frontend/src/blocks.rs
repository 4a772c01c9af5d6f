//! Definitions of blocks, and what `$names` stand for in nodes.

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::fields::{BLOCK, USE};
use crate::formula::{self, Mistake, Named, What};
use crate::json::{Json, JsonValue, Member, Spanned};
use crate::limits::{MAX_FILE_BYTES, MAX_LISTED, MAX_NODES, MAX_VALUES};
use crate::names::{unfit_name, used_twice};
use crate::read::{Record, is_name, list, read};
use crate::source_text::Span;
use graphc_ir::graph::builder::MAX_SIZE;
use graphc_ir::text::shown;
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

/// A part of the network that is used by name.
#[derive(Debug)]
pub(crate) struct Block<'a> {
    pub(crate) name: &'a str,
    /// The whole definition.
    pub(crate) span: Span,
    /// With what they are unless given.
    pub(crate) arguments: &'a [Member],
    /// By their names.
    pub(crate) inputs: BTreeMap<String, usize>,
    pub(crate) nodes: &'a [Json],
    /// Names of nodes.
    pub(crate) outputs: Vec<Spanned<String>>,
}

const DEFAULT_INPUT: &str = "x";

/// Blocks by name, `None` for those that are wrong, which has been reported.
pub(crate) type Blocks<'a> = BTreeMap<&'a str, Option<Block<'a>>>;

/// Reads `blocks`.
pub(crate) fn read_blocks<'a>(members: &'a [Member], diagnostics: &mut Diagnostics) -> Blocks<'a> {
    let entry = |member: &'a Member| {
        let is_fit = fits(&member.key, diagnostics);
        (member.key.value.as_str(), read_block(member, diagnostics).filter(|_| is_fit))
    };
    members.iter().map(entry).collect()
}

/// Reads `sizes`: names and numbers.
pub(crate) fn read_sizes<'a>(members: &'a [Member], diagnostics: &mut Diagnostics) -> Values<'a> {
    let mut sizes = Values::default();
    for Member { key, value } in members {
        let is_batch = key.value == "N";
        if is_batch {
            let label = "expected another name";
            diagnostics.push(Diagnostic::new("`N` is the batch, whose size is `batch_size`", key.span.clone(), label));
        }
        let is_fit = !is_batch && fits(key, diagnostics);
        let size = match &value.value {
            JsonValue::Number(text) => text.parse::<usize>().ok().filter(|size| (1..=MAX_SIZE).contains(size)),
            _ => None,
        };
        if size.is_none() {
            let message = format!("the size `{}` must be an integer from 1 to {MAX_SIZE}", shown(&key.value));
            let label = format!("this is {}", value.value.kind());
            diagnostics.push(Diagnostic::new(message, value.span.clone(), label));
        }
        // One that is wrong is told once.
        let size = size.unwrap_or(1).to_string();
        if is_fit {
            sizes.insert(&key.value, Spanned { value: JsonValue::Number(size), span: value.span.clone() });
        }
    }
    sizes
}

/// Whether it can be a name, which is reported otherwise.
fn fits(name: &Spanned<String>, diagnostics: &mut Diagnostics) -> bool {
    let fits = is_name(&name.value);
    if !fits {
        diagnostics.push(unfit_name(name));
    }
    fits
}

fn read_block<'a>(member: &'a Member, diagnostics: &mut Diagnostics) -> Option<Block<'a>> {
    let name = member.key.value.as_str();
    let record = read(&format!("block `{}`", shown(name)), &[BLOCK.fields], &member.value, diagnostics)?;
    let arguments = record.members("arguments").unwrap_or(&[]);
    let mut ok = record.ok;
    for Member { key, .. } in arguments {
        ok &= fits(key, diagnostics);
        if USE.fields.iter().any(|field| field.name == key.value) {
            let message = format!("an argument cannot be called `{}`", key.value);
            let label = "expected another name; every use of a block has this field";
            diagnostics.push(Diagnostic::new(message, key.span.clone(), label));
            ok = false;
        }
    }
    let nodes = record.items("nodes")?;
    let inputs = match record.json("inputs") {
        Some(_) => record.names("inputs")?,
        None => vec![Spanned { value: DEFAULT_INPUT.to_string(), span: member.key.span.clone() }],
    };
    let mut names: BTreeMap<String, Span> = BTreeMap::new();
    for name in inputs.iter().cloned().chain(nodes.iter().filter_map(node_name)) {
        if let Some(first) = names.get(&name.value) {
            diagnostics.push(used_twice(&name, first.clone()));
            ok = false;
        } else {
            names.insert(name.value, name.span);
        }
    }
    inputs.iter().for_each(|input| _ = names.remove(&input.value));
    let inputs = inputs.into_iter().enumerate().map(|(position, input)| (input.value, position)).collect();
    let outputs = read_outputs(name, &record, &names, diagnostics)?;
    ok.then(|| Block { name, span: member.value.span.clone(), arguments, inputs, nodes, outputs })
}

/// The nodes that are the results of the block; `nodes` has the names of its nodes.
fn read_outputs(
    block: &str,
    record: &Record<'_>,
    nodes: &BTreeMap<String, Span>,
    diagnostics: &mut Diagnostics,
) -> Option<Vec<Spanned<String>>> {
    let block = shown(block);
    let items = record.items("nodes")?;
    let Some(last) = items.last() else {
        let message = format!("block `{block}` has no nodes");
        diagnostics.push(Diagnostic::new(message, record.span_of("nodes"), "expected at least one"));
        return None;
    };
    if record.json("outputs").is_none() {
        let last = node_name(last).or_else(|| {
            let message = format!("the last node of block `{block}`, its result, has no name");
            diagnostics.push(Diagnostic::new(message, last.span.clone(), "expected a node with a `name`"));
            None
        });
        return last.map(|last| vec![last]);
    }
    let outputs = record.names("outputs")?;
    if outputs.is_empty() {
        let message = format!("block `{block}` has no outputs");
        diagnostics.push(Diagnostic::new(message, record.span_of("outputs"), "expected at least one"));
        return None;
    }
    let mut ok = true;
    for output in &outputs {
        let node = output.value.split('.').next().unwrap_or_default();
        if !nodes.contains_key(node) {
            let message = format!("block `{block}` has no node called `{}`", shown(node));
            let close = diagnostics.closest(node, nodes.keys().map(String::as_str));
            let label = "expected one of its nodes";
            diagnostics.push(Diagnostic::new(message, output.span.clone(), label).did_you_mean(close));
            ok = false;
        }
    }
    ok.then_some(outputs)
}

/// The name that a node or use is given.
pub(crate) fn node_name(node: &Json) -> Option<Spanned<String>> {
    match &node.member("name")?.value {
        JsonValue::String(name) => Some(Spanned { value: name.clone(), span: node.member("name")?.span.clone() }),
        _ => None,
    }
}

/// Values by name, in the order of the file.
#[derive(Debug, Default)]
pub(crate) struct Values<'a> {
    values: Vec<(&'a str, Json)>,
    positions: HashMap<&'a str, usize>,
}

impl<'a> Values<'a> {
    pub(crate) fn insert(&mut self, name: &'a str, value: Json) {
        self.positions.insert(name, self.values.len());
        self.values.push((name, value));
    }

    fn find(&self, name: &str) -> Option<&Json> {
        self.positions.get(name).map(|&position| &self.values[position].1)
    }
}

/// What `$names` stand for: the arguments of a block, and otherwise sizes.
#[derive(Debug)]
pub(crate) struct Environment<'a> {
    pub(crate) arguments: Values<'a>,
    pub(crate) sizes: &'a Values<'a>,
}

impl<'a> Environment<'a> {
    /// That of the file.
    pub(crate) fn of_file(sizes: &'a Values<'a>) -> Environment<'a> {
        Environment { arguments: Values::default(), sizes }
    }

    fn find(&self, name: &str) -> Option<&Json> {
        self.arguments.find(name).or_else(|| self.sizes.find(name))
    }

    fn names(&self) -> impl Iterator<Item = &'a str> + Clone {
        self.arguments.values.iter().chain(&self.sizes.values).map(|(name, _)| *name)
    }

    /// `json` with what its `$names` and formulas are; `None` if one is wrong, which is reported, or the budget spent.
    pub(crate) fn fill<'j>(
        &self,
        json: &'j Json,
        budget: &mut Budget,
        diagnostics: &mut Diagnostics,
    ) -> Option<Cow<'j, Json>> {
        let weight = Weight::of(json);
        budget.take_weight(&weight)?;
        if !weight.has_formula {
            return Some(Cow::Borrowed(json));
        }
        self.filled(json, budget, diagnostics).map(Cow::Owned)
    }

    /// An input with the sizes that its shape names, `"T"`, or has formulas of; `None` if there are no such sizes,
    /// which is reported.
    pub(crate) fn sized<'j>(&self, input: &'j Json, diagnostics: &mut Diagnostics) -> Option<Cow<'j, Json>> {
        let is_name = |item: &Json| matches!(&item.value, JsonValue::String(name) if name != "N");
        let (JsonValue::Object(members), Some(JsonValue::Array(dims))) =
            (&input.value, input.member("shape").map(|shape| &shape.value))
        else {
            return Some(Cow::Borrowed(input));
        };
        if !dims.iter().any(is_name) {
            return Some(Cow::Borrowed(input));
        }
        let dims: Vec<Option<Json>> = dims
            .iter()
            .map(|dim| match &dim.value {
                JsonValue::String(text) if text.contains('$') => {
                    self.value(text, dim, &mut Budget::new(0), diagnostics)
                }
                JsonValue::String(name) if name != "N" => {
                    let size = self.find(name);
                    if size.is_none() {
                        let message = format!("there is no size called `{}`", shown(name));
                        let label = one_of(self.names());
                        let label = label.unwrap_or("expected a number, or a name that is in `sizes`".into());
                        let close = diagnostics.closest(name, self.names());
                        diagnostics.push(Diagnostic::new(message, dim.span.clone(), label).did_you_mean(close));
                    }
                    size.cloned()
                }
                _ => Some(dim.clone()),
            })
            .collect();
        let dims: Vec<Json> = dims.into_iter().collect::<Option<_>>()?;
        let members = members.iter().map(|member| match member.key.value.as_str() {
            "shape" => Member {
                value: Spanned { value: JsonValue::Array(dims.clone()), ..member.value.clone() },
                ..member.clone()
            },
            _ => member.clone(),
        });
        Some(Cow::Owned(Spanned { value: JsonValue::Object(members.collect()), span: input.span.clone() }))
    }

    fn filled(&self, json: &Json, budget: &mut Budget, diagnostics: &mut Diagnostics) -> Option<Json> {
        let value = match &json.value {
            JsonValue::String(text) if text.contains('$') => return self.value(text, json, budget, diagnostics),
            JsonValue::Array(items) => {
                // All of them, so that all that is wrong is told.
                let items: Vec<_> = items.iter().map(|item| self.filled(item, budget, diagnostics)).collect();
                JsonValue::Array(items.into_iter().collect::<Option<_>>()?)
            }
            JsonValue::Object(members) => {
                let filled = |member: &Member| match member.key.value.as_str() {
                    "name" => Some(member.clone()),
                    _ => Some(Member { value: self.filled(&member.value, budget, diagnostics)?, ..member.clone() }),
                };
                let members: Vec<_> = members.iter().map(filled).collect();
                JsonValue::Object(members.into_iter().collect::<Option<_>>()?)
            }
            value => value.clone(),
        };
        Some(Spanned { value, span: json.span.clone() })
    }

    /// What stands for a string with `$`: the value itself if it is a name alone, so that mistakes in it are where it
    /// was given; otherwise a number.
    fn value(&self, text: &str, json: &Json, budget: &mut Budget, diagnostics: &mut Diagnostics) -> Option<Json> {
        if let Some(value) = formula::only_name(text).and_then(|name| self.find(name)) {
            return budget.clone_of(value);
        }
        let named = |name: &str| match self.find(name).map(|json| &json.value) {
            Some(JsonValue::Number(number)) => number.parse().map_or(Named::Other, Named::Whole),
            Some(_) => Named::Other,
            None => Named::Nothing,
        };
        match formula::evaluate(text, &named) {
            Ok(number) => Some(Spanned { value: JsonValue::Number(number.to_string()), span: json.span.clone() }),
            Err(mistake) => {
                let diagnostic = self.diagnostic(&mistake, text, json, diagnostics);
                diagnostics.push(diagnostic);
                None
            }
        }
    }

    fn diagnostic(&self, mistake: &Mistake, text: &str, json: &Json, diagnostics: &mut Diagnostics) -> Diagnostic {
        let Mistake { what, at } = mistake;
        // Escapes make the string longer than what it says.
        let is_plain = json.span.len() == text.len() + 2;
        let start = json.span.start + 1;
        let span = if is_plain { start + at.start..start + at.end.max(at.start + 1) } else { json.span.clone() };
        match what {
            What::Syntax(expected) => Diagnostic::new(format!("`{}` is no formula", shown(text)), span, *expected),
            What::Unknown(name) => {
                let message = format!("there is no argument or size called `{}`", shown(name));
                let label = one_of(self.names());
                let label = label.unwrap_or("expected a name from `sizes`, or an argument of the block".into());
                let close = diagnostics.closest(name, self.names());
                Diagnostic::new(message, span, label).did_you_mean(close)
            }
            What::NotWhole(name) => {
                let message = format!("`{}` is no whole number, as formulas need them", shown(name));
                let value = self.find(name).map_or(span.clone(), |value| value.span.clone());
                Diagnostic::new(message, span, "expected a whole number").note(value, "it is this")
            }
            What::NotAMultiple(a, b) => {
                Diagnostic::new(format!("{a} is not a multiple of {b}"), span, "formulas are of whole numbers")
            }
            What::TooLarge => {
                Diagnostic::new(format!("`{}` is too large", shown(text)), span, "expected a number of 64 bits")
            }
        }
    }
}

/// What is expected where one of these names is, if they are not too many to list.
pub(crate) fn one_of<'a>(names: impl Iterator<Item = &'a str> + Clone) -> Option<String> {
    let n = names.clone().take(MAX_LISTED + 1).count();
    (1..=MAX_LISTED).contains(&n).then(|| format!("expected one of {}", list(names)))
}

/// How much a network may be when its blocks are written out: as much as a file.
#[derive(Debug)]
pub(crate) struct Budget {
    nodes: usize,
    values: usize,
    bytes: usize,
    /// Whether more was asked for than there was.
    pub(crate) is_spent: bool,
}

/// How large some JSON is.
#[derive(Default)]
struct Weight {
    values: usize,
    bytes: usize,
    has_formula: bool,
}

impl Weight {
    fn of(json: &Json) -> Weight {
        let mut weight = Weight::default();
        weight.add(json);
        weight
    }

    fn add(&mut self, json: &Json) {
        self.values += 1;
        match &json.value {
            JsonValue::Null | JsonValue::Bool(_) => {}
            JsonValue::Number(text) => self.bytes += text.len(),
            JsonValue::String(text) => {
                self.bytes += text.len();
                self.has_formula |= text.contains('$');
            }
            JsonValue::Array(items) => items.iter().for_each(|item| self.add(item)),
            JsonValue::Object(members) => {
                for Member { key, value } in members {
                    self.bytes += key.value.len();
                    self.add(value);
                }
            }
        }
    }
}

impl Budget {
    /// What is left beside so many inputs.
    pub(crate) fn new(n_inputs: usize) -> Budget {
        let nodes = MAX_NODES.saturating_sub(n_inputs);
        Budget { nodes, values: MAX_VALUES, bytes: MAX_FILE_BYTES, is_spent: false }
    }

    /// A copy of some JSON; `None` if there is too little left.
    pub(crate) fn clone_of(&mut self, json: &Json) -> Option<Json> {
        self.take_weight(&Weight::of(json)).map(|()| json.clone())
    }

    fn take_weight(&mut self, weight: &Weight) -> Option<()> {
        self.take([0, weight.values, weight.bytes])
    }

    /// Takes so many nodes, values and bytes; `None` if there are too few left.
    pub(crate) fn take(&mut self, [nodes, values, bytes]: [usize; 3]) -> Option<()> {
        let left = (self.nodes.checked_sub(nodes), self.values.checked_sub(values), self.bytes.checked_sub(bytes));
        let (Some(nodes), Some(values), Some(bytes)) = left else {
            self.is_spent = true;
            return None;
        };
        (self.nodes, self.values, self.bytes) = (nodes, values, bytes);
        Some(())
    }
}
