//! Everything around the training step: data sets, batches, the training loop, its history and the run folder.
//!
//! Takes a compiled network (anything that is a [`network::Network`]) and its data; gives trained weights, a history
//! and the files of a run. It must not know the command line and prints nothing: a [`train::Observer`] is told what
//! happens. It must not know the graph file either; callers hand over shapes and names.
//!
//! Reading order: [`error`], `reading` and `gzip`, [`input`] (what the network takes), [`data`] (sources to a data
//! set), [`batches`], [`network`] and `session`, [`class_weights`], `packing` (bytes to the network's layout), `feed`
//! (batches prepared ahead), `rate` (the learning rate), [`nonfinite`] (numbers that stopped being finite), [`run`]
//! (where a run stands), `fit_options`, `observer`, `fit_report`, `fit_error`, [`train`] and `epochs`, `search` (for
//! where such numbers come from), [`metrics`], [`evaluate`](mod@evaluate), [`picture`], [`predict`], [`generate`],
//! [`history`], [`plots`], [`files`], `tensor_header`, [`weights`], [`state_file`], `folder_lock`,
//! [`checkpoint_folder`], [`run_folder`].
#![forbid(unsafe_code)]

pub mod batches;
pub mod checkpoint_folder;
pub mod class_weights;
pub mod data;
mod epochs;
pub mod error;
pub mod evaluate;
mod feed;
pub mod files;
mod fit_error;
mod fit_options;
mod fit_report;
mod folder_lock;
pub mod generate;
mod gzip;
pub mod history;
pub mod input;
pub mod metrics;
pub mod network;
pub mod nonfinite;
mod observer;
mod packing;
pub mod picture;
pub mod plots;
pub mod predict;
mod rate;
mod reading;
pub mod run;
pub mod run_folder;
mod search;
mod session;
pub mod state_file;
mod tensor_header;
pub mod train;
pub mod weights;

pub use batches::Batches;
pub use class_weights::{ClassWeights, Weighted};
pub use data::{
    Array, ArrayFormat, Dataset, Loader, Part, Preprocess, ReadRow, Row, Rows, Source, Synthetic, Values,
    read_array_bytes,
};
pub use error::TrainError;
pub use evaluate::{Evaluation, NonfiniteBatch, Portion, evaluate, evaluate_scored};
pub use feed::Loading;
pub use files::{check_writable, write_file};
pub use fit_error::{FitError, NonfiniteFit};
pub use history::{EpochRecord, History};
pub use input::InputSpec;
pub use metrics::{Form, Outcome, Reading, Scores, Scoring};
pub use network::{InputBuffer, Network, NetworkError, Weights};
pub use nonfinite::Nonfinite;
pub use run::{Best, EarlyStopping, Ended, RunState};
pub use run_folder::RunFolder;
pub use state_file::{StateFacts, StateFile};
pub use train::{FitOptions, FitReport, Observer, Progress, Supervision, fit, fit_from};
pub use weights::{NamedTensor, TensorData};
