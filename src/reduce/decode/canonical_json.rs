//! Canonical JSON: one text for all spellings of a value, so that equal values compare equal.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::identifying_members::Members;
use crate::provider::{Object, list, text};

/// Maximum nesting depth. The same as `serde_json`'s.
const MAX_DEPTH: usize = 128;

/// Maximum length of a summary without its ellipsis, in bytes.
const SUMMARY_BYTES: usize = 240;

/// Returns the value as compact JSON: keys in ascending byte order, the last of repeated keys, integers unchanged,
/// other numbers as `f64`, and no unnecessary escapes.
///
/// Returns `None` if the value is nested too deep, or has an unpaired surrogate or a number beyond `f64`.
pub(super) fn canonical(value: &RawValue) -> Option<String> {
    let mut out = String::with_capacity(value.get().len());
    write(value, Members::All, &mut out, MAX_DEPTH)?;
    Some(out)
}

/// Returns the canonical text of an object or a list without the members that do not identify it. `canonical` is its
/// canonical text with them.
pub(super) fn identifying(canonical: &str) -> Cow<'_, str> {
    let mut out = String::new();
    let value: Option<&RawValue> = serde_json::from_str(canonical).ok();
    // A canonical text is valid JSON of a permitted depth.
    match value.and_then(|value| write(value, Members::Identifying, &mut out, MAX_DEPTH)) {
        Some(()) => Cow::Owned(out),
        None => Cow::Borrowed(canonical),
    }
}

/// Returns the canonical text of an object with the given fields, which must be sorted by name. Returns `None` in the
/// cases in which [`canonical`] does.
pub(super) fn canonical_object<'a>(fields: impl IntoIterator<Item = (Cow<'a, str>, &'a RawValue)>) -> Option<String> {
    let mut out = String::new();
    write_object(fields, Members::All, &mut out, MAX_DEPTH - 1)?;
    Some(out)
}

/// Returns the canonical form of a text that is JSON. Returns `None` if it is not JSON.
pub(super) fn canonical_text(text: &str) -> Option<String> {
    canonical(serde_json::from_str(text).ok()?)
}

/// Returns the first [`SUMMARY_BYTES`] bytes of a canonical text, cut between characters and followed by `...`. Returns
/// the whole text if it is shorter.
pub(super) fn summary(canonical: &str) -> Box<str> {
    if canonical.len() <= SUMMARY_BYTES {
        return canonical.into();
    }
    let end = canonical.floor_char_boundary(SUMMARY_BYTES);
    let head = canonical.get(..end).unwrap_or_default();
    format!("{head}...").into()
}

/// Returns `true` if a summary is the whole text that it summarizes.
pub(super) fn is_whole_summary(summary: &str) -> bool {
    summary.len() <= SUMMARY_BYTES && !summary.ends_with("...")
}

/// Returns a canonical text in which numbers without a fraction, such as `1.0`, are integers, as clients in languages
/// with one type of numbers write them. Numbers that such clients change are left as they are.
pub(in crate::reduce) fn integers(canonical: &str) -> Cow<'_, str> {
    let bytes = canonical.as_bytes();
    let (mut out, mut copied, mut from) = (String::new(), 0, 0);
    while let Some(position) = bytes.get(from..).and_then(|rest| memchr::memchr2(b'"', b'.', rest)) {
        let position = from + position;
        if bytes[position] == b'"' {
            from = end_of_text(bytes, position + 1);
            continue;
        }
        from = position + 1;
        let digits = bytes[..position].iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
        let is_integer = bytes.get(from) == Some(&b'0') && !bytes.get(from + 1).is_some_and(is_in_number);
        if is_integer && digits <= MAX_EXACT_DIGITS {
            out.push_str(&canonical[copied..position]);
            copied = position + ".0".len();
        }
    }
    if out.is_empty() {
        return Cow::Borrowed(canonical);
    }
    out.push_str(&canonical[copied..]);
    Cow::Owned(out)
}

/// Number of digits up to which every integer is one `f64`.
const MAX_EXACT_DIGITS: usize = 15;

/// Returns the position behind a JSON text that starts before `from`.
fn end_of_text(bytes: &[u8], mut from: usize) -> usize {
    while let Some(position) = bytes.get(from..).and_then(|rest| memchr::memchr2(b'"', b'\\', rest)) {
        from += position + 1;
        match bytes[from - 1] {
            b'"' => return from,
            _ => from += 1,
        }
    }
    bytes.len()
}

/// Returns `true` for a byte that continues a number.
fn is_in_number(byte: &u8) -> bool {
    byte.is_ascii_digit() || matches!(byte, b'e' | b'E' | b'+' | b'-' | b'.')
}

fn write(value: &RawValue, members: Members, out: &mut String, depth: usize) -> Option<()> {
    let inner = depth.checked_sub(1)?;
    match value.get().as_bytes().first()? {
        b'{' => write_object(Object::from_value(value)?.into_sorted()?, members, out, inner)?,
        b'[' => {
            out.push('[');
            for (index, value) in list(value)?.into_iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write(value, members, out, inner)?;
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
    members: Members,
    out: &mut String,
    inner: usize,
) -> Option<()> {
    out.push('{');
    let mut is_first = true;
    for (key, value) in fields {
        let Some(members_inside) = members.inside(&key) else { continue };
        let before = out.len();
        if !is_first {
            out.push(',');
        }
        write_text(&key, out)?;
        out.push(':');
        let start = out.len();
        write(value, members_inside, out, inner)?;
        if members.contain_value(out.get(start..)?) {
            is_first = false;
        } else {
            out.truncate(before);
        }
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
        let check = |json: &str, expected: &str| assert_eq!(canonical_text(json).as_deref(), Some(expected), "{json}");
        check(r#" { "b" : 1 , "a" : [ true , null ] } "#, r#"{"a":[true,null],"b":1}"#);
        check(r#"{"a":1,"a":2,"a":3}"#, r#"{"a":3}"#);
        check(r#"{"\u0061":1,"é":2,"z":3}"#, r#"{"a":1,"z":3,"é":2}"#);
        check("1e3", "1000.0");
        check("1.50", "1.5");
        check("123456789012345678901234567890", "123456789012345678901234567890");
        check(r#""\u00e9\u6e2c\n\/""#, r#""é測\n/""#);
    }

    #[test]
    fn numbers_without_a_fraction_are_integers() {
        let check = |json: &str, expected: &str| assert_eq!(integers(json), expected, "{json}");
        check(r#"{"a":1.0,"b":[-20.0,1.5,0.0]}"#, r#"{"a":1,"b":[-20,1.5,0]}"#);
        check("1.0", "1");
        check(r#"{"1.0":"2.0 \" 3.0","c":4.0}"#, r#"{"1.0":"2.0 \" 3.0","c":4}"#);
        check(r#"["\\",1.0]"#, r#"["\\",1]"#);
        for unchanged in ["1.05", "1.0e20", "1234567890123456.0", r#""1.0""#, r#"{"a.0":1}"#, "", "\"", "\"\\"] {
            assert!(matches!(integers(unchanged), Cow::Borrowed(text) if text == unchanged), "{unchanged}");
        }
    }

    #[test]
    fn values_without_a_canonical_text_are_rejected() {
        for json in [r#""\ud800""#, "1e999", "", "nul", r#"{"a":}"#] {
            assert_eq!(canonical_text(json), None, "{json}");
        }
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert_eq!(canonical_text(&nested(128)), Some(nested(128)));
        assert_eq!(canonical_text(&nested(129)), None);
        assert_eq!(canonical_text(&nested(10_000)), None);
    }

    #[test]
    fn summary_is_cut_between_characters() {
        assert_eq!(&*summary(&"x".repeat(240)), "x".repeat(240));
        assert_eq!(&*summary(&"x".repeat(241)), "x".repeat(240) + "...");
        assert_eq!(&*summary(&("x".repeat(239) + "éé")), "x".repeat(239) + "...");
        assert_eq!(&*summary(&("x".repeat(238) + "éé")), "x".repeat(238) + "é...");
    }
}
