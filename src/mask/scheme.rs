//! Authorization schemes before a secret, in header lines and in the values of fields.

use super::line;

/// Authorization schemes that are followed by one word, which is the secret.
const ONE_WORD: [&str; 8] = ["apikey", "basic", "bearer", "bot", "key", "negotiate", "ntlm", "token"];
/// Authorization schemes that are followed by several words; the rest of the line is the secret.
const MANY_WORDS: [&str; 5] = ["aws4-hmac-sha256", "digest", "hawk", "oauth", "signature"];

/// Maximum length of a scheme, in bytes.
const MAX_SCHEME: usize = 24;
/// The authorization scheme before a secret.
pub(super) struct Scheme {
    /// Length of the scheme and of the blanks after it, in bytes.
    pub(super) length: usize,
    /// `true` if the secret is one word, `false` if it is the rest of the line.
    pub(super) is_one_word: bool,
}

/// Parses the scheme at the start of an authorization value. Returns `None` if there is no known scheme, or nothing
/// after it.
pub(super) fn scheme(value: &[u8]) -> Option<Scheme> {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'-';
    let length = value.iter().take(MAX_SCHEME).take_while(|byte| is_part(byte)).count();
    let is_one_of = |schemes: &[&str]| schemes.iter().any(|it| value[..length].eq_ignore_ascii_case(it.as_bytes()));
    let is_one_word = is_one_of(&ONE_WORD);
    let start = line::skip_blanks(value, length);
    let is_scheme = start > length && start < value.len() && (is_one_word || is_one_of(&MANY_WORDS));
    is_scheme.then_some(Scheme { length: start, is_one_word })
}
