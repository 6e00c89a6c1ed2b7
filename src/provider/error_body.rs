//! Reads what providers return in place of a response: the bodies of errors, which no API defines in one way.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::assembler::bounded_error;
use super::object::{Object, list, text};

/// Members of error bodies that hold the message, or an object or list that holds it.
const MESSAGE_FIELDS: [&str; 6] = ["error", "errors", "message", "Message", "detail", "msg"];

/// Maximum nesting depth at which a message is found.
const MAX_DEPTH: usize = 10;

/// Returns `true` if a body states that it is an error.
pub(super) fn is_error(body: &Object<'_>) -> bool {
    ["object", "type"].iter().any(|name| body.text(name).as_deref() == Some("error"))
}

/// Returns the message of an error body that is an object. Returns `None` if the body has none.
pub(super) fn message(body: &Object<'_>) -> Option<String> {
    message_in(body, MAX_DEPTH).map(|message| bounded_error(&message))
}

/// Returns the message of an error body that is a JSON text. Returns `None` for any other body, and for an empty text.
pub(crate) fn error_text(body: &str) -> Option<String> {
    let value: &RawValue = serde_json::from_str(body).ok()?;
    let message = text(value).filter(|text| !text.trim_ascii().is_empty())?;
    Some(bounded_error(&message))
}

fn message_in<'a>(object: &Object<'a>, depth: usize) -> Option<Cow<'a, str>> {
    let depth = depth.checked_sub(1)?;
    MESSAGE_FIELDS.iter().filter_map(|name| object.non_null(name)).find_map(|value| message_of(value, depth))
}

/// Returns the message that a value is or holds: of a list, the first message in it.
fn message_of(value: &RawValue, depth: usize) -> Option<Cow<'_, str>> {
    let depth = depth.checked_sub(1)?;
    if let Some(elements) = list(value) {
        return elements.into_iter().find_map(|element| message_of(element, depth));
    }
    match Object::from_value(value) {
        Some(object) => message_in(&object, depth),
        None => text(value).filter(|text| !text.trim_ascii().is_empty()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message_of_body(body: &str) -> Option<String> {
        Object::parse(body).and_then(|body| message(&body))
    }

    #[test]
    fn message_is_found_in_every_form() {
        for body in [
            r#"{"error":{"message":"boom","code":429}}"#,
            r#"{"code":"x","error":"boom"}"#,
            r#"{"error":["boom"],"warnings":[]}"#,
            r#"{"detail":"boom"}"#,
            r#"{"detail":[{"loc":["body"],"msg":"boom"}]}"#,
            r#"{"message":"boom","id":"x"}"#,
            r#"{"Message":"boom","__type":"X"}"#,
            r#"{"object":"error","message":{"detail":[{"msg":"boom"}]},"code":"1500"}"#,
            r#"{"success":false,"errors":[{"code":1,"message":"boom"}],"messages":[]}"#,
        ] {
            assert_eq!(message_of_body(body).as_deref(), Some("boom"), "{body}");
        }
    }

    #[test]
    fn json_text_is_a_message() {
        assert_eq!(error_text(r#" "boom" "#).as_deref(), Some("boom"));
        for body in ["boom", r#""""#, r#"" ""#, "7", "null", r#"{"error":"boom"}"#, r#"["boom"]"#, "", r#""boom"#] {
            assert_eq!(error_text(body), None, "{body}");
        }
    }

    #[test]
    fn body_without_a_message_has_none() {
        let nested = format!(r#"{{"error":{}"boom"{}}}"#, "[".repeat(100), "]".repeat(100));
        for body in ["{}", r#"{"error":null}"#, r#"{"error":7,"message":" "}"#, r#"{"id":"boom"}"#, &*nested] {
            assert_eq!(message_of_body(body), None, "{body}");
        }
        assert_eq!(
            message_of_body(&format!(r#"{{"error":"{}"}}"#, "é".repeat(1000))).map(|text| text.len()),
            Some(500)
        );
    }
}
