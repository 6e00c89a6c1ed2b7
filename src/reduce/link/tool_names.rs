//! The names of tools, as far as they can be compared with the names in calls.

use std::collections::HashSet;

use super::visible::VisibleCalls;
use crate::event::ThreadId;
use crate::graph::{Item, ToolCall};
use crate::reduce::fold::{Conversations, Tools};
use crate::reduce::requested_calls::ToolName;

/// The names that calls have in threads with reused call ids.
#[derive(Debug, Default)]
pub(super) struct ToolNames<'a> {
    of_calls: HashSet<(&'a ThreadId, ToolName)>,
    /// Threads in which some tool has the name of a call. In other threads the labels of tools are for people.
    comparable: HashSet<&'a ThreadId>,
}

impl<'a> ToolNames<'a> {
    pub(super) fn new(tools: &'a Tools, conversations: &'a Conversations, visible_calls: &'a VisibleCalls) -> Self {
        let threads: HashSet<_> = visible_calls.reused().map(|((thread, _), _)| thread).collect();
        if threads.is_empty() {
            return Self::default();
        }
        let name = |item: &'a Item| {
            let name = item.content.name.as_deref().filter(|_| item.content.kind.is_call())?;
            Some((&item.thread_id, ToolName::parse(name)?))
        };
        let items = conversations.items.iter().filter(|item| threads.contains(&item.thread_id));
        let of_calls: HashSet<_> = items.filter_map(name).collect();
        let is_comparable = |tool: &&ToolCall| names(tool).any(|name| of_calls.contains(&(&tool.thread_id, name)));
        let comparable = tools.calls.iter().filter(is_comparable).map(|tool| &tool.thread_id).collect();
        Self { of_calls, comparable }
    }

    /// Returns the name of a tool. Returns `None` if it has none or if it cannot be compared with the names in calls.
    pub(super) fn of_tool(&self, tool: &ToolCall) -> Option<ToolName> {
        let is_of_call = |name: &ToolName| self.of_calls.contains(&(&tool.thread_id, name.clone()));
        let own = || names(tool).find(is_of_call).or_else(|| names(tool).next());
        self.comparable.contains(&tool.thread_id).then(own).flatten()
    }
}

/// Returns the names that a tool may have.
fn names(tool: &ToolCall) -> impl Iterator<Item = ToolName> {
    ToolName::of_tool(tool.label.as_deref(), &tool.kind)
}
