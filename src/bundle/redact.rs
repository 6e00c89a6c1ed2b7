//! Masking: the second step of a body's way to the disk.

use crate::event::PayloadKind;

/// Takes out of a body what must not be kept. Runs after a body is encoded and before it is limited and stored.
///
/// A redactor that panics costs the body: what might not be masked is not written.
pub trait Redact: Send + Sync {
    /// Changes `body` in place. `is_json` says whether it is one JSON value; then it must stay one.
    fn redact(&self, kind: PayloadKind, body: &mut Vec<u8>, is_json: bool);
}
