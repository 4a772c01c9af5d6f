//! Sweeps with features as lanes.

mod partial;
pub(crate) mod sweep;
