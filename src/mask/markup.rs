//! Finds the content of XML elements with a sensitive name.

use std::ops::Range;

use super::scan;
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
    closes.then_some(start..end)
}
