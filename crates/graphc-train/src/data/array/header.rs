//! What the header of an array announces, and whether a file can hold it.

use super::fault::{Fault, fill};
use crate::data::values::Encoding;
use crate::input::shape_text;
use std::io::Read;

/// Largest rank accepted.
const MAX_RANK: usize = 8;

/// Deflate cannot shrink data by more than this factor.
pub(super) const MAX_DEFLATE_RATIO: u64 = 1032;

/// An array whose elements have a number of bytes that fits in a `usize`.
#[derive(Clone, Debug)]
pub(super) struct Header {
    pub(super) encoding: Encoding,
    /// Whether the first index runs fastest.
    pub(super) is_fortran: bool,
    /// Sizes, of which the first counts samples.
    pub(super) shape: Vec<usize>,
    /// Elements of one sample.
    pub(super) sample_len: usize,
    /// The number of the first sample that is read.
    pub(super) first_sample: usize,
}

/// What may follow a header.
pub(super) enum Held {
    /// As many bytes.
    Exactly(u64),
    /// At most the content of so many bytes, with the header.
    Packed { kind: &'static str, n_bytes: u64, header_len: u64 },
}

impl Header {
    /// `kind` is the array's name in messages, with an article.
    pub(super) fn new(encoding: Encoding, is_fortran: bool, shape: Vec<usize>, kind: &str) -> Result<Header, String> {
        check_rank(shape.len(), kind)?;
        // Also of no samples: sizes of which one is 0 may have a product that fits and partial ones that do not.
        let sample_len = shape[1..].iter().try_fold(1usize, |product, &size| product.checked_mul(size));
        let n_bytes = sample_len.and_then(|len| len.checked_mul(shape[0]));
        let n_bytes = n_bytes.and_then(|len| len.checked_mul(encoding.element.size()));
        // Of no elements, or with at most one size above 1, there is one order.
        let has_order = !shape.contains(&0) && shape.iter().filter(|&&size| size > 1).count() > 1;
        let is_fortran = is_fortran && has_order;
        let header = Header { encoding, is_fortran, shape, sample_len: sample_len.unwrap_or(0), first_sample: 0 };
        match n_bytes {
            Some(_) => Ok(header),
            None => Err(format!("{}, which no file can hold", header.announced())),
        }
    }

    /// Number of elements.
    pub(super) fn len(&self) -> usize {
        self.shape[0] * self.sample_len
    }

    /// Bytes of one sample in the file.
    pub(super) fn sample_bytes(&self) -> usize {
        self.sample_len * self.encoding.element.size()
    }

    /// Bytes of all elements in the file.
    pub(super) fn n_bytes(&self) -> usize {
        self.len() * self.encoding.element.size()
    }

    /// The sample to which the element belongs that is read after `index` others.
    pub(super) fn sample_of(&self, index: usize) -> usize {
        let sample = if self.is_fortran { index % self.shape[0] } else { index / self.sample_len };
        self.first_sample + sample
    }

    /// Compares what is announced with what follows.
    pub(super) fn check_length(&self, held: Held) -> Result<(), String> {
        let (announced, text) = (self.n_bytes() as u64, self.announced());
        match held {
            Held::Exactly(found) if announced > found => Err(format!("truncated: {text}, but {found} follow it")),
            Held::Exactly(found) if announced < found => Err(format!("too long: {text}, but {found} follow it")),
            Held::Exactly(_) => Ok(()),
            Held::Packed { kind, n_bytes, header_len } => {
                let most = n_bytes.saturating_mul(MAX_DEFLATE_RATIO).saturating_sub(header_len);
                match announced > most {
                    true => Err(format!("truncated: {text}, but {n_bytes} bytes of {kind} data hold at most {most}")),
                    false => Ok(()),
                }
            }
        }
    }

    /// `the header announces 2x3 of f32 = 24 bytes`.
    pub(super) fn announced(&self) -> String {
        let element = self.encoding.element;
        let sizes = self.shape.iter().map(|&size| size as u128);
        // Sizes may be too large for any integer.
        let n_bytes = sizes.clone().try_fold(element.size() as u128, u128::checked_mul);
        let mut text = shape_text(&self.shape);
        if element.name() != "u8" {
            text = format!("{text} of {}", element.name());
        }
        match n_bytes {
            Some(n_bytes) if text == n_bytes.to_string() => format!("the header announces {n_bytes} bytes"),
            Some(n_bytes) => format!("the header announces {text} = {n_bytes} bytes"),
            None => format!("the header announces {text}"),
        }
    }
}

/// Whether samples of so many dimensions, with the one that counts them, are accepted.
pub(super) fn check_rank(rank: usize, kind: &str) -> Result<(), String> {
    match rank {
        1..=MAX_RANK => Ok(()),
        _ => Err(format!("expected {kind} of 1 to {MAX_RANK} dimensions, found {rank}")),
    }
}

/// Fills a part of a header, at byte `offset`; `kind` is the file's name in messages, with an article.
pub(super) fn fill_header(reader: &mut dyn Read, buffer: &mut [u8], offset: usize, kind: &str) -> Result<(), Fault> {
    match fill(reader, buffer)? {
        n if n == buffer.len() => Ok(()),
        n => Err(Fault::Message(format!("not {kind}: its header ends after {} bytes", offset + n))),
    }
}
