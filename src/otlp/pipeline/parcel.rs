//! The message of OTLP that carries spans.

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans};
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SpanData;
use prost::Message;

/// Spans as they are sent. They are converted once, and halved where they are too many.
#[derive(Debug)]
pub(super) struct Parcel(ExportTraceServiceRequest);

impl Parcel {
    pub(super) fn new(spans: Vec<SpanData>, resource: &Resource) -> Self {
        let resource = ResourceAttributesWithSchema::from(resource);
        Self(ExportTraceServiceRequest { resource_spans: group_spans_by_resource_and_scope(spans, &resource) })
    }

    pub(super) fn len(&self) -> usize {
        self.scopes().map(|scope| scope.spans.len()).sum()
    }

    pub(super) fn bytes(&self) -> usize {
        self.0.encoded_len()
    }

    pub(super) fn encode(&self) -> Bytes {
        self.0.encode_to_vec().into()
    }

    /// The first and the second half of its spans.
    pub(super) fn halves(self) -> [Self; 2] {
        let mut wanted = self.len() / 2;
        let mut halves = [Vec::new(), Vec::new()];
        for ResourceSpans { resource, scope_spans, schema_url } in self.0.resource_spans {
            let (mut first, mut second) = (Vec::new(), Vec::new());
            for ScopeSpans { scope, mut spans, schema_url } in scope_spans {
                let rest = spans.split_off(wanted.min(spans.len()));
                wanted -= spans.len();
                first.push(ScopeSpans { scope: scope.clone(), spans, schema_url: schema_url.clone() });
                second.push(ScopeSpans { scope, spans: rest, schema_url });
            }
            for (half, mut scope_spans) in halves.iter_mut().zip([first, second]) {
                scope_spans.retain(|scope| !scope.spans.is_empty());
                half.push(ResourceSpans { resource: resource.clone(), scope_spans, schema_url: schema_url.clone() });
            }
        }
        halves.map(|resource_spans| Self(ExportTraceServiceRequest { resource_spans }))
    }

    fn scopes(&self) -> impl Iterator<Item = &ScopeSpans> {
        self.0.resource_spans.iter().flat_map(|resource| &resource.scope_spans)
    }
}
