//! Why a compilation or a session failed.

use crate::memory::MemoryError;
use graphc_autodiff::AutodiffError;
use graphc_codegen::CodegenError;
use graphc_interp::graph::InterpError;
use graphc_passes::BrokenGraph;
use graphc_runtime::RuntimeError;
use std::fmt;

/// Any failure between a graph and a finished step.
#[derive(Debug)]
pub enum DriverError {
    /// The options do not fit the graph.
    Options(String),
    /// An input is missing, or has values that make no sense.
    Input(String),
    /// The machine has not as much memory.
    Memory(MemoryError),
    /// The graph given is not valid; all findings.
    InvalidGraph(Vec<String>),
    /// A pass broke the graph: a bug.
    BrokenGraph(BrokenGraph),
    /// The schedule broke a rule of the loop IR: a bug; all findings.
    BrokenProgram(Vec<String>),
    /// The graph cannot be differentiated.
    Autodiff(AutodiffError),
    /// No machine code.
    Codegen(CodegenError),
    /// An executable refused a tensor or a step.
    Runtime(RuntimeError),
    /// The graph interpreter refused the graph.
    Interp(InterpError),
}

impl fmt::Display for DriverError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DriverError::Options(message) | DriverError::Input(message) => f.write_str(message),
            DriverError::Memory(error) => error.fmt(f),
            DriverError::InvalidGraph(findings) => {
                write!(f, "the graph is not valid:")?;
                findings.iter().try_for_each(|finding| write!(f, "\n  {finding}"))
            }
            DriverError::BrokenGraph(error) => error.fmt(f),
            DriverError::BrokenProgram(findings) => {
                write!(f, "after schedule the program is not valid:")?;
                findings.iter().try_for_each(|finding| write!(f, "\n  {finding}"))
            }
            DriverError::Autodiff(error) => error.fmt(f),
            DriverError::Codegen(error) => error.fmt(f),
            DriverError::Runtime(error) => error.fmt(f),
            DriverError::Interp(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for DriverError {}

macro_rules! from {
    ($($error:ty => $variant:ident),* $(,)?) => {
        $(impl From<$error> for DriverError {
            fn from(error: $error) -> DriverError {
                DriverError::$variant(error)
            }
        })*
    };
}

from!(
    MemoryError => Memory,
    BrokenGraph => BrokenGraph,
    AutodiffError => Autodiff,
    CodegenError => Codegen,
    RuntimeError => Runtime,
    InterpError => Interp,
);
