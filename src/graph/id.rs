//! Ids that the reducer gives: numbered handles for what no producer names, names for what is told apart by thread.

use std::fmt;
use std::sync::Arc;

use serde::{Serialize, Serializer};

use crate::event::{CallId, EdgeId, RuntimeCellId, ThreadId, ToolCallId, text_newtype};

/// A conversation item, `conversation_item:<n>`: numbered from 1 in order of creation, over the whole bundle.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ItemId(u32);

/// A terminal operation, `terminal_operation:<n>`: numbered from 1 in order of creation, over the whole bundle.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OperationId(u32);

macro_rules! numbered {
    ($($name:ident = $prefix:literal;)*) => {$(
        impl $name {
            /// The id of what stands at this place of its table.
            pub(crate) fn at(index: usize) -> Self {
                Self(u32::try_from(index).unwrap_or(u32::MAX))
            }

            /// The place in its table.
            pub(crate) fn index(self) -> usize {
                self.0 as usize
            }

            /// The number, from 1.
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

/// A code cell, `code_cell:<call id>`; `code_cell:<thread>:<call id>` where an earlier cell of another thread has that.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct CellId(Arc<str>);

/// A terminal session: its process id, `<thread>:<process id>` where an earlier session of another thread has that.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct TerminalId(Arc<str>);

text_newtype!(CellId);
text_newtype!(TerminalId);

impl CellId {
    pub(crate) fn of_call(call: &CallId) -> Self {
        Self(format!("code_cell:{call}").into())
    }

    pub(crate) fn of_call_in(thread: &ThreadId, call: &CallId) -> Self {
        Self(format!("code_cell:{thread}:{call}").into())
    }

    /// What a tool says asked for it where no such cell is known. Names no object.
    pub(crate) fn unknown(thread: &ThreadId, cell: &RuntimeCellId) -> Self {
        Self(format!("code_cell:runtime:{thread}:{cell}").into())
    }
}

impl TerminalId {
    pub(crate) fn of_process_in(thread: &ThreadId, process: &str) -> Self {
        Self(format!("{thread}:{process}").into())
    }
}

/// The edge by which `parent` made `child`.
pub(crate) fn spawn_edge(parent: &ThreadId, child: &ThreadId) -> EdgeId {
    EdgeId::from(format!("edge:spawn:{parent}:{child}"))
}

/// The edge that a tool call made.
pub(crate) fn tool_edge(tool: &ToolCallId) -> EdgeId {
    EdgeId::from(format!("edge:tool:{tool}"))
}
