//! All text by its length and hash, so that the shape of a run can be shown and not what was said in it.

use std::ops::Range;

use super::super::Masking;
use super::meaning::{Document, Meaning, Meanings};
use super::tokens::{Edit, Token, Tokens, edited, is_json};

/// How things go: what events say, what models and runtimes answer. Any other word is somebody's.
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

/// The longest word that is a type, an id, a name, in bytes.
const MAX_TYPE: usize = 64;
const MAX_ID: usize = 128;
const MAX_NAME: usize = 256;

/// JSON with all its text replaced; names of fields, numbers, and what [`Meaning`] says is no content stay.
pub(super) fn replaced(json: &[u8], document: Document, masking: &Masking) -> Vec<u8> {
    let mut edits = Vec::new();
    let mut meanings = Meanings::of(json, document);
    for token in Tokens::of(json) {
        if let Token::Text(range) = &token
            && !stays(meanings.here(), &json[range.clone()])
        {
            let text = new_text(json, range, meanings.within_text(), masking);
            edits.extend(text.map(|text| Edit { range: range.clone(), text }));
        }
        meanings.see(&token);
    }
    edited(json, edits)
}

/// What stands in the place of bytes that are no JSON.
pub(super) fn of_bytes(bytes: &[u8], masking: &Masking) -> Vec<u8> {
    if bytes.is_empty() { Vec::new() } else { stand_in(bytes, masking).into_bytes() }
}

/// Whether a text is what it is said to be, in the words that such things have. What does not stay is the same wherever
/// it stands, so that ids that are sentences still link.
fn stays(meaning: Meaning, text: &[u8]) -> bool {
    let is_word = |marks: &[u8]| text.iter().all(|byte| byte.is_ascii_alphanumeric() || marks.contains(byte));
    match meaning {
        Meaning::Place => is_name(text),
        Meaning::Id { is_formats_own: _ } => text.len() <= MAX_ID && is_word(b"-_.:|"),
        Meaning::Type => text.len() <= MAX_TYPE && is_word(b"-_."),
        Meaning::Status => OUTCOMES.iter().any(|outcome| text.eq_ignore_ascii_case(outcome.as_bytes())),
        Meaning::Name => is_name(text),
        Meaning::Said => false,
    }
}

/// Whether it is short, and one word: no sentence.
fn is_name(text: &[u8]) -> bool {
    text.len() <= MAX_NAME && !text.iter().any(u8::is_ascii_whitespace)
}

fn stand_in(text: &[u8], masking: &Masking) -> String {
    format!("[text:{}:{:016x}]", text.len(), masking.hash(text))
}

fn new_text(json: &[u8], range: &Range<usize>, nested: Document, masking: &Masking) -> Option<Vec<u8>> {
    let text: String = serde_json::from_slice(&json[range.start - 1..range.end + 1]).ok()?;
    let new = of_text(&text, nested, masking)?;
    let quoted = serde_json::to_string(&new).ok()?;
    Some(quoted.as_bytes()[1..quoted.len() - 1].to_vec())
}

/// What stands in the place of a text. JSON text stays JSON text, so that what can be read in it still can.
fn of_text(text: &str, nested: Document, masking: &Masking) -> Option<String> {
    let json = text.trim();
    match json.as_bytes().first()? {
        b'{' | b'[' | b'"' if is_json(json.as_bytes()) => {
            String::from_utf8(replaced(text.as_bytes(), nested, masking)).ok()
        }
        // Words of JSON, as the arguments of a tool may be.
        _ if matches!(json, "null" | "true" | "false") => None,
        b'-' | b'0'..=b'9' if is_json(json.as_bytes()) => Some(format!("\"{}\"", stand_in(json.as_bytes(), masking))),
        _ => Some(stand_in(text.as_bytes(), masking)),
    }
}
