//! What words look like: secrets, names of programs, what somebody is to fill in.

/// What is written where a type, a switch or a rule stands.
const SAYS_NOTHING: [&str; 16] = [
    "bool", "false", "nil", "no", "none", "null", "number", "off", "on", "optional", "read", "required", "str",
    "string", "true", "write",
];

/// Whether it says that there is something, not what.
pub(super) fn says_nothing(word: &[u8]) -> bool {
    let is_cut = word.ends_with(b"...") || word.ends_with("…".as_bytes());
    is_cut || SAYS_NOTHING.iter().any(|it| word.eq_ignore_ascii_case(it.as_bytes()))
}

/// Whether somebody is to put something in its place.
pub(super) fn starts_template(value: &[u8]) -> bool {
    matches!(value.first(), None | Some(b'$' | b'{' | b'<' | b'%' | b'*' | b'(' | b'[')) || value.starts_with(b"...")
}

/// Whether it is nothing but what somebody is to fill in: `$NAME`, `${name}`, `{name}`, `...`.
pub(super) fn is_template(value: &[u8]) -> bool {
    let is_name =
        |name: &[u8]| name.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b' '));
    match value {
        [] | b"..." => true,
        [b'$', b'{', name @ .., b'}'] | [b'$', name @ ..] => is_name(name),
        [b'{', b'{', name @ .., b'}', b'}'] | [b'{', name @ .., b'}'] => is_name(name),
        _ => false,
    }
}

/// Whether it is a name as usage has it: `PASSWORD`, `YOUR_KEY`.
pub(super) fn is_shouted(word: &[u8]) -> bool {
    word.iter().all(|byte| byte.is_ascii_uppercase() || *byte == b'_')
}

/// Words of a text have neither digits nor capitals in them. One with brackets is an expression, or has a placeholder.
pub(super) fn looks_like_credential(word: &[u8]) -> bool {
    let odd = |byte: &u8| byte.is_ascii_digit() || byte.is_ascii_uppercase();
    word.len() >= 6 && word.iter().skip(1).any(odd) && !is_code(word)
}

/// Names in programs have no such mixture, or seldom.
pub(super) fn looks_random(word: &[u8]) -> bool {
    let has = |is: fn(&u8) -> bool| word.iter().any(is);
    word.len() >= 16
        && has(u8::is_ascii_digit)
        && has(u8::is_ascii_lowercase)
        && has(u8::is_ascii_uppercase)
        && word.iter().all(|byte| is_credential(*byte))
        && !is_code(word)
}

pub(super) fn is_credential(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/' | b'=' | b':' | b'|')
}

/// Whether it is no word of a language, no name in a program and no place: it has digits or signs in it.
pub(super) fn is_data(word: &[u8]) -> bool {
    let is_sign = |byte: &u8| matches!(byte, b'!' | b'@' | b'#' | b'$' | b'%' | b'^' | b'~' | b'&' | b'+');
    let inner = word.get(1..word.len().saturating_sub(1)).unwrap_or_default();
    let has_sign = word.first().is_some_and(|byte| !is_sign(byte)) && inner.iter().any(is_sign);
    let is_odd = has_sign || word.iter().any(u8::is_ascii_digit);
    is_odd
        && !word.contains(&b' ')
        && !is_code(word)
        && !is_place(word)
        && !is_path_of_names(word)
        && !is_constant(word)
}

/// Whether it is a number as programs have them.
fn is_constant(word: &[u8]) -> bool {
    word.starts_with(b"0x") && word.len() <= "0xFFFFFFFF".len()
}

/// Whether it is part of an expression.
pub(super) fn is_code(word: &[u8]) -> bool {
    word.iter().any(|byte| matches!(byte, b'(' | b')' | b'[' | b']' | b'{' | b'}'))
        || word.windows(2).any(|pair| pair == b"::")
}

/// Whether it says where something is: a file, a page.
pub(super) fn is_place(word: &[u8]) -> bool {
    let begins = |prefix: &[u8]| word.starts_with(prefix);
    let is_deep = begins(b"/") && word.iter().filter(|byte| **byte == b'/').count() >= 2;
    let is_file = begins(b"./") || begins(b"../") || begins(b"~/") || is_deep;
    is_file || word.windows(3).any(|three| three == b"://")
}

/// Names of one case, joined by dots or underscores, with few digits: `config.key_2`, `ERROR_2`.
fn is_path_of_names(word: &[u8]) -> bool {
    let is_joint = |byte: &u8| matches!(byte, b'_' | b'.');
    let is_all = |is_letter: fn(&u8) -> bool| {
        word.iter().all(|byte| is_letter(byte) || byte.is_ascii_digit() || is_joint(byte))
            && word.split(|byte| *byte == b'.').all(|name| name.first().is_none_or(|byte| !byte.is_ascii_digit()))
    };
    word.iter().any(is_joint)
        && (is_all(u8::is_ascii_lowercase) || is_all(u8::is_ascii_uppercase))
        && word.iter().filter(|byte| byte.is_ascii_digit()).count() <= 2
}

/// Whether it is written as types are: `Sha256Hash`, with one number in it at most.
pub(super) fn is_type(word: &[u8]) -> bool {
    let numbers = word.chunk_by(|a, b| a.is_ascii_digit() == b.is_ascii_digit()).filter(|run| run[0].is_ascii_digit());
    word.first().is_some_and(u8::is_ascii_uppercase)
        && word.iter().all(u8::is_ascii_alphanumeric)
        && word.iter().any(u8::is_ascii_lowercase)
        && numbers.count() <= 1
}

/// Whether it is a name as headers and fields have it: words of letters alone.
pub(super) fn is_name(word: &[u8]) -> bool {
    let is_plain = |part: &[u8]| {
        let behind = part.get(1..).unwrap_or_default();
        part.iter().all(u8::is_ascii_alphabetic)
            && (behind.iter().all(u8::is_ascii_lowercase) || part.iter().all(u8::is_ascii_uppercase))
    };
    word.split(|byte| matches!(byte, b'-' | b'_')).all(is_plain)
}
