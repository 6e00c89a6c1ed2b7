//! Replaces all content of JSON by its length and hash, so that a run can be shared without its content.

use std::ops::Range;

use super::super::Masking;
use super::meaning::{Document, Meaning, MeaningTracker};
use super::tokens::{Edit, Token, Tokens, apply_edits, is_json};

/// Words for outcomes that events, models and runtimes use in status fields. Any other word in such a field counts as
/// content.
const OUTCOMES: [&str; 42] = [
    "aborted",
    "blocked",
    "canceled",
    "cancelled",
    "completed",
    "content_filter",
    "declined",
    "end_turn",
    "errored",
    "error",
    "exited",
    "failed",
    "function_call",
    "in_progress",
    "incomplete",
    "interacted",
    "interrupted",
    "killed",
    "length",
    "max_tokens",
    "not_found",
    "ok",
    "pause_turn",
    "pending",
    "pending_init",
    "queued",
    "refusal",
    "running",
    "safety",
    "searching",
    "shutdown",
    "started",
    "starting",
    "stop",
    "stop_sequence",
    "success",
    "terminated",
    "timeout",
    "tool_call",
    "tool_calls",
    "tool_use",
    "yielded",
];

/// Maximum length of a type name that is preserved, in bytes.
const MAX_TYPE: usize = 64;
/// Maximum length of an id that is preserved, in bytes.
const MAX_ID: usize = 128;
/// Maximum length of a name that is preserved, in bytes.
const MAX_NAME: usize = 256;

/// Returns a JSON value with all content replaced. Field names, numbers and strings whose [`Meaning`] is not content
/// are preserved.
pub(super) fn replace(json: &[u8], document: Document, masking: &Masking) -> Vec<u8> {
    let mut edits = Vec::new();
    let mut tracker = MeaningTracker::new(json, document);
    for token in Tokens::new(json) {
        if let Token::Text(range) = &token
            && !is_preserved(tracker.meaning(), &json[range.clone()])
        {
            let text = replace_string(json, range, tracker.within_text(), masking);
            edits.extend(text.map(|text| Edit { range: range.clone(), text }));
        }
        tracker.advance(&token);
    }
    apply_edits(json, edits)
}

/// Returns the replacement for all bytes of a payload that is not JSON.
pub(super) fn replace_bytes(bytes: &[u8], masking: &Masking) -> Vec<u8> {
    if bytes.is_empty() { Vec::new() } else { placeholder(bytes, masking).into_bytes() }
}

/// Returns `true` if a string is preserved: its meaning is an id, a type, a status or a name, and it has the form of
/// one, a single word. A string that is not preserved has the same replacement at every place, so that ids with spaces
/// still link.
fn is_preserved(meaning: Meaning, text: &[u8]) -> bool {
    let is_word = |marks: &[u8]| text.iter().all(|byte| byte.is_ascii_alphanumeric() || marks.contains(byte));
    match meaning {
        Meaning::Reference => is_name(text),
        Meaning::Id { is_format_id: _ } => text.len() <= MAX_ID && is_word(b"-_.:|"),
        Meaning::Type => text.len() <= MAX_TYPE && is_word(b"-_."),
        Meaning::Status => OUTCOMES.iter().any(|outcome| text.eq_ignore_ascii_case(outcome.as_bytes())),
        Meaning::Name => is_name(text),
        Meaning::Content => false,
    }
}

/// Returns `true` if the string has the form of a name: a single short word.
fn is_name(text: &[u8]) -> bool {
    text.len() <= MAX_NAME && !text.iter().any(u8::is_ascii_whitespace)
}

/// Returns the replacement for a text, `[text:<bytes>:<hash>]`.
fn placeholder(text: &[u8], masking: &Masking) -> String {
    format!("[text:{}:{:016x}]", text.len(), masking.hash(text))
}

/// Returns the escaped replacement for the JSON string whose content is at `range`, without quotes. Returns `None` if
/// the string is preserved.
fn replace_string(json: &[u8], range: &Range<usize>, nested: Document, masking: &Masking) -> Option<Vec<u8>> {
    let text: String = serde_json::from_slice(&json[range.start - 1..range.end + 1]).ok()?;
    let new = replace_text(&text, nested, masking)?;
    let quoted = serde_json::to_string(&new).ok()?;
    Some(quoted.as_bytes()[1..quoted.len() - 1].to_vec())
}

/// Returns the replacement for a text. Text that is JSON stays JSON, so that it can still be parsed. Returns `None` if
/// the text is preserved.
fn replace_text(text: &str, nested: Document, masking: &Masking) -> Option<String> {
    let json = text.trim();
    match json.as_bytes().first()? {
        b'{' | b'[' | b'"' if is_json(json.as_bytes()) => {
            String::from_utf8(replace(text.as_bytes(), nested, masking)).ok()
        }
        // Literals of JSON: a tool may have them as its arguments.
        _ if matches!(json, "null" | "true" | "false") => None,
        b'-' | b'0'..=b'9' if is_json(json.as_bytes()) => {
            Some(format!("\"{}\"", placeholder(json.as_bytes(), masking)))
        }
        _ => Some(placeholder(text.as_bytes(), masking)),
    }
}
