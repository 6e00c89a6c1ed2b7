//! Parsing of `key=value,key=value` lists in environment variables.

use super::error::OtlpError;

/// Parses a list like `a=1,b=2` and percent-decodes its values.
///
/// # Errors
/// Returns an error for the first invalid entry. The error names the entry by its number, from 1, or by its key,
/// because the value may be a secret.
pub(super) fn key_values(setting: &str, text: &str) -> Result<Vec<(String, String)>, OtlpError> {
    text.split(',')
        .map(str::trim)
        .filter(|entry| !entry.is_empty())
        .enumerate()
        .map(|(index, entry)| parse_entry(setting, index, entry))
        .collect()
}

/// Parses one entry of the list. `index` counts from 0.
fn parse_entry(setting: &str, index: usize, entry: &str) -> Result<(String, String), OtlpError> {
    let number = index + 1;
    let (key, value) = entry.split_once('=').filter(|(key, _)| !key.trim().is_empty()).ok_or_else(|| {
        OtlpError::new(format!(
            "entry {number} of {setting} is not `key=value`; expected a list like `key=value,key=value`"
        ))
    })?;
    let key = key.trim();
    let value = percent_decode(value.trim()).ok_or_else(|| {
        OtlpError::new(format!(
            "the value of `{key}` in {setting} has a `%` that is not followed by two hex digits of UTF-8 text; \
             write a `%` as `%25`"
        ))
    })?;
    Ok((key.to_owned(), value))
}

/// Decodes percent-encoded text. Returns `None` if an escape is malformed or the bytes are not UTF-8.
fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        if *first == b'%' {
            let (digits, tail) = tail.split_at_checked(2)?;
            let digits = std::str::from_utf8(digits).ok().filter(|digits| !digits.starts_with('+'))?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = tail;
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
#[path = "tests/key_values.rs"]
mod tests;
