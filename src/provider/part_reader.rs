//! Reads parts: the first API that defines the type of a part says what is in it.

use serde_json::value::RawValue;

use super::apis::APIS;
use super::object::{Object, is_null, list, list_or_one};
use super::part::{Content, Part, PartContent, Recognized};
use super::reasoning::thought_signature;
use super::tool::ToolResult;

/// Fields of a text that describe it.
const ANNOTATION_FIELDS: [&str; 2] = ["annotations", "citations"];

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
}

impl<'a> Content<'a> {
    /// Returns the parts. A text, and any value in place of a list, is the only part; null has no parts.
    pub(crate) fn parts(&self) -> Vec<Part<'a>> {
        if is_null(self.0) {
            return Vec::new();
        }
        self.listed_parts().or_else(|| self.nested_parts()).unwrap_or_else(|| vec![Part::read(self.0)])
    }

    /// Returns the parts in a list. Returns `None` if the content is no list.
    pub(crate) fn listed_parts(&self) -> Option<Vec<Part<'a>>> {
        Some(list(self.0)?.into_iter().map(Part::read).collect())
    }

    /// Returns the parts of Gemini's `systemInstruction`, which is a message without a role. Its parts may be one part
    /// in place of a list.
    fn nested_parts(&self) -> Option<Vec<Part<'a>>> {
        let message = Object::from_value(self.0).filter(|content| content.get("type").is_none())?;
        message.non_null("parts")?;
        Some(list_or_one(&message, "parts").into_iter().map(Part::read).collect())
    }
}

impl<'a> ToolResult<'a> {
    /// Returns the parts of a result that is content in a list. Returns `None` for other results.
    pub(crate) fn content_parts(&self) -> Option<Vec<Part<'a>>> {
        Some(list(self.value.filter(|_| self.is_content)?)?.into_iter().map(Part::read).collect())
    }

    /// Returns the parts that Gemini puts beside the value, because they are not JSON.
    pub(crate) fn parts_beside_value(&self) -> Vec<Part<'a>> {
        let parts = self.response.as_ref().map(|response| list_or_one(response, "parts"));
        parts.unwrap_or_default().into_iter().map(Part::read).collect()
    }
}
