//! What is decided before anything is written.
//!
//! Reading order: `samples` (how they fill vectors), `grid` (which output coordinates stay in registers), `lanes` and
//! `groups` (the order of sums over the batch), `lane_axis` (features as lanes), `sweep` (all about sweeps), `windows`,
//! `packed`, `task`, `joined`, `prologue`, `choices` (what else could have been decided).

pub(crate) mod choices;
pub(crate) mod grid;
pub(crate) mod groups;
pub(crate) mod joined;
pub(crate) mod lane_axis;
pub(crate) mod lanes;
pub(crate) mod packed;
pub(crate) mod prologue;
pub(crate) mod samples;
pub(crate) mod sweep;
pub(crate) mod task;
pub(crate) mod windows;
