//! [`Network`]: what the training loop needs of a compiled graph.
//!
//! A trait and not the driver's session itself, so that the loop is tested against a network whose arithmetic a
//! reader can follow.

use graphc_driver::{Explanation, NonfiniteTensor, SavedState};
use graphc_ir::graph::Mode;
use graphc_ir::loops::Layout;
use graphc_ir::{DType, Tensor};
use std::fmt;
use std::sync::atomic::AtomicBool;

/// Why a network refused an input or a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkError(pub String);

impl fmt::Display for NetworkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NetworkError {}

/// Parameters by name.
pub type Weights = Vec<(String, Tensor<f32>)>;

/// Where a network keeps an input; what is written there is what the next step reads.
#[derive(Debug)]
pub struct InputBuffer<'a> {
    /// What the words are: bits of `f32`, or `i32`.
    pub dtype: DType,
    /// Where the elements stand. Words of no element are zero.
    pub layout: &'a Layout,
    /// As many as the layout has.
    pub words: &'a mut [u32],
}

/// A graph with parameters that can be run in both modes at any batch size.
#[expect(clippy::missing_errors_doc, reason = "every method fails for the same reason: the network refuses")]
pub trait Network {
    /// Gives the elements of a floating-point input, row-major.
    fn set_input_f32(&mut self, mode: Mode, batch: usize, name: &str, values: &[f32]) -> Result<(), NetworkError>;

    /// Gives the elements of an integer input, row-major.
    fn set_input_i32(&mut self, mode: Mode, batch: usize, name: &str, values: &[i32]) -> Result<(), NetworkError>;

    /// The memory of an input, for batches that are written there without a detour.
    fn input_buffer(&mut self, mode: Mode, batch: usize, name: &str) -> Result<InputBuffer<'_>, NetworkError>;

    /// Has that memory written: `fill` gets the number of every chunk of samples, of so many words
    /// ([`Layout::chunk_stride`]), and its words. Chunks may be filled at the same time.
    fn fill_input(
        &mut self,
        mode: Mode,
        batch: usize,
        name: &str,
        fill: &(dyn Fn(usize, &mut [u32]) + Sync),
    ) -> Result<(), NetworkError> {
        let InputBuffer { layout, words, .. } = self.input_buffer(mode, batch, name)?;
        let chunks = words.chunks_mut(layout.chunk_stride.max(1));
        chunks.enumerate().for_each(|(number, words)| fill(number, words));
        Ok(())
    }

    /// Whether the step of that mode reads an input of that name: `learning_rate`, dropout's `step`.
    fn has_input(&mut self, mode: Mode, batch: usize, name: &str) -> Result<bool, NetworkError>;

    /// Runs once; in training mode the parameters change.
    fn step(&mut self, mode: Mode, batch: usize) -> Result<(), NetworkError>;

    /// A result of the last step at that mode and batch size.
    fn output(&self, mode: Mode, batch: usize, name: &str) -> Result<Tensor<f32>, NetworkError>;

    /// A result of the last step that is a scalar.
    fn scalar(&self, mode: Mode, batch: usize, name: &str) -> Result<f64, NetworkError> {
        match self.output(mode, batch, name)?.data.as_slice() {
            [value] => Ok(f64::from(*value)),
            values => Err(NetworkError(format!("`{name}` has {} elements, expected a scalar", values.len()))),
        }
    }

    /// Whether results of that name exist.
    fn has_output(&self, name: &str) -> bool;

    /// Copies everything that training steps change into `saved`, in place of what it has.
    fn save_state(&mut self, saved: &mut SavedState) -> Result<(), NetworkError>;

    /// Goes back to a copy: the same steps give the same bits from there.
    fn restore_state(&mut self, saved: &SavedState) -> Result<(), NetworkError>;

    /// Parameters by name, in order, as inference reads them.
    fn weights(&mut self) -> Result<Weights, NetworkError>;

    /// Replaces parameters.
    fn set_weights(&mut self, weights: &Weights) -> Result<(), NetworkError>;

    /// Whether inference reads averages of the parameters, if training keeps any.
    fn infer_averages(&mut self, reads: bool);

    /// Tensors that hold NaN or an infinity, of all that training steps change: weights first.
    fn nonfinite_state(&mut self) -> Result<Vec<NonfiniteTensor>, NetworkError>;

    /// Where the outputs or next states of those names stop being finite in a step with the inputs that are set and
    /// the state as it is; nothing if `stop` became true.
    fn explain(
        &mut self,
        mode: Mode,
        batch: usize,
        names: &[&str],
        stop: &AtomicBool,
    ) -> Result<Option<Explanation>, NetworkError>;
}
