//! The attributes and the schemas of the GenAI conventions.

use super::api::{Api, Field, ListField};
use super::entries::EntryFormat;
use super::object::{Object, text};
use super::part::{self, PartContent, Recognized};
use super::response::Output;
use super::settings::{Settings, number};
use super::tool::{RESPONSE_FIELDS, ToolCall, ToolResult};
use super::usage::{count, usage_from_counts};
use crate::event::Usage;

pub(super) struct GenAi;

const OUTPUT_FIELD: &str = "gen_ai.output.messages";

impl Api for GenAi {
    fn list_field(&self) -> ListField {
        ListField { name: "gen_ai.input.messages", format: EntryFormat::AttributeMessages, precedence: 1 }
    }

    fn instructions(&self) -> &'static [Field] {
        &[Field { name: "gen_ai.system_instructions", pointer: "/gen_ai.system_instructions" }]
    }

    fn has_conventions_schema(&self) -> bool {
        true
    }

    fn tools(&self) -> &'static [Field] {
        &[Field { name: "gen_ai.tool.definitions", pointer: "/gen_ai.tool.definitions" }]
    }

    fn settings<'a>(&self, body: &Object<'a>) -> Settings<'a> {
        Settings {
            temperature: number(body, &["gen_ai.request.temperature"]),
            top_p: number(body, &["gen_ai.request.top_p"]),
            max_tokens: number(body, &["gen_ai.request.max_tokens"]),
            stream: body.number("gen_ai.request.stream"),
            reasoning_level: body.text("gen_ai.request.reasoning.level"),
        }
    }

    fn part<'a>(&self, kind: Option<&str>, part: &Object<'a>) -> Option<Recognized<'a>> {
        match kind? {
            "text" => Some(part::text(part)),
            "reasoning" => Some(part::reasoning(part)),
            "tool_call" => Some(ToolCall::read_part(part)),
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
        &["gen_ai.response.id"]
    }

    fn model_fields(&self) -> &'static [&'static str] {
        &["gen_ai.response.model"]
    }

    /// A span may have the field without content.
    fn finish_reasons(&self, body: &Object<'_>) -> Vec<String> {
        let Some(reasons) = body.non_null("gen_ai.response.finish_reasons") else { return Vec::new() };
        let inside = text(reasons);
        let json = inside.as_deref().unwrap_or_else(|| reasons.get());
        serde_json::from_str(json).unwrap_or_default()
    }

    fn usage(&self, body: &Object<'_>, _: Option<&Object<'_>>) -> Option<Usage> {
        let input = count(body, "gen_ai.usage.input_tokens");
        let cached = count(body, "gen_ai.usage.cache_read.input_tokens");
        let output = count(body, "gen_ai.usage.output_tokens");
        usage_from_counts(input, cached, output, count(body, "gen_ai.usage.reasoning.output_tokens"))
    }

    fn cache_write_tokens(&self, body: &Object<'_>, _: Option<&Object<'_>>) -> Option<u64> {
        const FIELDS: [&str; 2] = ["gen_ai.usage.cache_write.input_tokens", "gen_ai.usage.cache_creation.input_tokens"];
        FIELDS.iter().find_map(|name| body.number(name))
    }
}

/// Returns `true` if the field is a span attribute that does not hold output.
pub(super) fn is_metadata(name: &str) -> bool {
    name.starts_with("gen_ai.") && name != OUTPUT_FIELD
}
