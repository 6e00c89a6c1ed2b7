//! Peculiarities of decoded items that are reported as diagnostics.

/// A peculiarity of a decoded item that a reader of the graph should know about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::reduce) enum ItemNotice {
    /// The item is of this type, which format 1 does not define; it is kept as JSON.
    UnknownType(Box<str>),
    /// The item is a call or the output of a call, and lacks the id that would link the two.
    CallWithoutId,
}
