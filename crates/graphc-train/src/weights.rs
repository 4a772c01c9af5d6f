//! Tensors by name in `safetensors` files: weights, and the inputs and outputs of `graphc run`.

use crate::error::TrainError;
use crate::files::write_file;
use crate::input::shape_text;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use std::collections::BTreeMap;
use std::path::Path;

/// Elements of one tensor, row-major.
#[derive(Clone, Debug, PartialEq)]
pub enum TensorData {
    /// Single precision.
    F32(Vec<f32>),
    /// Double precision.
    F64(Vec<f64>),
    /// Integers.
    I32(Vec<i32>),
}

/// A tensor with its name.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedTensor {
    /// Name.
    pub name: String,
    /// Sizes, outermost first.
    pub shape: Vec<usize>,
    /// Elements.
    pub data: TensorData,
}

impl TensorData {
    /// Converts to single precision (rounding).
    pub fn to_f32(&self) -> Vec<f32> {
        match self {
            TensorData::F32(values) => values.clone(),
            TensorData::F64(values) => values.iter().map(|&value| value as f32).collect(),
            TensorData::I32(values) => values.iter().map(|&value| value as f32).collect(),
        }
    }

    /// Converts to double precision (exactly).
    pub fn to_f64(&self) -> Vec<f64> {
        match self {
            TensorData::F32(values) => values.iter().map(|&value| f64::from(value)).collect(),
            TensorData::F64(values) => values.clone(),
            TensorData::I32(values) => values.iter().map(|&value| f64::from(value)).collect(),
        }
    }

    /// The integers, if they are.
    pub fn as_i32(&self) -> Option<&[i32]> {
        match self {
            TensorData::I32(values) => Some(values),
            _ => None,
        }
    }

    fn bytes(&self) -> (Dtype, Vec<u8>) {
        match self {
            TensorData::F32(values) => (Dtype::F32, values.iter().flat_map(|value| value.to_le_bytes()).collect()),
            TensorData::F64(values) => (Dtype::F64, values.iter().flat_map(|value| value.to_le_bytes()).collect()),
            TensorData::I32(values) => (Dtype::I32, values.iter().flat_map(|value| value.to_le_bytes()).collect()),
        }
    }
}

/// Reads every tensor of a file, by name. 64-bit and 8-bit integers become 32-bit ones.
///
/// # Errors
/// If the file cannot be read, is no safetensors file, or holds element types other than f32, f64 and integers.
pub fn read_tensors(path: &Path) -> Result<BTreeMap<String, NamedTensor>, TrainError> {
    let bytes = std::fs::read(path).map_err(|error| TrainError::io(path, "read the tensors", &error))?;
    let file = SafeTensors::deserialize(&bytes)
        .map_err(|error| TrainError::file(path, format!("not a safetensors file: {error}")))?;
    let mut tensors = BTreeMap::new();
    for (name, view) in file.iter() {
        let data = decode(&view).map_err(|message| TrainError::file(path, format!("tensor `{name}`: {message}")))?;
        tensors.insert(name.to_string(), NamedTensor { name: name.to_string(), shape: view.shape().to_vec(), data });
    }
    Ok(tensors)
}

fn decode(view: &TensorView<'_>) -> Result<TensorData, String> {
    let bytes = view.data();
    match view.dtype() {
        Dtype::F32 => Ok(TensorData::F32(elements(bytes, f32::from_le_bytes))),
        Dtype::F64 => Ok(TensorData::F64(elements(bytes, f64::from_le_bytes))),
        Dtype::I32 => Ok(TensorData::I32(elements(bytes, i32::from_le_bytes))),
        Dtype::I64 => {
            let narrow = |value: i64| i32::try_from(value).map_err(|_| format!("{value} does not fit in 32 bits"));
            elements(bytes, i64::from_le_bytes).into_iter().map(narrow).collect::<Result<_, _>>().map(TensorData::I32)
        }
        Dtype::U8 => Ok(TensorData::I32(bytes.iter().map(|&byte| i32::from(byte)).collect())),
        other => Err(format!("element type {other:?}, expected F32, F64, I32, I64 or U8")),
    }
}

fn elements<T, const LEN: usize>(bytes: &[u8], element: impl Fn([u8; LEN]) -> T) -> Vec<T> {
    bytes.chunks_exact(LEN).map(|chunk| element(chunk.try_into().expect("chunks have that length"))).collect()
}

/// Writes tensors to a file, as [`write_file`] does.
///
/// # Errors
/// If two tensors have the same name or the file cannot be written.
pub fn write_tensors(path: &Path, tensors: &[NamedTensor]) -> Result<(), TrainError> {
    write_file(path, &encode_tensors(tensors)?)
}

/// The bytes of a `safetensors` file.
///
/// # Errors
/// If two tensors have the same name.
pub fn encode_tensors(tensors: &[NamedTensor]) -> Result<Vec<u8>, TrainError> {
    let mut encoded = BTreeMap::new();
    for tensor in tensors {
        if encoded.insert(tensor.name.as_str(), (tensor.data.bytes(), &tensor.shape)).is_some() {
            return Err(TrainError::Mismatch(format!("two tensors are called `{}`", tensor.name)));
        }
    }
    let views = encoded.iter().map(|(name, ((dtype, bytes), shape))| {
        let view = TensorView::new(*dtype, shape.to_vec(), bytes).expect("shapes fit their elements");
        (*name, view)
    });
    safetensors::serialize(views, None)
        .map_err(|error| TrainError::Mismatch(format!("cannot encode the tensors: {error}")))
}

/// Compares the weights of a file with what a network has (`name`, shape); every difference is reported.
///
/// # Errors
/// Lists missing and unknown tensors and shapes that differ.
pub fn check_weights(
    path: &Path,
    tensors: &BTreeMap<String, NamedTensor>,
    expected: &[(String, Vec<usize>)],
) -> Result<(), TrainError> {
    let mut problems = Vec::new();
    for (name, shape) in expected {
        match tensors.get(name) {
            None => problems.push(format!("`{name}` ({}) is missing", shape_text(shape))),
            Some(tensor) if tensor.shape != *shape => problems.push(format!(
                "`{name}` has shape {}, expected {}",
                shape_text(&tensor.shape),
                shape_text(shape)
            )),
            Some(_) => {}
        }
    }
    let unknown = tensors.keys().filter(|name| !expected.iter().any(|(known, _)| known == *name));
    problems.extend(unknown.map(|name| format!("`{name}` is no parameter of the network")));
    match problems.is_empty() {
        true => Ok(()),
        false => {
            Err(TrainError::file(path, format!("the weights do not fit the network:\n  {}", problems.join("\n  "))))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(name: &str, shape: &[usize], data: TensorData) -> NamedTensor {
        NamedTensor { name: name.into(), shape: shape.to_vec(), data }
    }

    #[test]
    fn tensors_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.safetensors");
        let tensors = [
            tensor("z", &[2, 1], TensorData::F32(vec![1.5, -0.0])),
            tensor("a", &[], TensorData::F64(vec![0.1])),
            tensor("label", &[3], TensorData::I32(vec![1, -2, 3])),
            tensor("empty", &[0, 4], TensorData::F32(Vec::new())),
        ];
        write_tensors(&path, &tensors).unwrap();
        let read = read_tensors(&path).unwrap();
        assert_eq!(read.len(), 4);
        for tensor in &tensors {
            assert_eq!(&read[&tensor.name], tensor);
        }
        assert_eq!(read["label"].data.as_i32(), Some(&[1, -2, 3][..]));
        assert_eq!(read["a"].data.to_f32(), [0.1f32]);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file is left");
        let twice = [tensors[0].clone(), tensors[0].clone()];
        assert_eq!(write_tensors(&path, &twice).unwrap_err().to_string(), "two tensors are called `z`");
    }

    #[test]
    fn integers_of_other_widths() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.safetensors");
        let write = |dtype, bytes: &[u8]| {
            let view = TensorView::new(dtype, vec![2], bytes).unwrap();
            std::fs::write(&path, safetensors::serialize([("x", view)], None).unwrap()).unwrap();
            read_tensors(&path).map(|tensors| tensors["x"].data.clone()).map_err(|error| match error {
                TrainError::File { message, .. } => message,
                other => other.to_string(),
            })
        };
        assert_eq!(write(Dtype::U8, &[7, 200]), Ok(TensorData::I32(vec![7, 200])));
        let wide: Vec<u8> = [5i64, 1 << 40].iter().flat_map(|value| value.to_le_bytes()).collect();
        assert_eq!(write(Dtype::I64, &wide), Err("tensor `x`: 1099511627776 does not fit in 32 bits".into()));
        assert_eq!(
            write(Dtype::F16, &[0; 4]),
            Err("tensor `x`: element type F16, expected F32, F64, I32, I64 or U8".into())
        );
    }

    #[test]
    fn a_file_that_is_something_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.safetensors");
        std::fs::write(&path, b"hello").unwrap();
        let error = read_tensors(&path).unwrap_err().to_string();
        assert!(error.contains("x.safetensors: not a safetensors file: "), "{error}");
    }

    #[test]
    fn differences_are_listed_together() {
        let file: BTreeMap<String, NamedTensor> = [("a", vec![2]), ("extra", vec![])]
            .into_iter()
            .map(|(name, shape): (&str, Vec<usize>)| {
                let data = TensorData::F32(vec![0.0; shape.iter().product()]);
                (name.to_string(), tensor(name, &shape, data))
            })
            .collect();
        let expected = [("a".to_string(), vec![3, 1]), ("b".to_string(), vec![4])];
        assert_eq!(
            check_weights(Path::new("w"), &file, &expected).unwrap_err().to_string(),
            "w: the weights do not fit the network:\n  `a` has shape 2, expected 3x1\n  `b` (4) is missing\n  \
             `extra` is no parameter of the network"
        );
        assert!(check_weights(Path::new("w"), &file, &[("a".into(), vec![2]), ("extra".into(), vec![])]).is_ok());
    }
}
