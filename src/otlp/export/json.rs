//! Writes spans to a file: OTLP as JSON, which Jaeger's UI accepts as an upload.

use std::io::{self, Write};

use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_sdk::trace::SpanData;

use super::resource::resource;
use super::{ExportOptions, ExportSummary, Plan, Progress, spans};
use crate::bundle::Reader;
use crate::graph::Graph;

/// A writer of one JSON object, `{"resourceSpans":[…]}`, that holds the spans of any number of bundles. Spans are
/// written one by one: memory is bounded by the graph and one span.
#[derive(Debug)]
pub struct JsonFile<W> {
    out: W,
    is_empty: bool,
}

impl<W: Write> JsonFile<W> {
    /// Writes the beginning of the JSON object to `out`.
    ///
    /// # Errors
    /// Errors of `out`.
    pub fn new(mut out: W) -> io::Result<Self> {
        out.write_all(br#"{"resourceSpans":["#)?;
        Ok(Self { out, is_empty: true })
    }

    /// Appends the spans of a bundle, as [`spans()`] returns them. `progress` is called after every span.
    ///
    /// # Errors
    /// Errors of `out`, and invalid `OTEL_*` variables for the resource.
    pub fn add(
        &mut self,
        bundle: &Reader,
        graph: &Graph,
        options: &ExportOptions,
        mut progress: impl FnMut(Progress),
    ) -> io::Result<ExportSummary> {
        let mut resource = ResourceAttributesWithSchema::from(&resource(options, graph).map_err(io::Error::other)?);
        // The SDK gives the attributes in any order; sorted, equal bundles give equal files.
        resource.attributes.0.sort_by(|a, b| a.key.cmp(&b.key));
        let total = Plan::new(bundle, graph).spans();
        let mut exported = ExportSummary::default();
        let mut closing = Vec::new();
        for span in spans(bundle, graph, &options.mapping) {
            exported.trace_ids.insert(span.span_context.trace_id().to_string());
            if exported.spans == 0 {
                closing = self.open(&envelope(&resource, &span))?;
            } else {
                self.out.write_all(b",")?;
            }
            serde_json::to_writer(&mut self.out, &Span::from(span))?;
            exported.spans += 1;
            progress(Progress { done: exported.spans, total });
        }
        self.out.write_all(&closing)?;
        Ok(exported)
    }

    /// Writes the JSON before a bundle's spans, and returns the JSON to write after them.
    fn open(&mut self, envelope: &ResourceSpans) -> io::Result<Vec<u8>> {
        /// The text that precedes an empty list of spans.
        const SPANS_KEY: &[u8] = br#""spans":["#;
        let text = serde_json::to_vec(envelope)?;
        let at = memchr::memmem::rfind(&text, SPANS_KEY).map_or(text.len(), |at| at + SPANS_KEY.len());
        if !std::mem::replace(&mut self.is_empty, false) {
            self.out.write_all(b",")?;
        }
        let (before, behind) = text.split_at(at);
        self.out.write_all(before)?;
        Ok(behind.to_vec())
    }

    /// Finishes the file and returns `out`, flushed.
    ///
    /// # Errors
    /// Errors of `out`.
    pub fn finish(mut self) -> io::Result<W> {
        self.out.write_all(b"]}\n")?;
        self.out.flush()?;
        Ok(self.out)
    }
}

/// Returns the resource and scope of a bundle's spans, without spans.
fn envelope(resource: &ResourceAttributesWithSchema, span: &SpanData) -> ResourceSpans {
    let scope = &span.instrumentation_scope;
    let schema_url = scope.schema_url().unwrap_or_default().to_owned();
    let scope = ScopeSpans { scope: Some((scope, None).into()), spans: Vec::new(), schema_url };
    let schema_url = resource.schema_url.clone().unwrap_or_default();
    let resource = Resource { attributes: resource.attributes.0.clone(), ..Resource::default() };
    ResourceSpans { resource: Some(resource), scope_spans: vec![scope], schema_url }
}
