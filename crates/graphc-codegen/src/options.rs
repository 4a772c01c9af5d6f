//! What to compile besides the code itself.

/// What to compile besides the code itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CodegenOptions {
    /// Compare every index with its buffer's length; a phase returns an error code on a miss.
    pub checked: bool,
}
