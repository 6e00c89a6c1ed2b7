//! Evidence and live spans of objects.

use crate::event::{OtelSpanId, OtelTraceId, RawPayloadId, Seq, SpanRef};

/// The events from which an object of the graph was reduced, in the order in which they were read. Each has the id of
/// the payload that it contributed, if any.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Evidence(Vec<(Seq, Option<RawPayloadId>)>);

impl Evidence {
    pub(crate) fn new(seq: Seq, payload: Option<RawPayloadId>) -> Self {
        Self(vec![(seq, payload)])
    }

    pub(crate) fn add(&mut self, seq: Seq, payload: Option<RawPayloadId>) {
        self.0.push((seq, payload));
    }

    /// Returns the sequence number of each event with the id of its payload. The id is `None` if the object was reduced
    /// without a payload of the event.
    pub fn as_slice(&self) -> &[(Seq, Option<RawPayloadId>)] {
        &self.0
    }
}

/// The OpenTelemetry span of an operation while the program ran. All fields are `None` if there was no such span.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct LiveSpan {
    /// Id of the span's trace.
    #[serde(rename = "otel_trace_id", skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<OtelTraceId>,
    /// Id of the span.
    #[serde(rename = "otel_span_id", skip_serializing_if = "Option::is_none")]
    pub span_id: Option<OtelSpanId>,
    /// Id of the parent span. Not in `state.json`, in which parents are objects.
    #[serde(skip)]
    pub parent_span_id: Option<OtelSpanId>,
    /// `Some(false)` if the span was not sampled, so that no backend has received it. `None` otherwise.
    #[serde(rename = "otel_sampled", skip_serializing_if = "Option::is_none")]
    pub sampled: Option<bool>,
}

impl LiveSpan {
    /// Creates the span ids from the reference in an event. All are `None` if the event references no span.
    pub(crate) fn from_span_ref(span: Option<&SpanRef>) -> Self {
        let SpanRef { trace_id, span_id, parent_span_id, is_sampled } = match span {
            Some(span) => span.clone(),
            None => return Self::default(),
        };
        let sampled = (!is_sampled).then_some(false);
        Self { trace_id: Some(trace_id), span_id: Some(span_id), parent_span_id, sampled }
    }

    /// Sets the span ids from a later event if no earlier event had any: the ids of a span may be unknown until it is
    /// first entered.
    pub(crate) fn fill_from(&mut self, span: Option<&SpanRef>) {
        if self.span_id.is_none() {
            *self = Self::from_span_ref(span);
        }
    }
}
