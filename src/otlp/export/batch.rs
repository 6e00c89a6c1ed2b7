//! So many spans at once as a receiver takes.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_sdk::trace::SpanData;
use prost::Message;

/// The most spans of a message.
const SPANS: usize = 512;

/// The most bytes of a message's spans. Receivers over gRPC take 4 MiB unless told otherwise. A span that is larger goes
/// alone.
const BYTES: usize = 3 << 20;

/// Spans of one scope, up to what a message may hold.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) spans: Vec<Span>,
    bytes: usize,
}

impl Batch {
    /// Whether the span can come too.
    pub(super) fn has_room_for(&self, span: &Span) -> bool {
        self.spans.is_empty() || (self.spans.len() < SPANS && self.bytes + span.encoded_len() <= BYTES)
    }

    pub(super) fn add(&mut self, span: Span) {
        self.bytes += span.encoded_len();
        self.spans.push(span);
    }

    /// Its spans, in two batches.
    pub(super) fn halves(mut self) -> [Self; 2] {
        let rest = self.spans.split_off(self.spans.len() / 2);
        [self.spans, rest].map(|spans| Self { bytes: spans.iter().map(Message::encoded_len).sum(), spans })
    }
}

/// What is around the spans of a bundle: where they come from and who made them.
#[derive(Debug)]
pub(super) struct Envelope {
    pub(super) around: ResourceSpans,
}

impl Envelope {
    pub(super) fn new(resource: &ResourceAttributesWithSchema, span: &SpanData) -> Self {
        let scope = &span.instrumentation_scope;
        let scope = ScopeSpans {
            scope: Some((scope, None).into()),
            spans: Vec::new(),
            schema_url: scope.schema_url().unwrap_or_default().to_owned(),
        };
        let resource_of = Resource { attributes: resource.attributes.0.clone(), ..Resource::default() };
        let schema_url = resource.schema_url.clone().unwrap_or_default();
        Self { around: ResourceSpans { resource: Some(resource_of), scope_spans: vec![scope], schema_url } }
    }

    /// The message with these spans.
    pub(super) fn message(&self, batch: &Batch) -> Vec<u8> {
        let mut resource_spans = self.around.clone();
        if let Some(scope) = resource_spans.scope_spans.first_mut() {
            scope.spans.clone_from(&batch.spans);
        }
        ExportTraceServiceRequest { resource_spans: vec![resource_spans] }.encode_to_vec()
    }
}
