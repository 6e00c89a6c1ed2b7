//! What is odd about an item that could be read.

/// What a reader of the graph should know of an item, whoever sends it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::reduce) enum Oddity {
    /// It is of this type, which format 1 does not have; it is kept as JSON.
    UnknownType(Box<str>),
    /// It is a call, or the answer to one, and lacks the id that would link the two.
    CallWithoutId,
}
