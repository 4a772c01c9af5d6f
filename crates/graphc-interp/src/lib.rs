//! The oracle: what a graph and a loop program mean, run slowly and plainly.
//!
//! * [`graph`] evaluates a graph node by node, in `f64` (the meaning) or `f32`.
//! * [`visit`](mod@visit) does the same for somebody who looks at every value and may stop.
//! * [`gradcheck`] compares gradient nodes with central differences of that.
//! * [`loops`] runs a loop program and gives the bits the machine code must give.
//!
//! It knows no file format, no pass and no machine.
#![forbid(unsafe_code)]

pub mod graph;

pub mod visit;

pub mod gradcheck;

pub mod loops;
