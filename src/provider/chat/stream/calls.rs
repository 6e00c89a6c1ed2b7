//! The tool calls of a message.

use std::collections::HashMap;

use serde_json::value::RawValue;

use crate::provider::assembler::{Growing, GrowingObject, Mismatch, text_content};
use crate::provider::object::{Object, is_null};

/// Tool calls of which pieces have arrived.
#[derive(Debug, Default)]
pub(super) struct StreamedCalls {
    calls: Vec<GrowingObject>,
    /// The position of the latest call with an index.
    by_index: HashMap<u64, usize>,
}

impl StreamedCalls {
    pub(super) fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// Adds the pieces in one delta.
    pub(super) fn push_all(&mut self, pieces: Vec<&RawValue>) -> Result<(), Mismatch> {
        let added = pieces.into_iter().map(|piece| {
            let piece = Object::from_value(piece).ok_or(Mismatch)?;
            let call = self.call_of(&piece);
            let added = piece.fields().map(|(name, value)| push_member(call, name, value));
            Mismatch::of_all(added)
        });
        Mismatch::of_all(added)
    }

    /// Returns the call that a piece belongs to. Pieces of one call have one index. A server that sends whole calls may
    /// leave out the index, or give all calls the same: then another id, or a name without an id, begins a call.
    fn call_of(&mut self, piece: &Object<'_>) -> &mut GrowingObject {
        let index = piece.number::<u64>("index");
        let known = match index {
            Some(index) => self.by_index.get(&index).copied(),
            None => self.calls.len().checked_sub(1),
        };
        let begins = |call: &GrowingObject| match (id(piece), call.get("id")) {
            (Some(id), Some(Growing::Text(known))) => !known.is_empty() && id != known,
            (Some(_), _) => false,
            (None, _) => index.is_none() && has_name(piece),
        };
        let known = known.filter(|&position| self.calls.get(position).is_some_and(|call| !begins(call)));
        let position = known.unwrap_or_else(|| {
            self.calls.push(GrowingObject::default());
            self.calls.len() - 1
        });
        if let Some(index) = index {
            self.by_index.insert(index, position);
        }
        &mut self.calls[position]
    }

    /// Returns the list of the calls.
    pub(super) fn finish(self) -> Growing {
        Growing::List(self.calls.into_iter().map(Growing::Object).collect())
    }
}

/// Adds a member of a piece to its call.
fn push_member(call: &mut GrowingObject, name: &str, value: &RawValue) -> Result<(), Mismatch> {
    match name {
        // The place in the list is the index.
        "index" => Ok(()),
        "id" => {
            call.set_first(name, value);
            Ok(())
        }
        "type" => {
            call.set(name, value);
            Ok(())
        }
        "function" | "custom" if is_null(value) => Ok(()),
        "function" | "custom" => call.edit_object(name, |function| extend_function(function, value)),
        name => call.merge(name, value),
    }
}

/// Returns the id of a piece. Returns `None` if it has none, or an empty one.
fn id<'p>(piece: &Object<'p>) -> Option<&'p str> {
    piece.get("id").and_then(text_content).filter(|id| !id.is_empty())
}

/// Returns `true` if the piece has the name of a function.
fn has_name(piece: &Object<'_>) -> bool {
    let called = piece.object("function").or_else(|| piece.object("custom"));
    called.and_then(|called| called.text("name")).is_some_and(|name| !name.is_empty())
}

/// Adds a piece of a called function. Its arguments come in pieces. Some servers repeat the whole name, or all
/// arguments, in each piece, others split the name.
pub(super) fn extend_function(function: &mut GrowingObject, piece: &RawValue) -> Result<(), Mismatch> {
    let piece = Object::from_value(piece).ok_or(Mismatch)?;
    let added = piece.fields().map(|(name, value)| {
        let is_repeated = matches!(
            (function.get(name), text_content(value)),
            (Some(Growing::Text(known)), Some(piece)) if known == piece && (name == "name" || piece.starts_with('{'))
        );
        if is_repeated { Ok(()) } else { function.append(name, value) }
    });
    Mismatch::of_all(added)
}
