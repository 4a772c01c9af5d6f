//! Blocks written out: from the nodes of a file to those of the network, in order, with the blocks they come from.

use crate::blocks::{Block, Blocks, Budget, Environment, Values, node_name, one_of};
use crate::diagnostic::{Diagnostic, Diagnostics, Span};
use crate::fields::USE;
use crate::json::{Json, JsonValue, Member, Spanned};
use crate::limits::{MAX_BLOCKS, MAX_NAME_CHARS, MAX_NODES};
use crate::place::{Place, UseOf};
use crate::read::{Record, read_known};
use graphc_ir::text::shown;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A node of the network, or a use of a block behind all nodes that it stands for.
#[derive(Debug)]
pub(crate) struct Item<'a> {
    /// As written, with the values of arguments and sizes.
    pub(crate) json: Cow<'a, Json>,
    /// With the names of the uses that it is in, `stage1.conv1`; `None` if it has none.
    pub(crate) name: Option<Spanned<String>>,
    /// Its number in the list that it stands in.
    pub(crate) position: usize,
    /// The scope that its names are of.
    pub(crate) scope: usize,
    /// The item before it in its list.
    pub(crate) before: Option<usize>,
    pub(crate) is: Is,
}

#[derive(Debug)]
pub(crate) enum Is {
    Node,
    /// It is wrong, which has been reported.
    Wrong,
    /// A use of a block, or one of several copies; what is in it is of that scope.
    Use {
        inner: usize,
    },
    /// Several copies; the last is that item.
    Copies {
        last: usize,
    },
}

/// What names of nodes refer to: those of the file, or of one copy of a block.
#[derive(Debug)]
pub(crate) struct Scope<'a> {
    /// What stands before the names of its nodes: nothing, or `stage1.`.
    pub(crate) prefix: String,
    /// The scope that it is used in; itself if it is that of the file.
    pub(crate) parent: usize,
    /// The copy of a block that it is.
    pub(crate) copy: Option<Copy<'a>>,
}

/// A copy of a block.
#[derive(Debug)]
pub(crate) struct Copy<'a> {
    pub(crate) block: &'a Block<'a>,
    /// Its item.
    pub(crate) item: usize,
    /// Which of how many it is, if there are several.
    pub(crate) of: Option<[usize; 2]>,
    pub(crate) feed: Feed,
    /// The use whose parameters it has.
    pub(crate) shares: Option<Spanned<String>>,
    /// Uses that it is in, the innermost first.
    uses: Arc<Vec<UseOf>>,
}

/// Where a copy of a block takes its inputs from.
#[derive(Clone, Debug)]
pub(crate) enum Feed {
    /// Names in the scope around it.
    Names(Vec<Spanned<String>>),
    /// The item before it, or else what the block around it reads.
    Before,
    /// The results of the copy before it, of that scope, as far as there are, otherwise what that one reads.
    Copy { scope: usize },
}

/// A network whose blocks are written out.
#[derive(Debug)]
pub(crate) struct Expansion<'a> {
    pub(crate) items: Vec<Item<'a>>,
    /// The first is that of the file.
    pub(crate) scopes: Vec<Scope<'a>>,
    pub(crate) blocks: &'a Blocks<'a>,
}

impl Expansion<'_> {
    /// What is said with a mistake in an item.
    pub(crate) fn place(&self, item: usize) -> Option<Place> {
        let Item { scope, name, json, .. } = &self.items[item];
        let node = name.as_ref().map_or(json.span.clone(), |name| name.span.clone());
        Some(self.scopes[*scope].copy.as_ref()?.place(node, item))
    }
}

impl Copy<'_> {
    fn place(&self, node: Span, id: usize) -> Place {
        let Copy { block, uses, .. } = self;
        Place { block: block.name.to_string(), definition: block.span.clone(), node, id, uses: uses.clone() }
    }
}

/// Writes out the blocks of a network with so many inputs; `None` if it becomes too large, which is reported.
pub(crate) fn expand<'a>(
    nodes: &'a [Json],
    blocks: &'a Blocks<'a>,
    sizes: &'a Values<'a>,
    n_inputs: usize,
    diagnostics: &mut Diagnostics,
) -> Option<Expansion<'a>> {
    let file = Scope { prefix: String::new(), parent: 0, copy: None };
    let expansion = Expansion { items: Vec::new(), scopes: vec![file], blocks };
    let budget = Budget::new(n_inputs);
    let mut expander = Expander { sizes, budget, expansion, stack: Vec::new(), diagnostics };
    let done = expander.nodes(nodes, 0, &Environment::of_file(sizes));
    expander.diagnostics.set_place(None);
    done.map(|()| expander.expansion)
}

struct Expander<'a, 'd> {
    sizes: &'a Values<'a>,
    budget: Budget,
    expansion: Expansion<'a>,
    /// The blocks that are being written out, each in the one before it.
    stack: Vec<&'a str>,
    diagnostics: &'d mut Diagnostics,
}

/// What a use says.
struct Used<'a> {
    block: &'a Block<'a>,
    environment: Environment<'a>,
    feed: Feed,
    /// Number of copies, if it says one.
    repeat: Option<usize>,
    shares: Option<Spanned<String>>,
    uses: Arc<Vec<UseOf>>,
}

impl<'a> Expander<'a, '_> {
    /// Adds the nodes of a list; `None` if the network is too large, which is reported.
    fn nodes(&mut self, nodes: &'a [Json], scope: usize, environment: &Environment<'_>) -> Option<()> {
        let mut before = None;
        for (position, json) in nodes.iter().enumerate() {
            let name = node_name(json);
            let at = name.as_ref().map_or(json.span.clone(), |name| name.span.clone());
            self.at(scope, &at);
            let filled = environment.fill(json, &mut self.budget, self.diagnostics);
            if self.budget.is_spent {
                return self.too_large(&at);
            }
            let name = name.map(|name| Spanned { value: self.full(scope, &name.value), ..name });
            let is_fit = scope == 0 || name.as_ref().is_none_or(|name| self.is_short(name));
            let name = name.filter(|_| is_fit);
            let mut item = Item { json: Cow::Borrowed(json), name, position, scope, before, is: Is::Wrong };
            match filled.filter(|_| is_fit) {
                Some(filled) if json.member("block").is_some() => match self.read_use(&item, &filled) {
                    Some(used) => self.copies(item, &used, &at)?,
                    None if self.budget.is_spent => return self.too_large(&at),
                    None => self.push(item, &at)?,
                },
                filled => {
                    if let Some(filled) = filled {
                        item = Item { json: filled, is: Is::Node, ..item };
                    }
                    self.push(item, &at)?;
                }
            }
            before = Some(self.expansion.items.len() - 1);
        }
        Some(())
    }

    /// What is wrong from now on is at the node `at` of that scope.
    fn at(&mut self, scope: usize, at: &Span) {
        let copy = self.expansion.scopes[scope].copy.as_ref();
        self.diagnostics.set_place(copy.map(|copy| copy.place(at.clone(), self.expansion.items.len())));
    }

    fn push(&mut self, item: Item<'a>, at: &Span) -> Option<()> {
        if self.budget.take([1, 0, 0]).is_none() {
            return self.too_large(at);
        }
        self.expansion.items.push(item);
        Some(())
    }

    fn too_large(&mut self, at: &Span) -> Option<()> {
        let message = "the network is too large with its blocks written out";
        let label = format!("expected at most {MAX_NODES} nodes, and no more text and values than a file may have");
        self.diagnostics.push(Diagnostic::new(message, at.clone(), label));
        None
    }

    /// A name of that scope with those of the uses around it.
    fn full(&self, scope: usize, name: &str) -> String {
        format!("{}{name}", self.expansion.scopes[scope].prefix)
    }

    /// Whether the name is not too long with those of the uses around it, which is reported otherwise.
    fn is_short(&mut self, name: &Spanned<String>) -> bool {
        let is_short = name.value.len() <= MAX_NAME_CHARS;
        if !is_short {
            let message = format!("`{}` is too long a name, with those of the blocks around it", shown(&name.value));
            let label = format!("expected at most {MAX_NAME_CHARS} characters together");
            self.diagnostics.push(Diagnostic::new(message, name.span.clone(), label));
        }
        is_short
    }

    /// What a use says; `None` if it is wrong, which is reported, or the budget is spent.
    fn read_use(&mut self, item: &Item<'a>, json: &Json) -> Option<Used<'a>> {
        let what = match &item.name {
            Some(name) => format!("use `{}`", shown(&name.value)),
            None => format!("node {}", item.position + 1),
        };
        let record = read_known(&what, &[USE.fields], json, self.diagnostics)?;
        let block = self.block(&record)?;
        let outer = self.expansion.scopes[item.scope].copy.as_ref();
        let here = UseOf {
            block: block.name.to_string(),
            whole: json.span.clone(),
            name: item.name.as_ref().map_or(json.span.clone(), |name| name.span.clone()),
        };
        let uses = std::iter::once(here).chain(outer.iter().flat_map(|outer| outer.uses.iter().cloned())).collect();
        let uses = Arc::new(uses);
        let environment = self.environment(block, item, json, &uses);
        let feed = match record.names("inputs") {
            Some(names) => Feed::Names(names),
            None => Feed::Before,
        };
        if let Feed::Names(names) = &feed
            && names.len() != block.inputs.len()
        {
            let (n, found) = (block.inputs.len(), names.len());
            let expected = if n == 1 { "1 input".to_string() } else { format!("{n} inputs") };
            let message = format!("block `{}` reads {expected}, got {found}", block.name);
            let label = format!("expected {expected}");
            self.diagnostics.push(Diagnostic::new(message, record.span_of("inputs"), label));
            return None;
        }
        let shares = record.names("shares").and_then(|names| names.into_iter().next());
        let repeat = record.size("repeat");
        item.name.as_ref()?;
        environment.filter(|_| record.ok).map(|environment| Used { block, environment, feed, repeat, shares, uses })
    }

    /// The block that a use names, unless it cannot be used there, which is reported.
    fn block(&mut self, record: &Record<'_>) -> Option<&'a Block<'a>> {
        let (name, span) = (record.text("block")?, record.span_of("block"));
        let Some(block) = self.expansion.blocks.get(name.as_str()) else {
            let message = format!("there is no block called `{}`", shown(&name));
            let known = self.expansion.blocks.keys().copied();
            let label = one_of(known.clone()).unwrap_or("expected the name of one of `blocks`".into());
            let close = self.diagnostics.closest(&name, known);
            self.diagnostics.push(Diagnostic::new(message, span, label).did_you_mean(close));
            return None;
        };
        let block = block.as_ref()?;
        if let Some(first) = self.stack.iter().position(|outer| *outer == block.name) {
            let cycle = self.stack[first..].iter().chain([&block.name]).map(|name| format!("`{name}`"));
            let cycle = cycle.collect::<Vec<_>>().join(" uses ");
            let message = format!("these blocks use each other in a cycle: {cycle}");
            let label = "a block cannot be a part of itself";
            self.diagnostics.push(Diagnostic::new(message, span, label));
            return None;
        }
        if self.stack.len() == MAX_BLOCKS {
            let label = format!("expected at most {MAX_BLOCKS} uses of blocks in each other");
            self.diagnostics.push(Diagnostic::new("blocks are too deep in each other", span, label));
            return None;
        }
        Some(block)
    }

    /// The arguments of a use; `None` if they are wrong, which is reported, or the budget is spent.
    fn environment(
        &mut self,
        block: &'a Block<'a>,
        item: &Item<'a>,
        json: &Json,
        uses: &Arc<Vec<UseOf>>,
    ) -> Option<Environment<'a>> {
        let JsonValue::Object(members) = &json.value else { return None };
        let is_field = |name: &str| USE.fields.iter().any(|field| field.name == name);
        let given = members.iter().filter(|member| !is_field(&member.key.value));
        let mut given: BTreeMap<&str, &Member> = given.map(|member| (member.key.value.as_str(), member)).collect();
        let mut environment = Environment::of_file(self.sizes);
        let (mut ok, mut missing) = (true, Vec::new());
        for argument in block.arguments {
            let name = argument.key.value.as_str();
            let value = match (given.remove(name), &argument.value.value) {
                (Some(member), _) => self.budget.clone_of(&member.value),
                (None, JsonValue::Null) => {
                    missing.push(argument);
                    None
                }
                (None, _) => self.default_of(argument, block, &environment, uses),
            };
            match value {
                Some(value) => environment.arguments.insert(name, value),
                None => ok = false,
            }
            if self.budget.is_spent {
                return None;
            }
        }
        ok &= given.is_empty();
        let meant = self.report_unknown(block, given.into_values());
        missing.retain(|argument| !meant.contains(&argument.key.value.as_str()));
        let at = item.name.as_ref().map_or(json.span.clone(), |name| name.span.clone());
        for argument in missing {
            let name = &argument.key.value;
            let message = format!("this use of block `{}` lacks the argument `{name}`", block.name);
            let diagnostic = Diagnostic::new(message, at.clone(), format!("expected `{name}`"));
            self.diagnostics.push(diagnostic.note(argument.key.span.clone(), "which has no value unless given"));
        }
        ok.then_some(environment)
    }

    /// What an argument is unless given, which may follow from those before it.
    fn default_of(
        &mut self,
        argument: &Member,
        block: &Block<'_>,
        environment: &Environment<'_>,
        uses: &Arc<Vec<UseOf>>,
    ) -> Option<Json> {
        let outer = self.diagnostics.set_place(Some(Place {
            block: block.name.to_string(),
            definition: block.span.clone(),
            node: argument.key.span.clone(),
            id: self.expansion.items.len(),
            uses: uses.clone(),
        }));
        let value = environment.fill(&argument.value, &mut self.budget, self.diagnostics);
        self.diagnostics.set_place(outer);
        value.map(Cow::into_owned)
    }

    /// Reports what a use gives that the block does not take; gives the arguments that were probably meant.
    fn report_unknown<'m>(
        &mut self,
        block: &'a Block<'a>,
        unknown: impl Iterator<Item = &'m Member>,
    ) -> BTreeSet<&'a str> {
        let known = || block.arguments.iter().map(|argument| argument.key.value.as_str());
        let mut meant = BTreeSet::new();
        for Member { key, .. } in unknown {
            let message = format!("block `{}` has no argument `{}`", block.name, shown(&key.value));
            let label = match block.arguments {
                [] => "expected no arguments".to_string(),
                _ => one_of(known()).unwrap_or("expected one of its arguments".into()),
            };
            let close = self.diagnostics.closest(&key.value, known());
            self.diagnostics.push(Diagnostic::new(message, key.span.clone(), label).did_you_mean(close));
            meant.extend(close);
        }
        meant
    }

    /// Adds the nodes of every copy of a block, each followed by the copy itself.
    fn copies(&mut self, item: Item<'a>, used: &Used<'a>, at: &Span) -> Option<()> {
        let Used { block, environment, feed, repeat, shares, uses } = used;
        let Some(name) = item.name.clone() else { return self.push(item, at) };
        let n = repeat.unwrap_or(1);
        let mut last = 0;
        for copy in 0..n {
            let name = match repeat {
                Some(_) => Spanned { value: format!("{}.{copy}", name.value), ..name.clone() },
                None => name.clone(),
            };
            self.budget.take([0, block.inputs.len() + block.outputs.len(), 0]).or_else(|| self.too_large(at))?;
            let inner = self.expansion.scopes.len();
            let feed = if copy > 0 { Feed::Copy { scope: last } } else { feed.clone() };
            let copy = Copy {
                block,
                item: 0,
                of: repeat.map(|n| [copy, n]),
                feed,
                shares: shares.clone(),
                uses: uses.clone(),
            };
            let prefix = format!("{}.", name.value);
            self.expansion.scopes.push(Scope { prefix, parent: item.scope, copy: Some(copy) });
            self.stack.push(block.name);
            self.nodes(block.nodes, inner, environment)?;
            self.stack.pop();
            self.at(item.scope, at);
            let position = self.expansion.items.len();
            if let Some(copy) = &mut self.expansion.scopes[inner].copy {
                copy.item = position;
            }
            self.push(Item { json: item.json.clone(), name: Some(name), is: Is::Use { inner }, ..item }, at)?;
            last = inner;
        }
        match repeat {
            Some(_) => {
                let last = self.expansion.items.len() - 1;
                self.push(Item { is: Is::Copies { last }, ..item }, at)
            }
            None => Some(()),
        }
    }
}
