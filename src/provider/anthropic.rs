//! Anthropic Messages.

mod members;
mod stream;

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::api::{Api, Field, ListField};
use super::assembler::{Assembler, Event};
use super::entries::EntryFormat;
use super::history_edit::{self, AppliedEdit};
use super::members::Members;
use super::object::Object;
use super::output::{ITEM_FIELDS, Output, stopped_answer};
use super::part::{Compaction, Content, Part, PartContent, Recognized};
use super::settings::{Settings, number, texts};
use super::tool::{self, ToolResult};
use super::usage::{CountReader, TokenCounts, sum};

pub(super) struct Anthropic;

impl Api for Anthropic {
    fn members(&self) -> &'static Members {
        &members::MEMBERS
    }

    fn list_field(&self) -> ListField {
        ListField { name: "messages", format: EntryFormat::Messages, precedence: 3 }
    }

    fn instructions(&self) -> &'static [Field] {
        &[Field { pointer: "/system" }]
    }

    fn tools(&self) -> &'static [Field] {
        &[Field { pointer: "/tools" }]
    }

    fn settings<'a>(&self, body: &Object<'a>) -> Settings<'a> {
        Settings {
            max_tokens: number(body, &["max_tokens"]),
            top_k: number(body, &["top_k"]),
            stop_sequences: texts(body, &["stop_sequences"]),
            reasoning_level: body.object("output_config").and_then(|config| config.text("effort")),
            ..Settings::default()
        }
    }

    fn part<'a>(&self, kind: Option<&str>, part: &Object<'a>) -> Option<Recognized<'a>> {
        match kind? {
            "text" => Some(Recognized::text(part)),
            "thinking" | "redacted_thinking" => Some(Recognized::reasoning(part)),
            "compaction" => Some(Recognized::new(PartContent::Compaction(compaction(part)), &[])),
            // Text of the model that is bound to the conversation, as reasoning is.
            "connector_text" => {
                Some(Recognized::new(PartContent::Text(part.non_null("connector_text")), &["connector_text"]))
            }
            "mid_conv_system" => {
                Some(Recognized::new(PartContent::Instructions(part.non_null("content").map(Content)), &[]))
            }
            // The place where one model declined and another one went on. The API never shows it to a model.
            "fallback" => Some(Recognized::new(PartContent::Annotation, &[])),
            "tool_use" => Some(Recognized::call(part)),
            "tool_result" => {
                let result = ToolResult {
                    call_id: part.non_null("tool_use_id"),
                    name: None,
                    is_error: tool::reports_error(part),
                    value: part.non_null("content"),
                    is_content: true,
                    response: None,
                };
                Some(Recognized::new(PartContent::Result(result), &["tool_use_id", "content"]))
            }
            _ => None,
        }
    }

    fn output<'a>(&self, body: &Object<'a>) -> Option<Output<'a>> {
        Some(Output::Content(Content(body.non_null("content")?)))
    }

    fn finish_reasons(&self, body: &Object<'_>) -> Vec<String> {
        body.string("stop_reason").into_iter().collect()
    }

    fn answer_problem(&self, body: &Object<'_>) -> Option<String> {
        let reason = body.text("stop_reason").filter(|reason| *reason == "refusal")?;
        let details = body.object("stop_details").unwrap_or_default();
        let words: Vec<_> = ["category", "explanation"].iter().filter_map(|name| details.text(name)).collect();
        Some(stopped_answer(&reason, Some(&*words.join(": ")).filter(|words| !words.is_empty())))
    }

    /// The provider may have cleared results of tools and reasoning.
    fn applied_edits(&self, body: &Object<'_>) -> Vec<AppliedEdit> {
        history_edit::applied(body)
    }

    fn unread_output(&self, body: &Object<'_>) -> Vec<&'static str> {
        let iterations = body.object("usage").and_then(|usage| usage.list("iterations")).unwrap_or_default();
        let is_uncounted = |iteration: &&RawValue| {
            let kind = Object::from_value(iteration).and_then(|iteration| iteration.string("type"));
            kind.is_some_and(|kind| !COUNTED_ITERATIONS.contains(&&*kind))
        };
        iterations.iter().any(is_uncounted).then_some("usage.iterations").into_iter().collect()
    }

    fn usage(&self, body: &Object<'_>, usage: Option<&Object<'_>>, reader: &mut CountReader) -> Option<TokenCounts> {
        let usage = usage.filter(|usage| is_usage(body, usage))?;
        let mut counts = token_counts(usage, reader);
        for iteration in usage.list("iterations").unwrap_or_default() {
            // The provider's own counts leave out the requests in which it compacted the conversation.
            if let Some(iteration) = Object::from_value(iteration).filter(is_compaction) {
                counts.add(token_counts(&iteration, reader));
            }
        }
        Some(counts)
    }

    fn assembler(&self, event: &Event<'_>) -> Option<Box<dyn Assembler>> {
        stream::is_event(event).then(|| -> Box<dyn Assembler> { Box::<stream::StreamedAnthropic>::default() })
    }
}

/// Types of the iterations whose tokens are counted: the provider's own counts have those of messages, also of the model
/// that answered in place of another one, and those of compactions are added.
const COUNTED_ITERATIONS: [&str; 3] = ["message", "fallback_message", "compaction"];

fn compaction<'a>(block: &Object<'a>) -> Compaction<'a> {
    let [summary, signature, encrypted] =
        ["content", "signature", "encrypted_content"].map(|name| block.non_null(name));
    Compaction { summary, signature, encrypted }
}

/// Returns the id of the message that a request continues in a thread, which the provider keeps for some minutes. The
/// thread also has the instructions and the tools. Returns `None` for a request with the whole conversation.
pub(super) fn continued_message<'a>(body: &Object<'a>) -> Option<Cow<'a, str>> {
    let thread = body.object("thread").filter(|thread| thread.text("type").as_deref() == Some("continue"))?;
    thread.text("previous_message_id")
}

/// Reads a compaction that stands beside the content of a message, as gateways have it.
pub(super) fn compaction_block(raw: &RawValue) -> Part<'_> {
    let content =
        Object::from_value(raw).map_or(PartContent::Other, |block| PartContent::Compaction(compaction(&block)));
    Part::of_content(raw, content)
}

/// Returns `true` if an iteration is a request in which the provider compacted the conversation.
fn is_compaction(iteration: &Object<'_>) -> bool {
    iteration.text("type").as_deref() == Some("compaction")
}

/// Returns the token counts of a usage, or of one of its iterations. In the API, input tokens exclude those read from
/// and written to the cache.
fn token_counts(usage: &Object<'_>, reader: &mut CountReader) -> TokenCounts {
    let cached = reader.count(usage, "cache_read_input_tokens");
    let written_1h = reader.count(usage, "cache_creation/ephemeral_1h_input_tokens");
    let written_5m = reader.count(usage, "cache_creation/ephemeral_5m_input_tokens");
    let written = reader.count(usage, "cache_creation_input_tokens").or_else(|| sum([written_5m, written_1h]));
    TokenCounts {
        input: sum([reader.count(usage, "input_tokens"), cached, written]),
        cached,
        cache_write: written,
        cache_write_1h: written_1h,
        output: reader.count(usage, "output_tokens"),
        reasoning: reader.count(usage, "output_tokens_details/thinking_tokens"),
        total: None,
    }
}

/// Returns `true` if the usage of a response is of this API, which shares names with the Responses API. The content of
/// the response may be missing.
pub(super) fn is_usage(body: &Object<'_>, usage: &Object<'_>) -> bool {
    const NAMES: [&str; 3] = ["cache_read_input_tokens", "cache_creation_input_tokens", "cache_creation"];
    let is_item_list = body.first(&ITEM_FIELDS).is_some() || usage.get("input_tokens_details").is_some();
    is_message(body) || (usage.first(&NAMES).is_some() && !is_item_list)
}

/// Returns `true` if a response is a message of this API.
fn is_message(body: &Object<'_>) -> bool {
    body.non_null("content").is_some() && body.first(&ITEM_FIELDS).is_none()
}
