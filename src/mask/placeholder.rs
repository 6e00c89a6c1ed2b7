//! What stands in place of a secret: `[masked:<kind>:<hash>]`.

/// The beginning of each placeholder.
pub(super) const PREFIX: &str = "[masked:";

/// Returns `true` if the text has the form of a placeholder of a secret.
pub(super) fn is_placeholder(text: &[u8]) -> bool {
    let Some(inner) = text.strip_prefix(PREFIX.as_bytes()).and_then(|rest| rest.strip_suffix(b"]")) else {
        return false;
    };
    let Some(colon) = memchr::memchr(b':', inner) else { return false };
    let (kind, hash) = (&inner[..colon], &inner[colon + 1..]);
    let is_kind = kind.iter().all(|byte| byte.is_ascii_lowercase() || *byte == b'-');
    is_kind && hash.len() == 12 && hash.iter().all(u8::is_ascii_hexdigit)
}
