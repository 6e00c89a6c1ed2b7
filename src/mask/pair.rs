//! Names and values that are two values of a list or of an object: [`NameValuePair`].

use std::ops::Range;

use super::names::NameKind;
use super::scan;
use super::secret_span::{Level, SecretSpan};
use super::site::is_option;
use super::value::{JsonValueScanner, QuotedName, ScannedValue, parse_string, skip_space};

/// A quoted name and the string after it: `["authorization", "…"]`, `"name": "authorization", "value": "…"`,
/// `["--password", "…"]`.
pub(super) struct NameValuePair<'a, 't> {
    pub(super) name: &'a QuotedName<'t>,
    /// The index of the name's opening quote, or of the first backslash before it.
    pub(super) before: usize,
    /// The index after the name's closing quote.
    pub(super) after: usize,
    pub(super) level: Level,
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
    /// Scans the value of the pair and adds its secrets to `secrets`. Returns `None` if the name is none of a pair.
    pub(super) fn find(self, secrets: &mut Vec<SecretSpan>) -> Option<ScannedValue> {
        let Self { name: QuotedName { text, name, kind, names, .. }, level, .. } = self;
        if let Some(value) = self.value_member() {
            return JsonValueScanner { text, level, kind: *kind, names, secrets }.value(value);
        }
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
                NameKind::SessionId | NameKind::Custom | NameKind::Other => {
                    is_header && (!is_identifier(content) || is_token(content))
                }
            },
            Some(_) | None => false,
        };
        is_secret.then(|| JsonValueScanner { text, level, kind: *kind, names, secrets }.value(value)).flatten()
    }

    /// Returns the start of the value of the member `value` in the object whose member `name` has this name. Returns `None` if
    /// there is none near it.
    fn value_member(&self) -> Option<usize> {
        let Self { name: QuotedName { text, .. }, level, .. } = *self;
        let member = member_before(text, self.before, level)?;
        let is = |names: &[&[u8]], word: &[u8]| names.iter().any(|it| word.eq_ignore_ascii_case(it));
        is(&NAMING, &text[member.clone()]).then_some(())?;
        let mut at = self.after;
        for _ in 0..MAX_MEMBERS {
            let comma = skip_space(text, at, level);
            let Some(found) = (text.get(comma) == Some(&b','))
                .then(|| parse_string(text, skip_space(text, comma + 1, level), level))
                .flatten()
            else {
                break;
            };
            let colon = skip_space(text, found.end, level);
            (text.get(colon) == Some(&b':')).then_some(())?;
            let value = skip_space(text, colon + 1, level);
            if is(&[b"value"], &text[found.content]) {
                return Some(value);
            }
            match parse_string(text, value, level) {
                Some(skipped) => at = skipped.end,
                None => {
                    at = value
                        + scan::run(text, value, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'))
                }
            }
        }
        self.value_before(member.start)
    }

    /// Returns the start of the value of the member `value` directly before the member whose name begins at `member`.
    fn value_before(&self, member: usize) -> Option<usize> {
        let Self { name: QuotedName { text, .. }, level, .. } = *self;
        let comma = space_before(text, member.checked_sub(level.before_quote() + 1)?);
        let close = space_before(text, comma.checked_sub(1).filter(|comma| text[*comma] == b',')?);
        let content_end = close.checked_sub(level.before_quote() + 1).filter(|_| text[close - 1] == b'"')?;
        let lowest = content_end.saturating_sub(MAX_VALUE);
        let mut end = content_end;
        loop {
            let quote = memchr::memrchr(b'"', &text[lowest..end])? + lowest;
            scan::looked_at(end - quote);
            let backslashes = scan::run_back(&text[lowest..], quote - lowest, |byte| byte == b'\\');
            if backslashes == level.before_quote() {
                let open = quote - backslashes;
                let name = member_before(text, open, level)?;
                return text[name].eq_ignore_ascii_case(b"value").then_some(open);
            }
            end = quote;
        }
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

/// Members whose value names the thing that a member `value` of the same object is the value of.
const NAMING: [&[u8]; 4] = [b"header", b"key", b"name", b"variable"];

/// Maximum number of members between a name and its value.
const MAX_MEMBERS: usize = 4;

/// Maximum length of a value that stands before its name, in bytes.
const MAX_VALUE: usize = 4096;

/// Returns the range of the name of the member whose value begins at `value`. Returns `None` if no member's value begins
/// there.
fn member_before(text: &[u8], value: usize, level: Level) -> Option<Range<usize>> {
    let colon = space_before(text, value).checked_sub(1).filter(|colon| text[*colon] == b':')?;
    let close = space_before(text, colon);
    let end = close.checked_sub(level.before_quote() + 1).filter(|_| text[close - 1] == b'"')?;
    let lowest = end.saturating_sub(MAX_MEMBER);
    let length = scan::run_back(&text[lowest..], end - lowest, |byte| byte.is_ascii_alphanumeric() || byte == b'_');
    text[..end - length].ends_with(b"\"").then_some(end - length..end)
}

/// Maximum length of the name of a member, in bytes.
const MAX_MEMBER: usize = 16;

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

/// Returns `true` if the word has a digit in it and is not written like the name of a header: a token.
fn is_token(word: &[u8]) -> bool {
    word.len() >= 8 && word.iter().any(u8::is_ascii_digit) && !is_header_name(word)
}

/// Returns `true` if the word has at least 16 bytes and mixes digits, small and capital letters, which identifiers of
/// programs seldom do.
fn looks_random(word: &[u8]) -> bool {
    scan::looked_at(word.len());
    let has = |is: fn(&u8) -> bool| word.iter().any(is);
    word.len() >= 16 && has(u8::is_ascii_digit) && has(u8::is_ascii_lowercase) && has(u8::is_ascii_uppercase)
}
