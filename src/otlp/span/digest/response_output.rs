//! Converts the model's output in a response.

use super::message::{self, ASSISTANT, Message};
use super::request::{in_schema, json};
use super::{items, parts};
use crate::provider::{Choice, Entries, EntryFormat, Output, Part, Response, Source};

/// Returns the output messages as JSON text in the conventions' schema.
pub(super) fn messages(body: &Response<'_>) -> Option<String> {
    let mut messages: Vec<Message<'_>> = match body.output() {
        Output::Items(items) => items::to_messages(items.iter().copied()),
        Output::Choices(choices) => choices.iter().map(from_choice).collect(),
        Output::Content(content) => {
            let message = Message::new(message::role(body.message_role(), ASSISTANT), parts::from_content(*content));
            vec![message.with_finish_reason(body.stop_reason())]
        }
        Output::AttributeMessages(field) => {
            let convert = || {
                let entries = Entries::read(field, EntryFormat::AttributeMessages);
                json(&with_finish_reasons(message::from_entries(&entries, ASSISTANT), body))
            };
            return in_schema(field).or_else(convert);
        }
        Output::Empty | Output::Unknown => return None,
    };
    add_sources(&mut messages, body);
    json(&with_finish_reasons(messages, body))
}

/// Adds what the provider found for the answer, which is the first of alternative messages, to its parts.
fn add_sources<'a>(messages: &mut [Message<'a>], body: &Response<'a>) {
    let answer = if matches!(body.output(), Output::Choices(_)) {
        messages.first_mut()
    } else {
        messages.iter_mut().rev().find(|message| message.role == ASSISTANT)
    };
    if let Some(answer) = answer {
        answer.parts.extend(parts::from_parts(body.sources().into_iter().map(Source::part)));
    }
}

/// Adds a finish reason to each message that has none: the status of the response, or an empty text if that is unknown
/// too.
fn with_finish_reasons<'a>(messages: Vec<Message<'a>>, body: &Response<'_>) -> Vec<Message<'a>> {
    let default_reason = match body.status() {
        Some(status) if status == "completed" => "stop".into(),
        Some(reason) => reason.into(),
        None => "".into(),
    };
    messages.into_iter().map(|message| message.with_default_finish_reason(&default_reason)).collect()
}

fn from_choice<'a>(choice: &Choice<'a>) -> Message<'a> {
    let message = choice.message.map(|message| Message::parse(message, ASSISTANT));
    let mut message = message.unwrap_or_else(|| Message::new(ASSISTANT, Vec::new()));
    let reasoning = choice.reasoning.map(Part::reasoning_beside_text);
    message.parts.splice(0..0, parts::from_parts(reasoning));
    message.with_finish_reason(choice.finish_reason)
}
