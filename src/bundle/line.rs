//! The lines of a log as they are read.

use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::Value;

use super::BundleError;
use crate::event::{PayloadRef, Record, RecordError, Seq};

/// One line of a log that is not blank.
#[derive(Debug)]
pub struct Line {
    /// Its number in the file, from 1.
    pub number: u64,
    /// What it says, or why that can't be told.
    pub content: Result<Record, LineError>,
    /// The bodies that are named in a line of this version that says nothing.
    pub named: Vec<PayloadRef>,
}

/// Why a line says nothing.
#[derive(Debug)]
pub enum LineError {
    /// The last line, and cut short: the recording ended in the middle of it.
    Torn,
    /// Anything else.
    Unreadable(RecordError),
}

impl LineError {
    /// The line's place in the log, where that can be told.
    pub fn seq(&self) -> Option<Seq> {
        match self {
            Self::Torn => None,
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
        }
    }
}

/// The lines of a log in their order, read as they are asked for. An item is an error only where the file system
/// refused; nothing follows it.
#[derive(Debug)]
pub struct Lines {
    log: BufReader<File>,
    path: PathBuf,
    number: u64,
    /// The line after one that may have been the last.
    ahead: Option<Text>,
    done: bool,
}

#[derive(Debug)]
struct Text {
    number: u64,
    bytes: Vec<u8>,
}

impl Lines {
    pub(super) fn new(log: File, path: PathBuf) -> Self {
        Self { log: BufReader::with_capacity(1 << 18, log), path, number: 0, ahead: None, done: false }
    }

    /// The next line that is not blank, without byte order mark, newline and carriage return.
    fn next_text(&mut self, mut bytes: Vec<u8>) -> Result<Option<Text>, BundleError> {
        loop {
            bytes.clear();
            let read = self.log.read_until(b'\n', &mut bytes);
            if read.map_err(|error| BundleError::io(&self.path, "the log can't be read", error))? == 0 {
                return Ok(None);
            }
            self.number += 1;
            if self.number == 1 && bytes.starts_with("\u{feff}".as_bytes()) {
                bytes.drain(..3);
            }
            while bytes.last().is_some_and(u8::is_ascii_whitespace) {
                bytes.pop();
            }
            if !bytes.is_empty() {
                return Ok(Some(Text { number: self.number, bytes }));
            }
        }
    }

    fn next_line(&mut self) -> Result<Option<Line>, BundleError> {
        let text = match self.ahead.take() {
            Some(text) => text,
            None => match self.next_text(Vec::new())? {
                Some(text) => text,
                None => return Ok(None),
            },
        };
        let number = text.number;
        let content = match Record::parse(&text.bytes) {
            Ok(record) => Ok(record),
            Err(bad) if is_not_json(&bad) => {
                self.ahead = self.next_text(Vec::new())?;
                Err(if self.ahead.is_none() { LineError::Torn } else { LineError::Unreadable(bad) })
            }
            Err(bad) => Err(LineError::Unreadable(bad)),
        };
        let named = match &content {
            Err(LineError::Unreadable(RecordError::Line { .. } | RecordError::Variant { .. })) => named_in(&text.bytes),
            Ok(_) | Err(LineError::Torn | LineError::Unreadable(RecordError::Schema { .. })) => Vec::new(),
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
        self.done = !matches!(line, Some(Ok(_)));
        line
    }
}

/// Whatever in a line has the shape of a reference to a body.
fn named_in(line: &[u8]) -> Vec<PayloadRef> {
    fn look(value: &Value, named: &mut Vec<PayloadRef>) {
        match value {
            Value::Array(values) => values.iter().for_each(|value| look(value, named)),
            Value::Object(fields) => match PayloadRef::deserialize(value) {
                Ok(reference) => named.push(reference),
                Err(_) => fields.values().for_each(|value| look(value, named)),
            },
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let mut named = Vec::new();
    if let Ok(value) = serde_json::from_slice(line) {
        look(&value, &mut named);
    }
    named
}

/// Whether the text itself is broken, as that of a line cut short is.
fn is_not_json(bad: &RecordError) -> bool {
    match bad {
        RecordError::Line { error, .. } => error.is_syntax() || error.is_eof(),
        RecordError::Schema { .. } | RecordError::Variant { .. } => false,
    }
}
