//! The runtime events of tools that act on agents, and what they tell of an edge.

use crate::event::{EdgeId, RawPayloadId, ThreadId};
use crate::graph::ToolCall;
use crate::reduce::decode::{Logged, ToolFact};

/// A runtime event of a tool that acts on agents.
pub(super) struct RuntimeEvent<'a> {
    pub(super) at: &'a Logged<ToolFact>,
    pub(super) payload_id: &'a RawPayloadId,
    pub(super) tool: &'a ToolCall,
    /// The event that started the tool call.
    pub(super) start: Option<&'a Logged<ToolFact>>,
    /// `true` if the runtime ends with the event, `false` if it starts.
    pub(super) is_end: bool,
}

/// The parts of a claimed edge that the runtime payload determines.
pub(super) struct EdgeDetails {
    pub(super) edge_id: EdgeId,
    pub(super) target: ThreadId,
    pub(super) text: Option<String>,
    pub(super) to_thread: bool,
}
