//! The lines of a log as bytes: [`RawLines`].

use std::fs::File;
use std::io::{self, BufRead, BufReader};

use memchr::memchr;

use crate::bundle::fs::hole::skip_hole;

/// Maximum length of a line in bytes. A writer writes no longer ones, and a reader refuses them.
pub(crate) const MAX_LINE_BYTES: usize = 64 << 20;

/// Reads the lines of a log as bytes, in bounded memory: of a line beyond [`MAX_LINE_BYTES`] only the length is kept, and holes
/// of the file are skipped.
#[derive(Debug)]
pub(crate) struct RawLines {
    log: BufReader<File>,
    number: u64,
}

/// A line of a log that was read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RawLine {
    /// Number of the line in the file, from 1.
    pub(crate) number: u64,
    /// Length with the line break, in bytes.
    pub(crate) length: u64,
}

impl RawLine {
    /// Returns `true` if the line is longer than any that is read, so that its bytes were not kept.
    pub(crate) fn is_too_long(self) -> bool {
        self.length > MAX_LINE_BYTES as u64
    }
}

impl RawLines {
    /// Creates the lines of an open log.
    pub(super) fn new(log: File) -> Self {
        Self { log: BufReader::with_capacity(1 << 18, log), number: 0 }
    }

    /// Reads the next line into `bytes`, with its line break. Leaves `bytes` empty if the line is too long. The zeros of a hole
    /// between two buffers are left out, except for one at least: with it, the rest is no JSON either. Returns `None` at the
    /// end of the log.
    pub(crate) fn next_into(&mut self, bytes: &mut Vec<u8>) -> io::Result<Option<RawLine>> {
        bytes.clear();
        let mut line = RawLine { number: self.number + 1, length: 0 };
        loop {
            let chunk = match self.log.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                chunk => chunk?,
            };
            let end = memchr(b'\n', chunk);
            let used = end.map_or(chunk.len(), |end| end + 1);
            let ends_in_zero = chunk.get(used.wrapping_sub(1)) == Some(&0);
            line.length += used as u64;
            if line.is_too_long() {
                // Also gives the memory back.
                *bytes = Vec::new();
            } else {
                bytes.extend_from_slice(&chunk[..used]);
            }
            self.log.consume(used);
            if end.is_some() || used == 0 {
                break;
            }
            if ends_in_zero {
                // The buffer is empty, so the position of the file is that of the reader.
                line.length += skip_hole(self.log.get_ref())?;
            }
        }
        self.number += u64::from(line.length > 0);
        Ok((line.length > 0).then_some(line))
    }
}
