//! Request and response bodies built from span fields, in the form of the GenAI conventions.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::fields::{Fields, RequestFields};
use super::json_text::JsonText;
use super::setting_fields::SettingFields;
use super::usage_fields::{CountField, UsageFields};
use crate::semconv;

/// The entries of a body. A serde attribute cannot refer to the constants of [`semconv`].
trait SerializeEntries {
    fn serialize_entries<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error>;
}

/// Serialises a body as a map of its entries.
fn serialize_map<S: Serializer>(body: &impl SerializeEntries, serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(None)?;
    body.serialize_entries(&mut map)?;
    map.end()
}

/// Serialises an entry that has a value.
fn serialize_some<M: SerializeMap>(map: &mut M, name: &str, value: Option<&impl Serialize>) -> Result<(), M::Error> {
    value.map_or(Ok(()), |value| map.serialize_entry(name, value))
}

/// A request body built from span fields.
pub(super) struct RequestBody<'a> {
    input_messages: JsonText<'a>,
    system_instructions: Option<JsonText<'a>>,
    tool_definitions: Option<JsonText<'a>>,
    settings: &'a SettingFields,
}

impl Serialize for RequestBody<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize_map(self, serializer)
    }
}

impl SerializeEntries for RequestBody<'_> {
    fn serialize_entries<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        map.serialize_entry(semconv::INPUT_MESSAGES, &self.input_messages)?;
        serialize_some(map, semconv::SYSTEM_INSTRUCTIONS, self.system_instructions.as_ref())?;
        serialize_some(map, semconv::TOOL_DEFINITIONS, self.tool_definitions.as_ref())?;
        self.settings.iter().try_for_each(|(name, value)| map.serialize_entry(name, value))
    }
}

impl<'a> RequestBody<'a> {
    /// Creates a request body from the recorded fields. Returns `None` if the input messages were not recorded.
    pub(super) fn from_fields(fields: &'a RequestFields) -> Option<Self> {
        Some(Self {
            input_messages: JsonText::parse(fields.input_messages.as_deref()?),
            system_instructions: fields.system_instructions.as_deref().map(JsonText::parse),
            tool_definitions: fields.tool_definitions.as_deref().map(JsonText::parse),
            settings: &fields.settings,
        })
    }
}

/// The fields of a request that were recorded after the call had started. Kept in addition to the request.
pub(super) struct LateRequest<'a> {
    request: Option<RequestBody<'a>>,
    model: Option<&'a str>,
    provider: Option<&'a str>,
}

impl Serialize for LateRequest<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize_map(self, serializer)
    }
}

impl SerializeEntries for LateRequest<'_> {
    fn serialize_entries<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        if let Some(request) = &self.request {
            request.serialize_entries(map)?;
        }
        serialize_some(map, semconv::REQUEST_MODEL, self.model.as_ref())?;
        serialize_some(map, semconv::PROVIDER_NAME, self.provider.as_ref())
    }
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
pub(super) struct ResponseBody<'a> {
    output_messages: Option<JsonText<'a>>,
    response_id: Option<&'a str>,
    model: Option<&'a str>,
    finish_reasons: Option<JsonText<'a>>,
    usage: &'a UsageFields,
}

impl Serialize for ResponseBody<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize_map(self, serializer)
    }
}

impl SerializeEntries for ResponseBody<'_> {
    fn serialize_entries<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        serialize_some(map, semconv::OUTPUT_MESSAGES, self.output_messages.as_ref())?;
        serialize_some(map, semconv::RESPONSE_ID, self.response_id.as_ref())?;
        serialize_some(map, semconv::RESPONSE_MODEL, self.model.as_ref())?;
        serialize_some(map, semconv::RESPONSE_FINISH_REASONS, self.finish_reasons.as_ref())?;
        self.usage.serialize_entries(map)
    }
}

impl Serialize for CountField {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Tokens(count) => serializer.serialize_u64(*count),
            Self::Other(value) => serializer.serialize_str(value),
        }
    }
}

impl SerializeEntries for UsageFields {
    fn serialize_entries<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        serialize_some(map, semconv::USAGE_INPUT_TOKENS, self.input.as_ref())?;
        serialize_some(map, semconv::USAGE_CACHE_READ_INPUT_TOKENS, self.cached.as_ref())?;
        serialize_some(map, semconv::USAGE_CACHE_WRITE_INPUT_TOKENS, self.cache_write.as_ref())?;
        serialize_some(map, semconv::USAGE_OUTPUT_TOKENS, self.output.as_ref())?;
        serialize_some(map, semconv::USAGE_REASONING_OUTPUT_TOKENS, self.reasoning.as_ref())
    }
}

impl<'a> ResponseBody<'a> {
    /// Creates a response body from the recorded fields. Returns `None` if none of them was recorded: any of them shows
    /// that the model answered.
    pub(super) fn from_fields(fields: &'a Fields) -> Option<Self> {
        let has_response = fields.output_messages.is_some()
            || fields.response_id.is_some()
            || fields.response_model.is_some()
            || fields.finish_reasons.is_some()
            || fields.usage.is_reported();
        has_response.then(|| Self {
            output_messages: fields.output_messages.as_deref().map(JsonText::parse),
            response_id: fields.response_id.as_deref(),
            model: fields.response_model.as_deref(),
            finish_reasons: fields.finish_reasons.as_deref().map(JsonText::parse),
            usage: &fields.usage,
        })
    }
}
