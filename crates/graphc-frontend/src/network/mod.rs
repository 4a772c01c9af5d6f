//! From `inputs` and the nodes with blocks written out to a graph: names, order, types.
//!
//! A node that is wrong is reported once; what reads it is left unbuilt in silence.
//!
//! Reading order: this file, `names`, `uses`, `order`.

mod names;
mod order;
mod uses;

use crate::blocks::{Blocks, Environment, Values};
use crate::diagnostic::{Diagnostic, Diagnostics, Span};
use crate::expand::{Expansion, Is, Item};
use crate::fields::{INPUT, NODE};
use crate::json::{Json, JsonValue, Member, Spanned};
use crate::misfit::does_not_fit;
use crate::names::unfit_name;
use crate::node_ops::{NODE_OPS, NodeOp};
use crate::parts::Part;
use crate::read::{Record, is_name, list, read, read_known, wrong_kind};
use graphc_ir::graph::NodeId;
use graphc_ir::graph::builder::{GraphBuilder, STEP_INPUT};
use graphc_ir::layers::LayerInfo;
use graphc_ir::text::shown;
use graphc_ir::{Dim, Graph};
use std::collections::{BTreeSet, HashMap};

/// Names that the training step uses itself.
const RESERVED: &[&str] = &["loss", "accuracy", "learning_rate", STEP_INPUT];

/// An input or node of the file, or a use of a block.
#[derive(Debug)]
struct Entry<'a> {
    /// `None` if it has no usable name.
    name: Option<Spanned<String>>,
    what: What<'a>,
    /// Its results, once built.
    nodes: Vec<NodeId>,
    /// Whose parameters it has, once built, if not its own.
    owner: Option<String>,
}

#[derive(Debug)]
enum What<'a> {
    Input,
    Node {
        /// `None` if it is wrong.
        body: Option<(&'static NodeOp, Record<'a>)>,
        inputs: Vec<Operand>,
        /// The node whose parameters it has.
        shares: Option<Operand>,
    },
    Use {
        /// Its results, `None` for those that there are not, which has been reported.
        outputs: Vec<Option<Found>>,
    },
}

/// What a name leads to: an entry, and which part of it.
#[derive(Clone, Debug)]
struct Found {
    entry: usize,
    part: Piece,
}

#[derive(Clone, Debug, PartialEq)]
enum Piece {
    Result(usize),
    /// A parameter of a layer, which may not be there.
    Parameter(String),
}

impl Found {
    fn result(entry: usize, result: usize) -> Found {
        Found { entry, part: Piece::Result(result) }
    }
}

/// What a node reads.
#[derive(Debug)]
struct Operand {
    /// Of an input or node; `None` if there is no such name.
    found: Option<Found>,
    /// Where it is named, or the node itself.
    span: Span,
}

/// Inputs and nodes by name.
#[derive(Debug)]
pub(crate) struct Network<'a> {
    /// Inputs, then the items.
    entries: Vec<Entry<'a>>,
    n_inputs: usize,
    expansion: &'a Expansion<'a>,
    /// Positions of entries, and which of their results it is; `None` for the entry itself.
    by_name: HashMap<String, (usize, Option<usize>)>,
    /// What each scope reads, `None` for what is wrong, which has been reported.
    reads: Vec<Vec<Option<Found>>>,
    /// What stands before the names of the nodes whose parameters those of a scope have.
    owners: Vec<Option<String>>,
}

/// What a reference leads to.
pub(crate) struct Target {
    /// `None` if that node is wrong, which has been reported.
    pub(crate) node: Option<NodeId>,
    /// Where it is named first.
    pub(crate) span: Span,
    pub(crate) is_input: bool,
}

impl<'a> Network<'a> {
    /// Reads inputs and nodes and builds what is sound of them.
    pub(crate) fn read(
        inputs: &'a [Member],
        expansion: &'a Expansion<'a>,
        sizes: &Values<'_>,
        builder: &mut GraphBuilder,
        diagnostics: &mut Diagnostics,
    ) -> Network<'a> {
        let mut network = Network {
            entries: Vec::new(),
            n_inputs: inputs.len(),
            expansion,
            by_name: HashMap::new(),
            reads: Vec::new(),
            owners: Vec::new(),
        };
        for member in inputs {
            network.add_input(member, sizes, builder, diagnostics);
        }
        for (number, item) in expansion.items.iter().enumerate() {
            diagnostics.set_place(expansion.place(number));
            network.add_item(item, diagnostics);
        }
        network.resolve_uses(diagnostics);
        network.resolve(diagnostics);
        diagnostics.set_place(None);
        let order = network.order(diagnostics);
        for entry in order {
            network.build(entry, builder, diagnostics);
        }
        diagnostics.set_place(None);
        network
    }

    /// Names of the file's inputs, in order.
    pub(crate) fn input_names(&self) -> Vec<&str> {
        let inputs = self.entries.iter().filter(|entry| matches!(entry.what, What::Input));
        inputs.filter_map(|entry| entry.name.as_ref().map(|name| name.value.as_str())).collect()
    }

    /// The inputs that are as they should be, with their nodes.
    pub(crate) fn input_nodes(&self) -> Vec<(&str, NodeId)> {
        let inputs = self.entries.iter().filter(|entry| matches!(entry.what, What::Input));
        inputs.filter_map(|entry| Some((entry.name.as_ref()?.value.as_str(), *entry.nodes.first()?))).collect()
    }

    /// What the file itself has, in order: inputs, nodes and uses of blocks.
    pub(crate) fn parts(&self, graph: &Graph) -> Vec<Part> {
        let entries = self.entries.iter().enumerate();
        let parts = entries.filter_map(|(entry, Entry { name, .. })| {
            let name = name.as_ref()?.value.clone();
            let item = entry.checked_sub(self.n_inputs).map(|item| &self.expansion.items[item]);
            let inner = match item.map(|item| &item.is) {
                _ if name.contains('.') => return None,
                Some(&Is::Use { inner }) => Some(inner),
                Some(&Is::Copies { last }) => match self.expansion.items[last].is {
                    Is::Use { inner } => Some(inner),
                    _ => None,
                },
                _ => None,
            };
            let copy = inner.and_then(|inner| self.expansion.scopes[inner].copy.as_ref());
            let block = copy.map(|copy| match copy.of {
                Some([_, n]) => format!("{n} x {}", copy.block.name),
                None => copy.block.name.to_string(),
            });
            let result = self.follow(Found::result(entry, 0)).and_then(|found| match found.part {
                Piece::Result(result) => self.entries[found.entry].nodes.get(result),
                Piece::Parameter(_) => None,
            });
            Some(Part { name, block, result: result.map(|&node| graph.node(node).name.clone()) })
        });
        parts.collect()
    }

    /// Nodes that no other node reads, in file order.
    pub(crate) fn unread_nodes(&self) -> Vec<NodeId> {
        let mut read = BTreeSet::new();
        for entry in &self.entries {
            if let What::Node { inputs, .. } = &entry.what {
                let results = inputs.iter().filter_map(|operand| match operand.found {
                    Some(Found { entry, part: Piece::Result(result) }) => Some((entry, result)),
                    _ => None,
                });
                read.extend(results);
            }
        }
        let nodes = self.entries.iter().enumerate().filter(|(_, entry)| matches!(entry.what, What::Node { .. }));
        let results = nodes.flat_map(|(position, entry)| {
            entry.nodes.iter().enumerate().map(move |(result, &node)| ((position, result), node))
        });
        results.filter(|(result, _)| !read.contains(result)).map(|(_, node)| node).collect()
    }

    fn add_input(
        &mut self,
        member: &Member,
        sizes: &Values<'_>,
        builder: &mut GraphBuilder,
        diagnostics: &mut Diagnostics,
    ) {
        let name = member.key.value.as_str();
        let mut ok = is_name(name);
        if !ok {
            diagnostics.push(unfit_name(&member.key));
        }
        ok &= self.enter(member.key.clone(), What::Input, diagnostics);
        let Some(sized) = Environment::of_file(sizes).sized(&member.value, diagnostics) else { return };
        let record = read(&format!("input `{}`", shown(name)), &[INPUT.fields], &sized, diagnostics);
        let Some(record) = record.filter(|record| record.ok && ok) else { return };
        let (Some(shape), Some(dtype)) = (record.shape("shape"), record.dtype("dtype")) else { return };
        let span = record.span_of("shape");
        if shape.0.first() != Some(&Dim::Batch) {
            let message = format!("the shape of input `{name}` must begin with the batch dimension \"N\"");
            let label = format!("expected [\"N\"{}]", shape.0.iter().map(|dim| format!(", {dim}")).collect::<String>());
            diagnostics.push(Diagnostic::new(message, span, label));
            return;
        }
        builder.set_line(diagnostics.line(member.key.span.start) as u32);
        match builder.input(name, dtype, shape) {
            Ok(node) => {
                if let Some(entry) = self.entries.last_mut() {
                    entry.nodes = vec![node];
                }
            }
            Err(error) => diagnostics.push(Diagnostic::new(error.to_string(), span, "expected a smaller shape")),
        }
    }

    fn add_item(&mut self, item: &'a Item<'a>, diagnostics: &mut Diagnostics) {
        let what = match item.is {
            Is::Node => self.node(item, diagnostics),
            Is::Wrong => What::Node { body: None, inputs: Vec::new(), shares: None },
            Is::Use { inner } => {
                let n = self.expansion.scopes[inner].copy.as_ref().map_or(0, |copy| copy.block.outputs.len());
                What::Use { outputs: vec![None; n] }
            }
            Is::Copies { last } => {
                let last = self.n_inputs + last;
                What::Use {
                    outputs: (0..self.n_results(last)).map(|result| Some(Found::result(last, result))).collect(),
                }
            }
        };
        match &item.name {
            Some(name) => {
                self.enter(name.clone(), what, diagnostics);
            }
            None => self.entries.push(Entry { name: None, what, nodes: Vec::new(), owner: None }),
        }
    }

    fn node(&self, item: &'a Item<'a>, diagnostics: &mut Diagnostics) -> What<'a> {
        let JsonValue::Object(members) = &item.json.value else {
            wrong_kind(&format!("node {}", item.position + 1), "an object", &item.json, diagnostics);
            return What::Node { body: None, inputs: Vec::new(), shares: None };
        };
        let what = match &item.name {
            Some(name) => format!("node `{}`", shown(&name.value)),
            None => format!("node {}", item.position + 1),
        };
        What::Node {
            body: read_body(&what, members, &item.json, self.expansion.blocks, diagnostics),
            inputs: Vec::new(),
            shares: None,
        }
    }

    /// Builds one node if it and everything it reads is sound.
    fn build(&mut self, at: usize, builder: &mut GraphBuilder, diagnostics: &mut Diagnostics) {
        let entry = &self.entries[at];
        let (What::Node { body: Some((op, record)), inputs, shares }, Some(name)) = (&entry.what, &entry.name) else {
            return;
        };
        if !record.ok || RESERVED.contains(&name.value.as_str()) {
            return;
        }
        diagnostics.set_place(self.expansion.place(at - self.n_inputs));
        let mut operands: Vec<NodeId> = Vec::new();
        for operand in inputs {
            let Some(found) = &operand.found else { return };
            let Some(node) = self.built(found, builder) else {
                self.report_parameter(found, &operand.span, builder, diagnostics);
                return;
            };
            operands.push(node);
        }
        let owner = match shares.as_ref().and_then(|shares| shares.found.as_ref()) {
            Some(found) => {
                let Entry { name, nodes, owner, .. } = &self.entries[found.entry];
                let Some(name) = name.as_ref().filter(|_| !nodes.is_empty()) else { return };
                Some(owner.clone().unwrap_or(name.value.clone()))
            }
            None => None,
        };
        builder.set_line(diagnostics.line(name.span.start) as u32);
        builder.set_position(at - self.n_inputs);
        let is_trained = record.bool("trainable").unwrap_or(true);
        builder.set_trainable(is_trained);
        let n_frozen = builder.frozen().len();
        let built = builder.sharing(owner.as_deref(), |builder| op.build(builder, &name.value, record, &operands));
        builder.set_trainable(true);
        match built {
            Ok(_) if !is_trained && builder.frozen().len() == n_frozen => {
                let message = format!("`{}` has no parameters that could be trained", shown(&name.value));
                let label = "expected this at a node with parameters";
                diagnostics.push(Diagnostic::new(message, record.span_of("trainable"), label));
            }
            Ok(nodes) => (self.entries[at].nodes, self.entries[at].owner) = (nodes, owner),
            Err(error) => {
                let named: Vec<(Span, NodeId)> =
                    inputs.iter().map(|operand| self.defined_at(operand)).zip(operands).collect();
                diagnostics.push(does_not_fit(&error, record.span_of("op"), &named, builder));
            }
        }
    }
}

/// The op of a node and its fields.
fn read_body<'a>(
    what: &str,
    members: &'a [Member],
    json: &'a Json,
    blocks: &Blocks<'_>,
    diagnostics: &mut Diagnostics,
) -> Option<(&'static NodeOp, Record<'a>)> {
    let op = members.iter().find(|member| member.key.value == "op").map(|member| &member.value);
    let Some(JsonValue::String(name)) = op.map(|op| &op.value) else {
        read_known(what, &[NODE.fields], json, diagnostics);
        return None;
    };
    let Some(found) = NODE_OPS.iter().find(|op| op.section.name == name) else {
        let names = || NODE_OPS.iter().map(|op| op.section.name);
        let span = op.map_or(json.span.clone(), |op| op.span.clone());
        let layers = list(LayerInfo::ALL.iter().map(|layer| layer.name));
        let label = format!("expected a layer ({layers}) or an operation (`graphc schema` has all)");
        let close = diagnostics.closest(name, names());
        let message = format!("unknown op `{}`", shown(name));
        let diagnostic = Diagnostic::new(message, span, label);
        diagnostics.push(match blocks.contains_key(name.as_str()) {
            true => diagnostic.help(format!("to use the block, write `\"block\": \"{}\"`", shown(name))),
            false => diagnostic.did_you_mean(close),
        });
        read_known(what, &[NODE.fields], json, diagnostics);
        return None;
    };
    let record = read(what, &[NODE.fields, found.section.fields], json, diagnostics)?;
    Some((found, record))
}
