//! All text by its length and hash, so that the shape of a run can be shown and not what was said in it.

use std::ops::Range;

use super::super::Masking;
use super::tokens::{Edit, Token, Tokens, edited, is_json};

/// What a JSON value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Context {
    /// A line of the log, a manifest, or a body whose fields are known.
    Known,
    /// What a model, a tool or a program made: a name says nothing of what stands behind it.
    Foreign,
}

/// Names whose values stay where these are one word: what something is, how it went, and who it was. So do ids.
const KEPT: [&str; 35] = [
    "agent_path",
    "author",
    "bundle",
    "child_agent_path",
    "event_type",
    "finishReason",
    "finish_reason",
    "gen_ai.operation.name",
    "gen_ai.provider.name",
    "gen_ai.request.model",
    "hash",
    "kind",
    "label",
    "language",
    "model",
    "name",
    "namespace",
    "object",
    "otel_trace.bytes",
    "other_recipients",
    "path",
    "payloads_dir",
    "phase",
    "provider_name",
    "raw_event_log",
    "recipient",
    "role",
    "server",
    "status",
    "stop_reason",
    "target_agent_path",
    "tool",
    "tool_name",
    "tool_namespace",
    "type",
];

/// Names whose values stay in what is foreign: what links it to the rest.
const KEPT_IN_FOREIGN: [&str; 9] = [
    "author",
    "call_id",
    "cell_id",
    "other_recipients",
    "process_id",
    "receiver_thread_id",
    "recipient",
    "sender_thread_id",
    "session_id",
];

/// Names behind which everything is foreign.
const FOREIGN: [&str; 10] = [
    "args",
    "arguments",
    "input_schema",
    "metadata",
    "parameters",
    "raw_arguments",
    "response_format",
    "schema",
    "stored_values",
    "value",
];

/// The longest text that stays because of its name, in bytes, unless it is an id.
const MAX_KEPT: usize = 256;

/// JSON with all its text replaced; names, numbers and what [`KEPT`] says stay.
pub(super) fn replaced(json: &[u8], context: Context, masking: &Masking) -> Vec<u8> {
    let mut edits = Vec::new();
    let mut names = Names::new(context);
    for token in Tokens::of(json) {
        if let Token::Text(range) = &token
            && !names.keep(&json[range.clone()])
        {
            let nested = if names.last.starts_with(b"gen_ai.") { names.context() } else { Context::Foreign };
            edits.extend(new_text(json, range, nested, masking).map(|text| Edit { range: range.clone(), text }));
        }
        names.see(json, &token);
    }
    edited(json, edits)
}

/// What stands in the place of bytes that are no JSON.
pub(super) fn of_bytes(bytes: &[u8], masking: &Masking) -> Vec<u8> {
    if bytes.is_empty() { Vec::new() } else { stand_in(bytes, masking).into_bytes() }
}

fn stand_in(text: &[u8], masking: &Masking) -> String {
    format!("[text:{}:{:016x}]", text.len(), masking.hash(text))
}

fn new_text(json: &[u8], range: &Range<usize>, nested: Context, masking: &Masking) -> Option<Vec<u8>> {
    let text: String = serde_json::from_slice(&json[range.start - 1..range.end + 1]).ok()?;
    let new = of_text(&text, nested, masking)?;
    let quoted = serde_json::to_string(&new).ok()?;
    Some(quoted.as_bytes()[1..quoted.len() - 1].to_vec())
}

/// What stands in the place of a text. JSON text stays JSON text, so that what can be read in it still can.
fn of_text(text: &str, nested: Context, masking: &Masking) -> Option<String> {
    let begin = text.trim_start().as_bytes().first().copied()?;
    let is_short_word = text.len() < 8 && !begin.is_ascii_punctuation();
    if matches!(begin, b'{' | b'[' | b'"') && is_json(text.as_bytes()) {
        return String::from_utf8(replaced(text.as_bytes(), nested, masking)).ok();
    }
    // A number or a word of JSON, as the arguments of a tool may be.
    let is_value = is_short_word && is_json(text.as_bytes());
    (!is_value).then(|| stand_in(text.as_bytes(), masking))
}

/// The names that a token stands behind.
struct Names<'a> {
    /// Of each object and list around it: what is in it, and the name it stands behind.
    around: Vec<(Context, &'a [u8])>,
    last: &'a [u8],
    /// Whether what follows is the value of that name, not an element of the list that is.
    is_value: bool,
    context: Context,
}

impl<'a> Names<'a> {
    fn new(context: Context) -> Self {
        Self { around: Vec::new(), last: b"", is_value: false, context }
    }

    fn context(&self) -> Context {
        self.around.last().map_or(self.context, |(context, _)| *context)
    }

    fn see(&mut self, json: &'a [u8], token: &Token) {
        let is_value = std::mem::replace(&mut self.is_value, matches!(token, Token::Name(_)));
        match token {
            Token::Name(range) => self.last = &json[range.clone()],
            Token::Open { is_object, at: _ } => {
                let is_foreign = is_one_of(&FOREIGN, self.last) || (is_value && *is_object && self.last == b"input");
                let context = if is_foreign { Context::Foreign } else { self.context() };
                self.around.push((context, self.last));
            }
            Token::Close { end: _ } => {
                if let Some((_, name)) = self.around.pop() {
                    self.last = name;
                }
            }
            Token::Text(_) | Token::Word(_) => {}
        }
    }

    /// Whether a text here stays.
    fn keep(&self, text: &[u8]) -> bool {
        match self.context() {
            Context::Foreign => {
                is_one_of(&KEPT_IN_FOREIGN, self.last) && (self.last.ends_with(b"_id") || is_name(text))
            }
            Context::Known => {
                self.last.ends_with(b"_id") || self.last == b"id" || (is_one_of(&KEPT, self.last) && is_name(text))
            }
        }
    }
}

/// Whether it is short, and one word: no sentence.
fn is_name(text: &[u8]) -> bool {
    text.len() <= MAX_KEPT && !text.iter().any(u8::is_ascii_whitespace)
}

fn is_one_of(names: &[&str], name: &[u8]) -> bool {
    names.iter().any(|it| it.as_bytes() == name)
}
