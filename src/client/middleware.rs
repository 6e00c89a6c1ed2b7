//! What the middlewares have in common.

use http::HeaderMap;

use super::tape::Tape;
use crate::Exchange;

/// Where a provider says how it calls a request.
const REQUEST_ID_HEADERS: [&str; 3] = ["x-request-id", "request-id", "x-amzn-requestid"];

/// Records the bodies that a client sends and receives. See the [module](super).
#[derive(Debug, Clone, Copy, Default)]
pub struct RecordExchange {
    chunks: bool,
}

impl RecordExchange {
    /// Records whole bodies.
    pub fn new() -> Self {
        Self::default()
    }

    /// Also records each piece of a streamed answer as it comes.
    #[must_use]
    pub fn chunks(self) -> Self {
        Self { chunks: true }
    }

    /// What is to record the body of this answer.
    pub(super) fn tape(self, exchange: Exchange, status: http::StatusCode, headers: &HeaderMap) -> Tape {
        let id = REQUEST_ID_HEADERS.iter().find_map(|name| headers.get(*name)?.to_str().ok());
        if let Some(id) = id {
            exchange.upstream_request_id(id);
        }
        Tape::new(exchange, status.is_success(), self.chunks)
    }
}
