//! Converse of Amazon Bedrock. Its parts have no type and are recognized by their only field.

mod members;
mod stream;

use serde_json::value::RawValue;

use super::api::{Api, Field, ListField};
use super::assembler::{Assembler, Event};
use super::entries::EntryFormat;
use super::history_edit::{self, AppliedEdit};
use super::members::Members;
use super::object::{Object, list_or_one};
use super::output::{Choice, Output, stopped_answer};
use super::part::{Cited, PartContent, Problem, Recognized};
use super::reasoning::{Pieces, Reasoning};
use super::settings::{Settings, number, texts};
use super::stored_content::StoredContent;
use super::tool::{self, CallArguments, ToolCall, ToolResult};
use super::usage::{CountReader, TokenCounts, sum};

pub(super) struct Converse;

impl Api for Converse {
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
        &[Field { pointer: "/toolConfig/tools" }]
    }

    /// A prompt stands in place of the model, and mostly of the messages.
    fn stored_prompt<'a>(&self, body: &Object<'a>) -> Option<StoredContent<'a>> {
        body.non_null("promptVariables")?;
        // Clients put the name of the prompt into the body, or into the URL alone.
        Some(StoredContent { field: "modelId", id: body.text("modelId").unwrap_or("a stored prompt".into()) })
    }

    fn settings<'a>(&self, body: &Object<'a>) -> Settings<'a> {
        let config = body.object("inferenceConfig").unwrap_or_default();
        Settings {
            temperature: number(&config, &["temperature"]),
            top_p: number(&config, &["topP"]),
            max_tokens: number(&config, &["maxTokens"]),
            stop_sequences: texts(&config, &["stopSequences"]),
            ..Settings::default()
        }
    }

    fn part<'a>(&self, kind: Option<&str>, part: &Object<'a>) -> Option<Recognized<'a>> {
        if kind.is_some() {
            return None;
        }
        if let Some(call) = part.non_null("toolUse") {
            return Some(Recognized::new(tool_use(call), &["toolUse"]));
        }
        if let Some(result) = part.non_null("toolResult") {
            return Some(Recognized::new(tool_result(result), &["toolResult"]));
        }
        if let Some(reasoning) = part.object("reasoningContent") {
            let content = PartContent::Reasoning(vec![reasoning_content(&reasoning)]);
            return Some(Recognized::new(content, &["reasoningContent"]));
        }
        if let Some(cited) = part.object("citationsContent") {
            return Some(Recognized::new(PartContent::Cited(citations_content(&cited)), &["citationsContent"]));
        }
        if let Some(text) = part.object("guardContent").and_then(|guarded| guarded.object("text")?.non_null("text")) {
            return Some(Recognized::new(PartContent::Text(Some(text)), &["guardContent"]));
        }
        if part.get("cachePoint").is_some() {
            return Some(Recognized::new(PartContent::CachePoint, &["cachePoint"]));
        }
        part.get("json").map(|value| Recognized::new(PartContent::Json(value), &["json"]))
    }

    fn output<'a>(&self, body: &Object<'a>) -> Option<Output<'a>> {
        let message = Some(message(body)?);
        Some(Output::Choices(vec![Choice { message, reasoning: None, finish_reason: body.non_null("stopReason") }]))
    }

    fn answer_problem(&self, body: &Object<'_>) -> Option<String> {
        const STOPS: [&str; 4] =
            ["content_filtered", "guardrail_intervened", "malformed_model_output", "malformed_tool_use"];
        let reason = body.text("stopReason").filter(|reason| STOPS.contains(&&**reason))?;
        let trace = body.object("trace").and_then(|trace| trace.object("guardrail"));
        let explanation = trace.and_then(|trace| trace.text("actionReason")).filter(|why| !why.is_empty());
        Some(stopped_answer(&reason, explanation.as_deref()))
    }

    /// Members of the model's own response that the request asked for.
    fn applied_edits(&self, body: &Object<'_>) -> Vec<AppliedEdit> {
        body.object("additionalModelResponseFields").map(|fields| history_edit::applied(&fields)).unwrap_or_default()
    }

    /// Input tokens exclude those read from and written to the cache.
    fn usage(&self, _: &Object<'_>, usage: Option<&Object<'_>>, reader: &mut CountReader) -> Option<TokenCounts> {
        let usage = usage.filter(|usage| usage.first(&["inputTokens", "outputTokens", "totalTokens"]).is_some())?;
        // Some versions of the API spell the names with `Count`, some have both.
        let cached = reader.first(usage, &["cacheReadInputTokens", "cacheReadInputTokenCount"]);
        let cache_write = reader.first(usage, &["cacheWriteInputTokens", "cacheWriteInputTokenCount"]);
        Some(TokenCounts {
            input: sum([reader.count(usage, "inputTokens"), cached, cache_write]),
            cached,
            cache_write,
            cache_write_1h: written_for_one_hour(usage, reader),
            output: reader.count(usage, "outputTokens"),
            reasoning: None,
            total: reader.count(usage, "totalTokens"),
        })
    }

    fn assembler(&self, event: &Event<'_>) -> Option<Box<dyn Assembler>> {
        stream::is_event(event).then(|| -> Box<dyn Assembler> { Box::<stream::StreamedConverse>::default() })
    }
}

/// Returns the message of a response, which stands in an object where the Responses API has a list.
pub(super) fn message<'a>(body: &Object<'a>) -> Option<&'a RawValue> {
    body.object("output")?.non_null("message")
}

fn tool_use(raw: &RawValue) -> PartContent<'_> {
    let Some(call) = Object::from_value(raw) else { return PartContent::Malformed(Problem::CallNotAnObject) };
    PartContent::Call(ToolCall {
        id: call.non_null("toolUseId"),
        name: call.non_null("name"),
        arguments: call.non_null("input").map_or(CallArguments::Missing, CallArguments::Json),
        called: Some(call),
    })
}

fn tool_result(raw: &RawValue) -> PartContent<'_> {
    let Some(result) = Object::from_value(raw) else { return PartContent::Malformed(Problem::ResultNotAnObject) };
    PartContent::Result(ToolResult {
        call_id: result.non_null("toolUseId"),
        name: None,
        is_error: tool::reports_error(&result),
        value: result.non_null("content"),
        is_content: true,
        response: Some(result),
    })
}

/// Reads reasoning, whose text stands in an object with its signature. Redacted reasoning has no text.
fn reasoning_content<'a>(content: &Object<'a>) -> Reasoning<'a> {
    let signed = content.object("reasoningText").unwrap_or_default();
    let reasoning = Reasoning::from_object(&signed);
    let data = Pieces::from_text(content.non_null("redactedContent"));
    Reasoning { object: Some(signed), data, ..reasoning }
}

fn citations_content<'a>(content: &Object<'a>) -> Cited<'a> {
    let mut citations = list_or_one(content, "citations");
    let mut text = Pieces::default();
    content.non_null("content").into_iter().for_each(|generated| text.add(generated, &mut citations));
    Cited { text, citations }
}

/// Returns the tokens written to a cache for one hour. Returns `None` if no detail says for how long.
fn written_for_one_hour(usage: &Object<'_>, reader: &mut CountReader) -> Option<u64> {
    let details = list_or_one(usage, "cacheDetails").into_iter().filter_map(Object::from_value);
    let for_one_hour = details.filter(|detail| detail.text("ttl").as_deref() == Some("1h"));
    for_one_hour.filter_map(|detail| reader.count(&detail, "inputTokens")).reduce(u64::saturating_add)
}
