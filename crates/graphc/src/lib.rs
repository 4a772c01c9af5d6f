//! graphc as a library: networks that are built or read from a graph file, compiled, trained and used by a Rust
//! program.
//!
//! ```
//! use graphc::prelude::*;
//!
//! fn main() -> graphc::Result<()> {
//!     // y = 2 a - b + 1, from four samples.
//!     let mut net = GraphBuilder::new("line");
//!     let x = net.input("x", DType::F32, Shape::batched(&[2]))?;
//!     let y = net.input("y", DType::F32, Shape::batched(&[1]))?;
//!     let line = net.dense("line", x, &Dense::new(1))?;
//!     net.loss(Loss::MeanSquaredError, line, y)?;
//!     net.optimizer(Optimizer::by_name("sgd")?);
//!
//!     let mut session = Session::new(net.finish(), SessionOptions::default())?;
//!     session.set_learning_rate(0.1)?;
//!     let x = vec![[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]];
//!     let y = vec![1.0, 3.0, 0.0, 2.0];
//!     for _ in 0..500 {
//!         session.train_step(&[("x", &x), ("y", &y)])?;
//!     }
//!     let predicted = session.predict(&[("x", &[[0.5, 0.5]])])?;
//!     assert!((predicted.data[0] - 1.5).abs() < 1e-3);
//!     Ok(())
//! }
//! ```
//!
//! [`Session`] is a network with its weights: [`Session::train_step`], [`Session::predict`], [`Session::fit`],
//! [`Session::save`] and [`Session::load`]. [`prelude`] has what most programs need. Nothing here prints.
//!
//! Behind it are the stages of the compiler, for those who study or extend it, in the order in which a network goes
//! through them: [`frontend`] (graph files), [`ir`] (networks and loops as data), [`autodiff`], [`passes`],
//! [`schedule`], [`codegen`], [`runtime`]; [`driver`] runs them all, [`interp`] says what they mean, [`measure`] how
//! fast a step is and why, and [`train`] is the training around the step.
//!
//! Reading order: `error`, `scoring`, [`experiment`] (from a graph file to what the training library takes), [`input`]
//! (what may be given as a tensor), `options`, `session`, [`data`] (what may be trained on), [`callbacks`], `fit`,
//! `state` (files), [`writer`] (what writes text), [`prelude`].
#![forbid(unsafe_code)]

mod augmentation;
pub mod callbacks;
pub mod data;
mod error;
pub mod experiment;
mod fit;
pub mod input;
mod options;
pub mod prelude;
mod scoring;
mod session;
mod state;
pub mod writer;

pub use graphc_autodiff as autodiff;
pub use graphc_codegen as codegen;
pub use graphc_driver as driver;
pub use graphc_frontend as frontend;
pub use graphc_interp as interp;
pub use graphc_ir as ir;
pub use graphc_measure as measure;
pub use graphc_passes as passes;
pub use graphc_runtime as runtime;
pub use graphc_schedule as schedule;
pub use graphc_train as train;

pub use callbacks::{Callbacks, Flow, StepEvent, on_epoch, on_step};
pub use data::{Arrays, DataSource, TrainingData};
pub use error::{Error, Result};
pub use input::TensorInput;
pub use options::{FitOptions, SessionOptions};
pub use session::{Session, StepOutput};

/// The code of the README is complete, and runs.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
pub struct Readme;

/// The code of the guide is complete, and runs.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/guide/library.md")]
pub struct Guide;
