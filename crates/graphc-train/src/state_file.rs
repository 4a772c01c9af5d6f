//! Everything that training steps change in one file: weights, what the optimizer keeps, the number of the step.
//!
//! A `safetensors` file with the tensors of the state, and in its metadata `graphc.session` with the rest. Weight files
//! have the parameters alone ([`crate::weights`]).

use crate::data::Fitted;
use crate::error::TrainError;
use crate::files::write_file;
use crate::weights::{FITTED, NamedTensor, TensorData, encode_with_metadata, fitted_of, metadata_of, read_tensors};
use graphc_driver::SavedState;
use graphc_ir::Tensor;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::path::Path;

/// A network between two training steps.
#[derive(Clone, Debug)]
pub struct StateFile {
    /// Weights, moving statistics, averages, and what the optimizer keeps.
    pub tensors: SavedState,
    /// The rest.
    pub facts: StateFacts,
    /// What training samples said of the data, if they did.
    pub fitted: Fitted,
}

/// What is no tensor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StateFacts {
    /// Number of the next training step.
    pub steps: i32,
    /// The learning rate of the next step.
    #[serde(with = "crate::run::exact::option")]
    pub learning_rate: Option<f64>,
    /// Whose state it is.
    pub optimizer: String,
}

/// Where the file says what is no tensor.
const FACTS: &str = "graphc.session";

impl StateFile {
    /// Writes the file, as [`write_file`] does.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), TrainError> {
        let named = |(name, value): (&str, Tensor<f32>)| NamedTensor {
            name: name.to_string(),
            shape: value.shape,
            data: TensorData::F32(value.data),
        };
        let tensors: Vec<NamedTensor> = self.tensors.tensors().map(named).collect();
        let text = serde_json::to_string(&self.facts).expect("names and numbers are JSON");
        let mut metadata = HashMap::from([(FACTS.to_string(), text)]);
        if !self.fitted.is_empty() {
            let text = serde_json::to_string(&self.fitted).expect("names and numbers are JSON");
            metadata.insert(FITTED.to_string(), text);
        }
        write_file(path, &encode_with_metadata(&tensors, Some(metadata))?)
    }

    /// Reads such a file.
    ///
    /// # Errors
    /// If it cannot be read, or is another one.
    pub fn read(path: &Path) -> Result<StateFile, TrainError> {
        let metadata = metadata_of(path)?;
        let facts = metadata.get(FACTS).ok_or_else(|| {
            TrainError::file(path, "no checkpoint: it says nothing of a training (are these the weights alone?)")
        })?;
        let facts = serde_json::from_str(facts)
            .map_err(|_| TrainError::file(path, format!("its `{FACTS}` is none of this version")))?;
        let fitted = fitted_of(path, &metadata)?;
        let mut tensors = SavedState::default();
        for (name, tensor) in read_tensors(path)? {
            tensors.set(&name, &Tensor::new(tensor.shape, tensor.data.to_f32()));
        }
        Ok(StateFile { tensors, facts, fitted })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_back_bit_for_bit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let mut tensors = SavedState::default();
        tensors.set("w", &Tensor::new(vec![2], vec![0.1, -0.0]));
        tensors.set("w.m", &Tensor::scalar(1e-30));
        let facts = StateFacts { steps: 7, learning_rate: Some(0.1 + 0.2), optimizer: "adam".into() };
        StateFile { tensors, facts: facts.clone(), fitted: Fitted::default() }.write(&path).unwrap();
        let read = StateFile::read(&path).unwrap();
        assert_eq!(read.facts, facts);
        let bits: Vec<u32> = read.tensors.get("w").unwrap().data.iter().map(|value| value.to_bits()).collect();
        assert_eq!(bits, [0.1f32.to_bits(), (-0.0f32).to_bits()]);
        assert_eq!(read.tensors.tensors().count(), 2);
        let weights = folder.path().join("weights");
        crate::weights::write_tensors(&weights, &[]).unwrap();
        let error = StateFile::read(&weights).unwrap_err().to_string();
        assert!(
            error.ends_with("no checkpoint: it says nothing of a training (are these the weights alone?)"),
            "{error}"
        );
    }
}
