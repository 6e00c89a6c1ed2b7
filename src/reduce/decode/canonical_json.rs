//! One text for every spelling of a JSON value, so that equal values are found equal.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::object::{Object, list, text};

/// As deep as `serde_json` itself goes.
const MAX_DEPTH: usize = 128;

/// The longest summary, in bytes.
const SUMMARY_BYTES: usize = 240;

/// The value as compact JSON: keys in ascending byte order, the last of repeated keys, integers as they are, other
/// numbers as `f64`, nothing escaped that need not be. `None` where it can't be: nested too deep, half a surrogate
/// pair, a number beyond `f64`.
pub(super) fn canonical(value: &RawValue) -> Option<String> {
    let mut out = String::with_capacity(value.get().len());
    write(value, &mut out, MAX_DEPTH)?;
    Some(out)
}

/// The same, of an object that has these fields.
pub(super) fn canonical_object<'a>(fields: impl IntoIterator<Item = (Cow<'a, str>, &'a RawValue)>) -> Option<String> {
    let mut out = String::new();
    write_object(fields, &mut out, MAX_DEPTH - 1)?;
    Some(out)
}

/// The canonical form of a text that may be JSON.
pub(super) fn canonical_text(text: &str) -> Option<String> {
    canonical(serde_json::from_str(text).ok()?)
}

/// The beginning of a canonical text.
pub(super) fn summary(canonical: &str) -> Box<str> {
    if canonical.len() <= SUMMARY_BYTES {
        return canonical.into();
    }
    let end = canonical.floor_char_boundary(SUMMARY_BYTES);
    let head = canonical.get(..end).unwrap_or_default();
    format!("{head}...").into()
}

fn write(value: &RawValue, out: &mut String, depth: usize) -> Option<()> {
    let inner = depth.checked_sub(1)?;
    match value.get().as_bytes().first()? {
        b'{' => write_object(Object::of(value)?.into_sorted()?, out, inner)?,
        b'[' => {
            out.push('[');
            for (index, value) in list(value)?.into_iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write(value, out, inner)?;
            }
            out.push(']');
        }
        b'"' => write_text(&text(value)?, out)?,
        b't' | b'f' | b'n' => out.push_str(value.get()),
        _ => write_number(value.get(), out)?,
    }
    Some(())
}

fn write_object<'a>(
    fields: impl IntoIterator<Item = (Cow<'a, str>, &'a RawValue)>,
    out: &mut String,
    inner: usize,
) -> Option<()> {
    out.push('{');
    for (index, (key, value)) in fields.into_iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        write_text(&key, out)?;
        out.push(':');
        write(value, out, inner)?;
    }
    out.push('}');
    Some(())
}

fn write_text(text: &str, out: &mut String) -> Option<()> {
    out.push_str(&serde_json::to_string(text).ok()?);
    Some(())
}

fn write_number(number: &str, out: &mut String) -> Option<()> {
    if number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-') {
        out.push_str(number);
    } else {
        let number: f64 = number.parse().ok().filter(|number: &f64| number.is_finite())?;
        out.push_str(&serde_json::to_string(&number).ok()?);
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_have_one_text() {
        let same = |json: &str, wanted: &str| assert_eq!(canonical_text(json).as_deref(), Some(wanted), "{json}");
        same(r#" { "b" : 1 , "a" : [ true , null ] } "#, r#"{"a":[true,null],"b":1}"#);
        same(r#"{"a":1,"a":2,"a":3}"#, r#"{"a":3}"#);
        same(r#"{"\u0061":1,"é":2,"z":3}"#, r#"{"a":1,"z":3,"é":2}"#);
        same("1e3", "1000.0");
        same("1.50", "1.5");
        same("123456789012345678901234567890", "123456789012345678901234567890");
        same(r#""\u00e9\u6e2c\n\/""#, r#""é測\n/""#);
    }

    #[test]
    fn what_has_no_such_text_is_told() {
        for json in [r#""\ud800""#, "1e999", "", "nul", r#"{"a":}"#] {
            assert_eq!(canonical_text(json), None, "{json}");
        }
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert_eq!(canonical_text(&nested(128)), Some(nested(128)));
        assert_eq!(canonical_text(&nested(129)), None);
        assert_eq!(canonical_text(&nested(10_000)), None);
    }

    #[test]
    fn a_summary_is_cut_between_characters() {
        assert_eq!(&*summary(&"x".repeat(240)), "x".repeat(240));
        assert_eq!(&*summary(&"x".repeat(241)), "x".repeat(240) + "...");
        assert_eq!(&*summary(&("x".repeat(239) + "éé")), "x".repeat(239) + "...");
        assert_eq!(&*summary(&("x".repeat(238) + "éé")), "x".repeat(238) + "é...");
    }
}
