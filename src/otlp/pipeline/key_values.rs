//! Lists of `key=value`, as variables give them.

use super::OtlpError;

/// The pairs of a list like `a=1,b=2`, with values percent-decoded. A bad one is told by its number and key: its value
/// may be a secret.
pub(super) fn key_values(setting: &str, text: &str) -> Result<Vec<(String, String)>, OtlpError> {
    text.split(',')
        .map(str::trim)
        .filter(|entry| !entry.is_empty())
        .enumerate()
        .map(|(n, e)| pair(setting, n, e))
        .collect()
}

fn pair(setting: &str, index: usize, entry: &str) -> Result<(String, String), OtlpError> {
    let number = index + 1;
    let (key, value) = entry.split_once('=').filter(|(key, _)| !key.trim().is_empty()).ok_or_else(|| {
        OtlpError::new(format!("entry {number} of {setting} is no `key=value`: {setting} can be `key=value,key=value`"))
    })?;
    let key = key.trim();
    let value = percent_decoded(value.trim())
        .ok_or_else(|| OtlpError::new(format!("the value of `{key}` in {setting} has a `%` that is not followed by two hex digits of UTF-8 text: write a `%` as `%25`")))?;
    Ok((key.to_owned(), value))
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        if *first == b'%' {
            let (digits, behind) = behind.split_at_checked(2)?;
            let digits = std::str::from_utf8(digits).ok().filter(|digits| !digits.starts_with('+'))?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = behind;
        } else {
            bytes.push(*first);
            rest = behind;
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<&[(&str, &str)], &str>) {
        let pairs = key_values("LIST", text).map_err(|error| error.to_string());
        let expected = expected.map(|pairs| pairs.iter().map(|&(k, v)| (k.to_owned(), v.to_owned())).collect());
        assert_eq!(pairs, expected.map_err(str::to_owned), "{text}");
    }

    #[test]
    fn a_list_is_pairs_with_decoded_values() {
        check("", Ok(&[]));
        check(" a = 1 ,, b=2,", Ok(&[("a", "1"), ("b", "2")]));
        check("a=Bearer%20x%2Cy==", Ok(&[("a", "Bearer x,y==")]));
        check("a=%C3%BC,b=,c=ü", Ok(&[("a", "ü"), ("b", ""), ("c", "ü")]));
    }

    #[test]
    fn what_is_wrong_is_told_without_the_secret() {
        let no_pair = |number| format!("entry {number} of LIST is no `key=value`: LIST can be `key=value,key=value`");
        check("a=1,secret", Err(&no_pair(2)));
        check("=secret", Err(&no_pair(1)));
        let bad = "the value of `a` in LIST has a `%` that is not followed by two hex digits of UTF-8 text: write a `%` as `%25`";
        for secret in ["a=100%", "a=%2", "a=%zz", "a=%+1", "a=%FF", "a=%é"] {
            check(secret, Err(bad));
        }
    }
}
