//! An item's content while it is parsed.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::canonical_json::{canonical, canonical_object, canonical_text, identifying, integers, summary};
use super::decode_error::{DecodeError, UNREADABLE_VALUE};
use super::identifying_members::Members;
use crate::event::CallId;
use crate::graph::{self, AgentMessage, Channel, HistoryEffect, ItemKind, Role};
use crate::provider::{Content, Object, Part, PartContent, is_null, optional_text, text};

/// Label of a text by which the model refuses to answer.
pub(super) const REFUSAL: &str = "refusal";

/// Label of a text that is the content of a recording.
const TRANSCRIPT: &str = "transcript";

/// A part of an item, with the canonical text of its JSON value if it stands for one. The content hash covers this
/// text.
pub(super) struct DraftPart {
    pub(super) part: graph::Part,
    pub(super) canonical: Option<String>,
    /// Canonical text by which the part is recognized in later requests. `None` if it is `canonical`.
    pub(super) recognized_by: Option<String>,
    pub(super) purpose: PartPurpose,
}

impl DraftPart {
    /// Returns the canonical text by which the part is recognized in later requests.
    pub(super) fn identity(&self) -> Option<Cow<'_, str>> {
        match &self.recognized_by {
            Some(text) => Some(Cow::Owned(integers(text).into_owned())),
            None => self.canonical.as_deref().map(integers),
        }
    }
}

/// The purpose of a part of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PartPurpose {
    Content,
    /// The part describes the content, like the sources that a provider found for it. Clients may leave it out when
    /// they repeat the item as history.
    Annotation,
}

/// Fields of an item that differ between its copies: clients that repeat an item leave them out, or replace them.
const FIELDS_OF_A_COPY: [&str; 4] = ["id", "status", "internal_chat_message_metadata_passthrough", "metadata"];

/// A conversation item while it is parsed. [`finish`](Self::finish) converts it to [`Content`](crate::graph::Content).
pub(super) struct ItemDraft {
    pub(super) role: Role,
    pub(super) channel: Option<Channel>,
    pub(super) kind: ItemKind,
    pub(super) call_id: Option<CallId>,
    pub(super) name: Option<Box<str>>,
    pub(super) namespace: Option<Box<str>>,
    /// `true` if the output of a tool call reports that the tool failed.
    pub(super) is_error: bool,
    pub(super) agent_message: Option<AgentMessage>,
    pub(super) parts: Vec<DraftPart>,
    /// Effect of the item on what stands before it.
    pub(super) history_effect: HistoryEffect,
    /// `true` for a call that the provider ran itself, which needs no id.
    pub(super) is_executed: bool,
}

impl ItemDraft {
    /// Creates an item without parts.
    pub(super) fn new(role: Role, channel: Option<Channel>, kind: ItemKind) -> Self {
        Self {
            role,
            channel,
            kind,
            call_id: None,
            name: None,
            namespace: None,
            is_error: false,
            agent_message: None,
            parts: Vec::new(),
            history_effect: HistoryEffect::None,
            is_executed: false,
        }
    }

    fn push(&mut self, part: graph::Part, canonical_text: Option<String>) {
        let purpose = PartPurpose::Content;
        self.parts.push(DraftPart { part, canonical: canonical_text, recognized_by: None, purpose });
    }

    /// Adds a text part.
    pub(super) fn push_text(&mut self, text: &str) {
        self.push(graph::Part::Text(text.into()), None);
    }

    /// Adds a text of a special kind, unless it is empty.
    pub(super) fn push_labelled_text(&mut self, label: &'static str, text: &str) {
        if !text.is_empty() {
            self.push(graph::Part::LabelledText { label, text: text.into() }, None);
        }
    }

    /// Adds a part with a summary of reasoning.
    pub(super) fn push_summary(&mut self, text: &str) {
        self.push(graph::Part::Summary(text.into()), None);
    }

    /// Adds a part with encrypted content or a signature.
    pub(super) fn push_encoded(&mut self, label: &'static str, value: &str) {
        self.push(graph::Part::Encoded { label, value: value.into() }, None);
    }

    /// Adds a part with source code.
    pub(super) fn push_code(&mut self, language: &'static str, source: &str) {
        self.push(graph::Part::Code { language, source: source.into() }, None);
    }

    /// Adds a part for a JSON value. Returns an error if the value has no canonical form.
    pub(super) fn push_json(&mut self, value: &RawValue) -> Result<(), DecodeError> {
        self.push_canonical_json(canonical(value).ok_or(UNREADABLE_VALUE)?);
        Ok(())
    }

    /// Adds a part for the JSON of the whole item. Later requests repeat the item even if they have other values, or
    /// none, in the fields that only describe a copy, or in others that clients leave out.
    pub(super) fn push_item(&mut self, item: &RawValue) -> Result<(), DecodeError> {
        self.push_json(item)?;
        let fields = Object::from_value(item).and_then(Object::into_sorted).ok_or(UNREADABLE_VALUE)?.into_iter();
        let content = fields.filter(|(name, _)| !FIELDS_OF_A_COPY.contains(&&**name));
        let recognized_by = canonical_object(content).ok_or(UNREADABLE_VALUE)?;
        if let Some(part) = self.parts.last_mut() {
            part.recognized_by = Some(identifying_text(&recognized_by).unwrap_or(recognized_by));
        }
        Ok(())
    }

    /// Adds a part for a text: a JSON part if the text is JSON, else a text part.
    pub(super) fn push_json_or_text(&mut self, text: &str) {
        match canonical_text(text) {
            Some(canonical_text) => self.push_canonical_json(canonical_text),
            None => self.push_text(text),
        }
    }

    /// Adds a part for the arguments of a tool call: JSON, given as text or as a value, or other text. Adds a reference
    /// if there are no arguments.
    pub(super) fn push_arguments(&mut self, arguments: Option<&RawValue>) -> Result<(), DecodeError> {
        match arguments {
            None => return self.push_reference("payload", None),
            Some(arguments) => match text(arguments) {
                Some(text) => self.push_json_or_text(&text),
                None => self.push_json(arguments)?,
            },
        }
        Ok(())
    }

    fn push_canonical_json(&mut self, canonical_text: String) {
        self.push(graph::Part::Json { summary: summary(&canonical_text) }, Some(canonical_text));
    }

    /// Adds a reference to content that remains in the payload. References with equal `value` are equal content.
    pub(super) fn push_reference(&mut self, label: &str, value: Option<&RawValue>) -> Result<(), DecodeError> {
        let canonical_text = value.map(|value| canonical(value).ok_or(UNREADABLE_VALUE)).transpose()?;
        self.push_canonical_reference(label, canonical_text);
        Ok(())
    }

    fn push_canonical_reference(&mut self, label: &str, canonical: Option<String>) {
        let recognized_by = canonical.as_deref().and_then(identifying_text);
        let part = graph::Part::PayloadRef { label: label.into() };
        self.parts.push(DraftPart { part, canonical, recognized_by, purpose: PartPurpose::Content });
    }

    /// Adds a reference to an object that remains in the payload. References are equal content if the fields are equal
    /// for which `counts` returns `true`.
    pub(super) fn push_object_reference(
        &mut self,
        label: &str,
        object: Object<'_>,
        counts: impl Fn(&str, &RawValue) -> bool,
    ) -> Result<(), DecodeError> {
        let fields =
            object.into_sorted().ok_or(UNREADABLE_VALUE)?.into_iter().filter(|(name, value)| counts(name, value));
        self.push_canonical_reference(label, Some(canonical_object(fields).ok_or(UNREADABLE_VALUE)?));
        Ok(())
    }

    /// Adds a reference to an annotation of the content, which remains in the payload.
    pub(super) fn push_annotation(&mut self, annotation: &Part<'_>) -> Result<(), DecodeError> {
        let canonical = Some(canonical(annotation.raw).ok_or(UNREADABLE_VALUE)?);
        let part = graph::Part::PayloadRef { label: annotation.label().unwrap_or("annotation").into() };
        self.parts.push(DraftPart { part, canonical, recognized_by: None, purpose: PartPurpose::Annotation });
        Ok(())
    }

    /// Adds the signature of a call, unless it is empty. It does not count when the call is found again.
    pub(super) fn push_signature(&mut self, signature: &str) {
        if !signature.is_empty() {
            let part = graph::Part::Encoded { label: "signature", value: signature.into() };
            self.parts.push(DraftPart { part, canonical: None, recognized_by: None, purpose: PartPurpose::Annotation });
        }
    }

    /// Adds the text of a recording, unless it is empty. Clients leave it out when they repeat the recording.
    pub(super) fn push_transcript(&mut self, text: &str) {
        if !text.is_empty() {
            let part = graph::Part::LabelledText { label: TRANSCRIPT, text: text.into() };
            self.parts.push(DraftPart { part, canonical: None, recognized_by: None, purpose: PartPurpose::Annotation });
        }
    }

    /// Adds references to the annotations of a text.
    pub(super) fn push_annotations(&mut self, annotations: &[&RawValue]) -> Result<(), DecodeError> {
        annotations.iter().try_for_each(|annotation| self.push_annotation(&Part::read_annotation(annotation)))
    }

    /// Adds a reference with the label `empty_content` if the item has no parts yet.
    pub(super) fn push_placeholder_if_empty(&mut self) {
        if self.parts.is_empty() {
            self.push(graph::Part::empty_content(), None);
        }
    }

    /// Adds the content of a message: a text, a list of parts, one part, or a reference for any other value.
    pub(super) fn push_content(&mut self, content: Option<Content<'_>>) -> Result<(), DecodeError> {
        let Some(content) = content else { return self.push_reference("content", None) };
        let value = content.0;
        if value.get().starts_with('"') {
            self.push_text(&text(value).ok_or(UNREADABLE_VALUE)?);
            return Ok(());
        }
        let parts = match content.listed_parts() {
            Some(parts) => parts,
            None if is_null(value) => Vec::new(),
            None if is_part(value) => vec![Part::read(value)],
            None => return self.push_reference("content", Some(value)),
        };
        for part in parts {
            self.push_content_part(&part)?;
        }
        self.push_placeholder_if_empty();
        Ok(())
    }

    /// Adds one part of a message's content: a text, or a reference labelled with the part's type, with the text of a
    /// recording.
    pub(super) fn push_content_part(&mut self, part: &Part<'_>) -> Result<(), DecodeError> {
        match (&part.kind, &part.content, &part.object) {
            (Some(_), PartContent::Text(_), Some(object)) => {
                if let Some(text) = optional_text(object.get("text"))? {
                    self.push_text(&text);
                }
                self.push_annotations(&part.annotations)
            }
            (_, PartContent::Refusal(refusal), _) => {
                optional_text(*refusal)?.into_iter().for_each(|text| self.push_labelled_text(REFUSAL, &text));
                Ok(())
            }
            (label, _, object) => {
                self.push_reference(label.as_deref().unwrap_or("content"), Some(part.raw))?;
                let transcript = object.as_ref().and_then(|object| object.string("transcript"));
                transcript.into_iter().for_each(|text| self.push_transcript(&text));
                Ok(())
            }
        }
    }
}

/// Returns `true` if a value in place of the parts of a message is one part.
fn is_part(value: &RawValue) -> bool {
    Object::from_value(value).is_some_and(|part| part.text("type").is_some())
}

/// Returns a canonical text without what clients leave out. Returns `None` if it has nothing of that.
fn identifying_text(canonical: &str) -> Option<String> {
    Members::may_omit(canonical).then(|| identifying(canonical)).filter(|text| text != canonical).map(Cow::into_owned)
}
