//! Lines of programs, which look like settings but assign no secrets: [`is_program_text`].

use super::scan;

/// Maximum length of a value that is compared with program text, in bytes. A longer one is none.
const MAX_INSPECTED: usize = 256;

/// Returns the part of the text in which a value from index `start` on is compared with program text.
pub(super) fn inspected(text: &[u8], start: usize) -> &[u8] {
    &text[..text.len().min(start + MAX_INSPECTED + 2)]
}

/// Types with which a declaration begins, in the languages that write `name: type`.
const TYPES: [&str; 31] = [
    "&str",
    "&[u8]",
    "Any",
    "Box",
    "Buffer",
    "Callable",
    "Dict",
    "Final",
    "List",
    "Literal",
    "Option",
    "Optional",
    "Path",
    "SecretStr",
    "Self",
    "String",
    "Uint8Array",
    "Union",
    "Vec",
    "any",
    "bool",
    "boolean",
    "bytes",
    "dict",
    "float",
    "int",
    "list",
    "number",
    "str",
    "string",
    "tuple",
];

/// Returns `true` if the value behind a name and a sign is the rest of a line of a program: a declaration or an
/// expression that the next line goes on with.
pub(super) fn is_program_text(value: &[u8]) -> bool {
    short(without_comment(value)).is_some_and(|value| is_declaration(value) || is_continued(value))
}

/// Returns the value if it is short enough to be compared with program text.
fn short(value: &[u8]) -> Option<&[u8]> {
    (value.len() <= MAX_INSPECTED).then(|| {
        scan::looked_at(value.len());
        value
    })
}

/// Returns `true` if the value is an expression: a call, a path, an index, a sum, or a name without digits in it.
pub(super) fn is_expression(value: &[u8]) -> bool {
    let Some(value) = short(without_comment(value)) else { return false };
    let value = value.strip_suffix(b"\\").unwrap_or(value);
    let is_name = value.iter().all(|byte| byte.is_ascii_lowercase() || *byte == b'_')
        || value.iter().all(|byte| byte.is_ascii_uppercase() || *byte == b'_')
        || is_type(value);
    let has_operator = value.iter().any(|byte| matches!(byte, b'(' | b'[' | b'.' | b' ' | b'{'))
        || value.windows(2).any(|pair| pair == b"::");
    let is_string = value.iter().take(3).any(|byte| matches!(byte, b'"' | b'\''));
    open_brackets(value).is_some() && (is_name || has_operator || is_string)
}

/// Returns `true` for a word that is written like a type: `HttpError`.
fn is_type(word: &[u8]) -> bool {
    let mut humps = word.chunk_by(|_, next| !next.is_ascii_uppercase());
    word.iter().all(u8::is_ascii_alphabetic) && humps.all(|hump| hump.len() >= 3 && hump[0].is_ascii_uppercase())
}

/// Returns the text without the comment behind it.
pub(super) fn without_comment(value: &[u8]) -> &[u8] {
    let bounded = &value[..value.len().min(MAX_INSPECTED)];
    let comment = [b" #".as_slice(), b" //"].iter().filter_map(|sign| memchr::memmem::find(bounded, sign)).min();
    scan::looked_at(2 * bounded.len());
    comment.map_or(value, |at| &value[..at]).trim_ascii()
}

/// Returns `true` for a type, alone or before a default value.
fn is_declaration(value: &[u8]) -> bool {
    let name = scan::run(value, 0, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.'));
    (name > 0 && value[name..].starts_with(b" | "))
        || is_generic_type(value)
        || TYPES.iter().filter_map(|name| value.strip_prefix(name.as_bytes())).any(|rest| {
            matches!(rest, [] | [b'[' | b'<' | b'?' | b',' | b';' | b')', ..] | [b' ', b'=' | b'|' | b'{', ..])
        })
}

/// Returns `true` for a type with parameters, as `&Aligned<[u8; 32]>`.
fn is_generic_type(value: &[u8]) -> bool {
    let value = value.strip_prefix(b"&").unwrap_or(value);
    let value = value.strip_suffix(b",").unwrap_or(value);
    let name = scan::run(value, 0, |byte| byte.is_ascii_alphanumeric());
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"_<>[]();:,& '".contains(byte);
    value.first().is_some_and(u8::is_ascii_uppercase)
        && value.get(name) == Some(&b'<')
        && value.ends_with(b">")
        && value.iter().all(is_part)
}

/// Returns `true` for an expression that ends as lines of programs do.
fn is_continued(value: &[u8]) -> bool {
    let Some((last, expression)) = value.split_last() else { return false };
    let brackets = open_brackets(expression.trim_ascii());
    match last {
        b',' | b';' => brackets == Some(0),
        b'{' | b'(' | b'[' => expression.is_empty() || brackets.is_some(),
        b'>' => expression.ends_with(b"=") && brackets.is_some(),
        _ => false,
    }
}

/// Returns `true` for the rest of an argument `name=value` in a call over several lines: it ends with a comma or closes the
/// call.
pub(super) fn is_argument(value: &[u8]) -> bool {
    let value = without_comment(value);
    let Some(value) = short(value.strip_suffix(b":").unwrap_or(value)) else { return false };
    let begins = value.first().is_some_and(|byte| byte.is_ascii_alphabetic() || matches!(byte, b'_' | b'(' | b'['));
    let ends = value.ends_with(b")") || value.ends_with(b",") || memchr::memmem::find(value, b", ").is_some();
    begins && ends && !value.iter().any(|byte| is_foreign(*byte))
}

/// Returns `true` for a sign that is in few expressions.
fn is_foreign(byte: u8) -> bool {
    matches!(byte, b'#' | b'$' | b'@' | b'^' | b'~' | b'`' | b'\\')
}

/// Returns `true` if the sign at `at` stands where an expression has one: beside a blank or a sign that it belongs to.
fn is_operator(text: &[u8], at: usize) -> bool {
    let (before, behind) = (scan::before(text, at), text.get(at + 1).copied().unwrap_or(b' '));
    let is_beside = |byte: u8| {
        matches!(byte, b' ' | b'\n' | b'=' | b'>' | b'(' | b'[' | b')' | b',' | b'.' | b'|' | b'&' | b'*' | b':')
    };
    is_beside(before) || is_beside(behind)
}

/// Returns the length of the lifetime at index `at`, as in `&'a str`. Returns 0 if a quoted text begins there.
fn lifetime_length(text: &[u8], at: usize) -> usize {
    let name = scan::run(text, at + 1, |byte| byte.is_ascii_lowercase() || byte == b'_');
    let is_end = text.get(at + 1 + name).is_none_or(|byte| matches!(byte, b' ' | b',' | b'>' | b')' | b'+'));
    if name > 0 && is_end { name + 1 } else { 0 }
}

/// Returns `true` if the text begins as an expression does. A quoted text is one if a method of it is called.
fn begins_expression(text: &[u8]) -> bool {
    match text {
        [quote @ (b'"' | b'\''), rest @ ..] => {
            let end = scan::find(rest, 0, *quote).unwrap_or(rest.len());
            rest.get(end + 1) == Some(&b'.') && rest.get(end + 2).is_some_and(u8::is_ascii_lowercase)
        }
        [first, ..] => first.is_ascii_alphabetic() || matches!(first, b'_' | b'&' | b'*' | b'<' | b'(' | b'[' | b'{'),
        [] => false,
    }
}

/// Returns the number of brackets that an expression opens and does not close. Returns `None` if the text is no
/// expression.
fn open_brackets(text: &[u8]) -> Option<usize> {
    begins_expression(text).then_some(())?;
    let mut open = Vec::new();
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        match byte {
            b'\'' if lifetime_length(text, at) > 0 => at += lifetime_length(text, at),
            b'"' | b'\'' => at = scan::find(text, at + 1, byte)?,
            b'(' => open.push(b')'),
            b'[' => open.push(b']'),
            b'{' => open.push(b'}'),
            b')' | b']' | b'}' => (open.pop() == Some(byte)).then_some(())?,
            byte if is_foreign(byte) => return None,
            b'+' | b'/' | b'%' | b'|' | b';' | b'=' | b'?' | b'!' | b'-'
                if open.is_empty() && !is_operator(text, at) =>
            {
                return None;
            }
            _ => {}
        }
        at += 1;
    }
    Some(open.len())
}
