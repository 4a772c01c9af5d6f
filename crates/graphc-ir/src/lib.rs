//! The two intermediate representations of graphc and every operation.
//!
//! * [`graph`]: the graph IR. A node is one tensor operation; the training step (forward, loss, backward, update) is
//!   one graph.
//! * [`loops`]: the loop IR. A kernel is a tree of loops over scalar bodies with affine accesses to buffers of one
//!   arena.
//! * [`ops`]: one file per tensor operation, each with its shape rule, evaluation, gradient rule and lowering.
//! * [`layers`]: one file per layer, each with its fields and the ops and parameters that it is made of.
//!
//! This crate does no I/O and knows no file format, no schedule and no machine.
//!
//! Reading order: [`types`], [`tensor`], [`vectors`], [`index`], [`scalar`], [`narrow`], [`mod@range`], [`compute`],
//! [`attrs`], [`rate`], [`text`], [`initializers`], [`graph`], [`ops`], [`optimizers`], [`layers`], [`form`],
//! [`split`], [`digits`], [`summands`], [`views`], [`point`], [`loops`].
#![forbid(unsafe_code)]

pub mod attrs;
pub mod choice;
pub mod compute;
pub mod digits;
pub mod form;
pub mod graph;
pub mod index;
pub mod initializers;
pub mod layers;
pub mod loops;
pub mod narrow;
pub mod ops;
pub mod optimizers;
pub mod point;
pub mod range;
pub mod rate;
pub mod scalar;
pub mod split;
pub mod summands;
pub mod tensor;
pub mod text;
pub mod types;
pub mod vectors;
pub mod views;

pub use graph::{Graph, NodeId};
pub use ops::Op;
pub use optimizers::{Averaging, Optimizer};
pub use rate::{EarlyStopping, Plateau, RateRule, RateSchedule, Warmup};
pub use tensor::{Real, Tensor};
pub use types::{DType, Dim, Shape, TensorType, TypeError};
