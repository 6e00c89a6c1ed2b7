//! The tokens of JSON with their byte ranges, so that edits leave all other bytes as they are.

use std::ops::Range;

/// A token of valid JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// The start of an object or a list.
    Open { at: usize, is_object: bool },
    /// The end of the innermost object or list; `end` is the index after it.
    Close { end: usize },
    /// A field name, without its quotes.
    Name(Range<usize>),
    /// A string, without its quotes.
    Text(Range<usize>),
    /// A number, `true`, `false` or `null`.
    Literal(Range<usize>),
}

/// An iterator over the tokens of valid JSON.
pub(super) struct Tokens<'a> {
    json: &'a [u8],
    at: usize,
}

impl<'a> Tokens<'a> {
    pub(super) fn new(json: &'a [u8]) -> Self {
        Self { json, at: 0 }
    }

    fn text(&mut self) -> Range<usize> {
        let start = self.at + 1;
        let mut end = start;
        while let Some(found) = memchr::memchr2(b'"', b'\\', self.json.get(end..).unwrap_or_default()) {
            end += found;
            if self.json[end] == b'"' {
                break;
            }
            end += 2;
        }
        let end = end.min(self.json.len());
        self.at = end + 1;
        start..end
    }

    fn skip(&mut self, is_skipped: impl Fn(u8) -> bool) {
        let rest = self.json.get(self.at..).unwrap_or_default();
        self.at += rest.iter().take_while(|byte| is_skipped(**byte)).count();
    }
}

impl Iterator for Tokens<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        self.skip(|byte| byte.is_ascii_whitespace() || matches!(byte, b',' | b':'));
        let start = self.at;
        let token = match *self.json.get(start)? {
            open @ (b'{' | b'[') => Token::Open { at: start, is_object: open == b'{' },
            b'}' | b']' => Token::Close { end: start + 1 },
            b'"' => {
                let text = self.text();
                self.skip(|byte| byte.is_ascii_whitespace());
                let is_name = self.json.get(self.at) == Some(&b':');
                return Some(if is_name { Token::Name(text) } else { Token::Text(text) });
            }
            _ => {
                self.at += 1;
                self.skip(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'));
                return Some(Token::Literal(start..self.at));
            }
        };
        self.at += 1;
        Some(token)
    }
}

/// An edit: the replacement of a byte range of a text.
pub(super) struct Edit {
    pub(super) range: Range<usize>,
    pub(super) text: Vec<u8>,
}

/// Returns the text with the edits applied. Edits may be in any order and must not overlap.
pub(super) fn apply_edits(text: &[u8], mut edits: Vec<Edit>) -> Vec<u8> {
    edits.sort_by_key(|edit| edit.range.start);
    let mut edited = Vec::with_capacity(text.len());
    let mut done = 0;
    for Edit { range, text: new } in edits {
        edited.extend_from_slice(&text[done..range.start]);
        edited.extend_from_slice(&new);
        done = range.end;
    }
    edited.extend_from_slice(&text[done..]);
    edited
}

/// Returns `true` if the bytes are one JSON value.
pub(super) fn is_json(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok_and(|text| serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok())
}
