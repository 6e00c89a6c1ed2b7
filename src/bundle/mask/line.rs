//! Secrets behind names that are not quoted: header lines, and assignments.

use std::ops::Range;

use super::names::Kind;
use super::salt::is_placeholder;
use super::spot::Spot;
use super::value;

/// Schemes behind which one word is the secret …
const ONE_WORD: [&str; 8] = ["apikey", "basic", "bearer", "bot", "key", "negotiate", "ntlm", "token"];
/// … and behind which it is the rest of the line.
const MANY_WORDS: [&str; 5] = ["aws4-hmac-sha256", "digest", "hawk", "oauth", "signature"];

/// The longest scheme, in bytes.
const MAX_SCHEME: usize = 24;
/// How far the first part of what follows such a scheme is looked for, in bytes.
const MAX_FIRST_PART: usize = 256;
/// The longest secret that is one word, in bytes.
const MAX_WORD: usize = 16 * 1024;
/// The same, where many words in a row may each be looked at as if it were one.
const MAX_GUESS: usize = 1024;

/// What stands before a secret, and says how it is used.
pub(super) struct Scheme {
    /// With the space behind it, in bytes.
    pub(super) length: usize,
    is_one_word: bool,
}

/// The scheme that an authorization begins with, and something behind it.
pub(super) fn scheme(value: &[u8]) -> Option<Scheme> {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'-';
    let length = value.iter().take(MAX_SCHEME).take_while(|byte| is_part(byte)).count();
    let is_one_of = |schemes: &[&str]| schemes.iter().any(|it| value[..length].eq_ignore_ascii_case(it.as_bytes()));
    let is_one_word = is_one_of(&ONE_WORD);
    let start = skip_blanks(value, length);
    let is_scheme = start > length && start < value.len() && (is_one_word || is_one_of(&MANY_WORDS));
    is_scheme.then_some(Scheme { length: start, is_one_word })
}

/// Looks at what follows `name: ` of a header, as in HTTP itself, in a command line, in a log.
pub(super) fn header(text: &[u8], name: &Range<usize>, kind: Kind) -> Option<Spot> {
    if text.get(name.end) != Some(&b':') {
        return None;
    }
    let start = skip_quote(text, skip_blanks(text, name.end + 1));
    let opens_line = opens_line(text, name.start);
    match kind {
        Kind::Authorization => authorization(text, start, opens_line),
        Kind::Cookie if opens_line => cookie(text, start),
        Kind::Key => {
            let is_header = opens_line && text[name.clone()].contains(&b'-');
            let window = if is_header { &text[start..] } else { window(text, start) };
            let key = start..start + length(window, is_credential);
            let is_secret = is_credentials(text, &key) && (is_header || looks_random(&text[key.clone()]));
            is_secret.then(|| secret(text, key)).flatten()
        }
        Kind::Cookie | Kind::Other => None,
    }
}

fn authorization(text: &[u8], start: usize, opens_line: bool) -> Option<Spot> {
    if let Some(Scheme { length: scheme, is_one_word }) = scheme(&text[start..]) {
        let start = start + scheme;
        if !is_one_word {
            let has_parts = text[start..text.len().min(start + MAX_FIRST_PART)]
                .iter()
                .take_while(|byte| !ends_value(**byte))
                .any(|byte| *byte == b'=');
            return has_parts.then(|| secret(text, start..end_of_line(text, start))).flatten();
        }
        let word = start..start + length(&text[start..], is_credential);
        let is_secret =
            !starts_template(&text[word.clone()]) && (opens_line || looks_like_credential(&text[word.clone()]));
        return is_secret.then(|| secret(text, word)).flatten();
    }
    let word = start..start + length(&text[start..], is_credential);
    let is_secret = opens_line && is_credentials(text, &word) && looks_like_credential(&text[word.clone()]);
    is_secret.then(|| secret(text, word)).flatten()
}

/// What is looked at of a text from here on.
fn window(text: &[u8], start: usize) -> &[u8] {
    &text[start..text.len().min(start + MAX_GUESS)]
}

fn cookie(text: &[u8], start: usize) -> Option<Spot> {
    let name = length(window(text, start), |byte| is_credential(byte) && byte != b'=');
    let is_pair = name > 0 && text.get(start + name) == Some(&b'=');
    let has_value = text.get(start + name + 1).is_some_and(|byte| !ends_value(*byte));
    (is_pair && has_value).then(|| secret(text, start..end_of_line(text, start))).flatten()
}

fn end_of_line(text: &[u8], start: usize) -> usize {
    start + text[start..].iter().take_while(|byte| !ends_value(**byte)).count()
}

/// Of bytes that belong together.
fn length(text: &[u8], is_part: impl Fn(u8) -> bool) -> usize {
    text.iter().take(MAX_WORD).take_while(|byte| is_part(**byte)).count()
}

/// Looks at what is assigned to a sensitive name: in a file of variables, a form, a program.
pub(super) fn assignment(text: &[u8], name: &Range<usize>) -> Option<Spot> {
    let sign = skip_blanks(text, name.end);
    let operator = *text.get(sign).filter(|byte| matches!(byte, b'=' | b':'))?;
    let from = skip_blanks(text, sign + 1);
    let start = skip_quote(text, from);
    let is_quoted = start > from;
    let length = length(window(text, start), |byte| !ends_value(byte) && !matches!(byte, b' ' | b'&'));
    let value = &text[start..start + length];
    let is_form = operator == b'='
        && (text.get(start + length) == Some(&b'&') || matches!(before(text, name.start), b'&' | b'?'));
    let is_variable =
        operator == b'=' && from == name.end + 1 && !text[name.clone()].iter().any(u8::is_ascii_lowercase);
    let has_digit = value.iter().any(u8::is_ascii_digit);
    let is_secret = match () {
        () if value.len() < 6 || starts_template(value) => false,
        () if is_form => true,
        () if is_variable => has_digit || value.len() >= 16,
        () if is_quoted => value.len() >= 8 && has_digit && text.get(start + length).is_some_and(|byte| *byte != b' '),
        () => is_credentials(text, &(start..start + length)) && looks_random(value),
    };
    is_secret.then(|| secret(text, start..start + length)).flatten()
}

fn secret(text: &[u8], range: Range<usize>) -> Option<Spot> {
    let is_worth_it = !range.is_empty() && !is_placeholder(&text[range.clone()]);
    is_worth_it.then(|| value::secret_in(text, range, Kind::Other)).flatten()
}

fn before(text: &[u8], at: usize) -> u8 {
    at.checked_sub(1).map_or(b'\n', |before| text[before])
}

/// Whether a name stands where a header does: first in its line, or in what is quoted.
fn opens_line(text: &[u8], at: usize) -> bool {
    let trimmed = text[..at].trim_ascii_end().len();
    let is_first = trimmed == 0 || text[trimmed..at].contains(&b'\n');
    // The letter of an escaped line break.
    let is_escape = at > 1 && text[at - 2] == b'\\' && matches!(text[at - 1], b'n' | b'r' | b't');
    is_first
        || is_escape
        || matches!(before(text, at), b'"' | b'\'' | b'`' | b'>' | b'<' | b'{' | b',' | b'[')
        || (trimmed > 0 && matches!(text[trimmed - 1], b'>' | b'<' | b'{' | b',' | b'*'))
}

fn skip_blanks(text: &[u8], at: usize) -> usize {
    at + text[at..].iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count()
}

/// Goes over the quote that a value begins with. What follows one that ends the text around is punctuation.
fn skip_quote(text: &[u8], at: usize) -> usize {
    let backslashes = text[at..].iter().take_while(|byte| **byte == b'\\').count();
    let opens = |byte: &u8| byte.is_ascii_graphic() && !matches!(byte, b':' | b',' | b'}' | b']' | b'\\' | b'"');
    match text.get(at + backslashes).filter(|_| text.get(at + backslashes + 1).is_some_and(opens)) {
        Some(b'"') => at + backslashes + 1,
        Some(b'\'' | b'`') if backslashes == 0 => at + 1,
        Some(_) | None => at,
    }
}

fn ends_value(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r' | b'"' | b'\'' | b'`' | b'\\' | b'<' | b'>')
}

/// Whether somebody is to put something in its place.
pub(super) fn starts_template(value: &[u8]) -> bool {
    matches!(value.first(), None | Some(b'$' | b'{' | b'<' | b'%' | b'*' | b'(' | b'[')) || value.starts_with(b"...")
}

fn is_credential(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/' | b'=' | b':' | b'|')
}

/// Whether it is one word that may be a credential, and ends there.
fn is_credentials(text: &[u8], word: &Range<usize>) -> bool {
    let value = &text[word.clone()];
    let ends = text.get(word.end).is_none_or(|byte| ends_value(*byte));
    value.len() >= 8 && ends && value.iter().all(|byte| is_credential(*byte)) && !starts_template(value)
}

/// Words of a text have neither digits nor capitals in them.
fn looks_like_credential(value: &[u8]) -> bool {
    let odd = |byte: &u8| byte.is_ascii_digit() || byte.is_ascii_uppercase();
    value.len() >= 6 && value.iter().skip(1).any(odd)
}

/// Names in programs have no such mixture, or seldom.
fn looks_random(value: &[u8]) -> bool {
    let has = |is: fn(&u8) -> bool| value.iter().any(is);
    value.len() >= 16
        && has(u8::is_ascii_digit)
        && has(u8::is_ascii_lowercase)
        && has(u8::is_ascii_uppercase)
        && !value.windows(2).any(|pair| pair == b"::")
}
