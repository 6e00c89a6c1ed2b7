//! The payload from which items of a conversation are created.

use crate::event::{RawPayloadId, ThreadId, TurnId};
use crate::graph::Producer;
use crate::reduce::decode::{ConversationFact, Logged};

/// The payload from which items are created, with its event, thread and turn.
pub(super) struct ItemSource<'a> {
    pub(super) at: &'a Logged<ConversationFact>,
    pub(super) thread: &'a ThreadId,
    pub(super) turn: &'a TurnId,
    pub(super) payload: &'a RawPayloadId,
    /// Producer to record for the items that this payload creates. `None` for requests and histories before a
    /// compaction, which produce no items.
    pub(super) producer: Option<Producer>,
    /// The name of the payload in messages of diagnostics.
    pub(super) subject: &'a str,
}
