//! Finds the values of header lines: in HTTP messages, in command lines, in logs.

use std::ops::Range;

use super::line::LinePosition;
use super::names::NameKind;
use super::nesting::value_end;
use super::program_text::{inspected, is_program_text};
use super::scan::{self, is_blank};
use super::scheme::{common_scheme_length, scheme_length};
use super::site::Site;

/// Returns the range of the value of a header line. Returns `None` if the name is not that of a header, or does not stand
/// where one begins.
pub(super) fn find(site: &Site<'_>, position: LinePosition) -> Option<Range<usize>> {
    let Site { text, name, kind, depth, .. } = site;
    (text.get(name.end) == Some(&b':') && text.get(name.end + 1) != Some(&b':')).then_some(())?;
    let is_header = match kind {
        NameKind::Authorization | NameKind::Cookie | NameKind::Custom => true,
        NameKind::SessionId | NameKind::Other => text[name.clone()].contains(&b'-'),
    };
    is_header.then_some(())?;
    let start = scan::skip_blanks(text, name.end + 1);
    let quote = if position == LinePosition::PartStart { site.quote_in_list_at(start) } else { site.quote_at(start) };
    let to_line_end = |ends: fn(u8) -> bool| {
        let inspected = inspected(text, start);
        let content = &inspected[start..value_end(inspected, start, *depth, ends)];
        let is_header = scheme_length(content) > 0 || !is_program_text(content);
        is_header.then(|| start..value_end(text, start, *depth, ends))
    };
    match position {
        // `{ Authorization: "…" }` in program text.
        LinePosition::PartStart | LinePosition::LineStart { .. } | LinePosition::Marked if quote.is_some() => quote,
        LinePosition::LineStart { indentation: 0 } => {
            to_line_end(|_| false).map(|value| value.start..with_folded_lines(site, value.end))
        }
        LinePosition::LineStart { .. } | LinePosition::Marked => to_line_end(|_| false),
        // No line of a program goes on behind a quoted text.
        LinePosition::Quoted(quote) if matches!(kind, NameKind::Authorization | NameKind::Cookie) => {
            Some(start..value_end(text, start, *depth, |byte| byte == quote && quote != b'"'))
        }
        LinePosition::Quoted(b'\'') => to_line_end(|byte| byte == b'\''),
        LinePosition::Quoted(b'`') => to_line_end(|byte| byte == b'`'),
        LinePosition::Quoted(_) => to_line_end(|_| false),
        LinePosition::AfterOption => Some(start..value_end(text, start, *depth, is_blank)),
        // In a sentence or a log only the word behind a scheme is known to be a secret.
        LinePosition::PartStart | LinePosition::Inline if *kind == NameKind::Authorization => {
            let scheme = common_scheme_length(&text[start..]);
            (scheme > 0).then(|| start..value_end(text, start + scheme, *depth, ends_word))
        }
        LinePosition::PartStart | LinePosition::Inline => None,
    }
}

/// Returns `true` for a byte at which a word of a sentence or of a list ends.
fn ends_word(byte: u8) -> bool {
    is_blank(byte) || matches!(byte, b'"' | b'\'' | b'`' | b',' | b';' | b')' | b'}' | b'<' | b'>')
}

/// Maximum length of the end of a line and of the indentation behind it, in bytes.
const MAX_INDENTATION: usize = 32;

/// Returns the end of the header whose line ends at `end`: that of the last line behind it that begins with a blank and
/// is no field of its own.
fn with_folded_lines(site: &Site<'_>, mut end: usize) -> usize {
    let Site { text, depth, .. } = site;
    // No other text has these names at the start of a line.
    let is_only_header = matches!(site.kind, NameKind::Authorization | NameKind::Cookie);
    loop {
        let bounded = &text[..text.len().min(end + MAX_INDENTATION)];
        let line = after_line_end(bounded, end);
        let start = line + scan::run(bounded, line, is_blank);
        if line == end || start == line {
            return end;
        }
        let word = start
            + scan::run(&text[..text.len().min(start + MAX_INDENTATION)], start, |byte| {
                byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'"' | b'\'')
            });
        let next = value_end(text, start, *depth, |_| false);
        let is_field = word > start && text.get(word) == Some(&b':');
        if next == start || (word == start && !is_only_header) || is_field {
            return end;
        }
        end = next;
    }
}

/// Returns the index after the end of the line at `end`, as it is or escaped. Returns `end` if no line ends there.
pub(super) fn after_line_end(text: &[u8], end: usize) -> usize {
    let mut at = end;
    loop {
        match text.get(at) {
            Some(b'\r') => at += 1,
            Some(b'\n') => return at + 1,
            Some(b'\\') => {
                let letter = at + scan::backslashes(text, at);
                match text.get(letter) {
                    Some(b'r') => at = letter + 1,
                    Some(b'n') => return letter + 1,
                    Some(_) | None => return end,
                }
            }
            Some(_) | None => return end,
        }
    }
}
