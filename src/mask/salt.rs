//! Placeholders of secrets, and the key of the hash in them.

use std::borrow::Cow;
use std::fmt;

use siphasher::sip::SipHasher24;

use super::credentials;
use super::placeholder;
use super::secret_span::{Place, SecretSpan};

/// The key of the hash in placeholders. It is never written anywhere. `None` if there is no key; then the hash is 0.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Salt(Option<[u8; 16]>);

impl Salt {
    pub(super) fn random() -> Self {
        Self(Some(uuid::Uuid::new_v4().into_bytes()))
    }

    pub(super) fn from_bytes(salt: [u8; 16]) -> Self {
        Self(Some(salt))
    }

    /// Returns the absence of a key.
    pub(super) fn none() -> Self {
        Self(None)
    }

    /// Returns a keyed hash of a text. Without the key a guess cannot be verified. Returns 0 if there is no key.
    pub(super) fn hash(&self, text: &[u8]) -> u64 {
        self.0.map_or(0, |key| SipHasher24::new_with_key(&key).hash(text))
    }

    /// Returns the placeholder of a secret. It depends on the key, the unescaped secret and its place only.
    pub(super) fn placeholder(&self, secret: &[u8], place: Place) -> String {
        let secret = unescape_fully(secret);
        let (kind, hash) = (credentials::kind_of(&secret), self.hash(&secret) >> 16);
        match place {
            Place::Text | Place::Number(_) => placeholder::in_text(kind, hash),
            Place::Id => placeholder::in_id(kind, hash),
        }
    }

    /// Replaces the secrets, which must be sorted, by placeholders.
    pub(super) fn replace_secrets(&self, text: &[u8], secrets: &[SecretSpan]) -> Vec<u8> {
        let mut masked = Vec::with_capacity(text.len() + 32 * secrets.len());
        let mut done = 0;
        for SecretSpan { range, place } in secrets {
            masked.extend_from_slice(&text[done..range.start]);
            let quote = |masked: &mut Vec<u8>| {
                if let Place::Number(level) = place {
                    masked.resize(masked.len() + level.before_quote(), b'\\');
                    masked.push(b'"');
                }
            };
            quote(&mut masked);
            masked.extend_from_slice(self.placeholder(&text[range.clone()], *place).as_bytes());
            quote(&mut masked);
            done = range.end;
        }
        masked.extend_from_slice(&text[done..]);
        masked
    }
}

impl fmt::Debug for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Salt")
    }
}

/// Maximum number of levels of JSON escapes that are removed before a secret is hashed.
const MAX_LEVELS: usize = 16;

/// Removes the JSON escapes of a secret at all levels: those of the string that contains it, and those of JSON strings
/// around that string.
fn unescape_fully(secret: &[u8]) -> Cow<'_, [u8]> {
    let mut plain = Cow::Borrowed(secret);
    for _ in 0..MAX_LEVELS {
        if memchr::memchr(b'\\', &plain).is_none() {
            break;
        }
        plain = Cow::Owned(unescape(&plain));
    }
    plain
}

/// Removes one level of JSON escapes.
fn unescape(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        plain.extend_from_slice(&rest[..at]);
        let escape = rest.get(at + 1).copied();
        rest = rest.get(at + 2..).unwrap_or_default();
        match escape {
            Some(b'n') => plain.push(b'\n'),
            Some(b'r') => plain.push(b'\r'),
            Some(b't') => plain.push(b'\t'),
            Some(b'u') => match rest.get(..4).and_then(code_point) {
                Some(character) => {
                    plain.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                    rest = &rest[4..];
                }
                None => plain.push(b'u'),
            },
            Some(other) => plain.push(other),
            None => {}
        }
    }
    plain.extend_from_slice(rest);
    plain
}

fn code_point(hex: &[u8]) -> Option<char> {
    char::from_u32(u32::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mask::placeholder::is_placeholder;

    #[test]
    fn a_secret_has_one_placeholder_at_every_escape_level() {
        let salt = Salt::random();
        let secret = "a\"b\\c\nd/é";
        let mut escaped = secret.to_owned();
        for _ in 0..4 {
            assert_eq!(
                salt.placeholder(escaped.as_bytes(), Place::Text),
                salt.placeholder(secret.as_bytes(), Place::Text)
            );
            let quoted = serde_json::to_string(&escaped).expect("text");
            escaped = quoted[1..quoted.len() - 1].to_owned();
        }
        assert_ne!(salt.placeholder(b"other", Place::Text), salt.placeholder(secret.as_bytes(), Place::Text));
        assert_ne!(
            Salt::random().placeholder(secret.as_bytes(), Place::Text),
            salt.placeholder(secret.as_bytes(), Place::Text)
        );
    }

    #[test]
    fn a_placeholder_is_recognised() {
        for place in [Place::Text, Place::Id] {
            let placeholder = Salt::random().placeholder(b"x", place);
            assert!(is_placeholder(placeholder.as_bytes()), "{placeholder}");
        }
        assert!(
            !is_placeholder(b"[masked:secret]")
                && !is_placeholder(b"masked-secret-0123")
                && !is_placeholder(b"[masked:secret:not hexadecim]")
        );
    }
}
