//! Puts streams of Chat Completions together: the `delta` of each chunk extends the message of a choice.

mod calls;
mod content;
mod details;
mod message;

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::provider::assembler::{AssembledBody, Assembler, Event, Growing, GrowingObject, error_text};
use crate::provider::object::Object;
use message::StreamedMessage;

/// GrowingObject of a chunk that a response without streaming does not have. `obfuscation` makes all chunks equally long.
const CHUNK_MEMBERS: [&str; 2] = ["object", "obfuscation"];

/// A response of which chunks have arrived.
#[derive(Debug, Default)]
pub(super) struct StreamedChat {
    /// The members beside the choices.
    members: GrowingObject,
    choices: BTreeMap<u64, StreamedChoice>,
    has_end_marker: bool,
    error: Option<String>,
}

/// One of the alternative messages of a response.
#[derive(Debug, Default)]
struct StreamedChoice {
    /// The members beside the message.
    members: GrowingObject,
    message: StreamedMessage,
}

/// Returns `true` if the event is a chunk of a stream of this API.
pub(super) fn is_chunk(event: &Event<'_>) -> bool {
    let has_delta = |choice: &RawValue| Object::from_value(choice).is_some_and(|choice| choice.get("delta").is_some());
    event.data.list("choices").is_some_and(|choices| choices.first().is_none_or(|choice| has_delta(choice)))
}

impl Assembler for StreamedChat {
    fn push(&mut self, event: &Event<'_>) {
        for (name, value) in event.data.fields() {
            match name {
                "choices" => self.push_choices(event.data.list("choices").unwrap_or_default()),
                name if CHUNK_MEMBERS.contains(&name) => {}
                name => self.members.set(name, value),
            }
        }
        if let Some(error) = event.data.non_null("error") {
            self.error = Some(error_text(error));
        }
    }

    fn push_end_marker(&mut self) {
        self.has_end_marker = true;
    }

    fn finish(self: Box<Self>) -> AssembledBody {
        let Self { mut members, mut choices, has_end_marker, error } = *self;
        let is_finished = |choice: &StreamedChoice| choice.members.get("finish_reason").is_some();
        add_misplaced_usage(&mut members, &mut choices);
        // Some servers end their streams without a marker. The usage comes last.
        let is_finished_with_usage = || members.get("usage").is_some() && choices.values().all(is_finished);
        let is_complete = has_end_marker || (!choices.is_empty() && is_finished_with_usage());
        // Without its first choice, a response that was cut has no message with which the conversation could go on.
        if !is_complete && !choices.contains_key(&0) {
            choices.clear();
        }
        choices.retain(|_, choice| is_finished(choice) || !choice.message.is_empty());
        let choices = choices.into_iter().map(|(index, choice)| choice.finish(index)).collect();
        members.insert("choices", Growing::List(choices));
        AssembledBody { members, is_complete, error }
    }
}

impl StreamedChat {
    fn push_choices(&mut self, choices: Vec<&RawValue>) {
        for choice in choices.into_iter().filter_map(Object::from_value) {
            let streamed = self.choices.entry(choice.number("index").unwrap_or(0)).or_default();
            for (name, value) in choice.fields() {
                match name {
                    "delta" => streamed.message.push(&Object::from_value(value).unwrap_or_default()),
                    // Some servers repeat the whole message so far beside each delta.
                    "index" | "message" => {}
                    "logprobs" => streamed.members.merge(name, value),
                    name => streamed.members.set(name, value),
                }
            }
        }
    }
}

impl StreamedChoice {
    fn finish(self, index: u64) -> Growing {
        let Self { mut members, message } = self;
        members.insert("index", Growing::Json(index.to_string()));
        members.insert("message", Growing::Object(message.finish()));
        Growing::Object(members)
    }
}

/// Moves the usage to where a response without streaming has it: some servers put it inside of the last choice, or of
/// a member of their own.
fn add_misplaced_usage(members: &mut GrowingObject, choices: &mut BTreeMap<u64, StreamedChoice>) {
    let in_choice = choices.values_mut().filter_map(|choice| choice.members.remove("usage")).next_back();
    let usage = in_choice.or_else(|| match members.get("x_groq")? {
        Growing::Json(json) => {
            let usage = Object::parse(json)?.non_null("usage")?;
            Some(Growing::new(usage))
        }
        Growing::Text(_) | Growing::Object(_) | Growing::List(_) => None,
    });
    if let Some(usage) = usage.filter(|_| members.get("usage").is_none()) {
        members.insert("usage", usage);
    }
}
