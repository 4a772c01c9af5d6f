//! Copies of tensors in the order in which contractions read them.

pub(crate) mod pack;
pub(crate) mod rows;
