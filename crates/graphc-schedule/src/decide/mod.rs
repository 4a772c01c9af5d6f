//! What is decided before anything is written.
//!
//! Reading order: `samples` (how they fill vectors), `layout` (what the lanes of the program are), `problem`, `axes`
//! (what is known of every axis), `summation` (the order of sums over the batch), `loops`, `grid` (what stays in
//! registers), `lane_axis` (whether neighbours can be lanes), `copies`, `strips`, `taps`, `terms` (blocks of terms),
//! `contraction`, `sweep` and `scatter` (plans of nests), `task`, `next_chunk`, `cut` (tasks that are parts of chunks),
//! `shares` (tasks that are parts of a gradient), `reads`
//! (what a group reads), `updates` (what gradients take along), `prologue`, `kernel` (phases), `text` (all of
//! it for people), `choices` (what else could have been decided).

pub(crate) mod axes;
pub(crate) mod choices;
pub(crate) mod contraction;
pub(crate) mod copies;
pub(crate) mod cut;
pub(crate) mod grid;
pub(crate) mod kernel;
pub(crate) mod lane_axis;
pub(crate) mod layout;
pub(crate) mod loops;
pub(crate) mod next_chunk;
pub(crate) mod problem;
pub(crate) mod prologue;
pub(crate) mod reads;
pub(crate) mod samples;
pub(crate) mod scatter;
pub(crate) mod shares;
pub(crate) mod strips;
pub(crate) mod summation;
pub(crate) mod sweep;
pub(crate) mod taps;
pub(crate) mod task;
pub(crate) mod terms;
mod text;
pub(crate) mod updates;
