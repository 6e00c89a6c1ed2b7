//! `error.type`, of what an error says.

/// The kind of an error that has no name.
pub(crate) const OTHER: &str = "_OTHER";

/// What stands before the first `": "`, else all of it, where that can be a name.
pub(crate) fn error_type(error: &str) -> &str {
    let begin = error.split_once(": ").map_or(error, |(begin, _)| begin);
    if is_name(begin) { begin } else { OTHER }
}

fn is_name(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b':');
    text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_') && text.bytes().all(is_part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_of_the_kind_that_it_begins_with() {
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
