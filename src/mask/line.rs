//! Lines of text, commands and settings: where in its line a name stands.

use super::scan::{self, is_blank};

/// The position of a name in its line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LinePosition {
    /// At the start of a line or of a JSON string, behind a number of blanks or the dash of a list.
    LineStart { indentation: usize },
    /// Directly behind this quote, the start of a quoted text.
    Quoted(u8),
    /// Behind the sign that `curl -v` and mails put before each line.
    Marked,
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
        let start = scan::before_colours(text, at);
        let blanks = scan::run_back(text, start, is_blank);
        let trimmed = scan::before_colours(text, start - blanks);
        let before = &text[..trimmed];
        match before {
            _ if starts_line(before) => Self::LineStart { indentation: blanks },
            [.., b'-'] if blanks > 0 && starts_list_item(&before[..trimmed - 1]) => {
                Self::LineStart { indentation: blanks + 1 }
            }
            [.., b'"'] if begins_string(before) => Self::LineStart { indentation: blanks },
            [.., quote @ (b'"' | b'\'' | b'`')] if blanks == 0 => Self::Quoted(*quote),
            [.., b'{' | b',' | b'['] => Self::PartStart,
            [.., b'>' | b'<' | b'*'] => Self::Marked,
            _ if ends_with_option(before) => Self::AfterOption,
            _ => Self::Inline,
        }
    }

    /// Returns `true` if only the name and its value stand in the line or in the quoted text.
    pub(super) fn is_start(self) -> bool {
        matches!(self, Self::LineStart { .. } | Self::Quoted(_))
    }
}

/// Returns `true` if the text before the dash of a list ends a line or begins a quoted text.
fn starts_list_item(before: &[u8]) -> bool {
    let before = without_blanks(before);
    starts_line(before) || before.ends_with(b"\"")
}

fn without_blanks(text: &[u8]) -> &[u8] {
    &text[..text.len() - scan::run_back(text, text.len(), is_blank)]
}

/// Returns `true` if the quote at the end of the text begins a string: it stands where a value does.
fn begins_string(text: &[u8]) -> bool {
    let backslashes = scan::run_back(text, text.len() - 1, |byte| byte == b'\\');
    let before = &text[..text.len() - 1 - backslashes];
    matches!(before, [] | [.., b':' | b'[' | b'{' | b',' | b'(' | b'=' | b' ' | b'\t' | b'\n'])
}

/// Returns `true` if the text ends with the end of a line, or with an escaped one and its indentation.
fn starts_line(before: &[u8]) -> bool {
    let mut before = before;
    while let [shorter @ .., b'\\', b't'] = before {
        scan::looked_at(2);
        before = shorter;
    }
    matches!(before, [] | [.., b'\n' | b'\r'] | [.., b'\\', b'n' | b'r'])
}

fn ends_with_option(text: &[u8]) -> bool {
    let text = text.strip_suffix(b"=").unwrap_or(text);
    [b" -H".as_slice(), b" --header"].iter().any(|option| text.ends_with(option))
}
