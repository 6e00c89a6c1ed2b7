//! Finds the value of a quoted sensitive name: in JSON, in JSON inside of JSON strings, and in text that resembles
//! JSON.

use std::ops::Range;

use super::harmless::{is_harmless, is_short_number};
use super::markup;
use super::names::{NameKind, Names, is_type_name};
use super::nesting::value_end;
use super::pair::NameValuePair;
use super::scan::{self, skip_colours};
use super::scheme::scheme_length;
use super::secret_span::{Level, SecretSpan};

/// Names of JSON members that occur in the description of a value, such as `type` and `description` in a JSON Schema. An
/// object behind the name `password` that has such members describes a secret, and their values are none.
const DESCRIPTIVE: [&[u8]; 16] = [
    b"$comment",
    b"$ref",
    b"const",
    b"default",
    b"description",
    b"enum",
    b"examples",
    b"format",
    b"maxLength",
    b"minLength",
    b"pattern",
    b"required",
    b"scheme",
    b"title",
    b"type",
    b"x-order",
];

/// The result of scanning the value of a sensitive name.
pub(super) struct ScannedValue {
    /// The index after the value, where the search continues.
    pub(super) end: usize,
    /// Ranges of descriptive strings that were not masked. They may contain further names.
    pub(super) skipped: Vec<Range<usize>>,
    /// The level of these strings.
    pub(super) level: Level,
}

/// A sensitive name between quotes.
pub(super) struct QuotedName<'t> {
    pub(super) text: &'t [u8],
    /// The range of the name without quotes.
    pub(super) name: Range<usize>,
    /// The start of the dotted path that the name ends.
    pub(super) path_start: usize,
    pub(super) kind: NameKind,
    pub(super) names: &'t Names,
    /// Number of JSON strings around a name between single quotes.
    pub(super) depth: u32,
}

impl QuotedName<'_> {
    /// Scans the value of the name and adds its secrets to `secrets`. Returns `None` if the name is not quoted, or if no
    /// value follows.
    pub(super) fn scan(&self, secrets: &mut Vec<SecretSpan>) -> Option<ScannedValue> {
        let Self { text, name, path_start, kind, names, depth: _ } = self;
        let (start, end) = (*path_start, name.end);
        match text.get(end)? {
            b'\'' if start > 0 && text[start - 1] == b'\'' => self.single_quoted(secrets),
            b'"' | b'\\' => {
                let quote = end + scan::backslashes(text, end);
                let level = Level::for_quote(quote - end)?;
                let before = start.checked_sub(level.before_quote() + 1)?;
                let opens = text.get(quote) == Some(&b'"')
                    && text[start - 1] == b'"'
                    && text[before..start - 1].iter().all(|byte| *byte == b'\\')
                    && before.checked_sub(1).is_none_or(|at| text[at] != b'\\' || level == Level::OUTER);
                opens.then_some(())?;
                let colon = skip_space(text, quote + 1, level);
                if text.get(colon) != Some(&b':') {
                    let in_tag = markup::value_of_attribute(text, before..quote + 1, level);
                    if let Some(content) = in_tag {
                        let end = content.end;
                        secrets.extend(secret_in(text, content, *kind, names));
                        return Some(ScannedValue { end, skipped: Vec::new(), level });
                    }
                    return NameValuePair { name: self, before, after: quote + 1, level }.find(secrets);
                }
                let value = skip_space(text, colon + 1, level);
                let is_definition = text.get(value) == Some(&b'{') && is_type_name(&text[name.clone()]);
                if is_definition || self.is_vocabulary(before, value, level) {
                    return None;
                }
                JsonValueScanner { text, level, kind: *kind, names, secrets }.value(value)
            }
            _ => None,
        }
    }

    /// Returns `true` if the value is a token of a model's vocabulary, as in the log probabilities of a response.
    fn is_vocabulary(&self, before: usize, value: usize, level: Level) -> bool {
        const NAMES: [&[u8]; 6] = [b"logprob", b"bytes", b"token_id", b"tokenId", b"logProbability", b"top_logprobs"];
        let text = self.text;
        if !text[self.name.clone()].eq_ignore_ascii_case(b"token") {
            return false;
        }
        let follows = || {
            let token = parse_string(text, value, level)?;
            let comma = skip_space(text, token.end, level);
            let next = parse_string(text, skip_space(text, comma + 1, level), level)?;
            (text.get(comma) == Some(&b',')).then_some(NAMES.contains(&&text[next.content]))
        };
        let precedes = || {
            let window = &text[before.saturating_sub(64)..before];
            scan::looked_at(window.len());
            NAMES.iter().any(|name| memchr::memmem::find(window, name).is_some())
        };
        follows().unwrap_or(false) || precedes()
    }

    /// Scans a value between single quotes, as in Python and JavaScript. Returns `None` if there is no such value.
    fn single_quoted(&self, secrets: &mut Vec<SecretSpan>) -> Option<ScannedValue> {
        let Self { text, name, kind, names, .. } = self;
        let colon = skip_space(text, name.end + 1, Level::OUTER);
        (text.get(colon) == Some(&b':')).then_some(())?;
        let open = skip_space(text, colon + 1, Level::OUTER);
        let quote = *text.get(open).filter(|quote| **quote == b'\'' || **quote == b'"' && self.depth == 0)?;
        let content = open + 1..self.end_of_quoted(open + 1, quote);
        let end = content.end;
        secrets.extend(secret_in(text, content, *kind, names));
        Some(ScannedValue { end, skipped: Vec::new(), level: Level::OUTER })
    }
}

impl QuotedName<'_> {
    /// Returns the end of the quoted text of a program that begins at `start`.
    fn end_of_quoted(&self, start: usize, quote: u8) -> usize {
        let text = self.text;
        if self.depth > 0 {
            return value_end(text, start, self.depth, |byte| byte == quote);
        }
        let mut at = start;
        loop {
            at += scan::run(text, at, |byte| byte != quote && byte != b'\n');
            let backslashes = scan::run_back(&text[start..], at - start, |byte| byte == b'\\');
            let is_escaped = text.get(at) == Some(&quote) && backslashes % 2 == 1;
            if !is_escaped {
                return at;
            }
            at += 1;
        }
    }
}

/// Minimum length of a session id that is a credential, in bytes: one of 128 bits. Shorter ones number terminal sessions
/// and the like.
const MIN_SESSION_ID: usize = 16;

/// Returns the secret in a value: the value without an authorization scheme. Returns `None` if what is left cannot be a
/// secret.
pub(super) fn secret_in(text: &[u8], content: Range<usize>, kind: NameKind, names: &Names) -> Option<SecretSpan> {
    let mut secret = content;
    if kind == NameKind::Authorization {
        secret.start += scheme_length(&text[secret.clone()]);
    }
    let blanks = text[secret.clone()].iter().rev().take_while(|byte| scan::is_blank(**byte)).count();
    secret.end -= blanks;
    let value = &text[secret.clone()];
    let is_short = kind == NameKind::SessionId && value.len() < MIN_SESSION_ID;
    let is_secret = !value.is_empty() && !is_short && !is_harmless(value, names);
    is_secret.then(|| SecretSpan::text(secret))
}

/// A scanner for the JSON value of a sensitive name.
pub(super) struct JsonValueScanner<'a> {
    pub(super) text: &'a [u8],
    pub(super) level: Level,
    pub(super) kind: NameKind,
    pub(super) names: &'a Names,
    pub(super) secrets: &'a mut Vec<SecretSpan>,
}

impl JsonValueScanner<'_> {
    /// Adds all strings and numbers of the value that begins at `at` to the secrets. Stops at the end of the value, or
    /// at the first byte that is not JSON. Returns `None` if there is no value.
    pub(super) fn value(self, mut at: usize) -> Option<ScannedValue> {
        let (start, mut depth) = (at, 0_usize);
        // The depth of the member whose value only describes a secret.
        let mut descriptive: Option<usize> = None;
        let mut skipped = Vec::new();
        loop {
            match self.text.get(at) {
                Some(b'{' | b'[') => (depth, at) = (depth + 1, at + 1),
                Some(b'}' | b']') if depth > 0 => (depth, at) = (depth - 1, at + 1),
                Some(b',') if depth > 0 => at += 1,
                Some(b'"' | b'\\') => {
                    let Some(found) = parse_string(self.text, at, self.level) else { break };
                    at = found.end;
                    let colon = skip_space(self.text, at, self.level);
                    if depth > 0 && self.text.get(colon) == Some(&b':') {
                        if descriptive.is_none_or(|inside| depth <= inside) {
                            descriptive = DESCRIPTIVE.contains(&&self.text[found.content]).then_some(depth);
                        }
                        at = skip_space(self.text, colon + 1, self.level);
                        continue;
                    }
                    if descriptive.is_some() {
                        skipped.push(found.content);
                    } else {
                        self.secrets.extend(secret_in(self.text, found.content, self.kind, self.names));
                    }
                    if !found.is_whole {
                        break;
                    }
                }
                Some(b'-' | b'0'..=b'9') => {
                    let end = at
                        + scan::run(self.text, at, |byte| {
                            matches!(byte, b'0'..=b'9' | b'.' | b'-' | b'+' | b'e' | b'E')
                        });
                    if descriptive.is_none() && !is_short_number(&self.text[at..end]) {
                        self.secrets.push(SecretSpan::number(at..end, self.level));
                    }
                    at = end;
                }
                Some(b't' | b'f' | b'n') => {
                    let end = at + scan::run(self.text, at, |byte| byte.is_ascii_alphabetic());
                    if !matches!(&self.text[at..end], b"true" | b"false" | b"null") {
                        break;
                    }
                    at = end;
                }
                Some(_) | None => break,
            }
            if depth == 0 {
                break;
            }
            at = skip_space(self.text, at, self.level);
        }
        scan::looked_at(at - start);
        (at > start).then_some(ScannedValue { end: at, skipped, level: self.level })
    }
}

/// A string of JSON, at any level of escapes.
pub(super) struct StringToken {
    pub(super) content: Range<usize>,
    /// The index after the closing quote, or the end of the content if the closing quote is missing.
    pub(super) end: usize,
    /// `true` if the string has its closing quote.
    is_whole: bool,
}

/// Parses the string whose opening quote, escaped for `level`, begins at `at`. Returns `None` if there is no such
/// quote.
pub(super) fn parse_string(text: &[u8], at: usize, level: Level) -> Option<StringToken> {
    let backslashes = scan::backslashes(text, at);
    let open = at + backslashes;
    (text.get(open) == Some(&b'"') && backslashes == level.before_quote()).then_some(())?;
    let start = open + 1;
    let mut from = start;
    while let Some(quote) = scan::find(text, from, b'"') {
        let before = scan::run_back(&text[start..], quote - start, |byte| byte == b'\\');
        if let Some(ended) = level.ended_by(before) {
            let end = quote - ended.before_quote().min(before);
            let is_whole = ended == level;
            return Some(StringToken { content: start..end, end: if is_whole { quote + 1 } else { end }, is_whole });
        }
        from = quote + 1;
    }
    Some(StringToken { content: start..text.len(), end: text.len(), is_whole: false })
}

/// Returns the index after the whitespace and the terminal colours that begin at `at`. At an inner level the whitespace
/// may be escaped, as in `\n`.
pub(super) fn skip_space(text: &[u8], mut at: usize, level: Level) -> usize {
    loop {
        match text.get(at) {
            Some(b' ' | b'\t' | b'\n' | b'\r') => at += scan::run(text, at, |byte| byte.is_ascii_whitespace()),
            Some(b'\\' | 0x1b) => {
                let behind = skip_colours(text, at);
                if behind > at {
                    at = behind;
                    continue;
                }
                let backslashes = scan::backslashes(text, at);
                let is_space = matches!(text.get(at + backslashes), Some(b'n' | b'r' | b't'));
                if !is_space || level.before_letter() != Some(backslashes) {
                    return at;
                }
                at += backslashes + 1;
            }
            Some(_) | None => return at,
        }
    }
}
