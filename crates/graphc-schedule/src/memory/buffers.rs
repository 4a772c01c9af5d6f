//! Which buffer holds which value.

use crate::decide::choices::{Aspect, Chooser};
use crate::decide::groups::{self, Groups};
use crate::decide::lanes::FeatureLanes;
use crate::decide::packed::PackedWeights;
use crate::decide::windows;
use crate::write::features;
use crate::write::features::contraction::Contraction;
use crate::write::features::packed::VectorWeights;
use graphc_ir::form::{Form, Forms};
use graphc_ir::graph::plan::{FusionPlan, Group, GroupKind, Root};
use graphc_ir::graph::{Graph, NodeId};
use graphc_ir::loops::{BufId, Buffer, BufferKind, Layout};
use graphc_ir::ops::Op;
use graphc_ir::scalar::{CHUNK, LANES};
use graphc_ir::types::DType;
use std::collections::{BTreeMap, BTreeSet};

/// Buffers of a program under construction.
#[derive(Default)]
pub(crate) struct Buffers {
    /// In order of `BufId`; offsets are planned at the end.
    pub(crate) list: Vec<Buffer>,
    of_node: BTreeMap<NodeId, BufId>,
    of_partial: BTreeMap<Root, Partial>,
    rows: BTreeMap<NodeId, Rows>,
    packed: BTreeMap<NodeId, (PackedWeights, BufId)>,
    vector_weights: BTreeMap<NodeId, (VectorWeights, BufId)>,
    features_are_lanes: bool,
    waiting: BTreeMap<Root, Waiting>,
}

/// A copy of a batch of vectors with samples as rows: `[chunks * 16][stride]`, for lanes that are features.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rows {
    /// Rows of padding samples are zero.
    pub(crate) buffer: BufId,
    /// Words from one sample to the next.
    pub(crate) stride: usize,
}

/// Partial results of one batch reduction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Partial {
    /// `[n_parts][part_len]`.
    pub(crate) buffer: BufId,
    /// Words from one part to the next.
    pub(crate) part_len: usize,
    /// Chunks (of a sweep) or groups of chunks (of a contraction whose lanes are samples).
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
    /// Buffers of all leaves, stored values and partial results. `in_place` are update values that may
    /// overwrite their parameter.
    pub(crate) fn new(
        graph: &Graph,
        forms: &Forms,
        plan: &FusionPlan,
        in_place: &BTreeSet<NodeId>,
        chooser: &Chooser<'_>,
    ) -> Buffers {
        let features_are_lanes = features::are_lanes(graph, plan);
        let mut buffers = Buffers { features_are_lanes, ..Buffers::default() };
        for node in graph.topo_order() {
            let kind = match graph.op(node) {
                Op::Input(_) => BufferKind::Input,
                Op::Parameter(_) => BufferKind::State,
                _ if !plan.stored.contains(&node) || in_place.contains(&node) => continue,
                _ if graph.outputs.name(node) => BufferKind::Output,
                _ => BufferKind::Temp,
            };
            buffers.add_node(graph, node, kind);
        }
        for update in graph.updates.iter().filter(|update| in_place.contains(&update.value)) {
            let buffer = buffers.node(update.parameter);
            buffers.of_node.insert(update.value, buffer);
        }
        for root in plan.kernels.iter().flat_map(|kernel| kernel.groups()).flat_map(|group| &group.roots) {
            if !matches!(root, Root::Value(_)) {
                buffers.add_partial(graph, forms, *root);
            }
        }
        for group in plan.kernels.iter().flat_map(|kernel| &kernel.chunk) {
            if !features_are_lanes {
                buffers.add_packed(graph, forms, group, chooser);
            } else if group.kind == GroupKind::Contraction {
                buffers.add_vector_weights(graph, forms, plan, group);
            }
        }
        buffers
    }

    /// The buffer of a leaf or stored value.
    pub(crate) fn node(&self, node: NodeId) -> BufId {
        self.of_node[&node]
    }

    /// The buffer's layout.
    pub(crate) fn layout(&self, buffer: BufId) -> &Layout {
        &self.list[buffer.0 as usize].layout
    }

    /// Partial results of `root`.
    pub(crate) fn partial(&self, root: Root) -> Partial {
        self.of_partial[&root]
    }

    /// The copy of a stored value with samples as rows, if a contraction reads it so.
    pub(crate) fn rows(&self, node: NodeId) -> Option<Rows> {
        self.rows.get(&node).copied()
    }

    /// The packed weights of a contraction, if there are any, and their buffer.
    pub(crate) fn packed(&self, contraction: NodeId) -> Option<&(PackedWeights, BufId)> {
        self.packed.get(&contraction)
    }

    /// Whether the lanes of all regions are features, and tensors are rows.
    pub(crate) fn features_are_lanes(&self) -> bool {
        self.features_are_lanes
    }

    /// The same for lanes that are features.
    pub(crate) fn vector_weights(&self, contraction: NodeId) -> Option<&(VectorWeights, BufId)> {
        self.vector_weights.get(&contraction)
    }

    fn add_vector_weights(&mut self, graph: &Graph, forms: &Forms, plan: &FusionPlan, group: &Group) {
        let contraction = Contraction::of(graph, forms, plan, group);
        let Some(weights) = contraction.as_ref().and_then(VectorWeights::of) else { return };
        let node = group.contraction(forms);
        let layout = Layout::new(&[weights.len()], None);
        let buffer = self.add(format!("packed weights of {node}"), BufferKind::Temp, DType::F32, layout);
        self.vector_weights.insert(node, (weights, buffer));
    }

    /// Where accumulators of a contraction over the batch wait, if they may have to.
    pub(crate) fn waiting(&self, root: Root) -> Option<Waiting> {
        self.waiting.get(&root).copied()
    }

    fn add_waiting(&mut self, form: &Form, root: Root, groups: Groups, part_len: usize) {
        let for_strips = form.as_point().and_then(windows::largest).map_or(0, windows::waiting_words);
        let of_all = if groups.accumulators_wait { part_len * LANES } else { 0 };
        let share_words = for_strips.max(of_all);
        if share_words > 0 {
            let layout = Layout::new(&[groups.n_shares(), share_words], None);
            let buffer = self.add(format!("accumulators of {}", root.node()), BufferKind::Temp, DType::F32, layout);
            self.waiting.insert(root, Waiting { buffer, share_words });
        }
    }

    fn add_packed(&mut self, graph: &Graph, forms: &Forms, group: &Group, chooser: &Chooser<'_>) {
        let n_chunks = graph.batch.expect("the graph is specialised").div_ceil(CHUNK);
        let nodes = group.inlined.iter().copied().chain(group.roots.iter().map(|root| root.node()));
        for node in nodes {
            if let Some((packed, pays)) = PackedWeights::of(graph, &forms[&node], node, n_chunks)
                && chooser.is_wanted(node, Aspect::Packing, pays, ["weights packed", "weights as they are"])
            {
                let layout = Layout::new(&[packed.n_outputs, packed.output_stride()], None);
                let name = format!("packed weights of {node}");
                let buffer = self.add(name, BufferKind::Temp, DType::F32, layout);
                self.packed.insert(node, (packed, buffer));
            }
        }
    }

    fn add(&mut self, name: String, kind: BufferKind, dtype: DType, layout: Layout) -> BufId {
        // With features as lanes the last vector of a row may reach beyond the row.
        let spare = if self.features_are_lanes { LANES } else { 0 };
        let len = (layout.len() + spare).max(1).next_multiple_of(CHUNK);
        self.list.push(Buffer { name, kind, dtype, layout, len, offset: 0 });
        BufId(self.list.len() as u32 - 1)
    }

    fn add_node(&mut self, graph: &Graph, node: NodeId, kind: BufferKind) {
        let ty = graph.ty(node);
        let output = graph.outputs.of_value(node).next().filter(|_| kind == BufferKind::Output);
        let name = match output {
            Some(output) => output.name.clone(),
            None if graph.node(node).name.is_empty() => node.to_string(),
            None => graph.node(node).name.clone(),
        };
        let (sizes, batch_axis) = (graph.sizes(node), ty.shape.batch_axis());
        let layout = if self.features_are_lanes {
            features::layout(&sizes, batch_axis, kind != BufferKind::Input)
        } else {
            Layout::new(&sizes, batch_axis)
        };
        let buffer = self.add(name, kind, ty.dtype, layout);
        self.of_node.insert(node, buffer);
    }

    fn add_partial(&mut self, graph: &Graph, forms: &Forms, root: Root) {
        let batch = graph.batch.expect("the graph is specialised");
        let part_len = groups::part_len(graph, forms, root);
        let is_contraction = forms[&root.node()].as_contraction().is_some();
        let n_chunks = batch.div_ceil(CHUNK);
        if let Some(lanes) = FeatureLanes::of(graph, &forms[&root.node()], root.node()) {
            self.add_rows(graph, lanes.vectors, lanes.n_features, n_chunks);
        }
        let n_parts = if is_contraction {
            let groups = Groups::of(graph, forms, root);
            self.add_waiting(&forms[&root.node()], root, groups, part_len);
            groups.n_groups
        } else {
            n_chunks
        };
        let what = match (root, &forms[&root.node()]) {
            (Root::PartialDeviations(_), _) => "squared deviations",
            (_, Form::Point(form)) if form.as_contraction().is_some() => "partial products",
            _ => "partial sums",
        };
        let name = format!("{what} of {}", root.node());
        let buffer = self.add(name, BufferKind::Temp, DType::F32, Layout::new(&[n_parts, part_len], None));
        self.of_partial.insert(root, Partial { buffer, part_len, n_parts });
    }

    fn add_rows(&mut self, graph: &Graph, node: NodeId, n_features: usize, n_chunks: usize) {
        if self.rows.contains_key(&node) {
            return;
        }
        let stride = Layout::row_stride(n_features);
        let layout = Layout::new(&[n_chunks * CHUNK, stride], None);
        let buffer = self.add(format!("rows of {node}"), BufferKind::Temp, graph.ty(node).dtype, layout);
        self.rows.insert(node, Rows { buffer, stride });
    }
}
