//! Masking: what is built in.

mod assignment;
mod credentials;
mod custom_patterns;
mod header;
mod line;
mod names;
mod needles;
mod salt;
mod secret_span;
mod value;
mod word;

use std::borrow::Cow;
use std::ops::Range;
use std::sync::OnceLock;

pub use custom_patterns::PatternError;
use names::Names;
use needles::Needles;
use regex::bytes::Regex;
use salt::Salt;
pub(super) use secret_span::Spot;

use super::Redactor;
use super::event_text::Said;
use crate::event::PayloadKind;

/// Puts placeholders in the place of secrets: `[masked:<what it looks like>:<12 hexadecimal digits>]`.
///
/// A secret has the same placeholder wherever it stands, in bodies of any kind and in what events say, however often it
/// is escaped. The digits are of a keyed hash whose key is in memory alone, so that nobody can try guesses; another
/// `Masking` has another key, unless it is [given](Self::salt).
///
/// JSON stays JSON of the same structure, also within JSON text; a number that is a secret becomes a text. A body
/// without secrets stays as it is, byte for byte. A placeholder is never masked again.
///
/// # What is masked
/// - Always: the values of fields and headers with sensitive names (`authorization`, `x-api-key`, `cookie`,
///   `set-cookie`, `password`, `client_secret`, `refresh_token`, `private_key` … and names that end like that, in any
///   spelling). Where they stand decides what must be there for a value to be one:
///
///   | where | masked |
///   | --- | --- |
///   | JSON, also within text; `["name", "value"]` and `{"name": …, "value": …}` of headers and variables | whatever it is; of an object all texts and numbers, but for those that describe a parameter in a tool's schema |
///   | header lines and `-H`, of names with a `-` | one word, or one with digits or capitals in it; `Bearer` and other schemes stay |
///   | `--name=value`, `--name value`; `NAME=value`; `?name=value`, `&name=value`, `;name=value` | whatever it is but a place, a call, or what is to be filled in; without `=` what is quoted or has digits or capitals |
///   | `name: value` and `name = value` in settings, programs and sentences | a word with digits or signs in it that is no name, type, place or call |
///
/// - The program's own [names](Self::name) likewise, and as a header whatever follows to the end of the line.
/// - With [`patterns`](Self::patterns): what looks like a credential, wherever it stands.
/// - The program's own [patterns](Self::pattern).
///
/// # What is not
/// A secret that is cut in two, as by a stream that sends it in pieces, or encoded (base64, say) is not found. Nor is one
/// that only a sentence tells, without a sign (`the password is …`), or one of plain words where it could be prose
/// (`password: correct horse`) or a name of a program.
///
/// ```
/// use otel_trace::{Masking, Recorder};
///
/// let masking = Masking::new().patterns().name("x-tenant").pattern(r"\bACME-[0-9]{8}\b")?;
/// let builder = Recorder::builder().root("traces").mask(masking);
/// # drop(builder);
/// # Ok::<(), otel_trace::bundle::PatternError>(())
/// ```
#[derive(Debug)]
pub struct Masking {
    salt: Salt,
    /// None where nothing is masked.
    names: Option<Names>,
    has_patterns: bool,
    own: Vec<Regex>,
    finders: OnceLock<Finders>,
}

/// What to look for first. Made when it is first needed.
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
    /// Masks the values of sensitive names.
    pub fn new() -> Self {
        let (salt, names, finders) = (Salt::random(), Some(Names::default()), OnceLock::new());
        Self { salt, names, has_patterns: false, own: Vec::new(), finders }
    }

    /// Masks nothing, authorization headers neither.
    pub fn off() -> Self {
        Self { names: None, ..Self::new() }
    }

    /// Masks what looks like a credential: keys of model providers and clouds, tokens of GitHub, GitLab, Slack, npm and
    /// others, bearer tokens, JSON web tokens, private keys, passwords in URLs and keys in connection strings.
    #[must_use]
    pub fn patterns(mut self) -> Self {
        self.has_patterns = true;
        self.finders = OnceLock::new();
        self
    }

    /// Masks the value of this name too, of a field, a header, an option or a variable. In any spelling: `x-tenant` is
    /// `X_TENANT` and `xTenant` as well. What a line begins with it for is masked to its end, program text too.
    #[must_use]
    pub fn name(mut self, name: &str) -> Self {
        self.names.get_or_insert_default().add(name);
        self.finders = OnceLock::new();
        self
    }

    /// Masks what this regular expression matches too; its first group, where it has one. It is tried on text as it
    /// stands in the body, escapes included, and each match is looked at from the one before on.
    ///
    /// # Errors
    /// [`PatternError`] says why it is none.
    pub fn pattern(mut self, pattern: &str) -> Result<Self, PatternError> {
        self.own.push(custom_patterns::compiled(pattern)?);
        Ok(self)
    }

    /// The key of the hash, of random bytes: recordings that have the same one give a secret the same placeholder. Keep
    /// it as you keep the secrets.
    #[must_use]
    pub fn salt(mut self, salt: [u8; 16]) -> Self {
        self.salt = Salt::given(salt);
        self
    }

    /// Masks a text. Costs one look at it where there is nothing to mask.
    pub fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        self.said(Said::Words(text))
    }

    /// Masks what an event says.
    pub(super) fn said<'a>(&self, said: Said<'a>) -> Cow<'a, str> {
        let text = said.as_str();
        match self.masked(text.as_bytes(), matches!(said, Said::Json(_))) {
            None => Cow::Borrowed(text),
            Some(masked) => Cow::Owned(
                String::from_utf8(masked)
                    .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()),
            ),
        }
    }

    /// Masks a body in place. Says whether there was anything to mask. `is_json` says whether it is one JSON value; it
    /// stays one.
    pub fn body(&self, body: &mut Vec<u8>, is_json: bool) -> bool {
        let masked = self.masked(body, is_json);
        let is_changed = masked.is_some();
        if let Some(masked) = masked {
            *body = masked;
        }
        is_changed
    }

    fn masked(&self, text: &[u8], is_json: bool) -> Option<Vec<u8>> {
        let spots = self.spots(text, is_json);
        (!spots.is_empty()).then(|| self.without(text, &spots))
    }

    /// The text with placeholders in these places, which are in order.
    pub(super) fn without(&self, text: &[u8], spots: &[Spot]) -> Vec<u8> {
        secret_span::without(text, spots, &self.salt)
    }

    /// A keyed hash of a text.
    pub(super) fn hash(&self, text: &[u8]) -> u64 {
        self.salt.hash(text)
    }

    /// Where the secrets are, in order.
    pub(super) fn spots(&self, text: &[u8], is_json: bool) -> Vec<Spot> {
        let mut spots = Vec::new();
        let finders = self.finders();
        if let Some(names) = &self.names {
            self.find_named(names, &finders.stems, text, 0..text.len(), &mut spots);
        }
        if self.has_patterns {
            find_credentials(&finders.credentials, text, &mut spots);
        }
        for pattern in &self.own {
            custom_patterns::find(pattern, text, is_json, &mut spots);
        }
        secret_span::merged(spots)
    }

    fn finders(&self) -> &Finders {
        self.finders.get_or_init(|| {
            let stems: Vec<_> = self.names.iter().flat_map(Names::stems).collect();
            let credentials = if self.has_patterns { credentials::needles() } else { Vec::new() };
            Finders { stems: Needles::new(&stems), credentials: Needles::new(&credentials) }
        })
    }

    /// Looks for sensitive names, and for what they say of.
    fn find_named(&self, names: &Names, stems: &Needles, text: &[u8], part: Range<usize>, spots: &mut Vec<Spot>) {
        let text_of_part = &text[..part.end];
        let mut from = part.start;
        while let Some(at) = stems.find(text_of_part, from) {
            from = at + 1;
            let Some((name, whole)) = names::name_around(text_of_part, at) else { continue };
            from = from.max(name.end);
            let Some(kind) = names.kind(&text_of_part[name.clone()]) else { continue };
            if let Some(found) = value::quoted(text_of_part, whole, name.end, kind, spots) {
                for passed in found.passed {
                    self.find_named(names, stems, text, passed, spots);
                }
                from = from.max(found.end);
            } else {
                let of_header = header::find(text_of_part, &name, kind);
                let found = of_header.or_else(|| assignment::find(text_of_part, &name, kind));
                from = from.max(found.as_ref().map_or(0, |spot| spot.range.end));
                spots.extend(found);
            }
        }
    }
}

fn find_credentials(needles: &Needles, text: &[u8], spots: &mut Vec<Spot>) {
    let mut from = 0;
    while let Some(at) = needles.find(text, from) {
        let found = credentials::at(text, at);
        from = found.as_ref().map_or(at + 1, |spot| spot.range.end.max(at + 1));
        spots.extend(found);
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
