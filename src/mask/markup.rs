//! Finds the content of XML elements with a sensitive name.

use std::ops::Range;

use super::scan;
use super::secret_span::Level;
use super::site::Site;

/// Maximum length of the attributes in a tag, in bytes.
const MAX_ATTRIBUTES: usize = 256;

/// Returns the content of the element whose start tag has the name. Returns `None` if there is no such element: then the
/// name may be the parameter of a type, as in `Vec<Token>`.
pub(super) fn find(site: &Site<'_>) -> Option<Range<usize>> {
    const CDATA: &[u8] = b"<![CDATA[";
    let Site { text, name, .. } = site;
    let prefix = scan::run_back(&text[name.start.saturating_sub(32)..], name.start.min(32), |byte| {
        byte.is_ascii_alphanumeric() || matches!(byte, b':' | b'_' | b'-' | b'.')
    });
    (text[..name.start - prefix].last() == Some(&b'<')).then_some(())?;
    let tag = &text[name.start - prefix..name.end];
    let bounded = &text[..text.len().min(name.end + MAX_ATTRIBUTES)];
    let close = name.end + scan::run(bounded, name.end, |byte| !matches!(byte, b'<' | b'>'));
    (text.get(close) == Some(&b'>')).then_some(())?;
    let start = close + 1;
    let is_open = matches!(text.get(name.end), Some(b'>' | b' ' | b'\t')) && text[start - 2] != b'/';
    is_open.then_some(())?;
    if text[start..].starts_with(CDATA) {
        let content = start + CDATA.len();
        let end = scan::find(text, content, b']').filter(|end| text[*end..].starts_with(b"]]>"))?;
        return Some(content..end);
    }
    let end = scan::find(text, start, b'<')?;
    let closes = text[end..].strip_prefix(b"</").is_some_and(|rest| rest.starts_with(tag));
    let start = start + scan::run(&text[..end], start, |byte| byte.is_ascii_whitespace());
    closes.then_some(start..end)
}

/// Attributes whose value names the thing that the rest of the tag or its content is the value of.
const NAMING: [&[u8]; 2] = [b"key", b"name"];

/// Returns the value that a tag gives the name in its attribute at `quoted`, the range with its quotes: `name="…" value="…"`,
/// or the content of `<tag name="…">`. Returns `None` if the name does not stand in such a tag.
pub(super) fn value_of_attribute(text: &[u8], quoted: Range<usize>, level: Level) -> Option<Range<usize>> {
    const VALUE: &[u8] = b"value=";
    let before = text[..quoted.start].strip_suffix(b"=")?;
    let is_naming = |name: &&&[u8]| {
        let behind = before.len().checked_sub(name.len());
        behind
            .is_some_and(|at| before[at..].eq_ignore_ascii_case(name) && at > 0 && before[at - 1].is_ascii_whitespace())
    };
    NAMING.iter().find(is_naming)?;
    let start = quoted.end + scan::run(text, quoted.end, |byte| byte == b' ');
    let quote = level.before_quote() + 1;
    let ends = |at: usize| text[at..].starts_with(b"\"") && text[..at].ends_with(&b"\\".repeat(quote - 1));
    if text[start..].starts_with(VALUE) {
        let open = start + VALUE.len() + quote - 1;
        (open < text.len() && ends(open)).then_some(())?;
        let close = scan::find(text, open + 1, b'"')?;
        let end = close - (quote - 1).min(close - open - 1);
        return Some(open + 1..end);
    }
    let content = text[start..].starts_with(b">").then_some(start + 1)?;
    // Another tag that begins before this element ends makes the name that of something else.
    let end = content + scan::run(text, content, |byte| !matches!(byte, b'<' | b'>'));
    text[end..].starts_with(b"</").then_some(content..end)
}
