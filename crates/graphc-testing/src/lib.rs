//! Random graphs for the property tests of every other crate; no crate depends on it but for its tests.
//!
//! * [`graphs`] is a proptest strategy: well-typed forward graphs with branches, odd sizes and a scalar loss.
//! * [`layer_graphs`] adds `batch_norm` and `dropout`, which depend on the mode.
//! * [`op_cases()`] gives cases of single ops, with operands of every rank and numbers for them.
//! * [`bindings()`] gives inputs and parameters for any graph, the same for the same seed.
//! * [`special_bindings`] puts NaN, infinities, zeros, subnormal and huge numbers among them, and [`approx`] tells for
//!   which graphs engines must agree all the same.
//! * [`optimizers()`] is a strategy of optimizers with settings of every kind, [`updates()`] one of all that a training
//!   step may do with gradients.
//! * [`programs::programs`] is a strategy of loop programs with every statement and operation.
//! * [`cases`] says how often random tests repeat themselves.
//!
//! Values stay tame, so that engines can be compared: [`recipe`] follows a bound of every value and scales
//! down what grows, logarithms and roots get positive operands, and divisors are at least 1.
//!
//! Reading order: [`recipe`] (what is random, and how it shrinks), [`build`](mod@build) (from a recipe to a graph),
//! [`op_cases`](mod@op_cases), [`bindings`](mod@bindings).
#![forbid(unsafe_code)]

pub mod recipe;

pub mod build;

pub mod op_cases;

pub mod approx;

pub mod bindings;

pub mod optimizers;

pub mod programs;

pub mod counts;

pub use bindings::{Specials, bindings, special_bindings};
pub use build::{graphs, layer_graphs};
pub use counts::cases;
pub use op_cases::{Numbers, OpCase, all_op_cases, op_cases};
pub use optimizers::{Updates, all_optimizers, optimizers, updates};
pub use recipe::{Recipe, TestGraph};
