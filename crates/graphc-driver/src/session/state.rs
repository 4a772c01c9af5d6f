//! Copies of everything that training steps change, and what in it is not finite.

use super::index::{index_of, index_text};
use super::steps::{Entry, Session};
use crate::error::DriverError;
use graphc_ir::loops::{Buffer, BufferKind, Layout};
use graphc_ir::ops::Op;
use graphc_ir::tensor::{Real, Tensor};
use graphc_ir::{DType, Graph};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Everything that training steps change, as it was once: weights, moving statistics, what the optimizer keeps, and the
/// number of the next step.
/// Taking it again into the same value costs a copy of the words and no memory.
#[derive(Clone, Debug, Default)]
pub struct SavedState {
    tensors: BTreeMap<String, SavedTensor>,
    /// Number of the next training step.
    steps: i32,
}

/// The words of a tensor in its layout.
#[derive(Clone, Debug)]
struct SavedTensor {
    layout: Layout,
    words: Vec<u32>,
}

/// A tensor of the state that is not finite everywhere.
#[derive(Clone, Debug, PartialEq)]
pub struct NonfiniteTensor {
    /// Name of the parameter or of the optimizer's tensor.
    pub name: String,
    /// Number of elements.
    pub len: usize,
    /// How many of them are NaN or infinite.
    pub n_nonfinite: usize,
    /// Index of the first of them.
    pub index: Vec<usize>,
    /// Its value.
    pub value: f32,
}

impl NonfiniteTensor {
    /// What is not finite in a tensor, if anything is.
    pub fn find<R: Real>(name: &str, tensor: &Tensor<R>) -> Option<NonfiniteTensor> {
        let is_nonfinite = |value: &&R| !value.is_finite();
        let first = tensor.data.iter().position(|value| !value.is_finite())?;
        Some(NonfiniteTensor {
            name: name.to_string(),
            len: tensor.data.len(),
            n_nonfinite: tensor.data.iter().filter(is_nonfinite).count(),
            index: index_of(&tensor.shape, first),
            value: tensor.data[first].widen() as f32,
        })
    }
}

/// `` `conv1.kernel` is NaN at [0,0,0,3] (not finite: 149 of 150) ``
impl fmt::Display for NonfiniteTensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let NonfiniteTensor { name, len, n_nonfinite, index, value } = self;
        write!(f, "`{name}` is {value}")?;
        if *len > 1 {
            write!(f, " at {} (not finite: {n_nonfinite} of {len})", index_text(index))?;
        }
        Ok(())
    }
}

impl SavedState {
    /// Puts in a tensor, in place of one of that name.
    pub fn set(&mut self, name: &str, tensor: &Tensor<f32>) {
        self.put(name, &Layout::new(&tensor.shape, None), tensor.data.iter().map(|value| value.to_bits()));
    }

    /// The tensor of that name.
    pub fn get(&self, name: &str) -> Option<Tensor<f32>> {
        self.tensors.get(name).map(SavedTensor::tensor)
    }

    /// Names of the tensors, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// Number of elements of all tensors together.
    pub fn n_elements(&self) -> usize {
        self.tensors.values().map(|tensor| tensor.layout.shape.iter().product::<usize>()).sum()
    }

    /// Names and tensors.
    pub fn tensors(&self) -> impl Iterator<Item = (&str, Tensor<f32>)> {
        self.tensors.iter().map(|(name, tensor)| (name.as_str(), tensor.tensor()))
    }

    fn put(&mut self, name: &str, layout: &Layout, words: impl Iterator<Item = u32>) {
        match self.tensors.get_mut(name) {
            Some(tensor) if tensor.layout == *layout => {
                tensor.words.clear();
                tensor.words.extend(words);
            }
            _ => {
                let tensor = SavedTensor { layout: layout.clone(), words: words.collect() };
                self.tensors.insert(name.to_string(), tensor);
            }
        }
    }
}

impl SavedTensor {
    fn tensor(&self) -> Tensor<f32> {
        tensor_of(&self.layout, &self.words)
    }
}

fn tensor_of(layout: &Layout, words: &[u32]) -> Tensor<f32> {
    Tensor::new(layout.shape.clone(), layout.unpack(words).into_iter().map(f32::from_bits).collect())
}

impl Session {
    /// Copies everything that training steps change.
    ///
    /// # Errors
    /// If there is no memory for the initial parameters.
    pub fn save_state(&mut self, saved: &mut SavedState) -> Result<(), DriverError> {
        saved.steps = self.steps;
        match self.owner.and_then(|owner| self.entries.get(&owner)) {
            Some(entry) => {
                let names: BTreeSet<&str> = entry.state().map(|(buffer, _)| buffer.name.as_str()).collect();
                saved.tensors.retain(|name, _| names.contains(name.as_str()));
                for (buffer, words) in entry.state() {
                    saved.put(&buffer.name, &buffer.layout, words.iter().copied());
                }
            }
            None => {
                let state = self.state()?;
                saved.tensors.retain(|name, _| state.contains_key(name));
                state.iter().for_each(|(name, tensor)| saved.set(name, tensor));
            }
        }
        Ok(())
    }

    /// Goes back to a copy: steps made from here give the bits that they gave from there.
    ///
    /// # Errors
    /// If an executable cannot be read.
    pub fn restore_state(&mut self, saved: &SavedState) -> Result<(), DriverError> {
        self.pull()?;
        // What the optimizer has begun to keep since then is zero again.
        let state = self.state()?;
        state.values_mut().for_each(|tensor| tensor.data.fill(0.0));
        state.extend(saved.tensors().map(|(name, tensor)| (name.to_string(), tensor)));
        self.steps = saved.steps;
        self.owner = None;
        self.version += 1;
        Ok(())
    }

    /// Tensors that hold NaN or an infinity, of all that training steps change: weights and moving statistics in the
    /// order of the graph, then what the optimizer keeps.
    pub fn nonfinite_state(&self) -> Vec<NonfiniteTensor> {
        let mut found: Vec<NonfiniteTensor> = match self.owner.and_then(|owner| self.entries.get(&owner)) {
            Some(entry) => {
                let suspects = entry.state().filter(|(_, words)| !words.iter().all(|&word| is_finite(word)));
                let find = |(buffer, words): (&Buffer, &[u32])| {
                    NonfiniteTensor::find(&buffer.name, &tensor_of(&buffer.layout, words))
                };
                suspects.filter_map(find).collect()
            }
            // Initial parameters, if there are none yet, are finite.
            None => {
                self.state.iter().flatten().filter_map(|(name, tensor)| NonfiniteTensor::find(name, tensor)).collect()
            }
        };
        let parameters = parameter_names(&self.graph);
        let place = |name: &str| parameters.iter().position(|known| known == name).unwrap_or(parameters.len());
        found.sort_by_key(|tensor| place(&tensor.name));
        found
    }
}

impl Entry {
    /// Floating-point buffers of the state with their words.
    fn state(&self) -> impl Iterator<Item = (&Buffer, &[u32])> {
        let buffers = self.executable.program().buffers.iter();
        let state = buffers.filter(|buffer| buffer.kind == BufferKind::State && buffer.dtype == DType::F32);
        state.map(|buffer| (buffer, &self.executable.arena()[buffer.offset..buffer.offset + buffer.layout.len()]))
    }
}

/// Whether the bits of an `f32` are those of a finite number.
fn is_finite(word: u32) -> bool {
    const EXPONENT: u32 = 0x7f80_0000;
    word & EXPONENT != EXPONENT
}

/// Parameters in the order of the graph.
pub(crate) fn parameter_names(graph: &Graph) -> Vec<String> {
    let parameters = graph.ids().into_iter().filter(|&id| matches!(graph.op(id), Op::Parameter(_)));
    parameters.map(|id| graph.node(id).name.clone()).collect()
}
