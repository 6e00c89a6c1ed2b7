//! Finds the value that is assigned to a sensitive name outside of JSON: by a command-line option, in a query string,
//! in a file of variables or settings, in a program, in a sentence.

use std::ops::Range;

use super::line::{self, LinePosition};
use super::names::NameKind;
use super::secret_span::SecretSpan;
use super::{value, word};

/// Maximum number of bytes of a value that are inspected to decide if it is a secret. Many names may stand in a row,
/// each before the same long value.
const MAX_INSPECTED: usize = 1024;
/// Minimum length of a secret in a variable or a setting, in bytes.
const MIN_SETTING: usize = 4;
/// Minimum length of a secret in any other syntax, in bytes.
const MIN_LENGTH: usize = 6;

/// The syntax in which a value is assigned to a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Syntax {
    /// `--name=value` or `--name value`.
    Option { has_sign: bool },
    /// `?name=value`, `&name=value`, `;name=value` of a query string, a form or a connection string.
    Query,
    /// `name=value` for a name that the program added.
    CustomName,
    /// `NAME=value` of an environment variable.
    Variable,
    /// `name: value` or `name = value`, alone on its line.
    Setting,
    /// Any other assignment, inside of program text or a sentence.
    Inline,
}

/// The position of a value that may be a secret: its first byte, after the opening quote if there is one.
struct Value {
    start: usize,
    is_quoted: bool,
}

/// Finds the secret in the value that follows an unquoted name. Returns `None` if nothing is assigned to the name, or
/// if the value is not a secret.
pub(super) fn find(text: &[u8], name: &Range<usize>, kind: NameKind) -> Option<SecretSpan> {
    // Dashes after a placeholder's `]` are the rest of a word, not an option.
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
    let has_tight_sign = text.get(sign) == Some(&b'=') && at == name.end + 1;
    let syntax = match () {
        () if is_option => Syntax::Option { has_sign },
        () if has_tight_sign && begins_pair(&text[..name.start]) => Syntax::Query,
        () if has_tight_sign && kind == NameKind::Custom => Syntax::CustomName,
        () if has_tight_sign && !text[name.clone()].iter().any(u8::is_ascii_lowercase) => Syntax::Variable,
        () if has_tight_sign && value.is_followed_by_pair(text) => Syntax::Query,
        () if value.is_setting(text, name) => Syntax::Setting,
        () => Syntax::Inline,
    };
    let ends = syntax.ends(value.is_quoted);
    let guess = value.content(text, MAX_INSPECTED, ends);
    syntax.is_secret(&text[guess], value.is_quoted).then_some(())?;
    value::secret_in(text, value.content(text, usize::MAX, ends), NameKind::Other)
}

impl Syntax {
    /// Returns a predicate that is `true` for the byte at which a value in this syntax ends.
    fn ends(self, is_quoted: bool) -> fn(u8) -> bool {
        match self {
            Self::Query => |byte| line::ends_word(byte) || matches!(byte, b'&' | b';'),
            Self::Option { .. } | Self::CustomName | Self::Variable | Self::Setting | Self::Inline if is_quoted => {
                line::ends_line
            }
            Self::Option { .. } | Self::CustomName | Self::Variable | Self::Setting | Self::Inline => ends_value,
        }
    }

    /// Returns `true` if a value in this syntax counts as a secret, judged by its length and its characters.
    fn is_secret(self, content: &[u8], is_quoted: bool) -> bool {
        if word::starts_template(content) || word::is_generic(content) {
            return false;
        }
        match self {
            Self::Option { has_sign } => {
                let is_value = has_sign || is_quoted || word::looks_like_credential(content);
                is_value
                    && !content.starts_with(b"-")
                    && !word::is_upper_case(content)
                    && !word::is_path_or_url(content)
            }
            Self::Query => true,
            Self::CustomName => is_quoted || !word::is_code(content),
            Self::Variable => content.len() >= MIN_SETTING && !word::is_code(content) && !word::is_path_or_url(content),
            Self::Setting => content.len() >= MIN_SETTING && word::is_data(content),
            Self::Inline if is_quoted => content.len() >= MIN_LENGTH && word::is_data(content),
            Self::Inline => content.len() >= MIN_LENGTH && word::is_data(content) && !word::is_type(content),
        }
    }
}

impl Value {
    /// Creates the value that starts at index `at`, or after the quote if there is one at `at`.
    fn at(text: &[u8], at: usize) -> Self {
        let start = line::skip_quote(text, at);
        Self { start, is_quoted: start > at }
    }

    /// Returns the range of the value's content: at most `max_length` bytes, and for an unquoted value without the
    /// punctuation that follows it.
    fn content(&self, text: &[u8], max_length: usize, ends: fn(u8) -> bool) -> Range<usize> {
        let content = self.start..line::end(text, self.start, max_length, ends);
        if self.is_quoted { content } else { line::trim_punctuation(content, text) }
    }

    fn is_followed_by_pair(&self, text: &[u8]) -> bool {
        let end = line::end(text, self.start, MAX_INSPECTED, ends_value);
        end - self.start >= MIN_LENGTH && (text.get(end) == Some(&b'&') || text[end..].starts_with(b"\\u0026"))
    }

    /// Returns `true` if the line of the value contains nothing but the name and the value.
    fn is_setting(&self, text: &[u8], name: &Range<usize>) -> bool {
        let end = line::end(text, self.start, MAX_INSPECTED, ends_value);
        let continues = || text.get(end) == Some(&b'<') || line::trim_punctuation(self.start..end, text).end < end;
        let is_alone = || line::is_over(text, end) && !continues();
        LinePosition::at(text, name.start) == LinePosition::LineStart && (self.is_quoted || is_alone())
    }
}

fn ends_value(byte: u8) -> bool {
    line::ends_word(byte) || byte == b'&'
}

/// Returns `true` if a name that follows `before` starts a `name=value` pair of a query string or of a connection
/// string.
fn begins_pair(before: &[u8]) -> bool {
    matches!(before.last(), Some(b'?' | b'&' | b';')) || before.ends_with(b"\\u0026")
}
