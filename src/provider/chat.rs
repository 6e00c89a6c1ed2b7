//! Chat Completions of OpenAI, and of servers that are compatible with it.

pub(super) mod members;
mod reasoning;
mod stream;

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::anthropic::compaction_block;
use super::api::{Api, Field, ListField};
use super::assembler::{Assembler, Event};
use super::entries::EntryFormat;
use super::history_edit::{self, AppliedEdit};
use super::members::Members;
use super::object::{Object, list, list_or_one, text};
use super::output::{Choice, Output, error_message, stopped_answer};
use super::part::{NonContentParts, Part, PartContent, Problem, Recognized};
use super::settings::{Settings, number, texts};
use super::sources::{self, Source};
use super::stored_content::StoredContent;
use super::usage::{CountReader, TokenCounts};

pub(super) struct Chat;

/// Fields with the input tokens read from a cache: of OpenAI, DeepSeek, Moonshot, Mistral and LiteLLM.
const CACHE_HITS: [&str; 5] = [
    "prompt_tokens_details/cached_tokens",
    "prompt_cache_hit_tokens",
    "cached_tokens",
    "num_cached_tokens",
    "cache_read_input_tokens",
];

/// Fields with the input tokens written to a cache: of OpenAI and OpenRouter, Qwen, LiteLLM and New API.
const CACHE_WRITES: [&str; 5] = [
    "prompt_tokens_details/cache_write_tokens",
    "prompt_tokens_details/cache_creation_input_tokens",
    "prompt_tokens_details/cache_creation_tokens",
    "prompt_tokens_details/cached_creation_tokens",
    "cache_creation_input_tokens",
];

/// Fields with the reasoning tokens: of OpenAI and Perplexity.
const REASONING_COUNTS: [&str; 2] = ["completion_tokens_details/reasoning_tokens", "reasoning_tokens"];

impl Api for Chat {
    fn members(&self) -> &'static Members {
        &members::MEMBERS
    }

    fn list_field(&self) -> ListField {
        ListField { name: "messages", format: EntryFormat::Messages, precedence: 3 }
    }

    fn tools(&self) -> &'static [Field] {
        &[Field { pointer: "/tools" }, Field { pointer: "/functions" }]
    }

    fn documents(&self) -> Option<&'static str> {
        Some("documents")
    }

    /// Cached messages of Gemini's compatible API, which stand in the object of an extension there.
    fn server_side_content<'a>(&self, body: &Object<'a>) -> Option<StoredContent<'a>> {
        let cached = |extension: &Object<'a>| StoredContent::named(extension, "cached_content");
        let extra_body = || body.object("extra_body")?.object("google");
        cached(body).or_else(|| cached(&body.object("google").or_else(extra_body)?))
    }

    fn settings<'a>(&self, body: &Object<'a>) -> Settings<'a> {
        Settings {
            max_tokens: number(body, &["max_completion_tokens", "max_tokens"]),
            top_k: number(body, &["top_k"]),
            frequency_penalty: number(body, &["frequency_penalty"]),
            presence_penalty: number(body, &["presence_penalty"]),
            choice_count: number(body, &["n"]),
            seed: body.number("seed"),
            stop_sequences: texts(body, &["stop"]),
            output_type: body.object("response_format").and_then(|format| output_type(&format)),
            reasoning_level: body.text("reasoning_effort"),
            ..Settings::default()
        }
    }

    fn add_parts_beside_content<'a>(&self, message: &Object<'a>, parts: &mut NonContentParts<'a>) {
        parts.before.extend(reasoning::beside_content(message));
        parts.before.extend(list_or_one(message, "executed_tools").into_iter().map(executed));
        if let Some(gateway) = message.object("provider_specific_fields") {
            let ran = list_or_one(&gateway, "server_side_tool_invocations");
            parts.before.extend(ran.into_iter().map(executed));
            parts.before.extend(list_or_one(&gateway, "compaction_blocks").into_iter().map(compaction_block));
        }
        parts.after.extend(list_or_one(message, "images").into_iter().map(image));
        if let Some(refusal) = message.non_null("refusal") {
            parts.after.push(Part::beside_content(refusal, PartContent::Refusal(Some(refusal))));
        }
        if let Some(audio) = message.non_null("audio") {
            parts.after.push(Part::beside_content(audio, PartContent::Audio(audio)));
        }
        parts.annotations.extend(list_or_one(message, "annotations").into_iter().map(Part::read_annotation));
        // The content as speech. Clients leave it out when they repeat the message.
        let speech = message.non_null("audio_content").filter(|audio| audio.get() != "\"\"");
        parts.annotations.extend(speech.map(|audio| Part::of_source(audio, "audio")));
        parts.annotations.extend(sources::of_message(message).into_iter().map(Source::part));
        if let Some(calls) = message.non_null("tool_calls") {
            match list(calls).or_else(|| Object::from_value(calls).map(|_| vec![calls])) {
                Some(calls) => parts.after.extend(calls.into_iter().map(Part::call_beside_content)),
                None => {
                    let content = PartContent::Malformed(Problem::CallsNotAList);
                    parts.after.push(Part::beside_content(calls, content));
                }
            }
        }
        parts.after.extend(message.non_null("function_call").map(Part::call_beside_content));
    }

    fn part<'a>(&self, kind: Option<&str>, part: &Object<'a>) -> Option<Recognized<'a>> {
        match kind? {
            "text" => Some(Recognized::text(part)),
            "reasoning.text" | "reasoning.summary" | "reasoning.encrypted" => Some(Recognized::reasoning(part)),
            "refusal" => Some(Recognized::new(PartContent::Refusal(part.non_null("refusal")), &[])),
            _ => None,
        }
    }

    fn output<'a>(&self, body: &Object<'a>) -> Option<Output<'a>> {
        let listed = body.list("choices")?;
        let is_empty = listed.is_empty();
        let choices: Vec<_> = listed.into_iter().map_while(choice).collect();
        let has_message = choices.first().map_or(is_empty, |choice| choice.message.is_some());
        Some(if has_message { Output::Choices(choices) } else { Output::Unknown })
    }

    /// Gateways pass on what Anthropic reports in an extension of the message.
    fn applied_edits(&self, body: &Object<'_>) -> Vec<AppliedEdit> {
        let choices = body.list("choices").unwrap_or_default();
        let message = choices.first().and_then(|choice| Object::from_value(choice)?.object("message"));
        let extension = message.and_then(|message| message.object("provider_specific_fields"));
        extension.map(|extension| history_edit::applied(&extension)).unwrap_or_default()
    }

    fn unread_output(&self, body: &Object<'_>) -> Vec<&'static str> {
        let choices = body.list("choices").unwrap_or_default();
        let alternatives = (choices.len() > 1).then_some("choices[1..]");
        // Clients parse the content. Without content, nothing else has what they parsed.
        let message = choices.first().and_then(|choice| Object::from_value(choice)?.object("message"));
        let is_unread = |message: Object<'_>| {
            message.non_null("content").is_none()
                && message.non_null("parsed").is_some_and(|_| message.get("tool_calls").is_none())
        };
        let parsed = message.is_some_and(is_unread).then_some("choices[].message.parsed");
        alternatives.into_iter().chain(parsed).collect()
    }

    fn sources<'a>(&self, body: &Object<'a>) -> Vec<Source<'a>> {
        sources::of_response(body)
    }

    /// Gateways report in a choice that the server behind them failed half-way.
    fn answer_problem(&self, body: &Object<'_>) -> Option<String> {
        let choice = Object::from_value(body.list("choices")?.first()?)?;
        let error = choice.non_null("error").map(error_message);
        error.or_else(|| {
            let reason = choice.text("finish_reason").filter(|reason| *reason == "content_filter")?;
            Some(stopped_answer(&reason, None))
        })
    }

    /// The names are this API's alone.
    fn usage(&self, body: &Object<'_>, usage: Option<&Object<'_>>, reader: &mut CountReader) -> Option<TokenCounts> {
        let elsewhere = if usage.is_none() { usage_elsewhere(body) } else { None };
        let usage = usage.or(elsewhere.as_ref()).filter(|usage| has_counts(usage))?;
        let written_1h = reader.count(usage, "cache_creation/ephemeral_1h_input_tokens");
        let counts = TokenCounts {
            input: reader.count(usage, "prompt_tokens"),
            cached: reader.first(usage, &CACHE_HITS),
            cache_write: reader.first(usage, &CACHE_WRITES).or(written_1h),
            cache_write_1h: written_1h,
            output: reader.count(usage, "completion_tokens"),
            reasoning: reader.first(usage, &REASONING_COUNTS),
            total: reader.count(usage, "total_tokens"),
        };
        Some(counts.with_cache_in_input())
    }

    fn assembler(&self, event: &Event<'_>) -> Option<Box<dyn Assembler>> {
        stream::is_chunk(event).then(|| -> Box<dyn Assembler> { Box::<stream::StreamedChat>::default() })
    }
}

/// Returns the form of the output that a format asks for, in the terms of the GenAI conventions.
fn output_type(format: &Object<'_>) -> Option<Cow<'static, str>> {
    match &*format.text("type")? {
        "json_object" | "json_schema" => Some("json".into()),
        "text" => Some("text".into()),
        _ => None,
    }
}

/// Reads an image that the model returned beside the content: a part, or a text that encodes the image.
fn image(raw: &RawValue) -> Part<'_> {
    Part::of_content(raw, if text(raw).is_some() { PartContent::Image(raw) } else { PartContent::Other })
}

/// Returns the usage where some servers put it in the last piece of a stream: in a field of their own (Groq), or in the
/// first choice (Moonshot).
fn usage_elsewhere<'a>(body: &Object<'a>) -> Option<Object<'a>> {
    let of_groq = body.object("x_groq").and_then(|groq| groq.object("usage"));
    of_groq.or_else(|| Object::from_value(body.list("choices")?.first()?)?.object("usage"))
}

/// Reads a tool that the server ran before it answered, as Groq does.
fn executed(raw: &RawValue) -> Part<'_> {
    Part::of_content(raw, PartContent::Executed)
}

/// Fields of a choice that may hold the answer: a message, the only piece of a stream, or a text.
const ANSWERS: [&str; 3] = ["message", "delta", "text"];

fn choice(raw: &RawValue) -> Option<Choice<'_>> {
    let choice = Object::from_value(raw)?;
    Some(Choice { message: choice.first(&ANSWERS), reasoning: None, finish_reason: choice.non_null("finish_reason") })
}

/// Returns `true` if the usage has the names of this API.
pub(super) fn has_counts(usage: &Object<'_>) -> bool {
    usage.first(&["prompt_tokens", "completion_tokens"]).is_some()
}
