//! Header lines, as in HTTP itself, in a command line, in a log.

use std::ops::Range;

use super::line::{self, Place};
use super::names::Kind;
use super::secret_span::Spot;
use super::{value, word};

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
/// The longest name of a cookie, in bytes.
const MAX_COOKIE: usize = 1024;

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
    let start = line::skip_blanks(value, length);
    let is_scheme = start > length && start < value.len() && (is_one_word || is_one_of(&MANY_WORDS));
    is_scheme.then_some(Scheme { length: start, is_one_word })
}

/// Looks at what follows `name: ` of a header.
pub(super) fn find(text: &[u8], name: &Range<usize>, kind: Kind) -> Option<Spot> {
    (text.get(name.end) == Some(&b':')).then_some(())?;
    let from = line::skip_blanks(text, name.end + 1);
    let start = line::skip_quote(text, from);
    let place = Place::of(text, name.start);
    let opens = place != Place::Within;
    match kind {
        Kind::Authorization => authorization(text, start, opens),
        Kind::Cookie if opens => cookie(text, start),
        Kind::Own if opens => own(text, start, if start > from { Place::First } else { place }),
        Kind::Key if opens && text[name.clone()].contains(&b'-') => key(text, start),
        Kind::Cookie | Kind::Own | Kind::Key | Kind::Other => None,
    }
}

fn authorization(text: &[u8], start: usize, opens: bool) -> Option<Spot> {
    let word_from = |start: usize| start..line::end(text, start, MAX_WORD, |byte| !word::is_credential(byte));
    if let Some(Scheme { length: scheme, is_one_word }) = scheme(&text[start..]) {
        let start = start + scheme;
        if !is_one_word {
            let first_part = &text[start..text.len().min(start + MAX_FIRST_PART)];
            let has_parts = first_part.iter().take_while(|byte| !line::ends_line(**byte)).any(|byte| *byte == b'=');
            return has_parts.then(|| secret(text, start..rest_of_line(text, start))).flatten();
        }
        let word = word_from(start);
        let value = &text[word.clone()];
        let is_secret = !word::starts_template(value) && (opens || word::looks_like_credential(value));
        return is_secret.then(|| secret(text, word)).flatten();
    }
    let word = word_from(start);
    let value = &text[word.clone()];
    let is_alone = text.get(word.end).is_none_or(|byte| line::ends_line(*byte));
    let is_secret = opens && is_alone && value.len() >= 8 && word::looks_like_credential(value);
    is_secret.then(|| secret(text, word)).flatten()
}

fn cookie(text: &[u8], start: usize) -> Option<Spot> {
    let name = line::end(text, start, MAX_COOKIE, |byte| !word::is_credential(byte) || byte == b'=');
    let is_pair = name > start && text.get(name) == Some(&b'=');
    let has_value = text.get(name + 1).is_some_and(|byte| !line::ends_line(*byte));
    (is_pair && has_value).then(|| secret(text, start..rest_of_line(text, start))).flatten()
}

/// Whatever follows, to where the header ends.
fn own(text: &[u8], start: usize, place: Place) -> Option<Spot> {
    let end = match place {
        Place::Option => line::end(text, start, usize::MAX, line::ends_word),
        Place::Part => {
            line::end(text, start, usize::MAX, |byte| line::ends_line(byte) || matches!(byte, b',' | b'}' | b']'))
        }
        Place::First | Place::Within => rest_of_line(text, start),
    };
    let value = text[start..end].trim_ascii_end();
    let is_secret = !word::is_template(value);
    is_secret.then(|| secret(text, start..start + value.len())).flatten()
}

/// One word with nothing behind it, or one that no language has.
fn key(text: &[u8], start: usize) -> Option<Spot> {
    let end = line::end(text, start, MAX_WORD, line::ends_word);
    let key = line::without_marks(start..end, text);
    let value = &text[key.clone()];
    let is_odd = word::looks_like_credential(value) || line::is_over(text, end);
    let is_secret = is_odd && !word::starts_template(value) && !word::says_nothing(value);
    is_secret.then(|| secret(text, key)).flatten()
}

fn rest_of_line(text: &[u8], start: usize) -> usize {
    line::end(text, start, usize::MAX, line::ends_line)
}

fn secret(text: &[u8], range: Range<usize>) -> Option<Spot> {
    value::secret_in(text, range, Kind::Other)
}
