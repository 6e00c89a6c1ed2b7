//! The texts of events, for masking and redaction: every string in an event except ids, which link objects.

use std::borrow::Cow;
use std::sync::Arc;

use crate::event::{AgentPath, Event, RawJson, ToolKind, ToolSummary};

/// A text of an event, as it is passed to masking and redaction.
#[derive(Debug, Clone, Copy)]
pub(crate) enum EventText<'t> {
    /// Plain text.
    Plain(&'t str),
    /// One JSON value, which must stay one JSON value.
    Json(&'t str),
}

impl<'t> EventText<'t> {
    /// Returns the plain text, or the text of the JSON value.
    pub(crate) fn as_str(self) -> &'t str {
        match self {
            Self::Plain(text) | Self::Json(text) => text,
        }
    }
}

/// Returns the event with each text replaced by the result of `change`. Borrows the event if no text changes.
pub(crate) fn map_texts<'e>(
    event: &'e Event,
    change: impl for<'t> Fn(EventText<'t>) -> Cow<'t, str>,
) -> Cow<'e, Event> {
    let mut is_changed = false;
    // `change` is called once for each text: a redactor may return another text at each call.
    let mut texts = Vec::new();
    for_each_text(event, &mut |text| match change(text.as_event_text()) {
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
    for_each_text(&event, &mut |_| unchanged += 1);
    unchanged -= texts.len();
    let mut texts = std::iter::repeat_n(None, unchanged).chain(texts);
    for_each_text_mut(&mut event, &mut |text| {
        if let Some(changed) = texts.next().flatten() {
            text.set(changed);
        }
    });
    Cow::Owned(event)
}

/// A field of an event that holds a text, independent of the field's type.
trait TextField {
    fn as_event_text(&self) -> EventText<'_>;
    fn set(&mut self, text: String);
}

impl TextField for String {
    fn as_event_text(&self) -> EventText<'_> {
        EventText::Plain(self)
    }

    fn set(&mut self, text: String) {
        *self = text;
    }
}

impl TextField for Box<str> {
    fn as_event_text(&self) -> EventText<'_> {
        EventText::Plain(self)
    }

    fn set(&mut self, text: String) {
        *self = text.into();
    }
}

impl TextField for Arc<str> {
    fn as_event_text(&self) -> EventText<'_> {
        EventText::Plain(self)
    }

    fn set(&mut self, text: String) {
        *self = text.into();
    }
}

impl TextField for AgentPath {
    fn as_event_text(&self) -> EventText<'_> {
        EventText::Plain(self.as_str())
    }

    fn set(&mut self, text: String) {
        *self = text.into();
    }
}

impl TextField for RawJson {
    fn as_event_text(&self) -> EventText<'_> {
        EventText::Json(self.as_str())
    }

    fn set(&mut self, text: String) {
        *self = std::mem::take(self).map_text(|_| Cow::Owned(text));
    }
}

/// Visits the texts that every end event may have.
macro_rules! end_texts {
    ($event:ident, $visit:ident $(, $mutable:tt)?) => {{
        if let Some(error_type) = &$($mutable)? $event.error_type { $visit(error_type) }
        if let Some(attributes) = &$($mutable)? $event.attributes { $visit(attributes) }
    }};
}

/// Generates the visitors of all text fields, shared and mutable, from one list.
macro_rules! texts {
    ($name:ident, $kind:ident, $summary:ident $(, $mutable:tt)?) => {
        fn $name(event: &$($mutable)? Event, visit: &mut dyn FnMut(&$($mutable)? dyn TextField)) {
            match event {
                Event::ThreadStarted(e) => visit(&$($mutable)? e.agent_path),
                Event::ThreadEnded(e) => {
                    if let Some(error) = &$($mutable)? e.error { visit(error) }
                    end_texts!(e, visit $(, $mutable)?);
                }
                Event::TurnEnded(e) => {
                    if let Some(error) = &$($mutable)? e.error { visit(error) }
                    end_texts!(e, visit $(, $mutable)?);
                }
                Event::InferenceStarted(e) => {
                    visit(&$($mutable)? e.model);
                    visit(&$($mutable)? e.provider_name);
                }
                Event::InferenceCompleted(e) => end_texts!(e, visit $(, $mutable)?),
                Event::InferenceFailed(e) => {
                    visit(&$($mutable)? e.error);
                    end_texts!(e, visit $(, $mutable)?);
                }
                Event::InferenceCancelled(e) => {
                    visit(&$($mutable)? e.reason);
                    end_texts!(e, visit $(, $mutable)?);
                }
                Event::ToolCallStarted(e) => {
                    $kind(&$($mutable)? e.kind, visit);
                    $summary(&$($mutable)? e.summary, visit);
                }
                Event::ToolCallEnded(e) => {
                    if let Some(error) = &$($mutable)? e.error { visit(error) }
                    end_texts!(e, visit $(, $mutable)?);
                }
                Event::CodeCellEnded(e) => end_texts!(e, visit $(, $mutable)?),
                Event::CodeCellStarted(e) => {
                    visit(&$($mutable)? e.source_js);
                    if let Some(name) = &$($mutable)? e.tool_name { visit(name) }
                }
                Event::CompactionRequestStarted(e) => {
                    visit(&$($mutable)? e.model);
                    visit(&$($mutable)? e.provider_name);
                }
                Event::CompactionRequestCompleted(e) => end_texts!(e, visit $(, $mutable)?),
                Event::CompactionRequestFailed(e) => {
                    visit(&$($mutable)? e.error);
                    end_texts!(e, visit $(, $mutable)?);
                }
                Event::AgentResultObserved(e) => visit(&$($mutable)? e.message),
                Event::ProtocolEventObserved(e) => visit(&$($mutable)? e.event_type),
                Event::Other(e) => {
                    visit(&$($mutable)? e.summary);
                    visit(&$($mutable)? e.metadata);
                }
                Event::RolloutStarted(_)
                | Event::RolloutEnded(_)
                | Event::TurnStarted(_)
                | Event::McpToolCallCorrelationAssigned(_)
                | Event::ToolCallRuntimeStarted(_)
                | Event::ToolCallRuntimeEnded(_)
                | Event::CodeCellInitialResponse(_)
                | Event::CompactionInstalled(_) => {}
            }
        }

        fn $kind(kind: &$($mutable)? ToolKind, visit: &mut dyn FnMut(&$($mutable)? dyn TextField)) {
            match kind {
                ToolKind::Mcp { server, tool } => {
                    visit(server);
                    visit(tool);
                }
                ToolKind::Other { name } => visit(name),
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

        fn $summary(summary: &$($mutable)? ToolSummary, visit: &mut dyn FnMut(&$($mutable)? dyn TextField)) {
            match summary {
                ToolSummary::Terminal { operation_id: _ } => {}
                ToolSummary::Agent { target_agent_path, task_name, message_preview } => {
                    visit(target_agent_path);
                    if let Some(name) = task_name { visit(name) }
                    visit(message_preview);
                }
                ToolSummary::WaitAgent { target_agent_path, timeout_ms: _ } => {
                    if let Some(path) = target_agent_path { visit(path) }
                }
                ToolSummary::Generic { label, input_preview, output_preview } => {
                    visit(label);
                    if let Some(preview) = input_preview { visit(preview) }
                    if let Some(preview) = output_preview { visit(preview) }
                }
            }
        }
    };
}

texts!(for_each_text, for_each_kind_text, for_each_summary_text);
texts!(for_each_text_mut, for_each_kind_text_mut, for_each_summary_text_mut, mut);
