//! Which views contractions read past.
//!
//! What a contraction reads stands in memory. If that is a view, the tensor that it is a view of may stand there
//! instead: the contraction has other indices then, and the view is not computed for it. Terms and their order stay.
//! That is so wherever the loops of the contraction can walk the other indices, and are not slower for it; a view that
//! one contraction cannot read past has a buffer, which all of them read.

use super::options::FusionOptions;
use graphc_ir::compute::LoadIndex;
use graphc_ir::digits;
use graphc_ir::form::{Forms, PointForm};
use graphc_ir::graph::{Graph, NodeId};
use graphc_ir::index::Var;
use graphc_ir::scalar::{LANES, wastes_lanes};
use graphc_ir::split::Split;
use std::collections::{BTreeMap, BTreeSet};

/// Terms of a sum up to which weights that do not stand in the order of a register tile stay in the nearest cache as
/// they are; longer ones are copied in that order, if they can be.
const MOST_APART: usize = 512;

/// Terms up to which a sum is walked at once, whatever the samples are, and may have several loops.
const MOST_DIVIDED: usize = 1024;

/// What was found out about views.
#[derive(Default)]
pub(super) struct Views {
    /// Those that contractions read past, and which do.
    pub(super) composed: BTreeMap<NodeId, BTreeSet<NodeId>>,
    /// Those that have to be stored for a contraction: which, and why.
    pub(super) kept: BTreeMap<NodeId, (NodeId, &'static str)>,
}

/// What a contraction reads: a view, of what, and so on. The last one is no view.
struct Path {
    nodes: Vec<NodeId>,
    /// Whether it can read each of them.
    is_readable: Vec<bool>,
    /// The contraction, and why it cannot read another one.
    reason: (NodeId, &'static str),
}

impl Views {
    /// Those of a graph. Nothing is composed yet.
    pub(super) fn of(graph: &Graph, forms: &Forms, options: &FusionOptions) -> Views {
        let is_view = |node: &NodeId| forms.is_view(*node);
        let is_reader = |node: &NodeId| forms[node].as_contraction().is_some();
        let users = graph.ids().into_iter().filter(is_view).flat_map(|view| graph.users(view));
        let readers: BTreeSet<NodeId> = users.filter(is_reader).collect();
        let paths: Vec<Path> = readers.into_iter().flat_map(|reader| Path::all(graph, forms, reader)).collect();
        let mut views = Views::default();
        let is_stored = |view: &NodeId| options.stored.contains(view) || graph.is_root(*view);
        // Where one path ends, others end, too.
        loop {
            let n_kept = views.kept.len();
            for path in &paths {
                let end = path.end(|view| is_stored(view) || views.kept.contains_key(view));
                if end + 1 < path.nodes.len() {
                    views.kept.entry(path.nodes[end]).or_insert(path.reason);
                }
            }
            if views.kept.len() == n_kept {
                break;
            }
        }
        for path in &paths {
            let end = path.end(|view| views.kept.contains_key(view));
            for &view in &path.nodes[..end] {
                views.composed.entry(view).or_default().insert(path.reason.0);
            }
        }
        views.kept.retain(|view, _| !is_stored(view));
        views
    }
}

impl Path {
    /// What a contraction reads past views.
    fn all(graph: &Graph, forms: &Forms, reader: NodeId) -> Vec<Path> {
        let own = forms[&reader].as_point().expect("a contraction is a point form");
        let mut paths = Vec::new();
        // The other factor is read past its views already.
        let mut best = own.clone();
        for slot in 0..own.operands.len() {
            let (mut form, mut nodes) = (best.clone(), vec![own.operands[slot]]);
            let (mut is_readable, mut refusal) = (vec![true], "");
            while let Some(view) = forms[&form.operands[slot]].as_point().filter(|view| view.as_view().is_some()) {
                form = form.through(slot, view);
                nodes.push(form.operands[slot]);
                let refused = Passage::of(graph, forms, own, &form).refusal();
                is_readable.push(refused.is_none());
                match refused {
                    None => best = form.clone(),
                    Some(other) => refusal = other,
                }
            }
            if nodes.len() > 1 {
                paths.push(Path { nodes, is_readable, reason: (reader, refusal) });
            }
        }
        paths
    }

    /// Position of what is read in the end if these views have buffers.
    fn end(&self, is_stored: impl Fn(&NodeId) -> bool) -> usize {
        let last = self.nodes.len() - 1;
        let most = self.nodes[..last].iter().position(is_stored).unwrap_or(last);
        (0..=most).rev().find(|&position| self.is_readable[position]).unwrap_or(0)
    }
}

/// A contraction, and the same with views composed into it; axes are split into digits.
struct Passage<'a> {
    graph: &'a Graph,
    forms: &'a Forms,
    before: Split,
    after: Split,
}

/// How a factor moves along the last axis of a result.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Along {
    /// Not at all.
    Stays,
    /// By one word, within a row.
    InRows,
    /// In another way.
    Apart,
}

impl<'a> Passage<'a> {
    fn of(graph: &'a Graph, forms: &'a Forms, before: &PointForm, after: &PointForm) -> Passage<'a> {
        Passage { graph, forms, before: digits::split(before), after: digits::split(after) }
    }

    /// Why the contraction cannot read past the views, or would be slower, if so.
    fn refusal(&self) -> Option<&'static str> {
        let form = &self.after.form;
        let samples_are_lanes = self.graph.batch.is_some_and(|batch| !wastes_lanes(batch))
            && (form.batch_axis.is_some() || form.reduces_batch());
        let is_affine = |factor: usize| factors(form)[factor].1.iter().all(|i| i.value.is_affine());
        if !(0..2).all(is_affine) {
            Some("an index would divide")
        } else if form.reds.len() > self.before.form.reds.len() && !self.may_divide_sums() {
            Some("it is computed anyway, and the sum would have several loops")
        } else if !self.has_samples() {
            Some("it is the same for every sample")
        } else if form.reduces_batch() && is_of_rows(&self.before) {
            // How it is read decides what its lanes are, and with that the order of its sum.
            Some("it is the gradient of rows")
        } else if !moves_everywhere(form) {
            Some("both factors would be the same along an axis")
        } else if samples_are_lanes {
            let is_in_order = |factor| !self.is_packed(&self.before, factor) || self.is_packed(&self.after, factor);
            (!(0..2).all(is_in_order)).then_some("its weights would have no copy in order")
        } else {
            (!self.has_lanes()).then_some("neighbours along its last axis would lie apart")
        }
    }

    /// Whether several loops of a sum are worth it: its terms need not be walked in blocks, and what is read has a
    /// buffer anyway.
    fn may_divide_sums(&self) -> bool {
        let terms = self.before.form.reds.iter().map(|red| red.extent);
        let read = factors(&self.after.form).into_iter().filter(|(node, _)| !self.before.form.operands.contains(node));
        terms.max().is_none_or(|most| most <= MOST_DIVIDED) && read.into_iter().all(|(node, _)| self.stands(node))
    }

    /// Whether a value has a buffer, if no view of it has one: it is none of a sweep.
    fn stands(&self, node: NodeId) -> bool {
        let ends_epilogue = |&operand: &NodeId| {
            self.graph.users(operand).as_slice() == [node]
                && self.graph.sizes(operand) == self.graph.sizes(node)
                && (self.forms[&operand].as_contraction().is_some()
                    || (self.forms[&operand].is_map() && self.stands(operand)))
        };
        !self.forms[&node].is_map() || self.graph.is_root(node) || self.graph.operands(node).iter().any(ends_epilogue)
    }

    fn has_batch(&self, node: NodeId) -> bool {
        self.graph.ty(node).shape.batch_axis().is_some()
    }

    /// Whether each factor has samples as before, or has to have none.
    fn has_samples(&self) -> bool {
        let has_batch = |split: &Split| factors(&split.form).map(|(node, _)| self.has_batch(node));
        let form = &self.after.form;
        let (before, after) = (has_batch(&self.before), has_batch(&self.after));
        before == after || (form.batch_axis.is_some() && !form.reduces_batch() && after != [false, false])
    }

    /// Whether a factor may have a copy in the order of its reader's tiles, if samples are lanes.
    fn is_packed(&self, Split { form, .. }: &Split, factor: usize) -> bool {
        let (node, index) = factors(form)[factor];
        let n_terms: usize = form.reds.iter().map(|red| red.extent).product();
        let is_term = |var: Var| form.reds.iter().any(|red| red.var == var);
        let Some((last, others)) = index.split_last() else { return false };
        let is_output = last.value.as_var().is_some_and(|var| !is_term(var));
        let are_terms = others.iter().all(|i| i.value.is_affine_over(is_term));
        n_terms >= MOST_APART && !self.has_batch(node) && is_output && are_terms
    }

    /// Whether neighbours along the last axis are lanes if they were before.
    fn has_lanes(&self) -> bool {
        let last_digit = self.after.form.extents.last().copied().unwrap_or(1);
        if self.after.splits_last() && !self.before.splits_last() && !last_digit.is_multiple_of(LANES) {
            return false;
        }
        let along = |split: &Split, factor: usize| self.along(&split.form, factor);
        (0..2).all(|factor| match (along(&self.before, factor), along(&self.after, factor)) {
            (_, Along::Stays | Along::InRows) => true,
            (before, Along::Apart) => {
                let is_copied = along(&self.after, 1 - factor) != Along::Apart && self.is_copied(&self.after, factor);
                is_copied || (before == Along::Apart && !self.is_copied(&self.before, factor))
            }
        })
    }

    /// Whether a factor may have a copy in which neighbours along the last axis are neighbours.
    fn is_copied(&self, Split { form, .. }: &Split, factor: usize) -> bool {
        let (node, index) = factors(form)[factor];
        let is_free = |var: Var| var == last_axis(form) || form.reds.iter().any(|red| red.var == var);
        !self.has_batch(node) && index.iter().all(|i| i.value.is_affine_over(is_free))
    }

    fn along(&self, form: &PointForm, factor: usize) -> Along {
        let (node, index) = factors(form)[factor];
        let lane = last_axis(form);
        let Some((last, others)) = index.split_last() else { return Along::Stays };
        if others.iter().any(|i| i.value.uses(lane)) {
            return Along::Apart;
        }
        if !last.value.uses(lane) {
            return Along::Stays;
        }
        // Behind the end of a row stands nothing but its padding.
        let n_lanes = form.extents.last().map_or(1, |extent| extent.next_multiple_of(LANES));
        let range = |var: Var| if var == lane { (0, n_lanes as i64 - 1) } else { form.var_range(var) };
        let (first, end) = last.value.range(&range);
        let n_words = self.graph.sizes(node).last().map_or(1, |size| size.next_multiple_of(LANES)) as i64;
        let is_sample = self.graph.ty(node).shape.batch_axis() == Some(others.len());
        let is_row = last.value.coefficient(lane) == 1 && !is_sample && first >= 0 && end < n_words;
        if is_row { Along::InRows } else { Along::Apart }
    }
}

fn factors(form: &PointForm) -> [(NodeId, &[LoadIndex]); 2] {
    let contraction = form.as_contraction().expect("a contraction");
    [contraction.a, contraction.b]
}

fn last_axis(form: &PointForm) -> Var {
    Var((form.extents.len() as u32).saturating_sub(1))
}

/// Whether what is summed over the batch is a product of two rows in every sample: a dense layer's gradient. Its update
/// takes whole rows, too.
fn is_of_rows(split: &Split) -> bool {
    (split.extents.len() == 2 && split.form.reds.len() == 1) || split.form.has_one_term()
}

/// Whether every axis of the result moves a factor.
fn moves_everywhere(form: &PointForm) -> bool {
    let moves = |axis: usize| {
        let mut indices = factors(form).into_iter().flat_map(|(_, index)| index);
        indices.any(|i| i.value.uses(Var(axis as u32)))
    };
    (0..form.extents.len()).all(|axis| form.extents[axis] == 1 || moves(axis))
}
