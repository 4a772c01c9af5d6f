//! One tensor of a safetensors file.

use super::fault::{Fault, fill};
use super::file_bytes::{FileBytes, Section};
use super::header::Header;
use super::opened::{Opened, Stored, select};
use crate::data::values::{Element, Encoding};
use crate::error::escaped;
use crate::reading::room_for;
use crate::tensor_header::{LENGTH_BYTES, TensorInfo, header_len, read_header};
use safetensors::Dtype;
use std::io::BufReader;
use std::sync::Arc;

/// Reads the header; `item` names the tensor.
pub(super) fn open(bytes: Arc<FileBytes>, key: Option<&str>, item: &mut Option<String>) -> Result<Opened, Fault> {
    let (mut infos, data_at) = read_infos(&bytes).map_err(|fault| match fault {
        Fault::Message(message) => Fault::Message(format!("not a safetensors file: {message}")),
        fault @ Fault::Io(_) => fault,
    })?;
    let names: Vec<String> = infos.iter().map(|info| info.name.clone()).collect();
    let TensorInfo { name, dtype, shape, bytes: range } = infos.swap_remove(select(&names, key, "tensor")?);
    *item = Some(format!("tensor `{}`", escaped(&name)));
    let encoding = Encoding { element: element(dtype)?, is_big_endian: false };
    let header = Header::new(encoding, false, shape, "a tensor")?;
    let at = data_at + range.start as u64;
    let section = Section::new(bytes.clone(), at, range.len() as u64);
    Ok(Opened {
        header,
        reader: Box::new(BufReader::with_capacity(1 << 16, section)),
        stored: Some(Stored { bytes, at }),
    })
}

/// All tensors and where the first begins.
fn read_infos(bytes: &Arc<FileBytes>) -> Result<(Vec<TensorInfo>, u64), Fault> {
    let mut section = Section::whole(bytes.clone());
    let mut start = [0; LENGTH_BYTES];
    let found = fill(&mut section, &mut start)?;
    let header_len = header_len(&start[..found])?;
    let left = bytes.len.saturating_sub(LENGTH_BYTES as u64);
    if left < header_len as u64 {
        return Err(Fault::Message(format!(
            "its header should have {header_len} bytes, but the file ends after {left}"
        )));
    }
    let mut text = room_for::<u8>(header_len)?;
    text.resize(header_len, 0);
    let found = fill(&mut section, &mut text)?;
    let infos = read_header(&text[..found])?;
    let announced = infos.last().map_or(0, |info| info.bytes.end) as u64;
    let data_at = (LENGTH_BYTES + header_len) as u64;
    let found = bytes.len - data_at;
    let problem = if found < announced { "truncated" } else { "too long" };
    if found != announced {
        let message = format!("{problem}: its header announces {announced} bytes, but {found} follow it");
        return Err(Fault::Message(message));
    }
    Ok((infos, data_at))
}

fn element(dtype: Dtype) -> Result<Element, String> {
    Ok(match dtype {
        Dtype::BOOL => Element::Bool,
        Dtype::U8 => Element::U8,
        Dtype::I8 => Element::I8,
        Dtype::U16 => Element::U16,
        Dtype::I16 => Element::I16,
        Dtype::U32 => Element::U32,
        Dtype::I32 => Element::I32,
        Dtype::U64 => Element::U64,
        Dtype::I64 => Element::I64,
        Dtype::F16 => Element::F16,
        Dtype::BF16 => Element::BF16,
        Dtype::F32 => Element::F32,
        Dtype::F64 => Element::F64,
        other => {
            return Err(format!("its elements are {other:?}, expected booleans, integers, or floats of 16 to 64 bits"));
        }
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use crate::data::array::tests::{array, check_message, read_file};
    use crate::data::values::Values;

    fn safetensors_bytes(header: &str, data: &[u8]) -> Vec<u8> {
        [&(header.len() as u64).to_le_bytes(), header.as_bytes(), data].concat()
    }

    pub(crate) fn tensor(name: &str, dtype: &str, shape: &[usize], from: usize, to: usize) -> String {
        format!(r#""{name}": {{"dtype": "{dtype}", "shape": {shape:?}, "data_offsets": [{from}, {to}]}}"#)
    }

    pub(crate) fn file(tensors: &[String], data: &[u8]) -> Vec<u8> {
        safetensors_bytes(&format!("{{{}}}", tensors.join(", ")), data)
    }

    #[test]
    fn every_element_type() {
        let of = |dtype: &str, data: &[u8]| {
            let bytes = file(&[tensor("x", dtype, &[2], 0, data.len())], data);
            read_file("a.safetensors", &bytes, None).unwrap().values
        };
        assert_eq!(of("BOOL", &[1, 0]), Values::U8(vec![1, 0]));
        assert_eq!(of("U8", &[1, 255]), Values::U8(vec![1, 255]));
        assert_eq!(of("I8", &[1, 255]), Values::I32(vec![1, -1]));
        assert_eq!(of("U16", &[2, 1, 255, 255]), Values::I32(vec![258, 65535]));
        assert_eq!(of("I16", &[2, 1, 255, 255]), Values::I32(vec![258, -1]));
        assert_eq!(of("U32", &[2, 1, 0, 0, 255, 255, 255, 255]), Values::I64(vec![258, 4_294_967_295]));
        assert_eq!(of("I32", &[2, 1, 0, 0, 255, 255, 255, 255]), Values::I32(vec![258, -1]));
        assert_eq!(of("U64", &[258u64, 1 << 62].map(u64::to_le_bytes).concat()), Values::I64(vec![258, 1 << 62]));
        assert_eq!(of("I64", &[258i64, -2].map(i64::to_le_bytes).concat()), Values::I64(vec![258, -2]));
        assert_eq!(of("F16", &[0, 0x3e, 0, 0xc1]), Values::F32(vec![1.5, -2.5]));
        assert_eq!(of("BF16", &[0xc0, 0x3f, 0x20, 0xc0]), Values::F32(vec![1.5, -2.5]));
        assert_eq!(of("F32", &[1.5f32, -2.5].map(f32::to_le_bytes).concat()), Values::F32(vec![1.5, -2.5]));
        assert_eq!(of("F64", &[1.5f64, -2.5].map(f64::to_le_bytes).concat()), Values::F64(vec![1.5, -2.5]));
    }

    #[test]
    fn tensors_are_found_by_name() {
        let two = [tensor("x", "U8", &[2, 1], 0, 2), tensor("y", "I16", &[1], 2, 4)];
        let bytes = file(&two, &[7, 8, 1, 1]);
        assert_eq!(read_file("a.safetensors#x", &bytes, None).unwrap(), array(2, &[1], Values::U8(vec![7, 8])));
        assert_eq!(read_file("a.safetensors#x", &bytes, Some(1)).unwrap(), array(2, &[1], Values::U8(vec![7])));
        assert_eq!(read_file("a.safetensors#y", &bytes, None).unwrap(), array(1, &[], Values::I32(vec![257])));
        let check = |name: &str, message: &str| check_message(name, &bytes, message);
        check("a.safetensors#z", "it holds no tensor `z`; there is `x`, `y`");
        check("a.safetensors", "it holds 2 tensors: name one behind a #: `x`, `y`");
        check_message("a.safetensors", &file(&[], &[]), "it holds no tensors");
        let many: Vec<String> = (0..23).map(|i| tensor(&format!("t{i}"), "U8", &[0], 0, 0)).collect();
        let message = read_file("a.safetensors", &file(&many, &[]), None).unwrap_err();
        assert!(message.ends_with("`t19` and 3 more"), "{message}");
    }

    #[test]
    fn says_what_is_wrong() {
        let check = |bytes: &[u8], message: &str| check_message("a.safetensors", bytes, message);
        let x = [tensor("x", "U8", &[2], 0, 2)];
        check(b"hello", "not a safetensors file: it has 5 bytes, expected 8 with the length of its header");
        check(
            b"root:x:0:0:root",
            "not a safetensors file: expected the length of a header at its start, at most 100000000",
        );
        check(
            &file(&x, &[])[..40],
            "not a safetensors file: its header should have 60 bytes, but the file ends after 32",
        );
        check(&file(&x, &[1]), "not a safetensors file: truncated: its header announces 2 bytes, but 1 follow it");
        check(&file(&x, &[1, 2, 3]), "not a safetensors file: too long: its header announces 2 bytes, but 3 follow it");
        check(
            &file(&[tensor("x", "F8_E5M2", &[2], 0, 2)], &[1, 2]),
            "tensor `x`: its elements are F8_E5M2, expected booleans, integers, or floats of 16 to 64 bits",
        );
        check(
            &file(&[tensor("x", "U8", &[], 0, 1)], &[1]),
            "tensor `x`: expected a tensor of 1 to 8 dimensions, found 0",
        );
        check(
            &file(&[tensor("x", "U64", &[1], 0, 8)], &[255; 8]),
            "tensor `x`: an element of sample 0 is 18446744073709551615, which does not fit in 64 bits with a sign",
        );
        check(
            &safetensors_bytes(
                r#"{"x": {"dtype": "F32", "shape": [1152921504606846976, 16], "data_offsets": [0, 4]}}"#,
                &[0; 4],
            ),
            "not a safetensors file: the tensor `x` has more elements than memory: 1152921504606846976x16 of F32",
        );
    }
}
