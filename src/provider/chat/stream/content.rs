//! The content of a message: a text, or a list of parts.

use serde_json::value::RawValue;

use crate::provider::assembler::{Growing, GrowingObject, Mismatch, text_content};
use crate::provider::object::{Object, list};

/// Content of which pieces have arrived.
#[derive(Debug, Default)]
pub(super) struct StreamedContent {
    parts: Vec<Growing>,
    /// `true` if a piece was a list of parts. Otherwise the content is one text.
    has_lists: bool,
}

impl StreamedContent {
    pub(super) fn is_empty(&self) -> bool {
        let is_empty = |part: &Growing| matches!(part, Growing::Object(part) if part.get("text").is_some_and(Growing::is_empty_text));
        self.parts.iter().all(is_empty)
    }

    /// Adds a piece: a text, a list of parts, or one part.
    ///
    /// # Errors
    /// Returns [`Mismatch`] if the piece, or a part in it, is another value.
    pub(super) fn push(&mut self, piece: &RawValue) -> Result<(), Mismatch> {
        if text_content(piece).is_some() {
            return self.push_text(piece);
        }
        let parts = list(piece).or_else(|| piece.get().starts_with('{').then(|| vec![piece])).ok_or(Mismatch)?;
        self.has_lists = true;
        let added = parts.into_iter().map(|part| push_part(&mut self.parts, part, NESTED_LISTS));
        Mismatch::of_all(added)
    }

    fn push_text(&mut self, text: &RawValue) -> Result<(), Mismatch> {
        match self.parts.last_mut() {
            Some(Growing::Object(last)) if has_type(last, "text") => last.append("text", text),
            Some(_) | None => {
                let mut part = GrowingObject::default();
                part.insert("type", Growing::text("text"));
                part.set("text", text);
                self.parts.push(Growing::Object(part));
                Ok(())
            }
        }
    }

    /// Returns the content.
    pub(super) fn finish(self) -> Growing {
        let Self { mut parts, has_lists } = self;
        if has_lists {
            parts.retain(|part| !is_empty_thinking(part));
            return Growing::List(parts);
        }
        let text = match parts.pop() {
            Some(Growing::Object(mut part)) => part.remove("text"),
            Some(Growing::Text(_) | Growing::Json(_) | Growing::List(_)) | None => None,
        };
        text.unwrap_or_else(|| Growing::Json("null".to_owned()))
    }
}

/// Types of parts that come in pieces. The member of the same name has the piece: a text, or for Mistral's thinking a
/// list of texts.
const TYPES_IN_PIECES: [&str; 2] = ["text", "thinking"];

/// Number of levels of lists inside of parts whose parts are joined.
const NESTED_LISTS: u8 = 1;

/// Adds a part to a list. A part of a type that comes in pieces extends the part before it, if that is of its type.
///
/// # Errors
/// Returns [`Mismatch`] if the part does not continue the part before it, or is no part.
fn push_part(parts: &mut Vec<Growing>, part: &RawValue, nested_lists: u8) -> Result<(), Mismatch> {
    if text_content(part).is_some() {
        parts.push(Growing::new(part));
        return Ok(());
    }
    let object = Object::from_value(part).ok_or(Mismatch)?;
    let kind = object.get("type").and_then(text_content);
    let Some(kind) = kind.filter(|kind| TYPES_IN_PIECES.contains(kind)) else {
        parts.push(Growing::new(part));
        return Ok(());
    };
    if let Some(Growing::Object(last)) = parts.last_mut()
        && has_type(last, kind)
    {
        return extend_part(last, &object, kind, nested_lists);
    }
    let mut members = GrowingObject::default();
    let added = extend_part(&mut members, &object, kind, nested_lists);
    parts.push(Growing::Object(members));
    added
}

/// Adds a piece to a part. The member `text` of the piece extends that of the part, other members replace it.
fn extend_part(part: &mut GrowingObject, piece: &Object<'_>, text: &str, nested_lists: u8) -> Result<(), Mismatch> {
    let added = piece.fields().map(|(name, value)| {
        if name != text {
            part.set(name, value);
            return Ok(());
        }
        let Some(texts) = list(value).filter(|_| nested_lists > 0) else { return part.append(name, value) };
        if part.get(name).is_some_and(|known| matches!(known, Growing::Text(_)) && !known.is_empty_text()) {
            return Err(Mismatch);
        }
        part.edit_list(name, |list| {
            let added = texts.into_iter().map(|text| push_part(list, text, nested_lists - 1));
            Mismatch::of_all(added)
        })
    });
    Mismatch::of_all(added)
}

/// Returns `true` if the part is thinking of which nothing has arrived but its start.
fn is_empty_thinking(part: &Growing) -> bool {
    let Growing::Object(part) = part else { return false };
    let is_empty = match part.get("thinking") {
        Some(Growing::List(texts)) => texts.is_empty(),
        Some(thinking) => thinking.is_empty_text(),
        None => true,
    };
    has_type(part, "thinking") && is_empty
}

/// Returns `true` if the part has this type.
fn has_type(part: &GrowingObject, kind: &str) -> bool {
    matches!(part.get("type"), Some(Growing::Text(known)) if known == kind)
}
