//! Finds the value of a quoted sensitive name: in JSON, in JSON inside of JSON strings, and in text that resembles
//! JSON.

use std::ops::Range;

use super::names::NameKind;
use super::salt::is_placeholder;
use super::scheme::scheme;
use super::secret_span::{Level, SecretSpan};
use super::{line, word};

/// Names of JSON members that occur in the description of a value, such as `type` and `description` in a JSON Schema. An
/// object behind the name `password` that has such members describes a secret, and is not masked.
const DESCRIPTIVE: [&[u8]; 12] = [
    b"$comment",
    b"$ref",
    b"description",
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
}

/// Scans the value of a quoted name and adds its secrets to `secrets`. `start..end` is the name with its dotted path,
/// without quotes. Returns `None` if no value follows.
pub(super) fn scan_quoted(
    text: &[u8],
    start: usize,
    end: usize,
    kind: NameKind,
    secrets: &mut Vec<SecretSpan>,
) -> Option<ScannedValue> {
    match text.get(end)? {
        b'\'' if start > 0 && text[start - 1] == b'\'' => single_quoted(text, end + 1, kind, secrets),
        b'"' | b'\\' => {
            let quote = end + line::backslashes_from(text, end);
            let level = Level::for_quote(quote - end)?;
            let before = start.checked_sub(level.before_quote() + 1)?;
            let opens = text.get(quote) == Some(&b'"')
                && text[start - 1] == b'"'
                && text[before..start - 1].iter().all(|byte| *byte == b'\\')
                && before.checked_sub(1).is_none_or(|at| text[at] != b'\\' || level == Level::OUTER);
            opens.then_some(())?;
            let colon = skip_space(text, quote + 1, level);
            if text.get(colon) == Some(&b':') {
                return JsonValueScanner { text, level, kind, secrets }.value(skip_space(text, colon + 1, level));
            }
            NameValuePair { text, name: start..end, before, after: quote + 1, level, kind }.find(secrets)
        }
        _ => None,
    }
}

/// A quoted name and the string after it: `["authorization", "…"]`, `"name": "authorization", "value": "…"`,
/// `["--password", "…"]`.
struct NameValuePair<'a> {
    text: &'a [u8],
    name: Range<usize>,
    /// The index of the name's opening quote, or of the first backslash before it.
    before: usize,
    /// The index after the name's closing quote.
    after: usize,
    level: Level,
    kind: NameKind,
}

impl NameValuePair<'_> {
    fn find(self, secrets: &mut Vec<SecretSpan>) -> Option<ScannedValue> {
        let Self { text, level, kind, .. } = self;
        let comma = skip_space(text, self.after, level);
        (text.get(comma) == Some(&b',')).then_some(())?;
        let mut value = skip_space(text, comma + 1, level);
        let second = parse_string(text, value, level)?;
        let behind = skip_space(text, second.end, level);
        let content = &text[second.content];
        let list = text[..self.before].trim_ascii_end();
        let is_secret = match text.get(behind) {
            Some(b':') if content.eq_ignore_ascii_case(b"value") => {
                value = skip_space(text, behind + 1, level);
                list.ends_with(b":")
            }
            Some(b']' | b',') if text[self.name.clone()].starts_with(b"--") => !content.starts_with(b"-"),
            Some(b']') => list.ends_with(b"[") && !is_list_of_names(list) && self.is_value(content),
            Some(_) | None => false,
        };
        is_secret.then(|| JsonValueScanner { text, level, kind, secrets }.value(value)).flatten()
    }

    /// Returns `true` if the string after the name is its value. Returns `false` if it looks like another name, as in a
    /// list of names.
    fn is_value(&self, content: &[u8]) -> bool {
        match self.kind {
            NameKind::Custom => true,
            NameKind::Authorization | NameKind::Cookie | NameKind::Key => !word::is_name(content),
            NameKind::Other => word::looks_random(content),
        }
    }
}

/// Returns `true` if the text before a list shows that the list contains names, as `required` and `enum` in a schema
/// do.
fn is_list_of_names(list: &[u8]) -> bool {
    let is_around = |byte: &u8| matches!(byte, b'[' | b':' | b'\\' | b'"') || byte.is_ascii_whitespace();
    let end = list.len() - list.iter().rev().take_while(|byte| is_around(byte)).count();
    list[..end].ends_with(b"required") || list[..end].ends_with(b"enum")
}

/// Scans a value between single quotes, as in Python and JavaScript. Returns `None` if there is no such value.
fn single_quoted(text: &[u8], after: usize, kind: NameKind, secrets: &mut Vec<SecretSpan>) -> Option<ScannedValue> {
    let colon = skip_space(text, after, Level::OUTER);
    (text.get(colon) == Some(&b':')).then_some(())?;
    let open = skip_space(text, colon + 1, Level::OUTER);
    (text.get(open) == Some(&b'\'')).then_some(())?;
    let length = text[open + 1..].iter().position(|byte| matches!(byte, b'\'' | b'"' | b'\n'))?;
    let mut content = open + 1..open + 1 + length;
    while content.end > content.start && text[content.end - 1] == b'\\' {
        content.end -= 1;
    }
    let end = content.end;
    secrets.extend(secret_in(text, content, kind));
    Some(ScannedValue { end, skipped: Vec::new() })
}

/// Returns the secret in a value: the value without an authorization scheme. Returns `None` if the secret would be
/// empty or is a placeholder.
pub(super) fn secret_in(text: &[u8], content: Range<usize>, kind: NameKind) -> Option<SecretSpan> {
    let mut secret = content;
    if kind == NameKind::Authorization {
        secret.start += scheme(&text[secret.clone()]).map_or(0, |scheme| scheme.length);
    }
    let is_secret = !secret.is_empty() && !is_placeholder(&text[secret.clone()]);
    is_secret.then(|| SecretSpan::text(secret))
}

/// A scanner for the JSON value of a sensitive name.
struct JsonValueScanner<'a> {
    text: &'a [u8],
    level: Level,
    kind: NameKind,
    secrets: &'a mut Vec<SecretSpan>,
}

impl JsonValueScanner<'_> {
    /// Adds all strings and numbers of the value that begins at `at` to the secrets. Stops at the end of the value, or
    /// at the first byte that is not JSON. Returns `None` if there is no value.
    fn value(self, mut at: usize) -> Option<ScannedValue> {
        let (start, mut depth, mut is_descriptive) = (at, 0_usize, false);
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
                        is_descriptive = DESCRIPTIVE.contains(&&self.text[found.content]);
                        at = skip_space(self.text, colon + 1, self.level);
                        continue;
                    }
                    if is_descriptive {
                        skipped.push(found.content);
                    } else {
                        self.secrets.extend(secret_in(self.text, found.content, self.kind));
                    }
                    if !found.is_whole {
                        break;
                    }
                }
                Some(b'-' | b'0'..=b'9') => {
                    let end = at + self.run(at, |byte| matches!(byte, b'0'..=b'9' | b'.' | b'-' | b'+' | b'e' | b'E'));
                    if !is_descriptive {
                        self.secrets.push(SecretSpan::number(at..end, self.level));
                    }
                    at = end;
                }
                Some(b't' | b'f' | b'n') => {
                    let end = at + self.run(at, |byte| byte.is_ascii_alphabetic());
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
        (at > start).then_some(ScannedValue { end: at, skipped })
    }

    fn run(&self, at: usize, is_part: impl Fn(u8) -> bool) -> usize {
        self.text[at..].iter().take_while(|byte| is_part(**byte)).count()
    }
}

/// A string of JSON, at any level of escapes.
struct StringToken {
    content: Range<usize>,
    /// The index after the closing quote, or the end of the content if the closing quote is missing.
    end: usize,
    /// `true` if the string has its closing quote.
    is_whole: bool,
}

/// Parses the string whose opening quote, escaped for `level`, begins at `at`. Returns `None` if there is no such
/// quote.
fn parse_string(text: &[u8], at: usize, level: Level) -> Option<StringToken> {
    let backslashes = line::backslashes_from(text, at);
    let open = at + backslashes;
    (text.get(open) == Some(&b'"') && backslashes == level.before_quote()).then_some(())?;
    let start = open + 1;
    let mut from = start;
    while let Some(found) = memchr::memchr(b'"', &text[from..]) {
        let quote = from + found;
        let before = text[start..quote].iter().rev().take_while(|byte| **byte == b'\\').count();
        if let Some(ended) = level.ended_by(before) {
            let end = quote - ended.before_quote().min(before);
            let is_whole = ended == level;
            return Some(StringToken { content: start..end, end: if is_whole { quote + 1 } else { end }, is_whole });
        }
        from = quote + 1;
    }
    Some(StringToken { content: start..text.len(), end: text.len(), is_whole: false })
}

/// Returns the index after the whitespace that begins at `at`. At an inner level the whitespace may be escaped, as in
/// `\n`.
fn skip_space(text: &[u8], mut at: usize, level: Level) -> usize {
    loop {
        match text.get(at) {
            Some(b' ' | b'\t' | b'\n' | b'\r') => at += 1,
            Some(b'\\') => {
                let backslashes = line::backslashes_from(text, at);
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
