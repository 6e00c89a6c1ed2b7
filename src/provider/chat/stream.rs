//! Puts streams of Chat Completions together: the `delta` of each chunk extends the message of a choice.

mod calls;
mod content;
mod details;
mod message;

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::provider::assembler::{
    AssembledBody, Assembler, Event, Gathered, Growing, GrowingObject, UnreadEvents, error_text, with_index,
};
use crate::provider::object::{Object, is_null, list};
use message::StreamedMessage;

/// Members of a chunk that a response without streaming does not have. `obfuscation` makes all chunks equally long.
const CHUNK_MEMBERS: [&str; 2] = ["object", "obfuscation"];

/// A response of which chunks have arrived.
#[derive(Debug, Default)]
pub(super) struct StreamedChat {
    /// The members beside the choices.
    members: GrowingObject,
    /// The lists beside the choices, such as the sources of the answer.
    lists: BTreeMap<String, Gathered>,
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
    /// The whole message so far, which some servers send beside, or at last in place of, each delta.
    whole: Option<Growing>,
    /// The text of a completion, which has no message.
    text: Option<Growing>,
}

/// Returns `true` if the event is a chunk of a stream of this API.
pub(super) fn is_chunk(event: &Event<'_>) -> bool {
    let has_delta = |choice: &RawValue| {
        Object::from_value(choice).is_some_and(|choice| choice.get("delta").is_some() || choice.text("text").is_some())
    };
    event.data.list("choices").is_some_and(|choices| choices.first().is_none_or(|choice| has_delta(choice)))
}

impl Assembler for StreamedChat {
    fn push(&mut self, event: &Event<'_>, unread: &mut UnreadEvents) {
        for (name, value) in event.data.fields().filter(|(_, value)| !is_null(value)) {
            match (name, list(value)) {
                ("choices", Some(choices)) => self.push_choices(&choices, unread),
                ("choices", None) => unread.add(format_args!("events[].choices")),
                (name, _) if CHUNK_MEMBERS.contains(&name) => {}
                ("error", _) => self.set_error(value),
                (name, Some(_)) => match self.lists.get_mut(name) {
                    Some(list) => list.add(value),
                    None => drop(self.lists.insert(name.to_owned(), Gathered::new(value))),
                },
                (name, None) => self.members.set(name, value),
            }
        }
    }

    fn push_end_marker(&mut self) {
        self.has_end_marker = true;
    }

    fn finish(self: Box<Self>) -> AssembledBody {
        let Self { mut members, lists, mut choices, has_end_marker, error } = *self;
        lists.into_iter().for_each(|(name, list)| members.insert(&name, list.finish()));
        let is_finished = |choice: &StreamedChoice| choice.members.get("finish_reason").is_some();
        add_misplaced_usage(&mut members, &mut choices);
        // Some servers end their streams without a marker. The usage comes last.
        let is_finished_with_usage = || members.get("usage").is_some() && choices.values().all(is_finished);
        let is_complete = has_end_marker || (!choices.is_empty() && is_finished_with_usage());
        // Without its first choice, a response that was cut has no message with which the conversation could go on.
        if !is_complete && !choices.contains_key(&0) {
            choices.clear();
        }
        // The conversation continues with the first choice, also if it is empty.
        choices.retain(|index, choice| (is_complete && *index == 0) || is_finished(choice) || !choice.is_empty());
        let choices = choices.into_iter().map(|(index, choice)| choice.finish(index)).collect();
        members.insert("choices", Growing::List(choices));
        AssembledBody { members, is_complete, error }
    }
}

impl StreamedChat {
    fn push_choices(&mut self, choices: &[&RawValue], unread: &mut UnreadEvents) {
        for (index, choice) in with_index(choices) {
            let Some(choice) = choice else {
                unread.add(format_args!("events[].choices[]"));
                continue;
            };
            if let Some(error) = choice.non_null("error") {
                self.set_error(error);
            }
            self.choices.entry(index).or_default().push(&choice, unread);
        }
    }

    /// Sets the error of the response, unless an earlier one is known.
    fn set_error(&mut self, error: &RawValue) {
        self.members.set_first("error", error);
        self.error.get_or_insert_with(|| error_text(error));
    }
}

impl StreamedChoice {
    fn push(&mut self, choice: &Object<'_>, unread: &mut UnreadEvents) {
        for (name, value) in choice.fields().filter(|(_, value)| !is_null(value)) {
            match (name, Object::from_value(value)) {
                ("delta", Some(delta)) => self.message.push(&delta, unread),
                ("delta", None) => unread.add(format_args!("events[].choices[].delta")),
                ("message", _) => self.whole = Some(Growing::new(value)),
                ("text", _) => match &mut self.text {
                    Some(text) => unread.check(text.append(value), format_args!("events[].choices[].text")),
                    None => self.text = Some(Growing::new(value)),
                },
                // The error of the response has it.
                ("index" | "error", _) => {}
                ("finish_reason", _) => self.members.set_finish_reason(name, value),
                ("logprobs", Some(logprobs)) => self.members.edit_object(name, |scores| {
                    for (name, value) in logprobs.fields() {
                        let added = scores.merge(name, value);
                        unread.check(added, format_args!("events[].choices[].logprobs.{name}"));
                    }
                }),
                (name, _) => self.members.set(name, value),
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.message.is_empty() && self.whole.is_none() && self.text.is_none()
    }

    fn finish(self, index: u64) -> Growing {
        let Self { mut members, message, whole, text } = self;
        members.insert("index", Growing::Json(index.to_string()));
        if let Some(text) = text.filter(|_| message.is_empty() && whole.is_none()) {
            members.insert("text", text);
            return Growing::Object(members);
        }
        let whole = whole.filter(|_| message.is_empty());
        members.insert("message", whole.unwrap_or_else(|| Growing::Object(message.finish())));
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
