//! What is assigned to a sensitive name: by an option of a command, in a form, in a file of variables or settings, in a
//! program, in a sentence.

use std::ops::Range;

use super::line::{self, Place};
use super::names::Kind;
use super::secret_span::Spot;
use super::{value, word};

/// How far a value is looked at to tell whether it is a secret, in bytes: many names in a row may each have one.
const MAX_GUESS: usize = 1024;
/// The shortest value of a variable or a setting that is taken for a secret, in bytes …
const LEAST_SETTING: usize = 4;
/// … and of anything else.
const LEAST: usize = 6;

/// Who says what the name is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    /// `--name=value` or `--name value`.
    Option { has_sign: bool },
    /// `?name=value`, `&name=value`, `;name=value`.
    Form,
    /// `name=value` of the program's own.
    Own,
    /// `NAME=value`.
    Variable,
    /// `name: value` or `name = value`, and nothing else in the line.
    Setting,
    /// Anything else.
    Within,
}

/// A value, and how it is written.
struct Value {
    start: usize,
    is_quoted: bool,
}

/// Looks at what follows an unquoted name.
pub(super) fn find(text: &[u8], name: &Range<usize>, kind: Kind) -> Option<Spot> {
    // Behind a placeholder it is the rest of a word.
    let is_option = text[..name.start].strip_suffix(b"--").is_some_and(|before| before.last() != Some(&b']'));
    let sign = line::skip_blanks(text, name.end);
    let (behind, has_sign) = match (text.get(sign), text.get(sign + 1)) {
        (Some(b':'), Some(b'=')) => (sign + 2, true),
        (Some(b':' | b'='), Some(b':' | b'=')) => return None,
        (Some(b':' | b'='), _) => (sign + 1, true),
        _ if is_option && sign > name.end => (sign, false),
        _ => return None,
    };
    let at = line::skip_blanks(text, behind);
    let value = Value::at(text, at);
    let is_tight = text.get(sign) == Some(&b'=') && at == name.end + 1;
    let usage = match () {
        () if is_option => Use::Option { has_sign },
        () if is_tight && begins_pair(&text[..name.start]) => Use::Form,
        () if is_tight && kind == Kind::Own => Use::Own,
        () if is_tight && !text[name.clone()].iter().any(u8::is_ascii_lowercase) => Use::Variable,
        () if is_tight && value.is_followed_by_pair(text) => Use::Form,
        () if value.is_setting(text, name) => Use::Setting,
        () => Use::Within,
    };
    let ends = usage.ends(value.is_quoted);
    let guess = value.content(text, MAX_GUESS, ends);
    usage.says_secret(&text[guess], value.is_quoted).then_some(())?;
    value::secret_in(text, value.content(text, usize::MAX, ends), Kind::Other)
}

impl Use {
    /// What a value ends at.
    fn ends(self, is_quoted: bool) -> fn(u8) -> bool {
        match self {
            Self::Form => |byte| line::ends_word(byte) || matches!(byte, b'&' | b';'),
            Self::Option { .. } | Self::Own | Self::Variable | Self::Setting | Self::Within if is_quoted => {
                line::ends_line
            }
            Self::Option { .. } | Self::Own | Self::Variable | Self::Setting | Self::Within => ends_value,
        }
    }

    fn says_secret(self, content: &[u8], is_quoted: bool) -> bool {
        if word::starts_template(content) || word::says_nothing(content) {
            return false;
        }
        match self {
            Self::Option { has_sign } => {
                let is_given = has_sign || is_quoted || word::looks_like_credential(content);
                is_given && !content.starts_with(b"-") && !word::is_shouted(content) && !word::is_place(content)
            }
            Self::Form => true,
            Self::Own => is_quoted || !word::is_code(content),
            Self::Variable => content.len() >= LEAST_SETTING && !word::is_code(content) && !word::is_place(content),
            Self::Setting => content.len() >= LEAST_SETTING && word::is_data(content),
            Self::Within if is_quoted => content.len() >= LEAST && word::is_data(content),
            Self::Within => content.len() >= LEAST && word::is_data(content) && !word::is_type(content),
        }
    }
}

impl Value {
    /// The one that begins here, or with the quote here.
    fn at(text: &[u8], at: usize) -> Self {
        let start = line::skip_quote(text, at);
        Self { start, is_quoted: start > at }
    }

    /// Where its content is, which is so long at most, without the marks of the text around.
    fn content(&self, text: &[u8], most: usize, ends: fn(u8) -> bool) -> Range<usize> {
        let content = self.start..line::end(text, self.start, most, ends);
        if self.is_quoted { content } else { line::without_marks(content, text) }
    }

    fn is_followed_by_pair(&self, text: &[u8]) -> bool {
        let end = line::end(text, self.start, MAX_GUESS, ends_value);
        end - self.start >= LEAST && (text.get(end) == Some(&b'&') || text[end..].starts_with(b"\\u0026"))
    }

    /// Whether the line has nothing else in it.
    fn is_setting(&self, text: &[u8], name: &Range<usize>) -> bool {
        let end = line::end(text, self.start, MAX_GUESS, ends_value);
        let goes_on = || text.get(end) == Some(&b'<') || line::without_marks(self.start..end, text).end < end;
        let is_alone = || line::is_over(text, end) && !goes_on();
        Place::of(text, name.start) == Place::First && (self.is_quoted || is_alone())
    }
}

fn ends_value(byte: u8) -> bool {
    line::ends_word(byte) || byte == b'&'
}

/// Whether a pair of a form or of a connection string begins behind this.
fn begins_pair(before: &[u8]) -> bool {
    matches!(before.last(), Some(b'?' | b'&' | b';')) || before.ends_with(b"\\u0026")
}
