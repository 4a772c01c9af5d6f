//! IDX files, the format of MNIST: two zero bytes, an element type, a rank, big-endian sizes, the elements.
//!
//! Gzip is recognised by its first two bytes, not by the file name.

use super::fault::{Fault, Unpacked};
use super::file_bytes::{FileBytes, Section};
use super::header::{Header, Held, check_rank, fill_header};
use super::opened::{Opened, Stored};
use crate::data::values::{Element, Encoding};
use crate::gzip::{GZIP_MAGIC, Gunzip};
use std::io::{BufRead, BufReader, Read};
use std::sync::Arc;

/// The element type with that third byte of a file.
fn element(code: u8) -> Option<Element> {
    match code {
        0x08 => Some(Element::U8),
        0x09 => Some(Element::I8),
        0x0b => Some(Element::I16),
        0x0c => Some(Element::I32),
        0x0d => Some(Element::F32),
        0x0e => Some(Element::F64),
        _ => None,
    }
}

/// The array's name in messages.
const KIND: &str = "an IDX array";

/// Reads the header.
pub(super) fn open(bytes: Arc<FileBytes>) -> Result<Opened, Fault> {
    let len = bytes.len;
    let mut source = BufReader::with_capacity(1 << 16, Section::whole(bytes.clone()));
    let is_gzip = source.fill_buf()?.starts_with(&GZIP_MAGIC);
    let mut reader: Box<dyn Read + Send> = if is_gzip {
        Box::new(Unpacked { decoder: Gunzip::new(Box::new(source)), kind: "gzip" })
    } else {
        Box::new(source)
    };
    let header = read_header(&mut *reader)?;
    let header_len = 4 + 4 * header.shape.len() as u64;
    header.check_length(match is_gzip {
        true => Held::Packed { kind: "gzip", n_bytes: len, header_len },
        false => Held::Exactly(len - header_len),
    })?;
    let stored = (!is_gzip).then_some(Stored { bytes, at: header_len });
    Ok(Opened { header, reader, stored })
}

fn read_header(reader: &mut dyn Read) -> Result<Header, Fault> {
    let mut magic = [0; 4];
    fill_header(reader, &mut magic, 0, "an IDX file")?;
    let [0, 0, code, rank] = magic else { return Err(Fault::Message(NO_IDX.into())) };
    let Some(element) = element(code) else { return Err(Fault::Message(NO_IDX.into())) };
    check_rank(rank.into(), KIND)?;
    let mut sizes = vec![0; 4 * usize::from(rank)];
    fill_header(reader, &mut sizes, 4, "an IDX file")?;
    let size = |bytes: &[u8]| u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) as usize;
    let shape = sizes.chunks_exact(4).map(size).collect();
    Ok(Header::new(Encoding { element, is_big_endian: true }, false, shape, KIND)?)
}

const NO_IDX: &str = "not an IDX file: expected two zero bytes and an element type (08, 09 or 0b to 0e) at its start";

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::data::array::tests::{array, check_message, read_file};
    use crate::data::array::{Array, ArrayFile};
    use crate::data::values::Values;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::{self, Write};
    use std::path::Path;

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

    fn read(bytes: &[u8], limit: Option<usize>) -> Result<Array, String> {
        read_file("file.idx", bytes, limit)
    }

    #[test]
    fn reads_plain_and_gzip_alike() {
        let data: Vec<u8> = (0..24).collect();
        let bytes = idx_bytes(&[2, 3, 4], &data);
        let expected = array(2, &[3, 4], Values::U8(data));
        assert_eq!(read(&bytes, None).unwrap(), expected);
        assert_eq!(read(&gzip(&bytes), None).unwrap(), expected);
    }

    #[test]
    fn every_element_type() {
        let of = |code: u8, big: &[u8]| {
            let mut bytes = idx_bytes(&[2], big);
            bytes[2] = code;
            assert_eq!(read(&gzip(&bytes), None), read(&bytes, None));
            read(&bytes, None).unwrap().values
        };
        assert_eq!(of(0x08, &[1, 255]), Values::U8(vec![1, 255]));
        assert_eq!(of(0x09, &[1, 255]), Values::I32(vec![1, -1]));
        assert_eq!(of(0x0b, &[1, 2, 255, 254]), Values::I32(vec![258, -2]));
        assert_eq!(of(0x0c, &[0, 0, 1, 2, 255, 255, 255, 254]), Values::I32(vec![258, -2]));
        assert_eq!(of(0x0d, &[1.5f32, -2.5].map(f32::to_be_bytes).concat()), Values::F32(vec![1.5, -2.5]));
        assert_eq!(of(0x0e, &[1.5f64, -2.5].map(f64::to_be_bytes).concat()), Values::F64(vec![1.5, -2.5]));
        check(&[0, 0, 0x0a, 1, 0, 0, 0, 0], NO_IDX);
    }

    #[test]
    fn a_limit_reads_the_first_samples() {
        let bytes = gzip(&idx_bytes(&[3, 2], &[1, 2, 3, 4, 5, 6]));
        assert_eq!(read(&bytes, Some(2)).unwrap(), array(3, &[2], Values::U8(vec![1, 2, 3, 4])));
        assert_eq!(read(&bytes, Some(9)).unwrap().values.len(), 6);
    }

    #[track_caller]
    fn check(bytes: &[u8], message: &str) {
        check_message("file.idx", bytes, message);
    }

    #[test]
    fn says_what_is_wrong() {
        let good = idx_bytes(&[2, 3], &[1, 2, 3, 4, 5, 6]);
        check(b"", "not an IDX file: its header ends after 0 bytes");
        check(&good[..7], "not an IDX file: its header ends after 7 bytes");
        check(&gzip(b""), "not an IDX file: its header ends after 0 bytes");
        let mut floats = good.clone();
        floats[2] = 0x0d;
        check(&floats, "truncated: the header announces 2x3 of f32 = 24 bytes, but 6 follow it");
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
        for bytes in [&b"root:x:0:0"[..], b"\x89PNG....", &[0, 0, 0x2a, 0x41, 0x42], &[0, 1, 8, 1, 0, 0, 0, 0]] {
            check(bytes, NO_IDX);
            check(&gzip(bytes), NO_IDX);
        }
    }

    /// RFC 1952, 2.2: members follow one another, and the content is that of all of them.
    #[test]
    fn gzip_members_are_one_stream() {
        let bytes = idx_bytes(&[2, 3, 4], &(0..24).collect::<Vec<u8>>());
        let expected = read(&bytes, None).unwrap();
        for cut in [0, 1, 3, 4, 15, 16, 30, bytes.len()] {
            let members = [gzip(&bytes[..cut]), gzip(b""), gzip(&bytes[cut..])].concat();
            assert_eq!(read(&members, None).unwrap(), expected, "cut at {cut}");
            check(&members[..members.len() - 3], "truncated: the gzip data ends too early");
        }
        // The header is complete in the first member, and the limit is reached there.
        let members = [gzip(&bytes[..30]), gzip(&bytes[30..])].concat();
        let first = array(2, &[3, 4], Values::U8((0..12).collect()));
        assert_eq!(read(&members, Some(1)).unwrap(), first);
    }

    #[test]
    fn junk_behind_the_end_is_an_error() {
        let good = idx_bytes(&[2, 3], &[1, 2, 3, 4, 5, 6]);
        let long = [&good[..], &[0]].concat();
        check(&long, "too long: the header announces 2x3 = 6 bytes, but 7 follow it");
        // Of a plain file even the length says it.
        assert_eq!(
            read(&long, Some(1)).unwrap_err(),
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
        let nothing = Values::U8(Vec::new());
        let of_no_size = read(&idx_bytes(&[u32::MAX, 0], &[]), None).unwrap();
        assert_eq!(of_no_size, array(u32::MAX as usize, &[0], nothing.clone()));
        // No samples of a size beyond all integers, and samples of no size whose first sizes alone are beyond them.
        check(
            &idx_bytes(&[0, u32::MAX, u32::MAX, u32::MAX], &[]),
            "the header announces 0x4294967295x4294967295x4294967295 = 0 bytes, which no file can hold",
        );
        let empty = read(&idx_bytes(&[u32::MAX, 1 << 31, 2, 0], &[]), Some(5)).unwrap();
        assert_eq!(empty, array(u32::MAX as usize, &[1 << 31, 2, 0], nothing));
    }

    /// 64 MB of zeros in 64 kB: no more is inflated than the header announces and one byte.
    #[test]
    fn a_bomb_is_not_inflated() {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(&idx_bytes(&[2, 3], &[0; 6])).unwrap();
        encoder.write_all(&vec![0; 64 << 20]).unwrap();
        let bytes = encoder.finish().unwrap();
        check(&bytes, "too long: the header announces 2x3 = 6 bytes, but more follow it");
        let len = bytes.len();
        let mut decoder = Gunzip::new(Box::new(io::Cursor::new(bytes)));
        decoder.read_exact(&mut [0; 19]).unwrap();
        let rest = decoder.0.get_mut().fill_buf().unwrap().len();
        assert!(rest + 200 > len, "{rest} of {len} compressed bytes are unread");
    }

    #[test]
    fn only_regular_files_are_opened() {
        let message = |path: &str| ArrayFile::open(Path::new(path), None, None).err().map(|error| error.to_string());
        let expected = |what: &str| Some(format!("{what}: cannot read the data file: it is not a regular file but "));
        assert_eq!(message("/dev/zero"), expected("/dev/zero").map(|text| text + "a device or a pipe"));
        assert_eq!(message("."), expected(".").map(|text| text + "a directory"));
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = ArrayFile::open(Path::new("no/such/file.gz"), None, None).err().unwrap();
        assert_eq!(
            error.to_string(),
            "no/such/file.gz: cannot read the data file: No such file or directory (os error 2)"
        );
    }
}
