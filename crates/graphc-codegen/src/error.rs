//! Why a program could not be compiled.

use std::fmt;

/// Why a program could not be compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CodegenError {
    /// The host cannot run the code that would be made.
    Target(String),
    /// The program breaks a rule of the loop IR that code generation relies on.
    Program {
        /// Name of the kernel.
        kernel: String,
        /// What was found.
        message: String,
    },
    /// Cranelift refused a function.
    Backend {
        /// Name of the function.
        function: String,
        /// Cranelift's message.
        message: String,
    },
    /// The system has no room for the machine code.
    Memory(String),
}

impl fmt::Display for CodegenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CodegenError::Target(message) => write!(f, "target: {message}"),
            CodegenError::Memory(message) => write!(f, "memory: {message}"),
            CodegenError::Program { kernel, message } => write!(f, "kernel {kernel}: {message}"),
            CodegenError::Backend { function, message } => write!(f, "function {function}: {message}"),
        }
    }
}

impl std::error::Error for CodegenError {}
