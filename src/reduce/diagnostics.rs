//! Collects the diagnostics of a reduction.

use std::collections::HashSet;

use crate::event::{RawPayloadId, Seq};
use crate::graph::{Code, Diagnostic};
use crate::reduce::Options;

/// The position of a problem in the log, from which its diagnostic is made.
#[derive(Debug, Clone, Copy)]
pub(super) struct LogPosition {
    /// Seq of the event. `None` if it cannot be read, or if the diagnostic is not about an event.
    pub(super) seq: Option<Seq>,
    /// Number of the line, from 1. It is 0 if the diagnostic is not about a line.
    pub(super) line: u64,
    /// The highest seq before this line. It determines the place of the diagnostic if the seq of the line cannot be
    /// read.
    pub(super) after: Option<Seq>,
}

/// Maximum length of a message, in bytes. Messages contain ids, which a producer chooses and may make arbitrarily long.
const MESSAGE_BYTES: usize = 2048;

/// Truncates a message to its head and tail if it is longer than [`MESSAGE_BYTES`].
pub(super) fn truncate(message: String) -> String {
    if message.len() <= MESSAGE_BYTES {
        return message;
    }
    let half = MESSAGE_BYTES / 2;
    let (head, tail) = (message.floor_char_boundary(half), message.ceil_char_boundary(message.len() - half));
    format!("{} … {}", &message[..head], &message[tail..])
}

/// The diagnostics of a reduction, in the order in which they were found.
#[derive(Debug, Default)]
pub(super) struct Diagnostics {
    strict: bool,
    /// `true` if events that use an object before its start are reported as notices outside strict mode too.
    notes_order: bool,
    /// The diagnostics that were found, each with the seq by which it is ordered in strict mode.
    found: Vec<(Option<Seq>, Diagnostic)>,
}

impl Diagnostics {
    pub(super) fn new(options: &Options) -> Self {
        let Options { strict, every_body } = *options;
        Self { strict, notes_order: every_body, found: Vec::new() }
    }

    /// Adds a diagnostic at a position. `message` names the object, its problem, and what was left out or done instead.
    pub(super) fn add(
        &mut self,
        position: impl Into<LogPosition>,
        code: Code,
        message: String,
        payload: Option<&RawPayloadId>,
    ) {
        let LogPosition { seq, line, after } = position.into();
        let message = truncate(message);
        let diagnostic = Diagnostic {
            seq,
            line: (line > 0).then_some(line),
            code,
            severity: code.severity(),
            message,
            raw_payload_id: payload.cloned(),
        };
        self.found.push((seq.or(after), diagnostic));
    }

    /// Reports an event that uses an object before the object's start, which only strict mode rejects. Does nothing if
    /// the object started earlier.
    ///
    /// `subject` names the object in the message. Outside strict mode the event is not left out, so it is at most
    /// reported as a notice.
    pub(super) fn use_before_start(
        &mut self,
        position: impl Into<LogPosition>,
        started: Seq,
        code: Code,
        subject: &str,
    ) {
        let position = position.into();
        if position.seq.is_none_or(|used| used >= started) {
            return;
        }
        let message = format!("{subject} is used before its start at seq {started}");
        if self.strict {
            self.add(position, code, message, None);
        } else if self.notes_order {
            // Nothing was left out, so the code is that of a notice.
            self.add(position, Code::ImpliedStart, message, None);
        }
    }

    /// Returns the ids of the payloads that were reported as missing, damaged or refused.
    pub(super) fn bad_payloads(&self) -> HashSet<RawPayloadId> {
        let found = self.found.iter().map(|(_, found)| found);
        let bad = found.filter(|found| matches!(found.code, Code::BadPayload | Code::RefusedPath));
        bad.filter_map(|found| found.raw_payload_id.clone()).collect()
    }

    /// Returns the diagnostic that ends a strict reduction: the broken rule with the lowest seq. Returns `None` outside
    /// strict mode or if no rule is broken.
    pub(super) fn strict_failure(&self) -> Option<&Diagnostic> {
        let broken = self.found.iter().filter(|_| self.strict).filter(|(_, found)| found.code.stops_strict());
        // A line whose seq cannot be read is ordered after the line before it.
        let order =
            |(position, found): &(Option<Seq>, Diagnostic)| (*position, found.seq.is_none(), found.line, found.code);
        broken.min_by_key(|found| order(found)).map(|(_, found)| found)
    }

    /// Returns all diagnostics, ordered by seq, then by code.
    pub(super) fn into_diagnostics(self) -> Vec<Diagnostic> {
        let mut found: Vec<_> = self.found.into_iter().map(|(_, found)| found).collect();
        found.sort_by(|a, b| (a.seq, a.code.name(), a.line).cmp(&(b.seq, b.code.name(), b.line)));
        found
    }
}
