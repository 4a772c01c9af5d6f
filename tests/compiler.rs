//! Everything that is tested from a graph to results, in one binary, since each links the whole compiler:
//! `cargo test --workspace --test compiler engines::` runs those of a file.

mod common {
    pub(crate) mod engines;
    pub(crate) mod meaning;
}
mod reference;

mod cases;
mod chains;
mod choices;
mod elementary;
mod engines;
mod filetests;
mod large_layers;
mod lenet;
mod library;
mod reference_f64;
mod right_values;
mod sample_layers;
mod small_batches;
mod special_values;
mod subnormal_weights;
mod threads;
mod updates;
mod winograd;
