//! The Responses API of OpenAI. Its items are read in [`item`](super::item).

mod members;
mod stream;

use std::borrow::Cow;

use super::api::{Api, Field, ListField};
use super::assembler::{Assembler, Event};
use super::entries::EntryFormat;
use super::item::Item;
use super::members::Members;
use super::object::{Object, list, text};
use super::output::{ITEM_FIELDS, Output, stopped_answer};
use super::part::{PartContent, Recognized};
use super::reasoning::{REASONING_FIELDS, TEXT_FIELDS};
use super::settings::{Settings, number};
use super::sources::{self, Source};
use super::stored_content::StoredContent;
use super::usage::{CountReader, TokenCounts};
use super::{anthropic, chat, converse};

pub(super) struct Responses;

/// Fields with the input tokens read from a cache: of OpenAI and of gateways.
const CACHE_HITS: [&str; 3] = ["input_tokens_details/cached_tokens", "cached_tokens", "cache_read_input_tokens"];

/// Fields with the input tokens written to a cache: of OpenAI and of gateways.
const CACHE_WRITES: [&str; 3] = [
    "input_tokens_details/cache_write_tokens",
    "input_tokens_details/cache_creation_tokens",
    "cache_creation_input_tokens",
];

impl Api for Responses {
    fn members(&self) -> &'static Members {
        &members::MEMBERS
    }

    fn list_field(&self) -> ListField {
        ListField { name: "input", format: EntryFormat::Items, precedence: 0 }
    }

    fn instructions(&self) -> &'static [Field] {
        &[Field { pointer: "/instructions" }]
    }

    /// The instructions are no item: they are not carried over to the request that continues this one.
    fn instructions_are_message(&self) -> bool {
        false
    }

    fn tools(&self) -> &'static [Field] {
        &[Field { pointer: "/tools" }]
    }

    fn server_side_content<'a>(&self, body: &Object<'a>) -> Option<StoredContent<'a>> {
        StoredContent::named(body, "prompt")
    }

    /// A text in the field is the prompt itself, as other APIs have it.
    fn stored_prompt<'a>(&self, body: &Object<'a>) -> Option<StoredContent<'a>> {
        StoredContent::named_by_object(body, "prompt")
    }

    fn settings<'a>(&self, body: &Object<'a>) -> Settings<'a> {
        Settings {
            temperature: number(body, &["temperature"]),
            top_p: number(body, &["top_p"]),
            max_tokens: number(body, &["max_output_tokens"]),
            stream: body.number("stream"),
            reasoning_level: body.object("reasoning").and_then(|reasoning| reasoning.text("effort")),
            ..Settings::default()
        }
    }

    fn part<'a>(&self, kind: Option<&str>, part: &Object<'a>) -> Option<Recognized<'a>> {
        match kind? {
            "input_text" | "output_text" => Some(Recognized::text(part)),
            "reasoning_text" => {
                let text = part.first(&REASONING_FIELDS);
                Some(Recognized::new(PartContent::ReasoningText(text), &REASONING_FIELDS))
            }
            "summary_text" => Some(Recognized::new(PartContent::SummaryText(part.first(&TEXT_FIELDS)), &TEXT_FIELDS)),
            _ => None,
        }
    }

    fn answer_problem(&self, body: &Object<'_>) -> Option<String> {
        let details =
            body.object("incomplete_details").filter(|_| body.text("status").as_deref() == Some("incomplete"));
        let reason = details?.text("reason").filter(|reason| *reason == "content_filter")?;
        Some(stopped_answer(&reason, None))
    }

    fn output<'a>(&self, body: &Object<'a>) -> Option<Output<'a>> {
        let output = body.first(&ITEM_FIELDS)?;
        match list(output) {
            Some(items) => Some(Output::Items(items)),
            None if converse::message(body).is_some() => None,
            None if Item::is_item(output) => Some(Output::Items(vec![output])),
            None => Some(Output::Unknown),
        }
    }

    fn sources<'a>(&self, body: &Object<'a>) -> Vec<Source<'a>> {
        sources::of_response(body)
    }

    fn fields_without_output(&self) -> &'static [&'static str] {
        &ITEM_FIELDS
    }

    fn response_id_fields(&self) -> &'static [&'static str] {
        &["response_id", "id"]
    }

    fn model_fields(&self) -> &'static [&'static str] {
        &["model"]
    }

    fn finish_reasons(&self, body: &Object<'_>) -> Vec<String> {
        status(body).into_iter().collect()
    }

    /// The names are also Anthropic's, with another meaning.
    fn usage(&self, body: &Object<'_>, usage: Option<&Object<'_>>, reader: &mut CountReader) -> Option<TokenCounts> {
        let usage = usage.filter(|usage| !chat::has_counts(usage) && !anthropic::is_usage(body, usage))?;
        Some(TokenCounts {
            input: reader.count(usage, "input_tokens"),
            cached: reader.first(usage, &CACHE_HITS),
            cache_write: reader.first(usage, &CACHE_WRITES),
            output: reader.count(usage, "output_tokens"),
            reasoning: reader.count(usage, "output_tokens_details/reasoning_tokens"),
            total: reader.count(usage, "total_tokens"),
            ..TokenCounts::default()
        })
    }

    fn assembler(&self, event: &Event<'_>) -> Option<Box<dyn Assembler>> {
        stream::is_event(event).then(|| -> Box<dyn Assembler> { Box::<stream::StreamedResponses>::default() })
    }
}

/// Returns the token counts in `token_usage`, the field of format 1, which has the items of this API.
pub(super) fn token_usage(body: &Object<'_>, reader: &mut CountReader) -> Option<TokenCounts> {
    let usage = body.object("token_usage")?;
    Some(TokenCounts {
        input: reader.count(&usage, "input_tokens"),
        cached: reader.count(&usage, "cached_input_tokens"),
        cache_write: reader.count(&usage, "cache_write_input_tokens"),
        cache_write_1h: reader.count(&usage, "cache_write_1h_input_tokens"),
        output: reader.count(&usage, "output_tokens"),
        reasoning: reader.count(&usage, "reasoning_output_tokens"),
        total: reader.count(&usage, "total_tokens"),
    })
}

/// Returns the id of the conversation that the provider keeps: the field `conversation`, which is the id or an object
/// with it. Returns `None` if the body names no conversation.
pub(super) fn conversation_id<'a>(body: &Object<'a>) -> Option<Cow<'a, str>> {
    let conversation = body.non_null("conversation")?;
    let id = text(conversation).or_else(|| Object::from_value(conversation)?.text("id"));
    id.filter(|id| !id.is_empty())
}

/// Returns the status of a response that has no end, or that was cancelled: its output is missing, or is a part of it.
pub(super) fn unfinished_status<'a>(body: &Object<'a>) -> Option<Cow<'a, str>> {
    body.text("status").filter(|status| matches!(&**status, "queued" | "in_progress" | "cancelled"))
}

/// Returns the reason why a response is incomplete, otherwise its status.
pub(super) fn status(body: &Object<'_>) -> Option<String> {
    let reason = body.object("incomplete_details").and_then(|details| details.text("reason"));
    reason.or_else(|| body.text("status")).map(Cow::into_owned)
}
