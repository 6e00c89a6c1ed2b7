//! Finds the id of a response in its body, and reads no more of it than that takes.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer as _, Error as _, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::wrapper;

/// Members that hold the id of a response, in the spelling of each API and in that of format 1.
const MEMBERS: [&str; 3] = ["id", "response_id", "responseId"];

/// Returns the id of a response: the first of its members `id`, `response_id` and `responseId` that is a text and not
/// empty, or of the response in a wrapper. Returns `None` if there is none, or if the body is no JSON object.
///
/// The recorder calls it for each response whose id the program did not give, so it stops reading at the member, which
/// most APIs send first.
pub(crate) fn response_id(body: &[u8]) -> Option<String> {
    id_in(body, Position::Body)
}

/// The object in which an id is searched for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Position {
    Body,
    /// The response in a wrapper.
    Wrapped,
}

fn id_in(object: &[u8], position: Position) -> Option<String> {
    let mut found = None;
    // An error ends the reading, also where the id was found.
    let _ = serde_json::Deserializer::from_slice(object).deserialize_map(IdVisitor { found: &mut found, position });
    found
}

/// A visitor that captures the id and then fails, so that nothing behind it is read.
struct IdVisitor<'f> {
    found: &'f mut Option<String>,
    position: Position,
}

impl<'de> Visitor<'de> for IdVisitor<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a response")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        while let Some(name) = members.next_key::<Cow<'de, str>>()? {
            if self.position == Position::Body && name == wrapper::RESPONSE {
                let wrapped: &RawValue = members.next_value()?;
                *self.found = id_in(wrapped.get().as_bytes(), Position::Wrapped);
                if self.found.is_some() {
                    return Err(A::Error::custom("found"));
                }
            } else if !MEMBERS.contains(&&*name) {
                members.next_value::<IgnoredAny>()?;
            } else if let serde_json::Value::String(id) = members.next_value()?
                && !id.is_empty()
            {
                *self.found = Some(id);
                return Err(A::Error::custom("found"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn id_of_each_api_is_found() {
        for body in [
            r#"{"id":"r-1","output":[{"id":"item"}]}"#,
            r#"{"object":"chat.completion","choices":[{"id":"x"}],"id":"r-1"}"#,
            r#"{"candidates":[{"content":{}}],"responseId":"r-1"}"#,
            r#"{"output_items":[],"response_id":"r-1"}"#,
            r#" {"id":null,"response_id":"","responseId":"r-1"}"#,
            r#"{"id":"r-\u0031"}"#,
            r#"{"response":{"candidates":[],"responseId":"r-1"},"traceId":"t"}"#,
            r#"{"type":"response.completed","response":{"object":"response","id":"r-1"}}"#,
            r#"{"response":"text","id":"r-1"}"#,
            r#"{"response":{"response":{"id":"x"}},"id":"r-1"}"#,
        ] {
            assert_eq!(response_id(body.as_bytes()).as_deref(), Some("r-1"), "{body}");
        }
    }

    #[test]
    fn body_without_an_id_has_none() {
        for body in
            ["", "{}", "[]", "null", r#""id""#, r#"{"output":{"id":"x"}}"#, r#"{"id":7}"#, r#"{"id":{"id":"x"}}"#]
        {
            assert_eq!(response_id(body.as_bytes()), None, "{body}");
        }
    }

    #[test]
    fn nothing_behind_the_id_is_read() {
        assert_eq!(response_id(br#"{"id":"r-1","output":not JSON"#).as_deref(), Some("r-1"));
        assert_eq!(response_id(br#"{"output":not JSON,"id":"r-1"}"#), None);
    }
}
