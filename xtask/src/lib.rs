//! What chores and the tests of the house rules share.
//!
//! Reading order: [`house`] (figures of the sources).
#![forbid(unsafe_code)]

pub mod house;
