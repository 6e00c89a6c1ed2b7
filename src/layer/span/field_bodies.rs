//! Request and response bodies built from span fields, in the form of the GenAI conventions.

use serde::Serialize;

use super::fields::{Fields, PartialUsage, RequestFields};
use super::json_text::JsonText;

/// A request body built from span fields.
#[derive(Serialize)]
pub(super) struct RequestBody<'a> {
    #[serde(rename = "gen_ai.input.messages")]
    input_messages: JsonText<'a>,
    #[serde(rename = "gen_ai.system_instructions", skip_serializing_if = "Option::is_none")]
    system_instructions: Option<JsonText<'a>>,
    #[serde(rename = "gen_ai.tool.definitions", skip_serializing_if = "Option::is_none")]
    tool_definitions: Option<JsonText<'a>>,
}

impl<'a> RequestBody<'a> {
    /// Creates a request body from the recorded fields. Returns `None` if the input messages were not recorded.
    pub(super) fn from_fields(fields: &'a RequestFields) -> Option<Self> {
        Some(Self {
            input_messages: JsonText::parse(fields.input_messages.as_deref()?),
            system_instructions: fields.system_instructions.as_deref().map(JsonText::parse),
            tool_definitions: fields.tool_definitions.as_deref().map(JsonText::parse),
        })
    }
}

/// The fields of a request that were recorded after the call had started. Kept in addition to the request.
#[derive(Serialize)]
pub(super) struct LateRequest<'a> {
    #[serde(flatten)]
    request: Option<RequestBody<'a>>,
    #[serde(rename = "gen_ai.request.model", skip_serializing_if = "Option::is_none")]
    model: Option<&'a str>,
    #[serde(rename = "gen_ai.provider.name", skip_serializing_if = "Option::is_none")]
    provider: Option<&'a str>,
}

impl<'a> LateRequest<'a> {
    /// Creates a body with the request fields that differ from `known`, the fields that the call started with. Returns
    /// `None` if no request field changed.
    pub(super) fn from_fields(known: &Fields, fields: &'a Fields) -> Option<Self> {
        let is_new = known.request != fields.request;
        let model = fields.model.as_deref().filter(|model| known.model.as_deref() != Some(model));
        let provider = fields.provider.as_deref().filter(|provider| known.provider.as_deref() != Some(provider));
        (is_new || model.is_some() || provider.is_some()).then(|| Self {
            request: RequestBody::from_fields(&fields.request).filter(|_| is_new),
            model,
            provider,
        })
    }
}

/// A response body built from span fields.
#[derive(Serialize)]
pub(super) struct ResponseBody<'a> {
    #[serde(rename = "gen_ai.output.messages", skip_serializing_if = "Option::is_none")]
    output_messages: Option<JsonText<'a>>,
    #[serde(rename = "gen_ai.response.id", skip_serializing_if = "Option::is_none")]
    response_id: Option<&'a str>,
    #[serde(rename = "gen_ai.response.model", skip_serializing_if = "Option::is_none")]
    model: Option<&'a str>,
    #[serde(rename = "gen_ai.response.finish_reasons", skip_serializing_if = "Option::is_none")]
    finish_reasons: Option<JsonText<'a>>,
    #[serde(flatten)]
    usage: UsageFields,
}

/// The token counts of a response body.
#[derive(Serialize)]
struct UsageFields {
    #[serde(rename = "gen_ai.usage.input_tokens", skip_serializing_if = "Option::is_none")]
    input: Option<u64>,
    #[serde(rename = "gen_ai.usage.cache_read.input_tokens", skip_serializing_if = "Option::is_none")]
    cached: Option<u64>,
    #[serde(rename = "gen_ai.usage.cache_write.input_tokens", skip_serializing_if = "Option::is_none")]
    cache_write: Option<u64>,
    #[serde(rename = "gen_ai.usage.output_tokens", skip_serializing_if = "Option::is_none")]
    output: Option<u64>,
    #[serde(rename = "gen_ai.usage.reasoning.output_tokens", skip_serializing_if = "Option::is_none")]
    reasoning: Option<u64>,
}

impl From<PartialUsage> for UsageFields {
    fn from(usage: PartialUsage) -> Self {
        let PartialUsage { input, cached, cache_write, output, reasoning } = usage;
        Self { input, cached, cache_write, output, reasoning }
    }
}

impl<'a> ResponseBody<'a> {
    /// Creates a response body from the recorded fields. Returns `None` if neither output messages nor response id nor
    /// usage were recorded.
    pub(super) fn from_fields(fields: &'a Fields) -> Option<Self> {
        let has_response = fields.output_messages.is_some() || fields.response_id.is_some() || fields.usage().is_some();
        has_response.then(|| Self {
            output_messages: fields.output_messages.as_deref().map(JsonText::parse),
            response_id: fields.response_id.as_deref(),
            model: fields.response_model.as_deref(),
            finish_reasons: fields.finish_reasons.as_deref().map(JsonText::parse),
            usage: fields.usage.into(),
        })
    }
}
