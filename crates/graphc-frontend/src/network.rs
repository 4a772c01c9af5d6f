//! From `inputs` and `nodes` to a graph: names, order, types.
//!
//! A node that is wrong is reported once; what reads it is left unbuilt in silence.

use crate::diagnostic::{Diagnostic, Diagnostics, Span};
use crate::fields::{INPUT, NODE};
use crate::json::{Json, JsonValue, Member, Spanned};
use crate::limits::{MAX_NAME_CHARS, MAX_NOTES};
use crate::misfit::does_not_fit;
use crate::node_ops::{Inputs, NODE_OPS, NodeOp};
use crate::read::{Record, is_name, list, read, read_known, wrong_kind};
use graphc_ir::Dim;
use graphc_ir::graph::NodeId;
use graphc_ir::graph::builder::{GraphBuilder, STEP_INPUT};
use graphc_ir::layers::LayerInfo;
use graphc_ir::text::shown;
use std::collections::{BTreeSet, HashMap};

/// Names that the training step uses itself.
const RESERVED: &[&str] = &["loss", "accuracy", "learning_rate", STEP_INPUT];

/// An input or node of the file.
#[derive(Debug)]
struct Entry<'a> {
    /// `None` if it has no usable name.
    name: Option<Spanned<String>>,
    what: What<'a>,
    /// Its results, once built.
    nodes: Vec<NodeId>,
}

#[derive(Debug)]
enum What<'a> {
    Input,
    Node {
        /// `None` if it is wrong.
        body: Option<(&'static NodeOp, Record<'a>)>,
        inputs: Vec<Operand>,
    },
}

/// What a node reads.
#[derive(Debug)]
struct Operand {
    /// Position among the entries, and which of its results; `None` if there is no such name.
    entry: Option<(usize, usize)>,
    /// Where it is named, or the node itself.
    span: Span,
}

/// Inputs and nodes by name.
#[derive(Debug)]
pub(crate) struct Network<'a> {
    entries: Vec<Entry<'a>>,
    /// Positions of entries, and which of their results it is.
    by_name: HashMap<String, (usize, usize)>,
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
        nodes: &'a [Json],
        builder: &mut GraphBuilder,
        diagnostics: &mut Diagnostics,
    ) -> Network<'a> {
        let mut network = Network { entries: Vec::new(), by_name: HashMap::new() };
        for member in inputs {
            network.add_input(member, builder, diagnostics);
        }
        for (position, json) in nodes.iter().enumerate() {
            network.add_node(position, json, diagnostics);
        }
        network.resolve(nodes, inputs.len(), diagnostics);
        let order = network.order(diagnostics);
        for entry in order {
            network.build(entry, inputs.len(), builder, diagnostics);
        }
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

    /// Nodes that no other node reads, in file order.
    pub(crate) fn unread_nodes(&self) -> Vec<NodeId> {
        let mut read = BTreeSet::new();
        for entry in &self.entries {
            if let What::Node { inputs, .. } = &entry.what {
                read.extend(inputs.iter().filter_map(|operand| operand.entry));
            }
        }
        let nodes = self.entries.iter().enumerate().filter(|(_, entry)| matches!(entry.what, What::Node { .. }));
        let results = nodes.flat_map(|(position, entry)| {
            entry.nodes.iter().enumerate().map(move |(result, &node)| ((position, result), node))
        });
        results.filter(|(result, _)| !read.contains(result)).map(|(_, node)| node).collect()
    }

    /// The input or node that `name` refers to; reported if there is none.
    pub(crate) fn find(&self, name: &Spanned<String>, diagnostics: &mut Diagnostics) -> Option<Target> {
        let (entry, result) = self.lookup(name, diagnostics)?;
        let entry = &self.entries[entry];
        let span = entry.name.as_ref().map_or(name.span.clone(), |name| name.span.clone());
        Some(Target { node: entry.nodes.get(result).copied(), span, is_input: matches!(entry.what, What::Input) })
    }

    fn lookup(&self, name: &Spanned<String>, diagnostics: &mut Diagnostics) -> Option<(usize, usize)> {
        let found = self.by_name.get(&name.value).copied();
        if let Some(n) = found.map(|(entry, _)| self.n_results(entry)).filter(|&n| n > 1)
            && !name.value.contains('.')
        {
            let message = format!("`{}` has {n} results", shown(&name.value));
            let label = format!("expected one of them: {}", in_words(&name.value, n));
            diagnostics.push(Diagnostic::new(message, name.span.clone(), label));
            return None;
        }
        let whole = name.value.split_once('.').and_then(|(base, _)| Some((base, self.by_name.get(base)?.0)));
        if found.is_none()
            && let Some((base, entry)) = whole
        {
            if let What::Node { body, .. } = &self.entries[entry].what
                && !body.as_ref().is_some_and(|(_, record)| record.ok)
            {
                return None;
            }
            let message = format!("there is no result `{}`", shown(&name.value));
            let label = format!("expected {}", in_words(base, self.n_results(entry)));
            diagnostics.push(Diagnostic::new(message, name.span.clone(), label));
        } else if found.is_none() {
            let message = format!("there is no input or node called `{}`", shown(&name.value));
            let known = self.entries.iter().filter_map(|entry| entry.name.as_ref()).map(|name| name.value.as_str());
            let close = diagnostics.closest(&name.value, known);
            let label = "expected the name of an input or node";
            diagnostics.push(Diagnostic::new(message, name.span.clone(), label).did_you_mean(close));
        }
        found
    }

    /// How many results an entry has.
    fn n_results(&self, entry: usize) -> usize {
        match &self.entries[entry].what {
            What::Node { body: Some((op, record)), .. } => op.n_results(record),
            What::Node { body: None, .. } | What::Input => 1,
        }
    }

    /// The node of a result, once it is built.
    fn result(&self, (entry, result): (usize, usize)) -> Option<NodeId> {
        self.entries[entry].nodes.get(result).copied()
    }

    /// Enters a name, unless it is not acceptable or taken.
    fn enter(&mut self, name: Spanned<String>, what: What<'a>, diagnostics: &mut Diagnostics) -> bool {
        let position = self.entries.len();
        let mut ok = false;
        if RESERVED.contains(&name.value.as_str()) {
            let label = "expected another name; the training step uses this one";
            diagnostics.push(Diagnostic::new(
                format!("the name `{}` is reserved", name.value),
                name.span.clone(),
                label,
            ));
        } else if let Some(&(first, _)) = self.by_name.get(&name.value) {
            let first = self.entries[first].name.as_ref().map_or(0..0, |name| name.span.clone());
            let message = format!("the name `{}` is used twice", shown(&name.value));
            diagnostics.push(
                Diagnostic::new(message, name.span.clone(), "expected another name").note(first, "first used here"),
            );
            self.entries.push(Entry { name: None, what, nodes: Vec::new() });
            return false;
        } else {
            ok = true;
        }
        self.by_name.insert(name.value.clone(), (position, 0));
        let base = name.value.clone();
        self.entries.push(Entry { name: Some(name), what, nodes: Vec::new() });
        if let n @ 2.. = self.n_results(position) {
            // No name of a node has a dot.
            let results = (0..n).map(|result| (format!("{base}.{result}"), (position, result)));
            self.by_name.extend(results);
        }
        ok
    }

    fn add_input(&mut self, member: &'a Member, builder: &mut GraphBuilder, diagnostics: &mut Diagnostics) {
        let name = member.key.value.as_str();
        let mut ok = is_name(name);
        if !ok {
            let label = match name.chars().nth(MAX_NAME_CHARS) {
                Some(_) => format!("expected at most {MAX_NAME_CHARS} characters"),
                None => "expected letters, digits and `_`, not starting with a digit".into(),
            };
            let message = format!("`{}` is not a name", shown(name));
            diagnostics.push(Diagnostic::new(message, member.key.span.clone(), label));
        }
        ok &= self.enter(member.key.clone(), What::Input, diagnostics);
        let record = read(&format!("input `{}`", shown(name)), &[INPUT.fields], &member.value, diagnostics);
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

    fn add_node(&mut self, position: usize, json: &'a Json, diagnostics: &mut Diagnostics) {
        let JsonValue::Object(members) = &json.value else {
            wrong_kind(&format!("node {}", position + 1), "an object", json, diagnostics);
            self.entries.push(Entry {
                name: None,
                what: What::Node { body: None, inputs: Vec::new() },
                nodes: Vec::new(),
            });
            return;
        };
        let name =
            members.iter().find(|member| member.key.value == "name").and_then(|member| match &member.value.value {
                JsonValue::String(name) => Some(Spanned { value: name.clone(), span: member.value.span.clone() }),
                _ => None,
            });
        let what =
            name.as_ref().map_or(format!("node {}", position + 1), |name| format!("node `{}`", shown(&name.value)));
        let body = read_body(&what, members, json, diagnostics);
        let what = What::Node { body, inputs: Vec::new() };
        match name {
            Some(name) => {
                self.enter(name, what, diagnostics);
            }
            None => self.entries.push(Entry { name: None, what, nodes: Vec::new() }),
        }
    }

    /// Finds what every node reads.
    fn resolve(&mut self, nodes: &'a [Json], n_inputs: usize, diagnostics: &mut Diagnostics) {
        for (position, json) in nodes.iter().enumerate() {
            let at = n_inputs + position;
            let What::Node { body, .. } = &self.entries[at].what else { continue };
            let Some((op, record)) = body else { continue };
            let span = self.entries[at].name.as_ref().map_or(json.span.clone(), |name| name.span.clone());
            let names = record.names("inputs");
            let operands: Option<Vec<Operand>> = match &names {
                Some(names) => Some(
                    names
                        .iter()
                        .map(|name| Operand { entry: self.lookup(name, diagnostics), span: name.span.clone() })
                        .collect(),
                ),
                None if record.is_refused("inputs") => None,
                None if op.n_inputs() == Inputs::Exactly(0) => Some(Vec::new()),
                None if position > 0 => {
                    let n = self.n_results(at - 1);
                    let before = self.entries[at - 1].name.as_ref().map_or("", |name| name.value.as_str());
                    if n > 1 {
                        let message =
                            format!("a node without `inputs` reads the one before it, but that has {n} results");
                        let label = format!("expected `inputs`, such as {}", in_words(before, n));
                        diagnostics.push(Diagnostic::new(message, span.clone(), label));
                    }
                    (n == 1).then(|| vec![Operand { entry: Some((at - 1, 0)), span: span.clone() }])
                }
                None => {
                    let label = format!("expected `inputs`, such as {}", list(self.input_names().into_iter().take(1)));
                    diagnostics.push(Diagnostic::new("the first node must say what it reads", span.clone(), label));
                    None
                }
            };
            let operands = operands.filter(|operands| {
                let fits = op.n_inputs().contains(operands.len());
                if !fits {
                    let (expected, got) = (op.n_inputs().in_words(), operands.len());
                    let span = names.as_ref().map_or(span.clone(), |_| record.span_of("inputs"));
                    let message = format!("`{}` reads {expected}, got {got}", op.section.name);
                    diagnostics.push(Diagnostic::new(message, span, format!("expected {expected}")));
                }
                fits
            });
            if let What::Node { body, inputs } = &mut self.entries[at].what {
                match operands {
                    Some(operands) => *inputs = operands,
                    None => *body = None,
                }
            }
        }
    }

    /// Positions in an order in which operands come first, otherwise in file order. Nodes on a
    /// cycle, which is reported, and their readers are left out.
    fn order(&self, diagnostics: &mut Diagnostics) -> Vec<usize> {
        let operands = |at: usize| match &self.entries[at].what {
            What::Input => Vec::new(),
            What::Node { inputs, .. } => {
                inputs.iter().filter_map(|operand| operand.entry.map(|(entry, _)| entry)).collect()
            }
        };
        let mut waiting: Vec<BTreeSet<usize>> =
            (0..self.entries.len()).map(|at| operands(at).into_iter().collect()).collect();
        let mut readers: Vec<Vec<usize>> = vec![Vec::new(); self.entries.len()];
        for (at, operands) in waiting.iter().enumerate() {
            operands.iter().for_each(|&operand| readers[operand].push(at));
        }
        let mut ready: BTreeSet<usize> = (0..self.entries.len()).filter(|&at| waiting[at].is_empty()).collect();
        let mut order = Vec::new();
        while let Some(at) = ready.pop_first() {
            order.push(at);
            for &reader in &readers[at] {
                waiting[reader].remove(&at);
                if waiting[reader].is_empty() {
                    ready.insert(reader);
                }
            }
        }
        self.report_cycles(&waiting, diagnostics);
        order
    }

    /// Every node that still waits for another is on a cycle or reads one; follows the first
    /// operand that waits until a node comes up again.
    fn report_cycles(&self, waiting: &[BTreeSet<usize>], diagnostics: &mut Diagnostics) {
        let mut seen = vec![false; waiting.len()];
        for start in 0..waiting.len() {
            let mut path: Vec<usize> = Vec::new();
            let mut at = start;
            while !seen[at]
                && let Some(&next) = waiting[at].first()
            {
                seen[at] = true;
                path.push(at);
                at = next;
            }
            if let Some(first) = path.iter().position(|&node| node == at) {
                self.report_cycle(&path[first..], diagnostics);
            }
        }
    }

    /// `cycle[i]` reads `cycle[i + 1]`, the last the first.
    fn report_cycle(&self, cycle: &[usize], diagnostics: &mut Diagnostics) {
        let smallest = (0..cycle.len()).min_by_key(|&i| cycle[i]).unwrap_or(0);
        let cycle: Vec<usize> = (0..=cycle.len()).map(|i| cycle[(smallest + i) % cycle.len()]).collect();
        let name = |at: usize| self.entries[at].name.as_ref().map_or("(unnamed)", |name| name.value.as_str());
        // A long cycle is shown as its beginning and its end.
        let steps: Vec<usize> = match cycle.len().checked_sub(MAX_NOTES + 1) {
            Some(more) if more > 0 => [&cycle[..MAX_NOTES], &cycle[cycle.len() - 1..]].concat(),
            _ => cycle.clone(),
        };
        let mut path: Vec<String> = steps.iter().map(|&at| format!("`{}`", shown(name(at)))).collect();
        if steps.len() < cycle.len() {
            path.insert(MAX_NOTES, format!("({} more)", cycle.len() - steps.len()));
        }
        let message = format!("these nodes read each other in a cycle: {}", path.join(" reads "));
        let read_at = |reader: usize, operand: usize| match &self.entries[reader].what {
            What::Node { inputs, .. } => {
                let reads = |input: &&Operand| input.entry.is_some_and(|(entry, _)| entry == operand);
                inputs.iter().find(reads).map_or(0..0, |input| input.span.clone())
            }
            What::Input => 0..0,
        };
        let label = |pair: &[usize]| format!("`{}` reads `{}`", shown(name(pair[0])), shown(name(pair[1])));
        let mut pairs = cycle.windows(2).take(MAX_NOTES);
        let Some(first) = pairs.next() else { return };
        let mut diagnostic = Diagnostic::new(message, read_at(first[0], first[1]), label(first));
        for pair in pairs {
            diagnostic = diagnostic.note(read_at(pair[0], pair[1]), label(pair));
        }
        diagnostics.push(diagnostic);
    }

    /// Builds one node if it and everything it reads is sound.
    fn build(&mut self, at: usize, n_inputs: usize, builder: &mut GraphBuilder, diagnostics: &mut Diagnostics) {
        let entry = &self.entries[at];
        let (What::Node { body: Some((op, record)), inputs }, Some(name)) = (&entry.what, &entry.name) else { return };
        let operands: Option<Vec<NodeId>> =
            inputs.iter().map(|operand| operand.entry.and_then(|entry| self.result(entry))).collect();
        let Some(operands) = operands.filter(|_| record.ok && !RESERVED.contains(&name.value.as_str())) else { return };
        builder.set_line(diagnostics.line(name.span.start) as u32);
        builder.set_position(at - n_inputs);
        let is_trained = record.bool("trainable").unwrap_or(true);
        builder.set_trainable(is_trained);
        let n_frozen = builder.frozen().len();
        let built = op.build(builder, &name.value, record, &operands);
        builder.set_trainable(true);
        match built {
            Ok(_) if !is_trained && builder.frozen().len() == n_frozen => {
                let message = format!("`{}` has no parameters that could be trained", shown(&name.value));
                let label = "expected this at a node with parameters";
                diagnostics.push(Diagnostic::new(message, record.span_of("trainable"), label));
            }
            Ok(nodes) => self.entries[at].nodes = nodes,
            Err(error) => {
                let named: Vec<(Span, NodeId)> =
                    inputs.iter().map(|operand| self.defined_at(operand)).zip(operands).collect();
                diagnostics.push(does_not_fit(&error, record.span_of("op"), &named, builder));
            }
        }
    }

    /// Where the operand gets its name.
    fn defined_at(&self, operand: &Operand) -> Span {
        let name = operand.entry.and_then(|(entry, _)| self.entries[entry].name.as_ref());
        name.map_or(operand.span.clone(), |name| name.span.clone())
    }
}

/// The names of a node's results.
fn in_words(node: &str, n_results: usize) -> String {
    let name = shown(node);
    match n_results {
        1 => format!("`{name}`"),
        2 => format!("`{name}.0` or `{name}.1`"),
        n => format!("`{name}.0` to `{name}.{}`", n - 1),
    }
}

/// The op of a node and its fields.
fn read_body<'a>(
    what: &str,
    members: &'a [Member],
    json: &'a Json,
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
        diagnostics.push(Diagnostic::new(message, span, label).did_you_mean(close));
        read_known(what, &[NODE.fields], json, diagnostics);
        return None;
    };
    let record = read(what, &[NODE.fields, found.section.fields], json, diagnostics)?;
    Some((found, record))
}
