//! SHA-256 of files, folders and tensors, as anybody can compute them: `sha256sum` for files,
//! `hashlib.sha256(array.tobytes())` for tensors.

use crate::data::Source;
use crate::data::images::ImageFolder;
use crate::error::TrainError;
use crate::reading::open_regular;
use graphc_driver::SavedState;
use graphc_ir::Tensor;
use graphc_ir::scalar::flushed;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

/// What a file holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileHash {
    /// Its length.
    pub bytes: u64,
    /// SHA-256 in hexadecimal.
    pub sha256: String,
}

/// A file or folder that samples come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataHash {
    /// `train`, `validation` or `test`.
    pub part: String,
    /// As the graph file names it.
    pub path: String,
    /// Of a folder, the number of its pictures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<u64>,
    /// Length of the file, or of all pictures together.
    pub bytes: u64,
    /// Of a folder: that of the text which `sha256sum` prints for its pictures, named from the folder, in the order of
    /// their bytes.
    pub sha256: String,
}

/// Bytes that are read at once.
const BLOCK: usize = 1 << 18;

/// Elements that are turned into bytes at once.
const ELEMENTS: usize = 1 << 12;

/// Tensors with fewer elements together are hashed before other threads would have started.
const FEW_ELEMENTS: usize = 1 << 20;

/// SHA-256 in hexadecimal.
pub fn hash_bytes(bytes: &[u8]) -> String {
    let mut hasher = Sha256::new();
    hasher.update(bytes);
    text(hasher)
}

impl FileHash {
    /// Of bytes that are, or will be, a file.
    pub fn of_bytes(bytes: &[u8]) -> FileHash {
        FileHash { bytes: bytes.len() as u64, sha256: hash_bytes(bytes) }
    }

    /// Of a regular file, which is read in blocks.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn of_file(path: &Path) -> Result<FileHash, TrainError> {
        const ACTION: &str = "read the file";
        let io_error = |error| TrainError::io(path, ACTION, &error);
        let (file, len) = open_regular(path, ACTION)?;
        let (mut file, mut hasher, mut bytes) = (file.take(len), Sha256::new(), 0);
        let mut block = vec![0; BLOCK.min(usize::try_from(len).unwrap_or(BLOCK).max(1))];
        loop {
            match file.read(&mut block).map_err(io_error)? {
                0 => return Ok(FileHash { bytes, sha256: text(hasher) }),
                n => {
                    hasher.update(&block[..n]);
                    bytes += n as u64;
                }
            }
        }
    }
}

/// The files and folders of a part of the data, each once, in the order of the graph file. Their names are given from
/// `folder` on.
///
/// # Errors
/// If one cannot be read.
pub fn hash_data(part: &str, source: &Source, folder: &Path) -> Result<Vec<DataHash>, TrainError> {
    let hash = |path: &Path| {
        // Graph files are UTF-8, so what they name is, too.
        let name = path.strip_prefix(folder).unwrap_or(path).to_string_lossy().into_owned();
        let (files, FileHash { bytes, sha256 }) = match source {
            Source::Images(_) => {
                let (files, hash) = hash_pictures(path)?;
                (Some(files), hash)
            }
            _ => (None, FileHash::of_file(path)?),
        };
        Ok(DataHash { part: part.into(), path: name, files, bytes, sha256 })
    };
    source.paths().into_iter().map(hash).collect()
}

/// Number of pictures, and the hash of the list of their hashes.
fn hash_pictures(folder: &Path) -> Result<(u64, FileHash), TrainError> {
    let opened = ImageFolder::open(folder)?;
    let mut pictures: Vec<(Vec<u8>, &Path)> = Vec::with_capacity(opened.n_samples());
    for index in 0..opened.n_samples() {
        let path = opened.path_of(index);
        let name = path.strip_prefix(folder).unwrap_or(path);
        pictures.push((name.as_os_str().as_encoded_bytes().to_vec(), path));
    }
    pictures.sort();
    let (mut list, mut bytes) = (Sha256::new(), 0);
    for (name, path) in &pictures {
        let hash = FileHash::of_file(path)?;
        bytes += hash.bytes;
        list.update(sum_line(&hash.sha256, name));
    }
    Ok((pictures.len() as u64, FileHash { bytes, sha256: text(list) }))
}

/// A line as `sha256sum` prints it: names with newlines and backslashes are escaped, and a backslash in front says so.
fn sum_line(sha256: &str, name: &[u8]) -> Vec<u8> {
    let mut line = Vec::with_capacity(sha256.len() + name.len() + 3);
    let mut escaped = Vec::with_capacity(name.len());
    for &byte in name {
        match byte {
            b'\\' => escaped.extend(br"\\"),
            b'\n' => escaped.extend(br"\n"),
            b'\r' => escaped.extend(br"\r"),
            byte => escaped.push(byte),
        }
    }
    if escaped.len() > name.len() {
        line.push(b'\\');
    }
    line.extend(sha256.as_bytes());
    line.extend(b"  ");
    line.extend(escaped);
    line.push(b'\n');
    line
}

/// Of the elements in row-major order, each as four bytes, the lowest first. All NaNs are one, as they are in files.
pub fn hash_tensor(tensor: &Tensor<f32>) -> String {
    let mut hasher = Sha256::new();
    let mut bytes = [0; 4 * ELEMENTS];
    for block in tensor.data.chunks(ELEMENTS) {
        let bytes = &mut bytes[..4 * block.len()];
        for (word, &value) in bytes.chunks_exact_mut(4).zip(block) {
            word.copy_from_slice(&flushed::canonical(value).to_le_bytes());
        }
        hasher.update(bytes);
    }
    text(hasher)
}

/// Of every tensor, by name; of large ones on several threads.
pub(crate) fn hash_state(state: &SavedState) -> BTreeMap<String, String> {
    if state.n_elements() < FEW_ELEMENTS {
        return state.tensors().map(|(name, tensor)| (name.to_string(), hash_tensor(&tensor))).collect();
    }
    let names: Vec<&str> = state.names().collect();
    let (next, hashes) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    let work = || {
        while let Some(name) = names.get(next.fetch_add(1, Ordering::Relaxed)) {
            let Some(tensor) = state.get(name) else { continue };
            let hash = hash_tensor(&tensor);
            hashes.lock().unwrap_or_else(PoisonError::into_inner).insert((*name).to_string(), hash);
        }
    };
    let n_threads = thread::available_parallelism().map_or(1, usize::from).min(names.len());
    thread::scope(|scope| {
        for _ in 1..n_threads {
            // Without further threads this one does all.
            let _ = thread::Builder::new().spawn_scoped(scope, work);
        }
        work();
    });
    hashes.into_inner().unwrap_or_else(PoisonError::into_inner)
}

fn text(hasher: Sha256) -> String {
    hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::PathBuf;

    /// Of nothing and of `abc`, as FIPS 180-4 has them.
    const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn files_have_the_hashes_that_everybody_computes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        for (bytes, expected) in [(&b""[..], EMPTY), (b"abc", ABC)] {
            fs::write(&path, bytes).unwrap();
            assert_eq!(FileHash::of_file(&path).unwrap(), FileHash::of_bytes(bytes));
            assert_eq!(hash_bytes(bytes), expected);
        }
        let large = vec![7; 3 * BLOCK + 5];
        fs::write(&path, &large).unwrap();
        assert_eq!(FileHash::of_file(&path).unwrap(), FileHash::of_bytes(&large));
        let error = FileHash::of_file(folder.path()).unwrap_err().to_string();
        assert!(error.ends_with(": cannot read the file: it is not a regular file but a directory"), "{error}");
    }

    #[test]
    fn tensors_are_their_bytes_and_one_nan_is_all() {
        let tensor = |values: &[f32]| Tensor::new(vec![values.len()], values.to_vec());
        assert_eq!(hash_tensor(&tensor(&[])), EMPTY);
        let bytes: Vec<u8> = [1.0f32, -0.0].iter().flat_map(|value| value.to_le_bytes()).collect();
        assert_eq!(hash_tensor(&tensor(&[1.0, -0.0])), hash_bytes(&bytes));
        assert_ne!(hash_tensor(&tensor(&[1.0, -0.0])), hash_tensor(&tensor(&[1.0, 0.0])));
        assert_eq!(hash_tensor(&tensor(&[f32::NAN])), hash_tensor(&tensor(&[-f32::from_bits(0x7fc0_0007)])));
    }

    #[test]
    fn threads_make_no_difference() {
        let mut state = SavedState::default();
        for at in 0..9 {
            let value = |index: &[usize]| index[0] as f32 + at as f32;
            state.set(&format!("t{at}"), &Tensor::from_fn(&[FEW_ELEMENTS / 8], value));
        }
        let expected: BTreeMap<String, String> =
            state.tensors().map(|(name, tensor)| (name.to_string(), hash_tensor(&tensor))).collect();
        assert_eq!(hash_state(&state), expected);
    }

    #[test]
    fn folders_are_what_sha256sum_prints_of_them() {
        let folder = tempfile::tempdir().unwrap();
        let train = folder.path().join("train");
        for (name, bytes) in [("b/2.png", &b"abc"[..]), ("a/1.png", b""), ("b/10.png", b"abc"), ("b/.hidden", b"x")] {
            let path = train.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        let list = format!("{EMPTY}  a/1.png\n{ABC}  b/10.png\n{ABC}  b/2.png\n");
        let expected = DataHash {
            part: "train".into(),
            path: "train".into(),
            files: Some(3),
            bytes: 6,
            sha256: hash_bytes(list.as_bytes()),
        };
        let source = Source::Images(train.clone());
        assert_eq!(hash_data("train", &source, folder.path()).unwrap(), std::slice::from_ref(&expected));
        let elsewhere = DataHash { path: train.to_string_lossy().into_owned(), ..expected };
        assert_eq!(hash_data("train", &source, Path::new("other")).unwrap(), [elsewhere]);
        assert_eq!(sum_line("12", b"a\\b\nc"), b"\\12  a\\\\b\\nc\n");
        assert!(hash_data("train", &Source::Images(PathBuf::from("missing")), folder.path()).is_err());
    }
}
