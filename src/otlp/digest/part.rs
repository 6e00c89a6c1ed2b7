//! The parts of messages in the schema of the GenAI conventions.

use std::borrow::Cow;

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::value::RawValue;

use crate::reduce::{Object, text};

/// A part: its type, and what else it has. What a body says is passed on as it was written, not read and written anew.
#[derive(Debug)]
pub(super) struct Part<'a> {
    kind: Cow<'static, str>,
    fields: Vec<(Cow<'static, str>, Json<'a>)>,
}

/// A value of a body, or what stands inside a text of it.
#[derive(Debug)]
pub(super) enum Json<'a> {
    Given(&'a RawValue),
    Inside(Box<RawValue>),
    EmptyText,
}

/// What is told where it stands, or moves from request to request.
const PASSED_OVER: [&str; 2] = ["type", "cache_control"];

impl<'a> Part<'a> {
    pub(super) fn new(kind: impl Into<Cow<'static, str>>) -> Self {
        Self { kind: kind.into(), fields: Vec::new() }
    }

    /// Whether it asks for a tool.
    pub(super) fn is_call(&self) -> bool {
        self.kind == "tool_call"
    }

    pub(super) fn text(said: &'a RawValue) -> Self {
        Self::new("text").with("content", Some(said))
    }

    pub(super) fn reasoning(thought: Option<&'a RawValue>) -> Self {
        let content = thought.map_or(Json::EmptyText, Json::Given);
        Self { kind: "reasoning".into(), fields: vec![("content".into(), content)] }
    }

    pub(super) fn tool_call(
        id: Option<&'a RawValue>,
        name: Option<&'a RawValue>,
        arguments: Option<&'a RawValue>,
    ) -> Self {
        let mut call = Self::new("tool_call").with("id", id).with("name", name);
        call.fields.extend(arguments.map(|arguments| ("arguments".into(), inside(arguments))));
        call
    }

    pub(super) fn tool_call_response(id: Option<&'a RawValue>, response: Option<&'a RawValue>) -> Self {
        let mut part = Self::new("tool_call_response").with("id", id);
        part.fields.push(("response".into(), response.map_or(Json::EmptyText, Json::Given)));
        part
    }

    /// What the conventions have no part for: as it was, under its own type.
    pub(super) fn as_it_was(kind: &str, part: &Object<'a>) -> Self {
        Self::new(kind.to_owned()).with_rest_of(part, &[])
    }

    /// What is no part at all.
    pub(super) fn unknown(value: &'a RawValue) -> Self {
        Self::new("unknown").with("value", Some(value))
    }

    pub(super) fn with(mut self, name: &'static str, value: Option<&'a RawValue>) -> Self {
        self.fields.extend(value.map(|value| (name.into(), Json::Given(value))));
        self
    }

    /// With what else an object has beside the fields that were `read`. What says nothing is left out.
    pub(super) fn with_rest_of(mut self, object: &Object<'a>, read: &[&str]) -> Self {
        for (name, value) in object.fields() {
            let is_told = PASSED_OVER.contains(&name) || read.contains(&name);
            let is_taken = self.fields.iter().any(|(taken, _)| taken == name);
            if !is_told && !is_taken && !matches!(value.get(), "null" | "[]") {
                self.fields.push((name.to_owned().into(), Json::Given(value)));
            }
        }
        self
    }
}

/// Arguments are mostly JSON as text. A tool may be given any text, which stays text.
fn inside(arguments: &RawValue) -> Json<'_> {
    let json = text(arguments).filter(|text| text.trim_start().starts_with(['{', '[']));
    match json.and_then(|json| serde_json::from_str(&json).ok()) {
        Some(inside) => Json::Inside(inside),
        None => Json::Given(arguments),
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

impl Serialize for Json<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Given(value) => value.serialize(serializer),
            Self::Inside(value) => value.serialize(serializer),
            Self::EmptyText => serializer.serialize_str(""),
        }
    }
}
