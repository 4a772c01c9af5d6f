//! The loop interpreter: runs a [`Program`](graphc_ir::loops::Program) scalar by scalar, with exactly the bits that the
//! machine code must give.
//!
//! The meaning is that of [`graphc_ir::loops::kernel`]: the arithmetic of [`graphc_ir::scalar::flushed`] (single
//! precision in which subnormal numbers count as zero, `fma` rounded once), 8 lanes in lockstep, lanes joined in the
//! fixed tree. Every access is checked against its buffer's length. A program is translated once ([`LoopInterp::new`]:
//! variables and values become slots, affine indices become slot and coefficient lists), because tests run whole
//! training steps.
//!
//! Reading order: `error`, `compile` (translation and the translated form), `tasks` (their order, and what they find),
//! `execute`, `tile`, `interp` (a program as a
//! whole), [`Memory`] (named tensors).

mod compile;
mod error;
mod execute;
mod interp;
mod memory;
mod tasks;
mod tile;

pub use error::InterpError;
pub use interp::{LoopInterp, run};
pub use memory::{Memory, read, write};
