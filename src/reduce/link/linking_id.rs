//! The ids by which tool calls are linked to their items: [`LinkingId`].

use std::collections::HashSet;

use super::visible::VisibleCalls;
use crate::event::{CallId, ThreadId};
use crate::graph::{Requester, ToolCall};
use crate::reduce::fold::Conversations;
use crate::reduce::tool_name::spelled_name;

/// The id by which a tool call is linked to its items.
pub(super) struct LinkingId {
    pub(super) call_id: CallId,
    /// `true` if the tool call has an id that its client made up, so that no item has it.
    pub(super) is_made_up: bool,
}

/// Returns the id by which a tool call is linked to its items: the id of the call that it runs, else the name of the
/// tool, which the items of calls without ids have in common with it.
///
/// The name also counts for a tool call with an id that no item of its thread has, if the calls of this name have no ids:
/// the client made the id up. In a thread with lost responses, the id may be that of a call in one of them.
pub(super) fn linking_id(
    tool: &ToolCall,
    visible_calls: &VisibleCalls,
    conversations: &Conversations,
    lossy: &HashSet<ThreadId>,
) -> Option<LinkingId> {
    let is_from_model = matches!(tool.requester, Requester::Model);
    let name = spelled_name(tool.label.as_deref(), &tool.kind).filter(|_| is_from_model).map(CallId::from);
    let Some(given) = tool.model_visible_call_id.clone() else {
        return name.map(|call_id| LinkingId { call_id, is_made_up: false });
    };
    let key = |call_id: &CallId| (tool.thread_id.clone(), call_id.clone());
    let is_unknown = visible_calls.with_id(&key(&given)).is_none() && !lossy.contains(&tool.thread_id);
    let by_name = name.filter(|_| is_unknown).filter(|name| {
        visible_calls.with_id(&key(name)).is_some_and(|calls| calls.first_call_has_no_id(conversations))
    });
    Some(match by_name {
        Some(call_id) => LinkingId { call_id, is_made_up: true },
        None => LinkingId { call_id: given, is_made_up: false },
    })
}
