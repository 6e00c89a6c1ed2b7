//! The arguments of a call, which are an object in JSON that arrives in pieces.

use crate::provider::assembler::Growing;

/// How far the arguments of a call were scanned, so that no character is scanned twice, however many pieces arrive.
#[derive(Debug, Default)]
pub(super) struct ScannedArguments {
    /// Number of bytes that were scanned.
    length: usize,
    /// Number of objects and lists that are open.
    depth: usize,
    is_in_text: bool,
    /// `true` behind a backslash in a text.
    is_escaped: bool,
}

impl ScannedArguments {
    /// Returns `true` if the arguments so far are a whole object: as many brackets are closed as were opened.
    pub(super) fn are_whole(&mut self, arguments: &Growing) -> bool {
        let text = match arguments {
            Growing::Text(text) => text,
            Growing::Json(json) => return json.starts_with('{'),
            Growing::Object(_) | Growing::List(_) => return false,
        };
        // A piece never ends inside of an escape sequence.
        let mut rest = text.get(self.length..).unwrap_or_default();
        while let Some((character, behind)) = next_character(rest) {
            self.add(character);
            rest = behind;
        }
        self.length = text.len();
        text.starts_with('{') && self.depth == 0
    }

    fn add(&mut self, character: char) {
        match character {
            _ if self.is_escaped => self.is_escaped = false,
            '\\' => self.is_escaped = self.is_in_text,
            '"' => self.is_in_text = !self.is_in_text,
            _ if self.is_in_text => {}
            '{' | '[' => self.depth += 1,
            '}' | ']' => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
    }
}

/// Returns the first character of the inside of a JSON string, and what is behind it. Of escape sequences, those are
/// decoded that stand for a character of JSON's own.
fn next_character(escaped: &str) -> Option<(char, &str)> {
    let mut rest = escaped.chars();
    let first = rest.next()?;
    if first != '\\' {
        return Some((first, rest.as_str()));
    }
    match rest.next()? {
        'u' => {
            let (digits, behind) = rest.as_str().split_at_checked(4)?;
            let character = u32::from_str_radix(digits, 16).ok().and_then(char::from_u32);
            Some((character.unwrap_or(char::REPLACEMENT_CHARACTER), behind))
        }
        escaped @ ('"' | '\\') => Some((escaped, rest.as_str())),
        _ => Some((' ', rest.as_str())),
    }
}
