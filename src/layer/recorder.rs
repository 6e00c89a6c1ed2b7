//! The recording that users configure, hold and end, and what all rooms of the layer share with it.

pub(super) mod builder;
mod conversation;
pub(super) mod filter;
pub(super) mod guard;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use filter::RecordFilter;
use guard::RecorderGuard;
use tracing::Subscriber;
use tracing_subscriber::registry::LookupSpan;
#[cfg(feature = "otlp")]
use tracing_subscriber::registry::SpanRef;

use super::session::Session;
use super::session::conversations::CONVERSATION_IDLE;
#[cfg(feature = "otlp")]
use super::session::live::LiveSpanExporter;
#[cfg(feature = "otlp")]
use super::span::record_layer;
use super::span::record_layer::RecordLayer;
use crate::bundle::{Stats, WriterOptions};
#[cfg(feature = "otlp")]
use crate::mask::Rules;

/// A recording: any number of bundles under one root directory. Clones refer to the same recording.
///
/// ```no_run
/// use otel_trace::Recorder;
/// use tracing_subscriber::prelude::*;
///
/// let (recorder, _guard) = Recorder::builder().root("traces").build()?;
/// tracing_subscriber::registry().with(recorder.layer().with_filter(recorder.filter())).init();
/// # Ok::<(), otel_trace::layer::BuildError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Recorder(pub(in crate::layer) Arc<Session>);

impl Recorder {
    /// Creates a recorder that writes nothing, for spans that are only exported. Its operations start and end exactly
    /// as those of a recorder that writes. See the module `otlp`.
    pub fn unwritten() -> (Self, RecorderGuard) {
        let options = WriterOptions { is_noop: true, ..WriterOptions::default() };
        let recorder = Self(Arc::new(Session::new(PathBuf::new(), None, options, CONVERSATION_IDLE)));
        (recorder.clone(), RecorderGuard::new(recorder.0))
    }

    /// Creates a layer that records the spans of a subscriber. The layer examines every span that it is given: limit
    /// that with [`filter`](Self::filter).
    pub fn layer<S>(&self) -> RecordLayer<S>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        RecordLayer::new(Arc::clone(&self.0))
    }

    /// Returns the per-layer filter that lets through the spans and events which the layer needs.
    pub fn filter(&self) -> RecordFilter {
        RecordFilter::default()
    }

    /// Registers the exporter of live spans, for every span with a kind field that is opened from now on. Only the
    /// first registration takes effect.
    #[cfg(feature = "otlp")]
    pub(crate) fn export_to(&self, live: Arc<dyn LiveSpanExporter>) {
        let _ = self.0.live.set(live);
    }

    /// Returns the rules by which the recorder masks texts, for texts that are exported without being recorded.
    #[cfg(feature = "otlp")]
    pub(crate) fn masking_rules(&self) -> Rules {
        let options = &self.0.options;
        Rules::new(options.redact.clone(), Arc::clone(&options.masking))
    }

    /// Ends the operations of a span that closes, for a layer that observes the close before the record layer does.
    #[cfg(feature = "otlp")]
    pub(crate) fn close_span<'a, S: LookupSpan<'a>>(&self, span: &SpanRef<'a, S>) {
        record_layer::close(&self.0, span);
    }

    /// Returns the directory that contains the bundles, or an empty path if none are written.
    pub fn root(&self) -> &Path {
        &self.0.root
    }

    /// Returns the number of events and payloads that were written and lost so far, by kind.
    pub fn stats(&self) -> Stats {
        self.0.options.tally.stats()
    }
}
