//! A sensitive name outside of JSON: [`Site`], and the quoted texts behind it.

use std::ops::Range;

use super::names::{NameKind, Names};
use super::nesting::{ends_at, value_end};
use super::scan::{self, is_blank};
use super::secret_span::Level;

/// A sensitive name outside of JSON, and where it stands.
pub(super) struct Site<'t> {
    pub(super) text: &'t [u8],
    pub(super) name: Range<usize>,
    pub(super) kind: NameKind,
    pub(super) names: &'t Names,
    /// Number of JSON strings around the name.
    pub(super) depth: u32,
}

impl Site<'_> {
    /// Returns the content of the quoted text that begins at `start`, and is followed by nothing but signs that close what
    /// is around it. Returns `None` if there is none: a value that only begins with a quote goes on behind the next one.
    pub(super) fn quote_at(&self, start: usize) -> Option<Range<usize>> {
        let (content, behind) = self.quoted_text(start)?;
        let end = behind + scan::run(self.text, behind, closes);
        let is_over = self.text.get(end).is_some_and(|byte| is_blank(*byte)) || ends_at(self.text, end, self.depth);
        is_over.then_some(content)
    }

    /// Returns the content of the quoted text that begins at `start`, whatever follows it.
    pub(super) fn quote_in_list_at(&self, start: usize) -> Option<Range<usize>> {
        self.quoted_text(start).map(|(content, _)| content)
    }

    /// Returns the content of the quoted text that begins at `start` and ends in the same line, and the index behind it.
    fn quoted_text(&self, start: usize) -> Option<(Range<usize>, usize)> {
        let Self { text, depth, .. } = self;
        let backslashes = scan::backslashes(text, start);
        let open = start + backslashes;
        let content = match text.get(open)? {
            b'"' if Level::for_quote(backslashes).is_some_and(|level| level.depth() == *depth) => {
                open + 1..value_end(text, open + 1, depth + 1, |_| false)
            }
            quote @ (b'\'' | b'`') if backslashes == 0 => {
                let quote = *quote;
                open + 1..value_end(text, open + 1, *depth, |byte| byte == quote)
            }
            _ => return None,
        };
        let close = content.end + scan::backslashes(text, content.end);
        (text.get(close) == text.get(open)).then_some((content, close + 1))
    }
}

/// Returns `true` for a sign that may follow a quoted value, without a blank between them.
pub(super) fn closes(byte: u8) -> bool {
    matches!(byte, b',' | b';' | b')' | b']' | b'}' | b'>' | b'/' | b'&' | b'|')
}

/// Returns `true` for a word that is written like a command-line option: `-v`, `--name=value`.
pub(super) fn is_option(word: &[u8]) -> bool {
    let name = word.strip_prefix(b"--").or_else(|| word.strip_prefix(b"-")).unwrap_or_default();
    let length = scan::run(name, 0, |byte| byte.is_ascii_alphanumeric() || byte == b'-');
    name.first().is_some_and(u8::is_ascii_alphabetic) && matches!(name.get(length), None | Some(b'='))
}
