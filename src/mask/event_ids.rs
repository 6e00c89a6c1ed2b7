//! The ids of events, for masking: a program may give an object a credential as its id.

use std::borrow::Cow;

use super::masking::Masking;
use crate::event::{
    Event, EventContext, ParentProcess, RequestInputMode, Requester, ThreadId, ToolCallId, ToolSummary, TurnId,
    UpstreamRequestId,
};

/// Returns the event with the secrets in its ids masked. Borrows the event if its ids have none. Ids of payloads, of runs and
/// of OpenTelemetry are not looked at: recorders generate them.
pub(super) fn mask_ids<'e>(event: Cow<'e, Event>, masking: &Masking) -> Cow<'e, Event> {
    let mut has_secret = false;
    for_each_id(&event, &mut |id| has_secret |= masking.id(id.text()).is_some());
    if !has_secret {
        return event;
    }
    let mut event = event.into_owned();
    for_each_id_mut(&mut event, &mut |id| {
        if let Some(masked) = masking.id(id.text()) {
            id.set(masked);
        }
    });
    Cow::Owned(event)
}

impl Masking {
    /// Returns the id with its secrets masked. Borrows the id if it has none.
    pub(crate) fn masked_id<'i, I: AsRef<str> + From<String> + Clone>(&self, id: &'i I) -> Cow<'i, I> {
        self.id(id.as_ref()).map_or(Cow::Borrowed(id), |masked| Cow::Owned(masked.into()))
    }

    /// Returns the context of an event with the secrets in its ids masked. Borrows the context if its ids have none.
    pub(crate) fn masked_context<'c>(&self, context: &'c EventContext) -> Cow<'c, EventContext> {
        let EventContext { thread_id, turn_id, span } = context;
        let thread = thread_id.as_ref().map(|id| self.masked_id::<ThreadId>(id));
        let turn = turn_id.as_ref().map(|id| self.masked_id::<TurnId>(id));
        if !matches!(thread, Some(Cow::Owned(_))) && !matches!(turn, Some(Cow::Owned(_))) {
            return Cow::Borrowed(context);
        }
        let (thread_id, turn_id) = (thread.map(Cow::into_owned), turn.map(Cow::into_owned));
        Cow::Owned(EventContext { thread_id, turn_id, span: span.clone() })
    }

    /// Returns the parent of a process with the secrets in its ids masked.
    pub(crate) fn masked_parent(&self, parent: ParentProcess) -> ParentProcess {
        let ParentProcess { thread_id, tool_call_id, child_thread_id, trace_id, bundle, depth } = parent;
        ParentProcess {
            thread_id: self.masked_id(&thread_id).into_owned(),
            tool_call_id: tool_call_id.map(|id: ToolCallId| self.masked_id(&id).into_owned()),
            child_thread_id: self.masked_id(&child_thread_id).into_owned(),
            bundle: self.directory(&bundle).unwrap_or(bundle),
            trace_id,
            depth,
        }
    }
}

/// A field of an event that holds an id, independent of the field's type.
trait IdField {
    fn text(&self) -> &str;
    fn set(&mut self, id: String);
}

impl<I: AsRef<str> + From<String>> IdField for I {
    fn text(&self) -> &str {
        self.as_ref()
    }

    fn set(&mut self, id: String) {
        *self = id.into();
    }
}

/// Generates the visitors of all id fields, shared and mutable, from one list.
macro_rules! ids {
    ($name:ident, $mode:ident $(, $mutable:tt)?) => {
        fn $name(event: &$($mutable)? Event, visit: &mut dyn FnMut(&$($mutable)? dyn IdField)) {
            match event {
                Event::RolloutStarted(e) => visit(&$($mutable)? e.root_thread_id),
                Event::ThreadStarted(e) => {
                    visit(&$($mutable)? e.thread_id);
                    if let Some(id) = &$($mutable)? e.conversation_id { visit(id) }
                }
                Event::ThreadEnded(e) => visit(&$($mutable)? e.thread_id),
                Event::TurnStarted(e) => {
                    visit(&$($mutable)? e.turn_id);
                    visit(&$($mutable)? e.thread_id);
                }
                Event::TurnEnded(e) => visit(&$($mutable)? e.turn_id),
                Event::InferenceStarted(e) => {
                    visit(&$($mutable)? e.inference_call_id);
                    visit(&$($mutable)? e.thread_id);
                    visit(&$($mutable)? e.turn_id);
                    let mode = &$($mutable)? e.request_input_mode;
                    if let Some(mode) = mode { $mode(mode, visit) }
                }
                Event::InferenceCompleted(e) => {
                    visit(&$($mutable)? e.inference_call_id);
                    if let Some(id) = &$($mutable)? e.response_id { visit(id) }
                    if let UpstreamRequestId::Given(id) = &$($mutable)? e.upstream_request_id { visit(id) }
                }
                Event::InferenceFailed(e) => {
                    visit(&$($mutable)? e.inference_call_id);
                    if let UpstreamRequestId::Given(id) = &$($mutable)? e.upstream_request_id { visit(id) }
                }
                Event::InferenceCancelled(e) => {
                    visit(&$($mutable)? e.inference_call_id);
                    if let UpstreamRequestId::Given(id) = &$($mutable)? e.upstream_request_id { visit(id) }
                }
                Event::ToolCallStarted(e) => {
                    visit(&$($mutable)? e.tool_call_id);
                    if let Some(id) = &$($mutable)? e.model_visible_call_id { visit(id) }
                    if let Some(id) = &$($mutable)? e.code_mode_runtime_tool_id { visit(id) }
                    if let Requester::CodeCell { runtime_cell_id } = &$($mutable)? e.requester { visit(runtime_cell_id) }
                    if let ToolSummary::Terminal { operation_id } = &$($mutable)? e.summary { visit(operation_id) }
                }
                Event::McpToolCallCorrelationAssigned(e) => {
                    visit(&$($mutable)? e.tool_call_id);
                    visit(&$($mutable)? e.mcp_call_id);
                }
                Event::ToolCallRuntimeStarted(e) => visit(&$($mutable)? e.tool_call_id),
                Event::ToolCallRuntimeEnded(e) => visit(&$($mutable)? e.tool_call_id),
                Event::ToolCallEnded(e) => visit(&$($mutable)? e.tool_call_id),
                Event::CodeCellStarted(e) => {
                    visit(&$($mutable)? e.runtime_cell_id);
                    visit(&$($mutable)? e.model_visible_call_id);
                }
                Event::CodeCellInitialResponse(e) => visit(&$($mutable)? e.runtime_cell_id),
                Event::CodeCellEnded(e) => visit(&$($mutable)? e.runtime_cell_id),
                Event::CompactionRequestStarted(e) => {
                    visit(&$($mutable)? e.compaction_id);
                    visit(&$($mutable)? e.compaction_request_id);
                    visit(&$($mutable)? e.thread_id);
                    visit(&$($mutable)? e.turn_id);
                }
                Event::CompactionRequestCompleted(e) => {
                    visit(&$($mutable)? e.compaction_id);
                    visit(&$($mutable)? e.compaction_request_id);
                }
                Event::CompactionRequestFailed(e) => {
                    visit(&$($mutable)? e.compaction_id);
                    visit(&$($mutable)? e.compaction_request_id);
                }
                Event::CompactionInstalled(e) => visit(&$($mutable)? e.compaction_id),
                Event::AgentResultObserved(e) => {
                    visit(&$($mutable)? e.edge_id);
                    visit(&$($mutable)? e.child_thread_id);
                    visit(&$($mutable)? e.child_turn_id);
                    visit(&$($mutable)? e.parent_thread_id);
                }
                Event::RolloutEnded(_) | Event::ProtocolEventObserved(_) | Event::Other(_) => {}
            }
        }

        fn $mode(mode: &$($mutable)? RequestInputMode, visit: &mut dyn FnMut(&$($mutable)? dyn IdField)) {
            match mode {
                RequestInputMode::Incremental { previous_response_id }
                | RequestInputMode::IncrementalWithUntracedPrefix { previous_response_id, prefix_payload: _ } => {
                    visit(previous_response_id);
                }
                RequestInputMode::FullSnapshot => {}
            }
        }
    };
}

ids!(for_each_id, for_each_id_of_mode);
ids!(for_each_id_mut, for_each_id_of_mode_mut, mut);

#[cfg(test)]
#[path = "tests/event_ids.rs"]
mod tests;
