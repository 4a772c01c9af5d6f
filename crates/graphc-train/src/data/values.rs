//! Elements of a column, and how files store them.

use crate::reading::room_for;
use std::fmt;

/// Elements of a column, as its source has them, row-major, one sample after the other.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// Bytes, and what is true or false.
    U8(Vec<u8>),
    /// Integers of at most 32 bits with a sign.
    I32(Vec<i32>),
    /// Integers that may need more.
    I64(Vec<i64>),
    /// Floating-point numbers of at most 32 bits.
    F32(Vec<f32>),
    /// Double precision.
    F64(Vec<f64>),
}

/// Element types of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Element {
    /// One byte, 0 or 1.
    Bool,
    /// Unsigned bytes.
    U8,
    /// Signed bytes.
    I8,
    /// 16-bit integers without a sign.
    U16,
    /// 16-bit integers.
    I16,
    /// 32-bit integers without a sign.
    U32,
    /// 32-bit integers.
    I32,
    /// 64-bit integers without a sign.
    U64,
    /// 64-bit integers.
    I64,
    /// Half precision, IEEE 754 binary16.
    F16,
    /// The upper half of single precision.
    BF16,
    /// Single precision.
    F32,
    /// Double precision.
    F64,
}

/// How the elements of a file are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Encoding {
    pub(crate) element: Element,
    /// Whether the most significant byte comes first.
    pub(crate) is_big_endian: bool,
}

/// An element that [`Values`] cannot hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unfit {
    /// Its number among the bytes that were given.
    pub(crate) index: usize,
    value: u64,
    element: Element,
}

impl Element {
    /// Bytes of one element.
    pub(crate) fn size(self) -> usize {
        match self {
            Element::Bool | Element::U8 | Element::I8 => 1,
            Element::U16 | Element::I16 | Element::F16 | Element::BF16 => 2,
            Element::U32 | Element::I32 | Element::F32 => 4,
            Element::U64 | Element::I64 | Element::F64 => 8,
        }
    }

    /// Its name in messages.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Element::Bool => "bool",
            Element::U8 => "u8",
            Element::I8 => "i8",
            Element::U16 => "u16",
            Element::I16 => "i16",
            Element::U32 => "u32",
            Element::I32 => "i32",
            Element::U64 => "u64",
            Element::I64 => "i64",
            Element::F16 => "f16",
            Element::BF16 => "bf16",
            Element::F32 => "f32",
            Element::F64 => "f64",
        }
    }
}

impl Values {
    /// No elements, with room for `n` that a file has as `element`.
    ///
    /// # Errors
    /// If there is not as much memory.
    pub(crate) fn room_for(element: Element, n: usize) -> Result<Values, String> {
        Ok(match element {
            Element::Bool | Element::U8 => Values::U8(room_for(n)?),
            Element::I8 | Element::U16 | Element::I16 | Element::I32 => Values::I32(room_for(n)?),
            Element::U32 | Element::U64 | Element::I64 => Values::I64(room_for(n)?),
            Element::F16 | Element::BF16 | Element::F32 => Values::F32(room_for(n)?),
            Element::F64 => Values::F64(room_for(n)?),
        })
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        match self {
            Values::U8(values) => values.len(),
            Values::I32(values) => values.len(),
            Values::I64(values) => values.len(),
            Values::F32(values) => values.len(),
            Values::F64(values) => values.len(),
        }
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Leaves the first `len` elements.
    pub(crate) fn truncate(&mut self, len: usize) {
        match self {
            Values::U8(values) => values.truncate(len),
            Values::I32(values) => values.truncate(len),
            Values::I64(values) => values.truncate(len),
            Values::F32(values) => values.truncate(len),
            Values::F64(values) => values.truncate(len),
        }
    }

    /// Memory that they take.
    pub fn n_bytes(&self) -> usize {
        let size = match self {
            Values::U8(_) => 1,
            Values::I32(_) | Values::F32(_) => 4,
            Values::I64(_) | Values::F64(_) => 8,
        };
        self.len() * size
    }

    /// Appends elements as a file has them; `bytes` are whole ones of the type that the values were made for.
    pub(crate) fn push(&mut self, encoding: Encoding, bytes: &[u8]) -> Result<(), Unfit> {
        let Encoding { element, is_big_endian: big } = encoding;
        match (self, element) {
            (Values::U8(values), Element::U8) => values.extend_from_slice(bytes),
            (Values::U8(values), Element::Bool) => {
                if let Some(index) = bytes.iter().position(|&byte| byte > 1) {
                    return Err(Unfit { index, value: bytes[index].into(), element });
                }
                values.extend_from_slice(bytes);
            }
            (Values::I32(values), Element::I8) => values.extend(bytes.iter().map(|&byte| i32::from(byte as i8))),
            (Values::I32(values), Element::U16) => extend(values, bytes, big, |b| u16::from_le_bytes(b).into()),
            (Values::I32(values), Element::I16) => extend(values, bytes, big, |b| i16::from_le_bytes(b).into()),
            (Values::I32(values), Element::I32) => extend(values, bytes, big, i32::from_le_bytes),
            (Values::I64(values), Element::U32) => extend(values, bytes, big, |b| u32::from_le_bytes(b).into()),
            (Values::I64(values), Element::I64) => extend(values, bytes, big, i64::from_le_bytes),
            (Values::I64(values), Element::U64) => {
                let start = values.len();
                extend(values, bytes, big, i64::from_le_bytes);
                // What does not fit has the upper bit, which is a sign here.
                if let Some(index) = values[start..].iter().position(|&value| value < 0) {
                    return Err(Unfit { index, value: values[start + index].cast_unsigned(), element });
                }
            }
            (Values::F32(values), Element::F16) => extend(values, bytes, big, |b| from_half(u16::from_le_bytes(b))),
            (Values::F32(values), Element::BF16) => {
                extend(values, bytes, big, |b| f32::from_bits(u32::from(u16::from_le_bytes(b)) << 16));
            }
            (Values::F32(values), Element::F32) => extend(values, bytes, big, f32::from_le_bytes),
            (Values::F64(values), Element::F64) => extend(values, bytes, big, f64::from_le_bytes),
            (_, element) => panic!("the values were not made for elements of {}", element.name()),
        }
        Ok(())
    }
}

/// Appends elements of `LEN` bytes, which `element` makes of little-endian ones.
fn extend<T, const LEN: usize>(values: &mut Vec<T>, bytes: &[u8], big: bool, element: impl Fn([u8; LEN]) -> T) {
    let chunks = bytes.chunks_exact(LEN).map(|chunk| chunk.try_into().expect("chunks have that length"));
    if big {
        values.extend(chunks.map(|mut chunk: [u8; LEN]| {
            chunk.reverse();
            element(chunk)
        }));
    } else {
        values.extend(chunks.map(element));
    }
}

/// The number of that binary16, exactly: a sign, 5 bits of exponent above 15, 10 bits of fraction.
fn from_half(bits: u16) -> f32 {
    let sign = u32::from(bits & 0x8000) << 16;
    let magnitude = u32::from(bits & 0x7fff);
    let bits = match magnitude >> 10 {
        // Fractions of 2^-24 without a leading one: the product is exact.
        0 => (magnitude as f32 * 2.0_f32.powi(-24)).to_bits(),
        31 => 0x7f80_0000 | (magnitude & 0x3ff) << 13,
        _ => (magnitude << 13) + ((127 - 15) << 23),
    };
    f32::from_bits(sign | bits)
}

impl fmt::Display for Unfit {
    /// Completes "the element ...".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.element {
            Element::Bool => write!(f, "is the byte {}, expected 0 or 1 (bool)", self.value),
            _ => write!(f, "is {}, which does not fit in 64 bits with a sign", self.value),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) const ELEMENTS: [Element; 13] = [
        Element::Bool,
        Element::U8,
        Element::I8,
        Element::U16,
        Element::I16,
        Element::U32,
        Element::I32,
        Element::U64,
        Element::I64,
        Element::F16,
        Element::BF16,
        Element::F32,
        Element::F64,
    ];

    fn read(element: Element, little: &[u8]) -> Result<Values, Unfit> {
        let mut values = Values::room_for(element, little.len() / element.size()).unwrap();
        values.push(Encoding { element, is_big_endian: false }, little)?;
        let reversed: Vec<u8> =
            little.chunks(element.size()).flat_map(|chunk| chunk.iter().rev().copied().collect::<Vec<_>>()).collect();
        let mut big = Values::room_for(element, 0).unwrap();
        big.push(Encoding { element, is_big_endian: true }, &reversed)?;
        let bits = |values: &Values| format!("{values:?}");
        assert_eq!(bits(&values), bits(&big), "the order of bytes makes no difference");
        Ok(values)
    }

    #[test]
    fn every_element_type() {
        let bytes = |words: &[u64], size: usize| -> Vec<u8> {
            words.iter().flat_map(|word| word.to_le_bytes()[..size].to_vec()).collect()
        };
        let of = |element: Element, words: &[u64]| read(element, &bytes(words, element.size())).unwrap();
        assert_eq!(of(Element::Bool, &[0, 1]), Values::U8(vec![0, 1]));
        assert_eq!(of(Element::U8, &[7, 255]), Values::U8(vec![7, 255]));
        assert_eq!(of(Element::I8, &[7, 255]), Values::I32(vec![7, -1]));
        assert_eq!(of(Element::U16, &[0x102, 0xffff]), Values::I32(vec![258, 65535]));
        assert_eq!(of(Element::I16, &[0x102, 0xffff]), Values::I32(vec![258, -1]));
        assert_eq!(of(Element::U32, &[0x102, 0xffff_ffff]), Values::I64(vec![258, 4_294_967_295]));
        assert_eq!(of(Element::I32, &[0x102, 0xffff_ffff]), Values::I32(vec![258, -1]));
        assert_eq!(of(Element::U64, &[0x102, (1 << 63) - 1]), Values::I64(vec![258, i64::MAX]));
        assert_eq!(of(Element::I64, &[0x102, u64::MAX]), Values::I64(vec![258, -1]));
        assert_eq!(of(Element::F16, &[0x3c00, 0xc100]), Values::F32(vec![1.0, -2.5]));
        assert_eq!(of(Element::BF16, &[0x3f80, 0xc020]), Values::F32(vec![1.0, -2.5]));
        assert_eq!(of(Element::F32, &[0x3f80_0000, 0xc020_0000]), Values::F32(vec![1.0, -2.5]));
        assert_eq!(of(Element::F64, &[0x3ff << 52, 0xc004 << 48]), Values::F64(vec![1.0, -2.5]));
        assert_eq!(of(Element::F64, &[0, 0]).n_bytes(), 16);
        assert_eq!(of(Element::I8, &[0, 0, 0]).n_bytes(), 12);
    }

    #[test]
    fn what_does_not_fit_is_told() {
        let bytes = [1u64, 1 << 63].map(u64::to_le_bytes).concat();
        let unfit = read(Element::U64, &bytes).unwrap_err();
        assert_eq!(unfit.index, 1);
        assert_eq!(unfit.to_string(), "is 9223372036854775808, which does not fit in 64 bits with a sign");
        let unfit = read(Element::Bool, &[0, 1, 2]).unwrap_err();
        assert_eq!((unfit.index, unfit.to_string()), (2, "is the byte 2, expected 0 or 1 (bool)".to_string()));
    }

    /// 2^-24 to 65504, infinities and NaN with its bits, against the definition in double precision.
    #[test]
    fn every_half_precision_number() {
        for bits in 0..=u16::MAX {
            let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 1023));
            let magnitude = match exponent {
                0 => fraction * 2.0_f64.powi(-24),
                31 if fraction == 0.0 => f64::INFINITY,
                31 => f64::NAN,
                _ => (1.0 + fraction / 1024.0) * 2.0_f64.powi(exponent - 15),
            };
            let found = from_half(bits);
            assert_eq!(found.is_sign_negative(), bits >> 15 == 1);
            assert!(f64::from(found.abs()) == magnitude || found.is_nan() && magnitude.is_nan(), "{bits:#x}");
        }
        assert_eq!(from_half(0x7e01).to_bits(), 0x7fc0_2000);
    }

    /// The bits of a NaN are those of the file.
    #[test]
    fn nan_is_kept_as_it_is() {
        let Ok(Values::F32(single)) = read(Element::F32, &0xffc0_1234_u32.to_le_bytes()) else { panic!() };
        assert_eq!(single[0].to_bits(), 0xffc0_1234);
        let Ok(Values::F64(double)) = read(Element::F64, &0x7ff8_0000_0000_0001_u64.to_le_bytes()) else { panic!() };
        assert_eq!(double[0].to_bits(), 0x7ff8_0000_0000_0001);
    }
}
