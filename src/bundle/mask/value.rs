//! The value that stands behind a sensitive name in JSON, in JSON within JSON text, and in what only looks like it.

use std::ops::Range;

use super::names::Kind;
use super::salt::is_placeholder;
use super::secret_span::{Level, Spot};
use super::{header, line, word};

/// Names whose values say what a secret is, not what it says: a tool's schema may have a parameter `password`.
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

/// What was found behind a name.
pub(super) struct Found {
    /// Where to go on.
    pub(super) end: usize,
    /// Texts that were passed over because of their names.
    pub(super) passed: Vec<Range<usize>>,
}

/// Looks at the value behind a quoted name, of which `start..end` is within the quotes.
pub(super) fn quoted(text: &[u8], start: usize, end: usize, kind: Kind, spots: &mut Vec<Spot>) -> Option<Found> {
    match text.get(end)? {
        b'\'' if start > 0 && text[start - 1] == b'\'' => single_quoted(text, end + 1, kind, spots),
        b'"' | b'\\' => {
            let quote = end + line::backslashes_from(text, end);
            let level = Level::of_quote(quote - end)?;
            let before = start.checked_sub(level.before_quote() + 1)?;
            let opens = text.get(quote) == Some(&b'"')
                && text[start - 1] == b'"'
                && text[before..start - 1].iter().all(|byte| *byte == b'\\')
                && before.checked_sub(1).is_none_or(|at| text[at] != b'\\' || level == Level::OUTER);
            opens.then_some(())?;
            let colon = skip_space(text, quote + 1, level);
            if text.get(colon) == Some(&b':') {
                return Walk { text, level, kind, spots }.value(skip_space(text, colon + 1, level));
            }
            Pair { text, name: start..end, before, after: quote + 1, level, kind }.find(spots)
        }
        _ => None,
    }
}

/// A name, and the text behind it: `["authorization", "…"]`, `"name": "authorization", "value": "…"`,
/// `["--password", "…"]`.
struct Pair<'a> {
    text: &'a [u8],
    name: Range<usize>,
    /// Where the name's quote begins, and behind the one that ends it.
    before: usize,
    after: usize,
    level: Level,
    kind: Kind,
}

impl Pair<'_> {
    fn find(self, spots: &mut Vec<Spot>) -> Option<Found> {
        let Self { text, level, kind, .. } = self;
        let comma = skip_space(text, self.after, level);
        (text.get(comma) == Some(&b',')).then_some(())?;
        let mut value = skip_space(text, comma + 1, level);
        let second = string(text, value, level)?;
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
        is_secret.then(|| Walk { text, level, kind, spots }.value(value)).flatten()
    }

    /// Whether this is what the name says of, and not another name: there are lists of names.
    fn is_value(&self, content: &[u8]) -> bool {
        match self.kind {
            Kind::Own => true,
            Kind::Authorization | Kind::Cookie | Kind::Key => !word::is_name(content),
            Kind::Other => word::looks_random(content),
        }
    }
}

/// Whether a list begins here that has names in it, as schemas have them.
fn is_list_of_names(list: &[u8]) -> bool {
    let is_around = |byte: &u8| matches!(byte, b'[' | b':' | b'\\' | b'"') || byte.is_ascii_whitespace();
    let end = list.len() - list.iter().rev().take_while(|byte| is_around(byte)).count();
    list[..end].ends_with(b"required") || list[..end].ends_with(b"enum")
}

/// A value between single quotes, as in Python and JavaScript.
fn single_quoted(text: &[u8], after: usize, kind: Kind, spots: &mut Vec<Spot>) -> Option<Found> {
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
    spots.extend(secret_in(text, content, kind));
    Some(Found { end, passed: Vec::new() })
}

/// What of a text is the secret.
pub(super) fn secret_in(text: &[u8], content: Range<usize>, kind: Kind) -> Option<Spot> {
    let mut secret = content;
    if kind == Kind::Authorization {
        secret.start += header::scheme(&text[secret.clone()]).map_or(0, |scheme| scheme.length);
    }
    let is_worth_it = !secret.is_empty() && !is_placeholder(&text[secret.clone()]);
    is_worth_it.then(|| Spot::plain(secret))
}

struct Walk<'a> {
    text: &'a [u8],
    level: Level,
    kind: Kind,
    spots: &'a mut Vec<Spot>,
}

impl Walk<'_> {
    /// Takes note of all texts and numbers of the value. Ends with it, or where it stops being JSON.
    fn value(self, mut at: usize) -> Option<Found> {
        let (start, mut depth, mut is_descriptive) = (at, 0_usize, false);
        let mut passed = Vec::new();
        loop {
            match self.text.get(at) {
                Some(b'{' | b'[') => (depth, at) = (depth + 1, at + 1),
                Some(b'}' | b']') if depth > 0 => (depth, at) = (depth - 1, at + 1),
                Some(b',') if depth > 0 => at += 1,
                Some(b'"' | b'\\') => {
                    let Some(found) = string(self.text, at, self.level) else { break };
                    at = found.end;
                    let colon = skip_space(self.text, at, self.level);
                    if depth > 0 && self.text.get(colon) == Some(&b':') {
                        is_descriptive = DESCRIPTIVE.contains(&&self.text[found.content]);
                        at = skip_space(self.text, colon + 1, self.level);
                        continue;
                    }
                    if is_descriptive {
                        passed.push(found.content);
                    } else {
                        self.spots.extend(secret_in(self.text, found.content, self.kind));
                    }
                    if !found.is_whole {
                        break;
                    }
                }
                Some(b'-' | b'0'..=b'9') => {
                    let end = at + self.run(at, |byte| matches!(byte, b'0'..=b'9' | b'.' | b'-' | b'+' | b'e' | b'E'));
                    if !is_descriptive {
                        self.spots.push(Spot::number(at..end, self.level));
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
        (at > start).then_some(Found { end: at, passed })
    }

    fn run(&self, at: usize, is_part: impl Fn(u8) -> bool) -> usize {
        self.text[at..].iter().take_while(|byte| is_part(**byte)).count()
    }
}

struct Text {
    content: Range<usize>,
    /// Behind the quote, where there is one.
    end: usize,
    is_whole: bool,
}

/// The text that begins here with a quote of this level.
fn string(text: &[u8], at: usize, level: Level) -> Option<Text> {
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
            return Some(Text { content: start..end, end: if is_whole { quote + 1 } else { end }, is_whole });
        }
        from = quote + 1;
    }
    Some(Text { content: start..text.len(), end: text.len(), is_whole: false })
}

/// Goes over what may stand between tokens of this level.
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
