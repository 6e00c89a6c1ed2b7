//! The settings that all middlewares share.

use http::HeaderMap;

use super::response_recorder::ResponseRecorder;
use crate::Exchange;

/// Response headers with the provider's id of a request.
const REQUEST_ID_HEADERS: [&str; 3] = ["x-request-id", "request-id", "x-amzn-requestid"];

/// A middleware that records the request and response bodies of inference calls. See the [module](super).
#[derive(Debug, Clone, Copy, Default)]
pub struct RecordExchange {
    chunks: bool,
}

impl RecordExchange {
    /// Creates a middleware that records complete bodies.
    pub fn new() -> Self {
        Self::default()
    }

    /// Also records each chunk of a streamed response as it arrives. Default: off.
    #[must_use]
    pub fn chunks(self) -> Self {
        Self { chunks: true }
    }

    /// Returns the recorder for the body of a response, and records the status of the response, and the provider's id of
    /// the request, or that there is none.
    pub(super) fn response_recorder(
        self,
        exchange: Exchange,
        status: http::StatusCode,
        headers: &HeaderMap,
    ) -> ResponseRecorder {
        exchange.status(status.as_u16());
        match REQUEST_ID_HEADERS.iter().find_map(|name| headers.get(*name)?.to_str().ok()) {
            Some(id) => exchange.upstream_request_id(id),
            None => exchange.no_upstream_request_id(),
        }
        ResponseRecorder::new(exchange, status.is_success(), self.chunks)
    }
}
