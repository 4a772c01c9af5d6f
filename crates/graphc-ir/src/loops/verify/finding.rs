//! What the verifier has to say.

use std::fmt;

/// A broken rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Name of the kernel; empty if a buffer or the program is at fault.
    pub kernel: String,
    /// Name of the nest, empty outside nests.
    pub nest: String,
    /// The offending line as printed.
    pub line: String,
    /// Which rule, with the names it is about.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.kernel.is_empty() {
            write!(f, "kernel {:?}: ", self.kernel)?;
        }
        if !self.nest.is_empty() {
            write!(f, "nest {:?}: ", self.nest)?;
        }
        write!(f, "`{}`: {}", self.line, self.message)
    }
}
