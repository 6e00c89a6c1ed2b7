//! The rules of a recorder for texts that leave the process without being written: [`Rules`].

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use super::event_text::EventText;
use super::masking::Masking;
use super::redactor::{Redactor, redact_text};

/// Text in place of one on which the program's redactor panicked: it might hold what the redactor removes.
const LOST: &str = "otel_trace.lost: the redactor panicked";

/// The rules by which a recorder masks texts: the redactor of the program, then the built-in masking.
#[derive(Clone)]
pub(crate) struct Rules {
    redactor: Option<Arc<dyn Redactor>>,
    masking: Arc<Masking>,
}

impl Rules {
    pub(crate) fn new(redactor: Option<Arc<dyn Redactor>>, masking: Arc<Masking>) -> Self {
        Self { redactor, masking }
    }

    /// Returns `true` if both are the rules of one recorder.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.masking, &other.masking)
    }

    /// Masks a text. Borrows the text if the rules change nothing. Runs code of the program ([`Redactor::redact_text`]), so
    /// the caller must hold no lock.
    pub(crate) fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        self.apply(text, |text| EventText::Plain(text))
    }

    /// Masks a JSON value. The result is no JSON if the redactor makes it none. Borrows the value if the rules change
    /// nothing. Runs code of the program ([`Redactor::redact_text`]), so the caller must hold no lock.
    pub(crate) fn json<'a>(&self, json: &'a str) -> Cow<'a, str> {
        self.apply(json, |text| EventText::Json(text))
    }

    fn apply<'a>(&self, text: &'a str, form: for<'t> fn(&'t str) -> EventText<'t>) -> Cow<'a, str> {
        match self.redacted(text) {
            Cow::Borrowed(text) => self.masking.mask_event_text(form(text)),
            Cow::Owned(text) => Cow::Owned(self.masking.mask_event_text(form(&text)).into_owned()),
        }
    }

    fn redacted<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let Some(redactor) = &self.redactor else { return Cow::Borrowed(text) };
        redact_text(&**redactor, text).unwrap_or_else(|_| Cow::Owned(LOST.to_owned()))
    }
}

impl From<Masking> for Rules {
    fn from(masking: Masking) -> Self {
        Self::new(None, Arc::new(masking))
    }
}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rules").finish_non_exhaustive()
    }
}
