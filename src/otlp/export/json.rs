//! Spans in a file: OTLP as JSON, which Jaeger's UI takes as an upload.

use std::io::{self, Write};

use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_sdk::trace::SpanData;

use super::resource::resource;
use super::{ExportOptions, Exported, Plan, Progress, spans};
use crate::bundle::Reader;
use crate::graph::Graph;

/// One JSON object, `{"resourceSpans":[…]}`, written as it comes: any number of bundles, in memory bounded by one span.
#[derive(Debug)]
pub struct JsonFile<W> {
    out: W,
    is_empty: bool,
}

impl<W: Write> JsonFile<W> {
    /// Begins one.
    ///
    /// # Errors
    /// As `out` has them.
    pub fn new(mut out: W) -> io::Result<Self> {
        out.write_all(br#"{"resourceSpans":["#)?;
        Ok(Self { out, is_empty: true })
    }

    /// Adds what [`spans`] gives for this bundle. `progress` is told after every span.
    ///
    /// # Errors
    /// As `out` has them, and where the environment says of the resource what can't be done.
    pub fn add(
        &mut self,
        bundle: &Reader,
        graph: &Graph,
        options: &ExportOptions,
        mut progress: impl FnMut(Progress),
    ) -> io::Result<Exported> {
        let mut resource = ResourceAttributesWithSchema::from(&resource(options, graph).map_err(io::Error::other)?);
        // Else in any order, and the same bundle would not give the same file.
        resource.attributes.0.sort_by(|a, b| a.key.cmp(&b.key));
        let total = Plan::of(bundle, graph).spans();
        let mut exported = Exported::default();
        let mut closing = Vec::new();
        for span in spans(bundle, graph, &options.mapping) {
            exported.trace_ids.insert(span.span_context.trace_id().to_string());
            if exported.spans == 0 {
                closing = self.open(&around(&resource, &span))?;
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

    /// Writes what stands before a bundle's spans, and gives what stands behind them.
    fn open(&mut self, around: &ResourceSpans) -> io::Result<Vec<u8>> {
        /// How it is written around no spans.
        const SPANS: &[u8] = br#""spans":["#;
        let text = serde_json::to_vec(around)?;
        let at = memchr::memmem::rfind(&text, SPANS).map_or(text.len(), |at| at + SPANS.len());
        if !std::mem::replace(&mut self.is_empty, false) {
            self.out.write_all(b",")?;
        }
        let (before, behind) = text.split_at(at);
        self.out.write_all(before)?;
        Ok(behind.to_vec())
    }

    /// Ends it.
    ///
    /// # Errors
    /// As `out` has them.
    pub fn finish(mut self) -> io::Result<W> {
        self.out.write_all(b"]}\n")?;
        self.out.flush()?;
        Ok(self.out)
    }
}

/// What is around the spans of a bundle: where they come from and who made them.
fn around(resource: &ResourceAttributesWithSchema, span: &SpanData) -> ResourceSpans {
    let scope = &span.instrumentation_scope;
    let schema_url = scope.schema_url().unwrap_or_default().to_owned();
    let scope = ScopeSpans { scope: Some((scope, None).into()), spans: Vec::new(), schema_url };
    let schema_url = resource.schema_url.clone().unwrap_or_default();
    let resource = Resource { attributes: resource.attributes.0.clone(), ..Resource::default() };
    ResourceSpans { resource: Some(resource), scope_spans: vec![scope], schema_url }
}
