//! The value of `error.type`, derived from an error's message.

/// The error type of an error without a name.
pub(crate) const OTHER: &str = "_OTHER";

/// Returns the part of the message before the first `": "`, or all of it if there is none, if that is an identifier or
/// a path of identifiers like `std::io::Error`. Returns [`OTHER`] otherwise.
pub(crate) fn error_type(error: &str) -> &str {
    let begin = error.split_once(": ").map_or(error, |(begin, _)| begin);
    if is_name(begin) { begin } else { OTHER }
}

/// Returns `true` if the text is an identifier or a path of identifiers, as `std::io::Error`.
fn is_name(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b':');
    text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_') && text.bytes().all(is_part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_type_is_the_name_before_the_first_colon() {
        let check = |error: &str, expected: &str| assert_eq!(error_type(error), expected, "{error:?}");
        check("timeout", "timeout");
        check("rate_limit: slow down", "rate_limit");
        check("std::io::Error: no space", "std::io::Error");
        check("rate_limit: try: again", "rate_limit");
        check("", OTHER);
        check(": no name", OTHER);
        check("the server is gone", OTHER);
        check("the server: gone", OTHER);
        check("429: slow down", OTHER);
        check("tímeout", OTHER);
        check("_OTHER", OTHER);
    }
}
