//! Text as lines, commands and programs have it: where a value that is not JSON begins and ends.

use std::ops::Range;

/// Where in its line a name stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// First in the line, or in what is quoted.
    First,
    /// First in a part of the line: what stands between braces and commas.
    Part,
    /// Behind the option of a command that says that a header follows: `-H`, `--header`.
    Option,
    Within,
}

impl Place {
    pub(super) fn of(text: &[u8], at: usize) -> Self {
        let trimmed = &text[..at - text[..at].iter().rev().take_while(|byte| is_blank(**byte)).count()];
        match before(text, at) {
            _ if opens_line(&text[..at]) => Self::First,
            b'"' | b'\'' | b'`' | b'>' | b'<' => Self::First,
            b'{' | b',' | b'[' => Self::Part,
            _ if ends_with_option(trimmed) => Self::Option,
            _ => match trimmed {
                [.., b'>' | b'<' | b'*'] => Self::First,
                [.., b'{' | b','] => Self::Part,
                _ => Self::Within,
            },
        }
    }
}

/// Whether a line begins behind this, or what it is indented by and the dash of a list.
fn opens_line(before: &[u8]) -> bool {
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

/// Goes over the quote that a value begins with. What follows one that ends the text around is punctuation.
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

/// Whether nothing more is said in the line, from here on.
pub(super) fn is_over(text: &[u8], at: usize) -> bool {
    text.get(skip_blanks(text, at)).is_none_or(|byte| ends_line(*byte))
}

/// The value without the marks that text goes on with behind it.
pub(super) fn without_marks(value: Range<usize>, text: &[u8]) -> Range<usize> {
    let marks = text[value.clone()].iter().rev().take_while(|byte| matches!(byte, b',' | b';' | b')')).count();
    value.start..value.end - marks
}

/// Where a value ends that begins here, after so many bytes at most. What JSON escapes though it need not, as `\u0026`
/// and `\/`, is what it stands for.
pub(super) fn end(text: &[u8], start: usize, most: usize, ends: impl Fn(u8) -> bool) -> usize {
    let mut at = start;
    while at < text.len() && at - start < most {
        let length = match text[at] {
            b'\\' => escape(text, at).filter(|it| !it.stands_for.is_some_and(&ends)).map(|it| it.length),
            byte => (!ends(byte)).then_some(1),
        };
        let Some(length) = length else { break };
        at += length;
    }
    at
}

struct Escape {
    length: usize,
    /// None where it is no ASCII.
    stands_for: Option<u8>,
}

/// The escape of a character that may stand in a value as it is, at whatever level.
fn escape(text: &[u8], at: usize) -> Option<Escape> {
    let backslashes = backslashes_from(text, at);
    let letter = at + backslashes;
    match text.get(letter)? {
        b'/' => Some(Escape { length: backslashes + 1, stands_for: Some(b'/') }),
        b'u' => {
            let digits = text.get(letter + 1..letter + 5).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))?;
            let code = u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
            let stands_for = u8::try_from(code).ok().filter(u8::is_ascii);
            Some(Escape { length: backslashes + 5, stands_for })
        }
        _ => None,
    }
}
