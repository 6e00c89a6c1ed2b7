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
            /// Returns the id of the object at an index of its table.
            pub(crate) fn from_index(index: usize) -> Self {
                Self(u32::try_from(index).unwrap_or(u32::MAX))
            }

            /// Returns the index of the object in its table.
            pub(crate) fn index(self) -> usize {
                self.0 as usize
            }

            /// Returns the number, from 1.
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

/// The id of a code cell: `code_cell:<call id>`, or `code_cell:<thread>:<call id>` if an earlier cell of another thread
/// has the shorter id.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct CellId(Arc<str>);

/// The id of a terminal session: its process id, or `<thread>:<process id>` if an earlier session of another thread has
/// the shorter id.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct TerminalId(Arc<str>);

text_newtype!(CellId);
text_newtype!(TerminalId);

impl CellId {
    /// Returns the short id of the cell that a call started.
    pub(crate) fn for_call(call: &CallId) -> Self {
        Self(format!("code_cell:{call}").into())
    }

    /// Returns the long id of the cell that a call started.
    pub(crate) fn for_call_in_thread(thread: &ThreadId, call: &CallId) -> Self {
        Self(format!("code_cell:{thread}:{call}").into())
    }

    /// Returns the id of a requesting cell of which the log has no start. It refers to no object.
    pub(crate) fn unknown(thread: &ThreadId, cell: &RuntimeCellId) -> Self {
        Self(format!("code_cell:runtime:{thread}:{cell}").into())
    }
}

impl TerminalId {
    /// Returns the long id of a session.
    pub(crate) fn for_process_in_thread(thread: &ThreadId, process: &str) -> Self {
        Self(format!("{thread}:{process}").into())
    }
}

/// Returns the id of the edge by which `parent` spawned `child`.
pub(crate) fn spawn_edge(parent: &ThreadId, child: &ThreadId) -> EdgeId {
    EdgeId::from(format!("edge:spawn:{parent}:{child}"))
}

/// Returns the id of the edge that a tool call produced.
pub(crate) fn tool_edge(tool: &ToolCallId) -> EdgeId {
    EdgeId::from(format!("edge:tool:{tool}"))
}
