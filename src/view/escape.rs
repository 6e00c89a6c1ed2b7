//! Text from a bundle, made harmless for terminals.

use std::fmt::{self, Write as _};

/// Text without what would control a terminal or break its line. Ids, names of files, errors and texts may come from a
/// bundle, and a bundle from anyone. Escapes are those of JSON, so that a line of JSON stays one. Escaping text again
/// changes nothing.
#[derive(Debug, Clone, Copy)]
pub struct Escaped<T>(pub T);

impl<T: fmt::Display> fmt::Display for Escaped<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escaping(f), "{}", self.0)
    }
}

/// A writer that escapes the text for another one.
struct Escaping<'a, 'f>(&'a mut fmt::Formatter<'f>);

impl fmt::Write for Escaping<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.chars().try_for_each(|character| match character {
            '\n' => self.0.write_str("\\n"),
            '\r' => self.0.write_str("\\r"),
            '\t' => self.0.write_str("\\t"),
            character if is_control(character) => write!(self.0, "\\u{:04x}", u32::from(character)),
            character => self.0.write_char(character),
        })
    }
}

/// Returns `true` if a character controls a terminal, changes the writing direction or breaks the line.
fn is_control(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
