//! Names of fields and headers whose values are secrets.

use std::ops::Range;

/// A name is sensitive that is one of these, or ends with one as its last words.
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

/// Three letters of each sensitive name, so that there are few to look for, and fast: twice as many take five times as
/// long. In the spellings that names have; the one of `authorization` in all that there may be.
const STEMS: [&str; 27] = [
    "riz", "riZ", "rIz", "rIZ", "Riz", "RiZ", "RIz", "RIZ", "key", "Key", "KEY", "oke", "Oke", "OKE", "kie", "Kie",
    "KIE", "ssw", "ssW", "Ssw", "SSW", "ecr", "Ecr", "ECR", "phr", "Phr", "PHR",
];

/// The shortest name that always is sensitive, in bytes.
const LEAST_NAME: usize = 6;

/// The longest name that is looked at, in bytes.
const MAX_NAME: usize = 96;

/// What a sensitive name says of its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A scheme may stand before the secret.
    Authorization,
    /// `name=value` pairs.
    Cookie,
    /// A header that holds the secret alone.
    Key,
    /// A field or header of the program's own.
    Own,
    /// Anything else.
    Other,
}

/// The names that are sensitive: those that always are, and the program's own.
#[derive(Debug, Clone, Default)]
pub(super) struct Names(Vec<String>);

impl Names {
    pub(super) fn add(&mut self, name: &str) {
        let mut words = Words::default();
        words.fill(name.as_bytes());
        self.0.push(words.as_str().to_owned());
    }

    /// What to look for: every sensitive name has one of them in it.
    pub(super) fn stems(&self) -> impl Iterator<Item = Vec<u8>> {
        let own = self.0.iter().filter(|name| !is_built_in(name)).map(|name| stem(name));
        let own = own.filter(|stem| !stem.is_empty()).flat_map(in_any_case);
        STEMS.iter().map(|stem| stem.as_bytes().to_vec()).chain(own)
    }

    /// What this name says of its value, if it is sensitive.
    pub(super) fn kind(&self, name: &[u8]) -> Option<Kind> {
        if name.len() < LEAST_NAME && self.0.is_empty() {
            return None;
        }
        let mut words = Words::default();
        words.fill(name);
        let is_header = name.contains(&b'-');
        let name = words.as_str();
        let one = name.strip_suffix('s').unwrap_or(name);
        let is_own = self.0.iter().any(|own| own == name);
        let is_variable = name.ends_with("_token") && words.is_shouted;
        (is_own || is_variable || is_built_in(name) || is_built_in(one)).then(|| match one {
            _ if ends_with_words(one, "authorization") || is_spelled(one, "authorization") => Kind::Authorization,
            _ if is_own => Kind::Own,
            _ if ends_with_words(one, "cookie") => Kind::Cookie,
            _ if is_header || ends_with_words(one, "api_key") || ends_with_words(one, "auth_token") => Kind::Key,
            _ => Kind::Other,
        })
    }
}

fn is_built_in(name: &str) -> bool {
    SENSITIVE.iter().any(|sensitive| ends_with_words(name, sensitive) || is_spelled(name, sensitive))
}

/// Whether both have the same letters, wherever words are thought to begin.
fn is_spelled(name: &str, sensitive: &str) -> bool {
    name.bytes().filter(|byte| *byte != b'_').eq(sensitive.bytes().filter(|byte| *byte != b'_'))
}

fn ends_with_words(name: &str, words: &str) -> bool {
    name.strip_suffix(words).is_some_and(|before| before.is_empty() || before.ends_with('_'))
}

/// A word in each mixture of small and capital letters.
fn in_any_case(word: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let cased = |capitals: u32, place: usize, byte: u8| {
        if capitals & (1 << place) == 0 { byte.to_ascii_lowercase() } else { byte.to_ascii_uppercase() }
    };
    (0..1_u32 << word.len())
        .map(move |capitals| (0..word.len()).map(|place| cased(capitals, place, word[place])).collect())
}

/// The longest run of letters and digits of an own name, or the end of it.
fn stem(name: &str) -> &[u8] {
    let longest = name.split('_').max_by_key(|word| word.len()).unwrap_or_default().as_bytes();
    &longest[longest.len().saturating_sub(3)..]
}

/// The words of a name, in lower case and joined by `_`: of `X-Api-Key`, `xApiKey` and `X_API_KEY` alike `x_api_key`.
struct Words {
    buffer: [u8; 2 * MAX_NAME],
    length: usize,
    /// Whether it has no small letters.
    is_shouted: bool,
}

impl Default for Words {
    fn default() -> Self {
        Self { buffer: [0; 2 * MAX_NAME], length: 0, is_shouted: true }
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
            self.is_shouted &= !byte.is_ascii_lowercase();
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

/// The name around a place, and where what it is a part of begins: `authorization` in `http.request.header.authorization`.
pub(super) fn name_around(text: &[u8], at: usize) -> Option<(Range<usize>, usize)> {
    let ahead = text[at..].iter().take(MAX_NAME).take_while(|byte| is_word(**byte)).count();
    let end = at + ahead;
    // Most are words of a text.
    matches!(text.get(end), Some(b'"' | b'\'' | b'\\' | b':' | b'=' | b' ')).then_some(())?;
    let behind = |from: usize, is_part: fn(u8) -> bool| {
        let length = text[..from].iter().rev().take(MAX_NAME).take_while(|byte| is_part(**byte)).count();
        let start = from - length;
        start + end_of_escape(&text[..start], &text[start..from])
    };
    let start = behind(at, is_word).min(at);
    let dashes = text[start..at].iter().take_while(|byte| **byte == b'-').count();
    let start = start + dashes;
    let whole = behind(start, |byte| is_word(byte) || byte == b'.').min(start);
    (end - start <= MAX_NAME).then_some((start..end, whole))
}

/// How much of what looks like the beginning of a name belongs to an escape, as in `\nname` and `\u0026name`.
fn end_of_escape(before: &[u8], name: &[u8]) -> usize {
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
    fn names_are_sensitive_by_their_last_words_in_any_spelling() {
        let mut names = Names::default();
        names.add("X-Vault-Id");
        let check = |name: &str, expected: Option<Kind>| assert_eq!(names.kind(name.as_bytes()), expected, "{name}");
        check("aUthOrization", Some(Kind::Authorization));
        check("authorization", Some(Kind::Authorization));
        check("AUTHORIZATION", Some(Kind::Authorization));
        check("Proxy-Authorization", Some(Kind::Authorization));
        check("set-cookie", Some(Kind::Cookie));
        check("cookies", Some(Kind::Cookie));
        check("X-Api-Key", Some(Kind::Key));
        check("openaiApiKey", Some(Kind::Key));
        check("OPENAI_API_KEY", Some(Kind::Key));
        check("APIKey", Some(Kind::Key));
        check("AWS_SECRET_ACCESS_KEY", Some(Kind::Other));
        check("clientSecret", Some(Kind::Other));
        check("GITHUB_TOKEN", Some(Kind::Other));
        check("X-Client-Secret", Some(Kind::Key));
        check("xVaultId", Some(Kind::Own));
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
