//! Sensitive names: names of fields, headers, options and variables whose values are secrets.

use std::ops::Range;

use super::scan;

/// Built-in sensitive names. A name is sensitive if it is one of these, or if one of these makes up its last words, in
/// any spelling: `X-Api-Key`, `openaiApiKey` and `OPENAI_API_KEY_2` are names of `api_key`.
const SENSITIVE: [&str; 19] = [
    "access_key",
    "api_key",
    "authorization",
    "connection_string",
    "cookie",
    "credential",
    "pass",
    "passphrase",
    "passwd",
    "password",
    "private_key",
    "pwd",
    "secret",
    "secret_key",
    "secret_key_base",
    "session_id",
    "signing_key",
    "subscription_key",
    "token",
];

/// Sensitive names whose words are often written without a separator between them: a name is sensitive if it ends with
/// one of these, even inside of a word, as `PGPASSWORD`.
const SENSITIVE_ENDINGS: [&str; 18] = [
    "accesskey",
    "accesstoken",
    "apikey",
    "apitoken",
    "authtoken",
    "bearertoken",
    "clientsecret",
    "connectionstring",
    "idtoken",
    "passphrase",
    "passwd",
    "password",
    "privatekey",
    "refreshtoken",
    "secretkey",
    "sessid",
    "sessionid",
    "sessiontoken",
];

/// Words before `key` that make a secret of it: whose key it is, or what it is for.
const KEY_OWNERS: [&str; 53] = [
    "account",
    "admin",
    "anthropic",
    "auth",
    "aws",
    "azure",
    "cerebras",
    "claude",
    "cohere",
    "consumer",
    "datadog",
    "deepseek",
    "deploy",
    "elevenlabs",
    "encryption",
    "fireworks",
    "gemini",
    "github",
    "gitlab",
    "google",
    "groq",
    "hf",
    "huggingface",
    "langchain",
    "langfuse",
    "langsmith",
    "license",
    "llm",
    "mailgun",
    "master",
    "mistral",
    "nvidia",
    "openai",
    "openrouter",
    "perplexity",
    "pinecone",
    "replicate",
    "sendgrid",
    "sentry",
    "serper",
    "service",
    "shared",
    "ssh",
    "storage",
    "stripe",
    "supabase",
    "tavily",
    "together",
    "twilio",
    "voyage",
    "webhook",
    "xai",
    "xi",
];

/// Words before `pass` and `pwd` that are often written without a separator behind them.
const PASS_OWNERS: [&str; 14] =
    ["admin", "db", "ftp", "imap", "mail", "mongo", "mysql", "pg", "postgres", "redis", "root", "smtp", "ssh", "user"];

/// Names that end with `token` and whose values are no secrets: places in lists, and tokens of a model's vocabulary.
const PLAIN_TOKENS: [&str; 22] = [
    "bos",
    "change",
    "cls",
    "continuation",
    "end",
    "eos",
    "first",
    "input",
    "last",
    "mask",
    "max",
    "next",
    "output",
    "pad",
    "page",
    "progress",
    "resume",
    "sep",
    "start",
    "stop",
    "sync",
    "unk",
];

/// Texts that the masking searches for to find sensitive names: every built-in name contains one of them, in each
/// spelling that occurs (the one in `authorization` in every mixture of cases). A search for more than 32 texts is ten
/// times slower.
const STEMS: [&str; 30] = [
    "riz", "riZ", "rIz", "rIZ", "Riz", "RiZ", "RIz", "RIZ", "key", "Key", "KEY", "oke", "OKE", "kie", "KIE", "pas",
    "Pas", "PAS", "pwd", "Pwd", "PWD", "ecr", "ECR", "eden", "EDEN", "sess", "Sess", "SESS", "nnec", "NNEC",
];

/// Minimum length of a built-in sensitive name, in bytes.
const MIN_NAME: usize = 3;

/// Maximum length of a name that is inspected, in bytes.
const MAX_NAME: usize = 96;

/// The kind of a sensitive name, which determines how its value is masked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NameKind {
    /// An `authorization` header or field: a scheme such as `Bearer` may precede the secret.
    Authorization,
    /// A `cookie` or `set-cookie` header: the value consists of `name=value` pairs.
    Cookie,
    /// The id of a session, which is a credential if it is long.
    SessionId,
    /// A name that the program added.
    Custom,
    /// Any other name.
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

    /// Returns short texts, of which every name that the program added contains at least one.
    pub(super) fn own_stems(&self) -> impl Iterator<Item = Vec<u8>> {
        let custom = self.0.iter().filter(|name| built_in(name).is_none()).map(|name| stem(name));
        custom.filter(|stem| !stem.is_empty()).flat_map(case_variants)
    }

    /// Returns the kind of a name. Returns `None` if the name is not sensitive.
    pub(super) fn kind(&self, name: &[u8]) -> Option<NameKind> {
        if name.len() > MAX_NAME || (name.len() < MIN_NAME && self.0.is_empty()) {
            return None;
        }
        scan::looked_at(name.len());
        let mut words = Words::default();
        words.fill(name);
        let name = words.as_str();
        if self.0.iter().any(|custom| custom == name) {
            return Some(built_in(name).unwrap_or(NameKind::Custom));
        }
        // The working directory of a shell has the name of a password.
        let is_directory = words.is_upper_case && matches!(name, "pwd" | "oldpwd");
        built_in(name).filter(|_| !is_directory)
    }
}

/// Returns `true` for the name of a type or of an operation, which has more words than the built-in name that it ends with:
/// `ListSecrets`.
pub(super) fn is_type_name(name: &[u8]) -> bool {
    let mut words = Words::default();
    words.fill(name);
    let words = words.as_str();
    let singular = words.strip_suffix('s').unwrap_or(words);
    name.first().is_some_and(u8::is_ascii_uppercase)
        && name.iter().all(u8::is_ascii_alphanumeric)
        && name.iter().any(u8::is_ascii_lowercase)
        && !SENSITIVE.contains(&words)
        && !SENSITIVE.contains(&singular)
}

/// Returns short texts, of which every built-in name contains at least one. The masking searches for them.
pub(super) fn stems() -> Vec<Vec<u8>> {
    STEMS.iter().map(|stem| stem.as_bytes().to_vec()).collect()
}

/// Returns the kind of a name, given its words, by the tables of built-in names.
fn built_in(name: &str) -> Option<NameKind> {
    let name = without_number(name);
    has_sensitive_end(name).then_some(())?;
    let singular = name.strip_suffix('s').filter(|name| !name.ends_with("token")).unwrap_or(name);
    let is_sensitive = |name: &str| {
        SENSITIVE.iter().any(|sensitive| ends_with_words(name, sensitive))
            || SENSITIVE_ENDINGS.iter().any(|ending| name.ends_with(ending))
            || has_same_letters(name, "authorization")
            || has_owner(name)
    };
    if !is_sensitive(singular) && !is_sensitive(name) || is_plain_token(singular) {
        return None;
    }
    Some(match singular {
        _ if singular.ends_with("authorization") || has_same_letters(singular, "authorization") => {
            NameKind::Authorization
        }
        _ if ends_with_words(singular, "cookie") => NameKind::Cookie,
        _ if ends_with_words(singular, "session_id")
            || singular.ends_with("sessionid")
            || singular.ends_with("sessid") =>
        {
            NameKind::SessionId
        }
        _ => NameKind::Other,
    })
}

/// Returns `true` if the name ends like one of the built-in names. Rejects most names at little cost.
fn has_sensitive_end(name: &str) -> bool {
    const ENDS: [&[u8; 2]; 12] = [b"al", b"en", b"et", b"ey", b"id", b"ie", b"ng", b"on", b"rd", b"se", b"ss", b"wd"];
    // The words of a name in a mixture of cases are single letters.
    let mut letters = name.bytes().rev().filter(|byte| *byte != b'_');
    let mut last = letters.next().unwrap_or_default();
    let mut second = letters.next().unwrap_or_default();
    let ends = |second: u8, last: u8| ENDS.contains(&&[second, last]);
    if !ends(second, last) && last == b's' {
        (last, second) = (second, letters.next().unwrap_or_default());
    }
    ends(second, last)
}

/// Returns the name without the number at its end: `password_2` and `password2` are passwords.
fn without_number(name: &str) -> &str {
    let shorter = name.trim_end_matches(|character: char| character.is_ascii_digit());
    if shorter.len() == name.len() { name } else { shorter.trim_end_matches('_') }
}

/// Returns `true` for a name such as `openai_key`, `dbpass` or `smtp_pass`.
fn has_owner(name: &str) -> bool {
    let is_of = |thing: &str, owners: &[&str]| {
        name.strip_suffix(thing).is_some_and(|owner| {
            let owner = owner.strip_suffix('_').unwrap_or(owner);
            owners.iter().any(|known| ends_with_words(owner, known))
        })
    };
    is_of("key", &KEY_OWNERS) || is_of("pass", &PASS_OWNERS) || is_of("pwd", &PASS_OWNERS)
}

fn is_plain_token(name: &str) -> bool {
    name.strip_suffix("_token").is_some_and(|before| PLAIN_TOKENS.iter().any(|word| ends_with_words(before, word)))
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

/// Returns the end of the word around index `at`; and, if the text after the word can assign a value and the word is not
/// too long, the range of the name in it and the start of the dotted path that the name ends: for `authorization` in
/// `http.request.header.authorization`, the start of `http`.
pub(super) fn name_around(text: &[u8], at: usize) -> (usize, Option<(Range<usize>, usize)>) {
    let bounded = &text[..text.len().min(at + MAX_NAME + 1)];
    let end = at + scan::run(bounded, at, is_word);
    // Rejects most hits at once: they are words of a text.
    let may_assign = matches!(text.get(end), Some(b'"' | b'\'' | b'\\' | b':' | b'=' | b' ' | b'\t' | b'>' | 0x1b));
    (end, may_assign.then(|| name_that_ends_at(text, at, end)).flatten())
}

fn name_that_ends_at(text: &[u8], at: usize, end: usize) -> Option<(Range<usize>, usize)> {
    let behind = |from: usize, is_part: fn(u8) -> bool| {
        let lowest = from.saturating_sub(MAX_NAME);
        let start = from - scan::run_back(&text[lowest..], from - lowest, is_part);
        start + prefix_length(text, start, from)
    };
    let start = behind(at, is_word).min(at);
    let start = start + scan::run(&text[..at], start, |byte| byte == b'-');
    let whole = behind(start, |byte| is_word(byte) || byte == b'.').min(start);
    (end - start <= MAX_NAME).then_some((start..end, whole))
}

/// Returns how many bytes at the start of a name belong to what stands before it: to an escape, as in `\nname` and
/// `\u0026name`, to a terminal colour, as in `␛[32mname`, or to the escape of a URL, as in `%20name`.
fn prefix_length(text: &[u8], start: usize, end: usize) -> usize {
    let (before, name) = (&text[..start], &text[start..end]);
    match name {
        [digits @ .., _] | digits if matches!(before, [.., b'[' | b';']) => {
            let length = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
            let is_colour = digits.get(length) == Some(&b'm') || name.get(length) == Some(&b'm');
            if is_colour && scan::before_colours(text, start + length + 1) < start { length + 1 } else { 0 }
        }
        _ if !before.ends_with(b"\\") => 0,
        [b'u', digits @ ..] if digits.iter().take(4).filter(|byte| byte.is_ascii_hexdigit()).count() == 4 => 5,
        [b'n' | b'r' | b't' | b'b' | b'f', ..] => 1,
        _ => 0,
    }
}
