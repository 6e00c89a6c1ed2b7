//! The kinds of lists that are matched against histories: [`ListKind`].

/// The kind of a list that is matched against a history.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum ListKind {
    /// A request that may repeat an earlier one, as a retry does.
    Request,
    /// A request that begins a turn: its last item is a message that the user wrote after the latest response.
    BeginsTurn,
    /// The history before a compaction.
    Checkpoint,
}
