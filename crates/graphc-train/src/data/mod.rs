//! Readers of data files.
//!
//! Reading order: [`values`], [`array`] (one array per column), [`cifar`], [`images`] (folders of pictures).

pub(crate) mod array;
pub(crate) mod cifar;
pub(crate) mod images;
pub(crate) mod values;
