//! The order in which nodes are built.

use super::{Network, Operand, What};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::limits::MAX_NOTES;
use graphc_ir::text::shown;
use std::collections::BTreeSet;

impl Network<'_> {
    /// Positions in an order in which operands come first, otherwise in file order. Nodes on a
    /// cycle, which is reported, and their readers are left out.
    pub(super) fn order(&self, diagnostics: &mut Diagnostics) -> Vec<usize> {
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
}
