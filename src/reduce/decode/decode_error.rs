//! The errors of items that cannot be decoded.

use crate::provider::UndecodableText;

/// The reason why a conversation item cannot be decoded, as a clause about the item: "it is not JSON".
pub(super) type DecodeError = &'static str;

/// The reason for an item with a JSON value that cannot be decoded.
pub(super) const UNREADABLE_VALUE: DecodeError =
    "it contains a value that cannot be read: nested too deep, or not a valid text or number";

impl From<UndecodableText> for DecodeError {
    fn from(UndecodableText: UndecodableText) -> Self {
        UNREADABLE_VALUE
    }
}
