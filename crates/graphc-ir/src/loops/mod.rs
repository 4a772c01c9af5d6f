//! The loop IR: kernels as trees of loops over scalar bodies with affine accesses.
//!
//! Reading order: [`kernel`], [`layout`], [`lane_vars`], [`print`](mod@print), [`parse`](mod@parse), [`bounds`],
//! [`verify`](mod@verify).

pub mod bounds;
pub mod kernel;
pub mod lane_vars;
pub mod layout;
mod lex;
pub mod parse;
mod parse_index;
pub mod print;
pub mod verify;

pub use crate::text::ParseError;
pub use kernel::*;
pub use lane_vars::LaneVars;
pub use layout::Layout;
pub use parse::parse;
pub use verify::{Finding, verify};
