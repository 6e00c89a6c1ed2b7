//! Tags of markup: [`OpenTag`].

use super::scan;

/// Whether a place in a text stands inside of a tag of markup, as `<db user="…" …`. Found in one pass over the text.
#[derive(Debug)]
pub(super) struct OpenTag {
    at: usize,
    is_open: bool,
}

impl OpenTag {
    /// Creates the state at index `at`, at which no tag is open.
    pub(super) fn from(at: usize) -> Self {
        Self { at, is_open: false }
    }

    /// Returns `true` if index `to` stands inside of a tag. `to` must not be less than in the call before.
    pub(super) fn is_around(&mut self, text: &[u8], to: usize) -> bool {
        let rest = text.get(self.at..to).unwrap_or_default();
        scan::looked_at(rest.len());
        if let Some(last) = memchr::memrchr2(b'<', b'>', rest) {
            let name = text.get(self.at + last + 1);
            self.is_open = rest[last] == b'<' && name.is_some_and(u8::is_ascii_alphabetic);
        }
        self.at = self.at.max(to);
        self.is_open
    }
}
