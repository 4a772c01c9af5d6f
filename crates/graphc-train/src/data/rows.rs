//! Rows of samples that a function of the program writes.

use std::fmt;
use std::sync::Arc;

/// One input of one sample, to be written: as many elements as the input takes of a sample, row-major. All are 0 at
/// first.
#[derive(Debug)]
pub enum Row<'a> {
    /// Of an `f32` input.
    F32(&'a mut [f32]),
    /// Of an `i32` input.
    I32(&'a mut [i32]),
}

/// Writes the row of a sample, by its number from 0 and the name of the input; says why it cannot.
pub type ReadRow = dyn Fn(usize, &str, Row<'_>) -> Result<(), String> + Send + Sync;

/// Samples of which a function gives the rows. It is called on the threads that prepare batches, in any order, for a
/// sample as often as a batch has it, and must give the same each time.
#[derive(Clone)]
pub struct Rows {
    /// Number of samples.
    pub n_samples: usize,
    /// Gives their rows.
    pub read: Arc<ReadRow>,
}

/// The same samples have the same function.
impl PartialEq for Rows {
    fn eq(&self, other: &Rows) -> bool {
        self.n_samples == other.n_samples && Arc::ptr_eq(&self.read, &other.read)
    }
}

impl fmt::Debug for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rows").field("n_samples", &self.n_samples).finish_non_exhaustive()
    }
}
