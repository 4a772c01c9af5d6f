//! What nodes and uses of blocks read, and whose parameters they have.

use super::{Found, Network, Operand, What};
use crate::diagnostic::{Diagnostic, Diagnostics, Span};
use crate::expand::{Copy, Feed, Is, Item, Scope};
use crate::json::Spanned;
use crate::node_ops::Inputs;
use crate::read::list;
use graphc_ir::text::shown;

impl Network<'_> {
    /// Finds what every block reads, and what the results of its uses are.
    pub(super) fn resolve_uses(&mut self, diagnostics: &mut Diagnostics) {
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

    /// What an item reads that does not say it: what stands before it, or else what its block reads; reported if that
    /// is not one.
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
    pub(super) fn resolve(&mut self, diagnostics: &mut Diagnostics) {
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
}
