//! Random arrays, written in each format by the bytes that it publishes, read back as they were.

use super::ArrayFormat;
use super::idx::tests::{gzip, idx_bytes};
use super::npy::tests::{header, npy_bytes};
use super::npz::tests::{deflated, stored, zip};
use super::safetensors::tests::{file, tensor};
use super::tests::{array, read_file};
use crate::data::values::tests::ELEMENTS;
use crate::data::values::{Element, Encoding, Values};
use proptest::prelude::*;

/// An array of one element type: its sizes and its little-endian bytes.
#[derive(Clone, Debug)]
struct Random {
    element: Element,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

fn random() -> impl Strategy<Value = Random> {
    let shape = prop::collection::vec(0usize..5, 1..5);
    (prop::sample::select(ELEMENTS.to_vec()), shape).prop_flat_map(|(element, shape)| {
        let len = shape.iter().product::<usize>() * element.size();
        prop::collection::vec(any::<u8>(), len).prop_map(move |mut bytes| {
            match element {
                Element::Bool => bytes.iter_mut().for_each(|byte| *byte &= 1),
                Element::U64 => bytes.iter_mut().skip(7).step_by(8).for_each(|byte| *byte &= 127),
                _ => {}
            }
            Random { element, shape: shape.clone(), bytes }
        })
    })
}

impl Random {
    fn values(&self) -> Values {
        let Random { element, shape, bytes } = self;
        let mut values = Values::room_for(*element, shape.iter().product()).unwrap();
        values.push(Encoding { element: *element, is_big_endian: false }, bytes).unwrap();
        values
    }

    fn big_endian(&self) -> Vec<u8> {
        let chunks = self.bytes.chunks(self.element.size());
        chunks.flat_map(|chunk| chunk.iter().rev().copied()).collect()
    }

    /// The bytes with the first index running fastest.
    fn fortran(&self) -> Vec<u8> {
        let n: usize = self.shape.iter().product();
        let size = self.element.size();
        let row_major = |mut number: usize| {
            let index: Vec<usize> = self.shape.iter().map(|&dim| (number % dim, number /= dim).0).collect();
            self.shape.iter().zip(index).fold(0, |place, (&dim, index)| place * dim + index)
        };
        (0..n).flat_map(|number| &self.bytes[row_major(number) * size..][..size]).copied().collect()
    }

    /// The type in NumPy, if it has it.
    fn descr(&self) -> Option<&'static str> {
        Some(match self.element {
            Element::Bool => "b1",
            Element::U8 => "u1",
            Element::I8 => "i1",
            Element::U16 => "u2",
            Element::I16 => "i2",
            Element::U32 => "u4",
            Element::I32 => "i4",
            Element::U64 => "u8",
            Element::I64 => "i8",
            Element::F16 => "f2",
            Element::BF16 => return None,
            Element::F32 => "f4",
            Element::F64 => "f8",
        })
    }

    fn idx_code(&self) -> Option<u8> {
        match self.element {
            Element::U8 => Some(0x08),
            Element::I8 => Some(0x09),
            Element::I16 => Some(0x0b),
            Element::I32 => Some(0x0c),
            Element::F32 => Some(0x0d),
            Element::F64 => Some(0x0e),
            _ => None,
        }
    }

    /// A file of each kind that can have it, with its name.
    fn files(&self) -> Vec<(&'static str, Vec<u8>)> {
        let Random { element, shape, bytes } = self;
        let mut files = Vec::new();
        if let Some(descr) = self.descr() {
            let npy = |order: &str, is_fortran, data: &[u8]| {
                npy_bytes(&header(&format!("{order}{descr}"), is_fortran, shape), data)
            };
            let c = npy("<", false, bytes);
            files.push(("x.npy", npy(">", false, &self.big_endian())));
            files.push(("x.npy", npy("<", true, &self.fortran())));
            files.push(("x.npz#b", zip(&[stored("a.npy", vec![1; 9]), stored("b.npy", c.clone())])));
            files.push(("x.npz#b", zip(&[stored("a.npy", vec![1; 9]), deflated("b.npy", c.clone())])));
            files.push(("x.npy", c));
        }
        if let Some(code) = self.idx_code() {
            let sizes: Vec<u32> = shape.iter().map(|&size| size as u32).collect();
            let mut idx = idx_bytes(&sizes, &self.big_endian());
            idx[2] = code;
            files.push(("x.gz", gzip(&idx)));
            files.push(("x.idx", idx));
        }
        let dtype = format!("{element:?}").to_uppercase();
        let tensors = [tensor("a", "U8", &[3], 0, 3), tensor("b", &dtype, shape, 3, 3 + bytes.len())];
        files.push(("x.safetensors#b", file(&tensors, &[&[1, 2, 3], &bytes[..]].concat())));
        files
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arrays_read_back(random in random(), limit in 0usize..6) {
        // As text, for a NaN is not itself.
        let text = |values: Values| format!("{:?}", array(random.shape[0], &random.shape[1..], values));
        let sample_bytes = random.shape[1..].iter().product::<usize>() * random.element.size();
        let n = limit.min(random.shape[0]);
        let shape = [&[n], &random.shape[1..]].concat();
        let some = Random { shape, bytes: random.bytes[..n * sample_bytes].to_vec(), ..random.clone() };
        for (name, bytes) in random.files() {
            let format = ArrayFormat::of_name(name.split('#').next().unwrap().as_ref());
            let read = format!("{:?}", read_file(name, &bytes, None).unwrap());
            prop_assert_eq!(read, text(random.values()), "{:?}", format);
            let read = format!("{:?}", read_file(name, &bytes, Some(limit)).unwrap());
            prop_assert_eq!(read, text(some.values()), "{:?}", format);
        }
    }
}
