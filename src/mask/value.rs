//! Finds the value of a quoted sensitive name: in JSON, in JSON inside of JSON strings, and in text that resembles
//! JSON.

use std::ops::Range;

use super::harmless::{is_harmless, is_short_number};
use super::names::{NameKind, Names, is_type_name};
use super::scan::{self, skip_colours};
use super::scheme::scheme_length;
use super::secret_span::{Level, SecretSpan};
use super::site::is_option;

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
}

impl QuotedName<'_> {
    /// Scans the value of the name and adds its secrets to `secrets`. Returns `None` if the name is not quoted, or if no
    /// value follows.
    pub(super) fn scan(&self, secrets: &mut Vec<SecretSpan>) -> Option<ScannedValue> {
        let Self { text, name, path_start, kind, names } = self;
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
        (text.get(open) == Some(&b'\'')).then_some(())?;
        let length = scan::run(text, open + 1, |byte| !matches!(byte, b'\'' | b'"' | b'\n'));
        let backslashes = scan::run_back(&text[open + 1..], length, |byte| byte == b'\\');
        let content = open + 1..open + 1 + length - backslashes;
        let end = content.end;
        secrets.extend(secret_in(text, content, *kind, names));
        Some(ScannedValue { end, skipped: Vec::new(), level: Level::OUTER })
    }
}

/// A quoted name and the string after it: `["authorization", "…"]`, `"name": "authorization", "value": "…"`,
/// `["--password", "…"]`.
struct NameValuePair<'a, 't> {
    name: &'a QuotedName<'t>,
    /// The index of the name's opening quote, or of the first backslash before it.
    before: usize,
    /// The index after the name's closing quote.
    after: usize,
    level: Level,
}

/// What stands before the name of a pair.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lead {
    /// A member's name: the pair is two members of an object.
    Member,
    /// The start of a list in a list: the pair is one of several.
    ListInList,
    /// The start of another list.
    List,
    /// An earlier string of a list.
    String,
    /// Anything else.
    Other,
}

impl NameValuePair<'_, '_> {
    fn find(self, secrets: &mut Vec<SecretSpan>) -> Option<ScannedValue> {
        let Self { name: QuotedName { text, name, kind, names, .. }, level, .. } = self;
        let comma = skip_space(text, self.after, level);
        (text.get(comma) == Some(&b',')).then_some(())?;
        let mut value = skip_space(text, comma + 1, level);
        let second = parse_string(text, value, level)?;
        let behind = skip_space(text, second.end, level);
        let content = &text[second.content];
        let lead = self.lead();
        let is_header = !matches!(kind, NameKind::Other | NameKind::SessionId) || text[name.clone()].contains(&b'-');
        let is_secret = match text.get(behind) {
            Some(b':') if content.eq_ignore_ascii_case(b"value") => {
                value = skip_space(text, behind + 1, level);
                lead == Lead::Member
            }
            Some(b']' | b',') if text[name.clone()].starts_with(b"--") || text[..name.start].ends_with(b"\"--") => {
                !is_option(content)
            }
            Some(b']') if lead == Lead::ListInList => true,
            Some(b']' | b',') if lead == Lead::List && is_list_of_names(&text[..self.before]) => false,
            Some(b']') if lead == Lead::List => match kind {
                NameKind::Custom => true,
                NameKind::Authorization | NameKind::Cookie | NameKind::SessionId | NameKind::Other => {
                    if is_header {
                        !is_header_name(content)
                    } else {
                        looks_random(content)
                    }
                }
            },
            // The list of Node's `rawHeaders`.
            Some(b']' | b',') if matches!(lead, Lead::List | Lead::String) => match kind {
                NameKind::Authorization | NameKind::Cookie => !is_header_name(content),
                NameKind::SessionId | NameKind::Custom | NameKind::Other => is_header && !is_identifier(content),
            },
            Some(_) | None => false,
        };
        is_secret.then(|| JsonValueScanner { text, level, kind: *kind, names, secrets }.value(value)).flatten()
    }

    fn lead(&self) -> Lead {
        let text = self.name.text;
        let start = space_before(text, self.before);
        match text[..start].last() {
            Some(b':') => Lead::Member,
            Some(b',') if text[..space_before(text, start - 1)].ends_with(b"\"") => Lead::String,
            Some(b'[') => match text[..space_before(text, start - 1)].last() {
                Some(b'[' | b',') => Lead::ListInList,
                Some(_) | None => Lead::List,
            },
            Some(_) | None => Lead::Other,
        }
    }
}

/// Returns the index before the whitespace, as it is or escaped, that ends at index `to`.
fn space_before(text: &[u8], to: usize) -> usize {
    to - scan::run_back(text, to, |byte| byte.is_ascii_whitespace())
}

/// Returns `true` if the text before a list shows that the list contains names, as `required` and `enum` in a schema
/// do.
fn is_list_of_names(before: &[u8]) -> bool {
    let is_around = |byte: u8| matches!(byte, b'[' | b':' | b'\\' | b'"') || byte.is_ascii_whitespace();
    let list = &before[..before.len() - scan::run_back(before, before.len(), is_around)];
    list.ends_with(b"required") || list.ends_with(b"enum")
}

/// Returns `true` if the word is written like the name of a header or a field: one word of letters, or several that are
/// joined by dashes.
fn is_header_name(word: &[u8]) -> bool {
    scan::looked_at(word.len().min(64));
    let is_one_case = |part: &[u8]| {
        let behind = part.get(1..).unwrap_or_default();
        behind.iter().all(u8::is_ascii_lowercase) || part.iter().all(u8::is_ascii_uppercase)
    };
    let is_number =
        |part: &[u8]| part.len() <= 8 && part.iter().all(|byte| byte.is_ascii_digit() || byte.is_ascii_lowercase());
    let mut parts = word.split(|byte| matches!(byte, b'-' | b'_'));
    let first = parts.next().unwrap_or_default();
    let mut is_joined = false;
    let are_words = parts.all(|part| {
        is_joined = true;
        part.iter().all(u8::is_ascii_alphabetic) || is_number(part)
    });
    word.len() <= 64 && first.iter().all(u8::is_ascii_alphabetic) && are_words && (is_joined || is_one_case(first))
}

/// Returns `true` if the word is written like the name of a field: words of letters and digits, at most 24 bytes.
fn is_identifier(word: &[u8]) -> bool {
    word.len() <= 24 && word.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// Returns `true` if the word has at least 16 bytes and mixes digits, small and capital letters, which identifiers of
/// programs seldom do.
fn looks_random(word: &[u8]) -> bool {
    scan::looked_at(word.len());
    let has = |is: fn(&u8) -> bool| word.iter().any(is);
    word.len() >= 16 && has(u8::is_ascii_digit) && has(u8::is_ascii_lowercase) && has(u8::is_ascii_uppercase)
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
struct JsonValueScanner<'a> {
    text: &'a [u8],
    level: Level,
    kind: NameKind,
    names: &'a Names,
    secrets: &'a mut Vec<SecretSpan>,
}

impl JsonValueScanner<'_> {
    /// Adds all strings and numbers of the value that begins at `at` to the secrets. Stops at the end of the value, or
    /// at the first byte that is not JSON. Returns `None` if there is no value.
    fn value(self, mut at: usize) -> Option<ScannedValue> {
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
fn skip_space(text: &[u8], mut at: usize, level: Level) -> usize {
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
