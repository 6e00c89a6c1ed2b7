//! The attributes and the schemas of the GenAI conventions.

mod members;

use super::api::{Api, Field, ListField};
use super::entries::EntryFormat;
use super::members::Members;
use super::object::{Object, text};
use super::output::Output;
use super::part::{PartContent, Recognized};
use super::settings::{Settings, number, texts};
use super::tool::{RESPONSE_FIELDS, ToolResult};
use super::usage::{CountReader, TokenCounts};
use crate::semconv;

pub(super) struct GenAi;

const OUTPUT_FIELD: &str = semconv::OUTPUT_MESSAGES;
const CACHE_WRITE_FIELDS: [&str; 2] =
    [semconv::USAGE_CACHE_WRITE_INPUT_TOKENS, semconv::USAGE_CACHE_CREATION_INPUT_TOKENS];

impl Api for GenAi {
    fn members(&self) -> &'static Members {
        &members::MEMBERS
    }

    fn list_field(&self) -> ListField {
        ListField { name: semconv::INPUT_MESSAGES, format: EntryFormat::AttributeMessages, precedence: 1 }
    }

    fn instructions(&self) -> &'static [Field] {
        &[Field { pointer: "/gen_ai.system_instructions" }]
    }

    fn has_conventions_schema(&self) -> bool {
        true
    }

    fn tools(&self) -> &'static [Field] {
        &[Field { pointer: "/gen_ai.tool.definitions" }]
    }

    fn settings<'a>(&self, body: &Object<'a>) -> Settings<'a> {
        Settings {
            temperature: number(body, &[semconv::REQUEST_TEMPERATURE]),
            top_p: number(body, &[semconv::REQUEST_TOP_P]),
            top_k: number(body, &[semconv::REQUEST_TOP_K]),
            max_tokens: number(body, &[semconv::REQUEST_MAX_TOKENS]),
            frequency_penalty: number(body, &[semconv::REQUEST_FREQUENCY_PENALTY]),
            presence_penalty: number(body, &[semconv::REQUEST_PRESENCE_PENALTY]),
            choice_count: number(body, &[semconv::REQUEST_CHOICE_COUNT]),
            seed: body.number(semconv::REQUEST_SEED),
            stop_sequences: texts(body, &[semconv::REQUEST_STOP_SEQUENCES]),
            stream: body.number(semconv::REQUEST_STREAM),
            output_type: body.text(semconv::OUTPUT_TYPE),
            reasoning_level: body.text(semconv::REQUEST_REASONING_LEVEL),
        }
    }

    fn part<'a>(&self, kind: Option<&str>, part: &Object<'a>) -> Option<Recognized<'a>> {
        match kind? {
            "text" => Some(Recognized::text(part)),
            "reasoning" => Some(Recognized::reasoning(part)),
            "tool_call" => Some(Recognized::call(part)),
            "tool_call_response" => {
                Some(Recognized::new(PartContent::Result(ToolResult::read_value(part)), &RESPONSE_FIELDS))
            }
            _ => None,
        }
    }

    fn output<'a>(&self, body: &Object<'a>) -> Option<Output<'a>> {
        body.non_null(OUTPUT_FIELD).map(Output::AttributeMessages)
    }

    fn response_id_fields(&self) -> &'static [&'static str] {
        &[semconv::RESPONSE_ID]
    }

    fn model_fields(&self) -> &'static [&'static str] {
        &[semconv::RESPONSE_MODEL]
    }

    /// A span may have the field without content.
    fn finish_reasons(&self, body: &Object<'_>) -> Vec<String> {
        let Some(reasons) = body.non_null(semconv::RESPONSE_FINISH_REASONS) else { return Vec::new() };
        let inside = text(reasons);
        let json = inside.as_deref().unwrap_or_else(|| reasons.get());
        serde_json::from_str(json).unwrap_or_default()
    }

    fn usage(&self, body: &Object<'_>, _: Option<&Object<'_>>, reader: &mut CountReader) -> Option<TokenCounts> {
        Some(TokenCounts {
            input: reader.first(body, &[semconv::USAGE_INPUT_TOKENS, semconv::USAGE_PROMPT_TOKENS]),
            cached: reader.count(body, semconv::USAGE_CACHE_READ_INPUT_TOKENS),
            cache_write: reader.first(body, &CACHE_WRITE_FIELDS),
            output: reader.first(body, &[semconv::USAGE_OUTPUT_TOKENS, semconv::USAGE_COMPLETION_TOKENS]),
            reasoning: reader.first(body, &[semconv::USAGE_REASONING_OUTPUT_TOKENS, semconv::USAGE_REASONING_TOKENS]),
            ..TokenCounts::default()
        })
    }
}

/// Returns `true` if the field is a span attribute that does not hold output.
pub(super) fn is_metadata(name: &str) -> bool {
    name.starts_with("gen_ai.") && name != OUTPUT_FIELD
}
