//! An item's content while it is read: parts, and the JSON that some of them stand for.

use serde_json::value::RawValue;

use super::canonical_json::{canonical, canonical_object, canonical_text, summary};
use super::object::{Object, list, text};
use super::why::{UNREADABLE, Why};
use crate::event::CallId;
use crate::graph::{AgentMessage, Channel, ItemKind, Part, Role};

/// A part, with the whole of the JSON that it stands for.
pub(super) struct DraftPart {
    pub(super) part: Part,
    pub(super) whole: Option<String>,
}

/// An item on its way to a [`Content`].
pub(super) struct Draft {
    pub(super) role: Role,
    pub(super) channel: Option<Channel>,
    pub(super) kind: ItemKind,
    pub(super) call_id: Option<CallId>,
    pub(super) name: Option<Box<str>>,
    pub(super) agent_message: Option<AgentMessage>,
    pub(super) parts: Vec<DraftPart>,
}

impl Draft {
    pub(super) fn new(role: Role, channel: Option<Channel>, kind: ItemKind) -> Self {
        Self { role, channel, kind, call_id: None, name: None, agent_message: None, parts: Vec::new() }
    }

    fn push(&mut self, part: Part, whole: Option<String>) {
        self.parts.push(DraftPart { part, whole });
    }

    pub(super) fn text(&mut self, text: &str) {
        self.push(Part::Text(text.into()), None);
    }

    pub(super) fn summary(&mut self, text: &str) {
        self.push(Part::Summary(text.into()), None);
    }

    pub(super) fn encoded(&mut self, label: &'static str, value: &str) {
        self.push(Part::Encoded { label, value: value.into() }, None);
    }

    pub(super) fn code(&mut self, language: &'static str, source: &str) {
        self.push(Part::Code { language, source: source.into() }, None);
    }

    /// A JSON value.
    pub(super) fn json(&mut self, value: &RawValue) -> Result<(), Why> {
        self.json_text(canonical(value).ok_or(UNREADABLE)?);
        Ok(())
    }

    /// Text that is JSON, or else just text.
    pub(super) fn json_or_text(&mut self, text: &str) {
        match canonical_text(text) {
            Some(whole) => self.json_text(whole),
            None => self.text(text),
        }
    }

    /// The arguments of a call: JSON, as text or as a value, or any other text.
    pub(super) fn arguments(&mut self, arguments: Option<&RawValue>) -> Result<(), Why> {
        match arguments {
            None => return self.reference("payload", None),
            Some(arguments) => match text(arguments) {
                Some(text) => self.json_or_text(&text),
                None => self.json(arguments)?,
            },
        }
        Ok(())
    }

    fn json_text(&mut self, whole: String) {
        self.push(Part::Json { summary: summary(&whole) }, Some(whole));
    }

    /// Something that is only pointed at.
    pub(super) fn reference(&mut self, label: &str, value: Option<&RawValue>) -> Result<(), Why> {
        let whole = value.map(|value| canonical(value).ok_or(UNREADABLE)).transpose()?;
        self.push(Part::PayloadRef { label: label.into() }, whole);
        Ok(())
    }

    /// An object that is only pointed at, known by those of its fields that `counts`.
    pub(super) fn reference_to(
        &mut self,
        label: &str,
        object: Object<'_>,
        counts: impl Fn(&str, &RawValue) -> bool,
    ) -> Result<(), Why> {
        let fields = object.into_sorted().ok_or(UNREADABLE)?.into_iter().filter(|(name, value)| counts(name, value));
        let whole = canonical_object(fields).ok_or(UNREADABLE)?;
        self.push(Part::PayloadRef { label: label.into() }, Some(whole));
        Ok(())
    }

    /// Whether nothing was said; then that is what there is to point at.
    pub(super) fn or_empty(&mut self) {
        if self.parts.is_empty() {
            self.push(Part::PayloadRef { label: "empty_content".into() }, None);
        }
    }

    /// A message's content: text, a list of parts, or what can only be pointed at.
    pub(super) fn content(&mut self, content: Option<&RawValue>) -> Result<(), Why> {
        let Some(content) = content else { return self.reference("content", None) };
        if content.get().starts_with('"') {
            self.text(&text(content).ok_or(UNREADABLE)?);
            return Ok(());
        }
        let parts = match content.get() {
            "null" => Vec::new(),
            _ => match list(content) {
                Some(parts) => parts,
                None => return self.reference("content", Some(content)),
            },
        };
        for part in parts {
            self.content_part(part)?;
        }
        self.or_empty();
        Ok(())
    }

    pub(super) fn content_part(&mut self, part: &RawValue) -> Result<(), Why> {
        let object = Object::of(part);
        let kind = object.as_ref().and_then(|object| object.text("type"));
        match kind.as_deref() {
            Some("input_text" | "output_text" | "text") => {
                if let Some(text) = object.map(|object| object.said("text")).transpose()?.flatten() {
                    self.text(&text);
                }
                Ok(())
            }
            label => self.reference(label.unwrap_or("content"), Some(part)),
        }
    }
}
