//! JSON that grows while the pieces of a stream arrive.
//!
//! Texts stay as they are escaped: pieces are joined without decoding them, so that each byte is copied once, and a
//! character whose two escapes (a surrogate pair) arrive in two pieces is whole again. Other values are kept as JSON,
//! with the numbers as the provider wrote them.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::provider::object::{Object, is_null, list};

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

/// A piece that does not continue the value before it, such as a number after a text.
#[derive(Debug)]
pub(in crate::provider) struct Mismatch;

impl Mismatch {
    /// Adds all pieces.
    ///
    /// # Errors
    /// Returns [`Mismatch`] if a piece does not fit. The pieces behind it are added.
    pub(in crate::provider) fn of_all(added: impl Iterator<Item = Result<(), Self>>) -> Result<(), Self> {
        added.fold(Ok(()), Result::and)
    }
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

    /// Extends a text by a piece. A value that is no text may arrive again. An empty text, and null, change nothing.
    ///
    /// # Errors
    /// Returns [`Mismatch`] if the piece does not continue the value, which is kept.
    pub(in crate::provider) fn append(&mut self, piece: &RawValue) -> Result<(), Mismatch> {
        match (&mut *self, text_content(piece)) {
            (Self::Text(text), Some(piece)) => text.push_str(piece),
            (_, Some("")) => {}
            (_, None) if is_null(piece) => {}
            (Self::Text(text), None) if text.is_empty() => *self = Self::new(piece),
            (Self::Json(known), None) if known == piece.get() => {}
            (Self::Text(_) | Self::Json(_) | Self::Object(_) | Self::List(_), _) => return Err(Mismatch),
        }
        Ok(())
    }

    /// Creates a value that later pieces are merged into. `levels` is the number of levels of objects that may be
    /// merged.
    fn merged(piece: &RawValue, levels: u8) -> Self {
        if let Some(elements) = list(piece) {
            return Self::List(elements.into_iter().map(Self::new).collect());
        }
        if levels == 0 || !piece.get().starts_with('{') {
            return Self::new(piece);
        }
        let mut members = GrowingObject::default();
        // No piece came before that another one could fail to continue, unless a name is repeated in one object.
        let _ = members.merge_levels(piece, levels - 1);
        Self::Object(members)
    }

    /// Merges a piece: texts are joined, lists extended and objects merged; otherwise the last value that is not null
    /// counts. An object or a list of objects that arrives again, alone or with more, is not doubled. `levels` is the
    /// number of levels of objects that may be merged.
    fn merge(&mut self, piece: &RawValue, levels: u8) -> Result<(), Mismatch> {
        let is_inside = levels < MAX_MERGED_LEVELS;
        match (&mut *self, list(piece), text_content(piece)) {
            _ if is_null(piece) => {}
            // A text inside of an object may be whole, and be there in each piece.
            (Self::Text(text), _, Some(piece)) if is_inside && piece.starts_with(&**text) => piece.clone_into(text),
            (Self::Text(text), _, Some(piece)) => text.push_str(piece),
            (Self::List(list), Some(elements), _) => extend(list, &elements, is_inside),
            (Self::Object(members), None, None) if levels > 0 && piece.get().starts_with('{') => {
                return members.merge_levels(piece, levels - 1);
            }
            (value, ..) if value.is_blank() => *self = Self::merged(piece, levels),
            (_, _, Some("")) => {}
            (Self::Text(_) | Self::Json(_) | Self::Object(_) | Self::List(_), ..) => return Err(Mismatch),
        }
        Ok(())
    }

    /// Returns `true` if another value may take the place of this one: it is empty, or is no text, list or object.
    fn is_blank(&self) -> bool {
        match self {
            Self::Text(text) => text.is_empty(),
            // Objects below the last level that is merged are replaced, too.
            Self::Json(_) => true,
            Self::Object(members) => members.is_empty(),
            Self::List(elements) => elements.is_empty(),
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

    /// Sets a member to the reason why an answer ended. After a reason of its own, such as a filter of the provider, a
    /// server may still send the usual one, which is then left out.
    pub(in crate::provider) fn set_finish_reason(&mut self, name: &str, reason: &RawValue) {
        const USUAL: [&str; 2] = ["stop", "STOP"];
        match text_content(reason) {
            Some("" | "FINISH_REASON_UNSPECIFIED") => {}
            Some(reason_text) if USUAL.contains(&reason_text) => self.set_first(name, reason),
            _ => self.set(name, reason),
        }
    }

    /// Extends the text of a member. Null changes nothing.
    ///
    /// # Errors
    /// Returns [`Mismatch`] if the piece does not continue the member, which is kept.
    pub(in crate::provider) fn append(&mut self, name: &str, piece: &RawValue) -> Result<(), Mismatch> {
        match self.0.get_mut(name) {
            Some(value) => value.append(piece),
            None => {
                self.set(name, piece);
                Ok(())
            }
        }
    }

    /// Changes the object in a member. A member that is absent or of another type becomes an object first.
    pub(in crate::provider) fn edit_object<R>(&mut self, name: &str, edit: impl FnOnce(&mut Self) -> R) -> R {
        let mut object = match self.remove(name) {
            Some(Growing::Object(object)) => object,
            Some(Growing::Json(json)) => Object::parse(&json).as_ref().map(Self::from_object).unwrap_or_default(),
            Some(Growing::Text(_) | Growing::List(_)) | None => Self::default(),
        };
        let result = edit(&mut object);
        self.insert(name, Growing::Object(object));
        result
    }

    /// Changes the list in a member. A member that is absent or of another type becomes a list first.
    pub(in crate::provider) fn edit_list<R>(&mut self, name: &str, edit: impl FnOnce(&mut Vec<Growing>) -> R) -> R {
        let mut elements = match self.remove(name) {
            Some(Growing::List(list)) => list,
            Some(Growing::Json(json)) => {
                let elements = serde_json::from_str::<&RawValue>(&json).ok().and_then(list);
                elements.unwrap_or_default().into_iter().map(Growing::new).collect()
            }
            Some(Growing::Text(_) | Growing::Object(_)) | None => Vec::new(),
        };
        let result = edit(&mut elements);
        self.insert(name, Growing::List(elements));
        result
    }

    /// Merges a piece into a member: texts are joined, lists extended and objects merged; otherwise the last value that
    /// is not null counts. What arrives again inside of an object, or as a list of objects, is not doubled.
    ///
    /// # Errors
    /// Returns [`Mismatch`] if the piece, or a piece inside of it, does not continue the value before it, which is kept.
    pub(in crate::provider) fn merge(&mut self, name: &str, piece: &RawValue) -> Result<(), Mismatch> {
        self.merge_member(name, piece, MAX_MERGED_LEVELS)
    }

    fn merge_member(&mut self, name: &str, piece: &RawValue, levels: u8) -> Result<(), Mismatch> {
        match self.0.get_mut(name) {
            Some(member) => member.merge(piece, levels),
            None if is_null(piece) => Ok(()),
            None => {
                self.insert(name, Growing::merged(piece, levels));
                Ok(())
            }
        }
    }

    /// Merges the members of an object.
    fn merge_levels(&mut self, object: &RawValue, levels: u8) -> Result<(), Mismatch> {
        let object = Object::from_value(object).unwrap_or_default();
        let merged = object.fields().map(|(name, piece)| self.merge_member(name, piece, levels));
        Mismatch::of_all(merged)
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

/// Extends a list by the elements of a piece. A list of objects, and any list inside of an object, may be whole, and be
/// there in each piece: then the elements that the piece adds are new.
fn extend(list: &mut Vec<Growing>, elements: &[&RawValue], is_inside: bool) {
    let may_be_whole = is_inside || elements.first().is_some_and(|element| element.get().starts_with('{'));
    let is_known = |(known, element): (&Growing, &&RawValue)| match known {
        Growing::Json(known) => known == element.get(),
        Growing::Text(known) => text_content(element) == Some(&**known),
        Growing::Object(_) | Growing::List(_) => false,
    };
    let is_whole = may_be_whole && elements.len() >= list.len() && list.iter().zip(elements).all(is_known);
    let known = if is_whole { list.len() } else { 0 };
    list.extend(elements.iter().skip(known).map(|element| Growing::new(element)));
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
        let (body, mismatches) = merged_with_mismatches(pieces);
        assert_eq!(mismatches, 0, "{body}");
        body
    }

    /// Returns the merged body, and the number of members whose pieces did not continue them.
    fn merged_with_mismatches(pieces: &[&str]) -> (String, u8) {
        let mut mismatches = 0;
        let mut members = GrowingObject::default();
        for piece in pieces {
            let piece: Object<'_> = serde_json::from_str(piece).expect("an object");
            piece.fields().for_each(|(name, value)| mismatches += u8::from(members.merge(name, value).is_err()));
        }
        let mut out = String::new();
        members.write(&mut out);
        (out, mismatches)
    }

    #[test]
    fn pieces_are_merged_by_their_type() {
        let pieces = [
            r#"{"t":"a\"","n":1,"o":{"t":"x","l":[1]},"k":null,"s":false}"#,
            r#"{"t":"\u00e9","n":1e3,"o":{"t":"y","l":[2]},"k":true,"s":7}"#,
            r#"{"t":null,"n":null,"o":null,"k":null,"s":null}"#,
        ];
        assert_eq!(merged(&pieces), r#"{"k":true,"n":1e3,"o":{"l":[1,2],"t":"xy"},"s":7,"t":"a\"\u00e9"}"#);
    }

    #[test]
    fn piece_of_another_type_keeps_what_arrived() {
        let pieces = [
            r#"{"t":"a","o":{"a":1,"t":"b"},"l":[1],"e":"","f":{}}"#,
            r#"{"t":7,"o":"c","l":{},"e":{"a":1},"f":"g"}"#,
            r#"{"t":"b","o":{"t":[1],"a":2},"l":"","e":"","f":""}"#,
        ];
        let whole = r#"{"e":{"a":1},"f":"g","l":[1],"o":{"a":2,"t":"b"},"t":"ab"}"#;
        assert_eq!(merged_with_mismatches(&pieces), (whole.to_owned(), 4));
    }

    #[test]
    fn object_that_arrives_again_is_not_doubled() {
        let whole = r#"{"o":{"g":{"l":[1,1],"s":"abc"}},"u":[{"a":1},{"a":2}]}"#;
        assert_eq!(merged(&[whole, whole, whole]), whole);
        let more = r#"{"o":{"g":{"l":[1,1,2],"s":"abcd"}},"u":[{"a":1},{"a":2},{"a":1}]}"#;
        assert_eq!(merged(&[whole, more]), more);
        assert_eq!(merged(&[r#"{"u":[{"a":1}]}"#, r#"{"u":[{"a":2}]}"#]), r#"{"u":[{"a":1},{"a":2}]}"#);
        assert_eq!(merged(&[r#"{"t":"ha","l":[1]}"#, r#"{"t":"ha","l":[1]}"#]), r#"{"l":[1,1],"t":"haha"}"#);
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
