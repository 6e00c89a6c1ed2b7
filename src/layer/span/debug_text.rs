//! Conversion of `Debug` output to text, for ids and names that are recorded with `?` or `%`.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Returns the `Debug` output of a value, without quotes and escapes if it is a string literal. Returns `None` if
/// formatting panics.
pub(super) fn format_debug(value: &dyn fmt::Debug) -> Option<String> {
    let text = catch_unwind(AssertUnwindSafe(|| format!("{value:?}"))).ok()?;
    Some(unquote(&text).unwrap_or(text))
}

/// Returns the `Debug` output of a value. Returns `None` if it is longer than `max` bytes, or if formatting panics.
pub(super) fn format_bounded(value: &dyn fmt::Debug, max: usize) -> Option<String> {
    struct Bounded {
        text: String,
        max: usize,
    }
    impl fmt::Write for Bounded {
        fn write_str(&mut self, piece: &str) -> fmt::Result {
            let fits = self.text.len() + piece.len() <= self.max;
            fits.then(|| self.text.push_str(piece)).ok_or(fmt::Error)
        }
    }
    let mut bounded = Bounded { text: String::new(), max };
    let written = catch_unwind(AssertUnwindSafe(|| fmt::Write::write_fmt(&mut bounded, format_args!("{value:?}"))));
    matches!(written, Ok(Ok(()))).then_some(bounded.text)
}

/// Returns the string that `debug` is the `Debug` output of. Returns `None` if it is not one string literal.
fn unquote(debug: &str) -> Option<String> {
    let quoted = debug.strip_prefix('"')?.strip_suffix('"')?;
    let mut text = String::with_capacity(quoted.len());
    let mut rest = quoted.chars();
    while let Some(c) = rest.next() {
        text.push(match c {
            '\\' => unescape(&mut rest)?,
            '"' => return None,
            c => c,
        });
    }
    Some(text)
}

/// Parses the rest of an escape sequence, after the backslash. Returns `None` if it is not an escape that `Debug`
/// produces.
fn unescape(rest: &mut std::str::Chars<'_>) -> Option<char> {
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
    fn debug_output_of_a_string_is_unquoted() {
        let check = |text: &str| assert_eq!(format_debug(&text).as_deref(), Some(text), "{text:?}");
        for text in ["", "plain", "a \"b\" 'c' \\ d", "\n\r\t\0\u{7}\u{301}é\u{200b}", "\\u{41}"] {
            check(text);
        }
    }

    #[test]
    fn debug_output_of_other_values_is_unchanged() {
        assert_eq!(format_debug(&Some("a")).as_deref(), Some("Some(\"a\")"));
        assert_eq!(format_debug(&("a", "b")).as_deref(), Some("(\"a\", \"b\")"));
        assert_eq!(format_debug(&tracing::field::display("\"a\", \"b\"")).as_deref(), Some("\"a\", \"b\""));
    }
}
