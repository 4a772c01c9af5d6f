//! The header of a safetensors file: 8 bytes of length, a JSON object of tensors, and behind it their bytes.
//!
//! The `safetensors` crate reads such a header too, but of a name that stands there twice it takes the last, and its
//! messages quote what it did not expect. This reader refuses the one and does not do the other; a file that is no
//! safetensors file may be any file.

use crate::error::escaped;
use crate::input::shape_text;
use safetensors::Dtype;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;

/// Bytes in front of the header that say its length.
pub(crate) const LENGTH_BYTES: usize = 8;

/// Largest header, as the format has it.
const MOST_HEADER_BYTES: u64 = 100_000_000;

/// What the header says of one tensor.
#[derive(Debug)]
pub(crate) struct TensorInfo {
    pub(crate) name: String,
    pub(crate) dtype: Dtype,
    pub(crate) shape: Vec<usize>,
    /// Its bytes, behind the header.
    pub(crate) bytes: Range<usize>,
}

/// The length of the header, from the first bytes of a file.
pub(crate) fn header_len(start: &[u8]) -> Result<usize, String> {
    let Some(start) = start.first_chunk::<LENGTH_BYTES>() else {
        return Err(format!("it has {} bytes, expected {LENGTH_BYTES} with the length of its header", start.len()));
    };
    match u64::from_le_bytes(*start) {
        len @ 2..=MOST_HEADER_BYTES => Ok(len as usize),
        _ => Err(format!("expected the length of a header at its start, at most {MOST_HEADER_BYTES}")),
    }
}

/// What a file says beside its tensors: texts by name.
pub(crate) fn read_metadata(header: &[u8]) -> Result<BTreeMap<String, String>, String> {
    Ok(parse(header)?.metadata)
}

/// The tensors of a header, in the order of their bytes. These follow each other without gaps.
pub(crate) fn read_header(header: &[u8]) -> Result<Vec<TensorInfo>, String> {
    let Header { entries, .. } = parse(header)?;
    let mut names = BTreeSet::new();
    if let Some((name, _)) = entries.iter().find(|(name, _)| !names.insert(name.as_str())) {
        return Err(format!("two tensors are called `{}`", escaped(name)));
    }
    let mut infos = entries.into_iter().map(info).collect::<Result<Vec<_>, String>>()?;
    infos.sort_by_key(|info| (info.bytes.start, info.bytes.end));
    let mut end = 0;
    for info in &infos {
        if info.bytes.start != end {
            let kind = if info.bytes.start < end { "overlaps" } else { "leaves a gap behind" };
            let (name, start) = (escaped(&info.name), info.bytes.start);
            return Err(format!("the tensor `{name}` begins at byte {start} and {kind} what ends at byte {end}"));
        }
        end = info.bytes.end;
    }
    Ok(infos)
}

fn parse(header: &[u8]) -> Result<Header, String> {
    let text = std::str::from_utf8(header).map_err(|_| "its header is not UTF-8 text")?;
    serde_json::from_str(text).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => {
            format!(
                "column {} of its header: expected tensors with `dtype`, `shape` and `data_offsets`",
                error.column()
            )
        }
        _ => format!("column {} of its header: no JSON", error.column()),
    })
}

/// Checks one tensor by itself.
fn info((name, entry): (String, Entry)) -> Result<TensorInfo, String> {
    let error = |message: String| Err(format!("the tensor `{}` {message}", escaped(&name)));
    let shape = escaped(&shape_text(&entry.shape));
    let Ok(dtype) = serde_json::from_value::<Dtype>(entry.dtype.clone().into()) else {
        return error(format!("has the unknown element type {}", escaped(&entry.dtype)));
    };
    let [start, end] = entry.data_offsets;
    let n_bits = entry.shape.iter().try_fold(dtype.bitsize(), |product, &size| product.checked_mul(size));
    let expected = n_bits.filter(|bits| bits % 8 == 0).map(|bits| bits / 8);
    let Some(expected) = expected else {
        return error(format!("has more elements than memory: {shape} of {dtype:?}"));
    };
    match end.checked_sub(start) {
        Some(len) if len == expected => Ok(TensorInfo { name, dtype, shape: entry.shape, bytes: start..end }),
        _ => error(format!("takes bytes {start} to {end}, but {shape} of {dtype:?} has {expected} bytes")),
    }
}

/// Names and entries as they stand there, names twice included.
struct Header {
    entries: Vec<(String, Entry)>,
    metadata: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Entry {
    dtype: String,
    shape: Vec<usize>,
    data_offsets: [usize; 2],
}

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Header, D::Error> {
        deserializer.deserialize_map(HeaderVisitor)
    }
}

struct HeaderVisitor;

impl<'de> Visitor<'de> for HeaderVisitor {
    type Value = Header;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of tensors")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Header, A::Error> {
        let (mut entries, mut metadata) = (Vec::new(), BTreeMap::new());
        while let Some(name) = map.next_key::<String>()? {
            if name == "__metadata__" {
                // Texts, as the format has it; whoever writes something else does not write for us.
                let values: BTreeMap<String, serde_json::Value> = map.next_value()?;
                let text = |(name, value): (String, serde_json::Value)| Some((name, value.as_str()?.to_string()));
                metadata.extend(values.into_iter().filter_map(text));
            } else {
                entries.push((name, map.next_value()?));
            }
        }
        Ok(Header { entries, metadata })
    }
}
