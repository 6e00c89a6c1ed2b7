//! What cannot be a secret, whatever name stands before it: [`is_harmless`].

use super::names::Names;
use super::placeholder::{begins_placeholder, is_placeholder};
use super::program_text::without_comment;
use super::scan;
use super::scheme::is_scheme;

/// Maximum length of a value that cannot be a secret, in bytes.
const MAX_HARMLESS: usize = 64;

/// Number of digits from which on a number may be a secret.
const MIN_SECRET_DIGITS: usize = 6;

/// Maximum length of the beginning of a credential that tells nothing of the rest, in bytes.
const MAX_CUT: usize = 12;

/// Words that are switches, rights or types, as in settings, schemas and declarations.
const WORDS: [&str; 32] = [
    "any",
    "array",
    "bool",
    "boolean",
    "bytes",
    "disabled",
    "enabled",
    "false",
    "float",
    "inherit",
    "int",
    "integer",
    "nil",
    "no",
    "none",
    "null",
    "number",
    "object",
    "off",
    "on",
    "optional",
    "read",
    "redacted",
    "required",
    "str",
    "string",
    "text",
    "true",
    "undefined",
    "void",
    "write",
    "yes",
];

/// Returns `true` for a value that cannot be a secret: an empty one, a switch, a number of fewer than six digits, a
/// version, a placeholder that a reader or a program fills in, or a sensitive name.
pub(super) fn is_harmless(value: &[u8], names: &Names) -> bool {
    let value = without_end(value);
    if value.len() > MAX_HARMLESS {
        return is_placeholder(value);
    }
    scan::looked_at(value.len());
    value.is_empty()
        || WORDS.iter().any(|word| value.eq_ignore_ascii_case(word.as_bytes()))
        || is_short_number(value)
        || is_version(value)
        || is_filler(value)
        || is_colour(value)
        || is_cut(value)
        || is_scheme(value)
        || is_template(value)
        || is_templates(value)
        || is_name(value, names)
}

/// Returns the value without the punctuation and the comment that end its line.
fn without_end(value: &[u8]) -> &[u8] {
    if value.len() > 2 * MAX_HARMLESS {
        return value;
    }
    let whole = value.trim_ascii();
    let mut value = without_comment(value);
    while let Some(shorter) = value.strip_suffix(b"\\n").or_else(|| value.strip_suffix(b"\\r")) {
        value = shorter;
    }
    if value.trim_ascii().is_empty() {
        // What begins like a comment is the value itself.
        return whole;
    }
    let is_end = |byte: &u8| matches!(byte, b',' | b';' | b'"' | b'\'' | b'`' | b')' | b'\\');
    let end = value.iter().rposition(|byte| !is_end(byte)).map_or(0, |at| at + 1);
    let closes = value[..end].contains(&b'(') && value.get(end) == Some(&b')');
    // A value of signs only is one.
    if end == 0 { value } else { &value[..end + usize::from(closes)] }
}

/// Returns `true` for a number with fewer than six digits.
pub(super) fn is_short_number(value: &[u8]) -> bool {
    let digits = value.iter().filter(|byte| byte.is_ascii_digit()).count();
    let is_number = std::str::from_utf8(value).is_ok_and(|text| text.parse::<f64>().is_ok());
    let is_code =
        value.strip_prefix(b"0x").is_some_and(|code| code.len() <= 8 && code.iter().all(u8::is_ascii_hexdigit));
    (1..MIN_SECRET_DIGITS).contains(&digits) && is_number || is_code
}

/// Returns `true` for a version, as `1.2`, `v3.11.7` and `2.0.0-beta.1`.
fn is_version(value: &[u8]) -> bool {
    let value =
        &value[value.iter().take_while(|byte| matches!(byte, b'^' | b'~' | b'>' | b'<' | b'=' | b'v')).count()..];
    let end = value.iter().position(|byte| matches!(byte, b'-' | b'+')).unwrap_or(value.len());
    let mut numbers = value[..end].split(|byte| *byte == b'.');
    let is_number = |part: &[u8]| (1..=MIN_SECRET_DIGITS).contains(&part.len()) && part.iter().all(u8::is_ascii_digit);
    let suffix = value.get(end + 1..).unwrap_or_default();
    let is_word = |part: &[u8]| part.len() <= 8 && part.iter().all(u8::is_ascii_alphanumeric);
    value[..end].contains(&b'.') && numbers.all(is_number) && suffix.split(|byte| *byte == b'.').all(is_word)
}

/// Returns `true` for a colour, as `#d0d0d0`.
fn is_colour(value: &[u8]) -> bool {
    let digits = value.strip_prefix(b"#").unwrap_or_default();
    digits.len() == 6 && digits.iter().all(u8::is_ascii_hexdigit)
}

/// Returns `true` for the beginning of a credential that somebody cut, as `sk-...`.
fn is_cut(value: &[u8]) -> bool {
    let rest = value.strip_suffix(b"...").or_else(|| value.strip_suffix("…".as_bytes()));
    rest.is_some_and(|rest| {
        rest.len() <= MAX_CUT && rest.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    })
}

/// Returns `true` for signs that stand in place of a value, as `***`, `xxxx` and `...`, and for one that continues a line.
fn is_filler(value: &[u8]) -> bool {
    let is_one = value.iter().all(|byte| *byte == value[0])
        && matches!(value[0], b'*' | b'x' | b'X' | b'.' | b'-' | b'_' | b'?' | b'\\');
    let signs = std::str::from_utf8(value).unwrap_or_default();
    is_one || signs.chars().all(|sign| matches!(sign, '•' | '…' | '●'))
}

/// Returns `true` for a placeholder and nothing else: `$NAME`, `${name}`, `$(command)`, `{name}`, `{{ name }}`, `<name>`,
/// `[name]`, `%NAME%`, `%s`.
fn is_template(value: &[u8]) -> bool {
    let is_text = |name: &[u8]| {
        name.iter().any(u8::is_ascii_alphabetic)
            && name.iter().all(|byte| {
                byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b' ' | b'-' | b':' | b'/' | b'|')
            })
    };
    let is_name = |name: &[u8]| {
        name.first().is_some_and(|byte| byte.is_ascii_alphabetic() || *byte == b'_')
            && name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
    };
    match value {
        [b'$', b'{', b'{', name @ .., b'}', b'}']
        | [b'$', b'{' | b'(', name @ .., b'}' | b')']
        | [b'{', b'{', name @ .., b'}', b'}']
        | [b'{', name @ .., b'}']
        | [b'<', name @ .., b'>']
        | [b'[', name @ .., b']'] => is_text(name),
        [b'%', name @ .., b'%'] | [b'$', name @ ..] => is_name(name),
        [b'%', b'(', name @ .., b')', b's'] => is_name(name),
        b"%s" | b"%s." | b"%v" | b"%d" | b"({})" => true,
        // Also of a placeholder that somebody cut.
        _ => begins_placeholder(value),
    }
}

/// Returns the length of a placeholder at the start of the text that may have blanks in it, as `{{ name }}` and
/// `$(command)`. Returns `None` if there is none, or if the value goes on behind it.
pub(super) fn template_length(text: &[u8]) -> Option<usize> {
    const BRACKETS: [(&[u8], &[u8]); 5] = [(b"${{", b"}}"), (b"{{", b"}}"), (b"$(", b")"), (b"${", b"}"), (b"<", b">")];
    let (_, close) = BRACKETS.iter().find(|(open, _)| text.starts_with(open))?;
    let bounded = &text[..text.len().min(MAX_HARMLESS)];
    scan::looked_at(bounded.len());
    let length = memchr::memmem::find(bounded, close)? + close.len();
    let goes_on = text
        .get(length)
        .is_some_and(|byte| !matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b'"' | b'\'' | b'\\' | b',' | b'&'));
    (!goes_on && is_template(&text[..length])).then_some(length)
}

/// Returns `true` for several placeholders in a row, as in `${USER}:${PASSWORD}`.
fn is_templates(value: &[u8]) -> bool {
    let mut rest = value;
    while let Some(inner) = rest.strip_prefix(b"${") {
        let Some(end) = memchr::memchr(b'}', inner).filter(|end| is_template(&rest[..end + 3])) else { return false };
        rest = &inner[end + 1..];
        rest = &rest[rest.iter().take_while(|byte| matches!(byte, b':' | b'/' | b'@' | b'.' | b'-')).count()..];
    }
    rest.is_empty()
}

/// Returns `true` for a value that is a sensitive name itself, as in `password=password` and `--token TOKEN`.
fn is_name(value: &[u8], names: &Names) -> bool {
    value.iter().all(|byte| byte.is_ascii_alphabetic() || matches!(byte, b'_' | b'-' | b'.'))
        && names.kind(value.rsplit(|byte| *byte == b'.').next().unwrap_or_default()).is_some()
}
