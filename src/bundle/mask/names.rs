//! Sensitive names: names of fields, headers and variables whose values are secrets.

use std::ops::Range;

/// Built-in sensitive names. A name is sensitive if it is one of these, or if one of these makes up its last words.
const SENSITIVE: [&str; 33] = [
    "access_key",
    "access_token",
    "accesstoken",
    "account_key",
    "api_key",
    "api_secret",
    "api_token",
    "apikey",
    "auth_token",
    "authorization",
    "bearer_token",
    "client_secret",
    "cookie",
    "encryption_key",
    "id_token",
    "master_key",
    "passphrase",
    "passwd",
    "password",
    "private_key",
    "privatekey",
    "proxy_authorization",
    "refresh_token",
    "refreshtoken",
    "secret",
    "secret_access_key",
    "secret_key",
    "secretkey",
    "security_token",
    "session_token",
    "shared_access_key",
    "signing_key",
    "subscription_key",
];

/// Texts that the masking searches for to find sensitive names: every built-in name contains one of them, in each
/// spelling that occurs (the one in `authorization` in every mixture of cases). Short and few, because twice as many
/// take five times as long to search for.
const STEMS: [&str; 27] = [
    "riz", "riZ", "rIz", "rIZ", "Riz", "RiZ", "RIz", "RIZ", "key", "Key", "KEY", "oke", "Oke", "OKE", "kie", "Kie",
    "KIE", "ssw", "ssW", "Ssw", "SSW", "ecr", "Ecr", "ECR", "phr", "Phr", "PHR",
];

/// Minimum length of a built-in sensitive name, in bytes.
const MIN_NAME: usize = 6;

/// Maximum length of a name that is inspected, in bytes.
const MAX_NAME: usize = 96;

/// The kind of a sensitive name, which determines how its value is masked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NameKind {
    /// An `authorization` header or field: a scheme such as `Bearer` may precede the secret.
    Authorization,
    /// A `cookie` or `set-cookie` header: the value consists of `name=value` pairs.
    Cookie,
    /// A header whose whole value is the secret, such as `x-api-key`.
    Key,
    /// A name that the program added.
    Custom,
    /// Any other field or variable.
    Other,
}

/// The sensitive names: the built-in names and the names that the program added.
#[derive(Debug, Clone, Default)]
pub(super) struct Names(Vec<String>);

impl Names {
    pub(super) fn add(&mut self, name: &str) {
        let mut words = Words::default();
        words.fill(name.as_bytes());
        self.0.push(words.as_str().to_owned());
    }

    /// Returns short texts, of which every sensitive name contains at least one. The masking searches for them.
    pub(super) fn stems(&self) -> impl Iterator<Item = Vec<u8>> {
        let custom = self.0.iter().filter(|name| !is_built_in(name)).map(|name| stem(name));
        let custom = custom.filter(|stem| !stem.is_empty()).flat_map(case_variants);
        STEMS.iter().map(|stem| stem.as_bytes().to_vec()).chain(custom)
    }

    /// Returns the kind of a name. Returns `None` if the name is not sensitive.
    pub(super) fn kind(&self, name: &[u8]) -> Option<NameKind> {
        if name.len() < MIN_NAME && self.0.is_empty() {
            return None;
        }
        let mut words = Words::default();
        words.fill(name);
        let is_header = name.contains(&b'-');
        let name = words.as_str();
        let singular = name.strip_suffix('s').unwrap_or(name);
        let is_custom = self.0.iter().any(|custom| custom == name);
        let is_variable = name.ends_with("_token") && words.is_upper_case;
        (is_custom || is_variable || is_built_in(name) || is_built_in(singular)).then(|| match singular {
            _ if ends_with_words(singular, "authorization") || has_same_letters(singular, "authorization") => {
                NameKind::Authorization
            }
            _ if is_custom => NameKind::Custom,
            _ if ends_with_words(singular, "cookie") => NameKind::Cookie,
            _ if is_header || ends_with_words(singular, "api_key") || ends_with_words(singular, "auth_token") => {
                NameKind::Key
            }
            _ => NameKind::Other,
        })
    }
}

fn is_built_in(name: &str) -> bool {
    SENSITIVE.iter().any(|sensitive| ends_with_words(name, sensitive) || has_same_letters(name, sensitive))
}

/// Returns `true` if both names are equal apart from underscores.
fn has_same_letters(name: &str, sensitive: &str) -> bool {
    name.bytes().filter(|byte| *byte != b'_').eq(sensitive.bytes().filter(|byte| *byte != b'_'))
}

fn ends_with_words(name: &str, words: &str) -> bool {
    name.strip_suffix(words).is_some_and(|before| before.is_empty() || before.ends_with('_'))
}

/// Returns a word in every mixture of small and capital letters.
fn case_variants(word: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let cased = |capitals: u32, place: usize, byte: u8| {
        if capitals & (1 << place) == 0 { byte.to_ascii_lowercase() } else { byte.to_ascii_uppercase() }
    };
    (0..1_u32 << word.len())
        .map(move |capitals| (0..word.len()).map(|place| cased(capitals, place, word[place])).collect())
}

/// Returns the last three bytes of the longest word in a name that the program added: the text to search for.
fn stem(name: &str) -> &[u8] {
    let longest = name.split('_').max_by_key(|word| word.len()).unwrap_or_default().as_bytes();
    &longest[longest.len().saturating_sub(3)..]
}

/// The words of a name in lower case, joined by `_`: `X-Api-Key`, `xApiKey` and `X_API_KEY` all become `x_api_key`.
struct Words {
    buffer: [u8; 2 * MAX_NAME],
    length: usize,
    /// `true` if the name has no small letters.
    is_upper_case: bool,
}

impl Default for Words {
    fn default() -> Self {
        Self { buffer: [0; 2 * MAX_NAME], length: 0, is_upper_case: true }
    }
}

impl Words {
    fn fill(&mut self, name: &[u8]) {
        let mut last = b'_';
        for (place, &byte) in name.iter().take(MAX_NAME).enumerate() {
            let next_is_small = name.get(place + 1).is_some_and(u8::is_ascii_lowercase);
            let begins_word = byte.is_ascii_uppercase()
                && (last.is_ascii_lowercase() || (last.is_ascii_uppercase() && next_is_small));
            if begins_word {
                self.push(b'_');
            }
            self.push(if byte.is_ascii_alphanumeric() { byte.to_ascii_lowercase() } else { b'_' });
            self.is_upper_case &= !byte.is_ascii_lowercase();
            last = byte;
        }
    }

    fn push(&mut self, byte: u8) {
        self.buffer[self.length] = byte;
        self.length += 1;
    }

    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.buffer[..self.length]).unwrap_or_default()
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

/// Returns the range of the name around index `at`, and the start of the dotted path that it ends: for `authorization`
/// in `http.request.header.authorization`, the start of `http`. Returns `None` if the text after the name cannot assign
/// a value, or if the name is too long.
pub(super) fn name_around(text: &[u8], at: usize) -> Option<(Range<usize>, usize)> {
    let ahead = text[at..].iter().take(MAX_NAME).take_while(|byte| is_word(**byte)).count();
    let end = at + ahead;
    // Rejects most hits at once: they are words of a text.
    matches!(text.get(end), Some(b'"' | b'\'' | b'\\' | b':' | b'=' | b' ')).then_some(())?;
    let behind = |from: usize, is_part: fn(u8) -> bool| {
        let length = text[..from].iter().rev().take(MAX_NAME).take_while(|byte| is_part(**byte)).count();
        let start = from - length;
        start + escape_length(&text[..start], &text[start..from])
    };
    let start = behind(at, is_word).min(at);
    let dashes = text[start..at].iter().take_while(|byte| **byte == b'-').count();
    let start = start + dashes;
    let whole = behind(start, |byte| is_word(byte) || byte == b'.').min(start);
    (end - start <= MAX_NAME).then_some((start..end, whole))
}

/// Returns how many bytes at the start of a name belong to an escape, as in `\nname` and `\u0026name`.
fn escape_length(before: &[u8], name: &[u8]) -> usize {
    match name {
        _ if !before.ends_with(b"\\") => 0,
        [b'u', digits @ ..] if digits.iter().take(4).filter(|byte| byte.is_ascii_hexdigit()).count() == 4 => 5,
        [b'n' | b'r' | b't' | b'b' | b'f', ..] => 1,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_words_make_a_name_sensitive_in_any_spelling() {
        let mut names = Names::default();
        names.add("X-Vault-Id");
        let check =
            |name: &str, expected: Option<NameKind>| assert_eq!(names.kind(name.as_bytes()), expected, "{name}");
        check("aUthOrization", Some(NameKind::Authorization));
        check("authorization", Some(NameKind::Authorization));
        check("AUTHORIZATION", Some(NameKind::Authorization));
        check("Proxy-Authorization", Some(NameKind::Authorization));
        check("set-cookie", Some(NameKind::Cookie));
        check("cookies", Some(NameKind::Cookie));
        check("X-Api-Key", Some(NameKind::Key));
        check("openaiApiKey", Some(NameKind::Key));
        check("OPENAI_API_KEY", Some(NameKind::Key));
        check("APIKey", Some(NameKind::Key));
        check("AWS_SECRET_ACCESS_KEY", Some(NameKind::Other));
        check("clientSecret", Some(NameKind::Other));
        check("GITHUB_TOKEN", Some(NameKind::Other));
        check("X-Client-Secret", Some(NameKind::Key));
        check("xVaultId", Some(NameKind::Custom));
        for plain in
            ["key", "token", "input_tokens", "valid_tokens", "next_page_token", "secretary", "authorizations_of"]
        {
            check(plain, None);
        }
    }

    #[test]
    fn every_sensitive_name_is_found_by_a_stem() {
        for name in SENSITIVE {
            let names = [name.to_owned(), name.to_uppercase()];
            assert!(names.iter().all(|name| STEMS.iter().any(|stem| name.contains(stem))), "{name}");
        }
    }
}
