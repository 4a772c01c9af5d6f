//! Gzip (RFC 1952), recognised by its first bytes.

use flate2::bufread::GzDecoder;
use std::io::{self, BufRead, ErrorKind, Read};

/// What a stream begins with.
pub(crate) const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Inflates what begins as gzip does.
pub(crate) fn maybe_gzip(mut source: Box<dyn BufRead + Send>) -> io::Result<Box<dyn Read + Send>> {
    match source.fill_buf()?.starts_with(&GZIP_MAGIC) {
        true => Ok(Box::new(Gunzip::new(source))),
        false => Ok(Box::new(source)),
    }
}

/// The content of a gzip stream: of one member after the other (RFC 1952, 2.2), with nothing else behind them.
///
/// [`flate2::bufread::MultiGzDecoder`] reads the same, but what follows the last member it calls a truncated or invalid
/// header.
pub(crate) struct Gunzip(pub(crate) GzDecoder<Box<dyn BufRead + Send>>);

impl Gunzip {
    pub(crate) fn new(source: Box<dyn BufRead + Send>) -> Gunzip {
        Gunzip(GzDecoder::new(source))
    }
}

impl Read for Gunzip {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let n = self.0.read(buffer)?;
            if n > 0 || buffer.is_empty() {
                return Ok(n);
            }
            // The end of a member. Behind its checksum stands the next one or nothing.
            let rest = self.0.get_mut().fill_buf()?;
            let begins_member = rest.iter().zip(GZIP_MAGIC).all(|(&found, expected)| found == expected);
            match (rest.is_empty(), begins_member) {
                (true, _) => return Ok(0),
                (false, true) => {
                    let source = self.0.reset(Box::new(io::empty()));
                    self.0.reset(source);
                }
                (false, false) => {
                    return Err(io::Error::new(
                        ErrorKind::InvalidData,
                        "something that is no gzip data follows its end",
                    ));
                }
            }
        }
    }
}
