//! What was wrong with the evidence.

use std::fmt;

use serde::Serialize;

use super::Code;
use crate::event::{RawPayloadId, Seq};

/// Something about the evidence that a reader of the graph should know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// The event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seq: Option<Seq>,
    /// The event's line in the log, from 1.
    #[serde(skip)]
    pub line: Option<u64>,
    /// What it is.
    pub code: Code,
    /// How bad it is: always [`Code::severity`].
    pub severity: Severity,
    /// The object, what is wrong with it, and what was left out or done instead.
    pub message: String,
    /// The body it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub raw_payload_id: Option<RawPayloadId>,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seq, line, code, severity: _, message, raw_payload_id } = self;
        if let Some(seq) = seq {
            write!(f, "seq {seq}, ")?;
        }
        if let Some(line) = line {
            write!(f, "line {line}, ")?;
        }
        write!(f, "{code}: {}", OneLine(message))?;
        raw_payload_id.iter().try_for_each(|payload| write!(f, " [{}]", OneLine(payload.as_str())))
    }
}

/// Text of a bundle's on one line of a terminal, which it can't command.
struct OneLine<'a>(&'a str);

impl fmt::Display for OneLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write;
        self.0.chars().try_for_each(|c| match c {
            // Controls, and what turns the direction of writing or breaks a line.
            c if c.is_control() => write!(f, "{}", c.escape_debug()),
            '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                write!(f, "{}", c.escape_unicode())
            }
            c => f.write_char(c),
        })
    }
}

/// How bad a diagnostic is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Nothing is missing from the graph because of it.
    Notice,
    /// Something was left out of the graph.
    Skipped,
}

impl Severity {
    /// The severity, as it is in a graph.
    pub fn name(self) -> &'static str {
        match self {
            Self::Notice => "notice",
            Self::Skipped => "skipped",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
