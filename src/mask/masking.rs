//! The built-in masking: which searches run over a text, and in what order.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::OnceLock;

use regex::bytes::Regex;

use super::custom_patterns::PatternError;
use super::event_text::EventText;
use super::names::Names;
use super::needles::Needles;
use super::redactor::Redactor;
use super::salt::Salt;
use super::secret_span::SecretSpan;
use super::{assignment, credentials, custom_patterns, header, names, secret_span, value};
use crate::event::PayloadKind;

/// The built-in masking: replaces secrets by placeholders of the form `[masked:<kind>:<12 hexadecimal digits>]`.
///
/// A secret gets the same placeholder at every place: in payloads of any kind and in event texts, at any level of
/// escapes. The digits are a keyed hash whose key is kept in memory only, so that guesses cannot be tested against it.
/// Each `Masking` has its own random key unless one is [set](Self::salt).
///
/// JSON stays JSON of the same structure, also inside of JSON text; a masked number becomes a string. A payload without
/// secrets keeps its bytes. A placeholder is never masked again.
///
/// # What is masked
/// - Always: the values of fields and headers with sensitive names (`authorization`, `x-api-key`, `cookie`,
///   `set-cookie`, `password`, `client_secret`, `refresh_token`, `private_key` … and names with these as their last
///   words, in any spelling). The syntax around the name decides which values count as secrets:
///
///   | syntax | masked values |
///   | --- | --- |
///   | JSON, also inside of text; `["name", "value"]` and `{"name": …, "value": …}` of headers and variables | every value; of an object all strings and numbers, except for those that describe a parameter in a tool's schema |
///   | header lines and `-H`, for names with a `-` | a single word, or a word with digits or capitals in it; `Bearer` and other schemes stay |
///   | `--name=value`, `--name value`; `NAME=value`; `?name=value`, `&name=value`, `;name=value` | every value except paths, URLs, calls and templates; without `=` values that are quoted or have digits or capitals |
///   | `name: value` and `name = value` in settings, programs and sentences | a word with digits or punctuation in it that is not an identifier, a type, a path, a URL or a call |
///
/// - The same for the [names](Self::name) that the program adds; as a header, their value reaches to the end of the
///   line.
/// - With [`patterns`](Self::patterns): everything that looks like a credential.
/// - Matches of the [patterns](Self::pattern) that the program adds.
///
/// # What is not masked
/// Secrets that are split (by a stream that sends them in pieces) or encoded (in base64, for example) are not found in
/// the bytes. The graph and exported spans have no split secrets: the text of a stream is masked again when it is put
/// together, with a hash of 0.
/// Nor are secrets in a sentence without `:` or `=` (`the password is …`), or secrets of plain words where these could
/// be prose (`password: correct horse`) or an identifier.
///
/// ```
/// use otel_trace::{Masking, Recorder};
///
/// let masking = Masking::new().patterns().name("x-tenant").pattern(r"\bACME-[0-9]{8}\b")?;
/// let builder = Recorder::builder().root("traces").mask(masking);
/// # drop(builder);
/// # Ok::<(), otel_trace::PatternError>(())
/// ```
#[derive(Debug)]
pub struct Masking {
    salt: Salt,
    /// `None` if no values of sensitive names are masked.
    names: Option<Names>,
    has_patterns: bool,
    custom_patterns: Vec<Regex>,
    finders: OnceLock<Finders>,
}

/// The searches that find candidates. Built on first use.
#[derive(Debug)]
struct Finders {
    stems: Needles,
    credentials: Needles,
}

impl Default for Masking {
    fn default() -> Self {
        Self::new()
    }
}

impl Masking {
    /// Creates the default masking, which masks the values of fields, headers and variables with sensitive names.
    pub fn new() -> Self {
        let (salt, names, finders) = (Salt::random(), Some(Names::default()), OnceLock::new());
        Self { salt, names, has_patterns: false, custom_patterns: Vec::new(), finders }
    }

    /// Creates the masking of text that is put together from recorded pieces, afterwards: all built-in forms. The hash
    /// in its placeholders is 0, because a reader has no secret key, and anyone could test guesses against a hash with
    /// a known key.
    pub(crate) fn of_assembled_text() -> Self {
        Self { salt: Salt::none(), ..Self::new() }.patterns()
    }

    /// Creates a disabled masking: nothing is masked, not even authorization headers.
    pub fn off() -> Self {
        Self { names: None, ..Self::new() }
    }

    /// Also masks everything that looks like a credential: keys of model providers and clouds, tokens of GitHub,
    /// GitLab, Slack, npm and others, bearer tokens, JSON web tokens, private keys, passwords in URLs and keys in
    /// connection strings.
    #[must_use]
    pub fn patterns(mut self) -> Self {
        self.has_patterns = true;
        self.finders = OnceLock::new();
        self
    }

    /// Also masks the values of a field, header, option or variable of this name, in any spelling: `x-tenant` matches
    /// `X_TENANT` and `xTenant` as well. In a line that begins with the name the value reaches to the end of the line,
    /// even if it is program text.
    #[must_use]
    pub fn name(mut self, name: &str) -> Self {
        self.names.get_or_insert_default().add(name);
        self.finders = OnceLock::new();
        self
    }

    /// Also masks the matches of a regular expression; of a pattern with groups, the first group. The pattern is
    /// matched against the text as it is in the payload, escapes included; matches do not overlap.
    ///
    /// # Errors
    /// Returns a [`PatternError`] if `pattern` is not a valid regular expression.
    pub fn pattern(mut self, pattern: &str) -> Result<Self, PatternError> {
        self.custom_patterns.push(custom_patterns::compile(pattern)?);
        Ok(self)
    }

    /// Sets the key of the hash in placeholders, 16 random bytes. Recordings with the same key give a secret the same
    /// placeholder. Protect the key like the secrets themselves.
    #[must_use]
    pub fn salt(mut self, salt: [u8; 16]) -> Self {
        self.salt = Salt::from_bytes(salt);
        self
    }

    /// Masks a text. Borrows the text if it contains no secret; then the cost is one pass over it.
    pub fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        self.mask_event_text(EventText::Plain(text))
    }

    /// Masks a text of an event. Borrows the text if it contains no secret.
    pub(crate) fn mask_event_text<'a>(&self, event_text: EventText<'a>) -> Cow<'a, str> {
        let text = event_text.as_str();
        match self.masked(text.as_bytes(), matches!(event_text, EventText::Json(_))) {
            None => Cow::Borrowed(text),
            Some(masked) => Cow::Owned(
                String::from_utf8(masked)
                    .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()),
            ),
        }
    }

    /// Masks the secrets in a payload in place and returns `true` if there were any. If `is_json` is `true`, `body`
    /// must be one JSON value, and is one afterwards.
    pub fn body(&self, body: &mut Vec<u8>, is_json: bool) -> bool {
        let masked = self.masked(body, is_json);
        let is_changed = masked.is_some();
        if let Some(masked) = masked {
            *body = masked;
        }
        is_changed
    }

    fn masked(&self, text: &[u8], is_json: bool) -> Option<Vec<u8>> {
        let secrets = self.find_secrets(text, is_json);
        (!secrets.is_empty()).then(|| self.replace_secrets(text, &secrets))
    }

    /// Returns the text with the given secrets replaced by placeholders. `secrets` must be sorted.
    pub(crate) fn replace_secrets(&self, text: &[u8], secrets: &[SecretSpan]) -> Vec<u8> {
        self.salt.replace_secrets(text, secrets)
    }

    /// Returns the hash of a text, keyed with the salt of this masking.
    pub(crate) fn hash(&self, text: &[u8]) -> u64 {
        self.salt.hash(text)
    }

    /// Returns the byte ranges of all secrets in a text, sorted and without overlap.
    pub(crate) fn find_secrets(&self, text: &[u8], is_json: bool) -> Vec<SecretSpan> {
        let mut secrets = Vec::new();
        let finders = self.finders();
        if let Some(names) = &self.names {
            self.find_named_secrets(names, &finders.stems, text, 0..text.len(), &mut secrets);
        }
        if self.has_patterns {
            find_credentials(&finders.credentials, text, &mut secrets);
        }
        for pattern in &self.custom_patterns {
            custom_patterns::find(pattern, text, is_json, &mut secrets);
        }
        secret_span::merge(secrets)
    }

    fn finders(&self) -> &Finders {
        self.finders.get_or_init(|| {
            let stems: Vec<_> = self.names.iter().flat_map(Names::stems).collect();
            let credentials = if self.has_patterns { credentials::needles() } else { Vec::new() };
            Finders { stems: Needles::new(&stems), credentials: Needles::new(&credentials) }
        })
    }

    /// Searches a part of the text for sensitive names and adds the secrets in their values to `secrets`.
    fn find_named_secrets(
        &self,
        names: &Names,
        stems: &Needles,
        text: &[u8],
        part: Range<usize>,
        secrets: &mut Vec<SecretSpan>,
    ) {
        let text_of_part = &text[..part.end];
        let mut from = part.start;
        while let Some(at) = stems.find(text_of_part, from) {
            from = at + 1;
            let Some((name, whole)) = names::name_around(text_of_part, at) else { continue };
            from = from.max(name.end);
            let Some(kind) = names.kind(&text_of_part[name.clone()]) else { continue };
            if let Some(value) = value::scan_quoted(text_of_part, whole, name.end, kind, secrets) {
                for skipped in value.skipped {
                    self.find_named_secrets(names, stems, text, skipped, secrets);
                }
                from = from.max(value.end);
            } else {
                let in_header = header::find(text_of_part, &name, kind);
                let found = in_header.or_else(|| assignment::find(text_of_part, &name, kind));
                from = from.max(found.as_ref().map_or(0, |secret_span| secret_span.range.end));
                secrets.extend(found);
            }
        }
    }
}

fn find_credentials(needles: &Needles, text: &[u8], secrets: &mut Vec<SecretSpan>) {
    let mut from = 0;
    while let Some(at) = needles.find(text, from) {
        let found = credentials::find_at(text, at);
        from = found.as_ref().map_or(at + 1, |secret_span| secret_span.range.end.max(at + 1));
        secrets.extend(found);
    }
}

impl Redactor for Masking {
    fn redact(&self, _: PayloadKind, body: &mut Vec<u8>, is_json: bool) {
        self.body(body, is_json);
    }

    fn redact_text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        self.text(text)
    }
}
