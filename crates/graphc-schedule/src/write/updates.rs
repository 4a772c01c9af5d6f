//! Writes copies of parameter updates that may not overwrite the parameter where they are computed.

use crate::write::builder::Builder;
use crate::write::expr::Cx;
use graphc_ir::graph::NodeId;
use graphc_ir::index::Affine;
use graphc_ir::loops::{Access, LoopKind};
use graphc_ir::scalar::LANES;
use std::collections::BTreeSet;

/// Writes copies of the updates that are not in place.
pub(crate) fn write(cx: &Cx<'_>, b: &mut Builder, in_place: &BTreeSet<NodeId>) {
    for update in cx.graph.updates.iter().filter(|update| !in_place.contains(&update.value)) {
        let (from, to) = (cx.buffers.node(update.value), cx.buffers.node(update.parameter));
        let n_vectors = cx.buffers.layout(to).len().div_ceil(LANES);
        b.nest(&format!("update of {}", cx.graph.node(update.parameter).name), |b| {
            b.lanes(|b, lane| {
                b.for_extent(n_vectors, LoopKind::Serial, |b, var| {
                    let index = Affine::var(var).times(LANES as i64).plus(&Affine::var(lane));
                    let value = b.load(Access { buffer: from, index: index.clone() });
                    b.store(Access { buffer: to, index }, value);
                });
            });
        });
    }
}
