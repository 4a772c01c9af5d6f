//! Readers of data files.
//!
//! Reading order: [`values`], [`array`].

pub(crate) mod array;
pub(crate) mod values;
