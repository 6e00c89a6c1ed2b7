//! Patterns of the program's own, which know nothing of JSON.

use std::fmt;
use std::ops::Range;

use regex::bytes::Regex;

use super::salt::is_placeholder;
use super::secret_span::{Level, Spot};

/// A pattern is no regular expression.
#[derive(Debug)]
pub struct PatternError(regex::Error);

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not a regular expression: {}", self.0)
    }
}

impl std::error::Error for PatternError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

pub(super) fn compiled(pattern: &str) -> Result<Regex, PatternError> {
    Regex::new(pattern).map_err(PatternError)
}

/// What the pattern matches; its first group, where it has one.
pub(super) fn find(pattern: &Regex, text: &[u8], is_json: bool, spots: &mut Vec<Spot>) {
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
        within_tokens(text, &found, spots);
    } else {
        spots.extend(found.into_iter().map(|range| Spot::plain(on_characters(text, range))));
    }
}

fn on_characters(text: &[u8], mut range: Range<usize>) -> Range<usize> {
    let is_inside = |byte: Option<&u8>| byte.is_some_and(|byte| byte & 0xC0 == 0x80);
    while range.start > 0 && is_inside(text.get(range.start)) {
        range.start -= 1;
    }
    while is_inside(text.get(range.end)) {
        range.end += 1;
    }
    range
}

/// What of each range is within a text or a number of the JSON: whole escapes, and whole numbers.
fn within_tokens(json: &[u8], ranges: &[Range<usize>], spots: &mut Vec<Spot>) {
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
        let mut place = token.start;
        while let Some(range) = ranges.peek().filter(|range| range.start < token.end).cloned() {
            if number {
                spots.push(Spot::number(token.clone(), Level::OUTER));
            } else {
                let start = unit_before(json, &mut place, range.start);
                let end = unit_before(json, &mut place, range.end.min(token.end));
                let end = if end < range.end.min(token.end) { next_unit(json, end) } else { end };
                spots.push(Spot::plain(on_characters(json, start..end)));
                place = end;
            }
            if range.end > token.end {
                break;
            }
            ranges.next();
        }
    }
}

/// What is between the quotes of a text that begins at `start`.
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

/// The last place at or before `wanted` where a character or an escape begins, from `place` on.
fn unit_before(json: &[u8], place: &mut usize, wanted: usize) -> usize {
    loop {
        let next = next_unit(json, *place);
        if next > wanted || *place >= wanted {
            return *place;
        }
        *place = next;
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
