//! Sections of INI files: [`Section`].

use super::scan;

/// Whether the lines of a text stand in a section of an INI file: behind a line `[name]`, with nothing but settings and
/// comments between them. Found in one pass over the text.
#[derive(Debug)]
pub(super) struct Section {
    at: usize,
    is_open: bool,
}

impl Section {
    /// Creates the state at index `at`, at which no section is open.
    pub(super) fn from(at: usize) -> Self {
        Self { at, is_open: false }
    }

    /// Returns `true` if the line of index `to` stands in a section. `to` must not be less than in the call before.
    pub(super) fn is_around(&mut self, text: &[u8], to: usize) -> bool {
        while let Some(length) = text.get(self.at..to).and_then(|rest| memchr::memchr2(b'\n', b'\\', rest)) {
            let end = self.at + length;
            let backslashes = scan::backslashes(text, end);
            let behind = match text.get(end + backslashes) {
                Some(b'\n') if backslashes == 0 => end + 1,
                Some(b'n') if backslashes > 0 => end + backslashes + 1,
                // No line ends here: what stands before it tells nothing of the rest.
                Some(_) | None => {
                    self.is_open = false;
                    self.at = end + backslashes.max(1);
                    continue;
                }
            };
            self.is_open = opens_or_continues(&text[self.at..end], self.is_open);
            scan::looked_at(behind - self.at);
            self.at = behind.min(to);
        }
        self.is_open
    }
}

/// Returns `true` if a section is open behind a line, given whether one was open before it.
fn opens_or_continues(line: &[u8], is_open: bool) -> bool {
    // A string may begin before the first line.
    let line = line.rsplit(|byte| *byte == b'"').next().unwrap_or(line).trim_ascii();
    match line {
        [b'[', .., b']'] => true,
        [] | [b'#' | b';', ..] => is_open,
        line => is_open && line.contains(&b'='),
    }
}
