//! How full a bundle is that has bounds.

use std::time::Instant;
use std::{fmt, io};

use super::{Bounds, Limits, ReadyBody};
use crate::event::{EventKind, PayloadKind};

/// What is left of a body that belongs to an end, in a bundle that is full, in bytes.
const END_BODY_BYTES: usize = 1024;

/// What a bundle holds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Held {
    pub(super) events: u64,
    /// Of the log and of the bodies.
    pub(super) bytes: u64,
}

/// Says whether a bundle is full.
///
/// A full bundle takes nothing that begins: what has begun ends in it, so that it stays bounded and each window in it
/// has an end. A body that belongs to an end is cut to its own ends.
#[derive(Debug)]
pub(super) struct Fill {
    bounds: Bounds,
    since: Instant,
}

/// A bundle takes no more, or not this.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Full(Bounds);

impl Fill {
    /// Of a bundle that begins now. None where there are no bounds.
    pub(super) fn of(bounds: Bounds) -> Option<Self> {
        bounds.is_any().then(|| Self { bounds, since: Instant::now() })
    }

    /// Whether there is room for what begins.
    pub(super) fn has_room(&self, held: Held) -> Result<(), Full> {
        self.room(held).map(drop)
    }

    /// How many bytes there is room for.
    fn room(&self, held: Held) -> Result<u64, Full> {
        let Bounds { age, count, bytes } = self.bounds;
        let room = bytes.map_or(u64::MAX, |bytes| bytes.saturating_sub(held.bytes));
        let is_full = count.is_some_and(|count| held.events >= count)
            || room == 0
            || age.is_some_and(|age| self.since.elapsed() >= age);
        if is_full { Err(Full(self.bounds)) } else { Ok(room) }
    }

    /// Whether an event of this kind is still taken.
    pub(super) fn takes(&self, event: EventKind, held: Held) -> Result<(), Full> {
        if is_end(event) { Ok(()) } else { self.has_room(held) }
    }

    /// Whether a body is still taken; it may be less of it after that.
    pub(super) fn fit(&self, body: &mut ReadyBody, held: Held) -> Result<(), Full> {
        let room = self.room(held);
        if room.is_ok_and(|room| body.bytes().len() as u64 <= room) {
            return Ok(());
        }
        if !is_of_an_end(body.kind) {
            return Err(Full(self.bounds));
        }
        let most = usize::try_from(room.unwrap_or_default()).unwrap_or(usize::MAX);
        body.cut(Limits::default().body_bytes(most.max(END_BODY_BYTES)));
        Ok(())
    }
}

/// Whether it says how something ended, or that something is missing.
fn is_end(event: EventKind) -> bool {
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

/// Whether it is what an end may rest on.
fn is_of_an_end(body: PayloadKind) -> bool {
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

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Bounds { age, count, bytes } = self.0;
        let bounds = [
            age.map(|age| format!("{} s", age.as_secs())),
            count.map(|count| format!("{count} events")),
            bytes.map(|bytes| format!("{bytes} bytes")),
        ];
        let bounds: Vec<_> = bounds.into_iter().flatten().collect();
        write!(f, "the bundle has no room for it, its limit is {}; see `Limits::bundle`", bounds.join(", "))
    }
}

impl From<Full> for io::Error {
    fn from(full: Full) -> Self {
        Self::new(io::ErrorKind::QuotaExceeded, full.to_string())
    }
}
