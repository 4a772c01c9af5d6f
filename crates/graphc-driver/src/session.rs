//! A graph with its parameters, compiled on demand.
//!
//! Reading order: `options`, `inputs` (what a step must be given, and what it may be given), `orthogonal` and
//! `parameters` (their initial values), `steps` (the session), `state` (what training changes, copied and compared),
//! `averages` (of the parameters, and inference with them), `facts` and `explain` (where a step stops being finite).

mod averages;
mod explain;
mod facts;
mod index;
mod inputs;
mod integers;
mod options;
mod orthogonal;
mod parameters;
mod state;
mod steps;

pub use facts::{Explanation, NodeFacts, OperandFacts, ParameterFacts};
pub use integers::{Integers, Numbered};
pub use options::{CompileTimes, SessionOptions};
pub use parameters::initial_state;
pub use state::{NonfiniteTensor, SavedState};
pub use steps::Session;
