//! Why an item can't be read.

/// What makes an item unreadable.
pub(super) type Why = &'static str;

pub(super) const UNREADABLE: Why = "it holds a value that can't be read: nested too deep, or no valid text or number";
