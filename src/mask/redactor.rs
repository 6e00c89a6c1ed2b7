//! Masking by code of the program, applied to each payload and to the texts of events before they are written.

use std::any::Any;
use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::event::PayloadKind;

/// Removes confidential data from payloads and event texts, by rules that [`Masking`](super::Masking) does not have.
///
/// A redactor runs before the built-in masking, after a payload is encoded and before it is truncated and stored.
///
/// If a redactor panics, the payload or text is not written, because it might not be redacted.
pub trait Redactor: Send + Sync {
    /// Redacts a payload in place. If `is_json` is `true`, `body` is one JSON value and must stay one.
    fn redact(&self, kind: PayloadKind, body: &mut Vec<u8>, is_json: bool);

    /// Redacts a text that is part of an event, such as the arguments in a tool call's preview, an error, a reason, a
    /// script or a message. A recorder does not call it for ids, nor for the names of models, tools and agents.
    ///
    /// The default implementation passes the text to [`redact`](Self::redact) like a payload of kind
    /// [`PayloadKind::ProtocolEvent`] that is not JSON.
    fn redact_text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut bytes = text.as_bytes().to_vec();
        self.redact(PayloadKind::ProtocolEvent, &mut bytes, false);
        if bytes == text.as_bytes() {
            return Cow::Borrowed(text);
        }
        Cow::Owned(String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into()))
    }
}

/// Redacts a text by a redactor of the program. Borrows the text only if the redactor returned the whole of it: a redactor
/// may borrow another text, or a part.
///
/// # Errors
/// Returns the payload of the panic if the redactor panics.
pub(crate) fn redact_text<'a>(redactor: &dyn Redactor, text: &'a str) -> Result<Cow<'a, str>, Box<dyn Any + Send>> {
    let redacted = catch_unwind(AssertUnwindSafe(|| redactor.redact_text(text)))?;
    Ok(match redacted {
        Cow::Borrowed(other) if other != text => Cow::Owned(other.to_owned()),
        Cow::Borrowed(_) => Cow::Borrowed(text),
        Cow::Owned(other) => Cow::Owned(other),
    })
}
