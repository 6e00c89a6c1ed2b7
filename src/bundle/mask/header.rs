//! Finds the values of header lines: in HTTP messages, in command lines, in logs.

use std::ops::Range;

use super::line::{self, LinePosition};
use super::names::NameKind;
use super::secret_span::SecretSpan;
use super::{value, word};

/// Authorization schemes that are followed by one word, which is the secret.
const ONE_WORD: [&str; 8] = ["apikey", "basic", "bearer", "bot", "key", "negotiate", "ntlm", "token"];
/// Authorization schemes that are followed by several words; the rest of the line is the secret.
const MANY_WORDS: [&str; 5] = ["aws4-hmac-sha256", "digest", "hawk", "oauth", "signature"];

/// Maximum length of an authorization scheme, in bytes.
const MAX_SCHEME: usize = 24;
/// Number of bytes after a scheme of several words in which its first `name=value` part must begin.
const MAX_FIRST_PART: usize = 256;
/// Maximum length of a secret of one word, in bytes.
const MAX_WORD: usize = 16 * 1024;
/// Maximum length of a cookie's name, in bytes.
const MAX_COOKIE: usize = 1024;

/// The authorization scheme before a secret.
pub(super) struct Scheme {
    /// Length of the scheme and of the blanks after it, in bytes.
    pub(super) length: usize,
    is_one_word: bool,
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

/// Finds the secret after `name:` of a header. Returns `None` if the name is not followed by a colon, or the value is
/// not a secret.
pub(super) fn find(text: &[u8], name: &Range<usize>, kind: NameKind) -> Option<SecretSpan> {
    (text.get(name.end) == Some(&b':')).then_some(())?;
    let from = line::skip_blanks(text, name.end + 1);
    let start = line::skip_quote(text, from);
    let position = LinePosition::at(text, name.start);
    let is_header = position != LinePosition::Inline;
    match kind {
        NameKind::Authorization => authorization(text, start, is_header),
        NameKind::Cookie if is_header => cookie(text, start),
        NameKind::Custom if is_header => {
            custom(text, start, if start > from { LinePosition::LineStart } else { position })
        }
        NameKind::Key if is_header && text[name.clone()].contains(&b'-') => key(text, start),
        NameKind::Cookie | NameKind::Custom | NameKind::Key | NameKind::Other => None,
    }
}

fn authorization(text: &[u8], start: usize, is_header: bool) -> Option<SecretSpan> {
    let word_from = |start: usize| start..line::end(text, start, MAX_WORD, |byte| !word::is_credential(byte));
    if let Some(Scheme { length: scheme, is_one_word }) = scheme(&text[start..]) {
        let start = start + scheme;
        if !is_one_word {
            let first_part = &text[start..text.len().min(start + MAX_FIRST_PART)];
            let has_parts = first_part.iter().take_while(|byte| !line::ends_line(**byte)).any(|byte| *byte == b'=');
            return has_parts.then(|| secret(text, start..line_end(text, start))).flatten();
        }
        let word = word_from(start);
        let value = &text[word.clone()];
        let is_secret = !word::starts_template(value) && (is_header || word::looks_like_credential(value));
        return is_secret.then(|| secret(text, word)).flatten();
    }
    let word = word_from(start);
    let value = &text[word.clone()];
    let is_alone = text.get(word.end).is_none_or(|byte| line::ends_line(*byte));
    let is_secret = is_header && is_alone && value.len() >= 8 && word::looks_like_credential(value);
    is_secret.then(|| secret(text, word)).flatten()
}

fn cookie(text: &[u8], start: usize) -> Option<SecretSpan> {
    let name = line::end(text, start, MAX_COOKIE, |byte| !word::is_credential(byte) || byte == b'=');
    let is_pair = name > start && text.get(name) == Some(&b'=');
    let has_value = text.get(name + 1).is_some_and(|byte| !line::ends_line(*byte));
    (is_pair && has_value).then(|| secret(text, start..line_end(text, start))).flatten()
}

/// Finds the value of a header whose name the program added: everything up to the end of the header.
fn custom(text: &[u8], start: usize, position: LinePosition) -> Option<SecretSpan> {
    let end = match position {
        LinePosition::AfterOption => line::end(text, start, usize::MAX, line::ends_word),
        LinePosition::PartStart => {
            line::end(text, start, usize::MAX, |byte| line::ends_line(byte) || matches!(byte, b',' | b'}' | b']'))
        }
        LinePosition::LineStart | LinePosition::Inline => line_end(text, start),
    };
    let value = text[start..end].trim_ascii_end();
    let is_secret = !word::is_template(value);
    is_secret.then(|| secret(text, start..start + value.len())).flatten()
}

/// Finds the value of a header that holds a key: a word that ends the line, or that has digits or capitals in it.
fn key(text: &[u8], start: usize) -> Option<SecretSpan> {
    let end = line::end(text, start, MAX_WORD, line::ends_word);
    let key = line::trim_punctuation(start..end, text);
    let value = &text[key.clone()];
    let is_odd = word::looks_like_credential(value) || line::is_over(text, end);
    let is_secret = is_odd && !word::starts_template(value) && !word::is_generic(value);
    is_secret.then(|| secret(text, key)).flatten()
}

fn line_end(text: &[u8], start: usize) -> usize {
    line::end(text, start, usize::MAX, line::ends_line)
}

fn secret(text: &[u8], range: Range<usize>) -> Option<SecretSpan> {
    value::secret_in(text, range, NameKind::Other)
}
