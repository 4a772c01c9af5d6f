//! Copies of batches of vectors with samples as rows, for contractions whose lanes are features.

use crate::decide::task::Task;
use crate::write::builder::Builder;
use crate::write::expr::{BatchAt, Cx, Emitter};
use graphc_ir::graph::plan::{Group, Root};
use graphc_ir::index::{Affine, Var};
use graphc_ir::loops::LoopKind;
use graphc_ir::point::BATCH;
use graphc_ir::scalar::LANES;

/// Writes the copies of what a group has stored for the samples of a task. Rows of padding samples are zero, as their
/// lanes are.
pub(crate) fn write(cx: &Cx<'_>, b: &mut Builder, group: &Group, task: Task) {
    for root in &group.roots {
        let Root::Value(node) = *root else { continue };
        let Some(rows) = cx.buffers.rows(node) else { continue };
        let n_features = cx.graph.sizes(node)[1];
        task.each_chunk(cx, b, |b, chunk| {
            b.nest(&format!("rows of {}", group.name), |b| {
                b.lanes(|b, lane| {
                    b.for_extent(cx.n_halves(), LoopKind::Unroll, |b, half| {
                        let mut em = Emitter::new(cx);
                        let feature = em.dag.new_var(n_features);
                        let sample = Affine::var(lane).add_scaled(&Affine::var(half), LANES as i64);
                        em.batch = Some(BatchAt { chunk: Affine::var(chunk), sample });
                        b.for_extent(n_features, LoopKind::Serial, |b, var: Var| {
                            em.bind(feature, Affine::var(var));
                            let from = em.access(b, node, &[Affine::var(BATCH), Affine::var(feature)]);
                            let value = b.load(from);
                            let to = em.row_access(b, rows, &Affine::var(feature));
                            b.store(to, value);
                        });
                    });
                });
            });
        });
    }
}
