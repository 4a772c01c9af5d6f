//! NPY files, the format of one NumPy array: a magic number, a version, the length of a header, the header, the
//! elements.
//!
//! The header is a literal of a Python dictionary, padded with blanks:
//! `{'descr': '<f4', 'fortran_order': False, 'shape': (60000, 28, 28), }`. The crates that read it take any literal,
//! nested as deep as it likes, with a grammar of it, and quote in their messages what they did not expect; these three
//! entries need neither.

use super::fault::Fault;
use super::file_bytes::{FileBytes, Section};
use super::header::{Header, Held, check_rank, fill_header};
use super::opened::{Opened, Stored};
use crate::data::values::{Element, Encoding};
use std::io::{BufReader, Read};
use std::sync::Arc;

/// The array's name in messages.
const KIND: &str = "an NPY array";

const MAGIC: &[u8; 6] = b"\x93NUMPY";

/// Largest header that is read; NumPy reads 10,000 bytes unless it is told otherwise.
const MOST_HEADER_BYTES: usize = 65_535;

/// Reads the header.
pub(super) fn open(bytes: Arc<FileBytes>) -> Result<Opened, Fault> {
    let len = bytes.len;
    let mut reader = BufReader::with_capacity(1 << 16, Section::whole(bytes.clone()));
    let (header, header_len) = read_header(&mut reader)?;
    header.check_length(Held::Exactly(len - header_len))?;
    Ok(Opened { header, reader: Box::new(reader), stored: Some(Stored { bytes, at: header_len }) })
}

/// The header that a file begins with, and its length with all in front of it.
pub(super) fn read_header(reader: &mut dyn Read) -> Result<(Header, u64), Fault> {
    const FILE: &str = "an NPY file";
    let mut start = [0; 8];
    fill_header(reader, &mut start, 0, FILE)?;
    let Some([major, minor]) = start.strip_prefix(MAGIC) else {
        let message = "not an NPY file: expected the bytes 93 4e 55 4d 50 59 at its start";
        return Err(Fault::Message(message.into()));
    };
    let mut len = [0; 4];
    let len_bytes = match (major, minor) {
        (1, 0) => 2,
        (2 | 3, 0) => 4,
        _ => return Err(Fault::Message(format!("NPY version {major}.{minor}, expected 1.0, 2.0 or 3.0"))),
    };
    fill_header(reader, &mut len[..len_bytes], start.len(), FILE)?;
    let len = u32::from_le_bytes(len) as usize;
    if len > MOST_HEADER_BYTES {
        return Err(Fault::Message(format!("its header has {len} bytes, expected at most {MOST_HEADER_BYTES}")));
    }
    let mut text = vec![0; len];
    fill_header(reader, &mut text, start.len() + len_bytes, FILE)?;
    Ok((parse_header(&text)?, (start.len() + len_bytes + len) as u64))
}

fn parse_header(text: &[u8]) -> Result<Header, String> {
    let mut literal = Literal { rest: text };
    let entries = literal
        .header()
        .ok_or("not an NPY file: its header is no dictionary of `descr`, `fortran_order` and `shape`")?;
    check_rank(entries.shape.len(), KIND)?;
    Header::new(encoding(&entries.descr)?, entries.is_fortran, entries.shape, KIND)
}

/// The entries of a header.
struct Entries<'a> {
    descr: Descr<'a>,
    is_fortran: bool,
    shape: Vec<usize>,
}

/// The element type.
enum Descr<'a> {
    /// `<f4`.
    One(&'a [u8]),
    /// A list of named fields.
    Fields,
}

/// What is left of a Python literal. Each method takes a part of it, with the blanks behind, or gives nothing.
struct Literal<'a> {
    rest: &'a [u8],
}

impl<'a> Literal<'a> {
    /// A dictionary of the three entries, each once and in any order, and nothing behind it.
    fn header(&mut self) -> Option<Entries<'a>> {
        let (mut descr, mut is_fortran, mut shape) = (None, None, None);
        self.skip_blanks();
        self.take("{")?;
        while self.take("}").is_none() {
            let key = self.string()?;
            self.take(":")?;
            let is_new = match key {
                b"descr" if self.rest.starts_with(b"[") => {
                    // What the fields are does not matter, nor what stands behind them.
                    return Some(Entries { descr: Descr::Fields, is_fortran: false, shape: vec![0] });
                }
                b"descr" => descr.replace(self.string()?).is_none(),
                b"fortran_order" => is_fortran.replace(self.boolean()?).is_none(),
                b"shape" => shape.replace(self.tuple()?).is_none(),
                _ => false,
            };
            let goes_on = self.take(",").is_some() || self.rest.starts_with(b"}");
            (is_new && goes_on).then_some(())?;
        }
        let is_end = self.rest.is_empty();
        is_end.then_some(Entries { descr: Descr::One(descr?), is_fortran: is_fortran?, shape: shape? })
    }

    fn skip_blanks(&mut self) {
        self.rest = self.rest.trim_ascii_start();
    }

    fn take(&mut self, token: &str) -> Option<()> {
        self.rest = self.rest.strip_prefix(token.as_bytes())?;
        self.skip_blanks();
        Some(())
    }

    /// A string without escapes.
    fn string(&mut self) -> Option<&'a [u8]> {
        let (&quote, rest) = self.rest.split_first().filter(|(first, _)| matches!(first, b'\'' | b'"'))?;
        let end = rest.iter().position(|&byte| byte == quote)?;
        let text = &rest[..end];
        self.rest = &rest[end + 1..];
        self.skip_blanks();
        (!text.contains(&b'\\')).then_some(text)
    }

    fn boolean(&mut self) -> Option<bool> {
        match self.take("True") {
            Some(()) => Some(true),
            None => self.take("False").map(|()| false),
        }
    }

    /// `()`, `(3,)`, `(3, 4)`; Python 2 wrote `(3L, 4L)`.
    fn tuple(&mut self) -> Option<Vec<usize>> {
        let mut sizes = Vec::new();
        self.take("(")?;
        while self.take(")").is_none() {
            sizes.push(self.number()?);
            let goes_on = self.take(",").is_some() || self.rest.starts_with(b")") && sizes.len() > 1;
            goes_on.then_some(())?;
        }
        Some(sizes)
    }

    fn number(&mut self) -> Option<usize> {
        let n_digits = self.rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (digits, rest) = self.rest.split_at(n_digits);
        // A number too large is a size that no file can hold; there is none above.
        let number = match std::str::from_utf8(digits).ok()?.parse() {
            Ok(number) => number,
            Err(_) if n_digits > 0 => usize::MAX,
            Err(_) => return None,
        };
        self.rest = rest.strip_prefix(b"L").unwrap_or(rest);
        self.skip_blanks();
        Some(number)
    }
}

/// The encoding of an element type such as `<f4`: the order of bytes, a kind, a number of bytes.
fn encoding(descr: &Descr<'_>) -> Result<Encoding, String> {
    let refuse = |what: &str| {
        let save = "x.astype(\"float32\") makes numbers of what can be";
        Err(format!("its elements are {what}, expected booleans, integers, or floats of at most 64 bits; {save}"))
    };
    let Descr::One(text) = descr else { return refuse("structures of several fields") };
    let (is_big_endian, text) = match text {
        [b'>', rest @ ..] => (true, rest),
        [b'<' | b'|', rest @ ..] => (false, rest),
        rest => (false, *rest),
    };
    let element = match text {
        b"b1" | b"?" => Element::Bool,
        b"u1" => Element::U8,
        b"i1" => Element::I8,
        b"u2" => Element::U16,
        b"i2" => Element::I16,
        b"u4" => Element::U32,
        b"i4" => Element::I32,
        b"u8" => Element::U64,
        b"i8" => Element::I64,
        b"f2" => Element::F16,
        b"f4" => Element::F32,
        b"f8" => Element::F64,
        [b'O', ..] => return refuse("Python objects"),
        [b'c', ..] => return refuse("complex numbers"),
        [b'S' | b'U' | b'a', ..] => return refuse("texts"),
        [b'V', ..] => return refuse("raw bytes"),
        [b'm' | b'M', ..] => return refuse("times"),
        [b'f', ..] => return refuse("floats of another size"),
        _ => return refuse("of an unknown type"),
    };
    Ok(Encoding { element, is_big_endian })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::data::array::tests::{array, check_message, read_file};
    use crate::data::values::Values;

    /// A file of version 1.0, as NumPy writes it: the elements begin at a multiple of 64.
    pub(crate) fn npy_bytes(header: &str, data: &[u8]) -> Vec<u8> {
        let len = (10 + header.len() + 1).next_multiple_of(64) - 10;
        let padded = format!("{header:<0$}\n", len - 1);
        [MAGIC, &[1, 0][..], &(len as u16).to_le_bytes(), padded.as_bytes(), data].concat()
    }

    pub(crate) fn header(descr: &str, is_fortran: bool, shape: &[usize]) -> String {
        let order = if is_fortran { "True" } else { "False" };
        let comma = if shape.len() == 1 { "," } else { "" };
        let sizes = shape.iter().map(usize::to_string).collect::<Vec<_>>().join(", ");
        format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': ({sizes}{comma}), }}")
    }

    #[track_caller]
    fn check(header: &str, data: &[u8], message: &str) {
        check_message("x.npy", &npy_bytes(header, data), message);
    }

    #[test]
    fn every_element_type_in_both_orders_of_bytes() {
        let of = |kind: &str, little: &[u8], size: usize| {
            let read = |order: &str, data: &[u8]| {
                let bytes = npy_bytes(&header(&format!("{order}{kind}"), false, &[2]), data);
                read_file("x.npy", &bytes, None).unwrap().values
            };
            let big: Vec<u8> =
                little.chunks(size).flat_map(|chunk| chunk.iter().rev().copied().collect::<Vec<_>>()).collect();
            let values = read("<", little);
            assert_eq!(read(">", &big), values);
            values
        };
        assert_eq!(of("b1", &[1, 0], 1), Values::U8(vec![1, 0]));
        assert_eq!(of("u1", &[1, 255], 1), Values::U8(vec![1, 255]));
        assert_eq!(of("i1", &[1, 255], 1), Values::I32(vec![1, -1]));
        assert_eq!(of("u2", &[2, 1, 255, 255], 2), Values::I32(vec![258, 65535]));
        assert_eq!(of("i2", &[2, 1, 255, 255], 2), Values::I32(vec![258, -1]));
        assert_eq!(of("u4", &[2, 1, 0, 0, 255, 255, 255, 255], 4), Values::I64(vec![258, 4_294_967_295]));
        assert_eq!(of("i4", &[2, 1, 0, 0, 255, 255, 255, 255], 4), Values::I32(vec![258, -1]));
        assert_eq!(of("u8", &[258u64, 1 << 62].map(u64::to_le_bytes).concat(), 8), Values::I64(vec![258, 1 << 62]));
        assert_eq!(of("i8", &[258i64, -2].map(i64::to_le_bytes).concat(), 8), Values::I64(vec![258, -2]));
        assert_eq!(of("f2", &[0, 0x3e, 0, 0xc1], 2), Values::F32(vec![1.5, -2.5]));
        assert_eq!(of("f4", &[1.5f32, -2.5].map(f32::to_le_bytes).concat(), 4), Values::F32(vec![1.5, -2.5]));
        assert_eq!(of("f8", &[1.5f64, -2.5].map(f64::to_le_bytes).concat(), 8), Values::F64(vec![1.5, -2.5]));
        let bytes = npy_bytes(&header("|u1", false, &[2]), &[1, 255]);
        assert_eq!(read_file("x.npy", &bytes, None).unwrap().values, Values::U8(vec![1, 255]));
    }

    #[test]
    fn every_version() {
        let text = header("<i2", false, &[1]);
        let file = |version: [u8; 2], len: &[u8]| [MAGIC, &version[..], len, text.as_bytes(), &[1, 2]].concat();
        let short = (text.len() as u16).to_le_bytes();
        let long = (text.len() as u32).to_le_bytes();
        let expected = array(1, &[], Values::I32(vec![513]));
        assert_eq!(read_file("x.npy", &file([1, 0], &short), None).unwrap(), expected);
        assert_eq!(read_file("x.npy", &file([2, 0], &long), None).unwrap(), expected);
        assert_eq!(read_file("x.npy", &file([3, 0], &long), None).unwrap(), expected);
        check_message("x.npy", &file([4, 1], &long), "NPY version 4.1, expected 1.0, 2.0 or 3.0");
        check_message("x.npy", &file([2, 0], &[255; 4]), "its header has 4294967295 bytes, expected at most 65535");
    }

    /// Spellings that other writers use.
    #[test]
    fn other_spellings_of_a_header() {
        for text in [
            "{\"shape\": (2L, 1L), \"descr\": \"|u1\", \"fortran_order\": False}",
            "  {'fortran_order' : True , 'descr' : 'u1' , 'shape' : ( 2 , 1 , ) , }  ",
        ] {
            let bytes = npy_bytes(text, &[1, 2]);
            assert_eq!(read_file("x.npy", &bytes, None).unwrap(), array(2, &[1], Values::U8(vec![1, 2])));
        }
    }

    /// Element (i, j, k) is 100 i + 10 j + k.
    #[test]
    fn fortran_order_is_transposed() {
        let shape = [4, 3, 2];
        let number = |i, j, k| (100 * i + 10 * j + k) as i16;
        let stored: Vec<u8> = (0..2)
            .flat_map(|k| (0..3).flat_map(move |j| (0..4).map(move |i| number(i, j, k))))
            .flat_map(i16::to_le_bytes)
            .collect();
        let expected: Vec<i32> =
            (0..4).flat_map(|i| (0..3).flat_map(move |j| (0..2).map(move |k| i32::from(number(i, j, k))))).collect();
        let bytes = npy_bytes(&header("<i2", true, &shape), &stored);
        assert_eq!(read_file("x.npy", &bytes, None).unwrap(), array(4, &[3, 2], Values::I32(expected.clone())));
        let some = read_file("x.npy", &bytes, Some(3)).unwrap();
        assert_eq!(some, array(4, &[3, 2], Values::I32(expected[..18].to_vec())));
        assert_eq!(read_file("x.npy", &bytes, Some(0)).unwrap().values.len(), 0);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.npy");
        std::fs::write(&path, bytes).unwrap();
        let file = crate::data::array::ArrayFile::open(&path, None, None).unwrap();
        assert_eq!(
            file.by_position().err().unwrap().to_string(),
            format!(
                "{}: its elements are in Fortran order, of which single samples cannot be read; \
                 numpy.ascontiguousarray makes an array that can",
                path.display()
            )
        );
    }

    #[test]
    fn says_what_is_wrong() {
        let good = npy_bytes(&header("<f4", false, &[2, 3]), &[0; 24]);
        let data_at = good.len() - 24;
        check_message("x.npy", &good[..7], "not an NPY file: its header ends after 7 bytes");
        check_message("x.npy", &good[..9], "not an NPY file: its header ends after 9 bytes");
        check_message("x.npy", &good[..40], "not an NPY file: its header ends after 40 bytes");
        check_message(
            "x.npy",
            &good[..data_at + 23],
            "truncated: the header announces 2x3 of f32 = 24 bytes, but 23 follow it",
        );
        check_message(
            "x.npy",
            &[&good[..], &[0]].concat(),
            "too long: the header announces 2x3 of f32 = 24 bytes, but 25 follow it",
        );
        check_message("x.npy", b"root:x:0:0", "not an NPY file: expected the bytes 93 4e 55 4d 50 59 at its start");
        check(&header("<f4", false, &[]), &[0; 4], "expected an NPY array of 1 to 8 dimensions, found 0");
        check(&header("<f4", false, &[1; 9]), &[0; 4], "expected an NPY array of 1 to 8 dimensions, found 9");
    }

    #[test]
    fn sizes_are_checked_before_memory_is_taken() {
        check(
            &header("<f4", false, &[1 << 60, 4]),
            &[0; 4],
            "the header announces 1152921504606846976x4 of f32 = 18446744073709551616 bytes, which no file can hold",
        );
        check(
            &header("|u1", false, &[1 << 60]),
            &[0; 4],
            "truncated: the header announces 1152921504606846976 bytes, but 4 follow it",
        );
        check(
            &header("<f8", true, &[0, 1 << 60, 1 << 60]),
            &[],
            "the header announces 0x1152921504606846976x1152921504606846976 of f64 = 0 bytes, which no file can hold",
        );
        let text = header("<f8", false, &[1]).replace("(1,)", &format!("(1{},)", "0".repeat(40)));
        check(
            &text,
            &[],
            "the header announces 18446744073709551615 of f64 = 147573952589676412920 bytes, which no file can hold",
        );
        let none = npy_bytes(&header("<f8", true, &[0, 3, 2]), &[]);
        assert_eq!(read_file("x.npy", &none, None).unwrap(), array(0, &[3, 2], Values::F64(Vec::new())));
    }

    #[test]
    fn elements_that_are_no_numbers() {
        let expected = "expected booleans, integers, or floats of at most 64 bits; \
                        x.astype(\"float32\") makes numbers of what can be";
        for (descr, what) in [
            ("|O", "Python objects"),
            ("<c8", "complex numbers"),
            ("<U10", "texts"),
            ("|S3", "texts"),
            ("|V8", "raw bytes"),
            ("<M8[ns]", "times"),
            ("<f16", "floats of another size"),
            ("secret", "of an unknown type"),
        ] {
            check(&header(descr, false, &[1]), &[0; 8], &format!("its elements are {what}, {expected}"));
        }
        check(
            "{'descr': [('secret', '<f4'), ('b', '<i4')], 'fortran_order': False, 'shape': (1,), }",
            &[0; 8],
            &format!("its elements are structures of several fields, {expected}"),
        );
    }

    #[test]
    fn headers_that_are_no_such_dictionary_are_not_quoted() {
        let good = header("<f4", false, &[1]);
        let shape = |shape: &str| good.replace("(1,)", shape);
        let nested = "[".repeat(50_000);
        for text in [
            "",
            "secret",
            "{'secret': 1}",
            "{'descr': '<f4', 'fortran_order': False, }",
            "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (1,), }",
            "{'descr': '<f4' 'fortran_order': False, 'shape': (1,), }",
            "{'descr': '<\\x664', 'fortran_order': False, 'shape': (1,), }",
            "{'descr': '<f4",
            &format!("{good} secret"),
            &good[..good.len() - 2],
            &good.replace("False", "0"),
            &good.replace("'<f4'", "('<f4', 2)"),
            &good.replace("'<f4'", "{}"),
            &shape("(1)"),
            &shape("(-1,)"),
            &shape("[1]"),
            &shape("(1 2)"),
            &shape("(1.5,)"),
            &shape("(,)"),
            &shape(&nested),
        ] {
            check(
                text,
                &[0; 4],
                "not an NPY file: its header is no dictionary of `descr`, `fortran_order` and `shape`",
            );
        }
    }

    #[test]
    fn elements_that_do_not_fit_are_told_with_their_sample() {
        let numbers = [1u64, 2, 3, u64::MAX].map(u64::to_le_bytes).concat();
        let unfit = "is 18446744073709551615, which does not fit in 64 bits with a sign";
        check(&header("<u8", false, &[2, 2]), &numbers, &format!("an element of sample 1 {unfit}"));
        check(&header("<u8", true, &[4, 1]), &numbers, &format!("an element of sample 3 {unfit}"));
        let numbers = [1u64, 2, u64::MAX, 4, 5, 6].map(u64::to_le_bytes).concat();
        check(&header("<u8", true, &[2, 3]), &numbers, &format!("an element of sample 0 {unfit}"));
        check(&header("|b1", false, &[3]), &[0, 1, 7], "an element of sample 2 is the byte 7, expected 0 or 1 (bool)");
    }

    /// The bits of a NaN are those of the file.
    #[test]
    fn nan_is_kept_as_it_is() {
        let bits = [0xffc0_1234u32, 0x7fc0_0000, 0x7f80_0000];
        let bytes = npy_bytes(&header("<f4", false, &[3]), &bits.map(u32::to_le_bytes).concat());
        let Values::F32(values) = read_file("x.npy", &bytes, None).unwrap_or_else(|error| panic!("{error}")).values
        else {
            panic!()
        };
        assert_eq!(values.iter().map(|value| value.to_bits()).collect::<Vec<_>>(), bits);
    }
}
