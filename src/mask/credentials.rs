//! The shapes of known credentials, which are recognised without a name before them.

use std::ops::Range;

use super::harmless::is_harmless;
use super::names::Names;
use super::nesting::value_end;
use super::scan;
use super::secret_span::SecretSpan;

/// A kind of credential that is recognised by its prefix.
struct Shape {
    kind: &'static str,
    prefix: &'static str,
    /// Returns the number of bytes after the prefix that belong to the credential, or `None` if these bytes are not a
    /// credential.
    tail: fn(&[u8]) -> Option<usize>,
}

const fn shape(kind: &'static str, prefix: &'static str, tail: fn(&[u8]) -> Option<usize>) -> Shape {
    Shape { kind, prefix, tail }
}

/// All shapes. If one prefix begins with another, the longer prefix comes first.
const SHAPES: [Shape; 44] = [
    shape("anthropic", "sk-ant-", |tail| run(tail, is_token, 16)),
    shape("openrouter", "sk-or-", |tail| run(tail, is_token, 16)),
    shape("openai", "sk-proj-", |tail| run(tail, is_token, 16)),
    shape("openai", "sk-svcacct-", |tail| run(tail, is_token, 16)),
    shape("openai", "sk-admin-", |tail| run(tail, is_token, 16)),
    shape("api-key", "sk-", generic_key),
    shape("google", "AIza", |tail| exactly(tail, is_token, 35)),
    shape("google", "GOCSPX-", |tail| run(tail, is_token, 24)),
    shape("google", "ya29.", |tail| run(tail, is_token, 20)),
    shape("groq", "gsk_", |tail| run(tail, is_alphanumeric, 32)),
    shape("hugging-face", "hf_", |tail| run(tail, is_alphanumeric, 30)),
    shape("xai", "xai-", |tail| run(tail, is_alphanumeric, 40)),
    shape("perplexity", "pplx-", |tail| run(tail, is_alphanumeric, 32)),
    shape("replicate", "r8_", |tail| run(tail, is_alphanumeric, 30)),
    shape("nvidia", "nvapi-", |tail| run(tail, is_token, 32)),
    shape("langsmith", "lsv2_", |tail| run(tail, is_token, 32)),
    shape("tavily", "tvly-", |tail| run(tail, is_token, 24)),
    shape("github", "github_pat_", |tail| run(tail, is_word, 22)),
    shape("github", "ghp_", |tail| run(tail, is_alphanumeric, 36)),
    shape("github", "gho_", |tail| run(tail, is_alphanumeric, 36)),
    shape("github", "ghu_", |tail| run(tail, is_alphanumeric, 36)),
    shape("github", "ghs_", |tail| run(tail, is_alphanumeric, 36)),
    shape("github", "ghr_", |tail| run(tail, is_alphanumeric, 36)),
    shape("gitlab", "glpat-", |tail| run(tail, is_token, 20)),
    shape("slack", "xoxb-", |tail| run(tail, is_token, 16)),
    shape("slack", "xoxp-", |tail| run(tail, is_token, 16)),
    shape("slack", "xoxa-", |tail| run(tail, is_token, 16)),
    shape("slack", "xoxs-", |tail| run(tail, is_token, 16)),
    shape("slack", "xapp-", |tail| run(tail, is_token, 16)),
    shape("npm", "npm_", |tail| run(tail, is_alphanumeric, 36)),
    shape("pypi", "pypi-AgE", |tail| run(tail, is_token, 50)),
    shape("docker", "dckr_pat_", |tail| run(tail, is_token, 20)),
    shape("stripe", "sk_live_", |tail| run(tail, is_alphanumeric, 16)),
    shape("stripe", "sk_test_", |tail| run(tail, is_alphanumeric, 16)),
    shape("stripe", "rk_live_", |tail| run(tail, is_alphanumeric, 16)),
    shape("sendgrid", "SG.", |tail| parts(tail, [20, 40])),
    shape("digitalocean", "dop_v1_", |tail| exactly(tail, is_alphanumeric, 64)),
    shape("aws", "AKIA", |tail| exactly(tail, is_aws, 16)),
    shape("aws", "ASIA", |tail| exactly(tail, is_aws, 16)),
    shape("aws", "ABIA", |tail| exactly(tail, is_aws, 16)),
    shape("age", "AGE-SECRET-KEY-1", |tail| run(tail, is_alphanumeric, 50)),
    shape("databricks", "dapi", |tail| exactly(tail, |byte| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f'), 32)),
    shape("vault", "hvs.", |tail| run(tail, is_token, 24)),
    shape("jwt", "eyJ", jwt),
];

/// Returns the byte range of the secret near an anchor text, given the text and the index of the anchor. Returns `None`
/// if there is no secret.
type Find = fn(&[u8], usize) -> Option<Range<usize>>;

/// Credentials that are recognised by the text before or around them: the anchor text, and the function that finds the
/// secret near it.
const ANCHORED: [(&str, Find); 5] = [
    ("-----BEGIN ", private_key),
    ("://", password_in_url),
    ("Bearer ", bearer),
    ("bearer ", bearer),
    ("BEARER ", bearer),
];

/// The texts of three bytes that the masking searches for to find credentials.
const SHORT_NEEDLES: [&str; 8] = ["sk-", "hf_", "r8_", "SG.", "hvs", "eyJ", "://", "xox"];

/// The texts of four bytes that the masking searches for to find credentials. Each known credential begins with or
/// contains a text of these two lists, near its start. A search for more than 32 texts is ten times slower.
const LONG_NEEDLES: [&str; 30] = [
    "-BEG", "ABIA", "AGE-", "AIza", "AKIA", "ARER", "ASIA", "GOCS", "_pat", "arer", "dapi", "dop_", "gho_", "ghp_",
    "ghr_", "ghs_", "ghu_", "glpa", "gsk_", "k_li", "k_te", "lsv2", "npm_", "nvap", "pplx", "pypi", "tvly", "xai-",
    "xapp", "ya29",
];

/// The distances from the start of a credential's prefix or anchor to the text that the masking searches for.
const OFFSETS: [usize; 5] = [0, 1, 2, 4, 6];

/// Returns the texts to search for to find credentials, in lists of one length each.
pub(super) fn needles() -> [Vec<Vec<u8>>; 2] {
    let bytes = |texts: &[&str]| texts.iter().map(|text| text.as_bytes().to_vec()).collect();
    [bytes(&SHORT_NEEDLES), bytes(&LONG_NEEDLES)]
}

/// Returns the credential near `hit`, where one of the [`needles`] was found. Returns `None` if there is no credential.
pub(super) fn find_near(text: &[u8], hit: usize) -> Option<SecretSpan> {
    scan::looked_at(OFFSETS.len());
    OFFSETS.iter().filter_map(|offset| hit.checked_sub(*offset)).find_map(|at| find_at(text, at))
}

fn find_at(text: &[u8], at: usize) -> Option<SecretSpan> {
    let found = &text[at..];
    if let Some((_, find)) = ANCHORED.iter().find(|(anchor, _)| found.starts_with(anchor.as_bytes())) {
        return find(text, at).map(SecretSpan::text);
    }
    SHAPES.iter().find_map(|shape| {
        // Without this check each part of a long word would be compared with the rest of it.
        let tail = found.strip_prefix(shape.prefix.as_bytes()).filter(|_| begins_word(text, at))?;
        Some(SecretSpan::text(at..at + shape.prefix.len() + (shape.tail)(tail)?))
    })
}

/// Returns the kind in the placeholder of a secret: the kind of a known credential that the whole secret has the shape
/// of, or `secret` if there is none.
pub(super) fn kind_of(secret: &[u8]) -> &'static str {
    shape_of(secret).map_or("secret", |shape| shape.kind)
}

/// Returns `true` if the whole text has the shape of a known credential.
pub(super) fn is_known(secret: &[u8]) -> bool {
    shape_of(secret).is_some()
}

fn shape_of(secret: &[u8]) -> Option<&'static Shape> {
    SHAPES.iter().find(|shape| {
        let tail = secret.strip_prefix(shape.prefix.as_bytes());
        tail.is_some_and(|tail| (shape.tail)(tail) == Some(tail.len()))
    })
}

fn is_alphanumeric(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn is_token(byte: u8) -> bool {
    is_word(byte) || byte == b'-'
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=')
}

fn is_aws(byte: u8) -> bool {
    matches!(byte, b'A'..=b'Z' | b'2'..=b'7')
}

fn length(text: &[u8], is_part: impl Fn(u8) -> bool) -> usize {
    scan::run(text, 0, is_part)
}

fn run(tail: &[u8], is_part: fn(u8) -> bool, least: usize) -> Option<usize> {
    Some(length(tail, is_part)).filter(|length| *length >= least)
}

fn exactly(tail: &[u8], is_part: fn(u8) -> bool, expected: usize) -> Option<usize> {
    let ends = tail.get(expected).is_none_or(|byte| !is_word(*byte));
    (ends && tail.len() >= expected && tail[..expected].iter().all(|byte| is_part(*byte))).then_some(expected)
}

/// Returns the length of the key at the start of `tail`, a long word that mixes digits and letters. Returns `None` for
/// other words: names of styles and of branches begin with `sk-` too.
fn generic_key(tail: &[u8]) -> Option<usize> {
    let whole = run(tail, is_token, 20)?;
    let is_mixed = |word: &[u8]| {
        word.len() >= 16 && word.iter().any(u8::is_ascii_digit) && word.iter().any(u8::is_ascii_alphabetic)
    };
    tail[..whole].split(|byte| matches!(byte, b'-' | b'_')).any(is_mixed).then_some(whole)
}

/// Returns the length of the `N` parts at the start of `tail` that are joined by dots. Returns `None` if a part is
/// shorter than its number of bytes in `least`.
fn parts<const N: usize>(tail: &[u8], least: [usize; N]) -> Option<usize> {
    let mut end = 0;
    for (number, least) in least.into_iter().enumerate() {
        if number > 0 {
            (tail.get(end) == Some(&b'.')).then_some(())?;
            end += 1;
        }
        end += run(&tail[end..], is_token, least)?;
    }
    Some(end)
}

/// Returns the length of the JSON web token whose first characters precede `tail`: header, claims and signature, or
/// five parts if it is encrypted. Returns `None` if there is no token.
fn jwt(tail: &[u8]) -> Option<usize> {
    let mut end = run(tail, is_token, 10)?;
    (tail.get(end) == Some(&b'.')).then_some(())?;
    let claims = run(&tail[end + 1..], is_token, 10)?;
    end += 1 + claims;
    (tail.get(end) == Some(&b'.')).then_some(())?;
    while tail.get(end) == Some(&b'.')
        && let more = length(&tail[end + 1..], is_token)
        && more > 0
    {
        end += 1 + more;
    }
    Some(end)
}

/// Returns `true` if a word begins at index `at`. Returns `false` inside of a word. An escape of JSON or of a URL may
/// stand before the word.
fn begins_word(text: &[u8], at: usize) -> bool {
    let before = |back: usize| at.checked_sub(back).map_or(b' ', |place| text[place]);
    let is_hex = |from: usize| (from..from + 2).all(|back| before(back).is_ascii_hexdigit());
    !is_token(before(1))
        || (before(2) == b'\\' && matches!(before(1), b'n' | b'r' | b't' | b'b' | b'f'))
        || (before(3) == b'%' && is_hex(1))
        || (before(6) == b'\\' && before(5) == b'u' && is_hex(1) && is_hex(3))
}

/// Maximum length of a private key that is searched for, in bytes.
const MAX_PEM: usize = 64 * 1024;

/// Returns the range between the first and the last line of a PEM block with a private key. A block that is cut short
/// ends with the text that can be part of it.
pub(super) fn private_key(text: &[u8], at: usize) -> Option<Range<usize>> {
    const ENDS: &[u8] = b"-----";
    let label = at + "-----BEGIN ".len();
    let label_length = memchr::memmem::find(&text[label..text.len().min(label + 64)], ENDS)?;
    let name = &text[label..label + label_length];
    (name.ends_with(b"PRIVATE KEY") || name.ends_with(b"PRIVATE KEY BLOCK")).then_some(())?;
    let start = label + label_length + ENDS.len();
    let window = &text[start..text.len().min(start + MAX_PEM)];
    let is_part =
        |byte: u8| is_base64(byte) || byte.is_ascii_whitespace() || matches!(byte, b'\\' | b':' | b',' | b'.' | b'-');
    let mut end = start + length(window, is_part);
    if let Some(last) = memchr::memmem::find(&text[start..end], b"-----END") {
        end = start + last;
    }
    while end > start && text[end - 1] == b'\\' {
        end -= 1;
    }
    (end - start >= 32).then(|| without_line_ends(text, start..end))
}

/// Returns the range without the line ends around it, so that each line of the text stays one.
fn without_line_ends(text: &[u8], mut range: Range<usize>) -> Range<usize> {
    loop {
        let letter = range.start + scan::backslashes(&text[..range.end], range.start);
        match text[..range.end].get(letter) {
            Some(b'\n' | b'\r') if letter == range.start => range.start += 1,
            Some(b'n' | b'r') if letter > range.start => range.start = letter + 1,
            Some(_) | None => break,
        }
    }
    while let Some((last, before)) = text[range.clone()].split_last() {
        let backslashes = scan::run_back(before, before.len(), |byte| byte == b'\\');
        match last {
            b'\n' | b'\r' => range.end -= 1,
            b'n' | b'r' if backslashes > 0 => range.end -= 1 + backslashes,
            _ => break,
        }
    }
    range
}

/// Maximum length of the user name and the password in a URL, in bytes.
const MAX_IN_URL: usize = 512;

fn password_in_url(text: &[u8], at: usize) -> Option<Range<usize>> {
    at.checked_sub(1).filter(|before| text[*before].is_ascii_alphanumeric())?;
    let start = at + "://".len();
    let bounded = &text[..text.len().min(start + MAX_IN_URL)];
    let ends_url = |byte: u8| !byte.is_ascii_graphic() || matches!(byte, b'"' | b'\'' | b'<' | b'>' | b'`');
    let ends_user = |byte: u8| ends_url(byte) || matches!(byte, b'/' | b'@' | b':' | b'\\' | b'?' | b'#');
    let user_end = value_end(bounded, start, 0, ends_user);
    (bounded.get(user_end) == Some(&b':')).then_some(())?;
    let password = user_end + 1;
    let port = scan::run(bounded, password, |byte| byte.is_ascii_digit());
    let ends_port = |byte: &u8| matches!(byte, b'/' | b'?' | b'#') || ends_url(*byte) || (*byte == b',' && port > 0);
    if bounded.get(password + port).is_none_or(ends_port) {
        return None;
    }
    // A password that nobody encoded may have any sign in it, also `@` and `/`.
    let url_end = value_end(bounded, password, 0, ends_url);
    let mut end = scan::find(&bounded[..url_end], password, b'@')?;
    while let Some(next) = scan::find(&bounded[..url_end], end + 1, b'@') {
        if bounded[end..next].iter().any(|byte| matches!(byte, b'/' | b'?' | b'#')) {
            break;
        }
        end = next;
    }
    (!is_harmless(&text[password..end], &Names::default())).then_some(password..end)
}

fn bearer(text: &[u8], at: usize) -> Option<Range<usize>> {
    let start = at + "Bearer ".len();
    let is_part = |byte: u8| is_token(byte) || matches!(byte, b'.' | b'~' | b'+' | b'/' | b'=');
    let end = start + length(&text[start..], is_part);
    let token = &text[start..end];
    let has_digit = token.iter().any(u8::is_ascii_digit);
    (begins_word(text, at) && token.len() >= 16 && has_digit).then_some(start..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_prefix_is_found_by_a_needle() {
        let needles: Vec<_> = SHORT_NEEDLES.iter().chain(&LONG_NEEDLES).collect();
        let prefixes = SHAPES.iter().map(|shape| shape.prefix).chain(ANCHORED.iter().map(|(anchor, _)| *anchor));
        for prefix in prefixes {
            let is_found = |needle: &&&str| prefix.find(**needle).is_some_and(|at| OFFSETS.contains(&at));
            assert!(needles.iter().any(is_found), "{prefix}");
        }
    }
}
