//! The names of tools and calls in threads with reused call ids.

use std::collections::HashMap;

use super::visible::VisibleCalls;
use crate::event::ThreadId;
use crate::graph::ToolCall;
use crate::reduce::fold::{Conversations, Tools};
use crate::reduce::tool_name::{NamesInThread, ToolName, ToolNameMatch};

/// The names of tools and calls in each thread with reused call ids.
#[derive(Debug, Default)]
pub(super) struct ToolNames<'a>(HashMap<&'a ThreadId, NamesInThread>);

impl<'a> ToolNames<'a> {
    pub(super) fn new(tools: &'a Tools, conversations: &'a Conversations, visible_calls: &'a VisibleCalls) -> Self {
        let threads = visible_calls.reused().map(|((thread, _), _)| (thread, NamesInThread::default()));
        let mut threads: HashMap<_, _> = threads.collect();
        if threads.is_empty() {
            return Self::default();
        }
        for item in conversations.items.iter().filter(|item| item.content.kind.is_call()) {
            let Some(names) = threads.get_mut(&item.thread_id) else { continue };
            let Some(name) = item.content.name.as_deref() else { continue };
            ToolName::of_call(item.content.namespace.as_deref(), name).iter().for_each(|name| names.add_call(name));
        }
        for tool in tools.calls.iter() {
            if let Some(in_thread) = threads.get_mut(&tool.thread_id) {
                in_thread.add_tool(&names(tool));
            }
        }
        Self(threads)
    }

    /// Returns the names that the call of a tool may have. Returns `None` if it may have any name.
    pub(super) fn of_tool(&self, tool: &ToolCall) -> Option<ToolNameMatch> {
        self.0.get(&tool.thread_id)?.of_tool(&names(tool))
    }
}

/// Returns the names that a tool may have.
fn names(tool: &ToolCall) -> Vec<ToolName> {
    ToolName::of_tool(tool.label.as_deref(), &tool.kind)
}
