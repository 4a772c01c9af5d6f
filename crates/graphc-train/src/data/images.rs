//! Folders of pictures: one folder for each class, named as it, with its PNG and JPEG files.
//!
//! A picture becomes the same bytes on every machine with one build of graphc: the decoders are of integers (a test
//! compares the JPEG decoder with and without its SIMD code), and resizing sums in single precision, in one order,
//! without instructions that are chosen at run time.

use crate::error::TrainError;
use crate::picture::{self, PictureOptions, PictureShape};
use crate::reading::{read_regular, room_for, zeros};
use image::ImageReader;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Pictures larger than this are decoded one at a time, whatever the number of threads: each may take a GiB.
const LARGE_PIXELS: u64 = 1 << 24;

/// And so are longer files.
const LARGE_BYTES: u64 = 1 << 24;

/// Names of pictures that were found.
pub(crate) struct ImageFolder {
    folder: PathBuf,
    /// Names of the folders, sorted.
    pub(crate) classes: Vec<String>,
    pictures: Vec<PictureFile>,
}

struct PictureFile {
    path: PathBuf,
    class: u32,
}

/// The first pictures of all classes, then the second ones and so on: a part of the data has all classes.
fn interleaved(pictures: Vec<PictureFile>) -> Vec<PictureFile> {
    let (mut class, mut position) = (0, 0);
    let mut numbered: Vec<(usize, PictureFile)> = Vec::with_capacity(pictures.len());
    for picture in pictures {
        position = if picture.class == class { position } else { 0 };
        class = picture.class;
        numbered.push((position, picture));
        position += 1;
    }
    numbered.sort_by_key(|(position, picture)| (*position, picture.class));
    numbered.into_iter().map(|(_, picture)| picture).collect()
}

/// Decoded pictures.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Images {
    /// Height x width x channels, one picture after the other.
    pub(crate) pixels: Vec<u8>,
    /// The class of each.
    pub(crate) classes: Vec<u32>,
    /// What was changed to make pictures fit: of each kind, how many there are and the first.
    pub(crate) warnings: Vec<String>,
}

impl ImageFolder {
    /// Lists the pictures: the first of every class by name, then the second ones and so on. Hidden files are left out,
    /// and so is what is no picture beside the folders of classes.
    ///
    /// # Errors
    /// If a folder cannot be read, has no class or no picture, or something else than pictures.
    pub(crate) fn open(folder: &Path) -> Result<ImageFolder, TrainError> {
        let mut classes = Vec::new();
        let mut pictures = Vec::new();
        let entries = list(folder)?;
        if entries.is_empty() {
            return Err(TrainError::file(folder, "an empty folder, expected a folder of pictures for each class"));
        }
        for entry in entries {
            if !entry.is_folder {
                if is_picture(&entry.path) {
                    return Err(TrainError::file(&entry.path, "this picture is in no folder of a class"));
                }
                continue;
            }
            let Ok(class) = entry.name.into_string() else {
                return Err(TrainError::file(&entry.path, "the name of a class must be UTF-8 text"));
            };
            let number = u32::try_from(classes.len()).expect("fewer folders than 32 bits count");
            classes.push(class);
            list_class(&entry.path, number, &mut pictures)?;
        }
        if classes.is_empty() {
            return Err(TrainError::file(folder, "no folders in it, expected one of pictures for each class"));
        }
        Ok(ImageFolder { folder: folder.to_path_buf(), classes, pictures: interleaved(pictures) })
    }

    /// Number of pictures.
    pub(crate) fn n_samples(&self) -> usize {
        self.pictures.len()
    }

    /// The file of a picture.
    ///
    /// # Panics
    /// If there is no such picture.
    pub(crate) fn path_of(&self, index: usize) -> &Path {
        &self.pictures[index].path
    }

    /// Decodes the first `limit` pictures (all without a limit).
    ///
    /// # Errors
    /// If there is no memory for them, or a picture cannot be read or decoded: of several the first, on any number of
    /// threads.
    pub(crate) fn read(
        &self,
        shape: PictureShape,
        limit: Option<usize>,
        n_threads: usize,
    ) -> Result<Images, TrainError> {
        let n = self.n_samples().min(limit.unwrap_or(usize::MAX));
        let sample_len = shape.height as usize * shape.width as usize * shape.channels;
        assert!(sample_len > 0, "pictures have pixels");
        let no_memory = |message| {
            let PictureShape { height, width, channels } = shape;
            TrainError::file(&self.folder, format!("{n} pictures of {height}x{width}x{channels} bytes, but {message}"))
        };
        let mut pixels = zeros(n.saturating_mul(sample_len)).map_err(no_memory)?;
        let mut classes = room_for(n).map_err(no_memory)?;
        classes.extend(self.pictures[..n].iter().map(|picture| picture.class));
        let queue =
            Queue { rest: Mutex::new(pixels.chunks_exact_mut(sample_len).enumerate()), first_error: Mutex::new(None) };
        let found = Mutex::new(Found::new());
        let large = Mutex::new(());
        std::thread::scope(|scope| {
            for _ in 0..n_threads.clamp(1, n.max(1)) {
                scope.spawn(|| {
                    while let Some((index, pixels)) = queue.next() {
                        match self.decode(index, shape, &large) {
                            Ok(picture) => {
                                pixels.copy_from_slice(&picture.pixels);
                                note(&mut lock(&found), index, picture.warnings);
                            }
                            Err(error) => queue.fail(index, error),
                        }
                    }
                });
            }
        });
        match queue.first_error.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some((_, error)) => Err(error),
            None => {
                let warnings = self.warnings(&lock(&found), n);
                Ok(Images { pixels, classes, warnings })
            }
        }
    }

    fn decode(&self, index: usize, shape: PictureShape, large: &Mutex<()>) -> Result<picture::Picture, TrainError> {
        let path = self.path_of(index);
        let is_long = std::fs::metadata(path).is_ok_and(|found| found.len() > LARGE_BYTES);
        let mut alone = is_long.then(|| lock(large));
        let bytes = read_regular(path, "read the picture")?;
        if alone.is_none() && is_large(&bytes) {
            alone = Some(lock(large));
        }
        // A grey edge: pictures to learn from are neither dark on light nor the other way round.
        let options = PictureOptions { invert: false, edge: Some(128) };
        let picture = picture::decode(&bytes, shape, options);
        drop(alone);
        picture.map_err(|message| TrainError::file(path, message))
    }

    /// One for each kind, in the order of the first pictures.
    fn warnings(&self, found: &Found, n: usize) -> Vec<String> {
        let mut kinds: Vec<&Kind> = found.values().collect();
        kinds.sort_by_key(|kind| kind.first);
        let text = |kind: &&Kind| {
            let first = TrainError::file(self.path_of(kind.first), kind.text.clone());
            format!("{} of {n} pictures; the first is {first}", kind.n_pictures)
        };
        kinds.iter().map(text).collect()
    }
}

/// Pictures that no thread has taken yet, each with the room for its pixels.
struct Queue<'a> {
    rest: Mutex<std::iter::Enumerate<std::slice::ChunksExactMut<'a, u8>>>,
    first_error: Mutex<Option<(usize, TrainError)>>,
}

impl<'a> Queue<'a> {
    /// The next picture; none after an error. All before that one have been taken, so that none of theirs is missed.
    fn next(&self) -> Option<(usize, &'a mut [u8])> {
        if lock(&self.first_error).is_some() {
            return None;
        }
        lock(&self.rest).next()
    }

    fn fail(&self, index: usize, error: TrainError) {
        let mut first = lock(&self.first_error);
        if first.as_ref().is_none_or(|(other, _)| index < *other) {
            *first = Some((index, error));
        }
    }
}

/// Pictures that were changed, by what was done to them.
type Found = BTreeMap<String, Kind>;

struct Kind {
    n_pictures: usize,
    first: usize,
    text: String,
}

fn note(found: &mut Found, index: usize, warnings: Vec<String>) {
    for text in warnings {
        let done = text.rsplit("; ").next().unwrap_or_default().to_string();
        let kind = found.entry(done).or_insert_with(|| Kind { n_pictures: 0, first: index, text: text.clone() });
        kind.n_pictures += 1;
        if index < kind.first {
            (kind.first, kind.text) = (index, text);
        }
    }
}

/// Another thread that panicked ends this one too, when it is joined.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn is_large(bytes: &[u8]) -> bool {
    let reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format();
    let dimensions = reader.ok().and_then(|reader| reader.into_dimensions().ok());
    dimensions.is_some_and(|(width, height)| u64::from(width) * u64::from(height) > LARGE_PIXELS)
}

fn is_picture(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    ["png", "jpg", "jpeg"].contains(&extension.to_ascii_lowercase().as_str())
}

struct Entry {
    name: OsString,
    path: PathBuf,
    is_folder: bool,
}

/// What is in a folder, sorted by name, without hidden files.
fn list(folder: &Path) -> Result<Vec<Entry>, TrainError> {
    let io_error = |error| TrainError::io(folder, "read the folder of pictures", &error);
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(io_error)? {
        let entry = entry.map_err(io_error)?;
        let (name, path) = (entry.file_name(), entry.path());
        if name.as_encoded_bytes().starts_with(b".") {
            continue;
        }
        let kind = entry.file_type().map_err(io_error)?;
        let is_folder = if kind.is_symlink() { path.is_dir() } else { kind.is_dir() };
        entries.push(Entry { name, path, is_folder });
    }
    entries.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(entries)
}

fn list_class(folder: &Path, class: u32, pictures: &mut Vec<PictureFile>) -> Result<(), TrainError> {
    let entries = list(folder)?;
    if entries.is_empty() {
        return Err(TrainError::file(folder, "no pictures of this class"));
    }
    for Entry { path, is_folder, .. } in entries {
        if is_folder || !is_picture(&path) {
            let what = if is_folder { "a folder" } else { "a file of another name" };
            let message = format!("{what} in the folder of a class, expected .png, .jpg or .jpeg");
            return Err(TrainError::file(&path, message));
        }
        pictures.push(PictureFile { path, class });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{GrayImage, RgbaImage};
    use tempfile::TempDir;

    const GREY: PictureShape = PictureShape { height: 2, width: 3, channels: 1 };

    fn grey(path: &Path, size: [u32; 2], value: u8) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        GrayImage::from_pixel(size[0], size[1], image::Luma([value])).save(path).unwrap();
    }

    /// Two classes, of two and three pictures.
    fn folder() -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, value) in [("b/2.png", 4), ("b/10.PNG", 3), ("a/x.png", 1), ("a/y.jpeg", 2), ("b/z.jpg", 5)] {
            grey(&folder.path().join(name), [3, 2], value);
        }
        std::fs::write(folder.path().join(".hidden"), b"").unwrap();
        std::fs::write(folder.path().join("a/.hidden.png"), b"").unwrap();
        std::fs::write(folder.path().join("README"), b"").unwrap();
        folder
    }

    fn text(folder: &TempDir, error: &TrainError) -> String {
        error.to_string().replace(&format!("{}/", folder.path().display()), "")
    }

    fn open_error(folder: &TempDir) -> String {
        text(folder, &ImageFolder::open(folder.path()).err().unwrap())
    }

    #[test]
    fn pictures_go_through_all_classes_in_turn() {
        let folder = folder();
        let images = ImageFolder::open(folder.path()).unwrap();
        assert_eq!(images.classes, ["a", "b"]);
        assert_eq!(images.n_samples(), 5);
        let names: Vec<String> =
            (0..5).map(|i| images.path_of(i).strip_prefix(folder.path()).unwrap().display().to_string()).collect();
        assert_eq!(names, ["a/x.png", "b/10.PNG", "a/y.jpeg", "b/2.png", "b/z.jpg"]);
        assert_eq!((0..5).map(|i| images.pictures[i].class).collect::<Vec<_>>(), [0, 1, 0, 1, 1]);
        let all = images.read(GREY, None, 1).unwrap();
        assert_eq!(all.classes, [0, 1, 0, 1, 1]);
        assert_eq!(all.pixels, [1, 3, 2, 4, 5].iter().flat_map(|&value| [value; 6]).collect::<Vec<u8>>());
        assert_eq!(all.warnings, [""; 0]);
        for n_threads in [0, 2, 3, 9] {
            assert_eq!(images.read(GREY, None, n_threads).unwrap(), all);
        }
        let some = images.read(GREY, Some(3), 2).unwrap();
        assert_eq!((some.classes, some.pixels), (all.classes[..3].to_vec(), all.pixels[..18].to_vec()));
        assert_eq!(images.read(GREY, Some(0), 2).unwrap().pixels, [0; 0]);
    }

    #[test]
    fn warnings_are_counted_by_kind() {
        let folder = folder();
        for (name, size) in [("a/y.jpeg", [6, 4]), ("b/2.png", [9, 6]), ("b/10.PNG", [20, 2]), ("b/z.jpg", [12, 8])] {
            grey(&folder.path().join(name), size, 255);
        }
        RgbaImage::from_pixel(20, 2, image::Rgba([0, 0, 0, 9])).save(folder.path().join("b/a.png")).unwrap();
        let images = ImageFolder::open(folder.path()).unwrap();
        for n_threads in [1, 3] {
            let warnings = images.read(GREY, None, n_threads).unwrap().warnings;
            let cut: Vec<String> =
                warnings.iter().map(|text| text.replace(&format!("{}/", folder.path().display()), "")).collect();
            assert_eq!(
                cut,
                [
                    "2 of 6 pictures; the first is b/10.PNG: the picture is 20x2 pixels, the network takes 3x2; \
                     stretched, for its aspect ratio is another",
                    "3 of 6 pictures; the first is a/y.jpeg: the picture is 6x4 pixels, the network takes 3x2; resized",
                    "1 of 6 pictures; the first is b/a.png: the picture has transparent pixels; laid on white",
                ]
            );
        }
    }

    #[test]
    fn the_first_bad_picture_is_the_error() {
        let folder = folder();
        std::fs::write(folder.path().join("a/y.jpeg"), b"root:x:0:0").unwrap();
        std::fs::write(folder.path().join("b/10.PNG"), b"\x89PNG\r\n\x1a\n").unwrap();
        std::fs::write(folder.path().join("b/2.png"), b"").unwrap();
        let images = ImageFolder::open(folder.path()).unwrap();
        for n_threads in [1, 2, 3, 5] {
            let error = images.read(GREY, None, n_threads).unwrap_err();
            let message = "b/10.PNG: not a PNG or JPEG picture: unexpected end of file";
            assert_eq!(text(&folder, &error), message);
        }
        assert!(images.read(GREY, Some(1), 4).is_ok(), "it is not read");
    }

    /// The decoder's SIMD code and its portable code give the same bytes, so that pictures do not depend on the
    /// processor: full, half and quarter resolution of colours, one scan and several, and edges that fill no
    /// vector.
    #[test]
    fn decoded_pictures_do_not_depend_on_simd() {
        let files: [&[u8]; 5] = [
            include_bytes!("../../../../fuzz/seeds/picture/full.jpg"),
            include_bytes!("../../../../fuzz/seeds/picture/half.jpg"),
            include_bytes!("../../../../fuzz/seeds/picture/quarter.jpg"),
            include_bytes!("../../../../fuzz/seeds/picture/progressive.jpg"),
            include_bytes!("../../../../fuzz/seeds/picture/exif.jpg"),
        ];
        for (number, bytes) in files.into_iter().enumerate() {
            let decode = |is_simd| {
                let options = zune_jpeg::zune_core::options::DecoderOptions::default().set_use_unsafe(is_simd);
                let source = zune_jpeg::zune_core::bytestream::ZCursor::new(bytes);
                zune_jpeg::JpegDecoder::new_with_options(source, options).decode().unwrap()
            };
            let [simd, portable] = [true, false].map(decode);
            let differ = simd.iter().zip(&portable).filter(|(one, other)| one != other).count();
            assert_eq!(differ, 0, "bytes of {} that differ in file {number}", portable.len());
            let decoded = image::load_from_memory(bytes).unwrap();
            assert!(decoded.color() != image::ColorType::Rgb8 || decoded.into_bytes() == portable);
        }
    }

    #[test]
    fn folders_that_are_none_of_classes() {
        let folder = folder();
        std::fs::create_dir(folder.path().join("c")).unwrap();
        assert_eq!(open_error(&folder), "c: no pictures of this class");
        std::fs::write(folder.path().join("c/x.gif"), b"").unwrap();
        let expected = "in the folder of a class, expected .png, .jpg or .jpeg";
        assert_eq!(open_error(&folder), format!("c/x.gif: a file of another name {expected}"));
        std::fs::remove_file(folder.path().join("c/x.gif")).unwrap();
        std::fs::create_dir(folder.path().join("c/d")).unwrap();
        assert_eq!(open_error(&folder), format!("c/d: a folder {expected}"));
        grey(&folder.path().join("1.png"), [1, 1], 0);
        assert_eq!(open_error(&folder), "1.png: this picture is in no folder of a class");
        let empty = tempfile::tempdir().unwrap();
        let message = |what: &str| format!("{}: {what}", empty.path().display());
        assert_eq!(open_error(&empty), message("an empty folder, expected a folder of pictures for each class"));
        std::fs::write(empty.path().join("README"), b"").unwrap();
        assert_eq!(open_error(&empty), message("no folders in it, expected one of pictures for each class"));
        let missing = ImageFolder::open(Path::new("no/such")).err().unwrap().to_string();
        assert_eq!(missing, "no/such: cannot read the folder of pictures: No such file or directory (os error 2)");
    }
}
