//! Secrets in ids: members of JSON, at any level of escapes, whose names end with `id`.

use super::credentials;
use super::names::Names;
use super::scan::{self, is_blank};
use super::secret_span::{Place, SecretSpan};

/// Maximum length of what stands before a secret in an id, in bytes.
const MAX_BEFORE: usize = 128;

/// Maximum length of the name of an id, in bytes.
const MAX_NAME: usize = 64;

/// Sets the place of the secrets that stand in ids, so that an id has the same placeholder in each body and in the events
/// that name it.
pub(super) fn mark(text: &[u8], names: &Names, secrets: &mut [SecretSpan]) {
    let (mut before, mut name) = (0, None);
    for secret_span in secrets.iter_mut().filter(|secret_span| secret_span.place == Place::Text) {
        let range = secret_span.range.clone();
        // Secrets of one string are in the value of one member. No byte is looked at twice.
        if let Some(value) = value_start(text, before, range.start) {
            name = id_name(text, value);
        }
        before = range.start;
        // The value of a sensitive name is a secret because of the name, unless it is a credential too.
        let is_id = |name| names.kind(name).is_none() || credentials::is_known(&text[range]);
        if name.is_some_and(is_id) {
            secret_span.place = Place::Id;
        }
    }
}

/// Returns the start of the value that contains index `at`: the index behind the last quote, backslash or control character
/// before it, or behind what is too far away. Returns `None` if it starts before the index `from`.
fn value_start(text: &[u8], from: usize, at: usize) -> Option<usize> {
    let lowest = from.max(at.saturating_sub(MAX_BEFORE));
    let is_value = |byte: u8| !matches!(byte, b'"' | b'\\') && !byte.is_ascii_control();
    let value = at - scan::run_back(&text[lowest..], at - lowest, is_value);
    (value > from || from == 0).then_some(value)
}

/// Returns the name of the member of a JSON object whose value, a string or a list that begins with it, begins at index
/// `value`. Returns `None` if there is none, or if the member is no id.
fn id_name(text: &[u8], value: usize) -> Option<&[u8]> {
    let (before, backslashes) = before_quote(text, value)?;
    let before = before_blanks(text, before);
    let before = if text[..before].ends_with(b"[") { before_blanks(text, before - 1) } else { before };
    let colon = before.checked_sub(1).filter(|colon| text[*colon] == b':')?;
    let (name_end, after_name) = before_quote(text, before_blanks(text, colon))?;
    let lowest = name_end.saturating_sub(MAX_NAME);
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    let name = name_end - scan::run_back(&text[lowest..], name_end - lowest, is_name);
    (backslashes == after_name && text[..name].ends_with(b"\"")).then_some(())?;
    Some(&text[name..name_end]).filter(|name| is_id(name))
}

/// Returns the index of the quote that ends at index `to`, with the backslashes before it, and their number. Returns `None`
/// if there is no quote.
fn before_quote(text: &[u8], to: usize) -> Option<(usize, usize)> {
    let quote = to.checked_sub(1).filter(|quote| text[*quote] == b'"')?;
    let backslashes = scan::run_back(text, quote, |byte| byte == b'\\');
    Some((quote - backslashes, backslashes))
}

fn before_blanks(text: &[u8], to: usize) -> usize {
    let lowest = to.saturating_sub(MAX_BEFORE);
    to - scan::run_back(&text[lowest..], to - lowest, is_blank)
}

/// Returns `true` for names of ids: `id`, `call_id`, `toolUseId`, `receiver_thread_ids`; and `conversation`, which some
/// requests give an id.
fn is_id(name: &[u8]) -> bool {
    let singular = name.strip_suffix(b"s").unwrap_or(name);
    let is_whole = singular.eq_ignore_ascii_case(b"id") || name == b"conversation";
    let is_last_word = singular.ends_with(b"Id")
        || singular.ends_with(b"ID")
        || [b"_id", b"-id", b".id"].iter().any(|end| singular.ends_with(*end));
    is_whole || is_last_word
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_ids_are_known_in_any_spelling() {
        for name in ["id", "ID", "call_id", "toolUseId", "receiver_thread_ids", "conversation", "x-request-id", "a.id"]
        {
            assert!(is_id(name.as_bytes()), "{name}");
        }
        for name in ["paid", "valid", "text", "content", "conversations", "idle", ""] {
            assert!(!is_id(name.as_bytes()), "{name}");
        }
    }

    #[test]
    fn value_belongs_to_the_name_at_its_level() {
        let name = |text: &str| {
            let value = value_start(text.as_bytes(), 0, text.find('X').expect("X")).expect("a value");
            id_name(text.as_bytes(), value).map(<[u8]>::to_vec)
        };
        for text in [
            r#"{"id":"X"}"#,
            r#"{"id" : "a:X#2"}"#,
            r#"{"a":"{\"id\":\"X\"}"}"#,
            r#"{"a":"{\"b\":\"{\\\"id\\\":\\\"X"#,
            r#"{"id": [ "X", "#,
        ] {
            assert_eq!(name(text).as_deref(), Some(&b"id"[..]), "{text}");
        }
        for text in [
            "X",
            "\"X",
            ":\"X",
            "\":\"X",
            r#""id\":"X"#,
            r#""id":\"X"#,
            r#""text":"id X"#,
            r#"id:"X"#,
            r#""id":"a","b":"X"#,
        ] {
            assert_eq!(name(text), None, "{text}");
        }
    }
}
