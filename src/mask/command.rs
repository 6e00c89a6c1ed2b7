//! Finds passwords in the command lines of HTTP clients, and in `.netrc` files.

use std::ops::Range;

use super::line::LinePosition;
use super::nesting::value_end;
use super::scan::{self, is_blank};
use super::site::Site;

/// The commands whose option `-u` takes a user and a password.
const CLIENTS: [&str; 1] = ["curl "];

/// Options that take `user:password`.
const USER_OPTIONS: [&[u8]; 4] = [b"-u", b"--user", b"-U", b"--proxy-user"];

/// Maximum distance from a command to its option, in bytes.
const MAX_COMMAND: usize = 2048;

/// Returns the texts to search for to find such commands.
pub(super) fn needles() -> Vec<Vec<u8>> {
    CLIENTS.iter().map(|name| name.as_bytes().to_vec()).collect()
}

/// Returns the range of the password in the options of a command, given the range of the command.
pub(super) fn user_password(text: &[u8], command: Range<usize>, depth: u32) -> Option<Range<usize>> {
    let bounded = &text[..command.end.min(command.start + MAX_COMMAND)];
    let mut from = command.start;
    while let Some(dash) = scan::find(bounded, from, b'-') {
        from = dash + 1;
        if !is_blank(scan::before(bounded, dash)) {
            continue;
        }
        let Some(option) = USER_OPTIONS.iter().rev().find(|option| bounded[dash..].starts_with(option)) else {
            continue;
        };
        let behind = dash + option.len();
        let start = match text.get(behind) {
            Some(b' ' | b'\t' | b'=') => scan::skip_blanks(text, behind + 1),
            Some(_) if option.len() == 2 => behind,
            Some(_) | None => continue,
        };
        return password(text, start, depth);
    }
    None
}

fn password(text: &[u8], start: usize, depth: u32) -> Option<Range<usize>> {
    let backslashes = scan::backslashes(text, start);
    let quote = text.get(start + backslashes).copied().filter(|byte| matches!(byte, b'"' | b'\''));
    let (start, depth) = match quote {
        Some(b'"') => (start + backslashes + 1, depth + 1),
        Some(_) => (start + 1, depth),
        None => (start, depth),
    };
    let ends = |byte: u8| match quote {
        Some(quote) => byte == quote,
        None => is_blank(byte),
    };
    let end = value_end(text, start, depth, ends);
    let colon = scan::find(&text[..end], start, b':')?;
    Some(colon + 1..end)
}

/// Maximum distance from the password of a machine to the words before it, in bytes.
const MAX_ENTRY: usize = 256;

/// Returns the password in a line of a `.netrc` file.
pub(super) fn netrc_password(site: &Site<'_>, position: LinePosition) -> Option<Range<usize>> {
    let Site { text, name, depth, .. } = site;
    (&text[name.clone()] == b"password" && text.get(name.end).is_some_and(|byte| is_blank(*byte))).then_some(())?;
    let lowest = name.start.saturating_sub(MAX_ENTRY);
    let before = &text[lowest..name.start];
    let (last, rest) = last_word(before);
    let (key, _) = last_word(rest);
    let is_entry = [b"login".as_slice(), b"machine", b"account"].contains(&key) && last != b"=";
    let is_default = last == b"default" && LinePosition::at(text, name.start - "default ".len()).is_start();
    let has_login = is_default || is_entry;
    (has_login && position != LinePosition::PartStart).then_some(())?;
    let start = scan::skip_blanks(text, name.end);
    let is_assigned = text.get(start) == Some(&b'=') && text.get(start + 1).is_none_or(|byte| is_blank(*byte));
    (!is_assigned).then_some(())?;
    Some(start..value_end(text, start, *depth, is_blank))
}

/// Returns the last word of a text, and the text before it.
fn last_word(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.len() - scan::run_back(text, text.len(), |byte| byte.is_ascii_whitespace());
    let start = end - scan::run_back(text, end, |byte| !byte.is_ascii_whitespace());
    (&text[start..end], &text[..start])
}
