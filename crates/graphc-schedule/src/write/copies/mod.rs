//! Writes copies of tensors in the order in which contractions read them
//! ([`CopyPlan`](crate::decide::copies::CopyPlan)).
//!
//! `weights` copies what is the same for every sample, once a step or once for many, or part by part where it is read;
//! `rows` copies a batch behind each of its chunks.

pub(crate) mod rows;
pub(crate) mod weights;
