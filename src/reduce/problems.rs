//! Diagnostics as they are found.

use std::collections::HashSet;

use crate::event::{RawPayloadId, Seq};
use crate::graph::{Code, Diagnostic};
use crate::reduce::Options;

/// Where something is wrong.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) seq: Option<Seq>,
    /// 0 where no line is to blame.
    pub(super) line: u64,
    /// The last seq before it, for a line whose own can't be read.
    pub(super) after: Option<Seq>,
}

/// The longest message, in bytes: ids are the producer's, and may be of any length.
const MESSAGE_BYTES: usize = 2048;

/// A message of bounded length.
pub(super) fn cut(message: String) -> String {
    if message.len() <= MESSAGE_BYTES {
        return message;
    }
    let half = MESSAGE_BYTES / 2;
    let (head, tail) = (message.floor_char_boundary(half), message.ceil_char_boundary(message.len() - half));
    format!("{} … {}", &message[..head], &message[tail..])
}

/// Collects diagnostics.
#[derive(Debug, Default)]
pub(super) struct Problems {
    strict: bool,
    /// Whether to tell what only a strict reduction minds.
    tells_order: bool,
    found: Vec<(Option<Seq>, Diagnostic)>,
}

impl Problems {
    pub(super) fn new(options: &Options) -> Self {
        let Options { strict, every_body } = *options;
        Self { strict, tells_order: every_body, found: Vec::new() }
    }

    /// Something is wrong. The message names the object and says what was left out or done instead.
    pub(super) fn add(&mut self, place: impl Into<Place>, code: Code, message: String, payload: Option<&RawPayloadId>) {
        let Place { seq, line, after } = place.into();
        let message = cut(message);
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

    /// Something that only a strict reduction minds: what an event names is known, but started later than it.
    pub(super) fn use_before_start(&mut self, place: impl Into<Place>, started: Seq, code: Code, what: &str) {
        let place = place.into();
        if place.seq.is_none_or(|used| used >= started) {
            return;
        }
        let message = format!("{what} is used here, but starts later, at seq {started}");
        if self.strict {
            self.add(place, code, message, None);
        } else if self.tells_order {
            // Nothing was left out because of it.
            self.add(place, Code::ImpliedStart, message, None);
        }
    }

    /// The bodies of which it was told that they can't be used.
    pub(super) fn bad_payloads(&self) -> HashSet<RawPayloadId> {
        let found = self.found.iter().map(|(_, found)| found);
        let bad = found.filter(|found| matches!(found.code, Code::BadPayload | Code::RefusedPath));
        bad.filter_map(|found| found.raw_payload_id.clone()).collect()
    }

    /// The broken rule that a strict reduction ends with: the one at the lowest seq.
    pub(super) fn strict_failure(&self) -> Option<&Diagnostic> {
        let broken = self.found.iter().filter(|_| self.strict).filter(|(_, found)| found.code.stops_strict());
        // A line whose seq can't be read stands after the one before it.
        let order = |(place, found): &(Option<Seq>, Diagnostic)| (*place, found.seq.is_none(), found.line, found.code);
        broken.min_by_key(|found| order(found)).map(|(_, found)| found)
    }

    /// All of them, by seq, then code.
    pub(super) fn into_diagnostics(self) -> Vec<Diagnostic> {
        let mut found: Vec<_> = self.found.into_iter().map(|(_, found)| found).collect();
        found.sort_by(|a, b| (a.seq, a.code.name(), a.line).cmp(&(b.seq, b.code.name(), b.line)));
        found
    }
}
