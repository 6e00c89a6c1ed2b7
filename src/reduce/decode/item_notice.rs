//! Peculiarities of decoded items that are reported as diagnostics.

/// A peculiarity of a decoded item that is reported as a diagnostic.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::reduce) enum ItemNotice {
    /// The type of the item is unknown; the item is kept as JSON. Contains the type.
    UnknownType(Box<str>),
    /// The item is a tool call, or the output of one, and lacks the id that would link the two.
    CallWithoutId,
    /// The item is a reference. It is reported if no item of the conversation has its id. Contains the id.
    UnknownReference(Box<str>),
}
