//! The attributes of a thread that are known before it starts: [`ThreadFacts`].

use super::session_metadata::SessionMetadata;
use crate::event::{Other, RawJson, ToolCallId};

/// Attributes of a thread that are known before it starts.
#[derive(Debug, Default)]
pub(in crate::layer) struct ThreadFacts {
    pub(in crate::layer) id: Option<String>,
    pub(in crate::layer) agent_path: Option<String>,
    pub(in crate::layer) metadata: SessionMetadata,
    /// The span for which this thread was opened implicitly, if it should have had a thread above it.
    pub(in crate::layer) orphan: Option<OrphanSpan>,
    /// The tool call that spawns the thread.
    pub(in crate::layer) spawned_by: Option<ToolCallId>,
    /// `true` if the layer supplies the thread, for spans that name their agents and open no threads.
    pub(in crate::layer) is_supplied: bool,
}

/// A span without a thread above it, for which an implicit thread was opened.
#[derive(Debug, Clone, Copy)]
pub(in crate::layer) struct OrphanSpan {
    /// Name of the span.
    pub(in crate::layer) span: &'static str,
}

impl OrphanSpan {
    /// Returns the `orphan_span` event that reports the span.
    pub(super) fn to_event(self) -> Other {
        let Self { span } = self;
        Other {
            kind: "orphan_span".to_owned(),
            summary: format!("span `{span}` has no enclosing thread; an implicit one was opened"),
            payloads: Vec::new(),
            metadata: RawJson::from_value(&serde_json::json!({ "span": span })),
        }
    }
}
