//! Reads the parts of messages.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::apis::APIS;
use super::gemini;
use super::object::{Object, list_or_one};
use super::reasoning::{Pieces, Reasoning, thought_signature};
use super::tool::{ToolCall, ToolResult};

/// A part of a message.
#[derive(Debug)]
pub(crate) struct Part<'a> {
    pub(crate) raw: &'a RawValue,
    /// The fields of the part. `None` if it is no object, or a value beside the content of a message.
    pub(crate) object: Option<Object<'a>>,
    /// The type of the part. `None` if it has none.
    pub(crate) kind: Option<Cow<'a, str>>,
    /// The signature that Gemini puts into a part of any type. It signs the reasoning before the part.
    pub(crate) signature: Option<&'a RawValue>,
    pub(crate) content: PartContent<'a>,
    /// Descriptions of a text, such as the sources that the provider found for it.
    pub(crate) annotations: Vec<&'a RawValue>,
    /// The fields of the object that the content was read from.
    pub(crate) read_fields: &'static [&'static str],
}

/// The content of a part.
#[derive(Debug)]
pub(crate) enum PartContent<'a> {
    /// The part is no object: mostly a text.
    Value,
    /// A text. `None` if the part does not contain one.
    Text(Option<&'a RawValue>),
    /// A text of a reasoning item of the Responses API.
    ReasoningText(Option<&'a RawValue>),
    /// A text that summarizes a reasoning item of the Responses API.
    SummaryText(Option<&'a RawValue>),
    /// Entries that together are one piece of reasoning.
    Reasoning(Vec<Reasoning<'a>>),
    /// A part that Gemini marks as a thought: a text, or a part of any other type.
    Thought(Option<&'a RawValue>),
    Call(ToolCall<'a>),
    Result(ToolResult<'a>),
    Refusal(Option<&'a RawValue>),
    Audio(&'a RawValue),
    /// An image, as a text that encodes it.
    Image(&'a RawValue),
    /// A description of the content, such as a source that the provider found for it.
    Annotation,
    /// A text with the sources that the provider found for it.
    Cited(Cited<'a>),
    /// A tool that the provider ran itself: the call with its result.
    Executed,
    /// JSON in place of a text.
    Json(&'a RawValue),
    /// The end of what the provider caches, which is no content and moves from request to request.
    CachePoint,
    /// The provider's own summary of everything before it.
    Compaction(Compaction<'a>),
    /// A part of a type that has no variant of its own.
    Other,
    Malformed(Problem),
}

/// A text with the sources that the provider found for it.
#[derive(Debug)]
pub(crate) struct Cited<'a> {
    pub(crate) text: Pieces<'a>,
    pub(crate) citations: Vec<&'a RawValue>,
}

/// The provider's own summary of everything before it.
#[derive(Debug)]
pub(crate) struct Compaction<'a> {
    /// The summary. `None` if the provider failed to make one; the block then has no effect.
    pub(crate) summary: Option<&'a RawValue>,
    pub(crate) signature: Option<&'a RawValue>,
    /// State of the provider's that belongs to the summary.
    pub(crate) encrypted: Option<&'a RawValue>,
}

/// The reason why a part is malformed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Problem {
    /// The calls beside the content are no list.
    CallsNotAList,
    /// A call is no object.
    CallNotAnObject,
    /// The output of a call is no object.
    ResultNotAnObject,
}

impl Problem {
    /// Returns the problem as a clause about the message.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::CallsNotAList => "its `tool_calls` is not a list",
            Self::CallNotAnObject => "it has a call that is not an object",
            Self::ResultNotAnObject => "it has a function response that is not an object",
        }
    }
}

/// The content of a part whose type an API defines, and the fields of the part that it was read from.
pub(super) struct Recognized<'a> {
    pub(super) content: PartContent<'a>,
    pub(super) read_fields: &'static [&'static str],
}

impl<'a> Recognized<'a> {
    pub(super) fn new(content: PartContent<'a>, read_fields: &'static [&'static str]) -> Self {
        Self { content, read_fields }
    }
}

impl<'a> Part<'a> {
    /// Reads an element of a message's content.
    pub(crate) fn read(raw: &'a RawValue) -> Self {
        let Some(object) = Object::from_value(raw) else { return Self::beside_content(raw, PartContent::Value) };
        let kind = object.text("type");
        let recognized = APIS.iter().find_map(|api| api.part(kind.as_deref(), &object));
        let Recognized { content, read_fields } =
            recognized.unwrap_or_else(|| Recognized::new(PartContent::Other, &[]));
        let signature = thought_signature(&object);
        let fields = if matches!(content, PartContent::Text(_)) { ANNOTATION_FIELDS.as_slice() } else { &[] };
        let annotations = fields.iter().flat_map(|name| list_or_one(&object, name)).collect();
        Self { raw, object: Some(object), kind, signature, content, annotations, read_fields }
    }

    /// Creates a part of a value that stands beside the content of a message.
    pub(super) fn beside_content(raw: &'a RawValue, content: PartContent<'a>) -> Self {
        Self { raw, object: None, kind: None, signature: None, content, annotations: Vec::new(), read_fields: &[] }
    }

    /// Reads an annotation of the content.
    pub(crate) fn read_annotation(raw: &'a RawValue) -> Self {
        Self { content: PartContent::Annotation, read_fields: &[], ..Self::read(raw) }
    }

    /// Reads an annotation that is a source of the content.
    pub(crate) fn read_citation(raw: &'a RawValue) -> Self {
        Self { kind: Some("citation".into()), ..Self::read_annotation(raw) }
    }

    /// Reads a source of the content. `label` is the type of a source without one.
    pub(super) fn read_source(raw: &'a RawValue, label: &'a str) -> Self {
        let annotation = Self::read_annotation(raw);
        Self { kind: annotation.kind.or(Some(label.into())), ..annotation }
    }

    /// Returns the type of the part, or the name of the field that holds the content of a part without a type.
    pub(crate) fn label(&self) -> Option<&str> {
        self.kind.as_deref().or_else(|| gemini::content_field(self.object.as_ref()?))
    }
}

/// Fields of a text that describe it.
const ANNOTATION_FIELDS: [&str; 2] = ["annotations", "citations"];

pub(super) const TEXT_FIELDS: [&str; 2] = ["text", "content"];

/// Reads a part that is a text.
pub(super) fn text<'a>(part: &Object<'a>) -> Recognized<'a> {
    Recognized::new(PartContent::Text(part.first(&TEXT_FIELDS)), &TEXT_FIELDS)
}
