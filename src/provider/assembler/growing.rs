//! JSON that grows while the pieces of a stream arrive.
//!
//! Texts stay as they are escaped: pieces are joined without decoding them, so that each byte is copied once, and a
//! character whose two escapes (a surrogate pair) arrive in two pieces is whole again. Other values are kept as JSON,
//! with the numbers as the provider wrote them.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::provider::object::{Object, is_null};

/// A JSON value that may grow.
#[derive(Debug)]
pub(in crate::provider) enum Growing {
    /// The inside of a JSON string.
    Text(String),
    /// Any value, as JSON.
    Json(String),
    Object(GrowingObject),
    List(Vec<Self>),
}

/// Number of levels of objects that are merged. Objects below are replaced.
const MAX_MERGED_LEVELS: u8 = 8;

impl Growing {
    /// Creates a value that later pieces extend if it is a text.
    pub(in crate::provider) fn new(value: &RawValue) -> Self {
        match text_content(value) {
            Some(text) => Self::Text(text.to_owned()),
            None => Self::Json(value.get().to_owned()),
        }
    }

    /// Creates a text from decoded characters.
    pub(in crate::provider) fn text(text: &str) -> Self {
        // A string is always serialized.
        let json = serde_json::to_string(text).unwrap_or_default();
        Self::Text(json.get(1..json.len().saturating_sub(1)).unwrap_or_default().to_owned())
    }

    /// Returns `true` if this is an empty text.
    pub(in crate::provider) fn is_empty_text(&self) -> bool {
        matches!(self, Self::Text(text) if text.is_empty())
    }

    /// Returns the JSON that a text contains. Returns the text itself if it contains none.
    pub(in crate::provider) fn into_json(self) -> Self {
        let mut quoted = String::new();
        self.write(&mut quoted);
        let text = serde_json::from_str::<String>(&quoted).ok();
        text.filter(|text| serde_json::from_str::<&RawValue>(text).is_ok()).map_or(self, Self::Json)
    }

    /// Extends a text by a piece. A piece that is no text, and a piece of anything else, replaces the value.
    pub(in crate::provider) fn append(&mut self, piece: &RawValue) {
        match (self, text_content(piece)) {
            (Self::Text(text), Some(piece)) => text.push_str(piece),
            (value, _) => *value = Self::new(piece),
        }
    }

    /// Merges a piece: texts are joined, lists extended and objects merged; otherwise the last value that is not null
    /// counts. `levels` is the number of levels of objects that may be merged.
    fn merge(&mut self, piece: &RawValue, levels: u8) {
        if is_null(piece) {
            return;
        }
        let (is_object, elements) = (piece.get().starts_with('{'), crate::provider::object::list(piece));
        match (&mut *self, elements) {
            (Self::List(list), Some(elements)) => list.extend(elements.into_iter().map(Self::new)),
            (_, Some(elements)) => *self = Self::List(elements.into_iter().map(Self::new).collect()),
            (Self::Object(members), None) if is_object && levels > 0 => members.merge_levels(piece, levels - 1),
            (_, None) if is_object && levels > 0 => {
                let mut members = GrowingObject::default();
                members.merge_levels(piece, levels - 1);
                *self = Self::Object(members);
            }
            (_, None) => self.append(piece),
        }
    }

    /// Appends the value to `out`, as JSON.
    pub(in crate::provider) fn write(&self, out: &mut String) {
        match self {
            Self::Text(text) => {
                out.push('"');
                out.push_str(without_unpaired_end(text));
                out.push('"');
            }
            Self::Json(json) => out.push_str(json),
            Self::Object(members) => members.write(out),
            Self::List(list) => {
                out.push('[');
                for (index, value) in list.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    value.write(out);
                }
                out.push(']');
            }
        }
    }
}

/// The members of a JSON object that grows, in order of their names.
#[derive(Debug, Default)]
pub(in crate::provider) struct GrowingObject(BTreeMap<String, Growing>);

impl GrowingObject {
    /// Creates the members of an object.
    pub(in crate::provider) fn from_object(object: &Object<'_>) -> Self {
        let mut members = Self::default();
        object.fields().for_each(|(name, value)| members.set(name, value));
        members
    }

    /// Returns `true` if there are no members.
    pub(in crate::provider) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the value of a member.
    pub(in crate::provider) fn get(&self, name: &str) -> Option<&Growing> {
        self.0.get(name)
    }

    /// Returns the members, in order of their names.
    pub(in crate::provider) fn iter(&self) -> impl Iterator<Item = (&str, &Growing)> {
        self.0.iter().map(|(name, value)| (&**name, value))
    }

    /// Removes a member.
    pub(in crate::provider) fn remove(&mut self, name: &str) -> Option<Growing> {
        self.0.remove(name)
    }

    /// Sets a member.
    pub(in crate::provider) fn insert(&mut self, name: &str, value: Growing) {
        self.0.insert(name.to_owned(), value);
    }

    /// Sets a member to a value that is not null. Null changes nothing.
    pub(in crate::provider) fn set(&mut self, name: &str, value: &RawValue) {
        if !is_null(value) {
            self.insert(name, Growing::new(value));
        }
    }

    /// Sets a member, unless it has a value that is not an empty text.
    pub(in crate::provider) fn set_first(&mut self, name: &str, value: &RawValue) {
        if self.get(name).is_none_or(Growing::is_empty_text) {
            self.set(name, value);
        }
    }

    /// Extends the text of a member. Null changes nothing.
    pub(in crate::provider) fn append(&mut self, name: &str, piece: &RawValue) {
        match self.0.get_mut(name) {
            _ if is_null(piece) => {}
            Some(value) => value.append(piece),
            None => self.set(name, piece),
        }
    }

    /// Changes the object in a member. A member that is absent or of another type becomes an object first.
    pub(in crate::provider) fn edit_object(&mut self, name: &str, edit: impl FnOnce(&mut Self)) {
        let mut object = match self.remove(name) {
            Some(Growing::Object(object)) => object,
            Some(Growing::Text(_) | Growing::Json(_) | Growing::List(_)) | None => Self::default(),
        };
        edit(&mut object);
        self.insert(name, Growing::Object(object));
    }

    /// Changes the list in a member. A member that is absent or of another type becomes a list first.
    pub(in crate::provider) fn edit_list(&mut self, name: &str, edit: impl FnOnce(&mut Vec<Growing>)) {
        let mut list = match self.remove(name) {
            Some(Growing::List(list)) => list,
            Some(Growing::Text(_) | Growing::Json(_) | Growing::Object(_)) | None => Vec::new(),
        };
        edit(&mut list);
        self.insert(name, Growing::List(list));
    }

    /// Merges a piece into a member: texts are joined, lists extended and objects merged; otherwise the last value that
    /// is not null counts.
    pub(in crate::provider) fn merge(&mut self, name: &str, piece: &RawValue) {
        self.merge_member(name, piece, MAX_MERGED_LEVELS);
    }

    fn merge_member(&mut self, name: &str, piece: &RawValue, levels: u8) {
        if !is_null(piece) {
            let member = self.0.entry(name.to_owned()).or_insert_with(|| Growing::Json("null".to_owned()));
            member.merge(piece, levels);
        }
    }

    /// Merges the members of an object.
    fn merge_levels(&mut self, object: &RawValue, levels: u8) {
        let object = Object::from_value(object).unwrap_or_default();
        object.fields().for_each(|(name, piece)| self.merge_member(name, piece, levels));
    }

    /// Appends the object to `out`, as JSON.
    pub(in crate::provider) fn write(&self, out: &mut String) {
        out.push('{');
        for (index, (name, value)) in self.0.iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            Growing::text(name).write(out);
            out.push(':');
            value.write(out);
        }
        out.push('}');
    }
}

/// Returns the inside of a JSON string, with its escapes. Returns `None` if the value is not a string.
pub(in crate::provider) fn text_content(value: &RawValue) -> Option<&str> {
    value.get().strip_prefix('"')?.strip_suffix('"')
}

/// Returns the inside of a JSON string without the first half of a surrogate pair at its end: the second half did not
/// arrive, and half a character cannot be decoded.
fn without_unpaired_end(text: &str) -> &str {
    const ESCAPE_BYTES: usize = 6;
    let Some((before, escape)) = text.len().checked_sub(ESCAPE_BYTES).and_then(|at| text.split_at_checked(at)) else {
        return text;
    };
    let is_first_half = escape.strip_prefix("\\u").is_some_and(|digits| {
        let mut digits = digits.bytes().map(|digit| digit.to_ascii_lowercase());
        digits.next() == Some(b'd') && matches!(digits.next(), Some(b'8'..=b'b'))
    });
    // The backslash of an escape is not itself escaped.
    let backslashes = before.bytes().rev().take_while(|byte| *byte == b'\\').count();
    if is_first_half && backslashes % 2 == 0 { before } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(pieces: &[&str]) -> String {
        let mut members = GrowingObject::default();
        for piece in pieces {
            let piece: Object<'_> = serde_json::from_str(piece).expect("an object");
            piece.fields().for_each(|(name, value)| members.merge(name, value));
        }
        let mut out = String::new();
        members.write(&mut out);
        out
    }

    #[test]
    fn pieces_are_merged_by_their_type() {
        let pieces = [
            r#"{"t":"a\"","n":1,"o":{"t":"x","l":[1]},"k":null,"s":"x"}"#,
            r#"{"t":"\u00e9","n":1e3,"o":{"t":"y","l":[2]},"k":true,"s":7}"#,
            r#"{"t":null,"n":null,"o":null,"k":null,"s":null}"#,
        ];
        assert_eq!(merged(&pieces), r#"{"k":true,"n":1e3,"o":{"l":[1,2],"t":"xy"},"s":7,"t":"a\"\u00e9"}"#);
    }

    #[test]
    fn character_in_two_pieces_is_whole() {
        assert_eq!(merged(&[r#"{"t":"a\ud83d"}"#, r#"{"t":"\ude00"}"#]), r#"{"t":"a\ud83d\ude00"}"#);
        assert_eq!(merged(&[r#"{"t":"a\ud83d"}"#]), r#"{"t":"a"}"#);
        assert_eq!(merged(&[r#"{"t":"a\\ud83d"}"#]), r#"{"t":"a\\ud83d"}"#);
    }

    #[test]
    fn deep_objects_are_replaced_as_a_whole() {
        let deep = |leaf: &str| [r#"{"a":"#.repeat(20), leaf.to_owned(), "}".repeat(20)].concat();
        assert_eq!(merged(&[&deep("1"), &deep("2")]), deep("2"));
    }
}
