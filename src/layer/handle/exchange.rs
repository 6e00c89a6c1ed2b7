//! The HTTP exchange of an inference call as an HTTP client observes it, byte for byte: [`Exchange`].

use std::sync::{Arc, Mutex};

use smallvec::SmallVec;
use tracing::Span;
use tracing_subscriber::registry::{LookupSpan, Registry, SpanRef};

use crate::bundle::Exact;
use crate::layer::operation::{CompactionOperation, InferenceOperation};
use crate::layer::session::reentrancy::lock;
use crate::layer::span::extension::SpanExtension;
use crate::layer::span::operations::ChildOperation;
use crate::layer::span::span_end::OutcomeFields;
use crate::layer::span::span_state::SpanState;

/// Records the HTTP exchange of an inference call or compaction request: the exact bytes that a client sent and
/// received, kept as [`Exact`] bodies. The middlewares of the features `tower` and `reqwest` are built on it; a client
/// that they do not fit can use it directly.
///
/// The exchange belongs to the nearest inference call or compaction request at or above a span, so HTTP spans of the
/// client may lie between. Inside a tool call there is no exchange: HTTP requests of a tool are not part of the
/// inference call around it.
///
/// Each request is an attempt: if the call has had an exchange before, because a middleware retries, the request starts a
/// call of its own in the same span, or a request of its own of the same compaction. The call of the earlier exchange
/// ends, failed if the provider refused it ([`status`](Self::status)). Exchanges may overlap, as of a client that sends a
/// second request before the first one is answered: use one value for each. A value that is dropped without a response
/// ends its exchange.
///
/// Bodies that the program records itself are kept in addition: a request of a call that has already started is kept in
/// a separate event.
///
/// ```
/// use otel_trace::{Exchange, Reply};
///
/// # fn post(_: &[u8]) -> (u16, Vec<u8>) { (200, Vec::new()) }
/// fn ask(request: &[u8]) -> Vec<u8> {
///     let exchange = Exchange::current();
///     exchange.iter().for_each(|exchange| exchange.request(request));
///     let (status, body) = post(request);
///     let reply = if status == 200 { Reply::Whole } else { Reply::Refusal };
///     exchange.iter().for_each(|exchange| exchange.reply(reply, &body));
///     body
/// }
/// # ask(b"{}");
/// ```
#[derive(Debug, Clone)]
pub struct Exchange(Arc<[ModelCall]>);

/// Completeness of a response body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// The complete body of a response. A body that is not one JSON value, such as a stream of server-sent events,
    /// becomes the `wire_payload` of the call. The reducer puts its response together unless the program records the one
    /// that it assembles.
    Whole,
    /// The part of a response that arrived before the connection broke or the client stopped reading.
    Cut,
    /// The body of an HTTP error response, which is not a model response.
    Refusal,
}

/// An operation that sends a request to a model.
#[derive(Debug)]
enum ModelCall {
    Inference(CallExchange<InferenceOperation>),
    Compaction(CallExchange<CompactionOperation>),
}

/// The exchange of a call of a model.
#[derive(Debug)]
struct CallExchange<T: OutcomeFields> {
    state: Arc<SpanState>,
    /// The first attempt of the call.
    call: Arc<T>,
    /// The attempt of this exchange, once it has begun.
    attempt: Mutex<Option<Arc<T>>>,
}

impl Exchange {
    /// Returns the exchange of the inference call or compaction request at or above the current span. Returns `None` if
    /// there is no such call or it is not recorded.
    pub fn current() -> Option<Self> {
        Self::for_span(&Span::current())
    }

    /// Returns the exchange of the inference call or compaction request at or above `span`. Returns `None` if there is
    /// no such call or it is not recorded.
    pub fn for_span(span: &Span) -> Option<Self> {
        span.with_subscriber(|(id, dispatch)| {
            let span = dispatch.downcast_ref::<Registry>()?.span(id)?;
            // A request inside a tool call, or in the turn of another agent, is not part of the call around it.
            let states_of = |span: SpanRef<'_, Registry>| -> SmallVec<[Arc<SpanState>; 1]> {
                span.extensions()
                    .get::<SpanExtension>()
                    .map(|span| span.states().cloned().collect())
                    .unwrap_or_default()
            };
            let nearest =
                span.scope().map(states_of).find(|states| states.iter().any(|state| state.is_recognized()))?;
            let calls: Vec<_> = nearest.iter().filter_map(ModelCall::from_state).collect();
            (!calls.is_empty()).then(|| Self(calls.into()))
        })
        .flatten()
    }

    /// Records the request body, which is about to be sent. Starts the inference call or compaction request, or its next
    /// attempt.
    pub fn request(&self, bytes: &[u8]) {
        for call in &*self.0 {
            match call {
                ModelCall::Inference(exchange) => exchange.begin().record_request(&Exact(bytes)),
                ModelCall::Compaction(exchange) => exchange.begin().record_request(&Exact(bytes)),
            }
        }
    }

    /// Records the id that the provider gave the request, from the response header `x-request-id` or `request-id`.
    /// Ignored for compaction requests.
    pub fn upstream_request_id(&self, id: &str) {
        self.record_upstream_request_id(Some(id));
    }

    /// Records that the provider gave the request no id: the response has no header for it. Ignored for compaction
    /// requests.
    pub fn no_upstream_request_id(&self) {
        self.record_upstream_request_id(None);
    }

    fn record_upstream_request_id(&self, id: Option<&str>) {
        for call in &*self.0 {
            match call {
                ModelCall::Inference(exchange) => exchange.attempt().record_upstream_request_id(id),
                ModelCall::Compaction(_) => {}
            }
        }
    }

    /// Records the HTTP status of the response, which is the `error.type` of a call that the provider refused.
    pub fn status(&self, status: u16) {
        for call in &*self.0 {
            match call {
                ModelCall::Inference(exchange) => exchange.attempt().record_http_status(status),
                ModelCall::Compaction(exchange) => exchange.attempt().record_http_status(status),
            }
        }
    }

    /// Records a piece of the response as it arrives; `number` counts from 1. The piece is written at once, in a
    /// separate event, so that a run that is killed keeps the pieces that arrived: the reducer puts the response together
    /// from them. Each piece costs a payload; the complete body is still recorded with [`reply`](Self::reply).
    pub fn chunk(&self, number: u64, bytes: &[u8]) {
        for call in &*self.0 {
            match call {
                ModelCall::Inference(exchange) => exchange.attempt().record_chunk(number, &Exact(bytes)),
                ModelCall::Compaction(exchange) => exchange.attempt().record_chunk(number, &Exact(bytes)),
            }
        }
    }

    /// Records the body of the response. `reply` states if `bytes` are a complete response, the part of one that
    /// arrived, or an error response.
    pub fn reply(&self, reply: Reply, bytes: &[u8]) {
        let body = Exact(bytes);
        for call in &*self.0 {
            match call {
                ModelCall::Inference(exchange) => exchange.reply(|attempt| match reply {
                    Reply::Whole => attempt.record_complete_response(&body),
                    Reply::Cut => attempt.record_failed_response(&body, false),
                    Reply::Refusal => attempt.record_failed_response(&body, true),
                }),
                ModelCall::Compaction(exchange) => exchange.reply(|attempt| match reply {
                    Reply::Whole => attempt.record_response(&body),
                    Reply::Cut => attempt.record_failed_response(&body, false),
                    Reply::Refusal => attempt.record_failed_response(&body, true),
                }),
            }
        }
    }
}

impl<T: OutcomeFields> CallExchange<T> {
    fn new(state: &Arc<SpanState>, call: &Arc<T>) -> Self {
        Self { state: Arc::clone(state), call: Arc::clone(call), attempt: Mutex::default() }
    }

    /// Begins an exchange. The one before is over.
    fn begin(&self) -> Arc<T> {
        self.finish();
        let attempt = self.state.begin_exchange(&self.call);
        *lock(&self.attempt) = Some(Arc::clone(&attempt));
        attempt
    }

    /// Returns the attempt of the exchange, which begins now if its request was not recorded.
    fn attempt(&self) -> Arc<T> {
        let begun = lock(&self.attempt).clone();
        begun.unwrap_or_else(|| self.begin())
    }

    /// Ends the exchange with the body that `record` records.
    fn reply(&self, record: impl FnOnce(&Arc<T>)) {
        let attempt = self.attempt();
        record(&attempt);
        attempt.finish_exchange();
    }

    /// Ends the exchange, if it has begun.
    fn finish(&self) {
        let attempt = lock(&self.attempt).take();
        if let Some(attempt) = attempt {
            attempt.finish_exchange();
        }
    }
}

impl<T: OutcomeFields> Drop for CallExchange<T> {
    fn drop(&mut self) {
        self.finish();
    }
}

impl ModelCall {
    /// Returns the inference call or compaction request of a span. Returns `None` for other spans.
    fn from_state(state: &Arc<SpanState>) -> Option<Self> {
        match state.child_operation()? {
            ChildOperation::Inference(call) => Some(Self::Inference(CallExchange::new(state, call))),
            ChildOperation::Compaction(call) => Some(Self::Compaction(CallExchange::new(state, call))),
            ChildOperation::Tool(_) | ChildOperation::Cell(_) => None,
        }
    }
}
