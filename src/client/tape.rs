//! A body on its way in, taken down as it passes.

use crate::{Exchange, Reply};

/// What has come of an answer so far. Recorded when it is complete, else when it is dropped.
#[derive(Debug)]
pub(super) struct Tape {
    exchange: Exchange,
    is_success: bool,
    records_chunks: bool,
    chunks: u64,
    bytes: Vec<u8>,
    is_over: bool,
}

impl Tape {
    pub(super) fn new(exchange: Exchange, is_success: bool, records_chunks: bool) -> Self {
        Self { exchange, is_success, records_chunks, chunks: 0, bytes: Vec::new(), is_over: false }
    }

    pub(super) fn take(&mut self, bytes: &[u8]) {
        self.chunks += 1;
        if self.records_chunks {
            self.exchange.chunk(self.chunks, bytes);
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// The answer is complete.
    pub(super) fn finish(&mut self) {
        self.record(Reply::Whole);
    }

    /// The answer broke off.
    pub(super) fn cut(&mut self) {
        self.record(Reply::Cut);
    }

    fn record(&mut self, reply: Reply) {
        if std::mem::replace(&mut self.is_over, true) {
            return;
        }
        let reply = if self.is_success { reply } else { Reply::Refusal };
        self.exchange.reply(reply, &self.bytes);
    }
}

impl Drop for Tape {
    fn drop(&mut self) {
        self.cut();
    }
}
