//! What an object rests on.

use crate::event::{OtelSpanId, OtelTraceId, RawPayloadId, Seq, SpanRef};

/// The events, and the bodies they named, that an object was made from, in the order they were read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Evidence(Vec<(Seq, Option<RawPayloadId>)>);

impl Evidence {
    pub(crate) fn of(seq: Seq, payload: Option<RawPayloadId>) -> Self {
        Self(vec![(seq, payload)])
    }

    pub(crate) fn add(&mut self, seq: Seq, payload: Option<RawPayloadId>) {
        self.0.push((seq, payload));
    }

    /// Event and, where the event named one that matters to the object, body.
    pub fn as_slice(&self) -> &[(Seq, Option<RawPayloadId>)] {
        &self.0
    }
}

/// The live OpenTelemetry span that an object was, if it was one.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct LiveSpan {
    /// Its trace.
    #[serde(rename = "otel_trace_id", skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<OtelTraceId>,
    /// Itself.
    #[serde(rename = "otel_span_id", skip_serializing_if = "Option::is_none")]
    pub span_id: Option<OtelSpanId>,
    /// The span it was in. Not in `state.json`, whose parents are objects.
    #[serde(skip)]
    pub parent_span_id: Option<OtelSpanId>,
}

impl LiveSpan {
    pub(crate) fn of(span: Option<&SpanRef>) -> Self {
        let SpanRef { trace_id, span_id, parent_span_id } = match span {
            Some(span) => span.clone(),
            None => return Self::default(),
        };
        Self { trace_id: Some(trace_id), span_id: Some(span_id), parent_span_id }
    }

    /// Takes what a later event says, where the earlier ones said nothing: a span may be known only from its first
    /// enter on.
    pub(crate) fn learn(&mut self, span: Option<&SpanRef>) {
        if self.span_id.is_none() {
            *self = Self::of(span);
        }
    }
}
