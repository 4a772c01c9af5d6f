//! The oracle: what a graph and a loop program mean, run slowly and plainly.
#![forbid(unsafe_code)]

pub mod loops;
