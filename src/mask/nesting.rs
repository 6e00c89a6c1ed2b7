//! JSON strings around a place in a text: [`Nesting`], and where a value inside them ends.

use super::scan;
use super::secret_span::Level;

/// How many JSON strings a place in a text stands in. Found from the start of its line on, in one pass over the text.
#[derive(Debug, Default)]
pub(super) struct Nesting {
    at: usize,
    depth: u32,
}

impl Nesting {
    /// Creates the nesting of a text of which the part before index `at` is known to have this depth.
    pub(super) fn from(at: usize, depth: u32) -> Self {
        Self { at, depth }
    }

    /// Returns the depth at index `to`, which must not be less than in the call before.
    pub(super) fn depth_at(&mut self, text: &[u8], to: usize) -> u32 {
        let end = to.max(self.at);
        scan::looked_at(end - self.at);
        for found in memchr::memchr2_iter(b'"', b'\n', &text[self.at..end]) {
            let at = self.at + found;
            self.depth = match text[at] {
                // No JSON string goes on behind the end of a line.
                b'\n' => 0,
                _ => depth_behind_quote(self.depth, scan::run_back(text, at, |byte| byte == b'\\')),
            };
        }
        self.at = end;
        self.depth
    }
}

/// Returns the depth behind a quote with a number of backslashes before it.
fn depth_behind_quote(depth: u32, backslashes: usize) -> u32 {
    match Level::inside(depth).and_then(|level| level.ended_by(backslashes)) {
        Some(ended) => ended.depth(),
        None if Level::for_quote(backslashes).is_some_and(|level| level.depth() == depth) => depth + 1,
        None => depth,
    }
}

/// Returns the end of the value that begins at `start` at a depth of JSON strings: the end of the line or of the
/// innermost string, or the first byte for which `ends` returns `true`. An escape that represents one character counts
/// as that character.
pub(super) fn value_end(text: &[u8], start: usize, depth: u32, ends: impl Fn(u8) -> bool) -> usize {
    let mut at = start;
    while let Some(&byte) = text.get(at) {
        match byte {
            b'\n' | b'\r' => break,
            b'"' | b'\\' => {
                let backslashes = scan::backslashes(text, at);
                match after_backslashes(text, at + backslashes, backslashes, depth) {
                    Unit::EndOfString { backslashes: kept } => {
                        at += backslashes - kept.min(backslashes);
                        break;
                    }
                    Unit::EndOfLine => break,
                    Unit::Character { byte, length } => {
                        if byte.is_some_and(&ends) {
                            break;
                        }
                        at += backslashes + length;
                    }
                }
            }
            byte if ends(byte) => break,
            _ => at += 1,
        }
    }
    let end = at.min(text.len());
    scan::looked_at(end - start + 1);
    end
}

/// Returns `true` if the line or the innermost string ends at `at`.
pub(super) fn ends_at(text: &[u8], at: usize, depth: u32) -> bool {
    match text.get(at) {
        None | Some(b'\n' | b'\r') => true,
        Some(b'"' | b'\\') => {
            let backslashes = scan::backslashes(text, at);
            match after_backslashes(text, at + backslashes, backslashes, depth) {
                Unit::EndOfString { backslashes: kept } => kept >= backslashes,
                Unit::EndOfLine => true,
                Unit::Character { .. } => false,
            }
        }
        Some(_) => false,
    }
}

/// What backslashes and the byte behind them represent.
enum Unit {
    /// The quote that ends the string, and how many backslashes belong to it.
    EndOfString {
        backslashes: usize,
    },
    EndOfLine,
    /// A character, and its length behind the backslashes. `None` if it is no ASCII character.
    Character {
        byte: Option<u8>,
        length: usize,
    },
}

fn after_backslashes(text: &[u8], at: usize, backslashes: usize, depth: u32) -> Unit {
    let is_whitespace = Level::inside(depth).is_some_and(|level| level.before_inner_letter() == backslashes);
    match text.get(at) {
        Some(b'"') => match Level::inside(depth).and_then(|level| level.ended_by(backslashes)) {
            Some(ended) => Unit::EndOfString { backslashes: ended.before_quote() },
            None => Unit::Character { byte: Some(b'"'), length: 1 },
        },
        Some(b'n' | b'r') if is_whitespace => Unit::EndOfLine,
        Some(b't') if is_whitespace => Unit::Character { byte: Some(b'\t'), length: 1 },
        Some(b'u') => match code_unit(text, at + 1) {
            Some(code) if code == u32::from(b'\n') || code == u32::from(b'\r') => Unit::EndOfLine,
            Some(code) => Unit::Character { byte: u8::try_from(code).ok().filter(u8::is_ascii), length: 5 },
            None => Unit::Character { byte: Some(b'\\'), length: 0 },
        },
        Some(_) | None => Unit::Character { byte: Some(b'\\'), length: 0 },
    }
}

/// Parses the four hexadecimal digits of an escape.
fn code_unit(text: &[u8], at: usize) -> Option<u32> {
    let digits = text.get(at..at + 4).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))?;
    u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}
