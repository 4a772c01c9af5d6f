//! What is decided before anything is written.
//!
//! Reading order: `grid` (which output coordinates stay in registers), `lanes` and `groups` (the order of sums over the
//! batch), `windows`, `packed`, `task`, `joined`, `prologue`, `choices` (what else could have been decided).

pub(crate) mod choices;
pub(crate) mod grid;
pub(crate) mod groups;
pub(crate) mod joined;
pub(crate) mod lanes;
pub(crate) mod packed;
pub(crate) mod prologue;
pub(crate) mod task;
pub(crate) mod windows;
