//! Tensors by name in `safetensors` files: weights, and the inputs and outputs of `graphc run`.

use crate::data::Fitted;
use crate::error::{TrainError, escaped};
use crate::files::write_file;
use crate::input::shape_text;
use crate::reading::room_for;
use crate::tensor_header::{LENGTH_BYTES, TensorInfo, header_len, read_header, read_metadata};
use graphc_ir::scalar::flushed;
use safetensors::tensor::{Dtype, TensorView};
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::fs::File;
use std::io::{BufReader, Read};
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

    /// Little-endian bytes; one NaN for all, because their bits depend on the processor and mean nothing.
    fn bytes(&self) -> (Dtype, Vec<u8>) {
        match self {
            TensorData::F32(values) => {
                (Dtype::F32, values.iter().flat_map(|&value| flushed::canonical(value).to_le_bytes()).collect())
            }
            TensorData::F64(values) => {
                let canonical = |value: f64| if value.is_nan() { f64::from_bits(0x7ff8 << 48) } else { value };
                (Dtype::F64, values.iter().flat_map(|&value| canonical(value).to_le_bytes()).collect())
            }
            TensorData::I32(values) => (Dtype::I32, values.iter().flat_map(|value| value.to_le_bytes()).collect()),
        }
    }
}

/// Reads every tensor of a file, by name. 64-bit and 8-bit integers become 32-bit ones.
///
/// The file may be a pipe: its header says where it ends, and no more is read than that and one byte.
///
/// # Errors
/// If the file cannot be read, is no safetensors file, or holds element types other than f32, f64 and integers.
pub fn read_tensors(path: &Path) -> Result<BTreeMap<String, NamedTensor>, TrainError> {
    let io_error = |error| TrainError::io(path, "read the tensors", &error);
    let file = File::open(path).map_err(io_error)?;
    let found = file.metadata().map_err(io_error)?;
    let len = found.is_file().then_some(found.len());
    read_stream(path, BufReader::new(file), len)
}

/// As [`read_tensors`], of bytes that stand, or would stand, at `path`.
///
/// # Errors
/// As [`read_tensors`].
pub fn read_tensor_bytes(path: &Path, bytes: &[u8]) -> Result<BTreeMap<String, NamedTensor>, TrainError> {
    read_stream(path, bytes, Some(bytes.len() as u64))
}

/// Reads a source whose length may be known.
fn read_stream(
    path: &Path,
    mut source: impl Read,
    len: Option<u64>,
) -> Result<BTreeMap<String, NamedTensor>, TrainError> {
    let error = |message: String| TrainError::file(path, format!("not a safetensors file: {message}"));
    let mut read = |n: usize| {
        let mut bytes = if len.is_none_or(|len| n as u64 <= len) { room_for(n).map_err(error)? } else { Vec::new() };
        let part = (&mut source).take(n as u64).read_to_end(&mut bytes);
        part.map_err(|error| TrainError::io(path, "read the tensors", &error)).map(|_| bytes)
    };
    let header_len = header_len(&read(LENGTH_BYTES)?).map_err(error)?;
    let header = read(header_len)?;
    if header.len() < header_len {
        let found = header.len();
        return Err(error(format!("its header should have {header_len} bytes, but the file ends after {found}")));
    }
    let infos = read_header(&header).map_err(error)?;
    let announced = infos.last().map_or(0, |info| info.bytes.end);
    if let Some(len) = len {
        check_len(announced as u64, len.saturating_sub((LENGTH_BYTES + header_len) as u64)).map_err(error)?;
    }
    let bytes = read(announced.saturating_add(1))?;
    check_len(announced as u64, bytes.len() as u64).map_err(error)?;
    let tensors = infos.into_iter().map(|TensorInfo { name, dtype, shape, bytes: range }| {
        let message = |message| TrainError::file(path, format!("tensor `{}`: {message}", escaped(&name)));
        let data = decode(dtype, &bytes[range]).map_err(message)?;
        Ok((name.clone(), NamedTensor { name, shape, data }))
    });
    tensors.collect()
}

fn check_len(announced: u64, found: u64) -> Result<(), String> {
    let message = |problem: &str, found: &dyn fmt::Display| {
        Err(format!("{problem}: its header announces {announced} bytes, but {found} follow it"))
    };
    match found.cmp(&announced) {
        Ordering::Less => message("truncated", &found),
        Ordering::Equal => Ok(()),
        Ordering::Greater => message("too long", &"more"),
    }
}

fn decode(dtype: Dtype, bytes: &[u8]) -> Result<TensorData, String> {
    match dtype {
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
    encode_with_metadata(tensors, None)
}

/// The same of the weights of a network, with what its training samples said of the data.
///
/// # Errors
/// If two tensors have the same name.
pub fn encode_weights(tensors: &[NamedTensor], fitted: &Fitted) -> Result<Vec<u8>, TrainError> {
    let text = || serde_json::to_string(fitted).expect("names and numbers are JSON");
    let metadata = (!fitted.is_empty()).then(|| HashMap::from([(FITTED.to_string(), text())]));
    encode_with_metadata(tensors, metadata)
}

/// What the training samples of a network said of the data; nothing if its weights do not say.
///
/// # Errors
/// If the file cannot be read, or what it says is something else.
pub fn read_fitted(path: &Path) -> Result<Fitted, TrainError> {
    fitted_of(path, &metadata_of(path)?)
}

/// The same of the metadata of a file.
pub(crate) fn fitted_of(path: &Path, metadata: &BTreeMap<String, String>) -> Result<Fitted, TrainError> {
    let Some(text) = metadata.get(FITTED) else { return Ok(Fitted::default()) };
    serde_json::from_str(text).map_err(|_| TrainError::file(path, format!("its `{FITTED}` is none of this version")))
}

/// What a file says beside its tensors.
pub(crate) fn metadata_of(path: &Path) -> Result<BTreeMap<String, String>, TrainError> {
    let io_error = |error| TrainError::io(path, "read the tensors", &error);
    let error = |message: String| TrainError::file(path, format!("not a safetensors file: {message}"));
    let mut file = BufReader::new(File::open(path).map_err(io_error)?);
    let mut read = |n: usize| {
        let mut bytes = Vec::new();
        (&mut file).take(n as u64).read_to_end(&mut bytes).map_err(io_error).map(|_| bytes)
    };
    let header_len = header_len(&read(LENGTH_BYTES)?).map_err(error)?;
    read_metadata(&read(header_len)?).map_err(error)
}

/// Where a weight file says what training samples said.
pub(crate) const FITTED: &str = "graphc.data";

pub(crate) fn encode_with_metadata(
    tensors: &[NamedTensor],
    metadata: Option<HashMap<String, String>>,
) -> Result<Vec<u8>, TrainError> {
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
    safetensors::serialize(views, metadata)
        .map_err(|error| TrainError::Mismatch(format!("cannot encode the tensors: {error}")))
}

/// Compares the weights of a file with what a network has (`name`, shape); the differences are reported together.
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
                escaped(&shape_text(&tensor.shape)),
                shape_text(shape)
            )),
            Some(_) => {}
        }
    }
    let known: BTreeSet<&str> = expected.iter().map(|(name, _)| name.as_str()).collect();
    let unknown = tensors.keys().filter(|name| !known.contains(name.as_str()));
    problems.extend(unknown.map(|name| format!("`{}` is no parameter of the network", escaped(name))));
    if problems.is_empty() {
        return Ok(());
    }
    if problems.len() > MOST_PROBLEMS {
        let n_more = problems.len() - MOST_PROBLEMS;
        problems.truncate(MOST_PROBLEMS);
        problems.push(format!("and {n_more} more"));
    }
    Err(TrainError::file(path, format!("the weights do not fit the network:\n  {}", problems.join("\n  "))))
}

/// Differences that are listed; a file of another network may have very many.
const MOST_PROBLEMS: usize = 40;

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

    /// The bits of a NaN depend on the processor: files are the same everywhere.
    #[test]
    fn files_hold_one_nan() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.safetensors");
        let single = [0x7fc0_1234, 0xffc0_0000, 0x7f80_0001, 0x3f80_0000, 0x8000_0001].map(f32::from_bits);
        let double = [f64::from_bits(0xfff8 << 48), 1.5];
        let tensors =
            [tensor("x", &[5], TensorData::F32(single.to_vec())), tensor("y", &[2], TensorData::F64(double.to_vec()))];
        write_tensors(&path, &tensors).unwrap();
        let read = read_tensors(&path).unwrap();
        let bits: Vec<u32> = read["x"].data.to_f32().iter().map(|x| x.to_bits()).collect();
        assert_eq!(bits, [0x7fc0_0000, 0x7fc0_0000, 0x7fc0_0000, 0x3f80_0000, 0x8000_0001]);
        let bits: Vec<u64> = read["y"].data.to_f64().iter().map(|y| y.to_bits()).collect();
        assert_eq!(bits, [0x7ff8 << 48, 1.5_f64.to_bits()]);
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

    /// The message for a file of a header and so many bytes, whether its length is known or not.
    fn message(header: &str, n_bytes: usize) -> String {
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header.as_bytes());
        bytes.extend(vec![0; n_bytes]);
        message_of(&bytes)
    }

    fn message_of(bytes: &[u8]) -> String {
        let path = Path::new("w");
        let known = read_tensor_bytes(path, bytes).unwrap_err().to_string();
        assert_eq!(read_stream(path, bytes, None).unwrap_err().to_string(), known);
        known.strip_prefix("w: not a safetensors file: ").expect("all messages are of that kind").to_string()
    }

    #[test]
    fn files_that_are_something_else_are_not_quoted() {
        assert_eq!(message_of(b"hello"), "it has 5 bytes, expected 8 with the length of its header");
        let no_length = "expected the length of a header at its start, at most 100000000";
        assert_eq!(message_of(b"root:x:0:0:root"), no_length);
        assert_eq!(message_of(&[0; 64]), no_length);
        let mut cut = 1000u64.to_le_bytes().to_vec();
        cut.extend(b"{}");
        assert_eq!(message_of(&cut), "its header should have 1000 bytes, but the file ends after 2");
        assert_eq!(message("secret", 0), "column 1 of its header: no JSON");
        assert_eq!(message("{\"secret\": \"word\"}", 0), tensors_expected(17));
        assert_eq!(message("[1, 2]", 0), tensors_expected(0));
        assert_eq!(
            message(r#"{"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}}"#, 4),
            tensors_expected(35)
        );
        assert_eq!(message(&"[".repeat(1_000_000), 0), tensors_expected(0));
    }

    fn tensors_expected(column: usize) -> String {
        format!("column {column} of its header: expected tensors with `dtype`, `shape` and `data_offsets`")
    }

    #[test]
    fn headers_that_do_not_fit_the_bytes() {
        let tensor = |name: &str, dtype: &str, shape: &str, from: u64, to: u64| {
            format!(r#""{name}": {{"dtype": "{dtype}", "shape": {shape}, "data_offsets": [{from}, {to}]}}"#)
        };
        let of = |tensors: &[String], n_bytes| message(&format!("{{{}}}", tensors.join(", ")), n_bytes);
        let (a, b) = (tensor("a", "F32", "[2]", 0, 8), tensor("b", "F32", "[1]", 8, 12));
        assert_eq!(of(&[a.clone(), b.clone(), tensor("a", "I32", "[1]", 12, 16)], 16), "two tensors are called `a`");
        assert_eq!(of(&[a.clone(), a.clone()], 8), "two tensors are called `a`");
        let escape = tensor("\\u001b[31m", "F32", "[1]", 0, 4);
        assert_eq!(of(&[escape.clone(), escape], 4), "two tensors are called `\\u{1b}[31m`");
        assert_eq!(
            of(&[a.clone(), tensor("b", "F32", "[1]", 4, 8)], 8),
            "the tensor `b` begins at byte 4 and overlaps what ends at byte 8"
        );
        assert_eq!(
            of(&[a.clone(), tensor("b", "F32", "[1]", 12, 16)], 16),
            "the tensor `b` begins at byte 12 and leaves a gap behind what ends at byte 8"
        );
        assert_eq!(of(&[b], 12), "the tensor `b` begins at byte 8 and leaves a gap behind what ends at byte 0");
        assert_eq!(
            of(&[tensor("a", "F32", "[3]", 0, 8)], 8),
            "the tensor `a` takes bytes 0 to 8, but 3 of F32 has 12 bytes"
        );
        assert_eq!(
            of(&[tensor("a", "F32", "[2]", 8, 0)], 8),
            "the tensor `a` takes bytes 8 to 0, but 2 of F32 has 8 bytes"
        );
        let huge = "[4294967295, 4294967295]";
        assert_eq!(
            of(&[tensor("a", "F32", huge, 0, 8)], 8),
            "the tensor `a` has more elements than memory: 4294967295x4294967295 of F32"
        );
        assert_eq!(of(&[tensor("a", "F99", "[2]", 0, 8)], 8), "the tensor `a` has the unknown element type F99");
        assert_eq!(of(std::slice::from_ref(&a), 7), "truncated: its header announces 8 bytes, but 7 follow it");
        assert_eq!(of(&[a], 9), "too long: its header announces 8 bytes, but more follow it");
        let huge = tensor("a", "U8", "[1000000000000000]", 0, 1_000_000_000_000_000);
        let bytes = [(huge.len() as u64 + 2).to_le_bytes().as_slice(), b"{", huge.as_bytes(), b"}", &[0; 8]].concat();
        assert_eq!(
            read_tensor_bytes(Path::new("w"), &bytes).unwrap_err().to_string(),
            "w: not a safetensors file: truncated: its header announces 1000000000000000 bytes, but 8 follow it"
        );
    }

    #[test]
    fn metadata_and_order_do_not_matter() {
        let header = r#"{"b": {"dtype": "I32", "shape": [1], "data_offsets": [4, 8]}, "__metadata__": {"format": "pt"},
            "a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]},
            "none": {"dtype": "F32", "shape": [0], "data_offsets": [4, 4]}}   "#;
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header.as_bytes());
        bytes.extend(1.5f32.to_le_bytes());
        bytes.extend(7i32.to_le_bytes());
        let read = read_tensor_bytes(Path::new("w"), &bytes).unwrap();
        assert_eq!(read["a"].data, TensorData::F32(vec![1.5]));
        assert_eq!(read["b"].data, TensorData::I32(vec![7]));
        assert_eq!(read.len(), 3);
    }

    #[test]
    fn a_device_is_not_read_without_end() {
        assert_eq!(
            read_tensors(Path::new("/dev/zero")).unwrap_err().to_string(),
            "/dev/zero: not a safetensors file: expected the length of a header at its start, at most 100000000"
        );
        let folder = tempfile::tempdir().unwrap();
        let message = read_tensors(folder.path()).unwrap_err().to_string();
        assert!(message.ends_with(": cannot read the tensors: Is a directory (os error 21)"), "{message}");
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
        let many: BTreeMap<String, NamedTensor> =
            (0..1000).map(|i| (format!("{i:03}\x1b[31m"), tensor("", &[], TensorData::F32(vec![0.0])))).collect();
        let message = check_weights(Path::new("w"), &many, &[]).unwrap_err().to_string();
        assert!(message.ends_with("  `039\\u{1b}[31m` is no parameter of the network\n  and 960 more"), "{message}");
        assert!(check_weights(Path::new("w"), &file, &[("a".into(), vec![2]), ("extra".into(), vec![])]).is_ok());
    }
}
