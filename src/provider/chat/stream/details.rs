//! The reasoning details of a message.

use std::collections::HashMap;

use serde_json::value::RawValue;

use crate::provider::assembler::{Growing, GrowingObject, Mismatch, text_content};
use crate::provider::object::Object;

/// Reasoning details of which pieces have arrived. Entries of one type with one index are pieces of one entry.
#[derive(Debug, Default)]
pub(super) struct StreamedDetails {
    details: Vec<GrowingObject>,
    by_index: HashMap<(String, u64), usize>,
}

/// Members of a reasoning detail that come in pieces.
const DETAIL_PIECES: [&str; 3] = ["text", "summary", "data"];

impl StreamedDetails {
    pub(super) fn is_empty(&self) -> bool {
        self.details.is_empty()
    }

    /// Adds the entries in one delta.
    pub(super) fn push_all(&mut self, entries: Vec<&RawValue>) -> Result<(), Mismatch> {
        let added = entries.into_iter().map(|entry| {
            let entry = Object::from_value(entry).ok_or(Mismatch)?;
            let detail = self.detail_of(&entry);
            let added = entry.fields().map(|(name, value)| push_member(detail, name, value));
            Mismatch::of_all(added)
        });
        Mismatch::of_all(added)
    }

    /// Returns the entry that a piece belongs to: that of its index, or without an index the last one of its type.
    fn detail_of(&mut self, entry: &Object<'_>) -> &mut GrowingObject {
        let kind = entry.get("type").and_then(text_content).unwrap_or_default();
        let key = entry.number("index").map(|index| (kind.to_owned(), index));
        let known = match &key {
            Some(key) => self.by_index.get(key).copied(),
            None => self.details.len().checked_sub(1).filter(|&last| is_of_type(self.details.get(last), kind)),
        };
        let position = known.unwrap_or_else(|| {
            self.details.push(GrowingObject::default());
            self.details.len() - 1
        });
        if let Some(key) = key {
            self.by_index.insert(key, position);
        }
        &mut self.details[position]
    }

    /// Returns the list of the entries.
    pub(super) fn finish(self) -> Growing {
        Growing::List(self.details.into_iter().map(Growing::Object).collect())
    }
}

/// Adds a member of a piece to its entry. Some servers repeat all of an encrypted text in each piece.
fn push_member(detail: &mut GrowingObject, name: &str, value: &RawValue) -> Result<(), Mismatch> {
    let is_repeated = || matches!((detail.get(name), text_content(value)), (Some(Growing::Text(known)), Some(piece)) if known == piece);
    if !DETAIL_PIECES.contains(&name) {
        detail.set(name, value);
        return Ok(());
    }
    if name == "data" && is_repeated() { Ok(()) } else { detail.append(name, value) }
}

/// Returns `true` if the entry has this type.
fn is_of_type(detail: Option<&GrowingObject>, kind: &str) -> bool {
    matches!(detail.and_then(|detail| detail.get("type")), Some(Growing::Text(known)) if known == kind)
}
