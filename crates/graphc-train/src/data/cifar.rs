//! The binary files of CIFAR-10 and CIFAR-100: records of a fixed length, each the label or labels of an image and its
//! three planes of 32x32 bytes, red, green, blue.

use crate::error::TrainError;
use crate::reading::{open_regular, read_regular, room_for, zeros};
use std::fs::File;
use std::io::{BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};

/// Rows and columns of an image.
pub(crate) const SIZE: usize = 32;

/// Bytes of an image.
const IMAGE_BYTES: usize = 3 * SIZE * SIZE;

/// Longest file of class names that is read.
const MOST_NAME_BYTES: usize = 1 << 16;

/// Height, width and channels of a picture.
pub(crate) const SHAPE: [usize; 3] = [32, 32, 3];

/// Which data set files are of, and which of its labels are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CifarKind {
    /// CIFAR-10.
    Ten,
    /// The 100 classes of CIFAR-100.
    HundredFine,
    /// The 20 groups of classes of CIFAR-100.
    HundredCoarse,
}

impl CifarKind {
    fn name(self) -> &'static str {
        match self {
            CifarKind::Ten => "CIFAR-10",
            CifarKind::HundredFine | CifarKind::HundredCoarse => "CIFAR-100",
        }
    }

    /// Number of classes.
    pub(crate) fn n_classes(self) -> usize {
        match self {
            CifarKind::Ten => 10,
            CifarKind::HundredFine => 100,
            CifarKind::HundredCoarse => 20,
        }
    }

    /// Labels in front of every image: CIFAR-100 has the group and the class.
    fn n_labels(self) -> usize {
        match self {
            CifarKind::Ten => 1,
            CifarKind::HundredFine | CifarKind::HundredCoarse => 2,
        }
    }

    /// Which of them is read.
    fn label_at(self) -> usize {
        match self {
            CifarKind::Ten | CifarKind::HundredCoarse => 0,
            CifarKind::HundredFine => 1,
        }
    }

    /// The file of class names that is published beside the images.
    fn names_file(self) -> &'static str {
        match self {
            CifarKind::Ten => "batches.meta.txt",
            CifarKind::HundredFine => "fine_label_names.txt",
            CifarKind::HundredCoarse => "coarse_label_names.txt",
        }
    }
}

/// Files whose lengths have been looked at.
pub(crate) struct Cifar {
    kind: CifarKind,
    files: Vec<CifarFile>,
    classes: Option<Vec<String>>,
}

struct CifarFile {
    path: PathBuf,
    file: File,
    n_records: usize,
}

/// Images `[height, width, channels]` one after the other, and the label of each.
pub(crate) type ImagesAndLabels = (Vec<u8>, Vec<u8>);

impl Cifar {
    /// Opens files, which are one data set in the order given, and reads the names of the classes.
    ///
    /// # Errors
    /// If a file cannot be read, its length is not that of whole records, or a file of names has another number of
    /// them.
    pub(crate) fn open(paths: &[PathBuf], kind: CifarKind) -> Result<Cifar, TrainError> {
        let files = paths.iter().map(|path| CifarFile::open(path, kind)).collect::<Result<_, _>>()?;
        let classes = match paths.first() {
            Some(path) => read_names(&path.with_file_name(kind.names_file()), kind)?,
            None => None,
        };
        Ok(Cifar { kind, files, classes })
    }

    /// Number of samples.
    pub(crate) fn n_samples(&self) -> usize {
        self.files.iter().map(|file| file.n_records).sum()
    }

    /// Names of the classes, if there is a file of them beside the images.
    pub(crate) fn classes(&self) -> Option<&[String]> {
        self.classes.as_deref()
    }

    /// Reads the first `limit` samples (all without a limit).
    ///
    /// # Errors
    /// If there is no memory for them, a file cannot be read, or a label is no class.
    pub(crate) fn read(self, limit: Option<usize>) -> Result<ImagesAndLabels, TrainError> {
        let n = self.n_samples().min(limit.unwrap_or(usize::MAX));
        let no_memory = |message| {
            TrainError::Mismatch(format!(
                "{n} images of {} take {} bytes, but {message}",
                self.kind.name(),
                n * IMAGE_BYTES
            ))
        };
        let mut images = zeros(n * IMAGE_BYTES).map_err(no_memory)?;
        let mut labels = room_for(n).map_err(no_memory)?;
        for file in self.files {
            let from = labels.len();
            let to = n.min(from + file.n_records);
            file.read(self.kind, &mut images[from * IMAGE_BYTES..to * IMAGE_BYTES], &mut labels)?;
        }
        Ok((images, labels))
    }
}

impl CifarFile {
    fn open(path: &Path, kind: CifarKind) -> Result<CifarFile, TrainError> {
        let (file, len) = open_regular(path, "read the data file")?;
        let record_bytes = (kind.n_labels() + IMAGE_BYTES) as u64;
        if len % record_bytes != 0 {
            let (name, n, rest) = (kind.name(), len / record_bytes, len % record_bytes);
            let message = format!("expected {name} records of {record_bytes} bytes; {rest} bytes follow {n} of them");
            return Err(TrainError::file(path, message));
        }
        let n_records = usize::try_from(len / record_bytes).unwrap_or(usize::MAX / IMAGE_BYTES);
        Ok(CifarFile { path: path.to_path_buf(), file, n_records })
    }

    /// Reads as many records as there is room for images, and appends their labels.
    fn read(self, kind: CifarKind, images: &mut [u8], labels: &mut Vec<u8>) -> Result<(), TrainError> {
        let mut reader = BufReader::with_capacity(1 << 16, self.file);
        let mut record = vec![0; kind.n_labels() + IMAGE_BYTES];
        for (number, image) in images.chunks_exact_mut(IMAGE_BYTES).enumerate() {
            reader.read_exact(&mut record).map_err(|error| match error.kind() {
                ErrorKind::UnexpectedEof => {
                    let message = format!("truncated: expected {} records, found {number}", self.n_records);
                    TrainError::file(&self.path, message)
                }
                _ => TrainError::io(&self.path, "read the data file", &error),
            })?;
            let label = record[kind.label_at()];
            if usize::from(label) >= kind.n_classes() {
                let (name, n) = (kind.name(), kind.n_classes());
                let message = format!("not a {name} file: record {number} has label {label}, expected 0 to {}", n - 1);
                return Err(TrainError::file(&self.path, message));
            }
            labels.push(label);
            interleave(&record[kind.n_labels()..], image);
        }
        Ok(())
    }
}

/// `pixels[p][c] = planes[c][p]`.
fn interleave(planes: &[u8], pixels: &mut [u8]) {
    for (channel, plane) in planes.chunks_exact(SIZE * SIZE).enumerate() {
        for (pixel, &byte) in pixels.chunks_exact_mut(3).zip(plane) {
            pixel[channel] = byte;
        }
    }
}

/// The names in a file, one a line, if there is one.
fn read_names(path: &Path, kind: CifarKind) -> Result<Option<Vec<String>>, TrainError> {
    if !path.exists() {
        return Ok(None);
    }
    let bytes = read_regular(path, "read the names of classes")?;
    let no_names = |what: &str| {
        let n = kind.n_classes();
        Err(TrainError::file(path, format!("expected the names of {n} classes, one a line, found {what}")))
    };
    let text = match String::from_utf8(bytes) {
        Ok(text) if text.len() <= MOST_NAME_BYTES => text,
        Ok(_) => return no_names("a longer file"),
        Err(_) => return no_names("no text"),
    };
    let names: Vec<String> = text.lines().map(str::trim).filter(|line| !line.is_empty()).map(String::from).collect();
    if names.len() != kind.n_classes() {
        return no_names(&names.len().to_string());
    }
    Ok(Some(names))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    /// A record whose planes are `seed`, `seed + 1`, `seed + 2` and count on along the rows.
    fn record(labels: &[u8], seed: u8) -> Vec<u8> {
        let plane =
            |channel: u8| (0..SIZE * SIZE).map(move |pixel| seed.wrapping_add(channel).wrapping_add(pixel as u8));
        labels.iter().copied().chain((0..3).flat_map(plane)).collect()
    }

    fn folder(files: &[(&str, Vec<u8>)]) -> (TempDir, Vec<PathBuf>) {
        let folder = tempfile::tempdir().unwrap();
        files.iter().for_each(|(name, bytes)| std::fs::write(folder.path().join(name), bytes).unwrap());
        let paths = files.iter().map(|(name, _)| folder.path().join(name));
        let paths = paths.filter(|path| path.extension().is_some_and(|extension| extension == "bin")).collect();
        (folder, paths)
    }

    fn message(files: &[(&str, Vec<u8>)], kind: CifarKind) -> String {
        let (folder, paths) = folder(files);
        let error = Cifar::open(&paths, kind).and_then(|cifar| cifar.read(None)).unwrap_err();
        error.to_string().replace(&format!("{}/", folder.path().display()), "")
    }

    #[test]
    fn files_are_one_data_set_in_their_order() {
        let files = [("b.bin", [record(&[3], 10), record(&[9], 20)].concat()), ("a.bin", record(&[0], 30))];
        let (_folder, paths) = folder(&files);
        let open = || Cifar::open(&paths, CifarKind::Ten).unwrap();
        assert_eq!((open().n_samples(), open().classes()), (3, None));
        let (images, labels) = open().read(None).unwrap();
        assert_eq!((images.len(), labels), (3 * 3072, vec![3, 9, 0]));
        assert_eq!(images[..6], [10, 11, 12, 11, 12, 13]);
        assert_eq!(images[2 * 3072..][..3], [30, 31, 32]);
        assert_eq!(images[3 * 33..][..3], [43, 44, 45], "row 1, column 1");
        let (some, labels) = open().read(Some(1)).unwrap();
        assert_eq!((some, labels), (images[..3072].to_vec(), vec![3]));
        let (some, labels) = open().read(Some(9)).unwrap();
        assert_eq!((some.len(), labels.len()), (3 * 3072, 3));
    }

    #[test]
    fn either_label_of_a_hundred() {
        let (_folder, paths) = folder(&[("train.bin", record(&[19, 99], 1))]);
        let read = |kind| Cifar::open(&paths, kind).unwrap().read(None).unwrap();
        assert_eq!(read(CifarKind::HundredFine).1, [99]);
        assert_eq!(read(CifarKind::HundredCoarse).1, [19]);
        assert_eq!(read(CifarKind::HundredFine).0[..3], [1, 2, 3]);
    }

    #[test]
    fn names_as_published() {
        let names: Vec<String> = (0..10).map(|i| format!("class {i}")).collect();
        let text = |names: &[String]| format!("{}\n\n", names.join("\n")).into_bytes();
        let file = ("a.bin", record(&[0], 0));
        let (_folder, paths) = folder(&[file.clone(), ("batches.meta.txt", text(&names))]);
        assert_eq!(Cifar::open(&paths, CifarKind::Ten).unwrap().classes(), Some(&names[..]));
        let expected = "batches.meta.txt: expected the names of 10 classes, one a line, found ";
        let of = |bytes: Vec<u8>| message(&[file.clone(), ("batches.meta.txt", bytes)], CifarKind::Ten);
        assert_eq!(of(text(&names[..9])), format!("{expected}9"));
        assert_eq!(of(vec![0xff; 9]), format!("{expected}no text"));
        assert_eq!(of(vec![b'a'; 1 << 17]), format!("{expected}a longer file"));
    }

    #[test]
    fn says_what_is_wrong() {
        let good = record(&[1], 0);
        assert_eq!(
            message(&[("a.bin", good[..3072].to_vec())], CifarKind::Ten),
            "a.bin: expected CIFAR-10 records of 3073 bytes; 3072 bytes follow 0 of them"
        );
        assert_eq!(
            message(&[("a.bin", good.clone())], CifarKind::HundredFine),
            "a.bin: expected CIFAR-100 records of 3074 bytes; 3073 bytes follow 0 of them"
        );
        assert_eq!(
            message(&[("a.bin", [good, record(&[10], 0)].concat())], CifarKind::Ten),
            "a.bin: not a CIFAR-10 file: record 1 has label 10, expected 0 to 9"
        );
        let missing = Cifar::open(&["no/such.bin".into()], CifarKind::Ten).err().unwrap().to_string();
        assert_eq!(missing, "no/such.bin: cannot read the data file: No such file or directory (os error 2)");
        let (_folder, paths) = folder(&[("a.bin", record(&[1], 0))]);
        let cifar = Cifar::open(&paths, CifarKind::Ten).unwrap();
        std::fs::write(&paths[0], b"short").unwrap();
        let message = cifar.read(None).unwrap_err().to_string();
        assert_eq!(message, format!("{}: truncated: expected 1 records, found 0", paths[0].display()));
        let (_folder, paths) = folder(&[("a.bin", Vec::new())]);
        assert_eq!(Cifar::open(&paths, CifarKind::Ten).unwrap().read(None).unwrap(), (Vec::new(), Vec::new()));
    }
}
