//! What was made of one item of a text: its content, what it is found by, and what is odd about it.

use super::content_hash::{self, Hashes};
use super::delivery::delivery;
use super::draft::Draft;
use super::oddity::Oddity;
use super::why::Why;
use crate::graph::Content;

/// An item that could be read.
pub(super) type Read = (Content, Hashes, Option<Oddity>);

/// An item, or why it can't be read.
pub(super) type Reading = Result<Read, Why>;

impl Draft {
    /// The content, and the hashes by which it is found again.
    pub(super) fn finish(self) -> (Content, Hashes) {
        let hashes = content_hash::hashes(&self);
        let delivery = delivery(&self);
        let Self { role, channel, kind, call_id, name, agent_message, parts } = self;
        let parts = parts.into_iter().map(|part| part.part).collect();
        (Content { role, channel, kind, call_id, name, agent_message, parts, delivery }, hashes)
    }
}
