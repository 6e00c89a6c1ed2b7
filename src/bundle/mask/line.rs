//! Lines of text, commands and programs: where a value outside of JSON begins and ends.

use std::ops::Range;

/// The position of a name in its line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LinePosition {
    /// At the start of a line or of a quoted text.
    LineStart,
    /// At the start of a part of a line, after a brace, a bracket or a comma.
    PartStart,
    /// After a command-line option that takes a header: `-H`, `--header`.
    AfterOption,
    /// At any other position.
    Inline,
}

impl LinePosition {
    /// Returns the position of the name that begins at `at`.
    pub(super) fn at(text: &[u8], at: usize) -> Self {
        let trimmed = &text[..at - text[..at].iter().rev().take_while(|byte| is_blank(**byte)).count()];
        match before(text, at) {
            _ if is_line_start(&text[..at]) => Self::LineStart,
            b'"' | b'\'' | b'`' | b'>' | b'<' => Self::LineStart,
            b'{' | b',' | b'[' => Self::PartStart,
            _ if ends_with_option(trimmed) => Self::AfterOption,
            _ => match trimmed {
                [.., b'>' | b'<' | b'*'] => Self::LineStart,
                [.., b'{' | b','] => Self::PartStart,
                _ => Self::Inline,
            },
        }
    }
}

/// Returns `true` if `before`, the text before a name, ends with the start of a line, apart from indentation and the
/// dash of a list item.
fn is_line_start(before: &[u8]) -> bool {
    let mut before = before.strip_suffix(b"- ").unwrap_or(before);
    loop {
        match before {
            [] | [.., b'\n' | b'\r'] | [.., b'\\', b'n' | b'r'] => return true,
            [shorter @ .., b' ' | b'\t'] | [shorter @ .., b'\\', b't'] => before = shorter,
            _ => return false,
        }
    }
}

fn ends_with_option(text: &[u8]) -> bool {
    let text = text.strip_suffix(b"=").unwrap_or(text);
    [b" -H".as_slice(), b" --header"].iter().any(|option| text.ends_with(option))
}

pub(super) fn before(text: &[u8], at: usize) -> u8 {
    at.checked_sub(1).map_or(b'\n', |before| text[before])
}

pub(super) fn skip_blanks(text: &[u8], at: usize) -> usize {
    at + text[at..].iter().take_while(|byte| is_blank(**byte)).count()
}

/// Returns the index after the quote that begins a value, or `at` if no quote begins there. A quote that ends the
/// surrounding text is followed by punctuation, and is not skipped.
pub(super) fn skip_quote(text: &[u8], at: usize) -> usize {
    let backslashes = backslashes_from(text, at);
    let opens = |byte: &u8| byte.is_ascii_graphic() && !matches!(byte, b':' | b',' | b'}' | b']' | b'\\' | b'"');
    match text.get(at + backslashes).filter(|_| text.get(at + backslashes + 1).is_some_and(opens)) {
        Some(b'"') => at + backslashes + 1,
        Some(b'\'' | b'`') if backslashes == 0 => at + 1,
        Some(_) | None => at,
    }
}

pub(super) fn backslashes_from(text: &[u8], at: usize) -> usize {
    text[at..].iter().take_while(|byte| **byte == b'\\').count()
}

pub(super) fn ends_line(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r' | b'"' | b'\'' | b'`' | b'\\' | b'<' | b'>')
}

pub(super) fn ends_word(byte: u8) -> bool {
    ends_line(byte) || is_blank(byte)
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// Returns `true` if only blanks follow in the line from `at` on.
pub(super) fn is_over(text: &[u8], at: usize) -> bool {
    text.get(skip_blanks(text, at)).is_none_or(|byte| ends_line(*byte))
}

/// Returns the range of the value without the commas, semicolons and closing parentheses at its end, which belong to
/// the surrounding text.
pub(super) fn trim_punctuation(value: Range<usize>, text: &[u8]) -> Range<usize> {
    let marks = text[value.clone()].iter().rev().take_while(|byte| matches!(byte, b',' | b';' | b')')).count();
    value.start..value.end - marks
}

/// Returns the end of the value that begins at `start`: the first byte for which `ends` returns `true`, at most about
/// `max_length` bytes later. An escape that JSON does not require, as `\u0026` and `\/`, counts as the character that
/// it represents.
pub(super) fn end(text: &[u8], start: usize, max_length: usize, ends: impl Fn(u8) -> bool) -> usize {
    let mut at = start;
    while at < text.len() && at - start < max_length {
        let length = match text[at] {
            b'\\' => escape(text, at).filter(|it| !it.byte.is_some_and(&ends)).map(|it| it.length),
            byte => (!ends(byte)).then_some(1),
        };
        let Some(length) = length else { break };
        at += length;
    }
    at
}

/// An escape sequence in JSON that represents one character, such as `\u0026`.
struct Escape {
    length: usize,
    /// The character that the escape represents. `None` if it is not ASCII.
    byte: Option<u8>,
}

/// Parses an escape that JSON does not require (`\/` or `\uXXXX`), with any number of backslashes before it. Returns
/// `None` for other escapes.
fn escape(text: &[u8], at: usize) -> Option<Escape> {
    let backslashes = backslashes_from(text, at);
    let letter = at + backslashes;
    match text.get(letter)? {
        b'/' => Some(Escape { length: backslashes + 1, byte: Some(b'/') }),
        b'u' => {
            let digits = text.get(letter + 1..letter + 5).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))?;
            let code = u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
            let byte = u8::try_from(code).ok().filter(u8::is_ascii);
            Some(Escape { length: backslashes + 5, byte })
        }
        _ => None,
    }
}
