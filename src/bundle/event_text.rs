//! What an event says in words, so that it can be masked: all of it but ids, which link.

use std::borrow::Cow;
use std::sync::Arc;

use crate::event::{AgentPath, Event, RawJson, ToolKind, ToolSummary};

/// A text that an event has.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Said<'t> {
    Words(&'t str),
    /// One JSON value, which must stay one.
    Json(&'t str),
}

impl<'t> Said<'t> {
    pub(crate) fn as_str(self) -> &'t str {
        match self {
            Self::Words(text) | Self::Json(text) => text,
        }
    }
}

/// The event with each of its texts as `change` gives it: itself, where that changes none.
pub(super) fn changed<'e>(event: &'e Event, change: impl for<'t> Fn(Said<'t>) -> Cow<'t, str>) -> Cow<'e, Event> {
    let mut is_changed = false;
    // One that is changed is not looked at twice: what stands in its place may be new each time.
    let mut texts = Vec::new();
    each(event, &mut |text| match change(text.said()) {
        Cow::Borrowed(_) if !is_changed => {}
        Cow::Borrowed(_) => texts.push(None),
        Cow::Owned(text) => {
            is_changed = true;
            texts.push(Some(text));
        }
    });
    if !is_changed {
        return Cow::Borrowed(event);
    }
    let mut event = event.clone();
    let mut unchanged = 0;
    each(&event, &mut |_| unchanged += 1);
    unchanged -= texts.len();
    let mut texts = std::iter::repeat_n(None, unchanged).chain(texts);
    each_mut(&mut event, &mut |text| {
        if let Some(changed) = texts.next().flatten() {
            text.set(changed);
        }
    });
    Cow::Owned(event)
}

trait Text {
    fn said(&self) -> Said<'_>;
    fn set(&mut self, text: String);
}

impl Text for String {
    fn said(&self) -> Said<'_> {
        Said::Words(self)
    }

    fn set(&mut self, text: String) {
        *self = text;
    }
}

impl Text for Arc<str> {
    fn said(&self) -> Said<'_> {
        Said::Words(self)
    }

    fn set(&mut self, text: String) {
        *self = text.into();
    }
}

impl Text for AgentPath {
    fn said(&self) -> Said<'_> {
        Said::Words(self.as_str())
    }

    fn set(&mut self, text: String) {
        *self = text.into();
    }
}

impl Text for RawJson {
    fn said(&self) -> Said<'_> {
        Said::Json(self.as_str())
    }

    fn set(&mut self, text: String) {
        *self = std::mem::take(self).changed(|_| Cow::Owned(text));
    }
}

/// The one list of all texts, to look at and to change.
macro_rules! texts {
    ($name:ident, $kind:ident, $summary:ident $(, $mutable:tt)?) => {
        fn $name(event: &$($mutable)? Event, see: &mut dyn FnMut(&$($mutable)? dyn Text)) {
            match event {
                Event::ThreadStarted(e) => see(&$($mutable)? e.agent_path),
                Event::ThreadEnded(e) => if let Some(error) = &$($mutable)? e.error { see(error) },
                Event::TurnEnded(e) => if let Some(error) = &$($mutable)? e.error { see(error) },
                Event::InferenceStarted(e) => {
                    see(&$($mutable)? e.model);
                    see(&$($mutable)? e.provider_name);
                }
                Event::InferenceFailed(e) => see(&$($mutable)? e.error),
                Event::InferenceCancelled(e) => see(&$($mutable)? e.reason),
                Event::ToolCallStarted(e) => {
                    $kind(&$($mutable)? e.kind, see);
                    $summary(&$($mutable)? e.summary, see);
                }
                Event::ToolCallEnded(e) => if let Some(error) = &$($mutable)? e.error { see(error) },
                Event::CodeCellStarted(e) => see(&$($mutable)? e.source_js),
                Event::CompactionRequestStarted(e) => {
                    see(&$($mutable)? e.model);
                    see(&$($mutable)? e.provider_name);
                }
                Event::CompactionRequestFailed(e) => see(&$($mutable)? e.error),
                Event::AgentResultObserved(e) => see(&$($mutable)? e.message),
                Event::ProtocolEventObserved(e) => see(&$($mutable)? e.event_type),
                Event::Other(e) => {
                    see(&$($mutable)? e.summary);
                    see(&$($mutable)? e.metadata);
                }
                Event::RolloutStarted(_)
                | Event::RolloutEnded(_)
                | Event::TurnStarted(_)
                | Event::InferenceCompleted(_)
                | Event::McpToolCallCorrelationAssigned(_)
                | Event::ToolCallRuntimeStarted(_)
                | Event::ToolCallRuntimeEnded(_)
                | Event::CodeCellInitialResponse(_)
                | Event::CodeCellEnded(_)
                | Event::CompactionRequestCompleted(_)
                | Event::CompactionInstalled(_) => {}
            }
        }

        fn $kind(kind: &$($mutable)? ToolKind, see: &mut dyn FnMut(&$($mutable)? dyn Text)) {
            match kind {
                ToolKind::Mcp { server, tool } => {
                    see(server);
                    see(tool);
                }
                ToolKind::Other { name } => see(name),
                ToolKind::ExecCommand
                | ToolKind::WriteStdin
                | ToolKind::ApplyPatch
                | ToolKind::Web
                | ToolKind::ImageGeneration
                | ToolKind::SpawnAgent
                | ToolKind::AssignAgentTask
                | ToolKind::SendMessage
                | ToolKind::WaitAgent
                | ToolKind::CloseAgent => {}
            }
        }

        fn $summary(summary: &$($mutable)? ToolSummary, see: &mut dyn FnMut(&$($mutable)? dyn Text)) {
            match summary {
                ToolSummary::Terminal { operation_id: _ } => {}
                ToolSummary::Agent { target_agent_path, task_name, message_preview } => {
                    see(target_agent_path);
                    if let Some(name) = task_name { see(name) }
                    see(message_preview);
                }
                ToolSummary::WaitAgent { target_agent_path, timeout_ms: _ } => {
                    if let Some(path) = target_agent_path { see(path) }
                }
                ToolSummary::Generic { label, input_preview, output_preview } => {
                    see(label);
                    if let Some(preview) = input_preview { see(preview) }
                    if let Some(preview) = output_preview { see(preview) }
                }
            }
        }
    };
}

texts!(each, each_of_kind, each_of_summary);
texts!(each_mut, each_of_kind_mut, each_of_summary_mut, mut);
