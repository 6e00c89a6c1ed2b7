//! The HTTP exchange of a call of a model, as a client sees it: what went out and what came back, byte for byte.

use std::sync::Arc;

use smallvec::SmallVec;
use tracing::Span;
use tracing_subscriber::registry::{LookupSpan, Registry, SpanRef};

use super::extension::PerSpan;
use super::operation::{CompactionOperation, InferenceOperation};
use super::operations::ChildOperation;
use super::span_state::SpanState;
use crate::bundle::Exact;

/// The HTTP exchange of a call of a model: hands the recorder the bytes that a client really sent and received, kept as
/// [`Exact`] bodies. The middlewares of the features `tower` and `reqwest` are made of it; a client that they don't fit
/// can call it itself.
///
/// It belongs to the inference call, or request to compact, that the span is or is in, so any HTTP spans of the client may
/// lie between. Inside a tool call there is none: what a tool fetches is its own business. Each attempt is a call of its own:
/// a retry that goes through one call again keeps what came before in an event of its own. What the program records itself goes beside: a request whose call has started already is kept
/// in an event of its own.
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
pub struct Exchange(Vec<ToolCallMeta>);

/// What came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// The body of a response, to its end. One that is no JSON value, a stream of events, is the call's
    /// `wire_payload`: the response that the program makes of it is recorded beside.
    Whole,
    /// As much of a response as had come when it broke off, or when nobody wanted more of it.
    Cut,
    /// The body of an answer that is no response: of an HTTP status that says what went wrong.
    Refusal,
}

#[derive(Debug, Clone)]
enum ToolCallMeta {
    Inference(Arc<InferenceOperation>),
    Compaction(Arc<CompactionOperation>),
}

impl Exchange {
    /// That of the call which the current span is, or is in. None where nobody records one.
    pub fn current() -> Option<Self> {
        Self::of(&Span::current())
    }

    /// That of the call which this span is, or is in. None where nobody records one.
    pub fn of(span: &Span) -> Option<Self> {
        span.with_subscriber(|(id, dispatch)| {
            let span = dispatch.downcast_ref::<Registry>()?.span(id)?;
            // What happens in a tool call, or in another agent's turn, is not part of the call around it.
            let states_of = |span: SpanRef<'_, Registry>| -> SmallVec<[Arc<SpanState>; 1]> {
                span.extensions().get::<PerSpan>().map(|span| span.states().cloned().collect()).unwrap_or_default()
            };
            let nearest = span.scope().map(states_of).find(|states| states.iter().any(|state| state.is_something()))?;
            let calls: Vec<_> = nearest.iter().filter_map(|state| ToolCallMeta::of(state)).collect();
            (!calls.is_empty()).then_some(Self(calls))
        })
        .flatten()
    }

    /// The request's body, as it is about to be sent. It starts the call.
    pub fn request(&self, bytes: &[u8]) {
        for call in &self.0 {
            match call {
                ToolCallMeta::Inference(inference) => inference.request(&Exact(bytes)),
                ToolCallMeta::Compaction(compaction) => compaction.request(&Exact(bytes)),
            }
        }
    }

    /// The provider's id of the request, from the headers of its answer: `x-request-id` or `request-id`.
    pub fn upstream_request_id(&self, id: &str) {
        for call in &self.0 {
            match call {
                ToolCallMeta::Inference(inference) => inference.upstream_request_id(id),
                ToolCallMeta::Compaction(_) => {}
            }
        }
    }

    /// A piece of the answer as it came, the `number`th from 1. Written at once, in an event of its own, so that a run
    /// which is killed has what had arrived. Each costs a file; the whole body is recorded all the same.
    pub fn chunk(&self, number: u64, bytes: &[u8]) {
        for call in &self.0 {
            match call {
                ToolCallMeta::Inference(inference) => inference.chunk(number, &Exact(bytes)),
                ToolCallMeta::Compaction(compaction) => compaction.chunk(number, &Exact(bytes)),
            }
        }
    }

    /// The body of the answer.
    pub fn reply(&self, reply: Reply, bytes: &[u8]) {
        let body = Exact(bytes);
        for call in &self.0 {
            match (call, reply) {
                (ToolCallMeta::Inference(inference), Reply::Whole) => inference.whole_response(&body),
                (ToolCallMeta::Inference(inference), Reply::Cut | Reply::Refusal) => inference.refused_response(&body),
                (ToolCallMeta::Compaction(compaction), Reply::Whole) => compaction.response(&body),
                (ToolCallMeta::Compaction(compaction), Reply::Cut | Reply::Refusal) => compaction.keep(&body),
            }
        }
    }
}

impl ToolCallMeta {
    fn of(state: &SpanState) -> Option<Self> {
        match state.work()? {
            ChildOperation::Inference(inference) => Some(Self::Inference(Arc::clone(inference))),
            ChildOperation::Compaction(compaction) => Some(Self::Compaction(Arc::clone(compaction))),
            ChildOperation::Tool(_) | ChildOperation::Cell(_) => None,
        }
    }
}
