//! The compiler as a whole: every stage in order, and sessions that run what it makes.
//!
//! [`pipeline`] is the table of contents of the compiler. [`Session`] is the library door: a graph with
//! its parameters, compiled on demand per mode and batch size, stepped, and read.
//!
//! Reading order: [`bits`], [`options`], [`tuning`], [`stage`], [`memory`], `threads`, [`pipeline`],
//! [`dump`](mod@dump), [`session`].
#![forbid(unsafe_code)]

pub mod bits;
pub mod dump;
pub mod error;
pub mod memory;
pub mod options;
pub mod pipeline;
pub mod session;
pub mod stage;
mod threads;
pub mod tuning;

pub use bits::BITS_REVISION;
pub use dump::{dump, dump_dot, dump_ladder};
pub use error::DriverError;
pub use graphc_codegen::{CRANELIFT_VERSION, Counts, Isa, Machine, Tally};
pub use graphc_runtime::hint;
pub use graphc_runtime::memory::Available;
pub use options::{CompileOptions, PrintAfter};
pub use pipeline::{Compiled, Lowered, StageTime, compile, lower, lower_to_backward, tuning_key};
pub use session::{
    Explanation, NodeFacts, NonfiniteTensor, OperandFacts, ParameterFacts, SavedState, Session, SessionOptions,
};
pub use stage::Stage;
pub use threads::default_threads;
pub use tuning::{Aspect, Candidates, Choices, Tuning, TuningKey};
