//! Comparing tensors bit by bit, and naming what differs.

use super::failure::{Failure, differs};
use crate::error::CliError;
use graphc_ir::Tensor;
use graphc_ir::scalar::flushed;
use graphc_train::TrainError;
use graphc_train::run::Difference;
use graphc_train::weights::read_tensor_bytes;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// By name.
pub(super) type Tensors = BTreeMap<String, Tensor<f32>>;

/// Compares a file of weights with the bytes that it must have.
pub(super) fn compare_file(path: &Path, again: &[u8]) -> Result<(), Failure> {
    let there = fs::read(path).map_err(|error| CliError::from(TrainError::io(path, "read the weights", &error)))?;
    if there == again {
        return Ok(());
    }
    let tensors = |bytes: &[u8]| -> Result<Tensors, TrainError> {
        let tensors = read_tensor_bytes(path, bytes)?.into_iter();
        Ok(tensors.map(|(name, tensor)| (name, Tensor::new(tensor.shape, tensor.data.to_f32()))).collect())
    };
    match difference(&tensors(&there)?, &tensors(again)?) {
        Some(difference) => Err(Failure::Difference(difference.in_file(path))),
        None => Err(differs(format!(
            "{}: its tensors are the same trained again, but what else it says is not",
            path.display()
        ))),
    }
}

/// The first tensor that differs, where it does, and how many do.
pub(super) fn difference(there: &Tensors, again: &Tensors) -> Option<Difference> {
    let names: Vec<&String> = there.keys().chain(again.keys().filter(|name| !there.contains_key(*name))).collect();
    let differing: Vec<(&String, String)> =
        names.iter().filter_map(|name| Some((*name, one_difference(there.get(*name), again.get(*name))?))).collect();
    let (first, what) = differing.first()?;
    let message = format!("{} of {} tensors differ, the first is `{first}`{what}", differing.len(), names.len());
    Some(Difference { epoch: None, tensor: Some((*first).clone()), message })
}

fn one_difference(there: Option<&Tensor<f32>>, again: Option<&Tensor<f32>>) -> Option<String> {
    let (there, again) = match (there, again) {
        (Some(there), Some(again)) => (there, again),
        (None, _) => return Some(", which is missing".into()),
        (_, None) => return Some(", which the network does not have".into()),
    };
    if there.shape != again.shape {
        return Some(format!(", whose shape is {:?} in the file, {:?} trained again", there.shape, again.shape));
    }
    let bits = |value: &f32| flushed::canonical(*value).to_bits();
    let at = there.data.iter().zip(&again.data).position(|(there, again)| bits(there) != bits(again))?;
    let mut rest = at;
    let mut index: Vec<String> = Vec::new();
    for &size in there.shape.iter().rev() {
        index.insert(0, (rest % size.max(1)).to_string());
        rest /= size.max(1);
    }
    let (there, again) = (there.data[at], again.data[at]);
    Some(format!(" at [{}]: {there} in the file, {again} trained again", index.join(",")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_and_kinds_of_differences() {
        let tensors = |values: [f32; 4]| -> Tensors {
            [("a", 1.0), ("b", 2.0)]
                .into_iter()
                .map(|(name, first)| (name.to_string(), Tensor::scalar(first)))
                .chain([("w".to_string(), Tensor::new(vec![2, 2], values.to_vec()))])
                .collect()
        };
        let message = |there: &Tensors, again: &Tensors| difference(there, again).map(|difference| difference.message);
        let one = tensors([0.0, 1.0, f32::NAN, 3.0]);
        let negative_nan = -f32::NAN;
        assert_eq!(message(&one, &tensors([0.0, 1.0, negative_nan, 3.0])), None);
        let other = tensors([0.0, 1.0, f32::NAN, 4.0]);
        let expected = "1 of 3 tensors differ, the first is `w` at [1,1]: 3 in the file, 4 trained again";
        assert_eq!(message(&one, &other).as_deref(), Some(expected));
        assert_eq!(
            message(&one, &tensors([-0.0, 1.0, f32::NAN, 3.0])).as_deref(),
            Some("1 of 3 tensors differ, the first is `w` at [0,0]: 0 in the file, -0 trained again")
        );
        let mut less = one.clone();
        less.remove("b");
        let expected = "1 of 3 tensors differ, the first is `b`, which ";
        assert_eq!(message(&one, &less).unwrap(), format!("{expected}the network does not have"));
        assert_eq!(message(&less, &one).unwrap(), format!("{expected}is missing"));
    }
}
