//! What goes wrong while a file is read whose name is not known here.

use std::io::{self, ErrorKind, Read};

/// Something wrong with a file whose name is not known here.
#[derive(Debug)]
pub(super) enum Fault {
    Io(io::Error),
    Message(String),
}

/// Fills a buffer as far as there are bytes; gives how many.
pub(super) fn fill(reader: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut done = 0;
    while done < buffer.len() {
        match reader.read(&mut buffer[done..]) {
            Ok(0) => break,
            Ok(n) => done += n,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

/// The content of compressed data, whose errors say so and are told from those of reading the file.
pub(super) struct Unpacked<R> {
    pub(super) decoder: R,
    /// `gzip`.
    pub(super) kind: &'static str,
}

impl<R: Read> Read for Unpacked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.decoder.read(buffer).map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof => {
                let message = format!("truncated: the {} data ends too early", self.kind);
                io::Error::new(ErrorKind::InvalidData, message)
            }
            ErrorKind::InvalidInput | ErrorKind::InvalidData => {
                io::Error::new(ErrorKind::InvalidData, format!("corrupt {} data: {error}", self.kind))
            }
            _ => error,
        })
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Fault {
        match error.kind() {
            // Of a decoder; reading a file gives none of that kind.
            ErrorKind::InvalidData => Fault::Message(error.to_string()),
            _ => Fault::Io(error),
        }
    }
}

impl From<String> for Fault {
    fn from(message: String) -> Fault {
        Fault::Message(message)
    }
}
