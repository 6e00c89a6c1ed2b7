//! The quota of a bundle: which events and payloads a bundle with bounds still accepts.

use std::time::Instant;
use std::{fmt, io};

use super::{Bounds, Limits, ReadyBody};
use crate::event::{EventKind, PayloadKind};

/// Size to which the payload of an end event is truncated in a full bundle, in bytes.
const END_PAYLOAD_BYTES: usize = 1024;

/// Number of events in a bundle, and the size of the bundle: the figures that a quota is compared with.
#[derive(Debug, Clone, Copy)]
pub(super) struct QuotaUsage {
    pub(super) events: u64,
    /// Total size of log and payloads, in bytes.
    pub(super) bytes: u64,
}

/// The quota of one bundle: its bounds, and the time since which its age counts.
///
/// A full bundle rejects start events but still accepts end events, so that its size stays bounded and every recorded
/// operation can be closed. Payloads of end events are truncated to head and tail.
#[derive(Debug)]
pub(super) struct Quota {
    bounds: Bounds,
    since: Instant,
}

/// An error: the bundle has reached its quota, or has too little room for a payload. Contains the bounds of the bundle,
/// for the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct QuotaExceeded(Bounds);

impl Quota {
    /// Creates the quota of a bundle that is created now. Returns `None` if no bound is set.
    pub(super) fn from_bounds(bounds: Bounds) -> Option<Self> {
        bounds.is_bounded().then(|| Self { bounds, since: Instant::now() })
    }

    /// Returns an error if the bundle is full, so that no operation can start in it.
    pub(super) fn check(&self, usage: QuotaUsage) -> Result<(), QuotaExceeded> {
        self.remaining_bytes(usage).map(drop)
    }

    /// Returns the number of bytes that still fit into the bundle. Returns an error if the bundle is full.
    fn remaining_bytes(&self, usage: QuotaUsage) -> Result<u64, QuotaExceeded> {
        let Bounds { age, count, bytes } = self.bounds;
        let room = bytes.map_or(u64::MAX, |bytes| bytes.saturating_sub(usage.bytes));
        let is_full = count.is_some_and(|count| usage.events >= count)
            || room == 0
            || age.is_some_and(|age| self.since.elapsed() >= age);
        if is_full { Err(QuotaExceeded(self.bounds)) } else { Ok(room) }
    }

    /// Returns an error if the bundle is full and the event does not end an operation.
    pub(super) fn check_event(&self, event: EventKind, usage: QuotaUsage) -> Result<(), QuotaExceeded> {
        if is_end_event(event) { Ok(()) } else { self.check(usage) }
    }

    /// Returns an error if the payload does not fit into the bundle. A payload whose kind can belong to an end event
    /// always fits: it is truncated to the room that is left.
    pub(super) fn fit_payload(&self, body: &mut ReadyBody, usage: QuotaUsage) -> Result<(), QuotaExceeded> {
        let room = self.remaining_bytes(usage);
        if room.is_ok_and(|room| body.bytes().len() as u64 <= room) {
            return Ok(());
        }
        if !is_end_payload(body.kind) {
            return Err(QuotaExceeded(self.bounds));
        }
        let max_bytes = usize::try_from(room.unwrap_or_default()).unwrap_or(usize::MAX);
        body.truncate(Limits::default().body_bytes(max_bytes.max(END_PAYLOAD_BYTES)));
        Ok(())
    }
}

/// Returns `true` if a full bundle accepts the event: it ends an operation, or it is the initial response of a code
/// cell.
fn is_end_event(event: EventKind) -> bool {
    match event {
        EventKind::RolloutEnded
        | EventKind::ThreadEnded
        | EventKind::TurnEnded
        | EventKind::InferenceCompleted
        | EventKind::InferenceFailed
        | EventKind::InferenceCancelled
        | EventKind::ToolCallRuntimeEnded
        | EventKind::ToolCallEnded
        | EventKind::CodeCellInitialResponse
        | EventKind::CodeCellEnded
        | EventKind::CompactionRequestCompleted
        | EventKind::CompactionRequestFailed => true,
        EventKind::RolloutStarted
        | EventKind::ThreadStarted
        | EventKind::TurnStarted
        | EventKind::InferenceStarted
        | EventKind::ToolCallStarted
        | EventKind::McpToolCallCorrelationAssigned
        | EventKind::ToolCallRuntimeStarted
        | EventKind::CodeCellStarted
        | EventKind::CompactionRequestStarted
        | EventKind::CompactionInstalled
        | EventKind::AgentResultObserved
        | EventKind::ProtocolEventObserved
        | EventKind::Other => false,
    }
}

/// Returns `true` if an end event can reference payloads of this kind.
fn is_end_payload(body: PayloadKind) -> bool {
    match body {
        PayloadKind::InferenceResponse
        | PayloadKind::CompactionResponse
        | PayloadKind::ToolResult
        | PayloadKind::ToolRuntimeEvent => true,
        PayloadKind::InferenceRequest
        | PayloadKind::CompactionRequest
        | PayloadKind::CompactionCheckpoint
        | PayloadKind::ToolInvocation
        | PayloadKind::TerminalRuntimeEvent
        | PayloadKind::ProtocolEvent
        | PayloadKind::SessionMetadata
        | PayloadKind::AgentResult => false,
    }
}

impl fmt::Display for QuotaExceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Bounds { age, count, bytes } = self.0;
        let bounds = [
            age.map(|age| format!("{} s", age.as_secs())),
            count.map(|count| format!("{count} events")),
            bytes.map(|bytes| format!("{bytes} bytes")),
        ];
        let bounds: Vec<_> = bounds.into_iter().flatten().collect();
        write!(f, "the bundle has reached its quota ({}); raise `Limits::bundle`", bounds.join(", "))
    }
}

impl From<QuotaExceeded> for io::Error {
    fn from(exceeded: QuotaExceeded) -> Self {
        Self::new(io::ErrorKind::QuotaExceeded, exceeded.to_string())
    }
}
