//! What names refer to.

use super::{Entry, Found, Network, Operand, Piece, RESERVED, Target, What};
use crate::diagnostic::{Diagnostic, Diagnostics, Span};
use crate::expand::Is;
use crate::json::Spanned;
use crate::names::used_twice;
use crate::read::{is_name, list};
use graphc_ir::graph::NodeId;
use graphc_ir::graph::builder::GraphBuilder;
use graphc_ir::text::shown;

impl<'a> Network<'a> {
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
    pub(super) fn lookup(&self, scope: usize, name: &Spanned<String>, diagnostics: &mut Diagnostics) -> Option<Found> {
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
    pub(super) fn n_results(&self, entry: usize) -> usize {
        match &self.entries[entry].what {
            What::Node { body: Some((op, record)), .. } => op.n_results(record),
            What::Node { body: None, .. } | What::Input => 1,
            What::Use { outputs } => outputs.len(),
        }
    }

    /// The names of an entry's results, which is called `name`; those of copies are the last one's.
    pub(super) fn results_in_words(&self, entry: usize, name: &str) -> String {
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
    pub(super) fn follow(&self, found: Found) -> Option<Found> {
        let mut found = found;
        while let (What::Use { outputs }, Piece::Result(result)) = (&self.entries[found.entry].what, &found.part) {
            found = outputs.get(*result)?.clone()?;
        }
        Some(found)
    }

    /// The node that was found, once it is built.
    pub(super) fn built(&self, found: &Found, builder: &GraphBuilder) -> Option<NodeId> {
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
    pub(super) fn enter(&mut self, name: Spanned<String>, what: What<'a>, diagnostics: &mut Diagnostics) -> bool {
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

    /// Reports a parameter that its layer does not have; what else is not built is wrong, which has been reported.
    pub(super) fn report_parameter(
        &self,
        found: &Found,
        span: &Span,
        builder: &GraphBuilder,
        diagnostics: &mut Diagnostics,
    ) {
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
    pub(super) fn defined_at(&self, operand: &Operand) -> Span {
        let name = operand.found.as_ref().and_then(|found| self.entries[found.entry].name.as_ref());
        name.map_or(operand.span.clone(), |name| name.span.clone())
    }
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
