//! Which buffer holds which value.

use crate::decide::contraction::ContractionPlan;
use crate::decide::copies::{CopyId, CopyPlan};
use crate::decide::kernel::{GradientPlan, Schedule};
use crate::decide::layout::ProgramLanes;
use crate::decide::problem::Problem;
use crate::decide::summation;
use graphc_ir::form::Form;
use graphc_ir::graph::NodeId;
use graphc_ir::graph::plan::Root;
use graphc_ir::loops::{BufId, Buffer, BufferKind, Layout};
use graphc_ir::ops::Op;
use graphc_ir::scalar::CHUNK;
use graphc_ir::types::DType;
use std::collections::{BTreeMap, BTreeSet};

/// Buffers of a program under construction.
pub(crate) struct Buffers {
    /// In order of `BufId`; offsets are planned at the end.
    pub(crate) list: Vec<Buffer>,
    of_node: BTreeMap<NodeId, BufId>,
    of_partial: BTreeMap<Root, Partial>,
    copies: BTreeMap<CopyId, BufId>,
    waiting: BTreeMap<Root, Waiting>,
    lanes: ProgramLanes,
}

/// Partial results of one batch reduction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Partial {
    /// `[n_parts][part_len]`.
    pub(crate) buffer: BufId,
    /// Words from one part to the next.
    pub(crate) part_len: usize,
    /// Chunks (of a sweep) or groups of chunks (of a contraction).
    pub(crate) n_parts: usize,
}

/// Where the accumulators of a contraction over the batch wait.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waiting {
    /// `[shares][accumulators][8]`.
    pub(crate) buffer: BufId,
    /// Words of a share.
    pub(crate) share_words: usize,
}

impl Buffers {
    /// Buffers of all leaves, stored values, partial results and copies. `in_place` are update values that may
    /// overwrite their parameter.
    pub(crate) fn new(problem: &Problem<'_>, schedule: &Schedule, in_place: &BTreeSet<NodeId>) -> Buffers {
        let graph = problem.graph;
        let mut buffers = Buffers {
            list: Vec::new(),
            of_node: BTreeMap::new(),
            of_partial: BTreeMap::new(),
            copies: BTreeMap::new(),
            waiting: BTreeMap::new(),
            lanes: problem.lanes,
        };
        for node in graph.topo_order() {
            let kind = match graph.op(node) {
                Op::Input(_) => BufferKind::Input,
                Op::Parameter(_) => BufferKind::State,
                Op::Literal(_) => BufferKind::Constant,
                _ if !problem.fusion.stored.contains(&node) || in_place.contains(&node) => continue,
                _ if graph.outputs.name(node) => BufferKind::Output,
                _ => BufferKind::Temp,
            };
            buffers.add_node(problem, node, kind);
        }
        for update in graph.updates.iter().filter(|update| in_place.contains(&update.value)) {
            let buffer = buffers.node(update.parameter);
            buffers.of_node.insert(update.value, buffer);
        }
        let gradients = schedule.gradients().map(|gradient| (gradient.nest.root, gradient));
        let gradients: BTreeMap<Root, &GradientPlan> = gradients.collect();
        let updating: BTreeSet<Root> = schedule.updating().collect();
        for root in problem.fusion.kernels.iter().flat_map(|kernel| kernel.groups()).flat_map(|group| &group.roots) {
            match gradients.get(root) {
                Some(plan) => buffers.add_gradient(problem, schedule, plan),
                None if matches!(root, Root::Value(_)) || updating.contains(root) => {}
                None => buffers.add_partial(problem, *root, problem.n_chunks()),
            }
        }
        schedule.contractions().for_each(|plan| buffers.add_waiting(problem, plan, plan.n_shares()));
        for (id, copy) in schedule.copies.iter() {
            buffers.add_copy(problem, id, copy);
        }
        buffers
    }

    /// The buffer of a leaf or stored value.
    pub(crate) fn node(&self, node: NodeId) -> BufId {
        self.of_node[&node]
    }

    /// All nodes that have a buffer, with it.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = (NodeId, BufId)> {
        self.of_node.iter().map(|(&node, &buffer)| (node, buffer))
    }

    /// The buffer's layout.
    pub(crate) fn layout(&self, buffer: BufId) -> &Layout {
        &self.list[buffer.0 as usize].layout
    }

    /// Partial results of `root`.
    pub(crate) fn partial(&self, root: Root) -> Partial {
        self.of_partial[&root]
    }

    /// The buffer of a copy.
    pub(crate) fn copy(&self, copy: CopyId) -> BufId {
        self.copies[&copy]
    }

    /// Whether the lanes of all regions are features, and tensors are rows.
    pub(crate) fn features_are_lanes(&self) -> bool {
        self.lanes == ProgramLanes::Features
    }

    /// Where accumulators of a contraction over the batch wait, if they have to.
    pub(crate) fn waiting(&self, root: Root) -> Option<Waiting> {
        self.waiting.get(&root).copied()
    }

    fn add(&mut self, name: String, kind: BufferKind, dtype: DType, layout: Layout) -> BufId {
        let len = (layout.len() + self.lanes.spare_words()).max(1).next_multiple_of(CHUNK);
        self.list.push(Buffer { name, kind, dtype, layout, len, offset: 0, words: None });
        BufId(self.list.len() as u32 - 1)
    }

    fn add_node(&mut self, problem: &Problem<'_>, node: NodeId, kind: BufferKind) {
        let graph = problem.graph;
        let output = graph.outputs.of_value(node).next().filter(|_| kind == BufferKind::Output);
        let name = match output {
            Some(output) => output.name.clone(),
            None if graph.node(node).name.is_empty() => node.to_string(),
            None => graph.node(node).name.clone(),
        };
        let layout = problem.layout(node);
        let buffer = self.add(name, kind, graph.ty(node).dtype, layout.clone());
        if let Op::Literal(literal) = graph.op(node) {
            let buffer = &mut self.list[buffer.0 as usize];
            let mut words = vec![0; buffer.len];
            layout.pack(&literal.to_words(), &mut words);
            buffer.words = Some(words.into());
        }
        self.of_node.insert(node, buffer);
    }

    /// Partial results of a contraction, the copy in rows that it reads, and where its accumulators wait.
    fn add_gradient(&mut self, problem: &Problem<'_>, schedule: &Schedule, gradient: &GradientPlan) {
        let plan = &gradient.nest;
        if let Some((_, id)) = plan.copy() {
            self.add_copy(problem, id, schedule.copies.get(id));
        }
        self.add_waiting(problem, plan, gradient.n_tasks());
        if plan.update.is_none() {
            self.add_partial(problem, plan.root, plan.n_parts());
        }
    }

    /// Where accumulators of so many shares wait, if they have to.
    fn add_waiting(&mut self, problem: &Problem<'_>, plan: &ContractionPlan, n_shares: usize) {
        let share_words = plan.waiting_words(problem);
        if share_words > 0 {
            let layout = Layout::new(&[n_shares, share_words], None);
            let name = format!("accumulators of {}", plan.root.node());
            let buffer = self.add(name, BufferKind::Temp, DType::F32, layout);
            self.waiting.insert(plan.root, Waiting { buffer, share_words });
        }
    }

    fn add_partial(&mut self, problem: &Problem<'_>, root: Root, n_parts: usize) {
        let part_len = summation::part_len(problem, root);
        let what = match (root, &problem.forms[&root.node()]) {
            (Root::PartialDeviations(_), _) => "squared deviations",
            (_, Form::Point(form)) if form.as_contraction().is_some() => "partial products",
            _ => "partial sums",
        };
        let name = format!("{what} of {}", root.node());
        let buffer = self.add(name, BufferKind::Temp, DType::F32, Layout::new(&[n_parts, part_len], None));
        self.of_partial.insert(root, Partial { buffer, part_len, n_parts });
    }

    /// The buffer of a copy, unless it has one.
    fn add_copy(&mut self, problem: &Problem<'_>, id: CopyId, copy: &CopyPlan) {
        if self.copies.contains_key(&id) {
            return;
        }
        let name = copy.buffer_name();
        let buffer = self.add(name, BufferKind::Temp, problem.graph.ty(copy.source).dtype, copy.layout());
        self.copies.insert(id, buffer);
    }
}
