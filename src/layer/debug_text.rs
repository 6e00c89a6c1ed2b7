//! The text of fields that come by `Debug`: ids and names given with `?` or `%`.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What a value shows of itself, a string without its quotes. None where it panics instead.
pub(super) fn text_of_debug(value: &dyn fmt::Debug) -> Option<String> {
    let text = catch_unwind(AssertUnwindSafe(|| format!("{value:?}"))).ok()?;
    Some(unquoted(&text).unwrap_or(text))
}

/// The string that a `Debug` of a string shows.
fn unquoted(debug: &str) -> Option<String> {
    let quoted = debug.strip_prefix('"')?.strip_suffix('"')?;
    let mut text = String::with_capacity(quoted.len());
    let mut rest = quoted.chars();
    while let Some(c) = rest.next() {
        text.push(match c {
            '\\' => unescaped(&mut rest)?,
            '"' => return None,
            c => c,
        });
    }
    Some(text)
}

/// The character that Rust writes like this after a backslash.
fn unescaped(rest: &mut std::str::Chars<'_>) -> Option<char> {
    Some(match rest.next()? {
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        '0' => '\0',
        'u' => {
            let (code, after) = rest.as_str().strip_prefix('{')?.split_once('}')?;
            *rest = after.chars();
            char::from_u32(u32::from_str_radix(code, 16).ok()?)?
        }
        c @ ('\\' | '"' | '\'') => c,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_debugged_string_is_the_string_again() {
        let check = |text: &str| assert_eq!(text_of_debug(&text).as_deref(), Some(text), "{text:?}");
        for text in ["", "plain", "a \"b\" 'c' \\ d", "\n\r\t\0\u{7}\u{301}é\u{200b}", "\\u{41}"] {
            check(text);
        }
    }

    #[test]
    fn what_is_no_string_stays_as_it_shows_itself() {
        assert_eq!(text_of_debug(&Some("a")).as_deref(), Some("Some(\"a\")"));
        assert_eq!(text_of_debug(&("a", "b")).as_deref(), Some("(\"a\", \"b\")"));
        assert_eq!(text_of_debug(&tracing::field::display("\"a\", \"b\"")).as_deref(), Some("\"a\", \"b\""));
    }
}
