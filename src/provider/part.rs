//! The parts of messages: what an API makes of one.
//!
//! [`Part::read`] is in [`part_reader`](super::part_reader), because it asks all APIs.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::object::{Object, is_null};
use super::reasoning::{Pieces, REASONING_FIELDS, Reasoning, TEXT_FIELDS, thought_signature};
use super::tool::{ARGUMENT_FIELDS, ToolCall, ToolResult};

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
    /// Instructions in the middle of a message of the user.
    Instructions(Option<Content<'a>>),
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
    /// The calls beside the content are neither a list nor one call.
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

/// The content of a message: a text, a list of parts, or one part.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Content<'a>(pub(crate) &'a RawValue);

/// The parts of a message that stand beside its content.
#[derive(Debug, Default)]
pub(crate) struct NonContentParts<'a> {
    pub(crate) before: Vec<Part<'a>>,
    /// Parts that describe the content. They follow it.
    pub(crate) annotations: Vec<Part<'a>>,
    pub(crate) after: Vec<Part<'a>>,
}

impl<'a> NonContentParts<'a> {
    /// Returns the parts before the content, and those behind it.
    pub(crate) fn around_content(self) -> (Vec<Part<'a>>, Vec<Part<'a>>) {
        let Self { before, annotations: mut behind, after } = self;
        behind.extend(after);
        (before, behind)
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

    /// Reads a part that is a text.
    pub(super) fn text(part: &Object<'a>) -> Self {
        Self::new(PartContent::Text(part.first(&TEXT_FIELDS)), &TEXT_FIELDS)
    }

    /// Reads a part that is reasoning.
    pub(super) fn reasoning(part: &Object<'a>) -> Self {
        Self::new(PartContent::Reasoning(vec![Reasoning::from_object(part)]), &REASONING_FIELDS)
    }

    /// Reads a part that is a call.
    pub(super) fn call(part: &Object<'a>) -> Self {
        let call = ToolCall::read(part);
        let read_fields: &[&str] = if call.called.is_some() { &["function", "custom"] } else { &ARGUMENT_FIELDS };
        Self::new(PartContent::Call(call), read_fields)
    }
}

impl<'a> Part<'a> {
    /// Creates a part of a value that stands beside the content of a message.
    pub(super) fn beside_content(raw: &'a RawValue, content: PartContent<'a>) -> Self {
        Self { raw, object: None, kind: None, signature: None, content, annotations: Vec::new(), read_fields: &[] }
    }

    /// Creates a part of a value whose content is known from where it stands.
    pub(super) fn of_content(raw: &'a RawValue, content: PartContent<'a>) -> Self {
        let Some(object) = Object::from_value(raw) else { return Self::beside_content(raw, content) };
        let (kind, signature) = (object.text("type"), thought_signature(&object));
        Self { object: Some(object), kind, signature, ..Self::beside_content(raw, content) }
    }

    /// Reads a call that stands beside the content of a message.
    pub(super) fn call_beside_content(raw: &'a RawValue) -> Self {
        let Some(object) = Object::from_value(raw) else {
            return Self::beside_content(raw, PartContent::Malformed(Problem::CallNotAnObject));
        };
        let call = ToolCall::read(&object);
        let signature = thought_signature(&object).or_else(|| call.called.as_ref().and_then(thought_signature));
        let content = PartContent::Call(ToolCall { called: call.called.or(Some(object)), ..call });
        Self { signature, ..Self::beside_content(raw, content) }
    }

    /// Reads the reasoning beside an answer that is a text.
    #[cfg(feature = "otlp")]
    pub(crate) fn reasoning_beside_text(raw: &'a RawValue) -> Self {
        Self::beside_content(raw, PartContent::Reasoning(vec![Reasoning::from_value(raw)]))
    }

    /// Reads an annotation of the content.
    pub(crate) fn read_annotation(raw: &'a RawValue) -> Self {
        Self::of_content(raw, PartContent::Annotation)
    }

    /// Reads an annotation that is a source of the content.
    pub(crate) fn read_citation(raw: &'a RawValue) -> Self {
        Self { kind: Some("citation".into()), ..Self::read_annotation(raw) }
    }

    /// Reads a source of the content. `label` is the type of a source without one.
    pub(super) fn of_source(raw: &'a RawValue, label: &'a str) -> Self {
        let annotation = Self::read_annotation(raw);
        Self { kind: annotation.kind.or(Some(label.into())), ..annotation }
    }

    /// Returns the type of the part, or the name of the field that holds the content of a part without a type.
    pub(crate) fn label(&self) -> Option<&str> {
        self.kind.as_deref().or_else(|| content_field(self.object.as_ref()?))
    }
}

/// Fields of parts that do not hold the content.
const METADATA_FIELDS: [&str; 10] = [
    "type",
    "thought",
    "thoughtSignature",
    "thought_signature",
    "partMetadata",
    "videoMetadata",
    "video_metadata",
    "mediaResolution",
    "media_resolution",
    "cache_control",
];

/// Returns the name of the field that holds the content of a part without a type.
fn content_field<'p>(part: &'p Object<'_>) -> Option<&'p str> {
    part.fields().find(|(name, value)| !METADATA_FIELDS.contains(name) && !is_null(value)).map(|(name, _)| name)
}
