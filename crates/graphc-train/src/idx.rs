//! IDX files, the format of MNIST: two zero bytes, an element type, a rank, big-endian sizes, the elements.
//!
//! Gzip is recognised by its first two bytes, not by the file name. A file is untrusted: its header is read first, by
//! itself ([`IdxFile::open`]), so that a caller can refuse what does not fit before anything else is read or inflated.
//! No more is inflated than the header announces and one byte, and no memory is taken for more than a file of this
//! length can hold. A file that is something else is not quoted: whoever names the paths need not be the one who may
//! read them.

use crate::error::TrainError;
use crate::input::shape_text;
use crate::reading::{open_regular, zeros};
use flate2::bufread::GzDecoder;
use std::io::{self, BufRead, BufReader, ErrorKind, Read};
use std::path::Path;

/// Unsigned bytes of any rank; the first size counts samples.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdxArray {
    /// Sizes as read; the first one is what `data` holds, at most the caller's limit.
    pub shape: Vec<usize>,
    /// Samples in the file, whether read or not.
    pub n_in_file: usize,
    /// Elements, row-major.
    pub data: Vec<u8>,
}

impl IdxArray {
    /// Elements of one sample.
    pub fn sample_len(&self) -> usize {
        self.shape[1..].iter().product()
    }
}

/// Deflate cannot shrink data by more than this factor.
const MAX_DEFLATE_RATIO: u64 = 1032;

/// Largest rank accepted.
const MAX_RANK: usize = 8;

/// Element types by the third byte of a file.
const ELEMENT_TYPES: [(u8, &str); 6] = [
    (0x08, "unsigned bytes"),
    (0x09, "signed bytes"),
    (0x0b, "16-bit integers"),
    (0x0c, "32-bit integers"),
    (0x0d, "32-bit floats"),
    (0x0e, "64-bit floats"),
];

/// Reads the first `limit` samples of a file (all without a limit).
///
/// # Errors
/// If the file cannot be read, is no IDX file of unsigned bytes, or is shorter or longer than its header says. With a
/// limit, the end of a compressed file is not looked at.
pub fn read(path: &Path, limit: Option<usize>) -> Result<IdxArray, TrainError> {
    IdxFile::open(path)?.read(limit)
}

/// As [`read`], of bytes that stand, or would stand, at `path`.
///
/// # Errors
/// As [`read`].
pub fn read_bytes(path: &Path, bytes: &[u8], limit: Option<usize>) -> Result<IdxArray, TrainError> {
    IdxFile::new(path, Box::new(bytes), bytes.len() as u64)?.read(limit)
}

/// A file whose header has been read.
pub struct IdxFile<'a> {
    path: &'a Path,
    reader: Box<dyn Read + 'a>,
    is_gzip: bool,
    shape: Vec<usize>,
    /// Elements of one sample; the number of samples times this fits in a `usize`.
    sample_len: usize,
}

impl<'a> IdxFile<'a> {
    /// Reads the header.
    ///
    /// # Errors
    /// If the file cannot be read, or its header is none or announces more than the file can hold.
    pub fn open(path: &'a Path) -> Result<IdxFile<'a>, TrainError> {
        let (file, len) = open_regular(path, "read the data file")?;
        IdxFile::new(path, Box::new(BufReader::with_capacity(1 << 16, file)), len)
    }

    /// Of a source of `len` bytes.
    fn new(path: &'a Path, mut source: Box<dyn BufRead + 'a>, len: u64) -> Result<IdxFile<'a>, TrainError> {
        let start = source.fill_buf().map_err(|error| TrainError::io(path, "read the data file", &error))?;
        let is_gzip = start.starts_with(&GZIP_MAGIC);
        let reader: Box<dyn Read + 'a> =
            if is_gzip { Box::new(Gunzip(GzDecoder::new(source))) } else { Box::new(source) };
        let mut file = IdxFile { path, reader, is_gzip, shape: Vec::new(), sample_len: 0 };
        file.read_header()?;
        file.check_length(len)?;
        Ok(file)
    }

    /// Number of samples.
    pub fn n_samples(&self) -> usize {
        self.shape[0]
    }

    /// Sizes of one sample.
    pub fn sample_shape(&self) -> &[usize] {
        &self.shape[1..]
    }

    /// Reads the first `limit` samples (all without a limit).
    ///
    /// # Errors
    /// If there is no memory for them, or the file is corrupt, shorter or longer.
    pub fn read(mut self, limit: Option<usize>) -> Result<IdxArray, TrainError> {
        let n_in_file = self.shape[0];
        let n = n_in_file.min(limit.unwrap_or(n_in_file));
        let len = n * self.sample_len;
        let mut data = zeros(len).map_err(|message| self.error(format!("{}, but {message}", self.announced())))?;
        let done = self.fill(&mut data)?;
        if done < len {
            let total = n_in_file * self.sample_len;
            let message = format!("truncated: expected {total} bytes after the header, the file ends after {done}");
            return Err(self.error(message));
        }
        if n == n_in_file {
            self.expect_end()?;
        }
        let mut shape = self.shape;
        shape[0] = n;
        Ok(IdxArray { shape, n_in_file, data })
    }

    fn read_header(&mut self) -> Result<(), TrainError> {
        let mut magic = [0; 4];
        self.fill_header(&mut magic, 0)?;
        let [zero0, zero1, kind, rank] = magic;
        let element_type = ELEMENT_TYPES.iter().find(|(code, _)| *code == kind);
        let (Some((_, name)), [0, 0]) = (element_type, [zero0, zero1]) else {
            return Err(self.error("not an IDX file: expected the bytes 00 00 08 (unsigned bytes) at its start"));
        };
        if kind != 0x08 {
            return Err(self.error(format!("expected an IDX file of unsigned bytes (type 0x08), found {name}")));
        }
        let rank = usize::from(rank);
        if rank == 0 || rank > MAX_RANK {
            return Err(self.error(format!("expected an IDX array of 1 to {MAX_RANK} dimensions, found {rank}")));
        }
        let mut sizes = vec![0; 4 * rank];
        self.fill_header(&mut sizes, 4)?;
        let size = |bytes: &[u8]| u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) as usize;
        self.shape = sizes.chunks_exact(4).map(size).collect();
        Ok(())
    }

    /// Fills a part of the header, at byte `offset`.
    fn fill_header(&mut self, buffer: &mut [u8], offset: usize) -> Result<(), TrainError> {
        match self.fill(buffer)? {
            n if n == buffer.len() => Ok(()),
            n => Err(self.error(format!("not an IDX file: its header ends after {} bytes", offset + n))),
        }
    }

    /// Fills a buffer as far as there are bytes; gives how many.
    fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, TrainError> {
        let mut done = 0;
        while done < buffer.len() {
            match self.reader.read(&mut buffer[done..]) {
                Ok(0) => break,
                Ok(n) => done += n,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(self.read_error(&error)),
            }
        }
        Ok(done)
    }

    /// Compares what the header announces with the length of the file.
    fn check_length(&mut self, len: u64) -> Result<(), TrainError> {
        let header_len = 4 + 4 * self.shape.len() as u64;
        // Also of no samples: sizes of which one is 0 may have a product that fits and partial ones that do not.
        let sample_len = self.sample_shape().iter().try_fold(1usize, |product, &size| product.checked_mul(size));
        self.sample_len = sample_len.unwrap_or(0);
        let announced = sample_len.and_then(|len| len.checked_mul(self.shape[0])).map(|len| len as u64);
        let most = if self.is_gzip { len.saturating_mul(MAX_DEFLATE_RATIO) } else { len }.saturating_sub(header_len);
        let text = self.announced();
        match announced {
            None => Err(self.error(format!("{text}, which no file can hold"))),
            Some(announced) if announced > most && self.is_gzip => {
                let message = format!("truncated: {text}, but {len} bytes of gzip data hold at most {most}");
                Err(self.error(message))
            }
            Some(announced) if announced > most => Err(self.error(format!("truncated: {text}, but {most} follow it"))),
            Some(announced) if announced < most && !self.is_gzip => {
                Err(self.error(format!("too long: {text}, but {most} follow it")))
            }
            Some(_) => Ok(()),
        }
    }

    fn announced(&self) -> String {
        let sizes = self.shape.iter().map(|&size| size as u128);
        // Eight sizes of 32 bits may be too large for any integer.
        let bytes = sizes.clone().try_fold(1u128, u128::checked_mul);
        match (bytes, self.shape.len()) {
            (Some(bytes), 1) => format!("the header announces {bytes} bytes"),
            (Some(bytes), _) => format!("the header announces {} = {bytes} bytes", shape_text(&self.shape)),
            (None, _) => format!("the header announces {}", shape_text(&self.shape)),
        }
    }

    /// Also makes the gzip decoder check the checksum at the end.
    fn expect_end(&mut self) -> Result<(), TrainError> {
        match self.fill(&mut [0])? {
            0 => Ok(()),
            _ => Err(self.error(format!("too long: {}, but more follow it", self.announced()))),
        }
    }

    fn read_error(&self, error: &io::Error) -> TrainError {
        match error.kind() {
            ErrorKind::UnexpectedEof => self.error("truncated: the gzip data ends too early"),
            ErrorKind::InvalidInput | ErrorKind::InvalidData => self.error(format!("corrupt gzip data: {error}")),
            _ => TrainError::io(self.path, "read the data file", error),
        }
    }

    fn error(&self, message: impl Into<String>) -> TrainError {
        TrainError::file(self.path, message)
    }
}

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// The content of a gzip stream: of one member after the other (RFC 1952, 2.2), with nothing else behind them.
///
/// [`flate2::bufread::MultiGzDecoder`] reads the same, but what follows the last member it calls a truncated or invalid
/// header.
struct Gunzip<'a>(GzDecoder<Box<dyn BufRead + 'a>>);

impl Read for Gunzip<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let n = self.0.read(buffer)?;
            if n > 0 || buffer.is_empty() {
                return Ok(n);
            }
            // The end of a member. Behind its checksum stands the next one or nothing.
            let rest = self.0.get_mut().fill_buf()?;
            let begins_member = rest.iter().zip(GZIP_MAGIC).all(|(&found, expected)| found == expected);
            match (rest.is_empty(), begins_member) {
                (true, _) => return Ok(0),
                (false, true) => {
                    let source = self.0.reset(Box::new(io::empty()));
                    self.0.reset(source);
                }
                (false, false) => {
                    return Err(io::Error::new(
                        ErrorKind::InvalidData,
                        "something that is no gzip data follows its end",
                    ));
                }
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::Write;
    use std::path::PathBuf;

    pub(crate) fn idx_bytes(shape: &[u32], data: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0, 0, 8, shape.len() as u8];
        shape.iter().for_each(|size| bytes.extend(size.to_be_bytes()));
        bytes.extend(data);
        bytes
    }

    pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    /// What a file of those bytes holds, the same as from a file of its own.
    fn read_bytes(bytes: &[u8], limit: Option<usize>) -> Result<IdxArray, String> {
        let folder = tempfile::tempdir().unwrap();
        let path: PathBuf = folder.path().join("file.idx");
        std::fs::write(&path, bytes).unwrap();
        let prefix = format!("{}/", folder.path().display());
        let text = |error: TrainError| error.to_string().replace(&prefix, "");
        let result = read(&path, limit).map_err(text);
        assert_eq!(super::read_bytes(&path, bytes, limit).map_err(text), result);
        result
    }

    #[test]
    fn reads_plain_and_gzip_alike() {
        let data: Vec<u8> = (0..24).collect();
        let bytes = idx_bytes(&[2, 3, 4], &data);
        let expected = IdxArray { shape: vec![2, 3, 4], n_in_file: 2, data };
        assert_eq!(read_bytes(&bytes, None).unwrap(), expected);
        assert_eq!(read_bytes(&gzip(&bytes), None).unwrap(), expected);
    }

    #[test]
    fn a_limit_reads_the_first_samples() {
        let bytes = gzip(&idx_bytes(&[3, 2], &[1, 2, 3, 4, 5, 6]));
        let array = read_bytes(&bytes, Some(2)).unwrap();
        assert_eq!(array, IdxArray { shape: vec![2, 2], n_in_file: 3, data: vec![1, 2, 3, 4] });
        assert_eq!(read_bytes(&bytes, Some(9)).unwrap().shape, [3, 2]);
    }

    #[track_caller]
    fn check(bytes: &[u8], message: &str) {
        assert_eq!(read_bytes(bytes, None).unwrap_err(), format!("file.idx: {message}"));
    }

    #[test]
    fn says_what_is_wrong() {
        let good = idx_bytes(&[2, 3], &[1, 2, 3, 4, 5, 6]);
        let mut floats = good.clone();
        floats[2] = 0x0d;
        check(b"", "not an IDX file: its header ends after 0 bytes");
        check(&good[..7], "not an IDX file: its header ends after 7 bytes");
        check(&gzip(b""), "not an IDX file: its header ends after 0 bytes");
        check(&floats, "expected an IDX file of unsigned bytes (type 0x08), found 32-bit floats");
        check(&[0, 0, 8, 9], "expected an IDX array of 1 to 8 dimensions, found 9");
        check(&[0, 0, 8, 0], "expected an IDX array of 1 to 8 dimensions, found 0");
        check(&good[..15], "truncated: the header announces 2x3 = 6 bytes, but 3 follow it");
        check(&gzip(&good[..15]), "truncated: expected 6 bytes after the header, the file ends after 3");
        let zipped = gzip(&good);
        check(&zipped[..zipped.len() - 9], "truncated: the gzip data ends too early");
        check(&zipped[..zipped.len() - 1], "truncated: the gzip data ends too early");
        check(&zipped[..5], "truncated: the gzip data ends too early");
        let flipped = |at: usize| {
            let mut bytes = zipped.clone();
            bytes[at] ^= 1;
            bytes
        };
        check(&flipped(zipped.len() - 8), "corrupt gzip data: corrupt gzip stream does not have a matching checksum");
        check(&flipped(2), "corrupt gzip data: invalid gzip header");
        check(&flipped(10), "corrupt gzip data: corrupt deflate stream");
    }

    /// A graph file may name any file that its reader may read.
    #[test]
    fn what_is_no_data_is_not_quoted() {
        let message = "not an IDX file: expected the bytes 00 00 08 (unsigned bytes) at its start";
        for bytes in [&b"root:x:0:0"[..], b"\x89PNG....", &[0, 0, 0x2a, 0x41, 0x42], &[0, 1, 8, 1, 0, 0, 0, 0]] {
            check(bytes, message);
            check(&gzip(bytes), message);
        }
    }

    /// RFC 1952, 2.2: members follow one another, and the content is that of all of them.
    #[test]
    fn gzip_members_are_one_stream() {
        let bytes = idx_bytes(&[2, 3, 4], &(0..24).collect::<Vec<u8>>());
        let expected = read_bytes(&bytes, None).unwrap();
        for cut in [0, 1, 3, 4, 15, 16, 30, bytes.len()] {
            let members = [gzip(&bytes[..cut]), gzip(b""), gzip(&bytes[cut..])].concat();
            assert_eq!(read_bytes(&members, None).unwrap(), expected, "cut at {cut}");
            check(&members[..members.len() - 3], "truncated: the gzip data ends too early");
        }
        // The header is complete in the first member, and the limit is reached there.
        let members = [gzip(&bytes[..30]), gzip(&bytes[30..])].concat();
        assert_eq!(read_bytes(&members, Some(1)).unwrap().data, expected.data[..12]);
    }

    #[test]
    fn junk_behind_the_end_is_an_error() {
        let good = idx_bytes(&[2, 3], &[1, 2, 3, 4, 5, 6]);
        let long = [&good[..], &[0]].concat();
        check(&long, "too long: the header announces 2x3 = 6 bytes, but 7 follow it");
        // Of a plain file even the length says it.
        assert_eq!(
            read_bytes(&long, Some(1)).unwrap_err(),
            "file.idx: too long: the header announces 2x3 = 6 bytes, but 7 follow it"
        );
        check(&gzip(&long), "too long: the header announces 2x3 = 6 bytes, but more follow it");
        check(&[gzip(&good), gzip(&[0])].concat(), "too long: the header announces 2x3 = 6 bytes, but more follow it");
        for junk in [&b"junk"[..], &[0], &[0; 512], &[0x1f, 0x8c, 8]] {
            let bytes = [&gzip(&good), junk].concat();
            check(&bytes, "corrupt gzip data: something that is no gzip data follows its end");
        }
        check(&[&gzip(&good), &GZIP_MAGIC[..]].concat(), "truncated: the gzip data ends too early");
        check(
            &[&gzip(&good), &[0x1f, 0x8b, 9, 0, 0, 0, 0, 0, 0, 0][..]].concat(),
            "corrupt gzip data: invalid gzip header",
        );
    }

    #[test]
    fn announced_sizes_are_checked_before_memory_is_taken() {
        check(
            &idx_bytes(&[u32::MAX, u32::MAX, u32::MAX], &[0; 8]),
            "the header announces 4294967295x4294967295x4294967295 = 79228162458924105385300197375 bytes, \
             which no file can hold",
        );
        check(
            &idx_bytes(&[u32::MAX; 8], &[]),
            &format!("the header announces {}, which no file can hold", ["4294967295"; 8].join("x")),
        );
        check(
            &gzip(&idx_bytes(&[1 << 30], &[0; 8])),
            "truncated: the header announces 1073741824 bytes, but 27 bytes of gzip data hold at most 27856",
        );
        assert_eq!(read_bytes(&idx_bytes(&[u32::MAX, 0], &[]), None).unwrap().shape, [u32::MAX as usize, 0]);
        // No samples of a size beyond all integers, and samples of no size whose first sizes alone are beyond them.
        check(
            &idx_bytes(&[0, u32::MAX, u32::MAX, u32::MAX], &[]),
            "the header announces 0x4294967295x4294967295x4294967295 = 0 bytes, which no file can hold",
        );
        let empty = read_bytes(&idx_bytes(&[u32::MAX, 1 << 31, 2, 0], &[]), Some(5)).unwrap();
        assert_eq!((empty.shape, empty.data.len()), (vec![5, 1 << 31, 2, 0], 0));
    }

    /// 64 MB of zeros in 64 kB: no more is inflated than the header announces and one byte.
    #[test]
    fn a_bomb_is_not_inflated() {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(&idx_bytes(&[2, 3], &[0; 6])).unwrap();
        encoder.write_all(&vec![0; 64 << 20]).unwrap();
        let bytes = encoder.finish().unwrap();
        check(&bytes, "too long: the header announces 2x3 = 6 bytes, but more follow it");
        let mut decoder = Gunzip(GzDecoder::new(Box::new(&bytes[..])));
        decoder.read_exact(&mut [0; 19]).unwrap();
        let rest = decoder.0.get_mut().fill_buf().unwrap().len();
        assert!(rest + 200 > bytes.len(), "{rest} of {} compressed bytes are unread", bytes.len());
    }

    #[test]
    fn only_regular_files_are_opened() {
        let message = |path: &str| IdxFile::open(Path::new(path)).err().map(|error| error.to_string());
        let expected = |what: &str| Some(format!("{what}: cannot read the data file: it is not a regular file but "));
        assert_eq!(message("/dev/zero"), expected("/dev/zero").map(|text| text + "a device or a pipe"));
        assert_eq!(message("."), expected(".").map(|text| text + "a directory"));
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = read(Path::new("no/such/file.gz"), None).unwrap_err();
        assert_eq!(
            error.to_string(),
            "no/such/file.gz: cannot read the data file: No such file or directory (os error 2)"
        );
    }
}
