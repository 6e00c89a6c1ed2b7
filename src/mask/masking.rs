//! The built-in masking: which searches run over a text, and in what order.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::OnceLock;

use regex::bytes::Regex;

use super::custom_patterns::PatternError;
use super::event_text::EventText;
use super::harmless::is_harmless;
use super::names::Names;
use super::needles::{AnyNeedle, Needles};
use super::nesting::Nesting;
use super::redactor::Redactor;
use super::salt::Salt;
use super::secret_span::{Place, SecretSpan};
use super::site::Site;
use super::surroundings::Surroundings;
use super::value::QuotedName;
use super::{assignment, command, credentials, custom_patterns, id_member, names, secret_span};
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
#[doc = include_str!("../../docs/masking.md")]
///
/// ```
/// use otel_trace::{Masking, Recorder};
///
/// let masking = Masking::new().name("x-tenant").pattern(r"\bACME-[0-9]{8}\b")?;
/// let builder = Recorder::builder().root("traces").mask(masking);
/// # drop(builder);
/// # Ok::<(), otel_trace::PatternError>(())
/// ```
#[derive(Debug)]
pub struct Masking {
    salt: Salt,
    /// `None` if no values of sensitive names are masked.
    names: Option<Names>,
    custom_patterns: Vec<Regex>,
    finders: OnceLock<Finders>,
}

/// The searches that find candidates. Built on first use.
#[derive(Debug)]
struct Finders {
    any: AnyNeedle,
    /// Finds built-in names.
    stems: Needles,
    /// Finds the names that the program added.
    own_stems: Needles,
    credentials: [Needles; 2],
    commands: Needles,
}

impl Default for Masking {
    fn default() -> Self {
        Self::new()
    }
}

impl Masking {
    /// Creates the default masking: values of sensitive names, and credentials with a known beginning.
    pub fn new() -> Self {
        let (salt, names, finders) = (Salt::random(), Some(Names::default()), OnceLock::new());
        Self { salt, names, custom_patterns: Vec::new(), finders }
    }

    /// Creates the masking of text that is put together from recorded pieces, afterwards: all built-in forms. The hash
    /// in its placeholders is 0, because a reader has no secret key, and anyone could test guesses against a hash with
    /// a known key.
    pub(crate) fn of_assembled_text() -> Self {
        Self { salt: Salt::none(), ..Self::new() }
    }

    /// Creates a disabled masking: nothing is masked, not even authorization headers.
    pub fn off() -> Self {
        Self { names: None, ..Self::new() }
    }

    /// Also masks the values of a field, header, option or variable of this name, in any spelling: `x-tenant` matches
    /// `X_TENANT` and `xTenant` as well. In a line that begins with the name and a colon the value reaches to the end of the
    /// line.
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
        let mut secrets = secret_span::merge(self.find_built_in(text));
        if !secrets.is_empty() {
            id_member::mark(text, self.names.as_ref().unwrap_or(&Names::default()), &mut secrets);
        }
        if self.custom_patterns.is_empty() {
            return secrets;
        }
        for pattern in &self.custom_patterns {
            custom_patterns::find(pattern, text, is_json, &mut secrets);
        }
        secret_span::merge(secrets)
    }

    /// Returns the byte ranges of the secrets that the built-in forms and the names find, in any order.
    fn find_built_in(&self, text: &[u8]) -> Vec<SecretSpan> {
        let mut secrets = Vec::new();
        let finders = self.finders();
        if let Some(names) = self.names.as_ref().filter(|_| finders.any.may_be_in(text)) {
            for stems in [&finders.stems, &finders.own_stems] {
                find_named_secrets(names, stems, text, Part::whole(text), &mut secrets);
            }
            for needles in &finders.credentials {
                find_credentials(needles, text, &mut secrets);
            }
            find_in_commands(&finders.commands, text, &mut secrets);
        }
        secrets
    }

    /// Masks an id. Returns `None` if it has no secret. An id has the same result here and in each JSON member that is an
    /// id. The patterns of the program are not searched for: ids link objects.
    pub(crate) fn id(&self, id: &str) -> Option<String> {
        let secrets = self.find_in_id(id.as_bytes());
        let masked = (!secrets.is_empty()).then(|| self.replace_secrets(id.as_bytes(), &secrets))?;
        Some(String::from_utf8_lossy(&masked).into_owned())
    }

    /// Masks the id at the end of the name of a bundle's directory. Returns `None` if it has no secret.
    pub(crate) fn directory(&self, name: &str) -> Option<String> {
        let secrets: Vec<_> = self.find_in_directory(name.as_bytes()).collect();
        let masked = (!secrets.is_empty()).then(|| self.replace_secrets(name.as_bytes(), &secrets))?;
        Some(String::from_utf8_lossy(&masked).into_owned())
    }

    /// Returns the secrets in the id at the end of the name of a bundle's directory.
    pub(crate) fn find_in_directory(&self, name: &[u8]) -> impl Iterator<Item = SecretSpan> {
        // The id of the recording, a UUID, stands before the id: `trace-<uuid>-<id>`.
        let mut dashes = memchr::memchr_iter(b'-', name);
        let start = dashes.nth(5).map_or(0, |dash| dash + 1);
        self.find_in_id(&name[start..]).into_iter().map(move |secret_span| secret_span.behind(start))
    }

    fn find_in_id(&self, id: &[u8]) -> Vec<SecretSpan> {
        let mut secrets = secret_span::merge(self.find_built_in(id));
        secrets.iter_mut().for_each(|secret_span| secret_span.place = Place::Id);
        secrets
    }

    fn finders(&self) -> &Finders {
        self.finders.get_or_init(|| {
            let own = self.names.iter().flat_map(Names::own_stems).collect::<Vec<_>>();
            let credentials = credentials::needles();
            let all = [names::stems(), own.clone(), command::needles(), credentials.concat()].concat();
            Finders {
                any: AnyNeedle::new(&all),
                stems: Needles::new(&names::stems()),
                own_stems: Needles::new(&own),
                credentials: credentials.map(|needles| Needles::new(&needles)),
                commands: Needles::new(&command::needles()),
            }
        })
    }
}

/// A part of a text that is searched, and how many JSON strings it stands in.
struct Part {
    range: Range<usize>,
    depth: u32,
}

impl Part {
    fn whole(text: &[u8]) -> Self {
        Self { range: 0..text.len(), depth: 0 }
    }
}

/// Searches a part of the text for sensitive names and adds the secrets in their values to `secrets`.
fn find_named_secrets(names: &Names, stems: &Needles, text: &[u8], part: Part, secrets: &mut Vec<SecretSpan>) {
    let text = &text[..part.range.end];
    let mut around = Surroundings::from(part.range.start, part.depth);
    let mut from = part.range.start;
    while let Some(at) = stems.find(text, from) {
        let (end, found) = names::name_around(text, at);
        from = end.max(at + 1);
        let Some((name, path_start)) = found else { continue };
        let Some(kind) = names.kind(&text[name.clone()]) else { continue };
        let is_single = text.get(name.end) == Some(&b'\'');
        let depth = if is_single { around.nesting.depth_at(text, name.start) } else { part.depth };
        let quoted = QuotedName { text, name: name.clone(), path_start, kind, names, depth };
        if let Some(value) = quoted.scan(secrets) {
            for range in value.skipped {
                let depth = value.level.depth() + 1;
                find_named_secrets(names, stems, text, Part { range, depth }, secrets);
            }
            from = from.max(value.end);
        } else if assignment::may_assign(text, &name) {
            let depth = around.nesting.depth_at(text, name.start);
            let found = assignment::find(&Site { text, name, kind, names, depth }, &mut around);
            from = from.max(found.as_ref().map_or(0, |secret_span| secret_span.range.end));
            secrets.extend(found);
        }
    }
}

fn find_credentials(needles: &Needles, text: &[u8], secrets: &mut Vec<SecretSpan>) {
    let mut from = 0;
    while let Some(at) = needles.find(text, from) {
        let found = credentials::find_near(text, at);
        from = found.as_ref().map_or(at + 1, |secret_span| secret_span.range.end.max(at + 1));
        secrets.extend(found);
    }
}

/// Finds the passwords that commands are given in options of one letter.
fn find_in_commands(needles: &Needles, text: &[u8], secrets: &mut Vec<SecretSpan>) {
    let mut nesting = Nesting::default();
    let mut next = needles.find(text, 0);
    while let Some(at) = next {
        next = needles.find(text, at + 1);
        let arguments = at..next.unwrap_or(text.len());
        let depth = nesting.depth_at(text, at);
        let found = command::user_password(text, arguments, depth);
        secrets
            .extend(found.filter(|range| !is_harmless(&text[range.clone()], &Names::default())).map(SecretSpan::text));
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
