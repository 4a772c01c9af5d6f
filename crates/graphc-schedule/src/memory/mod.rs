//! Which buffer holds which value, and where buffers stand in the arena.
//!
//! Reading order: `in_place` (updates that may overwrite their parameter), `buffers`, `gradients` (which of them
//! lie side by side); once the loops are written,
//! `unread` (what need not be stored), `roles` (of kernels), `overlay` (what may take the place of something else),
//! `members` (what each member of a team has for itself), `places` (what is free when), `arena` (offsets).

pub(crate) mod arena;
pub(crate) mod buffers;
pub(crate) mod gradients;
pub(crate) mod in_place;
mod members;
pub(crate) mod overlay;
mod places;
pub(crate) mod roles;
pub(crate) mod unread;
