//! graphc as a library: build or read a network, compile it, train it, read tensors.

#![forbid(unsafe_code)]

pub use graphc_driver as driver;
pub use graphc_ir as ir;
