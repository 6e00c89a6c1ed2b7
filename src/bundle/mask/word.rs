//! Heuristics for words: secrets, identifiers of programs, templates.

/// Words that are not secrets when they are assigned to a name: types, switches and rules, such as `true`.
const GENERIC_WORDS: [&str; 16] = [
    "bool", "false", "nil", "no", "none", "null", "number", "off", "on", "optional", "read", "required", "str",
    "string", "true", "write",
];

/// Returns `true` if the word is a type name, a switch such as `true` or the like, or is abbreviated with dots.
pub(super) fn is_generic(word: &[u8]) -> bool {
    let is_cut = word.ends_with(b"...") || word.ends_with("…".as_bytes());
    is_cut || GENERIC_WORDS.iter().any(|it| word.eq_ignore_ascii_case(it.as_bytes()))
}

/// Returns `true` if the value is empty or begins with a character of a template, which a reader or a program fills in.
pub(super) fn starts_template(value: &[u8]) -> bool {
    matches!(value.first(), None | Some(b'$' | b'{' | b'<' | b'%' | b'*' | b'(' | b'[')) || value.starts_with(b"...")
}

/// Returns `true` if the value is a template and nothing else: `$NAME`, `${name}`, `{name}`, `...`.
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

/// Returns `true` if the word has only capitals and underscores, like a placeholder for a value: `PASSWORD`,
/// `YOUR_KEY`.
pub(super) fn is_upper_case(word: &[u8]) -> bool {
    word.iter().all(|byte| byte.is_ascii_uppercase() || *byte == b'_')
}

/// Returns `true` if the word has at least 6 bytes and digits or capitals inside, unlike words of prose. A word with
/// brackets is an expression or contains a placeholder, and does not count.
pub(super) fn looks_like_credential(word: &[u8]) -> bool {
    let odd = |byte: &u8| byte.is_ascii_digit() || byte.is_ascii_uppercase();
    word.len() >= 6 && word.iter().skip(1).any(odd) && !is_code(word)
}

/// Returns `true` if the word has at least 16 bytes and mixes digits, small and capital letters, which identifiers of
/// programs seldom do.
pub(super) fn looks_random(word: &[u8]) -> bool {
    let has = |is: fn(&u8) -> bool| word.iter().any(is);
    word.len() >= 16
        && has(u8::is_ascii_digit)
        && has(u8::is_ascii_lowercase)
        && has(u8::is_ascii_uppercase)
        && word.iter().all(|byte| is_credential(*byte))
        && !is_code(word)
}

/// Returns `true` if the byte may be part of a credential.
pub(super) fn is_credential(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/' | b'=' | b':' | b'|')
}

/// Returns `true` if the word has digits or punctuation in it and is not an identifier, a path, a URL, an expression or
/// a number of a program.
pub(super) fn is_data(word: &[u8]) -> bool {
    let is_sign = |byte: &u8| matches!(byte, b'!' | b'@' | b'#' | b'$' | b'%' | b'^' | b'~' | b'&' | b'+');
    let inner = word.get(1..word.len().saturating_sub(1)).unwrap_or_default();
    let has_sign = word.first().is_some_and(|byte| !is_sign(byte)) && inner.iter().any(is_sign);
    let is_odd = has_sign || word.iter().any(u8::is_ascii_digit);
    is_odd
        && !word.contains(&b' ')
        && !is_code(word)
        && !is_path_or_url(word)
        && !is_dotted_name(word)
        && !is_hex_constant(word)
}

/// Returns `true` if the word is a hexadecimal number of at most 32 bits, as in programs.
fn is_hex_constant(word: &[u8]) -> bool {
    word.starts_with(b"0x") && word.len() <= "0xFFFFFFFF".len()
}

/// Returns `true` if the word is part of an expression: it has brackets or `::` in it.
pub(super) fn is_code(word: &[u8]) -> bool {
    word.iter().any(|byte| matches!(byte, b'(' | b')' | b'[' | b']' | b'{' | b'}'))
        || word.windows(2).any(|pair| pair == b"::")
}

/// Returns `true` if the word is a file path or a URL.
pub(super) fn is_path_or_url(word: &[u8]) -> bool {
    let begins = |prefix: &[u8]| word.starts_with(prefix);
    let is_absolute = begins(b"/") && word.iter().filter(|byte| **byte == b'/').count() >= 2;
    let is_file = begins(b"./") || begins(b"../") || begins(b"~/") || is_absolute;
    is_file || word.windows(3).any(|three| three == b"://")
}

/// Returns `true` if the word consists of identifiers of one case that are joined by dots or underscores, with at most
/// two digits: `config.key_2`, `ERROR_2`.
fn is_dotted_name(word: &[u8]) -> bool {
    let is_joint = |byte: &u8| matches!(byte, b'_' | b'.');
    let is_all = |is_letter: fn(&u8) -> bool| {
        word.iter().all(|byte| is_letter(byte) || byte.is_ascii_digit() || is_joint(byte))
            && word.split(|byte| *byte == b'.').all(|name| name.first().is_none_or(|byte| !byte.is_ascii_digit()))
    };
    word.iter().any(is_joint)
        && (is_all(u8::is_ascii_lowercase) || is_all(u8::is_ascii_uppercase))
        && word.iter().filter(|byte| byte.is_ascii_digit()).count() <= 2
}

/// Returns `true` if the word is written like a type, with at most one number in it: `Sha256Hash`.
pub(super) fn is_type(word: &[u8]) -> bool {
    let numbers = word.chunk_by(|a, b| a.is_ascii_digit() == b.is_ascii_digit()).filter(|run| run[0].is_ascii_digit());
    word.first().is_some_and(u8::is_ascii_uppercase)
        && word.iter().all(u8::is_ascii_alphanumeric)
        && word.iter().any(u8::is_ascii_lowercase)
        && numbers.count() <= 1
}

/// Returns `true` if the word is written like the name of a header or a field: words of letters only.
pub(super) fn is_name(word: &[u8]) -> bool {
    let is_plain = |part: &[u8]| {
        let behind = part.get(1..).unwrap_or_default();
        part.iter().all(u8::is_ascii_alphabetic)
            && (behind.iter().all(u8::is_ascii_lowercase) || part.iter().all(u8::is_ascii_uppercase))
    };
    word.split(|byte| matches!(byte, b'-' | b'_')).all(is_plain)
}
