//! From `inputs` and the nodes with blocks written out to a graph: names, order, types.
//!
//! A node that is wrong is reported once; what reads it is left unbuilt in silence.

use crate::blocks::{Blocks, Environment, Values};
use crate::diagnostic::{Diagnostic, Diagnostics, Span};
use crate::expand::{Copy, Expansion, Feed, Is, Item, Scope};
use crate::fields::{INPUT, NODE};
use crate::json::{Json, JsonValue, Member, Spanned};
use crate::limits::{MAX_NAME_CHARS, MAX_NOTES};
use crate::misfit::does_not_fit;
use crate::node_ops::{Inputs, NODE_OPS, NodeOp};
use crate::read::{Record, is_name, list, read, read_known, wrong_kind};
use crate::summary::Part;
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

    /// The input or node that `name` refers to; reported if there is none.
    pub(crate) fn find(&self, name: &Spanned<String>, diagnostics: &mut Diagnostics) -> Option<Target> {
        let named = self.lookup(0, name, diagnostics)?;
        let span = self.entries[named.entry].name.as_ref().map_or(name.span.clone(), |name| name.span.clone());
        let (entry, result) = match self.follow(named) {
            Some(Found { entry, part: Piece::Result(result) }) => (&self.entries[entry], result),
            Some(Found { part: Piece::Parameter(_), .. }) => {
                let message = format!("`{}` is a parameter", shown(&name.value));
                diagnostics.push(Diagnostic::new(message, name.span.clone(), "expected the name of an input or node"));
                return None;
            }
            None => return Some(Target { node: None, span, is_input: false }),
        };
        Some(Target { node: entry.nodes.get(result).copied(), span, is_input: matches!(entry.what, What::Input) })
    }

    /// What a name of that scope refers to; reported if there is nothing.
    fn lookup(&self, scope: usize, name: &Spanned<String>, diagnostics: &mut Diagnostics) -> Option<Found> {
        let copy = self.expansion.scopes[scope].copy.as_ref();
        if let Some(&position) = copy.and_then(|copy| copy.block.inputs.get(&name.value)) {
            return self.reads[scope][position].clone();
        }
        let full = format!("{}{}", self.expansion.scopes[scope].prefix, name.value);
        match self.by_name.get(&full) {
            Some(&(entry, Some(result))) => Some(Found::result(entry, result)),
            Some(&(entry, None)) => {
                let n = self.n_results(entry);
                if n > 1 {
                    let message = format!("`{}` has {n} results", shown(&name.value));
                    let label = format!("expected one of them: {}", self.results_in_words(entry, &name.value));
                    diagnostics.push(Diagnostic::new(message, name.span.clone(), label));
                }
                (n == 1).then(|| Found::result(entry, 0))
            }
            None => {
                let parameter = self.parameter(&full);
                if parameter.is_none() {
                    self.report_unknown(scope, name, &full, diagnostics);
                }
                parameter
            }
        }
    }

    /// The parameter of a layer that a name with those of the uses around it may be.
    fn parameter(&self, full: &str) -> Option<Found> {
        let (layer, weight) = full.rsplit_once('.').filter(|(_, weight)| is_name(weight))?;
        let &(entry, None) = self.by_name.get(layer)? else { return None };
        match &self.entries[entry].what {
            What::Node { body: Some((op, record)), .. } if op.is_layer() && record.ok => {
                Some(Found { entry, part: Piece::Parameter(weight.to_string()) })
            }
            _ => None,
        }
    }

    /// Reports that there is nothing of that name, unless it would be a part of what is wrong itself.
    fn report_unknown(&self, scope: usize, name: &Spanned<String>, full: &str, diagnostics: &mut Diagnostics) {
        let prefix = &self.expansion.scopes[scope].prefix;
        let whole = full.rsplit_once('.').and_then(|(base, _)| Some((base, self.by_name.get(base)?.0)));
        match whole.map(|(base, entry)| (base, entry, &self.entries[entry].what)) {
            Some((_, _, What::Node { body, .. })) if !body.as_ref().is_some_and(|(_, record)| record.ok) => {}
            Some((base, entry, what)) if !matches!(what, What::Use { .. }) || !is_name(last_of(full)) => {
                let message = format!("there is no result `{}`", shown(&name.value));
                let base = base.strip_prefix(prefix.as_str()).unwrap_or(base);
                let label = format!("expected {}", self.parts_in_words(entry, base));
                diagnostics.push(Diagnostic::new(message, name.span.clone(), label));
            }
            _ => {
                let known = self.entries.iter().filter_map(|entry| entry.name.as_ref()?.value.strip_prefix(prefix));
                let copy = self.expansion.scopes[scope].copy.as_ref();
                let inputs = copy.iter().flat_map(|copy| copy.block.inputs.keys().map(String::as_str));
                let close = diagnostics.closest(&name.value, inputs.chain(known));
                let (what, label) = match copy {
                    Some(copy) => (
                        format!("input or node of block `{}`", copy.block.name),
                        "expected the name of an input or node of the block",
                    ),
                    None => ("input or node".to_string(), "expected the name of an input or node"),
                };
                let message = format!("there is no {what} called `{}`", shown(&name.value));
                diagnostics.push(Diagnostic::new(message, name.span.clone(), label).did_you_mean(close));
            }
        }
    }

    /// How many results an entry has.
    fn n_results(&self, entry: usize) -> usize {
        match &self.entries[entry].what {
            What::Node { body: Some((op, record)), .. } => op.n_results(record),
            What::Node { body: None, .. } | What::Input => 1,
            What::Use { outputs } => outputs.len(),
        }
    }

    /// The names of an entry's results, which is called `name`; those of copies are the last one's.
    fn results_in_words(&self, entry: usize, name: &str) -> String {
        match self.n_copies(entry) {
            Some(n) => in_words(&format!("{name}.{}", n - 1), self.n_results(entry)),
            None => in_words(name, self.n_results(entry)),
        }
    }

    /// The names of copies, or else of results, of an entry which is called `name`.
    fn parts_in_words(&self, entry: usize, name: &str) -> String {
        match self.n_copies(entry) {
            Some(1) => format!("`{name}.0`"),
            n => in_words(name, n.unwrap_or_else(|| self.n_results(entry))),
        }
    }

    /// How many copies an entry stands for, if it does.
    fn n_copies(&self, entry: usize) -> Option<usize> {
        let Is::Copies { last } = self.expansion.items[entry.checked_sub(self.n_inputs)?].is else { return None };
        let Is::Use { inner } = self.expansion.items[last].is else { return None };
        self.expansion.scopes[inner].copy.as_ref()?.of.map(|[_, n]| n)
    }

    /// What a result of a use is, an input or a part of a node; `None` if it is wrong.
    fn follow(&self, found: Found) -> Option<Found> {
        let mut found = found;
        while let (What::Use { outputs }, Piece::Result(result)) = (&self.entries[found.entry].what, &found.part) {
            found = outputs.get(*result)?.clone()?;
        }
        Some(found)
    }

    /// The node that was found, once it is built.
    fn built(&self, found: &Found, builder: &GraphBuilder) -> Option<NodeId> {
        let Found { entry, part } = found;
        match part {
            Piece::Result(result) => self.entries[*entry].nodes.get(*result).copied(),
            Piece::Parameter(weight) => {
                let Entry { name, owner, .. } = &self.entries[*entry];
                let layer = owner.as_ref().or(name.as_ref().map(|name| &name.value))?;
                builder.find_parameter(layer, weight)
            }
        }
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
            diagnostics.push(used_twice(&name, first));
            self.entries.push(Entry { name: None, what, nodes: Vec::new(), owner: None });
            return false;
        } else {
            ok = true;
        }
        self.by_name.insert(name.value.clone(), (position, None));
        let base = name.value.clone();
        self.entries.push(Entry { name: Some(name), what, nodes: Vec::new(), owner: None });
        let is_copies = position.checked_sub(self.n_inputs).is_some_and(|item| {
            // Their numbers are those of the copies.
            matches!(self.expansion.items.get(item).map(|item| &item.is), Some(Is::Copies { .. }))
        });
        if let n @ 2.. = self.n_results(position)
            && !is_copies
        {
            // No name in a file has a dot.
            let results = (0..n).map(|result| (format!("{base}.{result}"), (position, Some(result))));
            self.by_name.extend(results);
        }
        ok
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

    /// Finds what every block reads, and what the results of its uses are.
    fn resolve_uses(&mut self, diagnostics: &mut Diagnostics) {
        let expansion = self.expansion;
        for scope in &expansion.scopes {
            let Some(copy) = &scope.copy else {
                self.reads.push(Vec::new());
                self.owners.push(None);
                continue;
            };
            diagnostics.set_place(expansion.place(copy.item));
            let reads = self.reads_of(copy, scope.parent, diagnostics);
            self.reads.push(reads);
            let owner = self.owner_of(scope, copy, diagnostics);
            self.owners.push(owner);
        }
        for (inner, scope) in expansion.scopes.iter().enumerate() {
            let Some(copy) = &scope.copy else { continue };
            diagnostics.set_place(expansion.place(copy.item));
            let found = copy.block.outputs.iter().map(|output| self.lookup(inner, output, diagnostics)).collect();
            if let What::Use { outputs } = &mut self.entries[self.n_inputs + copy.item].what {
                *outputs = found;
            }
        }
    }

    /// What a copy of a block reads that is used in the scope `outer`.
    fn reads_of(&self, copy: &Copy<'_>, outer: usize, diagnostics: &mut Diagnostics) -> Vec<Option<Found>> {
        let n = copy.block.inputs.len();
        match &copy.feed {
            Feed::Names(names) => names.iter().map(|name| self.lookup(outer, name, diagnostics)).collect(),
            Feed::Copy { scope } => {
                let before = self.expansion.scopes[*scope].copy.as_ref();
                let (entry, n_results) =
                    before.map_or((0, 0), |copy| (self.n_inputs + copy.item, copy.block.outputs.len()));
                let reads = self.reads[*scope].iter().enumerate();
                reads
                    .map(|(k, read)| if k < n_results { Some(Found::result(entry, k)) } else { read.clone() })
                    .collect()
            }
            Feed::Before if n == 1 => {
                let item = &self.expansion.items[copy.item];
                let span = item.name.as_ref().map_or(item.json.span.clone(), |name| name.span.clone());
                vec![self.before(item, &span, diagnostics)]
            }
            Feed::Before => {
                if n > 1 {
                    let item = &self.expansion.items[copy.item];
                    let span = item.name.as_ref().map_or(item.json.span.clone(), |name| name.span.clone());
                    let message = format!("block `{}` reads {n} inputs, so its uses must say which", copy.block.name);
                    diagnostics.push(Diagnostic::new(message, span, "expected `inputs`"));
                }
                vec![None; n]
            }
        }
    }

    /// What an item reads that does not say it: what stands before it, or else what its block reads; reported if that is
    /// not one.
    fn before(&self, item: &Item<'_>, span: &Span, diagnostics: &mut Diagnostics) -> Option<Found> {
        let scope = &self.expansion.scopes[item.scope];
        let reads = scope.copy.as_ref().map(|copy| &copy.block.inputs);
        let Some(before) = item.before else {
            if let (Some(inputs), [only]) = (&reads, self.reads[item.scope].as_slice()) {
                debug_assert_eq!(inputs.len(), 1);
                return only.clone();
            }
            let (first, what) = match reads {
                Some(inputs) => (list(inputs.keys().map(String::as_str).take(1)), "the first node of a block"),
                None => (list(self.input_names().into_iter().take(1)), "the first node"),
            };
            let label = match first.as_str() {
                "" => "expected `inputs`".to_string(),
                first => format!("expected `inputs`, such as {first}"),
            };
            diagnostics.push(Diagnostic::new(format!("{what} must say what it reads"), span.clone(), label));
            return None;
        };
        let entry = self.n_inputs + before;
        let n = self.n_results(entry);
        if n > 1 {
            let name = self.entries[entry].name.as_ref().map_or("", |name| name.value.as_str());
            let name = name.strip_prefix(scope.prefix.as_str()).unwrap_or(name);
            let message = format!("a node without `inputs` reads the one before it, but that has {n} results");
            let label = format!("expected `inputs`, such as {}", self.results_in_words(entry, name));
            diagnostics.push(Diagnostic::new(message, span.clone(), label));
        }
        (n == 1).then(|| Found::result(entry, 0))
    }

    /// What stands before the names of the nodes whose parameters those of a copy have.
    fn owner_of(&self, scope: &Scope<'_>, copy: &Copy<'_>, diagnostics: &mut Diagnostics) -> Option<String> {
        let outer = &self.expansion.scopes[scope.parent].prefix;
        let Some(shares) = &copy.shares else {
            // Shared with all that is in the use around it.
            let owner = self.owners[scope.parent].as_ref()?;
            return Some(format!("{owner}{}", scope.prefix.strip_prefix(outer.as_str())?));
        };
        let full = format!("{outer}{}", shares.value);
        let found = self.by_name.get(&full).and_then(|&(entry, _)| entry.checked_sub(self.n_inputs));
        let copy_at = |item: usize| match self.expansion.items[item].is {
            Is::Use { inner } => self.expansion.scopes[inner].copy.as_ref(),
            _ => None,
        };
        let (owner, infix) = match found.map(|item| (item, &self.expansion.items[item].is)) {
            Some((_, Is::Wrong)) => return None,
            Some((item, Is::Use { .. })) => (copy_at(item), String::new()),
            Some((_, Is::Copies { last })) => {
                let owner = copy_at(*last).filter(|owner| owner.of.map(|[_, n]| n) == copy.of.map(|[_, n]| n));
                (owner, copy.of.map_or(String::new(), |[number, _]| format!("{number}.")))
            }
            Some((_, Is::Node)) | None => (None, String::new()),
        };
        match owner {
            Some(owner) if owner.block.name == copy.block.name => Some(format!("{full}.{infix}")),
            // The copies after the first are wrong with it.
            _ if copy.of.is_some_and(|[number, _]| number > 0) => None,
            _ => {
                let block = copy.block.name;
                let message = format!("`{}` has no parameters for this use of block `{block}`", shown(&shares.value));
                let label = match copy.of {
                    Some([_, n]) => format!("expected a use of block `{block}`, or one of {n} copies"),
                    None => format!("expected another use of block `{block}`"),
                };
                diagnostics.push(Diagnostic::new(message, shares.span.clone(), label));
                None
            }
        }
    }

    /// The node whose parameters a layer has, if not its own.
    fn shares_of(&self, at: usize, item: &Item<'_>, diagnostics: &mut Diagnostics) -> Option<Operand> {
        let What::Node { body: Some((op, record)), .. } = &self.entries[at].what else { return None };
        let Some(name) = record.names("shares").and_then(|names| names.into_iter().next()) else {
            let owner = self.owners[item.scope].as_ref().filter(|_| op.is_layer())?;
            let Spanned { value, span } = item.name.as_ref()?;
            let local = value.strip_prefix(self.expansion.scopes[item.scope].prefix.as_str())?;
            let &(entry, _) = self.by_name.get(&format!("{owner}{local}"))?;
            return Some(Operand { found: Some(Found::result(entry, 0)), span: span.clone() });
        };
        let found = self.lookup(item.scope, &name, diagnostics)?;
        let fits = match &self.entries[found.entry].what {
            What::Node { body: Some((other, _)), .. } => other.section.name == op.section.name && op.is_layer(),
            // That is wrong has been reported.
            What::Node { body: None, .. } => return None,
            What::Input | What::Use { .. } => false,
        };
        if !fits || found.entry == at {
            let op = op.section.name;
            let message = format!("`{}` has no parameters for this `{op}`", shown(&name.value));
            diagnostics.push(Diagnostic::new(message, name.span.clone(), format!("expected another layer `{op}`")));
            return None;
        }
        Some(Operand { found: Some(found), span: name.span })
    }

    /// Finds what every node reads.
    fn resolve(&mut self, diagnostics: &mut Diagnostics) {
        let expansion = self.expansion;
        for (number, item) in expansion.items.iter().enumerate() {
            let at = self.n_inputs + number;
            let What::Node { body: Some((op, record)), .. } = &self.entries[at].what else { continue };
            diagnostics.set_place(expansion.place(number));
            let span = self.entries[at].name.as_ref().map_or(item.json.span.clone(), |name| name.span.clone());
            let names = record.names("inputs");
            let operand = |found: Option<Found>, span: &Span| Operand {
                found: found.and_then(|found| self.follow(found)),
                span: span.clone(),
            };
            let shared = self.shares_of(at, item, diagnostics);
            let operands: Option<Vec<Operand>> = match &names {
                Some(names) => {
                    let found = names.iter().map(|name| (self.lookup(item.scope, name, diagnostics), &name.span));
                    let found: Vec<_> = found.collect();
                    Some(found.into_iter().map(|(entry, span)| operand(entry, span)).collect())
                }
                None if record.is_refused("inputs") => None,
                None if op.n_inputs() == Inputs::Exactly(0) => Some(Vec::new()),
                None => {
                    let before = self.before(item, &span, diagnostics);
                    before.map(|before| vec![operand(Some(before), &span)])
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
            let is_alone = shared.is_none() && record.json("shares").is_some();
            if let What::Node { body, inputs, shares } = &mut self.entries[at].what {
                match operands {
                    Some(operands) if !is_alone => (*inputs, *shares) = (operands, shared),
                    _ => *body = None,
                }
            }
        }
    }

    /// Positions in an order in which operands come first, otherwise in file order. Nodes on a
    /// cycle, which is reported, and their readers are left out.
    fn order(&self, diagnostics: &mut Diagnostics) -> Vec<usize> {
        let operands = |at: usize| match &self.entries[at].what {
            What::Input | What::Use { .. } => Vec::new(),
            What::Node { inputs, shares, .. } => {
                inputs.iter().chain(shares).filter_map(|operand| Some(operand.found.as_ref()?.entry)).collect()
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
            What::Node { inputs, shares, .. } => {
                let reads = |input: &&Operand| input.found.as_ref().is_some_and(|found| found.entry == operand);
                inputs.iter().chain(shares).find(reads).map_or(0..0, |input| input.span.clone())
            }
            What::Input | What::Use { .. } => 0..0,
        };
        let label = |pair: &[usize]| format!("`{}` reads `{}`", shown(name(pair[0])), shown(name(pair[1])));
        let mut pairs = cycle.windows(2).take(MAX_NOTES);
        let Some(first) = pairs.next() else { return };
        let mut diagnostic = Diagnostic::new(message, read_at(first[0], first[1]), label(first));
        for pair in pairs {
            diagnostic = diagnostic.note(read_at(pair[0], pair[1]), label(pair));
        }
        diagnostics.set_place(first[0].checked_sub(self.n_inputs).and_then(|item| self.expansion.place(item)));
        diagnostics.push(diagnostic);
        diagnostics.set_place(None);
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
        let built = builder.sharing(owner.as_deref(), |builder| op.build(builder, &name.value, record, &operands));
        match built {
            Ok(nodes) => (self.entries[at].nodes, self.entries[at].owner) = (nodes, owner),
            Err(error) => {
                let named: Vec<(Span, NodeId)> =
                    inputs.iter().map(|operand| self.defined_at(operand)).zip(operands).collect();
                diagnostics.push(does_not_fit(&error, record.span_of("op"), &named, builder));
            }
        }
    }

    /// Reports a parameter that its layer does not have; what else is not built is wrong, which has been reported.
    fn report_parameter(&self, found: &Found, span: &Span, builder: &GraphBuilder, diagnostics: &mut Diagnostics) {
        let Entry { name, nodes, owner, .. } = &self.entries[found.entry];
        let (Piece::Parameter(weight), Some(name), false) = (&found.part, name, nodes.is_empty()) else { return };
        let message = format!("`{}` has no parameter `{}`", shown(&name.value), shown(weight));
        let layer = owner.as_ref().unwrap_or(&name.value);
        let known: Vec<&str> = builder.parameters_of(layer).collect();
        let label = match known.as_slice() {
            [] => "expected the name of an input or node".to_string(),
            known => format!("expected one of its parameters: {}", list(known.iter().copied())),
        };
        let close = diagnostics.closest(weight, known.iter().copied());
        diagnostics.push(Diagnostic::new(message, span.clone(), label).did_you_mean(close));
    }

    /// Where the operand gets its name.
    fn defined_at(&self, operand: &Operand) -> Span {
        let name = operand.found.as_ref().and_then(|found| self.entries[found.entry].name.as_ref());
        name.map_or(operand.span.clone(), |name| name.span.clone())
    }
}

/// Says that a name is none.
pub(crate) fn unfit_name(name: &Spanned<String>) -> Diagnostic {
    let label = match name.value.chars().nth(MAX_NAME_CHARS) {
        Some(_) => format!("expected at most {MAX_NAME_CHARS} characters"),
        None => "expected letters, digits and `_`, not starting with a digit".into(),
    };
    Diagnostic::new(format!("`{}` is not a name", shown(&name.value)), name.span.clone(), label)
}

/// Says that a name stood before, at `first`.
pub(crate) fn used_twice(name: &Spanned<String>, first: Span) -> Diagnostic {
    let message = format!("the name `{}` is used twice", shown(&name.value));
    Diagnostic::new(message, name.span.clone(), "expected another name").note(first, "first used here")
}

/// What stands behind the last dot of a name.
fn last_of(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
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
