//! Parts of messages in the schema of the GenAI conventions.

use std::borrow::Cow;

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::value::RawValue;

use crate::provider::{CallArguments, Object, Pieces, text};

/// A part of a message: its type and its fields. Values are passed on as the payload spells them, not parsed and
/// written anew.
#[derive(Debug)]
pub(super) struct Part<'a> {
    kind: Cow<'static, str>,
    fields: Vec<(Cow<'static, str>, PartValue<'a>)>,
}

/// A value of a payload, or JSON that is embedded in one of its texts.
#[derive(Debug)]
pub(super) enum PartValue<'a> {
    Raw(&'a RawValue),
    Embedded(Box<RawValue>),
    Text(&'static str),
}

/// Fields that are left out: the type is written first anyway, and cache markers move from request to request.
const OMITTED_FIELDS: [&str; 2] = ["type", "cache_control"];

impl<'a> Part<'a> {
    pub(super) fn new(kind: impl Into<Cow<'static, str>>) -> Self {
        Self { kind: kind.into(), fields: Vec::new() }
    }

    /// Returns `true` if the part is a tool call.
    pub(super) fn is_call(&self) -> bool {
        self.kind == "tool_call"
    }

    pub(super) fn text(value: &'a RawValue) -> Self {
        Self::new("text").with("content", Some(value))
    }

    pub(super) fn reasoning(content: Option<&'a RawValue>) -> Self {
        let content = content.map_or(PartValue::Text(""), PartValue::Raw);
        Self { kind: "reasoning".into(), fields: vec![("content".into(), content)] }
    }

    pub(super) fn tool_call(
        id: Option<&'a RawValue>,
        name: Option<&'a RawValue>,
        arguments: CallArguments<'a>,
    ) -> Self {
        let mut call = Self::new("tool_call").with("id", id).with("name", name);
        let arguments = match arguments {
            CallArguments::Json(arguments) => Some(parse_embedded(arguments)),
            CallArguments::Verbatim(arguments) => Some(PartValue::Raw(arguments)),
            CallArguments::Empty | CallArguments::Missing => None,
        };
        call.fields.extend(arguments.map(|arguments| ("arguments".into(), arguments)));
        call
    }

    pub(super) fn tool_call_response(id: Option<&'a RawValue>, response: Option<&'a RawValue>) -> Self {
        let mut part = Self::new("tool_call_response").with("id", id);
        part.fields.push(("response".into(), response.map_or(PartValue::Text(""), PartValue::Raw)));
        part
    }

    /// Creates an image of a text that encodes it.
    pub(super) fn image(content: &'a RawValue) -> Self {
        let modality = ("modality".into(), PartValue::Text("image"));
        Self { kind: "blob".into(), fields: vec![modality, ("content".into(), PartValue::Raw(content))] }
    }

    /// Creates a part that the conventions do not define, with its own type and all of its fields.
    pub(super) fn unmapped(kind: &str, part: &Object<'a>) -> Self {
        Self::new(kind.to_owned()).with_other_fields(part, &[])
    }

    /// Creates a part of type `unknown` for a value that is not an object with a known type.
    pub(super) fn unknown(value: &'a RawValue) -> Self {
        Self::new("unknown").with("value", Some(value))
    }

    /// Adds a field if it has a value.
    pub(super) fn with(mut self, name: &'static str, value: Option<&'a RawValue>) -> Self {
        self.fields.extend(value.map(|value| (name.into(), PartValue::Raw(value))));
        self
    }

    /// Adds a text that may be in pieces, if there is one.
    pub(super) fn with_pieces(mut self, name: &'static str, pieces: &Pieces<'a>) -> Self {
        let value = pieces.as_json().map(|json| match json {
            Cow::Borrowed(piece) => PartValue::Raw(piece),
            Cow::Owned(joined) => PartValue::Embedded(joined),
        });
        self.fields.extend(value.map(|value| (name.into(), value)));
        self
    }

    /// Adds the fields of an object that were not `consumed` yet, except for empty ones.
    pub(super) fn with_other_fields(mut self, object: &Object<'a>, consumed: &[&str]) -> Self {
        for (name, value) in object.fields() {
            let is_omitted = OMITTED_FIELDS.contains(&name) || consumed.contains(&name);
            let is_taken = self.fields.iter().any(|(taken, _)| taken == name);
            if !is_omitted && !is_taken && !matches!(value.get(), "null" | "[]") {
                self.fields.push((name.to_owned().into(), PartValue::Raw(value)));
            }
        }
        self
    }
}

/// Parses arguments that are JSON in a text, as they mostly are. A text that is not JSON stays a text.
fn parse_embedded(arguments: &RawValue) -> PartValue<'_> {
    let json = text(arguments).filter(|text| text.trim_start().starts_with(['{', '[']));
    match json.and_then(|json| serde_json::from_str(&json).ok()) {
        Some(embedded) => PartValue::Embedded(embedded),
        None => PartValue::Raw(arguments),
    }
}

impl Serialize for Part<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { kind, fields } = self;
        let mut map = serializer.serialize_map(Some(1 + fields.len()))?;
        map.serialize_entry("type", kind)?;
        fields.iter().try_for_each(|(name, value)| map.serialize_entry(name, value))?;
        map.end()
    }
}

impl Serialize for PartValue<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Raw(value) => value.serialize(serializer),
            Self::Embedded(value) => value.serialize(serializer),
            Self::Text(text) => serializer.serialize_str(text),
        }
    }
}
