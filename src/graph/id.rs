//! Ids that the reducer assigns: numbers for objects without an id in the log, and names for objects whose ids in the
//! log are unique only within a thread.

use std::fmt;
use std::sync::Arc;

use serde::{Serialize, Serializer};

use crate::event::{CallId, EdgeId, RuntimeCellId, ThreadId, ToolCallId, text_newtype};

/// The id of a conversation item, `conversation_item:<n>`. Items are numbered from 1 in order of creation, over the
/// whole bundle.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ItemId(u32);

/// The id of a terminal operation, `terminal_operation:<n>`. Operations are numbered from 1 in order of creation, over
/// the whole bundle.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OperationId(u32);

macro_rules! numbered {
    ($($name:ident = $prefix:literal;)*) => {$(
        impl $name {
            /// Returns the id of the object at `index` (from 0) in the graph's list of such objects.
            pub(crate) fn from_index(index: usize) -> Self {
                Self(u32::try_from(index).unwrap_or(u32::MAX))
            }

            /// Returns the index (from 0) of the object in the graph's list of such objects.
            pub(crate) fn index(self) -> usize {
                self.0 as usize
            }

            /// Returns the number in the id, from 1.
            pub fn number(self) -> u64 {
                u64::from(self.0) + 1
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.number())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    )*};
}

numbered! {
    ItemId = "conversation_item:";
    OperationId = "terminal_operation:";
}

/// The id of a code cell: `code_cell:<call id>`, or `code_cell:<thread>:<call id>` if the shorter id is taken by an
/// earlier cell, of another thread. If several calls of a thread have the call id, `#<n>` follows for the nth cell,
/// from the second on.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct CellId(Arc<str>);

/// The id of a terminal session: its process id, or `<thread>:<process id>` if the shorter id is taken by an earlier
/// session, of another thread.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct TerminalId(Arc<str>);

/// The id that a provider gave a conversation item, by which later requests may refer to it. Not the id of a call.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct ProviderItemId(Arc<str>);

text_newtype!(CellId);
text_newtype!(TerminalId);
text_newtype!(ProviderItemId);

impl CellId {
    /// Returns the id `code_cell:<call id>` for the cell that a tool call started, with `#<nth>` behind it from the
    /// second cell on.
    pub(super) fn for_call(call: &CallId, nth: usize) -> Self {
        Self(format!("code_cell:{call}{}", ordinal(nth)).into())
    }

    /// Returns the id `code_cell:<thread>:<call id>` for the cell that a tool call started, with `#<nth>` behind it
    /// from the second cell on.
    pub(super) fn for_call_in_thread(thread: &ThreadId, call: &CallId, nth: usize) -> Self {
        Self(format!("code_cell:{thread}:{call}{}", ordinal(nth)).into())
    }

    /// Returns an id for a code cell that requested a tool call but has no start in the log. No object has this id.
    pub(crate) fn unknown(thread: &ThreadId, cell: &RuntimeCellId) -> Self {
        Self(format!("code_cell:runtime:{thread}:{cell}").into())
    }
}

impl TerminalId {
    /// Returns the id `<thread>:<process id>` for a terminal session.
    pub(crate) fn for_process_in_thread(thread: &ThreadId, process: &str) -> Self {
        Self(format!("{thread}:{process}").into())
    }
}

/// Returns the end of the id of the nth cell with one call id.
fn ordinal(nth: usize) -> String {
    if nth > 1 { format!("#{nth}") } else { String::new() }
}

/// Returns the id of the edge for the spawn of thread `child` by thread `parent`.
pub(crate) fn spawn_edge(parent: &ThreadId, child: &ThreadId) -> EdgeId {
    EdgeId::from(format!("edge:spawn:{parent}:{child}"))
}

/// Returns the id of the edge for a message or another interaction that a tool call caused.
pub(crate) fn tool_edge(tool: &ToolCallId) -> EdgeId {
    EdgeId::from(format!("edge:tool:{tool}"))
}
