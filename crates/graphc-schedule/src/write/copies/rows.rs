//! Copies of batches of vectors with samples as rows, for contractions whose lanes are features.

use crate::decide::copies::CopyId;
use crate::write::builder::Builder;
use crate::write::expr::{BatchAt, Cx, Emitter};
use crate::write::task::Task;
use graphc_ir::index::{Affine, Var};
use graphc_ir::loops::{Access, LoopKind};
use graphc_ir::scalar::LANES;

/// Writes a copy of what a nest of that name has stored for the samples of a task. Rows of padding samples are zero,
/// as their lanes are.
pub(crate) fn write(cx: &Cx<'_>, b: &mut Builder, name: &str, id: CopyId, task: Task) {
    let (copy, buffer) = (cx.copies.get(id), cx.buffers.copy(id));
    let n_features = copy.outputs.1;
    task.each_chunk(cx, b, |b, chunk| {
        b.nest(&format!("rows of {name}"), |b| {
            b.lanes(|b, lane| {
                b.for_extent(cx.n_halves(), LoopKind::Unroll, |b, half| {
                    let mut em = Emitter::new(cx);
                    let feature = em.dag.new_var(n_features);
                    let sample = Affine::var(lane).add_scaled(&Affine::var(half), LANES as i64);
                    let at = BatchAt { chunk: Affine::var(chunk), sample };
                    em.batch = Some(at.clone());
                    b.for_extent(n_features, LoopKind::Serial, |b, var: Var| {
                        em.bind(feature, Affine::var(var));
                        let from = em.access(b, copy.source, &copy.index);
                        let value = b.load(from);
                        let index = copy.word(&Affine::default(), copy.block, &Affine::var(var), |_| at.index());
                        b.store(Access { buffer, index }, value);
                    });
                });
            });
        });
    });
}
