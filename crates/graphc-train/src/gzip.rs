//! Text that may be compressed.

use flate2::bufread::MultiGzDecoder;
use std::io::{self, BufRead, Read};

/// Inflates what begins as gzip does.
pub(crate) fn maybe_gzip<'a>(mut source: Box<dyn BufRead + 'a>) -> io::Result<Box<dyn Read + 'a>> {
    match source.fill_buf()?.starts_with(&[0x1f, 0x8b]) {
        true => Ok(Box::new(MultiGzDecoder::new(source))),
        false => Ok(Box::new(source)),
    }
}
