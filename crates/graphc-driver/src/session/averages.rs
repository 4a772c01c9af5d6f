//! Averages of the parameters that training steps keep, and inference with them.

use super::steps::{Session, key, state_names};
use crate::error::DriverError;
use graphc_ir::Averaging;
use graphc_ir::graph::Mode;
use graphc_ir::loops::BufferKind;
use graphc_ir::tensor::Tensor;
use graphc_runtime::Executable;

impl Session {
    /// Whether inference steps read the averages of parameters (`Graph::averaging`) in their place from now on.
    /// Parameters without one, and all of them before the first training step, are read as they are.
    pub fn infer_averages(&mut self, reads: bool) {
        if self.infers_averages != reads {
            self.infers_averages = reads;
            let inference = self.entries.iter_mut().filter(|(key, _)| key.0);
            inference.for_each(|(_, entry)| entry.version = 0);
        }
    }

    /// What inference steps read: as [`Session::parameters`], or the averages after [`Session::infer_averages`].
    ///
    /// # Errors
    /// As [`Session::parameters`].
    pub fn inference_parameters(&mut self) -> Result<Vec<(String, Tensor<f32>)>, DriverError> {
        let mut parameters = self.parameters()?;
        for (name, value) in &mut parameters {
            if let Some(average) = self.inferred_average(name)? {
                *value = average;
            }
        }
        Ok(parameters)
    }

    /// What inference steps read in place of a parameter.
    pub(super) fn inferred_average(&self, parameter: &str) -> Result<Option<Tensor<f32>>, DriverError> {
        if !self.infers_averages {
            return Ok(None);
        }
        let name = Averaging::name_of(parameter);
        // Zero until there has been an update, which may take several steps.
        let has_begun = |correction: &Tensor<f32>| correction.data != [0.0];
        match self.owner.and_then(|owner| self.entries.get(&owner)) {
            Some(owner) if owner.executable.program().find(BufferKind::State, &name).is_some() => {
                let correction = owner.executable.get(BufferKind::State, CORRECTION)?;
                let average = owner.executable.get(BufferKind::State, &name)?;
                Ok(has_begun(&correction).then_some(average))
            }
            Some(_) => Ok(None),
            None => {
                let state = self.state.iter().flatten();
                let has_begun = state.clone().any(|(name, value)| name == CORRECTION && has_begun(value));
                Ok(state.into_iter().find(|(known, _)| has_begun && **known == name).map(|(_, value)| value.clone()))
            }
        }
    }

    /// Gives an executable of inference the averages in place of the parameters that it has been given.
    pub(super) fn copy_averages(&self, of: (bool, usize), executable: &mut Executable) -> Result<(), DriverError> {
        if !self.infers_averages || of != key(Mode::Infer, of.1) {
            return Ok(());
        }
        for name in state_names(executable) {
            if let Some(average) = self.inferred_average(&name)? {
                executable.set(BufferKind::State, &name, &average.data)?;
            }
        }
        Ok(())
    }
}

/// The share of all updates that averages have taken in, which is 0 before the first one.
const CORRECTION: &str = "average.correction";
