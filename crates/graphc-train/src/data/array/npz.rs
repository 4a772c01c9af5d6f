//! NPZ files, arrays of NumPy by name: a zip archive of NPY files, stored (`numpy.savez`) or deflated
//! (`numpy.savez_compressed`).
//!
//! The checksum is that of the whole content: reading all samples checks it, reading some of them does not.
//!
//! Read is what NumPy writes: an archive that ends with its directory, without a comment. Of the directory, `rawzip`
//! holds one entry at a time, whatever number it announces.
//!
//! Rejected: the `zip` crate. It searches the whole file for directories if the last one is not right, takes memory for
//! as many entries as one announces, and wants crates for encryption.

use super::fault::{Fault, Unpacked};
use super::file_bytes::{FileBytes, Section};
use super::header::{Held, MAX_DEFLATE_RATIO};
use super::npy;
use super::opened::{Opened, Stored, select};
use crate::error::escaped;
use flate2::Crc;
use flate2::bufread::DeflateDecoder;
use rawzip::{CompressionMethod, ErrorKind, ZipArchive, ZipArchiveEntryWayfinder, ZipLocator};
use std::io::{self, BufRead, BufReader, Read};
use std::sync::Arc;

/// Arrays in a file; NumPy's users keep a few.
const MOST_ENTRIES: usize = 10_000;

/// The end of a directory without a comment.
const END_BYTES: u64 = 22;

/// What the directory says of one array.
#[derive(Clone, Copy)]
struct Entry {
    method: CompressionMethod,
    is_encrypted: bool,
    crc: u32,
    way: ZipArchiveEntryWayfinder,
}

/// Reads the directory and the header of one array, which `item` names.
pub(super) fn open(bytes: Arc<FileBytes>, key: Option<&str>, item: &mut Option<String>) -> Result<Opened, Fault> {
    let mut buffer = vec![0; rawzip::MAX_CENTRAL_DIRECTORY_RECORD_SIZE];
    let locator = ZipLocator::new().max_search_space(END_BYTES);
    let archive = locator.locate_in_reader(&*bytes, &mut buffer, bytes.len).map_err(|(_, error)| zip_fault(error))?;
    let (mut names, entries) = read_directory(&archive, &mut buffer)?;
    let index = select(&names, key.map(|key| key.strip_suffix(SUFFIX).unwrap_or(key)), "array")?;
    *item = Some(format!("array `{}`", escaped(&names.swap_remove(index))));
    let entry = entries[index];
    let (start, end) = archive.get_entry(entry.way).map_err(zip_fault)?.compressed_data_range();
    let directory = archive.directory_offset().min(bytes.len);
    if end > directory {
        return Err(Fault::Message(format!(
            "truncated: its data take bytes {start} to {end}, but the directory begins at byte {directory}"
        )));
    }
    open_entry(bytes.clone(), entry, start, end - start)
}

/// Behind the names of arrays, in the archive.
const SUFFIX: &str = ".npy";

/// Names, without `.npy`, and entries.
fn read_directory(archive: &ZipArchive<&FileBytes>, buffer: &mut [u8]) -> Result<(Vec<String>, Vec<Entry>), Fault> {
    let (mut names, mut entries) = (Vec::new(), Vec::new());
    let mut directory = archive.entries(buffer);
    while let Some(record) = directory.next_entry().map_err(zip_fault)? {
        if names.len() == MOST_ENTRIES {
            return Err(Fault::Message(format!("its directory has more than {MOST_ENTRIES} entries")));
        }
        let name = String::from_utf8_lossy(record.file_path().as_bytes()).into_owned();
        names.push(name.strip_suffix(SUFFIX).map_or(name.clone(), String::from));
        entries.push(Entry {
            method: record.compression_method(),
            is_encrypted: record.flags().is_encrypted(),
            crc: record.crc32(),
            way: record.wayfinder(),
        });
    }
    let mut sorted: Vec<&String> = names.iter().collect();
    sorted.sort_unstable();
    if let Some(pair) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(Fault::Message(format!("two arrays are called `{}`", escaped(pair[0]))));
    }
    Ok((names, entries))
}

/// Reads the header of the array whose data are those `packed` bytes from position `at` on.
fn open_entry(bytes: Arc<FileBytes>, entry: Entry, at: u64, packed: u64) -> Result<Opened, Fault> {
    let size = entry.way.uncompressed_size_hint();
    if entry.is_encrypted {
        return Err(Fault::Message("it is encrypted".into()));
    }
    let most = match entry.method {
        CompressionMethod::STORE => packed,
        CompressionMethod::DEFLATE => packed.saturating_mul(MAX_DEFLATE_RATIO),
        other => {
            let message = format!("zip method {}, expected 0 (stored) or 8 (deflated)", other.as_u16());
            return Err(Fault::Message(message));
        }
    };
    let is_stored = entry.method == CompressionMethod::STORE;
    if size > most || is_stored && size < most {
        let kind = if is_stored { "exactly" } else { "at most" };
        return Err(Fault::Message(format!(
            "corrupt zip data: the directory announces {size} bytes, but its {packed} bytes hold {kind} {most}"
        )));
    }
    let section = Section::new(bytes.clone(), at, packed);
    let source = BufReader::with_capacity(1 << 16, section);
    let content: Box<dyn Read + Send> =
        if is_stored { Box::new(source) } else { Box::new(Inflate(DeflateDecoder::new(source))) };
    let checked = Checked { content, crc: Crc::new(), expected: entry.crc };
    let mut reader = Unpacked { decoder: checked, kind: "zip" };
    let (header, header_len) = npy::read_header(&mut reader)?;
    header.check_length(Held::Exactly(size.saturating_sub(header_len)))?;
    let stored = is_stored.then_some(Stored { bytes, at: at + header_len });
    Ok(Opened { header, reader: Box::new(reader), stored })
}

fn zip_fault(error: rawzip::Error) -> Fault {
    match error.into_kind() {
        ErrorKind::IO(error) if error.kind() != io::ErrorKind::UnexpectedEof => Fault::Io(error),
        ErrorKind::MissingEndOfCentralDirectory => {
            Fault::Message("not an NPZ file: expected the directory of a zip archive at its end".into())
        }
        _ => Fault::Message("corrupt zip data: its directory is broken".into()),
    }
}

/// Deflated data that end where they should.
struct Inflate<R>(DeflateDecoder<R>);

impl<R: BufRead> Read for Inflate<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.0.read(buffer)?;
        if n == 0 && !buffer.is_empty() && !self.0.get_mut().fill_buf()?.is_empty() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "something follows the end of deflated data"));
        }
        Ok(n)
    }
}

/// Content whose checksum is compared at its end.
struct Checked {
    content: Box<dyn Read + Send>,
    crc: Crc,
    expected: u32,
}

impl Read for Checked {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.content.read(buffer)?;
        self.crc.update(&buffer[..n]);
        if n == 0 && !buffer.is_empty() && self.crc.sum() != self.expected {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "its checksum is another"));
        }
        Ok(n)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::data::array::npy::tests::{header, npy_bytes};
    use crate::data::array::tests::{array, check_message, read_file};
    use crate::data::values::Values;
    use flate2::Compression;
    use flate2::write::DeflateEncoder;
    use std::io::Write;

    /// A file in an archive: its name, content, and data as the archive has them.
    pub(crate) struct Member {
        name: &'static str,
        content: Vec<u8>,
        packed: Vec<u8>,
        method: u16,
        /// In the directory.
        size: u32,
    }

    pub(crate) fn stored(name: &'static str, content: Vec<u8>) -> Member {
        Member { name, packed: content.clone(), method: 0, size: content.len() as u32, content }
    }

    pub(crate) fn deflated(name: &'static str, content: Vec<u8>) -> Member {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(&content).unwrap();
        Member { packed: encoder.finish().unwrap(), method: 8, ..stored(name, content) }
    }

    /// An archive as `numpy.savez` writes it: local headers have their sizes in an extra field of 64-bit numbers.
    pub(crate) fn zip(members: &[Member]) -> Vec<u8> {
        let (mut file, mut directory) = (Vec::new(), Vec::new());
        for Member { name, content, packed, method, size } in members {
            let mut crc = Crc::new();
            crc.update(content);
            let start = file.len() as u32;
            let [crc, packed_len, name_len] = [crc.sum(), packed.len() as u32, name.len() as u32];
            file.extend(
                [b"PK\x03\x04\x2d\0\0\0".as_slice(), &method.to_le_bytes(), &[0; 4], &crc.to_le_bytes()].concat(),
            );
            file.extend([0xff; 8]);
            file.extend([&name_len.to_le_bytes()[..2], &20u16.to_le_bytes(), name.as_bytes(), &[1, 0, 16, 0]].concat());
            file.extend([u64::from(*size), u64::from(packed_len)].map(u64::to_le_bytes).concat());
            file.extend(packed);
            directory.extend([b"PK\x01\x02\x2d\0\x2d\0\0\0".as_slice(), &method.to_le_bytes(), &[0; 4]].concat());
            directory.extend([crc, packed_len, *size, name_len].map(u32::to_le_bytes).concat());
            directory.extend([&[0; 10], &start.to_le_bytes()[..], name.as_bytes()].concat());
        }
        let n = (members.len() as u16).to_le_bytes();
        let end = [b"PK\x05\x06\0\0\0\0".as_slice(), &n, &n, &(directory.len() as u32).to_le_bytes()].concat();
        let start = (file.len() as u32).to_le_bytes();
        [file, directory, end, start.to_vec(), vec![0; 2]].concat()
    }

    fn floats(numbers: &[f32]) -> Vec<u8> {
        let data: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        npy_bytes(&header("<f4", false, &[numbers.len()]), &data)
    }

    #[test]
    fn arrays_are_found_by_name() {
        let bytes = zip(&[stored("x.npy", floats(&[1.0, 2.0])), deflated("y.npy", floats(&[3.0; 9]))]);
        let x = array(2, &[], Values::F32(vec![1.0, 2.0]));
        assert_eq!(read_file("a.npz#x", &bytes, None).unwrap(), x);
        assert_eq!(read_file("a.npz#x.npy", &bytes, None).unwrap(), x);
        assert_eq!(read_file("a.npz#y", &bytes, None).unwrap(), array(9, &[], Values::F32(vec![3.0; 9])));
        assert_eq!(read_file("a.npz#y", &bytes, Some(2)).unwrap(), array(9, &[], Values::F32(vec![3.0; 2])));
        assert_eq!(read_file("a.npz", &zip(&[stored("x.npy", floats(&[1.0, 2.0]))]), None).unwrap(), x);
        check_message("a.npz#z", &bytes, "it holds no array `z`; there is `x`, `y`");
        check_message("a.npz", &bytes, "it holds 2 arrays: name one behind a #: `x`, `y`");
        check_message("a.npz", &zip(&[]), "it holds no arrays");
        let strange = zip(&[stored("\x1b[31m.npy", floats(&[])), stored("x", floats(&[]))]);
        check_message("a.npz#z", &strange, "it holds no array `z`; there is `\\u{1b}[31m`, `x`");
        let twice = zip(&[stored("x.npy", floats(&[])), stored("x", floats(&[]))]);
        check_message("a.npz#x", &twice, "two arrays are called `x`");
    }

    /// The directory of an archive beyond 4 GiB has its numbers in extra fields, and a second end.
    #[test]
    fn directories_of_64_bit_numbers() {
        let bytes = include_bytes!("../../../../../fuzz/seeds/npz/wide.npz");
        let expected = array(3, &[2], Values::I32((0..6).collect()));
        assert_eq!(read_file("a.npz#x", bytes, None).unwrap(), expected);
        let mut huge = bytes.to_vec();
        let directory = huge.windows(4).position(|window| window == b"PK\x01\x02").unwrap();
        // Behind the name of 5 bytes and the head of the extra field: the size, then the compressed size.
        let sizes = directory + 46 + 5 + 4;
        huge[sizes..][..16].copy_from_slice(&[1u64 << 40; 2].map(u64::to_le_bytes).concat());
        let message =
            "array `x`: truncated: its data take bytes 55 to 1099511627831, but the directory begins at byte 195";
        check_message("a.npz#x", &huge, message);
        huge[sizes..][..16].fill(0xff);
        check_message("a.npz#x", &huge, "array `x`: corrupt zip data: its directory is broken");
    }

    #[test]
    fn only_what_is_stored_is_read_by_position() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npz");
        std::fs::write(&path, zip(&[deflated("x.npy", floats(&[1.0]))])).unwrap();
        let file = crate::data::array::ArrayFile::open(&path, None, None).unwrap();
        assert!(!file.is_positional());
        assert_eq!(
            file.by_position().err().unwrap().to_string(),
            format!(
                "{}: array `x`: it is compressed, so single samples cannot be read; decompress it first",
                path.display()
            )
        );
    }

    #[test]
    fn says_what_is_wrong() {
        let of = |member: Member| zip(&[member]);
        let check = |bytes: &[u8], message: &str| check_message("a.npz#x", bytes, message);
        let no_zip = "not an NPZ file: expected the directory of a zip archive at its end";
        let good = of(stored("x.npy", floats(&[1.0, 2.0])));
        check(b"", no_zip);
        check(b"root:x:0:0", no_zip);
        check(&good[..good.len() - 1], "corrupt zip data: its directory is broken");
        check(&good[..good.len() - 30], no_zip);
        check(&[&good[..], b"junk"].concat(), no_zip);
        check(&[&good[..], &[0; 64]].concat(), no_zip);
        check(
            &of(stored("x.npy", b"root:x:0:0".to_vec())),
            "array `x`: not an NPY file: expected the bytes 93 4e 55 4d 50 59 at its start",
        );
        let short = floats(&[1.0, 2.0]);
        check(
            &of(stored("x.npy", short[..short.len() - 1].to_vec())),
            "array `x`: truncated: the header announces 2 of f32 = 8 bytes, but 7 follow it",
        );
        check(
            &of(stored("x.npy", [&short[..], &[0]].concat())),
            "array `x`: too long: the header announces 2 of f32 = 8 bytes, but 9 follow it",
        );
        check(
            &of(Member { method: 12, ..stored("x.npy", short.clone()) }),
            "array `x`: zip method 12, expected 0 (stored) or 8 (deflated)",
        );
        check(
            &of(Member { size: 5, ..stored("x.npy", short.clone()) }),
            "array `x`: corrupt zip data: the directory announces 5 bytes, but its 136 bytes hold exactly 136",
        );
        let mut locked = good.clone();
        let directory = locked.windows(4).position(|window| window == b"PK\x01\x02").unwrap();
        locked[directory + 8] |= 1;
        check(&locked, "array `x`: it is encrypted");
        let wrong = Member { content: vec![1], ..stored("x.npy", short.clone()) };
        check(&of(wrong), "array `x`: corrupt zip data: its checksum is another");
        let mut cut = deflated("x.npy", short.clone());
        cut.packed.truncate(cut.packed.len() - 4);
        check(&of(cut), "array `x`: truncated: the zip data ends too early");
        let mut long = deflated("x.npy", short.clone());
        long.packed.extend(b"junk");
        check(&of(long), "array `x`: corrupt zip data: something follows the end of deflated data");
        let mut flipped = deflated("x.npy", short);
        flipped.packed[0] ^= 7;
        check(&of(flipped), "array `x`: corrupt zip data: corrupt deflate stream");
    }

    /// 64 MB of zeros in 64 kB: no more is inflated than announced, and that no more than the data can hold.
    #[test]
    fn a_bomb_is_not_inflated() {
        let len = 64 << 20;
        let bomb = |announced: usize| {
            let mut content = npy_bytes(&header("|u1", false, &[announced]), &[]);
            content.resize(content.len() + len, 0);
            deflated("x.npy", content)
        };
        check_message(
            "a.npz",
            &zip(&[bomb(8)]),
            "array `x`: too long: the header announces 8 bytes, but 67108864 follow it",
        );
        let of_size = |size: u32| zip(&[Member { size, ..bomb(8) }]);
        check_message("a.npz", &of_size(136), "array `x`: too long: the header announces 8 bytes, but more follow it");
        let small = deflated("x.npy", npy_bytes(&header("|u1", false, &[4_000_000_000]), &[0; 8]));
        let packed = small.packed.len();
        check_message(
            "a.npz",
            &zip(&[Member { size: 4_000_000_128, ..small }]),
            &format!(
                "array `x`: corrupt zip data: the directory announces 4000000128 bytes, but its {packed} bytes hold at most {}",
                packed * 1032
            ),
        );
    }
}
