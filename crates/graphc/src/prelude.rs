//! What most programs need: `use graphc::prelude::*;`.

pub use crate::callbacks::{Callbacks, Flow, StepEvent, on_epoch, on_step};
pub use crate::data::{Arrays, DataSource, TrainingData};
pub use crate::input::TensorInput;
pub use crate::options::{FitOptions, SessionOptions};
pub use crate::session::{Session, StepOutput};
pub use graphc_driver::Isa;
pub use graphc_ir::graph::builder::{GraphBuilder, Loss};
pub use graphc_ir::layers::*;
pub use graphc_ir::{DType, Graph, Optimizer, Plateau, RateRule, RateSchedule, Shape, Tensor, Warmup, optimizers};
pub use graphc_train::data::Row;
pub use graphc_train::run::CheckpointEvery;
pub use graphc_train::{Dataset, EarlyStopping, EpochRecord, Evaluation, FitReport, History};
