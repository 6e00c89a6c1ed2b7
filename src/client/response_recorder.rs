//! Collects a response body while it arrives.

use crate::{Exchange, Reply};

/// The part of a response body that has arrived so far. It is recorded when the body is complete, or else as incomplete
/// when this is dropped.
#[derive(Debug)]
pub(super) struct ResponseRecorder {
    exchange: Exchange,
    is_success: bool,
    records_chunks: bool,
    chunks: u64,
    bytes: Vec<u8>,
    is_recorded: bool,
}

impl ResponseRecorder {
    pub(super) fn new(exchange: Exchange, is_success: bool, records_chunks: bool) -> Self {
        Self { exchange, is_success, records_chunks, chunks: 0, bytes: Vec::new(), is_recorded: false }
    }

    /// Appends a chunk of the body. Records the chunk if chunks are recorded.
    pub(super) fn append(&mut self, bytes: &[u8]) {
        self.chunks += 1;
        if self.records_chunks {
            self.exchange.chunk(self.chunks, bytes);
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// Records the body as complete.
    pub(super) fn finish(&mut self) {
        self.record(Reply::Whole);
    }

    /// Records the body as incomplete.
    pub(super) fn abort(&mut self) {
        self.record(Reply::Cut);
    }

    fn record(&mut self, reply: Reply) {
        if std::mem::replace(&mut self.is_recorded, true) {
            return;
        }
        let reply = if self.is_success { reply } else { Reply::Refusal };
        self.exchange.reply(reply, &self.bytes);
    }
}

impl Drop for ResponseRecorder {
    fn drop(&mut self) {
        self.abort();
    }
}
