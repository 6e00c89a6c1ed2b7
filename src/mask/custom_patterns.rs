//! Regular expressions that the program adds. They match plain bytes, so that their matches are adjusted to the tokens
//! of JSON.

use std::fmt;
use std::ops::Range;

use regex::bytes::Regex;

use super::placeholder::is_placeholder;
use super::secret_span::{Level, SecretSpan};

/// The error of a pattern that is not a valid regular expression.
#[derive(Debug)]
pub struct PatternError(regex::Error);

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The pattern, which the caller knows, stands in the lines before the last one.
        let text = self.0.to_string();
        let cause = text.lines().next_back().unwrap_or_default();
        write!(f, "not a valid regular expression: {}", cause.strip_prefix("error: ").unwrap_or(cause))
    }
}

impl std::error::Error for PatternError {}

pub(super) fn compile(pattern: &str) -> Result<Regex, PatternError> {
    Regex::new(pattern).map_err(PatternError)
}

/// Adds the matches of a pattern to `secrets`: of a pattern with groups, its first group, or the whole match if that
/// group did not take part. With `is_json` the matches are limited to strings and numbers.
pub(super) fn find(pattern: &Regex, text: &[u8], is_json: bool, secrets: &mut Vec<SecretSpan>) {
    let mut found: Vec<Range<usize>> = Vec::new();
    if pattern.captures_len() == 1 {
        found.extend(pattern.find_iter(text).map(|it| it.range()));
    } else {
        found.extend(pattern.captures_iter(text).filter_map(|it| it.get(1).or_else(|| it.get(0)).map(|it| it.range())));
    }
    found.retain(|range| !range.is_empty() && !is_placeholder(&text[range.clone()]));
    if found.is_empty() {
        return;
    }
    if is_json {
        clip_to_tokens(text, &found, secrets);
    } else {
        secrets.extend(found.into_iter().map(|range| SecretSpan::text(widen_to_chars(text, range))));
    }
}

/// Extends a range to the boundaries of UTF-8 characters.
fn widen_to_chars(text: &[u8], mut range: Range<usize>) -> Range<usize> {
    let is_inside = |byte: Option<&u8>| byte.is_some_and(|byte| byte & 0xC0 == 0x80);
    while range.start > 0 && is_inside(text.get(range.start)) {
        range.start -= 1;
    }
    while is_inside(text.get(range.end)) {
        range.end += 1;
    }
    range
}

/// Adds the parts of each range that lie in strings or numbers of `json` to `secrets`, extended to whole escapes and
/// whole numbers.
fn clip_to_tokens(json: &[u8], ranges: &[Range<usize>], secrets: &mut Vec<SecretSpan>) {
    let mut ranges = ranges.iter().cloned().peekable();
    let mut at = 0;
    while at < json.len() {
        let (token, number) = match json[at] {
            b'"' => (text_token(json, at + 1), false),
            b'-' | b'0'..=b'9' => {
                let length = json[at..]
                    .iter()
                    .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'+'));
                (at..at + length.count(), true)
            }
            _ => {
                at += 1;
                continue;
            }
        };
        at = token.end + usize::from(!number);
        while ranges.next_if(|range| range.end <= token.start).is_some() {}
        let mut position = token.start;
        while let Some(range) = ranges.peek().filter(|range| range.start < token.end).cloned() {
            if number {
                secrets.push(SecretSpan::number(token.clone(), Level::OUTER));
            } else {
                let start = unit_before(json, &mut position, range.start);
                let end = unit_before(json, &mut position, range.end.min(token.end));
                let end = if end < range.end.min(token.end) { next_unit(json, end) } else { end };
                secrets.push(SecretSpan::text(widen_to_chars(json, start..end)));
                position = end;
            }
            if range.end > token.end {
                break;
            }
            ranges.next();
        }
    }
}

/// Returns the range between the quotes of a string whose content begins at `start`.
fn text_token(json: &[u8], start: usize) -> Range<usize> {
    let mut at = start;
    while let Some(found) = memchr::memchr2(b'"', b'\\', &json[at..]) {
        at += found;
        if json[at] == b'"' {
            return start..at;
        }
        at = (at + 2).min(json.len());
    }
    start..json.len()
}

/// Moves `position` to the last character or escape that begins at or before `target`, and returns the new position.
fn unit_before(json: &[u8], position: &mut usize, target: usize) -> usize {
    loop {
        let next = next_unit(json, *position);
        if next > target || *position >= target {
            return *position;
        }
        *position = next;
    }
}

fn next_unit(json: &[u8], at: usize) -> usize {
    let length = match (json.get(at), json.get(at + 1)) {
        (Some(b'\\'), Some(b'u')) => 6,
        (Some(b'\\'), _) => 2,
        _ => 1,
    };
    (at + length).min(json.len())
}
