//! Masking by the program's own code: a step of a body's way to the disk, and of what events say.

use std::borrow::Cow;

use crate::event::PayloadKind;

/// Takes out what must not be kept, where the program knows better than [`Masking`](super::Masking) what that is.
/// Runs before it, after a body is encoded and before it is limited and stored.
///
/// A redactor that panics costs the body or the text: what might not be masked is not written.
pub trait Redactor: Send + Sync {
    /// Changes `body` in place. `is_json` says whether it is one JSON value; then it must stay one.
    fn redact(&self, kind: PayloadKind, body: &mut Vec<u8>, is_json: bool);

    /// What is written in place of a text that an event holds itself: the arguments that a tool's preview is made of,
    /// an error, a reason, a script, a message. Ids and the names of models, tools and agents are none.
    ///
    /// Unless it is overridden the text goes through [`redact`](Self::redact) like a body of kind
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
