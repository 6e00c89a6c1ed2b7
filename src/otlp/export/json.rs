//! Spans in a file: OTLP as JSON, which Jaeger's UI takes as an upload.

use std::io::{self, Write};

use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, Span};

use super::batch::Envelope;
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
        let resource = resource(options, graph).map_err(io::Error::other)?;
        let total = Plan::of(bundle, graph).spans();
        let mut exported = Exported::default();
        let mut closing = Vec::new();
        for span in spans(bundle, graph, &options.mapping) {
            exported.trace_ids.insert(span.span_context.trace_id().to_string());
            if exported.spans == 0 {
                closing = self.open(&Envelope::new(&resource, &span).around)?;
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
