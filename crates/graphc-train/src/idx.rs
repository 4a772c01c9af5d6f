//! IDX files, the format of MNIST: two zero bytes, an element type, a rank, big-endian sizes, the elements.
//!
//! Gzip is recognised by its first two bytes, not by the file name. The sizes of the header are untrusted: they are
//! compared with what a file of this length can hold before memory is taken for them.

use crate::error::TrainError;
use flate2::bufread::GzDecoder;
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read};
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

/// Reads the first `limit` samples of a file (all without a limit).
///
/// # Errors
/// If the file cannot be read, is no IDX file of unsigned bytes, or is shorter or longer than its header says.
pub fn read(path: &Path, limit: Option<usize>) -> Result<IdxArray, TrainError> {
    let open_error = |error| TrainError::io(path, "read the data file", &error);
    let file = File::open(path).map_err(open_error)?;
    let file_len = file.metadata().map_err(open_error)?.len();
    let mut file = BufReader::with_capacity(1 << 16, file);
    let start = file.fill_buf().map_err(open_error)?;
    if start.starts_with(&[0x1f, 0x8b]) {
        let room = file_len.saturating_mul(MAX_DEFLATE_RATIO);
        Source { path, reader: GzDecoder::new(file), room }.array(limit)
    } else {
        Source { path, reader: file, room: file_len }.array(limit)
    }
}

/// A stream of at most `room` bytes.
struct Source<'a, R> {
    path: &'a Path,
    reader: R,
    room: u64,
}

impl<R: Read> Source<'_, R> {
    fn array(mut self, limit: Option<usize>) -> Result<IdxArray, TrainError> {
        let (mut shape, header_len) = self.header()?;
        let total = self.total(&shape, header_len)?;
        let n_in_file = shape[0];
        shape[0] = n_in_file.min(limit.unwrap_or(n_in_file));
        let len: usize = shape.iter().product();
        let mut data = vec![0; len];
        self.fill(&mut data, header_len, total)?;
        if len == total {
            self.expect_end(header_len + total)?;
        }
        Ok(IdxArray { shape, n_in_file, data })
    }

    fn header(&mut self) -> Result<(Vec<usize>, usize), TrainError> {
        let mut magic = [0; 4];
        self.fill(&mut magic, 0, 0)?;
        let [zero0, zero1, kind, rank] = magic;
        if [zero0, zero1] != [0, 0] {
            let found = magic.map(|byte| format!("{byte:02x}")).join(" ");
            return Err(self.error(format!(
                "not an IDX file: expected it to start with the bytes 00 00 08 (unsigned bytes), found {found}"
            )));
        }
        if kind != 0x08 {
            return Err(self.error(format!("expected IDX elements of type 0x08 (unsigned bytes), found 0x{kind:02x}")));
        }
        let rank = usize::from(rank);
        if rank == 0 || rank > MAX_RANK {
            return Err(self.error(format!("expected an IDX array of 1 to {MAX_RANK} dimensions, found {rank}")));
        }
        let mut sizes = vec![0; 4 * rank];
        self.fill(&mut sizes, 4, 0)?;
        let size = |bytes: &[u8]| u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) as usize;
        Ok((sizes.chunks_exact(4).map(size).collect(), 4 + 4 * rank))
    }

    /// Number of elements the header announces.
    fn total(&self, shape: &[usize], header_len: usize) -> Result<usize, TrainError> {
        let product = shape.iter().try_fold(1usize, |product, &size| product.checked_mul(size));
        let room = self.room.saturating_sub(header_len as u64);
        match product {
            Some(total) if total as u64 <= room => Ok(total),
            _ => {
                let sizes = shape.iter().map(usize::to_string).collect::<Vec<_>>().join("x");
                let needed = product.map_or_else(|| "more bytes than memory".into(), |total| format!("{total} bytes"));
                Err(self.error(format!(
                    "truncated: the header announces {sizes} elements, {needed}, but the file can hold at most {room}"
                )))
            }
        }
    }

    /// Fills `buffer`, which stands at byte `offset` of the stream; `total` elements were announced.
    fn fill(&mut self, buffer: &mut [u8], offset: usize, total: usize) -> Result<(), TrainError> {
        let mut done = 0;
        while done < buffer.len() {
            match self.reader.read(&mut buffer[done..]) {
                Ok(0) if total > 0 => {
                    return Err(self.error(format!(
                        "truncated: expected {total} bytes after the header, the file ends after {done}"
                    )));
                }
                Ok(0) => {
                    return Err(self.error(format!("not an IDX file: its header ends after {} bytes", offset + done)));
                }
                Ok(n) => done += n,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(self.read_error(&error)),
            }
        }
        Ok(())
    }

    /// Also makes the gzip decoder check the checksum at the end.
    fn expect_end(&mut self, len: usize) -> Result<(), TrainError> {
        let mut byte = [0];
        loop {
            match self.reader.read(&mut byte) {
                Ok(0) => return Ok(()),
                Ok(_) => {
                    return Err(self.error(format!("expected {len} bytes as the header announces, found more")));
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(self.read_error(&error)),
            }
        }
    }

    fn read_error(&self, error: &std::io::Error) -> TrainError {
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

    /// Writes `bytes` to a file of its own and reads it; messages have the folder cut off.
    fn read_bytes(bytes: &[u8], limit: Option<usize>) -> Result<IdxArray, String> {
        let folder = tempfile::tempdir().unwrap();
        let path: PathBuf = folder.path().join("file.idx");
        std::fs::write(&path, bytes).unwrap();
        let prefix = format!("{}/", folder.path().display());
        read(&path, limit).map_err(|error| error.to_string().replace(&prefix, ""))
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

    #[test]
    fn says_what_is_wrong() {
        let good = idx_bytes(&[2, 3], &[1, 2, 3, 4, 5, 6]);
        let mut long = good.clone();
        long.push(0);
        let mut floats = good.clone();
        floats[2] = 0x0d;
        let check = |bytes: &[u8], message: &str| assert_eq!(read_bytes(bytes, None).unwrap_err(), message);
        check(b"", "file.idx: not an IDX file: its header ends after 0 bytes");
        check(&good[..7], "file.idx: not an IDX file: its header ends after 7 bytes");
        check(
            b"\x89PNG....",
            "file.idx: not an IDX file: expected it to start with the bytes 00 00 08 (unsigned bytes), found 89 50 4e 47",
        );
        check(&floats, "file.idx: expected IDX elements of type 0x08 (unsigned bytes), found 0x0d");
        check(&[0, 0, 8, 9], "file.idx: expected an IDX array of 1 to 8 dimensions, found 9");
        check(
            &good[..15],
            "file.idx: truncated: the header announces 2x3 elements, 6 bytes, but the file can hold at most 3",
        );
        check(&long, "file.idx: expected 18 bytes as the header announces, found more");
        check(&gzip(&good[..15]), "file.idx: truncated: expected 6 bytes after the header, the file ends after 3");
        let zipped = gzip(&good);
        check(&zipped[..zipped.len() - 9], "file.idx: truncated: the gzip data ends too early");
        let mut flipped = zipped.clone();
        let crc = flipped.len() - 8;
        flipped[crc] ^= 1;
        check(&flipped, "file.idx: corrupt gzip data: corrupt gzip stream does not have a matching checksum");
    }

    #[test]
    fn announced_sizes_are_checked_before_memory_is_taken() {
        let huge = idx_bytes(&[u32::MAX, u32::MAX, u32::MAX], &[0; 8]);
        assert_eq!(
            read_bytes(&huge, None).unwrap_err(),
            "file.idx: truncated: the header announces 4294967295x4294967295x4294967295 elements, \
             more bytes than memory, but the file can hold at most 8"
        );
        let error = read_bytes(&gzip(&idx_bytes(&[1 << 30], &[0; 8])), None).unwrap_err();
        assert!(error.starts_with("file.idx: truncated: the header announces 1073741824 elements"), "{error}");
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
