//! Diagnostics: problems of the log and the payloads from which a graph is reduced.

use std::fmt;

use serde::Serialize;

use super::{Code, Severity};
use crate::event::{RawPayloadId, Seq};

/// A problem of the log or of a payload, with its effect on the graph.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// Sequence number of the event that has the problem. `None` if the problem concerns no particular event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seq: Option<Seq>,
    /// Number of the event's line in the log, from 1. `None` if the problem concerns no particular line. Not in
    /// `state.json`.
    #[serde(skip)]
    pub line: Option<u64>,
    /// Kind of the problem, with a stable name.
    pub code: Code,
    /// Severity of the problem: always [`Code::severity`] of `code`.
    pub severity: Severity,
    /// Description of the object, its problem, and what was left out of the graph or done instead.
    pub message: String,
    /// Id of the payload that has the problem. `None` if the problem concerns no payload.
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

/// Text from a bundle, escaped so that it stays on one line and cannot send control sequences to a terminal.
struct OneLine<'a>(&'a str);

impl fmt::Display for OneLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write;
        self.0.chars().try_for_each(|c| match c {
            // Besides control characters, these change the writing direction or break the line.
            c if c.is_control() => write!(f, "{}", c.escape_debug()),
            '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                write!(f, "{}", c.escape_unicode())
            }
            c => f.write_char(c),
        })
    }
}
