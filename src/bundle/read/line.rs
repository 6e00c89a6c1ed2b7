//! Reads the lines of a log.

use std::fmt;
use std::fs::File;
use std::path::PathBuf;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::raw_lines::{MAX_LINE_BYTES, RawLines};
use crate::bundle::error::BundleError;
use crate::event::{PayloadRef, Record, RecordError, Seq};

/// One non-blank line of a log.
#[derive(Debug)]
pub struct Line {
    /// Number of the line in the file, from 1.
    pub number: u64,
    /// The parsed record, or the error of a line that cannot be parsed.
    pub content: Result<Record, LineError>,
    /// The payload references found in a line that cannot be parsed, or whose event has unknown words. Empty for other
    /// lines and for lines of another version.
    pub named: Vec<PayloadRef>,
}

/// The error of a line that cannot be parsed.
#[derive(Debug)]
pub enum LineError {
    /// The last line is cut short: the recording ended while it was written, or is writing it. The iterator ends after it.
    Torn,
    /// The line is not a valid record.
    Unreadable(RecordError),
    /// The line is longer than any that a recorder writes, and was not read.
    TooLong {
        /// Length of the line in bytes.
        bytes: u64,
    },
}

impl LineError {
    /// Returns the sequence number of the line. Returns `None` if the number cannot be parsed.
    pub fn seq(&self) -> Option<Seq> {
        match self {
            Self::Torn | Self::TooLong { .. } => None,
            Self::Unreadable(RecordError::Line { seq, .. } | RecordError::Schema { seq, .. }) => *seq,
            Self::Unreadable(RecordError::Variant { seq, .. }) => Some(*seq),
        }
    }
}

impl fmt::Display for LineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Torn => f.write_str("the last line is cut short; the recording ended while it was written"),
            Self::Unreadable(bad) => bad.fmt(f),
            Self::TooLong { bytes } => write!(f, "the line has {bytes} bytes; at most {MAX_LINE_BYTES} are read"),
        }
    }
}

/// An iterator over the lines of a log, which reads them on demand. An item is an error only if the log cannot be read;
/// the iterator ends after it.
#[derive(Debug)]
pub struct Lines {
    log: RawLines,
    path: PathBuf,
    /// The next line, if it was read to find out if the line before it is the last one.
    lookahead: Option<LineText>,
    done: bool,
}

/// A line before it is parsed.
#[derive(Debug)]
struct LineText {
    number: u64,
    /// Length in bytes, if it is too long to be read.
    too_long: Option<u64>,
    bytes: Vec<u8>,
    /// `true` if the line has a line break at its end. Without one, it is the last line, or is still being written.
    is_terminated: bool,
}

impl Lines {
    pub(super) fn new(log: File, path: PathBuf) -> Self {
        Self { log: RawLines::new(log), path, lookahead: None, done: false }
    }

    /// Reads the next non-blank line, without byte order mark and trailing whitespace. Returns `None` at the end of the
    /// log.
    fn next_text(&mut self) -> Result<Option<LineText>, BundleError> {
        let mut bytes = Vec::new();
        loop {
            let read = self.log.next_into(&mut bytes);
            let read = read.map_err(|error| BundleError::io(&self.path, "the log cannot be read", error))?;
            let Some(line) = read else { return Ok(None) };
            let number = line.number;
            if line.is_too_long() {
                return Ok(Some(LineText { number, too_long: Some(line.length), bytes, is_terminated: true }));
            }
            if number == 1 && bytes.starts_with("\u{feff}".as_bytes()) {
                bytes.drain(..3);
            }
            let is_terminated = bytes.ends_with(b"\n");
            while bytes.last().is_some_and(u8::is_ascii_whitespace) {
                bytes.pop();
            }
            if !bytes.is_empty() {
                return Ok(Some(LineText { number, too_long: None, bytes, is_terminated }));
            }
        }
    }

    fn next_line(&mut self) -> Result<Option<Line>, BundleError> {
        let text = match self.lookahead.take() {
            Some(text) => text,
            None => match self.next_text()? {
                Some(text) => text,
                None => return Ok(None),
            },
        };
        let number = text.number;
        if let Some(bytes) = text.too_long {
            return Ok(Some(Line { number, content: Err(LineError::TooLong { bytes }), named: Vec::new() }));
        }
        let content = match Record::parse(&text.bytes) {
            Ok(record) => Ok(record),
            // The rest of the line may be in the log by now, and is no line of its own.
            Err(bad) if is_not_json(&bad, &text.bytes) && !text.is_terminated => {
                self.done = true;
                Err(LineError::Torn)
            }
            Err(bad) if is_not_json(&bad, &text.bytes) => {
                self.lookahead = self.next_text()?;
                Err(if self.lookahead.is_none() { LineError::Torn } else { LineError::Unreadable(bad) })
            }
            Err(bad) => Err(LineError::Unreadable(bad)),
        };
        let named = match &content {
            Err(LineError::Unreadable(RecordError::Line { .. } | RecordError::Variant { .. })) => {
                payload_refs_in(&text.bytes)
            }
            Ok(record) if !record.unknown_words.is_empty() => payload_refs_in(&text.bytes),
            Ok(_)
            | Err(LineError::Torn | LineError::TooLong { .. } | LineError::Unreadable(RecordError::Schema { .. })) => {
                Vec::new()
            }
        };
        Ok(Some(Line { number, content, named }))
    }
}

impl Iterator for Lines {
    type Item = Result<Line, BundleError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let line = self.next_line().transpose();
        self.done |= !matches!(line, Some(Ok(_)));
        line
    }
}

/// Returns all objects in a line that have the form of a payload reference.
fn payload_refs_in(line: &[u8]) -> Vec<PayloadRef> {
    fn collect(value: &Value, named: &mut Vec<PayloadRef>) {
        match value {
            Value::Array(values) => values.iter().for_each(|value| collect(value, named)),
            Value::Object(fields) => match PayloadRef::deserialize(value) {
                Ok(reference) => named.push(reference),
                Err(_) => fields.values().for_each(|value| collect(value, named)),
            },
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let mut named = Vec::new();
    if let Ok(value) = serde_json::from_slice(line) {
        collect(&value, &mut named);
    }
    named
}

/// Returns `true` if the line is not valid JSON, like a line that is cut short.
fn is_not_json(bad: &RecordError, line: &[u8]) -> bool {
    match bad {
        // A value of another type than expected may be a syntax error, too.
        RecordError::Line { error, .. } => {
            (error.is_syntax() || error.is_eof()) && serde_json::from_slice::<IgnoredAny>(line).is_err()
        }
        RecordError::Schema { .. } | RecordError::Variant { .. } => false,
    }
}
