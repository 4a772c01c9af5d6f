//! Writes the nest of a contraction: loops over blocks of output coordinates around a tile.
//!
//! One nest for every plan ([`ContractionPlan`]): lanes over samples, over samples that are summed, over neighbours
//! along an axis, or none.
//!
//! Reading order: `nest`, the loops; `tile`, what stands inside them; `reads`, where the factors are; `accumulators`
//! that wait in memory, `waiting`, what a nest does with them, and `taps`, for whose sake they may wait; `blocks` of
//! terms and panels, which are nests of their own; `gradient`, who sums over which chunks.

mod accumulators;
mod blocks;
pub(crate) mod gradient;
mod nest;
mod reads;
mod taps;
mod tile;
mod waiting;

use crate::decide::contraction::{Batch, ContractionPlan};
use crate::write::builder::Builder;
use crate::write::expr::Cx;
use crate::write::task::{Share, Task};
use blocks::Part;
use graphc_ir::NodeId;
use nest::{Nest, Place, in_lanes};

/// The task that a nest is written for, its share of it if it has but one, and tensors of whose next chunk it asks
/// for some words.
type At<'a> = (Task, Option<Share>, &'a [NodeId]);

/// Writes the nest for the samples of a task, or of tensors without a batch, or of all samples if they are an axis.
pub(crate) fn write(cx: &Cx<'_>, b: &mut Builder, plan: &ContractionPlan, at: Option<At<'_>>) {
    let place = match (plan.batch, at) {
        (Batch::Chunks { per_task: 1 }, Some((task, ..))) => Place::Task { task, chunk: task.number },
        (Batch::Chunks { .. }, Some((task, ..))) => Place::Task { task, chunk: b.var() },
        _ => Place::Once,
    };
    if let Some(position) = plan.loops.iter().position(|walk| walk.is_shared) {
        return gradient::share_blocks(cx, b, plan, position);
    }
    blocks::each(cx, b, plan, &mut |b, block| {
        b.nest_of(&plan.name, &plan.nodes, |b| {
            in_lanes(b, plan, |b, lane| {
                let mut nest = Nest::new(cx, plan, place, lane);
                let mut part = None;
                if let Some((_, share, fetches)) = at {
                    nest.fetches = fetches;
                    if let Some(share) = share {
                        part = Some((share.cut.position, Part::Task(share)));
                    }
                }
                nest.walk_block(b, block, part.as_slice());
            });
        });
    });
}
