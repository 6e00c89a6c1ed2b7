//! The errors of items that cannot be decoded.

use crate::provider::UndecodableText;

/// The reason why an item cannot be decoded: a clause about the item.
pub(super) type DecodeError = &'static str;

/// Reason for an item with a value that cannot be decoded.
pub(super) const UNREADABLE_VALUE: DecodeError =
    "it contains a value that cannot be read: nested too deep, or not a valid text or number";

impl From<UndecodableText> for DecodeError {
    fn from(UndecodableText: UndecodableText) -> Self {
        UNREADABLE_VALUE
    }
}
