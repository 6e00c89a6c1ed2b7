//! The tool calls of a message.

mod arguments;

use std::collections::{HashMap, HashSet};

use serde_json::value::RawValue;

use crate::provider::assembler::{Growing, GrowingObject, Mismatch, text_content};
use crate::provider::object::{Object, is_null};
use arguments::ScannedArguments;

/// Tool calls of which pieces have arrived.
#[derive(Debug, Default)]
pub(super) struct StreamedCalls {
    calls: Vec<StreamedCall>,
    /// The position of the latest call with an index.
    by_index: HashMap<u64, usize>,
}

/// A tool call of which pieces have arrived.
#[derive(Debug, Default)]
struct StreamedCall {
    members: GrowingObject,
    arguments: ScannedArguments,
}

impl StreamedCalls {
    pub(super) fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// Adds the pieces in one delta.
    pub(super) fn push_all(&mut self, pieces: Vec<&RawValue>) -> Result<(), Mismatch> {
        let mut named = HashSet::new();
        let added = pieces.into_iter().map(|piece| {
            let piece = Object::from_value(piece).ok_or(Mismatch)?;
            let call = self.call_of(&piece, &mut named);
            let added = piece.fields().map(|(name, value)| push_member(call, name, value));
            Mismatch::of_all(added)
        });
        Mismatch::of_all(added)
    }

    /// Returns the call that a piece belongs to. Pieces of one call have one index. A server that sends whole calls may
    /// leave out the index, or give all calls the same. `named` has the indices of the pieces with a name that came
    /// before in the same delta.
    fn call_of(&mut self, piece: &Object<'_>, named: &mut HashSet<Option<u64>>) -> &mut GrowingObject {
        let index = piece.number::<u64>("index");
        let known = match index {
            Some(index) => self.by_index.get(&index).copied(),
            None => self.calls.len().checked_sub(1),
        };
        let is_second = has_name(piece) && !named.insert(index);
        let continues = |call: &mut StreamedCall| !call.ends_before(piece, is_second || index.is_none());
        let known = known.filter(|&position| self.calls.get_mut(position).is_some_and(continues));
        let position = known.unwrap_or_else(|| {
            self.calls.push(StreamedCall::default());
            self.calls.len() - 1
        });
        if let Some(index) = index {
            self.by_index.insert(index, position);
        }
        &mut self.calls[position].members
    }

    /// Returns the list of the calls.
    pub(super) fn finish(self) -> Growing {
        Growing::List(self.calls.into_iter().map(|call| Growing::Object(call.members)).collect())
    }
}

impl StreamedCall {
    /// Returns `true` if a piece begins another call: it has another id, or it has a name and arguments although those
    /// of this call are whole. Servers that repeat the id and the name in each piece may repeat whole arguments, too.
    /// `is_named_once` tells that, without an id, a second name suffices.
    fn ends_before(&mut self, piece: &Object<'_>, is_named_once: bool) -> bool {
        let id = id(piece);
        let has_same_id = match (id, self.members.get("id")) {
            (Some(id), Some(Growing::Text(known))) if !known.is_empty() && id != known => return true,
            (Some(_), Some(Growing::Text(known))) => !known.is_empty(),
            _ => false,
        };
        let Some(called) = called(piece).filter(|_| has_name(piece)) else { return false };
        if id.is_none() && is_named_once {
            return true;
        }
        let Some(Growing::Object(function)) = self.members.get("function") else { return false };
        let is_other = |name: &str| {
            let known = function.get(name).filter(|known| !known.is_empty_text());
            match (known, called.non_null(name)) {
                (Some(Growing::Text(known)), Some(value)) => text_content(value) != Some(known),
                (Some(Growing::Json(known)), Some(value)) => value.get() != known,
                _ => true,
            }
        };
        let begins_arguments = called
            .non_null("arguments")
            .is_some_and(|arguments| arguments.get().trim_start_matches('"').starts_with('{'));
        let is_new = is_other("name") || (begins_arguments && (!has_same_id || is_other("arguments")));
        is_new && function.get("arguments").is_some_and(|arguments| self.arguments.are_whole(arguments))
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

/// Returns what a piece calls.
fn called<'p>(piece: &Object<'p>) -> Option<Object<'p>> {
    piece.object("function").or_else(|| piece.object("custom"))
}

/// Returns `true` if the piece has the name of a function.
fn has_name(piece: &Object<'_>) -> bool {
    called(piece).and_then(|called| called.text("name")).is_some_and(|name| !name.is_empty())
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
