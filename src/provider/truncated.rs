//! Reads bodies of which only head and tail were stored, because they exceeded a limit when they were recorded.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer, MapAccess, Visitor};

use super::object::{FieldName, Object};
use crate::semconv;

/// Maximum number of places in the tail that are tried as the start of a member.
const MAX_ATTEMPTS: usize = 256;

/// A body of which only head and tail were stored.
pub(super) struct TruncatedBody<'a> {
    head: Cow<'a, str>,
    /// A JSON object with the last members of the body.
    last_members: Option<String>,
}

impl<'a> TruncatedBody<'a> {
    /// Reads the object that was stored in place of a truncated body. Returns `None` for any other object.
    pub(super) fn read(stored: &Object<'a>) -> Option<Self> {
        let ends = stored.object(semconv::TRUNCATED)?;
        let last_members = ends.text("tail").and_then(|tail| last_members(&tail));
        Some(Self { head: ends.text("head").unwrap_or_default(), last_members })
    }

    /// Returns the members of the body that are stored completely. Members that follow the cut are left out if too many
    /// members follow them.
    pub(super) fn members(&self) -> Object<'_> {
        let mut members = first_members(&self.head);
        let last = self.last_members.as_deref().and_then(Object::parse).unwrap_or_default();
        for (name, value) in last.fields() {
            members.push_field(Some(Cow::Owned(name.to_owned())), value);
        }
        members
    }
}

/// Returns the members of an object that its head contains completely.
fn first_members(head: &str) -> Object<'_> {
    let mut members = Object::default();
    // Always fails, where the head ends.
    let _ = serde_json::Deserializer::from_str(head).deserialize_map(Members(&mut members));
    members
}

/// A visitor that keeps the members that it read before an error.
struct Members<'o, 'a>(&'o mut Object<'a>);

impl<'de> Visitor<'de> for Members<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(FieldName(name)) = map.next_key()? {
            self.0.push_field(name, map.next_value()?);
        }
        Ok(())
    }
}

/// Returns the longest end of an object's tail that is a list of members, as an object.
///
/// A member of a nested object is no such end: the object's brackets are closed too early.
fn last_members(tail: &str) -> Option<String> {
    let starts = tail.rmatch_indices('"').map(|(start, _)| start).filter(|&start| follows_separator(tail, start));
    let objects = starts.take(MAX_ATTEMPTS).map(|start| format!("{{{}", &tail[start..]));
    objects.filter(|object| Object::parse(object).is_some()).last()
}

/// Returns `true` if the text at `start` follows a comma or an opening bracket, as the name of a member does.
fn follows_separator(text: &str, start: usize) -> bool {
    text[..start].trim_end().ends_with([',', '{'])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the names of the members that are read from a body that was cut to its first and last bytes.
    fn names(head: &str, tail: &str) -> Vec<String> {
        let stored = serde_json::json!({ (semconv::TRUNCATED): { "head": head, "tail": tail } }).to_string();
        let body = Object::parse(&stored).and_then(|stored| TruncatedBody::read(&stored)).expect("head and tail");
        body.members().fields().map(|(name, _)| name.to_owned()).collect()
    }

    #[test]
    fn complete_members_of_both_ends_are_read() {
        assert_eq!(
            names(r#"{"id":"a","n":{"x":[1]},"items":[{"te"#, r#"d of, it"}],"usage":{"n":1,"m":{}},"model":"b"}"#),
            ["id", "n", "usage", "model"]
        );
        assert_eq!(
            names("{\n  \"id\": 1,\n  \"x\": \"", "\"\n  },\n  \"usage\": {\n \"n\": 1\n }\n}\n"),
            ["id", "usage"]
        );
    }

    #[test]
    fn members_of_nested_objects_are_left_out() {
        assert_eq!(names("[{\"a\":1", r#""a":1,"b":2}]}"#), [""; 0]);
        assert_eq!(names(r#"{"a":{"b":1,"c"#, r#","d":2},"e":3}"#), ["e"]);
    }

    #[test]
    fn text_that_looks_like_members_is_left_out() {
        assert_eq!(names("", r#"say \"usage\": {}, ","model":"b"}"#), ["model"]);
        assert_eq!(names("", r#"{,"usage":1,"#), [""; 0]);
        assert_eq!(names("\u{fffd}", "\u{fffd}"), [""; 0]);
    }

    #[test]
    fn number_of_attempts_is_bounded() {
        let many: String = (0..10_000).map(|n| format!(r#","n{n}":{n}"#)).collect();
        assert_eq!(names("", &format!("{many}}}")).len(), MAX_ATTEMPTS);
    }
}
