//! Digests `inference_request` payloads.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::value::RawValue;

use super::message::{self, USER};
use super::{RequestDigest, items, parts};
use crate::event::CallId;
use crate::otlp::ContentPolicy;
use crate::provider::{Entries, Instructions, Request, Settings, text};

impl RequestDigest {
    /// Digests the body of a request to a model. Returns the default for bytes that can't be parsed.
    pub(crate) fn parse(bytes: &[u8], content: ContentPolicy) -> Self {
        let Some(body) = str::from_utf8(bytes).ok().and_then(Request::parse) else { return Self::default() };
        let digest = settings(&body);
        if !content.captures() {
            return digest;
        }
        Self {
            input_messages: body.entries().and_then(|entries| input_messages(&body, &entries)),
            system_instructions: body.instructions().as_ref().and_then(system_instructions),
            tool_definitions: body.tools().map(|(_, tools)| tool_definitions(tools)),
            ..digest
        }
    }
}

/// Returns the settings of a request, without content.
fn settings(body: &Request<'_>) -> RequestDigest {
    let Settings {
        temperature,
        top_p,
        top_k,
        max_tokens,
        frequency_penalty,
        presence_penalty,
        choice_count,
        seed,
        stop_sequences,
        stream,
        output_type,
        reasoning_level,
    } = body.settings();
    #[expect(clippy::cast_possible_truncation, reason = "`as` stays within i64's bounds")]
    let integer = |count: f64| count as i64;
    let last_outputs = body.last_outputs();
    RequestDigest {
        temperature,
        top_p,
        top_k,
        max_tokens: max_tokens.map(integer),
        frequency_penalty,
        presence_penalty,
        choice_count: choice_count.map(integer),
        seed,
        stop_sequences,
        stream,
        output_type: output_type.map(Cow::into_owned),
        previous_response_id: body.previous_response_id().map(Cow::into_owned),
        conversation_id: body.conversation_id().map(Cow::into_owned),
        reasoning_level: reasoning_level.map(Cow::into_owned),
        answered_calls: last_outputs.ids.into_iter().map(CallId::from).collect(),
        last_outputs: last_outputs.hash,
        ..RequestDigest::default()
    }
}

fn input_messages(body: &Request<'_>, entries: &Entries<'_>) -> Option<String> {
    match entries {
        Entries::Null => None,
        _ if body.has_items() => json(&items::to_messages(entries.elements())),
        Entries::List(messages) if body.has_conventions_schema() => json(messages),
        Entries::Embedded(json) if is_list(json) => Some(json.clone().into_owned()),
        Entries::List(_) | Entries::One(_) | Entries::Text(_) | Entries::Embedded(_) | Entries::Other(_) => {
            let documents = body.documents().map(message::of_documents);
            let messages = message::from_entries(entries, USER);
            json(&documents.into_iter().chain(messages).collect::<Vec<_>>())
        }
    }
}

fn system_instructions(instructions: &Instructions<'_>) -> Option<String> {
    let given = in_schema(instructions.content.0).filter(|_| instructions.has_conventions_schema);
    given.or_else(|| json(&parts::from_content(instructions.content)))
}

fn tool_definitions(tools: &RawValue) -> String {
    in_schema(tools).unwrap_or_else(|| tools.get().to_owned())
}

/// Returns a list as JSON text, as it is or as it is embedded in a text, as mostly in fields of spans. Returns `None`
/// if the value is not a list.
pub(super) fn in_schema(value: &RawValue) -> Option<String> {
    let json = match text(value) {
        Some(text) => text,
        None => value.get().into(),
    };
    (is_list(&json) && serde_json::from_str::<&RawValue>(&json).is_ok()).then(|| json.into_owned())
}

fn is_list(json: &str) -> bool {
    json.trim_start().starts_with('[')
}

/// Serializes a value to JSON text.
pub(super) fn json(value: &impl Serialize) -> Option<String> {
    serde_json::to_string(value).ok()
}
