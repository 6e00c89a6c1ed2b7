//! What stands in place of a secret: `[masked:<kind>:<hash>]`, and in ids `masked-<kind>-<hash>`.

/// Number of hexadecimal digits of the hash in a placeholder.
const DIGITS: usize = 12;

/// Returns the placeholder of a secret in a text.
pub(super) fn in_text(kind: &str, hash: u64) -> String {
    format!("[masked:{kind}:{hash:0DIGITS$x}]")
}

/// Returns the placeholder of a secret in an id: a word that a path may have.
pub(super) fn in_id(kind: &str, hash: u64) -> String {
    format!("masked-{kind}-{hash:0DIGITS$x}")
}

/// Returns `true` if the text begins like a placeholder of a secret in a text.
pub(super) fn begins_placeholder(text: &[u8]) -> bool {
    text.starts_with(b"[masked:")
}

/// Returns `true` if the text has the form of a placeholder of a secret.
pub(super) fn is_placeholder(text: &[u8]) -> bool {
    let in_brackets = || split(text.strip_prefix(b"[masked:")?.strip_suffix(b"]")?, b':');
    let in_id = || split(text.strip_prefix(b"masked-")?, b'-');
    let Some((kind, hash)) = in_brackets().or_else(in_id) else { return false };
    let is_kind = kind.iter().all(|byte| byte.is_ascii_lowercase() || *byte == b'-');
    is_kind && hash.len() == DIGITS && hash.iter().all(u8::is_ascii_hexdigit)
}

/// Returns what stands before and behind the last separator.
fn split(text: &[u8], separator: u8) -> Option<(&[u8], &[u8])> {
    let at = memchr::memrchr(separator, text)?;
    Some((&text[..at], &text[at + 1..]))
}
