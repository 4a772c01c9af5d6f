//! What the fuzzers call: everything that reads bytes from outside.
#![forbid(unsafe_code)]

pub mod targets;
