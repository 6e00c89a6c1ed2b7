//! The lists of requests in `state.json`: [`Snapshots`].

/// The form in which `state.json` lists the items of requests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Snapshots {
    /// Every request lists all of its items. The size of the file grows with the square of the session's length.
    #[default]
    Expanded,
    /// A request refers to an earlier call with which it shares a prefix, and lists only the items that follow. The
    /// size of the file is linear in the size of the bundle.
    Shared,
}
