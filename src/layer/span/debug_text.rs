//! Conversion of `Debug` output to text, for ids and names that are recorded with `?` or `%`.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Returns the `Debug` output of a value, without quotes and escapes if it is a string literal. Returns `None` if
/// formatting panics.
pub(super) fn format_debug(value: &dyn fmt::Debug) -> Option<String> {
    format_raw(value).map(unquoted)
}

/// Returns the `Debug` output of an id, a name or another fact like [`format_debug`], of an `Option` that of the value in
/// it. Returns `None` if the option is empty, or if formatting panics.
pub(super) fn format_fact(value: &dyn fmt::Debug) -> Option<String> {
    let text = format_raw(value)?;
    (text != "None").then(|| inside_variant(&text, "Some").unwrap_or_else(|| unquoted(text)))
}

/// Returns the `Debug` output of what a function returned like [`format_debug`], of a `Result` that of the value or of the
/// error in it. Returns `None` if formatting panics.
pub(super) fn format_result(value: &dyn fmt::Debug) -> Option<Result<String, String>> {
    let text = format_raw(value)?;
    Some(match inside_variant(&text, "Err") {
        Some(error) => Err(error),
        None => Ok(inside_variant(&text, "Ok").unwrap_or_else(|| unquoted(text))),
    })
}

fn format_raw(value: &dyn fmt::Debug) -> Option<String> {
    catch_unwind(AssertUnwindSafe(|| format!("{value:?}"))).ok()
}

/// Returns the `Debug` output of the value in a variant, without quotes and escapes. Returns `None` for other output.
fn inside_variant(debug: &str, variant: &str) -> Option<String> {
    let inside = debug.strip_prefix(variant)?.strip_prefix('(')?.strip_suffix(')')?;
    Some(unquoted(inside.to_owned()))
}

/// Returns `Debug` output without quotes and escapes, if it is a string literal.
fn unquoted(debug: String) -> String {
    unquote(&debug).unwrap_or(debug)
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

    #[test]
    fn fact_in_an_option_is_the_value() {
        assert_eq!(format_fact(&Some("a \"b\"")).as_deref(), Some("a \"b\""));
        assert_eq!(format_fact(&Some(7)).as_deref(), Some("7"));
        assert_eq!(format_fact(&"Some(7)").as_deref(), Some("Some(7)"));
        assert_eq!(format_fact(&"None").as_deref(), Some("None"));
        assert_eq!(format_fact(&None::<u32>), None);
    }

    #[test]
    fn returned_result_is_its_value_or_its_error() {
        let text = |text: &str| Some(Ok(text.to_owned()));
        assert_eq!(format_result(&Ok::<_, ()>("a")), text("a"));
        assert_eq!(format_result(&Err::<(), _>("b")), Some(Err("b".to_owned())));
        assert_eq!(format_result(&"Err(\"b\")"), text("Err(\"b\")"));
        assert_eq!(format_result(&Some("c")), text("Some(\"c\")"));
    }
}
