//! Everything around the training step: data sets, batches, the training loop, its history and the run folder.
//!
//! Takes a compiled network (anything that is a [`network::Network`]) and its data; gives trained weights, a history
//! and the files of a run. It must not know the command line and prints nothing: a [`train::Observer`] is told what
//! happens. It must not know the graph file either; callers hand over shapes and names.
//!
//! Reading order: [`error`], `reading`, [`idx`], [`synthetic`], [`dataset`], [`batches`], [`network`], `packing` (bytes to the network's layout), `feed`
//! (batches prepared ahead), [`train`] and `epochs`, [`nonfinite`] and `search` (numbers that stop being finite),
//! [`evaluate`](mod@evaluate), [`picture`], [`predict`], [`history`], [`plots`], [`files`], `tensor_header`, [`weights`], [`run_folder`].
#![forbid(unsafe_code)]

pub mod batches;
#[cfg_attr(not(test), expect(dead_code, reason = "data sets are about to be read by it"))]
mod data;
pub mod dataset;
mod epochs;
pub mod error;
pub mod evaluate;
mod feed;
pub mod files;
pub mod history;
pub mod idx;
pub mod input;
pub mod network;
pub mod nonfinite;
mod packing;
pub mod picture;
pub mod plots;
pub mod predict;
mod reading;
pub mod run_folder;
mod search;
mod session;
pub mod synthetic;
mod tensor_header;
pub mod train;
pub mod weights;

pub use batches::Batches;
pub use data::array::{Array, ArrayFormat, read_array_bytes};
pub use data::values::Values;
pub use dataset::{Dataset, Source};
pub use error::TrainError;
pub use evaluate::{Evaluation, NonfiniteBatch, evaluate};
pub use feed::Loading;
pub use files::{check_writable, write_file};
pub use history::{EpochRecord, History};
pub use input::InputSpec;
pub use network::{InputBuffer, Network, NetworkError};
pub use nonfinite::{FitError, Nonfinite, NonfiniteFit};
pub use run_folder::RunFolder;
pub use synthetic::{Part, Synthetic};
pub use train::{FitOptions, FitReport, Observer, Progress, fit};
pub use weights::{NamedTensor, TensorData};
